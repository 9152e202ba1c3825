//! The HTTP client against a scripted loopback server: credentials, retries, refusals, cut answers.

use crate::helpers::loopback;
use loopback::{Answer, Loopback};
use mlark::client::{Body, Client, ClientError, Connection, Environment, FailureKind, Path, Repeat};
use serde_json::{Value, json};
use std::io::Read;
use std::time::Duration;

fn client_with(url: &str, variables: &[(&str, &str)]) -> Client {
    let mut connection = Connection::of(url, &Environment::of(variables, None)).unwrap();
    connection.options.retry_base = Duration::from_millis(1);
    connection.options.max_retries = 3;
    Client::new(connection.base, connection.options).unwrap()
}

fn client(server: &Loopback) -> Client {
    client_with(&server.url(), &[])
}

fn ok() -> Answer {
    Answer::json("{}")
}

/// The `Authorization` header that reaches a server.
fn sent_authorization(
    user_info: &str,
    variables: &[(&str, &str)],
    home: Option<std::path::PathBuf>,
) -> Option<String> {
    let server = Loopback::start(|_| ok());
    let url = server.url().replace("http://", &format!("http://{user_info}"));
    let client = Client::open(&url, &Environment::of(variables, home)).unwrap();
    client.get(Path::api2("x")).send().unwrap();
    let received = server.received();
    assert_eq!(received[0].header("origin"), None);
    received[0].header("authorization").map(str::to_owned)
}

#[test]
fn credentials_follow_mlflows_own_order() {
    let user = ("MLFLOW_TRACKING_USERNAME", "ana");
    let password = ("MLFLOW_TRACKING_PASSWORD", "pw");
    let token = ("MLFLOW_TRACKING_TOKEN", "token-t");
    let basic = Some("Basic YW5hOnB3".to_owned());
    assert_eq!(sent_authorization("", &[], None), None);
    assert_eq!(
        sent_authorization("", &[user, password, token], None),
        basic,
        "basic beats bearer"
    );
    assert_eq!(
        sent_authorization("", &[user, token], None),
        Some("Bearer token-t".to_owned())
    );
    assert_eq!(
        sent_authorization("ana:p%77@", &[token], None),
        basic,
        "the URL beats all"
    );
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".mlflow")).unwrap();
    let file = "[mlflow]\nmlflow_tracking_username = bob\nmlflow_tracking_password = pw\n";
    std::fs::write(home.path().join(".mlflow/credentials"), file).unwrap();
    let home = Some(home.path().to_owned());
    assert_eq!(
        sent_authorization("", &[user], home),
        basic,
        "variables win per field"
    );
}

#[test]
fn databricks_profiles_give_host_and_token() {
    let server = Loopback::start(|_| ok());
    let home = tempfile::tempdir().unwrap();
    let file = format!(
        "[DEFAULT]\nhost = {}\ntoken = token-a\n[other]\nhost = {0}\ntoken = token-b\n",
        server.url()
    );
    std::fs::write(home.path().join(".databrickscfg"), file).unwrap();
    let home = Some(home.path().to_owned());
    let url = server.url();
    let variables = [("DATABRICKS_HOST", url.as_str()), ("DATABRICKS_TOKEN", "token-c")];
    for (uri, variables) in [
        ("databricks", &[][..]),
        ("databricks://other", &variables[..]),
        ("databricks", &variables[..]),
    ] {
        let environment = Environment::of(variables, home.clone());
        let client = Client::open(uri, &environment).unwrap();
        client.get(Path::api2("x")).send().unwrap();
    }
    let tokens: Vec<_> = server
        .received()
        .iter()
        .map(|request| request.headers["authorization"].clone())
        .collect();
    assert_eq!(tokens, ["Bearer token-a", "Bearer token-b", "Bearer token-c"]);
    let error = Client::open("databricks://missing", &Environment::of(&[], home)).unwrap_err();
    assert!(error.to_string().contains("no profile `missing`"), "{error}");
}

#[test]
fn secrets_are_never_shown() {
    let variables = [("MLFLOW_TRACKING_TOKEN", "hush-token")];
    let connection = Connection::of(
        "http://ana:hush@host:1/p?token=hush",
        &Environment::of(&variables, None),
    )
    .unwrap();
    let shown = format!("{connection:?} {}", connection.base);
    assert!(!shown.contains("hush"), "{shown}");
    assert_eq!(connection.base.to_string(), "http://host:1/p");
}

