//! A move in one step, and the comparison of a database with an archive, as users run them.

use crate::helpers::command::{mlark, shown};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    path.to_str().unwrap().to_owned()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The first file of artifacts with this name.
fn artifact(folder: &Path, name: &str) -> PathBuf {
    let mut files = walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap);
    let file = files.find(|entry| entry.file_name() == name && entry.file_type().is_file());
    file.unwrap().into_path()
}

#[test]
fn a_file_store_moves_in_one_step_and_what_changes_later_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let (here, source) = (directory.path(), fixture("filestore-3.18.0/mlruns"));
    let dry = mlark(here, &["migrate", &source, "store", "--dry-run"]);
    assert_eq!(dry.status.code(), Some(0), "{}", shown(&dry));
    assert_eq!(names(here), [""; 0], "a dry run makes nothing");
    let moved = mlark(
        here,
        &["migrate", &source, "store", "--archive", "history.zip", "--json"],
    );
    assert_eq!(moved.status.code(), Some(0), "{}", shown(&moved));
    assert_eq!(names(here), ["history.zip", "store"]);
    let report: Value = serde_json::from_slice(&moved.stdout).unwrap();
    assert_eq!(report["compared"]["differences"], 0);
    assert_eq!(report["compared"]["beyond"], serde_json::json!({}));
    assert_eq!(report["compared"]["files"], report["restored"]["files"]);
    assert!(report["compared"]["files"].as_u64().unwrap() > 10, "{report}");

    let verify = [
        "verify",
        "history.zip",
        "--against",
        "sqlite:///store/mlflow.db",
        "--artifacts-destination",
        "store/artifacts",
    ];
    let same = mlark(here, &verify);
    assert_eq!(same.status.code(), Some(0), "{}", shown(&same));
    assert!(shown(&same).contains("the target holds what the archive says"));

    let database = rusqlite::Connection::open(here.join("store/mlflow.db")).unwrap();
    let run: String = database
        .query_row(
            "SELECT run_uuid FROM runs WHERE status = 'FINISHED' ORDER BY 1 LIMIT 1",
            [],
            |row| row.get(0),
        )
        .unwrap();
    database
        .execute("UPDATE runs SET status = 'FAILED' WHERE run_uuid = ?", [&run])
        .unwrap();
    database
        .execute(
            "INSERT INTO experiments (experiment_id, name, workspace, lifecycle_stage) VALUES (77, 'later', 'default', 'active')",
            [],
        )
        .unwrap();
    drop(database);
    let file = artifact(&here.join("store/artifacts"), "MLmodel");
    fs::write(&file, "other").unwrap();
    let other = mlark(here, &verify);
    let text = shown(&other);
    assert_eq!(other.status.code(), Some(1), "{text}");
    assert!(
        text.contains(&format!(
            "changed\truns\t{run}\tinfo.status\t\"FINISHED\"\t\"FAILED\""
        )),
        "{text}"
    );
    assert!(text.contains("changed\tartifacts\t"), "{text}");
    assert!(
        text.contains("1 experiments are there that the archive does not have"),
        "{text}"
    );
    assert!(text.contains("2 differences"), "{text}");
    fs::remove_file(&file).unwrap();
    let gone = mlark(here, &verify);
    assert!(shown(&gone).contains("removed\tartifacts\t"), "{}", shown(&gone));
}

#[test]
fn a_database_moves_with_the_artifacts_of_its_server() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    fs::copy(fixture("sql-3.18.0/mlflow.db"), here.join("mlflow.db")).unwrap();
    let artifacts = fixture("sql-3.18.0/mlartifacts");
    let moved = mlark(
        here,
        &[
            "migrate",
            "sqlite:///mlflow.db",
            "store",
            "--source-artifacts",
            &artifacts,
        ],
    );
    let text = shown(&moved);
    assert_eq!(moved.status.code(), Some(0), "{text}");
    assert!(text.contains("the target holds what the archive says"), "{text}");
    assert!(text.contains("mlflow server --backend-store-uri"), "{text}");
    assert_eq!(names(here), ["mlflow.db", "store"], "no archive is left");
}

#[test]
fn what_cannot_be_moved_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (here, source) = (directory.path(), fixture("filestore-3.18.0/mlruns"));
    fs::create_dir(here.join("taken")).unwrap();
    for (arguments, code, told) in [
        (vec!["migrate", &source, "taken"], 2, "taken"),
        (vec!["migrate", "nothing-here", "store"], 7, "nothing-here"),
        (vec!["migrate", &source, "mysql://h/db"], 2, "mysql://h/db"),
        (
            vec!["migrate", &source, "postgresql://h/db"],
            2,
            "--artifacts-destination",
        ),
        (
            vec!["verify", "nothing", "--keep-uris"],
            2,
            "without --against DATABASE",
        ),
    ] {
        let refused = mlark(here, &arguments);
        let text = shown(&refused);
        assert_eq!(refused.status.code(), Some(code), "{arguments:?}: {text}");
        assert!(text.contains(told), "{arguments:?}: {text}");
        assert_eq!(names(here), ["taken"], "{arguments:?}");
    }
}
