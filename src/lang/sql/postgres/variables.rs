//! libpq's environment variables, each of which stands for an option that the URI does not have.

use super::super::uri::DatabaseUri;

/// Variables and their options; an option that mlark does not know is refused, wherever it comes from. What is not here
/// changes nothing that is read or how: formats of dates, Kerberos. `PGPASSWORD` is looked at beside the URI's password.
const VARIABLES: [(&str, &str); 27] = [
    ("PGHOST", "host"),
    ("PGHOSTADDR", "hostaddr"),
    ("PGPORT", "port"),
    ("PGDATABASE", "dbname"),
    ("PGUSER", "user"),
    ("PGSERVICE", "service"),
    ("PGOPTIONS", "options"),
    ("PGAPPNAME", "application_name"),
    ("PGCONNECT_TIMEOUT", "connect_timeout"),
    ("PGTARGETSESSIONATTRS", "target_session_attrs"),
    ("PGLOADBALANCEHOSTS", "load_balance_hosts"),
    ("PGREQUIREPEER", "requirepeer"),
    ("PGREQUIREAUTH", "require_auth"),
    ("PGCHANNELBINDING", "channel_binding"),
    ("PGGSSENCMODE", "gssencmode"),
    ("PGREQUIRESSL", "requiressl"),
    ("PGSSLMODE", "sslmode"),
    ("PGSSLNEGOTIATION", "sslnegotiation"),
    ("PGSSLROOTCERT", "sslrootcert"),
    ("PGSSLCERT", "sslcert"),
    ("PGSSLKEY", "sslkey"),
    ("PGSSLCERTMODE", "sslcertmode"),
    ("PGSSLCRL", "sslcrl"),
    ("PGSSLCRLDIR", "sslcrldir"),
    ("PGSSLCOMPRESSION", "sslcompression"),
    ("PGSSLSNI", "sslsni"),
    ("PGSSLMINPROTOCOLVERSION", "ssl_min_protocol_version"),
];

/// Looks at the variables of this process.
pub(in crate::lang::sql) fn add_variables(uri: &mut DatabaseUri) -> Vec<(&'static str, &'static str)> {
    add(uri, &|name| std::env::var(name).ok())
}

/// Adds what variables say and the URI does not; gives the variables that were taken, with their options.
pub(super) fn add(
    uri: &mut DatabaseUri,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Vec<(&'static str, &'static str)> {
    let stands = |option: &str| match option {
        "host" => uri.host.is_some(),
        "port" => uri.port.is_some(),
        "dbname" => uri.database.is_some(),
        "user" => uri.user.is_some(),
        _ => false,
    };
    let open: Vec<_> = VARIABLES
        .into_iter()
        .filter(|(_, option)| !stands(option))
        .collect();
    let mut taken = Vec::new();
    for (name, option) in open {
        let value = variable(name).filter(|value| !value.is_empty());
        if value.is_some_and(|value| uri.options.add_default(option, value)) {
            taken.push((name, option));
        }
    }
    taken
}
