//! What a PostgreSQL URI and libpq's variables ask for.

use super::super::uri::DatabaseUri;
use super::tls::MakeTls;
use crate::client::tls::{Check, TlsFiles, config};
use postgres::Config;
use postgres::config::{ChannelBinding, SslMode, SslNegotiation, TargetSessionAttrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// A connection to be made; a sentence, where something is asked for that cannot be had.
pub(super) fn read(mut uri: DatabaseUri) -> Result<(Config, MakeTls), String> {
    let mut settings = Config::new();
    settings
        .connect_timeout(CONNECT_TIMEOUT)
        .application_name("mlark");
    let tls = tls(&mut uri, &mut settings)?;
    place(&mut uri, &mut settings)?;
    session(&mut uri, &mut settings)?;
    uri.options.finish()?;
    Ok((settings, tls))
}

/// Whom to connect to, as whom; options go before what stands in the URI, as in SQLAlchemy.
fn place(uri: &mut DatabaseUri, settings: &mut Config) -> Result<(), String> {
    let options = &mut uri.options;
    let mut hosts = Vec::new();
    while let Some(host) = options.take("host") {
        // SQLAlchemy's way to name several: `host=a:5432&host=b`.
        let parts: Vec<_> = host.split(',').map(str::to_owned).collect();
        hosts.extend(parts);
    }
    let port = options
        .take_number("port")?
        .and_then(|port| u16::try_from(port).ok())
        .or(uri.port);
    if hosts.is_empty() {
        hosts.extend(uri.host.clone());
    }
    for host in hosts {
        let (host, own) = match host.rsplit_once(':') {
            Some((name, own)) if !name.contains(':') && own.parse::<u16>().is_ok() => {
                (name.to_owned(), own.parse().ok())
            }
            _ => (host, None),
        };
        settings.host(&host).port(own.or(port).unwrap_or(5432));
    }
    if let Some(address) = options.take("hostaddr") {
        let address = address.parse();
        settings.hostaddr(address.map_err(|_| "option `hostaddr` is no address".to_owned())?);
    }
    let mut option = |names: &[&str]| names.iter().find_map(|name| options.take(name));
    let database = option(&["dbname", "database"]).or(uri.database.take());
    let user = option(&["user"]).or(uri.user.take());
    let variable = || std::env::var("PGPASSWORD").ok();
    let password = option(&["password"]).or(uri.password.take()).or_else(variable);
    database.iter().for_each(|database| _ = settings.dbname(database));
    user.iter().for_each(|user| _ = settings.user(user));
    if let Some(password) = password {
        crate::model::mask::learn(|mask| mask.add(&password));
        settings.password(password);
    }
    Ok(())
}

fn session(uri: &mut DatabaseUri, settings: &mut Config) -> Result<(), String> {
    let options = &mut uri.options;
    let seconds = |number: u64| Duration::from_secs(number.max(1));
    if let Some(timeout) = options.take_number("connect_timeout")? {
        settings.connect_timeout(seconds(timeout));
    }
    options
        .take("options")
        .iter()
        .for_each(|options| _ = settings.options(options));
    let names = ["fallback_application_name", "application_name"];
    for name in names.map(|name| options.take(name)).into_iter().flatten() {
        settings.application_name(&name);
    }
    if let Some(keepalives) = options.take_bool("keepalives")? {
        settings.keepalives(keepalives);
    }
    if let Some(idle) = options.take_number("keepalives_idle")? {
        settings.keepalives_idle(seconds(idle));
    }
    if let Some(interval) = options.take_number("keepalives_interval")? {
        settings.keepalives_interval(seconds(interval));
    }
    if let Some(count) = options.take_number("keepalives_count")? {
        settings.keepalives_retries(u32::try_from(count).unwrap_or(u32::MAX));
    }
    if let Some(timeout) = options.take_number("tcp_user_timeout")? {
        settings.tcp_user_timeout(Duration::from_millis(timeout));
    }
    match options.take("target_session_attrs").as_deref() {
        None | Some("any") => {}
        Some("read-write") => _ = settings.target_session_attrs(TargetSessionAttrs::ReadWrite),
        Some("read-only") => _ = settings.target_session_attrs(TargetSessionAttrs::ReadOnly),
        Some(other) => {
            return Err(format!(
                "option `target_session_attrs` is `{other}`, and mlark knows any, read-write, read-only"
            ));
        }
    }
    // What these change is not done here at all, or is always so.
    options.pass("client_encoding", &["utf8", "utf-8"])?;
    options.pass("gssencmode", &["disable", "prefer"])?;
    options.pass("channel_binding", &["disable", "prefer"])?;
    options.pass("sslcompression", &["0"])?;
    options.pass("sslsni", &["1"])?;
    options.pass("ssl_min_protocol_version", &["TLSv1", "TLSv1.1", "TLSv1.2"])?;
    settings.channel_binding(ChannelBinding::Disable);
    Ok(())
}

/// As libpq has it: `require` checks no certificate unless one is named, `verify-ca` its signer, `verify-full` its name, too.
fn tls(uri: &mut DatabaseUri, settings: &mut Config) -> Result<MakeTls, String> {
    let mut option = |name: &str, variable: &str| {
        let given = uri.options.take(name);
        given.or_else(|| std::env::var(variable).ok().filter(|value| !value.is_empty()))
    };
    let mode = option("sslmode", "PGSSLMODE").unwrap_or_else(|| "prefer".to_owned());
    let trusted = option("sslrootcert", "PGSSLROOTCERT").map(PathBuf::from);
    let [certificate, key] =
        [("sslcert", "PGSSLCERT"), ("sslkey", "PGSSLKEY")].map(|(name, variable)| option(name, variable));
    let check = match (mode.as_str(), &trusted) {
        ("verify-full", Some(_)) => Check::SignerAndName,
        ("verify-ca", Some(_)) | ("allow" | "prefer" | "require", Some(_)) => Check::Signer,
        ("disable" | "allow" | "prefer" | "require", _) => Check::Nothing,
        ("verify-ca" | "verify-full", None) => {
            return Err(format!(
                "`sslmode={mode}` needs `sslrootcert=FILE`, such as sslrootcert=/etc/ssl/certs/ca-certificates.crt"
            ));
        }
        _ => {
            return Err(format!(
                "option `sslmode` is `{mode}`, and mlark knows disable, allow, prefer, require, verify-ca, verify-full"
            ));
        }
    };
    if trusted
        .as_deref()
        .is_some_and(|path| path.as_os_str() == "system")
    {
        return Err("`sslrootcert=system` is not known here: name the file, such as /etc/ssl/certs/ca-certificates.crt".to_owned());
    }
    settings.ssl_mode(match mode.as_str() {
        "disable" => SslMode::Disable,
        "allow" | "prefer" if trusted.is_none() => SslMode::Prefer,
        _ => SslMode::Require,
    });
    match uri.options.take("sslnegotiation").as_deref() {
        None | Some("postgres") => {}
        Some("direct") => _ = settings.ssl_negotiation(SslNegotiation::Direct),
        Some(other) => {
            return Err(format!(
                "option `sslnegotiation` is `{other}`, and mlark knows postgres, direct"
            ));
        }
    }
    let own = match (&certificate, &key) {
        (Some(certificate), Some(key)) => Some((certificate.as_ref(), key.as_ref())),
        (None, None) => None,
        _ => return Err("`sslcert` and `sslkey` go together".to_owned()),
    };
    let files = TlsFiles {
        trusted: trusted.as_deref(),
        own,
    };
    Ok(MakeTls(Arc::new(config(&files, check)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_honoured_or_refused_by_name() {
        let read = |query: &str| {
            let uri = format!("postgresql://me:pw@host/db?{query}");
            read(DatabaseUri::parse(&uri).unwrap()).map(|(settings, _)| settings)
        };
        assert_eq!(read("sslmode=require").unwrap().get_ssl_mode(), SslMode::Require);
        assert_eq!(read("").unwrap().get_ssl_mode(), SslMode::Prefer);
        let chosen = read("options=-csearch_path%3Dteam_a&host=other:5433").unwrap();
        assert_eq!(chosen.get_options(), Some("-csearch_path=team_a"));
        assert_eq!(chosen.get_ports(), [5433]);
        for (query, named) in [
            ("sslmode=verify-full", "sslrootcert=FILE"),
            ("sslmode=sometimes", "`sometimes`"),
            ("sslrootcert=/nosuch", "/nosuch"),
            ("sslcert=/nosuch", "`sslkey`"),
            ("sslcrl=/x", "`sslcrl`"),
            ("channel_binding=require", "`channel_binding`"),
            ("service=x", "`service`"),
            ("nosuch=1", "`nosuch`"),
        ] {
            let error = read(query).unwrap_err();
            assert!(error.contains(named), "{query}: {error}");
        }
    }
}