#[test]
fn paths_and_queries_are_encoded_once_below_the_prefix() {
    let server = Loopback::start(|_| ok());
    let client = client_with(
        &format!("{}/mlflow/", server.url()),
        &[("MLFLOW_WORKSPACE", "team-a")],
    );
    let path = Path::artifacts("artifacts").below("a b/ü%20?/c#");
    client
        .get(path.clone())
        .query("path", "x/y&z")
        .query("id", "1")
        .send()
        .unwrap();
    client
        .in_workspace(None)
        .unwrap()
        .get(path.without_prefix(true))
        .send()
        .unwrap();
    let received = server.received();
    let encoded = "/api/2.0/mlflow-artifacts/artifacts/a%20b/%C3%BC%2520%3F/c%23";
    assert_eq!(
        received[0].target,
        format!("/mlflow{encoded}?path=x%2Fy%26z&id=1")
    );
    assert_eq!(received[1].target, encoded);
    assert_eq!(received[0].header("x-mlflow-workspace"), Some("team-a"));
    assert_eq!(received[1].header("x-mlflow-workspace"), None);
}

#[test]
fn what_may_be_repeated_is_repeated_until_it_passes() {
    for first in [
        Answer::new(503, "busy"),
        Answer::new(429, "slow down").header("Retry-After", "0"),
        Answer::new(500, "{\"error_code\":\"INTERNAL_ERROR\",\"message\":\"locked\"}"),
        Answer::json("{\"a\": 1}").cut_after(4),
        Answer::json("{\"a\": 1"),
    ] {
        let shown = format!("{first:?}");
        let server = Loopback::start(move |request| match request.number {
            0 | 1 => first.clone(),
            _ => Answer::json("{\"a\": 2}"),
        });
        let client = client(&server);
        let answer: Value = client.get(Path::api2("x")).parse().unwrap();
        assert_eq!(answer, json!({"a": 2}), "{shown}");
        assert_eq!((client.requests(), client.retries()), (3, 2), "{shown}");
        assert_eq!(client.take_notices().len(), 2);
    }
}

#[test]
fn what_creates_is_repeated_only_where_nothing_was_done() {
    let create = |server: &Loopback| {
        client(server)
            .post(Path::api2("runs/create"), Repeat::Unsafe)
            .json(&json!({}))
            .parse::<Value>()
    };
    let server = Loopback::start(|request| match request.number {
        0 => Answer::new(429, ""),
        _ => ok(),
    });
    create(&server).unwrap();
    for answer in [
        Answer::new(502, "bad gateway"),
        ok().cut_after(1),
        Answer::json("{\"run\":"),
    ] {
        let server = Loopback::start(move |_| answer.clone());
        let error = create(&server).unwrap_err();
        assert!(error.outcome_unknown(), "{error}");
        assert_eq!(server.received().len(), 1);
    }
    let server = Loopback::start(|_| {
        Answer::new(
            400,
            "{\"error_code\":\"RESOURCE_ALREADY_EXISTS\",\"message\":\"m\"}",
        )
    });
    let error = create(&server).unwrap_err();
    assert!(error.is_already_there() && !error.outcome_unknown(), "{error}");
}

#[test]
fn repetitions_end() {
    let server =
        Loopback::start(|_| Answer::new(500, "{\"error_code\":\"INTERNAL_ERROR\",\"message\":\"no\"}"));
    let error = client(&server)
        .get(Path::api2("x"))
        .query("secret", "s")
        .send()
        .unwrap_err();
    assert_eq!(server.received().len(), 4);
    let expected = format!(
        "GET {}/api/2.0/mlflow/x answered 500 INTERNAL_ERROR: no",
        server.url()
    );
    assert_eq!(error.to_string(), expected);
    let once = client(&server).get(Path::api2("x")).attempts(1).send();
    assert!(once.is_err());
    assert_eq!(server.received().len(), 5);
}

