//! What a MySQL or MariaDB URI asks for, in the options of PyMySQL and mysqlclient.

use super::super::uri::{DatabaseUri, UriOptions};
use mysql::{ClientIdentity, OptsBuilder, SslOpts};
use std::path::PathBuf;
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// A connection to be made; a sentence, where something is asked for that cannot be had.
pub(super) fn read(uri: DatabaseUri) -> Result<OptsBuilder, String> {
    let mut options = uri.options;
    let mut seconds = |name: &str| match options.take_number(name)? {
        // As PyMySQL has it.
        Some(0) => Err(format!("option `{name}` is 0, and must be more: leave it out")),
        number => Ok(number.map(Duration::from_secs)),
    };
    let connect_timeout = seconds("connect_timeout")?.unwrap_or(CONNECT_TIMEOUT);
    let (read_timeout, write_timeout) = (seconds("read_timeout")?, seconds("write_timeout")?);
    let socket = options.take("unix_socket");
    let tls = tls(&mut options)?;
    if socket.is_some() && tls.is_some() {
        return Err("nothing is encrypted on a `unix_socket`: leave the `ssl_` options out".to_owned());
    }
    let settings = OptsBuilder::new()
        .user(uri.user)
        .pass(uri.password)
        .db_name(uri.database)
        .ip_or_hostname(Some(uri.host.unwrap_or_else(|| "localhost".to_owned())))
        .tcp_port(uri.port.unwrap_or(3306))
        // A server that says where its socket lies is not followed: what was asked for is what is connected to.
        .prefer_socket(false)
        .socket(socket)
        .tcp_connect_timeout(Some(connect_timeout))
        .read_timeout(read_timeout)
        .write_timeout(write_timeout)
        .ssl_opts(tls);
    // Text is read as UTF-8 whatever the tables have, and nothing is written or loaded.
    options.pass("charset", &["utf8mb4", "utf8", "utf8mb3"])?;
    options.pass("use_unicode", &["1", "true"])?;
    options.pass("local_infile", &["0", "1", "true", "false"])?;
    options.pass("autocommit", &["0", "1", "true", "false"])?;
    options.pass("binary_prefix", &["0", "1", "true", "false"])?;
    options.finish()?;
    Ok(settings)
}

