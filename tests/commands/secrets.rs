//! Secrets never come back: not where a server says them back, not in what is kept, not elsewhere than where they were meant for.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use crate::helpers::{bytes, common, loopback};
use loopback::{Answer, Loopback, Received};
use mlark::client::{Client, Connection, Environment, Path as ApiPath, Secret};
use std::path::Path;
use std::process::{Command, Output};

/// What must be nowhere: password, header value, their encodings.
const SECRETS: [&str; 8] = [
    "Sec/ret",
    "Sec%2Fret",
    "Sec%2fret",
    "hush-header-1",
    "em9lNzc6U2VjL3JldA",
    "hush-token-2",
    "Re/d",
    "zoe77",
];

fn mlark(directory: &Path, args: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mlark"))
        .current_dir(directory)
        .args(args)
        .env_clear()
        .envs(variables.iter().copied())
        .env("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        .output()
        .unwrap()
}

/// No secret was printed, and none is in a file below the directory.
fn assert_hidden(directory: &Path, output: &Output, what: &str) {
    let mut texts = vec![
        ("stdout".to_owned(), output.stdout.clone()),
        ("stderr".to_owned(), output.stderr.clone()),
    ];
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                texts.push((path.display().to_string(), std::fs::read(path).unwrap()));
            }
        }
    }
    for (place, bytes) in texts {
        let text = String::from_utf8_lossy(&bytes);
        for secret in SECRETS {
            assert!(!text.contains(secret), "{what}: `{secret}` in {place}: {text}");
        }
    }
}

/// Says back all that it was sent, in words of its own.
fn echo(request: &Received, status: u16) -> Answer {
    let headers: Vec<_> = ["authorization", "x-key"]
        .iter()
        .filter_map(|name| request.header(name))
        .collect();
    let mut said = format!("you sent {}", headers.join(" and "));
    if said.contains("Basic") {
        said.push_str(": Sec/ret, Sec%2Fret, for \"zoe77\"");
    }
    let body = serde_json::json!({ "error_code": said, "message": said });
    Answer::new(status, body.to_string())
}

/// A server with one run, that refuses all but lists.
fn answer(request: &Received, status: u16) -> Answer {
    let body = match request.path() {
        "/version" => "3.18.0",
        path if path.ends_with("/experiments/search") => {
            r#"{"experiments": [{"experiment_id": "1", "name": "one", "lifecycle_stage": "active", "artifact_location": "mlflow-artifacts:/1"}]}"#
        }
        path if path.ends_with("/runs/search") => {
            r#"{"runs": [{"info": {"run_id": "aaaa1111bbbb2222cccc3333dddd4444", "experiment_id": "1", "status": "FINISHED", "start_time": 1, "lifecycle_stage": "active", "artifact_uri": "mlflow-artifacts:/1/aaaa1111bbbb2222cccc3333dddd4444/artifacts"}, "data": {"metrics": [{"key": "m", "value": 1, "timestamp": 1, "step": 0}]}}]}"#
        }
        _ => return echo(request, status),
    };
    Answer::json(body)
}

#[test]
fn what_a_server_says_back_is_masked_in_messages_and_in_the_archive() {
    for status in [400, 401, 500, 200] {
        let server = Loopback::start(move |request| answer(request, status));
        let plain = server.url();
        let with_user = plain.replace("http://", "http://zoe77:Sec%2Fret@");
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        common::History::new().write(&root.join("archive.zip"));
        let basic = [
            ("MLFLOW_TRACKING_USERNAME", "zoe77"),
            ("MLFLOW_TRACKING_PASSWORD", "Sec/ret"),
        ];
        let token = [("MLFLOW_TRACKING_TOKEN", "hush-token-2")];
        for (url, variables) in [(&with_user, &[][..]), (&plain, &basic), (&plain, &token)] {
            let header = "--header=X-Key: hush-header-1";
            for args in [
                &["export", url, "-o", "out", "--keep-going", header][..],
                &["export", url, "-o", "whole", header],
                &["ls", url, "runs", header],
                &["diff", url, url, header],
                &["import", "archive.zip", url],
                &["verify", "archive.zip", "--against", url],
                &["map", "archive.zip", url],
            ] {
                let output = mlark(root, args, variables);
                assert_hidden(root, &output, &format!("{status} {args:?}"));
            }
        }
    }
}

