//! Databases that were written to by hand, damaged, locked, or come from a later MLflow.

use crate::common::*;
use mlark::flow::export::ExportOptions;
use mlark::format::{Kind, Reason};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::path::PathBuf;

fn copy(version: &str, statements: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mlflow.db");
    std::fs::copy(fixture(version).join("mlflow.db"), &path).unwrap();
    Connection::open(&path)
        .unwrap()
        .execute_batch(statements)
        .unwrap();
    (directory, path)
}

fn limits(exported: &Exported) -> Vec<(String, String, String, u64)> {
    let limits = exported.manifest.losses.limits.iter();
    limits
        .map(|loss| {
            (
                loss.kind.clone(),
                loss.field.clone(),
                loss.reason.to_string(),
                loss.count,
            )
        })
        .collect()
}

#[test]
fn text_keeps_nul_and_bytes_that_are_not_utf8() {
    let (_directory, path) = copy(
        "3.18.0",
        "UPDATE params SET value = CAST(x'61ff0062' AS TEXT) WHERE key = 'alpha';
         UPDATE tags SET value = 'a' || char(0) || 'b' WHERE key = 'flavour';",
    );
    let exported = try_export(&path, ExportOptions::default()).unwrap();
    let runs = exported.by(Kind::Runs, "/info/run_id");
    let run = runs
        .values()
        .find(|run| run["params"].get("alpha").is_some())
        .unwrap();
    assert_eq!(run["params"]["alpha"], json!({"$bytes": "Yf8AYg=="}));
    assert_eq!(run["tags"]["flavour"], "a\0b");
}

/// A database of a trace with four spans, and a file of one of them and another.
fn with_a_span_file(statements: &str) -> (tempfile::TempDir, Exported) {
    let trace_id = "tr-715ba42009b0ac781dd80c9ecf47170b";
    let (directory, path) = copy("3.18.0", statements);
    let content: Vec<u8> = {
        let connection = Connection::open(&path).unwrap();
        let sql = "SELECT content FROM spans WHERE trace_id = ? ORDER BY start_time_unix_nano LIMIT 1";
        let text: String = connection.query_row(sql, [trace_id], |row| row.get(0)).unwrap();
        let mut first: Value = serde_json::from_str(&text).unwrap();
        first["attributes"]["seen"] = "\"in the file\"".into();
        let mut other = first.clone();
        other["span_id"] = "AAAAAAAAAAE=".into();
        json!({"spans": [first, other]}).to_string().into_bytes()
    };
    let folder = directory
        .path()
        .join(format!("mlartifacts/1/traces/{trace_id}/artifacts"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("traces.json"), content).unwrap();
    let exported = try_export(&path, ExportOptions::default()).unwrap();
    (directory, exported)
}

#[test]
fn spans_are_those_of_the_file_unless_a_tag_says_that_they_are_in_the_table() {
    let before = export("3.18.0", ExportOptions::default()).count(Kind::Spans);
    let seen = |exported: &Exported| {
        let spans = exported.archive.values(Kind::Spans).map(Result::unwrap);
        spans
            .filter(|span| span["attributes"].get("seen").is_some())
            .count()
    };
    let is_artifact = |exported: &Exported| {
        let mut lists = exported.archive.values(Kind::Artifacts).map(Result::unwrap);
        lists.any(|list| list["files"].to_string().contains("traces.json"))
    };
    let (_directory, exported) = with_a_span_file("");
    assert_eq!((exported.count(Kind::Spans), seen(&exported)), (before, 0));
    assert!(is_artifact(&exported));

    // As a client of MLflow 3.4 or 3.5 leaves it.
    let untagged = "DELETE FROM trace_tags WHERE key = 'mlflow.trace.spansLocation'";
    let (_directory, exported) = with_a_span_file(untagged);
    assert_eq!((exported.count(Kind::Spans), seen(&exported)), (before + 1, 2));
    assert!(!is_artifact(&exported));
}

#[test]
fn a_later_schema_is_read_as_far_as_it_is_known() {
    let (_directory, path) = copy(
        "3.18.0",
        "ALTER TABLE runs ADD COLUMN mood TEXT; UPDATE runs SET mood = 'good' WHERE run_uuid IN (SELECT run_uuid FROM runs LIMIT 3);
         CREATE TABLE dreams (x); INSERT INTO dreams VALUES (1), (2);
         INSERT INTO secrets (secret_id, secret_name, encrypted_value, wrapped_dek, kek_version, masked_value, created_at, last_updated_at)
            VALUES ('s', 'SECRETNAME', x'00', x'00', 1, 'SECRETMASK', 0, 0);",
    );
    let exported = try_export(&path, with_deleted()).unwrap();
    let limits = limits(&exported);
    for expected in [
        ("runs", "mood", "unknown-column", 3),
        ("dreams", "*", "not-exported", 2),
    ] {
        let (kind, field, reason, count) = expected;
        let expected = (kind.to_owned(), field.to_owned(), reason.to_owned(), count);
        assert!(limits.contains(&expected), "{limits:?}");
    }
    assert!(
        !limits.iter().any(|(kind, ..)| kind == "secrets"),
        "not even counted"
    );
    assert_eq!(
        exported.count(Kind::Runs),
        export("3.18.0", with_deleted()).count(Kind::Runs)
    );
}

#[test]
fn what_has_no_owner_is_counted_or_fails() {
    let (_directory, path) = copy(
        "2.9.2",
        "PRAGMA foreign_keys=OFF; DELETE FROM datasets WHERE name = 'y';
         INSERT INTO model_version_tags (key, value, name, version) VALUES ('k', 'v', 'gone', 1);
         INSERT INTO params (key, value, run_uuid) VALUES ('k', 'v', 'gone'), ('l', 'v', 'gone');",
    );
    let error = try_export(&path, ExportOptions::default()).err().unwrap();
    assert!(
        error.to_string().contains("which is not in the database"),
        "{error}"
    );
    let options = ExportOptions {
        keep_going: true,
        ..ExportOptions::default()
    };
    let exported = try_export(&path, options).unwrap();
    assert_eq!(exported.manifest.losses.failures[0].reason, Reason::Orphan);
    assert!(limits(&exported).contains(&("model-versions".into(), "tags".into(), "orphan".into(), 1)));
    assert!(limits(&exported).contains(&("runs".into(), "params".into(), "orphan".into(), 2)));
}

#[test]
fn a_write_ahead_log_beside_a_live_database_is_honoured() {
    let (_directory, path) = copy("2.9.2", "PRAGMA journal_mode=WAL;");
    let live = Connection::open(&path).unwrap();
    live.execute_batch(
        "PRAGMA wal_autocheckpoint=0; UPDATE experiments SET name = 'in the log' WHERE experiment_id = 1;",
    )
    .unwrap();
    let exported = try_export(&path, ExportOptions::default()).unwrap();
    assert_eq!(
        exported.by(Kind::Experiments, "/experiment_id")["1"]["name"],
        "in the log"
    );
}

#[test]
fn damage_is_an_error_that_names_the_file() {
    let (_directory, path) = copy("2.9.2", "");
    let mut bytes = std::fs::read(&path).unwrap();
    let length = bytes.len();
    bytes[8192..length - 4096].fill(0xaa);
    std::fs::write(&path, bytes).unwrap();
    let error = try_export(&path, ExportOptions::default())
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("mlflow.db") && error.contains("malformed"),
        "{error}"
    );
}