/// As the drivers have it: a certificate that is named is checked, and its name unless that is switched off; without one, the
/// connection is encrypted, with whomever.
fn tls(options: &mut UriOptions) -> Result<Option<SslOpts>, String> {
    let [ca, certificate, key] =
        ["ssl_ca", "ssl_cert", "ssl_key"].map(|name| options.take(name).map(PathBuf::from));
    let is_disabled = options.take_bool("ssl_disabled")?;
    let verifies_signer = options.take_bool("ssl_verify_cert")?;
    let [check_hostname, verify_identity] =
        ["ssl_check_hostname", "ssl_verify_identity"].map(|name| options.take_bool(name));
    let verifies_name = check_hostname?.or(verify_identity?);
    let mode = options
        .take("ssl_mode")
        .or_else(|| options.take("ssl-mode"))
        .map(|mode| mode.to_ascii_uppercase());
    let is_asked = ca.is_some() || certificate.is_some() || key.is_some() || mode.is_some();
    let is_asked =
        is_asked || verifies_signer.is_some() || verifies_name.is_some() || is_disabled == Some(false);
    let (mut signer, mut name) = (
        verifies_signer.unwrap_or(ca.is_some()),
        verifies_name.unwrap_or(ca.is_some()),
    );
    match mode.as_deref() {
        Some("DISABLED") => return Ok(None),
        None | Some("REQUIRED") => {}
        Some("VERIFY_CA") => (signer, name) = (true, verifies_name.unwrap_or(false)),
        Some("VERIFY_IDENTITY") => (signer, name) = (true, true),
        Some(mode) => {
            return Err(format!(
                "option `ssl_mode` is `{mode}`, and mlark knows DISABLED, REQUIRED, VERIFY_CA, VERIFY_IDENTITY"
            ));
        }
    }
    if is_disabled == Some(true) || !is_asked {
        return Ok(None);
    }
    if (signer || name) && ca.is_none() {
        return Err(
            "to check the server's certificate, name the certificate of its signer with `ssl_ca=FILE`"
                .to_owned(),
        );
    }
    for path in [&ca, &certificate, &key].into_iter().flatten() {
        std::fs::metadata(path).map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
    }
    let identity = match (certificate, key) {
        (Some(certificate), Some(key)) => Some(ClientIdentity::new(certificate, key)),
        (None, None) => None,
        _ => return Err("`ssl_cert` and `ssl_key` go together".to_owned()),
    };
    let tls = SslOpts::default()
        .with_root_cert_path(ca)
        .with_client_identity(identity)
        .with_danger_accept_invalid_certs(!signer)
        .with_danger_skip_domain_validation(!name);
    Ok(Some(tls))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mysql::Opts;

    fn read_query(query: &str) -> Result<Opts, String> {
        let uri = format!("mysql+pymysql://me:pw@host/db{query}");
        read(DatabaseUri::parse(&uri).unwrap()).map(Opts::from)
    }

    #[test]
    fn options_are_honoured_or_refused_by_name() {
        assert!(read_query("?charset=utf8mb4").unwrap().get_ssl_opts().is_none());
        let socket = read_query("?unix_socket=/run/my.sock").unwrap();
        assert_eq!(socket.get_socket(), Some("/run/my.sock"));
        let times = read_query("?connect_timeout=7&read_timeout=8&write_timeout=9").unwrap();
        let seconds = Duration::from_secs;
        assert_eq!(times.get_tcp_connect_timeout(), Some(seconds(7)));
        assert_eq!(times.get_read_timeout(), Some(&seconds(8)));
        assert_eq!(times.get_write_timeout(), Some(&seconds(9)));
        let plain = read_query("").unwrap();
        assert_eq!(plain.get_tcp_connect_timeout(), Some(CONNECT_TIMEOUT));
        assert_eq!(
            (plain.get_read_timeout(), plain.get_write_timeout()),
            (None, None)
        );
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        for (query, accepts_any, skips_name) in [
            (format!("?ssl_ca={file}"), false, false),
            (format!("?ssl_ca={file}&ssl_check_hostname=false"), false, true),
            (format!("?ssl_ca={file}&ssl_mode=VERIFY_CA"), false, true),
            ("?ssl_mode=REQUIRED".to_owned(), true, true),
            ("?ssl_disabled=false".to_owned(), true, true),
            (format!("?ssl_cert={file}&ssl_key={file}"), true, true),
            (
                format!("?ssl_cert={file}&ssl_key={file}&ssl_ca={file}"),
                false,
                false,
            ),
        ] {
            let options = read_query(&query).unwrap();
            let tls = options.get_ssl_opts().unwrap();
            let found = (tls.accept_invalid_certs(), tls.skip_domain_validation());
            assert_eq!(found, (accepts_any, skips_name), "{query}");
        }
        for (query, named) in [
            ("?ssl_ca=/nosuch", "/nosuch"),
            ("?ssl_verify_cert=true", "`ssl_ca=FILE`"),
            ("?ssl_verify_identity=true", "`ssl_ca=FILE`"),
            ("?ssl_mode=PREFERRED", "`PREFERRED`"),
            ("?ssl_key=/dev/null", "`ssl_cert`"),
            ("?unix_socket=/x&ssl_mode=REQUIRED", "`unix_socket`"),
            ("?charset=latin1", "`charset`"),
            ("?init_command=x", "`init_command`"),
            ("?ssl_capath=/x", "`ssl_capath`"),
            ("?ssl_cipher=x", "`ssl_cipher`"),
            ("?ssl_cert=/dev/null", "`ssl_key`"),
            ("?ssl_cert=/nosuch&ssl_key=/nosuch", "/nosuch"),
            ("?read_default_file=/x", "`read_default_file`"),
            ("?read_timeout=x", "`read_timeout`"),
            ("?write_timeout=x", "`write_timeout`"),
            ("?read_timeout=0", "`read_timeout`"),
            ("?compress=1", "`compress`"),
        ] {
            let error = read_query(query).unwrap_err();
            assert!(error.contains(named), "{query}: {error}");
        }
    }
}