#[test]
fn no_server_is_a_failure_to_connect() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = client_with(&url, &[]);
    let error = client
        .post(Path::api2("runs/create"), Repeat::Unsafe)
        .send()
        .unwrap_err();
    assert!(
        matches!(
            error,
            ClientError::Failed {
                kind: FailureKind::Connect,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(!error.outcome_unknown());
    assert_eq!(client.retries(), 3);
}

#[test]
fn a_name_without_a_server_is_a_failure_to_connect() {
    let client = client_with("http://no-such-host.invalid", &[]);
    let error = client.get(Path::api2("runs/get")).attempts(1).send().unwrap_err();
    assert!(
        matches!(
            error,
            ClientError::Failed {
                kind: FailureKind::Connect,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(error.hint().unwrap().contains("the URL is right"));
}

#[test]
fn a_server_without_tls_is_told_by_the_hint() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            use std::io::{Read, Write};
            let _ = stream.read(&mut [0; 2048]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
        }
    });
    let client = client_with(&url, &[]);
    let error = client.get(Path::root("health")).send().unwrap_err();
    assert!(
        error.hint().unwrap().contains("supports https"),
        "{error:?} {:?}",
        error.hint()
    );
}

#[test]
fn a_silent_server_times_out() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut connection = Connection::of(
        &format!("http://{}", listener.local_addr().unwrap()),
        &Environment::default(),
    )
    .unwrap();
    connection.options.timeout = Duration::from_millis(50);
    connection.options.max_retries = 0;
    let client = Client::new(connection.base, connection.options).unwrap();
    let error = client.get(Path::api2("x")).send().unwrap_err();
    assert!(
        matches!(
            error,
            ClientError::Failed {
                kind: FailureKind::Timeout,
                ..
            }
        ),
        "{error:?}"
    );
}

/// A client with small bounds.
fn bounded(server: &Loopback, timeout_ms: u64, answer_bytes: u64) -> Client {
    let mut connection = Connection::of(&server.url(), &Environment::of(&[], None)).unwrap();
    connection.options.timeout = Duration::from_millis(timeout_ms);
    connection.options.answer_bytes = answer_bytes;
    connection.options.max_retries = 3;
    connection.options.retry_base = Duration::from_millis(1);
    Client::new(connection.base, connection.options).unwrap()
}

fn failure_kind(error: &ClientError) -> Option<FailureKind> {
    match error {
        ClientError::Failed { kind, .. } => Some(*kind),
        _ => None,
    }
}

#[test]
fn bytes_now_and_then_keep_no_answer_alive() {
    // Each byte comes in time, and the whole would take an hour.
    let server = Loopback::start(|_| Answer::new(200, vec![b' '; 360_000]).drip(Duration::from_millis(10)));
    let client = bounded(&server, 200, 1 << 20);
    let error = client.get(Path::api2("x")).attempts(1).send().unwrap_err();
    assert_eq!(failure_kind(&error), Some(FailureKind::Timeout), "{error}");
    let mut download = client.get(Path::api2("x")).download().unwrap();
    assert!(download.read_to_end(&mut Vec::new()).is_err());
}

#[test]
fn a_slow_download_that_gets_on_is_whole() {
    // Slower in all than the timeout, and never slower than its pace.
    let body: Vec<u8> = (0..2_000_000_u32).map(|number| number as u8).collect();
    let expected = body.clone();
    let server = Loopback::start(move |request| {
        // A part at a time, so that the connection breaks often.
        let from = request
            .header("range")
            .and_then(|range| range.strip_prefix("bytes="));
        let from: usize = from.map_or(0, |range| range.trim_end_matches('-').parse().unwrap());
        let answer = Answer::new(if from > 0 { 206 } else { 200 }, &body[from..]);
        let range = format!("bytes {from}-{}/{}", body.len() - 1, body.len());
        answer
            .header("ETag", "\"a\"")
            .header("Content-Range", &range)
            .cut_after((body.len() - from).min(700_000))
    });
    let mut found = Vec::new();
    let client = bounded(&server, 5_000, 10);
    client
        .get(Path::api2("x"))
        .download()
        .unwrap()
        .read_to_end(&mut found)
        .unwrap();
    assert!(found == expected);
}

#[test]
fn an_answer_over_its_size_is_refused_once() {
    let server = Loopback::start(|_| Answer::json(&format!("{{\"a\":\"{}\"}}", "x".repeat(94))));
    let error = bounded(&server, 5_000, 99)
        .get(Path::api2("x"))
        .parse::<Value>()
        .unwrap_err();
    assert!(error.is_too_large(), "{error}");
    assert_eq!(server.received().len(), 1);
    assert!(
        bounded(&server, 5_000, 102)
            .get(Path::api2("x"))
            .parse::<Value>()
            .is_ok()
    );
}

#[test]
fn redirects_without_end_are_followed_once() {
    let server = Loopback::start(|request| Answer::new(302, "").header("Location", request.path()));
    let client = bounded(&server, 5_000, 1 << 20);
    let error = client.get(Path::api2("x")).send().unwrap_err();
    assert_eq!(failure_kind(&error), Some(FailureKind::Redirects), "{error}");
    assert_eq!(client.retries(), 0);
}

#[test]
fn a_page_in_place_of_json_is_named() {
    let page = "<!doctype html><html><head><title>Sign in</title></head></html>";
    let server = Loopback::start(move |_| Answer::new(200, page).header("Content-Type", "text/html"));
    let error = client(&server).get(Path::api2("x")).parse::<Value>().unwrap_err();
    assert!(
        error.to_string().contains("an HTML page titled `Sign in`"),
        "{error}"
    );
    // It may stand for what is there; the page of MLflow's UI stands for a path that is not known.
    assert!(error.hint().is_some() && error.is_answer() && !error.is_unknown_route());
    let server = Loopback::start(move |_| Answer::new(200, page.replace("Sign in", "MLflow")));
    let error = client(&server).get(Path::api2("x")).parse::<Value>().unwrap_err();
    assert!(error.is_unknown_route(), "{error}");
    let server = Loopback::start(|_| Answer::new(401, "You are not authenticated."));
    let error = client(&server).get(Path::api2("x")).parse::<Value>().unwrap_err();
    assert!(error.is_denied(), "{error}");
    assert!(
        error
            .to_string()
            .ends_with("answered 401: `You are not authenticated.`"),
        "{error}"
    );
    assert_eq!(server.received().len(), 1);
}

#[test]
fn posts_are_not_redirected() {
    let server =
        Loopback::start(|_| Answer::new(302, "").header("Location", "http://ana:pw@elsewhere/login?x=y"));
    let error = client(&server)
        .post(Path::api2("x"), Repeat::Safe)
        .json(&json!({}))
        .send()
        .unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("answered 302: `it redirects to http://elsewhere/login`"),
        "{error}"
    );
}

