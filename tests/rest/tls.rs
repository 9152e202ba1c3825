//! Certificates that MLflow's own client takes, and none that it would not.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use mlark::client::{Client, ClientError, Connection, Environment, FailureKind, Path};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

fn file(name: &str) -> PathBuf {
    let folder = "fixtures/cases/09-self-signed-certificate";
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(folder)
        .join(name)
}

/// A server with one of the certificates, that answers all with `{}`; its URL.
fn server(certificate: &str) -> String {
    let chain = CertificateDer::from_pem_file(file(&format!("{certificate}.pem"))).unwrap();
    let key = PrivateKeyDer::from_pem_file(file(&format!("{certificate}.key"))).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![chain], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = ServerConnection::new(config.clone()).unwrap();
            let mut reader = BufReader::new(StreamOwned::new(connection, stream));
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                line.clear();
            }
            let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
            let _ = reader.get_mut().write_all(answer.as_bytes());
            reader.get_mut().conn.send_close_notify();
            let _ = reader.get_mut().flush();
        }
    });
    format!("https://localhost:{port}")
}

/// What a client says of a server, that trusts a file.
fn ask(server: &str, variable: &str, trusted: &str) -> Result<(), ClientError> {
    let trusted = file(&format!("{trusted}.pem"));
    let environment = Environment::of(&[(variable, trusted.to_str().unwrap())], None);
    let mut connection = Connection::of(server, &environment).unwrap();
    connection.options.max_retries = 0;
    connection.options.timeout = Duration::from_secs(20);
    let client = Client::new(connection.base, connection.options)?;
    client.get(Path::api2("x")).send().map(|_| ())
}

const VARIABLE: &str = "MLFLOW_TRACKING_SERVER_CERT_PATH";

#[test]
fn a_self_signed_certificate_that_is_named_is_taken() {
    let own = server("own");
    for variable in [VARIABLE, "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"] {
        ask(&own, variable, "own").unwrap();
        ask(&own.replace("localhost", "127.0.0.1"), variable, "own").unwrap();
    }
    ask(&server("server"), VARIABLE, "own").unwrap();
}

#[test]
fn certificates_that_are_not_named_or_not_valid_are_refused() {
    for (presented, trusted, why) in [
        ("own", "other", "another one of the same name"),
        ("other", "own", "another one of the same name"),
        ("server", "other", "signed by somebody else"),
        ("signed", "own", "it signs others and is not named itself"),
        ("other-name", "other-name", "it is not of this name"),
        ("expired", "expired", "its time is over"),
    ] {
        let error = ask(&server(presented), VARIABLE, trusted).unwrap_err();
        let is_tls = matches!(
            error,
            ClientError::Failed {
                kind: FailureKind::Tls,
                ..
            }
        );
        assert!(is_tls, "{presented}, {why}: {error:?}");
    }
    let unnamed = Connection::of(&server("own"), &Environment::of(&[], None)).unwrap();
    let client = Client::new(unnamed.base, unnamed.options).unwrap();
    assert!(client.get(Path::api2("x")).send().is_err());
}
