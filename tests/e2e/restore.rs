//! Stores that a restore made, opened and served by real MLflow, which answers as the source's server does.
//!
//! Runs where MLARK_E2E_VENVS names the folder of `scripts/mlflow-env`'s environments, for MLflow 3.18.0, whose tables mlark carries.

use crate::helpers::servers;
use mlark::archive::{Archive, ArchiveError, ArchiveWriter, Duplicates, ManifestHead, WriterOptions};
use mlark::model::{Experiment, LoggedModel, ModelVersion, RegisteredModel, Run, RunInfo, Trace};
use mlark::monitor::Silent;
use mlark::{DiffOptions, diff};
use serde_json::Value;
use servers::{Server, mlark, run, script, venv, venvs};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(super) const VERSION: &str = "3.18.0";

pub(super) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

pub(super) fn copy_tree(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from).into_iter().map(Result::unwrap) {
        let target = to.join(entry.path().strip_prefix(from).unwrap());
        match entry.file_type().is_dir() {
            true => fs::create_dir_all(target).unwrap(),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// All that MLflow's client says of a server.
pub(super) fn said(venv: &Path, server: &Server) -> Value {
    let mut command = Command::new(venv.join("bin/python"));
    let output = run(command.arg(script("ask_restored.py")).arg(&server.url));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Where two documents differ.
pub(super) fn differences(a: &Value, b: &Value, place: &str, found: &mut Vec<String>) {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
            let of = |map: &serde_json::Map<String, Value>, key: &str| {
                map.get(key).cloned().unwrap_or(Value::Null)
            };
            for key in keys {
                differences(&of(a, key), &of(b, key), &format!("{place}/{key}"), found);
            }
        }
        (a, b) if a != b => found.push(format!("{place}: {a} -> {b}")),
        _ => {}
    }
}

pub(super) fn mlflow(venv: &Path, arguments: &[&str]) {
    run(Command::new(venv.join("bin/mlflow"))
        .args(arguments)
        .env("MLFLOW_DISABLE_TELEMETRY", "true"));
}

#[test]
fn a_restored_server_answers_as_the_source_does_and_goes_on() {
    let (Some(venv), Some(venvs)) = (venv(VERSION), venvs("no restored store is served")) else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let text = |name: &str| path(name).to_str().unwrap().to_owned();
    fs::create_dir(path("source")).unwrap();
    fs::copy(fixture("sql-3.18.0/mlflow.db"), path("source/mlflow.db")).unwrap();
    copy_tree(&fixture("sql-3.18.0/mlartifacts"), &path("source/artifacts"));
    let options = [
        "--include-deleted",
        "--artifacts-destination",
        &text("source/artifacts"),
    ];
    mlark(
        &[
            &["export", &text("source/mlflow.db"), "-o", &text("a.zip")],
            &options[..],
        ]
        .concat(),
    );
    mlark(&["restore", &text("a.zip"), "-o", &text("store")]);
    let before = fs::read(path("store/mlflow.db")).unwrap();
    mlflow(
        &venv,
        &["db", "upgrade", &format!("sqlite:///{}", text("store/mlflow.db"))],
    );
    assert!(
        before == fs::read(path("store/mlflow.db")).unwrap(),
        "nothing was to be migrated"
    );

    let source = Server::start(&venvs, VERSION, &path("source"));
    let restored = Server::start(&venvs, VERSION, &path("store"));
    let (expected, found) = (said(&venv, &source), said(&venv, &restored));
    assert!(expected["runs"].as_object().unwrap().len() > 40);
    assert!(
        expected["prompts"]
            .as_object()
            .is_some_and(|prompts| !prompts.is_empty())
    );
    let mut differing = Vec::new();
    differences(&expected, &found, "", &mut differing);
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    let export = |server: &Server, out: &str| {
        mlark(&["export", &server.url, "-o", &text(out), "--include-deleted"]);
        Archive::open(&path(out)).unwrap()
    };
    let (a, b) = (export(&source, "rest-a"), export(&restored, "rest-b"));
    let mut differing = Vec::new();
    diff(&a, &b, DiffOptions::default(), &Silent, &mut |difference| {
        differing.push(format!("{difference:?}"));
        Ok::<_, ArchiveError>(())
    })
    .unwrap();
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    let mut command = Command::new(venv.join("bin/python"));
    run(command
        .arg(script("ask_restored.py"))
        .arg(&restored.url)
        .arg("--go-on"));
    let mut gc = Command::new(venv.join("bin/mlflow"));
    let uri = format!("sqlite:///{}", text("store/mlflow.db"));
    gc.args([
        "gc",
        "--backend-store-uri",
        &uri,
        "--artifacts-destination",
        &text("store/artifacts"),
    ]);
    run(gc
        .env("MLFLOW_TRACKING_URI", &restored.url)
        .env("MLFLOW_DISABLE_TELEMETRY", "true"));
    let found = said(&venv, &restored);
    let is_deleted = |run: &Value| run["lifecycle_stage"] == "deleted";
    assert!(!found["runs"].as_object().unwrap().values().any(is_deleted));
}

#[test]
fn a_file_store_becomes_a_server_of_the_newest_mlflow() {
    let (Some(venv), Some(venvs)) = (venv(VERSION), venvs("no restored store is served")) else {
        return;
    };
    for name in ["filestore-0.9.1", "filestore-2.22.5", "filestore-3.18.0"] {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let text = |name: &str| path(name).to_str().unwrap().to_owned();
        let mlruns = fixture(name).join("mlruns");
        let options = ["--include-deleted", "--keep-going"];
        mlark(
            &[
                &["export", mlruns.to_str().unwrap(), "-o", &text("a")],
                &options[..],
            ]
            .concat(),
        );
        mlark(&["restore", &text("a"), "-o", &text("store")]);
        let server = Server::start(&venvs, VERSION, &path("store"));
        let found = said(&venv, &server);
        let archive = Archive::open(&path("a")).unwrap();
        for run in archive.objects::<mlark::model::Run>().map(Result::unwrap) {
            let said = &found["runs"][&run.info.run_id];
            assert_eq!(
                said["start_time"],
                serde_json::json!(run.info.start_time),
                "{name}"
            );
            assert_eq!(
                said["lifecycle_stage"],
                run.info.lifecycle_stage.as_str(),
                "{name}"
            );
            let files = found["run_files"][&run.info.run_id].as_str();
            assert!(
                files.is_none_or(|error| error == "MlflowException"),
                "{name}: {files:?}"
            );
        }
        let mut command = Command::new(venv.join("bin/python"));
        run(command
            .arg(script("ask_restored.py"))
            .arg(&server.url)
            .arg("--go-on"));
    }
}

#[test]
fn the_tables_that_mlark_carries_are_those_that_mlflow_makes() {
    let Some(venv) = venv(VERSION) else { return };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/make-ddl");
    for dialect in ["sqlite", "postgresql", "mysql"] {
        run(Command::new(&script).arg(dialect).arg(&venv).arg("--check"));
    }
}

#[test]
fn an_archive_is_served_by_the_mlflow_on_the_path() {
    let Some(venv) = venv(VERSION) else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let source = fixture("sql-3.18.0/mlflow.db");
    mlark(&[
        "export",
        source.to_str().unwrap(),
        "-o",
        path("a.zip").to_str().unwrap(),
        "--include-deleted",
        "--artifacts-destination",
        fixture("sql-3.18.0/mlartifacts").to_str().unwrap(),
    ]);
    let programs = format!("{}:/usr/bin:/bin", venv.join("bin").display());
    for session in 0..2 {
        let mut serving = Command::new(env!("CARGO_BIN_EXE_mlark"))
            .args(["serve", path("a.zip").to_str().unwrap()])
            .env("PATH", &programs)
            .env("XDG_CACHE_HOME", path("cache"))
            .env("MLFLOW_TRACKING_URI", "http://elsewhere.invalid")
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        let out = serving.stdout.as_mut().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut url).unwrap();
        let url = url.trim().to_owned();
        if session == 0 {
            see_in_a_browser(directory.path(), &url, &Archive::open(&path("a.zip")).unwrap());
        }
        // What is made there is in the session alone: the second one can make it again.
        let make =
            "import mlflow, sys; mlflow.MlflowClient(sys.argv[1]).create_experiment('made in a session')";
        run(Command::new(venv.join("bin/python")).args(["-c", make, &url]));
        run(Command::new("kill").args(["-TERM", &serving.id().to_string()]));
        assert_eq!(serving.wait().unwrap().code(), Some(0));
        let address = url.strip_prefix("http://").unwrap();
        assert!(std::net::TcpStream::connect(address).is_err());
        let mut entries = fs::read_dir(path("cache/mlark/serve")).unwrap();
        let entry = entries.next().unwrap().unwrap().path();
        assert_eq!(fs::read_dir(entry).unwrap().count(), 1, "the store alone is left");
    }
    run(Command::new("chmod").args(["-R", "u+rwX", path("cache").to_str().unwrap()]));
}

