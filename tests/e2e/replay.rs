//! Replay into real MLflow servers, where `MLARK_E2E_VENVS` names a directory of virtualenvs made by `scripts/mlflow-env`.

use crate::helpers::servers;
use serde_json::Value;
use servers::{Server, lay_fixture};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

fn venvs(version: &str) -> Option<PathBuf> {
    let venvs = std::env::var_os("MLARK_E2E_VENVS").map(PathBuf::from);
    let found = venvs.filter(|venvs| venvs.join(format!("mlflow-{version}/bin/mlflow")).exists());
    if found.is_none() {
        eprintln!("left out: MLARK_E2E_VENVS names no MLflow {version}");
    }
    found
}

fn mlark(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mlark"))
        .args(arguments)
        .output()
        .unwrap()
}

fn run(arguments: &[&str], expected: i32) -> String {
    let output = mlark(arguments);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        output.status.code(),
        Some(expected),
        "{arguments:?}\n{text}\n{errors}"
    );
    text
}

/// The file store of the fixtures, with the empty directories that git does not keep, as an archive.
fn archive(directory: &Path) -> String {
    let store = directory.join("store");
    lay_fixture("filestore-3.18.0", &store);
    let out = directory.join("archive.zip").display().to_string();
    let source = store.join("mlruns").display().to_string();
    run(&["export", &source, "-o", &out, "--include-deleted"], 0);
    out
}

#[test]
fn everything_arrives_is_verified_and_is_not_brought_twice() {
    let Some(venvs) = venvs("3.18.0") else { return };
    let directory = tempfile::tempdir().unwrap();
    let archive = archive(directory.path());
    let server = Server::start(&venvs, "3.18.0", &directory.path().join("server"));
    let text = run(&["import", &archive, &server.url, "--verify"], 0);
    assert!(text.contains("the target matches the archive"), "{text}");
    let text = run(&["import", &archive, &server.url, "--json"], 0);
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["created"], serde_json::json!({}));
    let map = run(&["map", &archive, &server.url], 0);
    assert_eq!(map.lines().filter(|line| line.starts_with("runs\t")).count(), 61);

    // A value that someone changed since is found, by its name.
    let first = map
        .lines()
        .find(|line| line.starts_with("experiments\t7\t") || line.starts_with("experiments\t"))
        .unwrap();
    let id = first.split('\t').nth(2).unwrap();
    let client =
        mlark::client::Client::open(&server.url, &mlark::client::Environment::of(&[], None)).unwrap();
    let api = mlark::internals::rest::api::Api::new(client);
    let id = mlark::internals::rest::api::TargetId::new(id);
    api.set_experiment_tag(&id, "p/q", "changed").unwrap();
    let text = run(&["verify", &archive, "--against", &server.url], 1);
    assert!(text.contains("tags.p/q"), "{text}");
}

#[test]
fn kills_at_any_point_and_a_lost_journal_lead_to_the_same_result() {
    let Some(venvs) = venvs("3.18.0") else { return };
    let directory = tempfile::tempdir().unwrap();
    let archive = archive(directory.path());
    let server = Server::start(&venvs, "3.18.0", &directory.path().join("server"));
    let journal = directory.path().join("journal").display().to_string();
    let seed = std::process::id();
    for round in 0..10_u32 {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mlark"))
            .args(["import", &archive, &server.url, "--journal", &journal])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let wait = 200 + (seed.wrapping_mul(2_654_435_761).wrapping_add(round * 7_919)) % 900;
        std::thread::sleep(Duration::from_millis(u64::from(wait)));
        child.kill().unwrap();
        child.wait().unwrap();
        if round == 6 {
            let _ = std::fs::remove_file(&journal);
        }
    }
    run(&["import", &archive, &server.url, "--journal", &journal], 0);
    let text = run(
        &[
            "verify",
            &archive,
            "--against",
            &server.url,
            "--journal",
            &journal,
        ],
        0,
    );
    assert!(text.contains("the target matches"), "{text}");
    let runs = run(&["map", &archive, &server.url, "--journal", &journal], 0);
    let mut ids: Vec<_> = runs
        .lines()
        .filter(|line| line.starts_with("runs\t"))
        .filter_map(|line| line.split('\t').nth(2))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 61);
}

