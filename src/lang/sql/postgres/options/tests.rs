use super::super::variables;
use super::*;
use postgres::config::Host;

fn parsed(query: &str) -> DatabaseUri {
    DatabaseUri::parse(&format!("postgresql://me:pw@host/db?{query}")).unwrap()
}

fn settings(query: &str) -> Config {
    let read = read_options(parsed(query));
    read.unwrap_or_else(|error| panic!("{query}: {error}")).0
}

/// Refusals, as what is asked for and what names it.
fn are_refused(refused: &[(&str, &str)]) {
    for (query, named) in refused {
        let error = read_options(parsed(query)).map(|_| ()).unwrap_err();
        assert!(error.contains(named), "{query}: {error}");
    }
}

#[test]
fn whom_to_connect_to_is_chosen_by_options() {
    let chosen = settings("options=-csearch_path%3Dteam_a&host=other:5433&user=them&dbname=theirs");
    assert_eq!(chosen.get_options(), Some("-csearch_path=team_a"));
    assert_eq!(
        (chosen.get_user(), chosen.get_dbname()),
        (Some("them"), Some("theirs"))
    );
    assert_eq!(
        (chosen.get_hosts(), chosen.get_ports()),
        (&[Host::Tcp("other".into())][..], &[5433][..])
    );
    let several = settings("host=a:1&host=b,c&port=2");
    assert_eq!(
        (several.get_hosts().len(), several.get_ports()),
        (3, &[1, 2, 2][..])
    );
    let address = settings("hostaddr=127.0.0.9");
    assert_eq!(
        address.get_hostaddrs(),
        ["127.0.0.9".parse::<std::net::IpAddr>().unwrap()]
    );
    let socket = settings("host=/run/postgresql");
    assert_eq!(socket.get_hosts(), [Host::Unix("/run/postgresql".into())]);
    are_refused(&[
        ("hostaddr=host", "`hostaddr`"),
        ("port=x", "`port`"),
        ("service=x", "`service`"),
        ("requirepeer=postgres", "`requirepeer`"),
        ("require_auth=scram-sha-256", "`require_auth`"),
        ("load_balance_hosts=random", "`load_balance_hosts`"),
        ("nosuch=1", "`nosuch`"),
    ]);
}

#[test]
fn times_of_connections_are_as_asked_for() {
    let seconds = Duration::from_secs;
    let plain = settings("");
    assert_eq!(plain.get_connect_timeout(), Some(&CONNECT_TIMEOUT));
    assert_eq!(settings("connect_timeout=0").get_connect_timeout(), None);
    let asked = settings(
        "connect_timeout=7&keepalives_idle=11&keepalives_interval=12&keepalives_count=13&tcp_user_timeout=14000",
    );
    assert_eq!(asked.get_connect_timeout(), Some(&seconds(7)));
    assert!(asked.get_keepalives() && !settings("keepalives=0").get_keepalives());
    assert_eq!(asked.get_keepalives_idle(), seconds(11));
    assert_eq!(asked.get_keepalives_interval(), Some(seconds(12)));
    assert_eq!(asked.get_keepalives_retries(), Some(13));
    assert_eq!(asked.get_tcp_user_timeout(), Some(&seconds(14)));
    let left_to_the_system =
        settings("keepalives_idle=0&keepalives_interval=0&keepalives_count=0&tcp_user_timeout=0");
    assert_eq!(
        left_to_the_system.get_keepalives_idle(),
        plain.get_keepalives_idle()
    );
    assert_eq!(left_to_the_system.get_keepalives_interval(), None);
    assert_eq!(left_to_the_system.get_keepalives_retries(), None);
    assert_eq!(left_to_the_system.get_tcp_user_timeout(), None);
    are_refused(&[
        ("keepalives=perhaps", "`keepalives`"),
        ("keepalives_idle=x", "`keepalives_idle`"),
        ("keepalives_interval=-1", "`keepalives_interval`"),
        ("keepalives_count=1.5", "`keepalives_count`"),
        ("tcp_user_timeout=1s", "`tcp_user_timeout`"),
        ("connect_timeout=soon", "`connect_timeout`"),
    ]);
}