#[test]
fn bodies_arrive_with_their_type_and_are_opened_again() {
    let server = Loopback::start(|request| match request.number {
        0 => Answer::new(503, ""),
        _ => ok(),
    });
    let body = Body::Stream {
        size_bytes: 3,
        open: Box::new(|| Ok(Box::new(&b"abc"[..]))),
    };
    client(&server)
        .put(Path::artifacts("artifacts").below("a/b"))
        .body(body)
        .send()
        .unwrap();
    let path = Path::api2("logged-models")
        .segment("m-1")
        .segment("tags")
        .segment("a/b");
    client(&server)
        .delete(path, Repeat::Safe)
        .json(&json!({"a": 1}))
        .send()
        .unwrap();
    let received = server.received();
    assert_eq!(received[1].body, b"abc");
    assert_eq!(
        received[1].header("content-type"),
        Some("application/octet-stream")
    );
    assert_eq!(
        (received[2].method.as_str(), received[2].body.as_slice()),
        ("DELETE", &b"{\"a\":1}"[..])
    );
    assert_eq!(received[2].header("content-type"), Some("application/json"));
    assert!(received[2].target.ends_with("/tags/a%2Fb"));
}

#[test]
fn a_broken_download_is_taken_up_where_it_broke() {
    let whole: Vec<u8> = (0..100_000_u32).map(|number| (number % 251) as u8).collect();
    let bytes = whole.clone();
    let server = Loopback::start(move |request| {
        let answer = match request.header("range").and_then(|range| {
            range
                .strip_prefix("bytes=")?
                .strip_suffix('-')?
                .parse::<usize>()
                .ok()
        }) {
            // One that does not know ranges.
            Some(_) if request.number == 1 => Answer::new(200, bytes.clone()).cut_after(70_000),
            Some(start) => {
                let range = format!("bytes {start}-{}/{}", bytes.len() - 1, bytes.len());
                Answer::new(206, &bytes[start..]).header("Content-Range", &range)
            }
            None => Answer::new(200, bytes.clone()).cut_after(30_000),
        };
        answer.header("ETag", "\"e\"")
    });
    let mut read = Vec::new();
    client(&server)
        .get(Path::root("get-artifact"))
        .download()
        .unwrap()
        .read_to_end(&mut read)
        .unwrap();
    assert!(read == whole, "{} bytes", read.len());
    assert_eq!(server.received().len(), 3);
}

#[test]
fn a_download_that_changed_meanwhile_fails() {
    let server = Loopback::start(|request| {
        let tag = format!("\"{}\"", request.number);
        Answer::new(200, vec![1; 1000])
            .cut_after(500)
            .header("ETag", &tag)
    });
    let mut download = client(&server)
        .get(Path::root("get-artifact"))
        .download()
        .unwrap();
    let error = download.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(error.to_string(), "it changed while it was read");
}

#[test]
fn variables_that_cannot_be_followed_are_refused() {
    for (variables, expected) in [
        (
            &[("MLFLOW_TRACKING_AWS_SIGV4", "true")][..],
            "MLFLOW_TRACKING_AWS_SIGV4",
        ),
        (
            &[("MLFLOW_TRACKING_INSECURE_TLS", "maybe")][..],
            "not `true` or `false`",
        ),
        (&[("MLFLOW_HTTP_REQUEST_TIMEOUT", "soon")][..], "not a number"),
        (
            &[
                ("MLFLOW_TRACKING_INSECURE_TLS", "1"),
                ("MLFLOW_TRACKING_SERVER_CERT_PATH", "x"),
            ][..],
            "cannot be used together",
        ),
    ] {
        let error = Connection::of("http://h", &Environment::of(variables, None)).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    for uri in ["h:5000", "ftp://h", "http://", "http://a b/", "http://:80"] {
        assert!(Connection::of(uri, &Environment::default()).is_err(), "{uri}");
    }
}