#[test]
fn a_database_without_mlflow_in_it_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("other.db");
    Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE t (x)")
        .unwrap();
    let error = try_export(&path, ExportOptions::default())
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("no tables `experiments` and `runs`"), "{error}");
}

#[test]
fn the_same_rows_in_another_order_give_the_same_archive() {
    let (_directory, path) = copy(
        "3.18.0",
        "PRAGMA foreign_keys=OFF; CREATE TABLE copied AS SELECT * FROM metrics; DELETE FROM metrics; INSERT INTO metrics SELECT * FROM copied ORDER BY value DESC, step;
         DROP TABLE copied;
         CREATE TABLE copied AS SELECT * FROM runs; DELETE FROM runs; INSERT INTO runs SELECT * FROM copied ORDER BY run_uuid DESC; DROP TABLE copied;",
    );
    let options = || ExportOptions {
        artifacts_destination: Some(fixture("3.18.0").join("mlartifacts")),
        ..with_deleted()
    };
    let (moved, original) = (try_export(&path, options()).unwrap(), export("3.18.0", options()));
    assert_eq!(moved.manifest.content_id, original.manifest.content_id);
}

/// Tables and columns of an export that keeps going, by the reason of a failure.
fn failures(path: &std::path::Path) -> Vec<(String, String, String)> {
    let options = ExportOptions {
        keep_going: true,
        ..ExportOptions::default()
    };
    let exported = try_export(path, options).unwrap();
    let failures = exported.manifest.losses.failures.iter();
    failures
        .map(|loss| (loss.kind.clone(), loss.field.clone(), loss.reason.to_string()))
        .collect()
}

#[test]
fn what_the_schema_of_its_release_has_and_a_database_has_not_is_a_failure_by_name() {
    for (version, statements, table, field, reason) in [
        ("1.30.1", "DROP TABLE params", "params", "*", "missing-table"),
        ("1.30.1", "DROP TABLE metrics; DELETE FROM alembic_version", "metrics", "*", "missing-table"),
        ("2.9.2", "DROP TABLE input_tags", "input_tags", "*", "missing-table"),
        ("2.22.5", "DROP TABLE trace_tags", "trace_tags", "*", "missing-table"),
        ("3.18.0", "DROP TABLE tags; DROP TABLE alembic_version", "tags", "*", "missing-table"),
        ("3.18.0", "DROP TABLE spans", "spans", "*", "missing-table"),
        ("3.18.0", "ALTER TABLE runs DROP COLUMN deleted_time", "runs", "deleted_time", "missing-column"),
        (
            "2.9.2",
            "ALTER TABLE tags RENAME TO kept; CREATE VIEW tags AS SELECT * FROM kept",
            "tags",
            "*",
            "not-a-table",
        ),
        (
            // Reading it would never end.
            "3.18.0",
            "DROP TABLE params; CREATE VIEW params AS WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n FROM r)
             SELECT n AS run_uuid, n AS key, n AS value FROM r",
            "params",
            "*",
            "not-a-table",
        ),
    ] {
        let (_directory, path) = copy(version, statements);
        let error = try_export(&path, ExportOptions::default()).err().unwrap().to_string();
        assert!(error.contains(&format!("`{table}`")), "{statements}: {error}");
        let expected = (table.to_owned(), field.to_owned(), reason.to_owned());
        assert_eq!(failures(&path), [expected], "{statements}");
    }
}

#[test]
fn a_database_whose_head_nobody_knows_is_whole() {
    for version in ["1.30.1", "2.9.2", "2.22.5", "3.18.0"] {
        let (_directory, path) = copy(version, "UPDATE alembic_version SET version_num = 'x'");
        assert_eq!(failures(&path), [], "{version}");
    }
}
