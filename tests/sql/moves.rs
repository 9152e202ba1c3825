//! A move in one step, and the comparison of a database with an archive, as users run them.

use crate::helpers::command::{mlark, names, shown};
use mlark::archive::{ArchiveWriter, Duplicates, ManifestHead, WriterOptions};
use mlark::model::Experiment;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    path.to_str().unwrap().to_owned()
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
    assert!(shown(&same).contains("the target matches the archive"));

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
        text.contains("the target has 1 experiments that the archive does not have"),
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
    assert!(text.contains("the target matches the archive"), "{text}");
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
        (vec!["migrate", &source, "oracle://h/db"], 2, "oracle"),
        (
            vec!["migrate", &source, "mysql://h/db"],
            2,
            "--artifacts-destination",
        ),
        (
            vec!["migrate", &source, "postgresql://h/db"],
            2,
            "--artifacts-destination",
        ),
        (
            vec!["verify", "nothing", "--keep-uris"],
            2,
            "need --against DATABASE",
        ),
    ] {
        let refused = mlark(here, &arguments);
        let text = shown(&refused);
        assert_eq!(refused.status.code(), Some(code), "{arguments:?}: {text}");
        assert!(text.contains(told), "{arguments:?}: {text}");
        assert_eq!(names(here), ["taken"], "{arguments:?}");
    }
}

/// A SQLite file with MLflow's tables and what MLflow itself puts there.
fn empty_store(here: &Path, name: &str) {
    let mut writer = ArchiveWriter::create(&here.join("nothing"), WriterOptions::default()).unwrap();
    let experiment = Experiment {
        experiment_id: "0".into(),
        name: "Default".into(),
        lifecycle_stage: "active".into(),
        ..Experiment::default()
    };
    writer.write(&experiment).unwrap();
    writer
        .finish(ManifestHead::default(), Duplicates::Refuse)
        .unwrap();
    let made = mlark(here, &["restore", "nothing", "-o", "made"]);
    assert_eq!(made.status.code(), Some(0), "{}", shown(&made));
    fs::rename(here.join("made/mlflow.db"), here.join(name)).unwrap();
    fs::remove_dir_all(here.join("made")).unwrap();
    fs::remove_dir_all(here.join("nothing")).unwrap();
}

#[test]
fn a_sqlite_file_that_is_empty_or_not_there_is_filled_once() {
    let directory = tempfile::tempdir().unwrap();
    let (here, source) = (directory.path(), fixture("sql-3.18.0/mlflow.db"));
    let artifacts = fixture("sql-3.18.0/mlartifacts");
    let export = ["export", &source, "-o", "a.zip", "--include-deleted"];
    mlark(
        here,
        &[&export[..], &["--artifacts-destination", &artifacts]].concat(),
    );
    empty_store(here, "empty.db");
    fs::write(here.join("bytes.db"), b"").unwrap();
    for name in ["empty.db", "bytes.db", "new.db"] {
        let (uri, folder) = (format!("sqlite:///{name}"), format!("{name}-files"));
        let restore = ["restore", "a.zip", &uri, "--artifacts-destination", &folder];
        let before = names(here);
        let dry = mlark(here, &[&restore[..], &["--dry-run"]].concat());
        assert_eq!(dry.status.code(), Some(0), "{name}: {}", shown(&dry));
        assert_eq!(names(here), before, "{name}");
        let filled = mlark(here, &restore);
        assert_eq!(filled.status.code(), Some(0), "{name}: {}", shown(&filled));
        let verify = ["verify", "a.zip", "--against", &uri];
        let verified = mlark(
            here,
            &[&verify[..], &["--artifacts-destination", &folder]].concat(),
        );
        let text = shown(&verified);
        assert_eq!(verified.status.code(), Some(0), "{name}: {text}");
        assert!(text.contains("the target matches the archive"), "{name}: {text}");
        assert!(!text.contains("that the archive does not have"), "{name}: {text}");
        let again = ["restore", "a.zip", &uri, "--artifacts-destination", "again"];
        let second = mlark(here, &again);
        assert_eq!(second.status.code(), Some(8), "{name}: {}", shown(&second));
        assert!(!here.join("again").exists());
    }
}

#[test]
fn a_sqlite_file_that_is_no_empty_store_of_this_mlflow_stays_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let (here, source) = (directory.path(), fixture("filestore-2.9.2/mlruns"));
    mlark(here, &["export", &source, "-o", "a", "--keep-going"]);
    let open = |name: &str| rusqlite::Connection::open(here.join(name)).unwrap();
    for (name, sql) in [
        ("other", "CREATE TABLE something (a)"),
        ("head", "UPDATE alembic_version SET version_num = 'ffffffffffff'"),
        ("tag", "INSERT INTO experiment_tags VALUES ('k', 'v', 0)"),
        ("named", "UPDATE experiments SET name = 'mine'"),
        (
            "webhook",
            "INSERT INTO webhooks (webhook_id, name, url, status, creation_timestamp, last_updated_timestamp, workspace) VALUES ('w', 'n', 'u', 'ACTIVE', 1, 1, 'default')",
        ),
    ] {
        if name != "other" {
            empty_store(here, name);
        }
        open(name).execute_batch(sql).unwrap();
        let before = fs::read(here.join(name)).unwrap();
        let uri = format!("sqlite:///{name}");
        let refused = mlark(here, &["restore", "a", &uri, "--artifacts-destination", "files"]);
        assert_eq!(refused.status.code(), Some(8), "{name}: {}", shown(&refused));
        assert!(!here.join("files").exists(), "{name}");
        assert!(before == fs::read(here.join(name)).unwrap(), "{name} was changed");
    }
    empty_store(here, "locked");
    let lock = open("locked");
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let locked = [
        "restore",
        "a",
        "sqlite:///locked",
        "--artifacts-destination",
        "files",
    ];
    let refused = mlark(here, &locked);
    assert_eq!(refused.status.code(), Some(8), "{}", shown(&refused));
    assert!(shown(&refused).contains("it is in use"), "{}", shown(&refused));
    lock.execute_batch("ROLLBACK").unwrap();
    // A folder of artifacts that is there is not written into, and the database stays empty.
    fs::create_dir(here.join("files")).unwrap();
    assert_eq!(mlark(here, &locked).status.code(), Some(2));
    let locked = [
        "restore",
        "a",
        "sqlite:///locked",
        "--artifacts-destination",
        "files2",
    ];
    assert_eq!(mlark(here, &locked).status.code(), Some(0));
}