/// An old link to a run opens in MLflow's own page, by ids that did not change. The picture stays in `target/report/`.
fn see_in_a_browser(folder: &Path, url: &str, archive: &Archive) {
    let Some(report) = venvs("no page of MLflow is opened").map(|venvs| venvs.join("report")) else {
        return;
    };
    if !report.join(".complete").exists() {
        eprintln!("SKIPPED: MLARK_E2E_VENVS has no report");
        return;
    }
    let info = archive.objects::<Run>().map(|run| run.unwrap().info);
    let run_of = |info: &RunInfo| info.run_name.as_deref() == Some("finished");
    let info = info.into_iter().find(run_of).unwrap();
    let pictures = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/report");
    fs::create_dir_all(&pictures).unwrap();
    let plan = serde_json::json!({
        "page": format!("{url}/#/experiments/{}/runs/{}", info.experiment_id, info.run_id),
        "ready": format!("text={}", info.run_id),
        "steps": [
            {"until": "() => document.body.innerText.includes('l1_ratio')"},
            {"eval": "() => document.body.innerText", "as": "text"},
            {"shot": pictures.join("mlflow-serve.png")},
        ],
    });
    fs::write(folder.join("plan.json"), plan.to_string()).unwrap();
    let mut command = Command::new(report.join("bin/python"));
    let output = run(command.arg(script("drive_page.py")).arg(folder.join("plan.json")));
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(seen["errors"], serde_json::json!([]));
    let text = seen["results"]["text"].as_str().unwrap();
    for part in ["\nfinished\n", "\nloss\n", "\nRegistered models\n"] {
        assert!(text.contains(part), "{part:?}: {text}");
    }
    let requests = seen["requests"].as_array().unwrap();
    let is_here = |asked: &Value| asked.as_str().unwrap().starts_with(url);
    assert!(
        requests
            .iter()
            .all(|asked| is_here(asked) || asked.as_str().unwrap().starts_with("data:"))
    );
}