#[test]
fn an_older_server_gets_what_it_knows_and_the_rest_is_reported() {
    for version in ["2.9.2", "2.22.5", "1.30.1"] {
        let Some(venvs) = venvs(version) else { continue };
        let directory = tempfile::tempdir().unwrap();
        let archive = archive(directory.path());
        let server = Server::start(&venvs, version, &directory.path().join("server"));
        let options = ["import", &archive, &server.url, "--long-values", "truncate"];
        let text = run(&options, 0);
        assert!(
            text.contains("logged-models: target-too-old"),
            "{version}: {text}"
        );
        let has_traces = text.contains("traces: id-chosen-by-server");
        assert_eq!(has_traces, version == "2.22.5", "{version}: {text}");
        if has_traces {
            let verify = [
                "verify",
                &archive,
                "--against",
                &server.url,
                "--long-values",
                "truncate",
            ];
            let text = run(&verify, 0);
            assert!(text.contains("the target matches the archive"), "{text}");
        }
        let text = run(&options, 0);
        assert!(!text.contains("created"), "{version}: {text}");
    }
}

#[test]
fn a_server_that_is_killed_in_mid_import_and_restarted_has_everything_once() {
    let Some(venvs) = venvs("3.18.0") else { return };
    let directory = tempfile::tempdir().unwrap();
    let archive = archive(directory.path());
    let of_server = directory.path().join("server");
    let mut server = Server::start(&venvs, "3.18.0", &of_server);
    let mut child = Command::new(env!("CARGO_BIN_EXE_mlark"))
        .args(["import", &archive, &server.url])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let client =
        mlark::client::Client::open(&server.url, &mlark::client::Environment::of(&[], None)).unwrap();
    let api = mlark::internals::rest::api::Api::new(client);
    // In the middle: something has been made, and the import has not ended.
    while api.marked_experiments("").unwrap().is_empty() {
        std::thread::sleep(Duration::from_millis(20));
    }
    server.kill();
    assert_eq!(child.try_wait().unwrap(), None, "the import had ended before");
    server.restart(&venvs, "3.18.0", &of_server);
    // It may have lived through that, or not; either way the next one finds what there is.
    child.wait().unwrap();
    run(&["import", &archive, &server.url, "--verify"], 0);
    let text = run(&["import", &archive, &server.url, "--json"], 0);
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["created"], serde_json::json!({}), "{text}");
}

/// Runs the script of a case in a folder, with the interpreter of a virtualenv.
fn make(venvs: &Path, case: &str, folder: &Path, arguments: &[&str]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/cases/{case}/make.py"));
    let mut command = Command::new(venvs.join("mlflow-3.18.0/bin/python"));
    command.arg(script).args(arguments).current_dir(folder);
    command
        .env("MLFLOW_ALLOW_FILE_STORE", "true")
        .env("MLFLOW_DISABLE_TELEMETRY", "true");
    servers::run(&mut command);
}

#[test]
fn copies_of_versions_arrive_in_chains_and_those_of_file_stores_with_their_models() {
    let Some(venvs) = venvs("3.18.0") else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let server = Server::start(&venvs, "3.18.0", &directory.path().join("server"));
    let source = Server::start(&venvs, "3.18.0", &directory.path().join("source"));
    make(&venvs, "13-chains-of-copies", directory.path(), &[&source.url]);
    run(&["export", &source.url, "-o", &path("chains")], 0);
    make(&venvs, "12-copied-version-with-model-id", directory.path(), &[]);
    run(&["export", &path("mlruns"), "-o", &path("copied")], 0);
    for (archive, versions) in [("chains", 7), ("copied", 2)] {
        let text = run(&["import", &path(archive), &server.url, "--strict", "--json"], 0);
        let report: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(report["created"]["model-versions"], versions, "{text}");
        let text = run(&["verify", &path(archive), "--against", &server.url], 0);
        assert!(text.contains("the target matches the archive"), "{text}");
        let text = run(&["import", &path(archive), &server.url, "--json"], 0);
        let report: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(report["created"], serde_json::json!({}), "{text}");
    }
}