#[test]
fn sessions_are_as_asked_for() {
    for (query, expected) in [
        ("target_session_attrs=any", TargetSessionAttrs::Any),
        ("target_session_attrs=read-write", TargetSessionAttrs::ReadWrite),
        ("target_session_attrs=read-only", TargetSessionAttrs::ReadOnly),
    ] {
        assert_eq!(settings(query).get_target_session_attrs(), expected, "{query}");
    }
    assert_eq!(settings("application_name=a").get_application_name(), Some("a"));
    assert_eq!(
        settings("fallback_application_name=b").get_application_name(),
        Some("b")
    );
    settings("client_encoding=utf8&gssencmode=disable&channel_binding=prefer&sslcompression=0&sslsni=1");
    settings(
        "ssl_min_protocol_version=TLSv1.2&ssl_max_protocol_version=TLSv1.3&sslcertmode=allow&requiressl=0",
    );
    are_refused(&[
        ("target_session_attrs=standby", "`standby`"),
        ("target_session_attrs=prefer-standby", "read-only"),
        ("client_encoding=latin1", "`client_encoding`"),
        ("gssencmode=require", "`gssencmode`"),
        ("channel_binding=require", "`channel_binding`"),
    ]);
}

#[test]
fn tls_is_as_asked_for() {
    let cases = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/fixtures/cases/09-self-signed-certificate"
    );
    let root = format!("sslrootcert={cases}/own.pem");
    for (query, expected) in [
        (String::new(), SslMode::Prefer),
        ("sslmode=disable".to_owned(), SslMode::Disable),
        ("sslmode=allow".to_owned(), SslMode::Prefer),
        ("sslmode=require".to_owned(), SslMode::Require),
        // A file that is named is used, or nothing is sent.
        (root.clone(), SslMode::Require),
        (format!("sslmode=verify-ca&{root}"), SslMode::Require),
        (format!("sslmode=verify-full&{root}"), SslMode::Require),
        (
            format!("sslmode=require&sslcert={cases}/own.pem&sslkey={cases}/own.key"),
            SslMode::Require,
        ),
    ] {
        assert_eq!(settings(&query).get_ssl_mode(), expected, "{query}");
    }
    let negotiation = |query| settings(query).get_ssl_negotiation();
    assert_eq!(negotiation("sslnegotiation=postgres"), SslNegotiation::Postgres);
    assert_eq!(
        negotiation("sslmode=require&sslnegotiation=direct"),
        SslNegotiation::Direct
    );
    are_refused(&[
        ("sslnegotiation=direct", "`sslmode=require`"),
        ("sslmode=require&sslnegotiation=quick", "`quick`"),
        ("sslmode=verify-full", "sslrootcert=FILE"),
        ("sslmode=verify-ca", "sslrootcert=FILE"),
        ("sslmode=sometimes", "`sometimes`"),
        ("sslrootcert=/nosuch", "/nosuch"),
        ("sslrootcert=system", "`sslrootcert=system`"),
        ("sslcert=/nosuch", "`sslkey`"),
        ("sslcert=/nosuch&sslkey=/nosuch", "/nosuch"),
        (
            &format!("sslcert={cases}/own.pem&sslkey={cases}/other.key"),
            "own.pem",
        ),
        ("sslpassword=x", "`sslpassword`"),
        ("sslcrl=/x", "`sslcrl`"),
        ("sslcrldir=/x", "`sslcrldir`"),
        ("sslcertmode=require", "`sslcertmode`"),
        ("sslsni=0", "`sslsni`"),
        ("ssl_min_protocol_version=TLSv1.3", "`ssl_min_protocol_version`"),
        ("ssl_max_protocol_version=TLSv1.2", "`ssl_max_protocol_version`"),
    ]);
}

#[test]
fn variables_stand_for_options_that_the_uri_does_not_have() {
    let set = |name: &str| Some(format!("value of {name}"));
    let mut uri = DatabaseUri::parse("postgresql:///?sslmode=disable&connect_timeout=3").unwrap();
    let taken = variables::add(&mut uri, &set);
    assert!(taken.len() > 20, "{taken:?}");
    for (name, option) in taken {
        assert_eq!(uri.options.take(option), set(name), "{name}");
    }
    assert_eq!(uri.options.take("sslmode").as_deref(), Some("disable"));
    // What stands before the `?` goes before variables, too.
    let mut uri = parsed("");
    variables::add(&mut uri, &set);
    let rest = ["host", "user", "dbname"].map(|option| uri.options.take(option));
    assert_eq!(rest, [None, None, None]);
    assert_eq!(uri.options.take("port"), set("PGPORT"));
    // No variable goes by unseen: each is honoured, or refused.
    for (name, option) in variables::add(&mut parsed(""), &set) {
        let only = |asked: &str| (asked == name).then(|| "no such value".to_owned());
        let mut uri = parsed("");
        variables::add(&mut uri, &only);
        let is_free_text = ["options", "application_name"].contains(&option);
        match read_options(uri) {
            Ok(_) => assert!(is_free_text, "{name}"),
            Err(error) => assert!(
                error.contains(option) || error.contains("no such value"),
                "{name}: {error}"
            ),
        }
    }
}