/// An archive whose objects all say that their artifacts lie in a folder of this machine, in many spellings.
fn archive_that_names(folder: &Path, out: &Path) -> usize {
    let folder = folder.to_str().unwrap();
    let up = "../".repeat(12);
    let below = folder.trim_start_matches('/');
    let uris = [
        folder.to_owned(),
        format!("file://{folder}"),
        format!("FILE://{folder}"),
        format!("file:{folder}"),
        format!("file://localhost{folder}"),
        format!("{up}{below}"),
        format!("mlflow-artifacts:/{up}{below}"),
        format!("mlflow-artifacts:/{}{below}", "%2e%2e/".repeat(12)),
        format!("mlflow-artifacts://127.0.0.1/{up}{below}"),
        folder.replace('/', "%2F"),
        format!("runs:/0123/{up}{below}"),
        format!("models:/m-1/{up}{below}"),
    ];
    let mut writer = ArchiveWriter::create(out, WriterOptions::default()).unwrap();
    let some = |text: &String| Some(text.clone());
    let active = || "active".to_owned();
    for (at, uri) in uris.iter().enumerate() {
        let experiment = Experiment {
            experiment_id: (at + 1).to_string(),
            name: format!("e{at}"),
            artifact_location: some(uri),
            lifecycle_stage: active(),
            ..Experiment::default()
        };
        writer.write(&experiment).unwrap();
    }
    for (at, uri) in uris.iter().enumerate() {
        let info = RunInfo {
            run_id: format!("{at:032x}"),
            experiment_id: (at + 1).to_string(),
            artifact_uri: some(uri),
            status: "FINISHED".into(),
            lifecycle_stage: active(),
            ..RunInfo::default()
        };
        let run = Run {
            info,
            ..Run::default()
        };
        writer.write(&run).unwrap();
    }
    for (at, uri) in uris.iter().enumerate() {
        let model = LoggedModel {
            model_id: format!("m-{at:032x}"),
            experiment_id: (at + 1).to_string(),
            artifact_uri: some(uri),
            status: "LOGGED_MODEL_READY".into(),
            lifecycle_stage: active(),
            ..LoggedModel::default()
        };
        writer.write(&model).unwrap();
    }
    let model = RegisteredModel {
        name: "hostile".into(),
        ..RegisteredModel::default()
    };
    writer.write(&model).unwrap();
    for (at, uri) in uris.iter().enumerate() {
        let version = ModelVersion {
            name: "hostile".into(),
            version: at as u64 + 1,
            source: some(uri),
            storage_location: some(uri),
            status: Some("READY".into()),
            ..ModelVersion::default()
        };
        writer.write(&version).unwrap();
    }
    for (at, uri) in uris.iter().enumerate() {
        let trace = Trace {
            trace_id: format!("tr-{at:032x}"),
            experiment_id: (at + 1).to_string(),
            request_time: Some(1),
            state: "OK".into(),
            tags: [("mlflow.artifactLocation".to_owned(), uri.as_str().into())].into(),
            ..Trace::default()
        };
        writer.write(&trace).unwrap();
    }
    writer
        .finish(ManifestHead::default(), Duplicates::Refuse)
        .unwrap();
    uris.len()
}

