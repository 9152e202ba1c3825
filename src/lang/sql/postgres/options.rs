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
    let variables = super::add_variables(&mut uri);
    let says = |(_, option): &&(&str, &str), error: &str| error.contains(&format!("`{option}"));
    read_options(uri).map_err(|error| {
        let variable = variables.iter().find(|variable| says(variable, &error));
        variable.map_or(error.clone(), |(name, _)| {
            format!("{error} (the variable {name} asks for it)")
        })
    })
}

fn read_options(mut uri: DatabaseUri) -> Result<(Config, MakeTls), String> {
    let mut settings = Config::new();
    settings.application_name("mlark");
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
        settings.hostaddr(address.map_err(|_| "option `hostaddr` is not an address".to_owned())?);
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
    match options.take_number("connect_timeout")? {
        // As long as it takes.
        Some(0) => {}
        Some(timeout) => _ = settings.connect_timeout(Duration::from_secs(timeout)),
        None => _ = settings.connect_timeout(CONNECT_TIMEOUT),
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
    // 0 leaves each to the system.
    let mut number = |name: &str| Ok::<_, String>(options.take_number(name)?.filter(|&number| number > 0));
    if let Some(idle) = number("keepalives_idle")? {
        settings.keepalives_idle(Duration::from_secs(idle));
    }
    if let Some(interval) = number("keepalives_interval")? {
        settings.keepalives_interval(Duration::from_secs(interval));
    }
    if let Some(count) = number("keepalives_count")? {
        settings.keepalives_retries(u32::try_from(count).unwrap_or(u32::MAX));
    }
    if let Some(timeout) = number("tcp_user_timeout")? {
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
    options.pass("sslcertmode", &["allow"])?;
    options.pass("requiressl", &["0"])?;
    options.pass("load_balance_hosts", &["disable"])?;
    options.pass("ssl_min_protocol_version", &["TLSv1", "TLSv1.1", "TLSv1.2"])?;
    options.pass("ssl_max_protocol_version", &["TLSv1.3"])?;
    settings.channel_binding(ChannelBinding::Disable);
    Ok(())
}

/// As libpq has it: `require` checks no certificate unless one is named, `verify-ca` its signer, `verify-full` its name, too.
fn tls(uri: &mut DatabaseUri, settings: &mut Config) -> Result<MakeTls, String> {
    let options = &mut uri.options;
    let mode = options.take("sslmode").unwrap_or_else(|| "prefer".to_owned());
    let trusted = options.take("sslrootcert").map(PathBuf::from);
    let [certificate, key] = ["sslcert", "sslkey"].map(|name| options.take(name));
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
        return Err("`sslrootcert=system` is not supported: name the file, such as /etc/ssl/certs/ca-certificates.crt".to_owned());
    }
    settings.ssl_mode(match mode.as_str() {
        "disable" => SslMode::Disable,
        "allow" | "prefer" if trusted.is_none() => SslMode::Prefer,
        _ => SslMode::Require,
    });
    match options.take("sslnegotiation").as_deref() {
        None | Some("postgres") => {}
        Some("direct") if !["disable", "allow", "prefer"].contains(&mode.as_str()) => {
            settings.ssl_negotiation(SslNegotiation::Direct);
        }
        Some("direct") => {
            return Err(format!(
                "`sslnegotiation=direct` needs `sslmode=require` or more, and `sslmode` is `{mode}`"
            ));
        }
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
mod tests;