#[test]
fn headers_and_credentials_go_to_no_other_server() {
    let other = Loopback::start(|_| Answer::json(r#"{"experiments": []}"#));
    let elsewhere = other.url();
    let server = Loopback::start(move |request| match request.path().strip_prefix("/api") {
        Some(rest) => Answer::new(307, "").header("Location", &format!("/moved{rest}")),
        None => Answer::new(302, "").header("Location", &format!("{elsewhere}{}", request.target)),
    });
    let url = server.url().replace("http://", "http://zoe77:Sec%2Fret@");
    let mut connection = Connection::of(&url, &Environment::of(&[], None)).unwrap();
    let header = ("X-Key".to_owned(), Secret::new("hush-header-1"));
    connection.options.headers.push(header);
    let client = Client::new(connection.base, connection.options).unwrap();
    client.get(ApiPath::api2("x")).query("q", "a").send().unwrap();
    let (own, other) = (server.received(), other.received());
    let moved = own
        .iter()
        .find(|request| request.path().starts_with("/moved"))
        .unwrap();
    assert_eq!(moved.header("x-key"), Some("hush-header-1"));
    assert_eq!(moved.header("authorization"), Some("Basic em9lNzc6U2VjL3JldA=="));
    assert_eq!(other[0].path(), "/moved/2.0/mlflow/x");
    for request in other {
        assert_eq!(request.header("x-key"), None, "{request:?}");
        assert_eq!(request.header("authorization"), None, "{request:?}");
    }
}

#[test]
fn uris_with_passwords_are_repeated_by_no_command() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    std::fs::create_dir(root.join("mlruns")).unwrap();
    for uri in [
        "http://zoe77:Re/d@127.0.0.1:1/",
        "http://zoe77:Re#d@127.0.0.1:1/",
        "http://zoe77:Re%2Fd@127.0.0.1:1/",
        "https://zoe77:1/Re/d@127.0.0.1:1/",
        "postgresql+psycopg2://zoe77:Sec/ret@127.0.0.1:1/db",
        "mysql+pymysql://zoe77:Sec/ret@127.0.0.1:1/db",
        "mssql+pyodbc://zoe77:Sec/ret@127.0.0.1:1/db",
        "postgresql:zoe77:Sec/ret@127.0.0.1:1/db",
        "nosuch://zoe77:Sec/ret@127.0.0.1:1/db",
    ] {
        for args in [
            &["export", uri, "-o", "out"][..],
            &["export", "mlruns", "-o", uri, "--since", uri],
            &[
                "export",
                "--registry-uri",
                uri,
                uri,
                "-o",
                "out",
                "--header",
                "X-Key",
            ],
            &["ls", uri],
            &["ls", uri, uri],
            &["info", uri],
            &["verify", uri],
            &["verify", uri, "--against", uri],
            &["show", uri, uri],
            &["cat", uri, uri, uri],
            &["diff", uri, "mlruns"],
            &["snapshot", uri],
            &["scan", uri],
            &["verify", uri, "--lacks-file", uri],
            &["extract", uri, "-o", "files"],
            &["convert", uri, "-o", "exim", "--to", uri],
            &["transform", uri, "-o", "tagged", "--source-tags"],
            &["import", uri],
            &["import", "mlruns", uri],
            &["map", uri, uri],
            &[uri],
        ] {
            let output = mlark(root, args, &[]);
            assert_hidden(root, &output, &format!("{args:?}"));
            let from_environment = mlark(root, &["export", "-o", "out"], &[("MLFLOW_TRACKING_URI", uri)]);
            assert_hidden(root, &from_environment, uri);
        }
    }
}

#[test]
fn an_archive_that_holds_a_password_does_not_pass_it_on() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    common::History::new().write(&root.join("made"));
    let mut forged = bytes::Bytes::read(&root.join("made"));
    let mut manifest: mlark::format::Manifest = serde_json::from_slice(forged.bytes("mlark.json")).unwrap();
    manifest.source.uri = "postgresql://zoe77:Sec/ret@h/db".to_owned();
    forged.reseal_manifest(&manifest);
    forged.write(&root.join("forged"), mlark::archive::ContainerKind::Directory);
    let made = tempfile::tempdir().unwrap();
    let paths = [
        root.join("forged"),
        made.path().join("exim"),
        made.path().join("tables"),
    ];
    let [archive, out, tables] = paths.each_ref().map(|path| path.to_str().unwrap());
    for args in [
        &["info", archive][..],
        &["snapshot", archive],
        &["convert", archive, "-o", out, "--to", "exim"],
        &["convert", archive, "-o", tables, "--to", "csv"],
        &["import", archive, "http://127.0.0.1:1", "--dry-run"],
    ] {
        let output = mlark(root, args, &[]);
        assert_hidden(made.path(), &output, &format!("{args:?}"));
    }
    assert!(Path::new(out).exists() && Path::new(tables).exists());
}