/// What a server answers to a request, whatever it is.
fn asked(url: &str, path: &str) -> String {
    use std::io::{Read as _, Write as _};
    let host = url.strip_prefix("http://").unwrap();
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_hostile_archive_restored_and_served_shows_no_file_from_outside() {
    let (Some(_), Some(venvs)) = (venv(VERSION), venvs("no hostile store is served")) else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::create_dir(path("outside")).unwrap();
    let secret = "a secret of this machine";
    for name in ["MLmodel", "traces.json"] {
        fs::write(path("outside").join(name), secret).unwrap();
    }
    let count = archive_that_names(&path("outside"), &path("a"));
    for (name, uris) in [("proxied", "proxied"), ("direct", "direct")] {
        mlark(&[
            "restore",
            path("a").to_str().unwrap(),
            "-o",
            path(name).to_str().unwrap(),
            "--artifact-uris",
            uris,
        ]);
        let server = Server::start(&venvs, VERSION, &path(name));
        let mut answered = 0;
        for at in 0..count {
            let up = "..%2F".repeat(at + 1);
            for request in [
                format!("/get-artifact?run_uuid={at:032x}&path=MLmodel"),
                format!("/ajax-api/2.0/mlflow/artifacts/list?run_id={at:032x}"),
                format!(
                    "/model-versions/get-artifact?name=hostile&version={}&path=MLmodel",
                    at + 1
                ),
                format!(
                    "/ajax-api/2.0/mlflow/logged-models/m-{at:032x}/artifacts/files?artifact_file_path=MLmodel"
                ),
                format!("/ajax-api/2.0/mlflow/logged-models/m-{at:032x}/artifacts/directories"),
                format!("/ajax-api/2.0/mlflow/get-trace-artifact?request_id=tr-{at:032x}"),
                format!("/ajax-api/3.0/mlflow/get-trace-artifact?request_id=tr-{at:032x}"),
                format!("/api/2.0/mlflow-artifacts/artifacts/{up}outside%2FMLmodel"),
                format!("/api/2.0/mlflow-artifacts/artifacts?path={up}outside"),
            ] {
                let answer = asked(&server.url, &request);
                assert!(answer.starts_with("HTTP/1.1 "), "{request}: {answer}");
                assert!(!answer.contains(secret), "{name}: {request}: {answer}");
                assert!(
                    !answer.contains("\"path\":\"MLmodel\""),
                    "{name}: {request}: {answer}"
                );
                answered += usize::from(answer.starts_with("HTTP/1.1 200"));
            }
        }
        // Lists of what is empty are answered; the server is not one that refuses everything.
        assert!(answered >= count, "{name}: {answered}");
    }
}
