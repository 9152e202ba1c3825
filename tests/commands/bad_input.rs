//! What a person is told of input that cannot be used: a sentence with the place, a remedy, an exit code, and nothing made.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use crate::helpers::command::names;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Exit code and stderr as one text.
fn mlark(folder: &Path, args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_mlark"))
        .args(args)
        .current_dir(folder)
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    format!("exit {}\n{stderr}", output.status.code().unwrap())
}

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path)
}

const EXPERIMENT: &str =
    "artifact_location: ./a\nexperiment_id: '0'\nlifecycle_stage: active\nname: Default\n";
const RUN: &str = "artifact_uri: ./a\nend_time: null\nexperiment_id: '0'\nlifecycle_stage: active\nrun_id: r\n\
    start_time: 1\nstatus: 3\nuser_id: u\n";

/// A store of one run, whose `meta.yaml` is `run`.
fn store(folder: &Path, run: &str) {
    let place = folder.join("mlruns/0/r");
    for part in ["metrics", "params", "tags", "artifacts"] {
        fs::create_dir_all(place.join(part)).unwrap();
    }
    fs::write(folder.join("mlruns/0/meta.yaml"), EXPERIMENT).unwrap();
    fs::write(place.join("meta.yaml"), run).unwrap();
}

#[test]
fn a_folder_without_data_is_told_what_a_source_is_and_which_database_is_there() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    insta::assert_snapshot!(mlark(folder.path(), &["export", "empty", "-o", "out.zip"]), @r"
    exit 7
    error: no MLflow data at `empty`: it has neither an mlruns tree (folders with meta.yaml) nor an export of mlflow-export-import (experiment.json, model.json, …)
    hint: a source is an mlruns folder, a directory of mlflow-export-import, a database (sqlite:///PATH, postgresql://…) or a server (http://…)
    ");
    fs::create_dir(folder.path().join("server")).unwrap();
    let database = fs::read_dir(fixture("sql-2.9.2"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let database = database.filter(|path| path.extension().is_some_and(|extension| extension == "db"));
    fs::copy(database.min().unwrap(), folder.path().join("server/mlflow.db")).unwrap();
    insta::assert_snapshot!(mlark(folder.path(), &["export", "server", "-o", "out.zip"]), @r"
    exit 7
    error: no MLflow data at `server`: it has neither an mlruns tree (folders with meta.yaml) nor an export of mlflow-export-import (experiment.json, model.json, …)
    hint: it contains a database: give `sqlite:///server/mlflow.db`
    ");
    assert_eq!(names(folder.path()), ["empty", "server"]);
}

#[test]
fn a_half_written_file_is_named_wherever_it_was_cut() {
    let folder = tempfile::tempdir().unwrap();
    let place = fs::canonicalize(folder.path()).unwrap().display().to_string();
    let export = |run: &str| {
        store(folder.path(), run);
        mlark(folder.path(), &["export", "mlruns", "-o", "out.zip"]).replace(&place, "")
    };
    insta::assert_snapshot!(export(""), @r"
    exit 7
    error: runs `r`: /mlruns/0/r/meta.yaml: line 1: it is empty
    hint: use --keep-going to leave it out and list it in the archive; mlark then exits with 3
    ");
    insta::assert_snapshot!(export("artifact_uri: ./a\nend_time: null\nexperiment_id: '0'\nlifecycle_st"), @r"
    exit 7
    error: runs `r`: /mlruns/0/r/meta.yaml: line 5: simple key expected
    hint: use --keep-going to leave it out and list it in the archive; mlark then exits with 3
    ");
    insta::assert_snapshot!(export(&RUN[..RUN.find("run_id").unwrap()]), @r"
    exit 7
    error: runs `r`: /mlruns/0/r/meta.yaml has no run_id, so MLflow does not see it; it may be half-written
    hint: use --keep-going to leave it out and list it in the archive; mlark then exits with 3
    ");
    assert_eq!(names(folder.path()), ["mlruns"]);
    // Cut within a value it cannot be told from a whole one, but from the missing line end.
    store(folder.path(), &RUN[..RUN.len() - 1]);
    fs::write(
        folder.path().join("mlruns/0/meta.yaml"),
        &EXPERIMENT[..EXPERIMENT.len() - 3],
    )
    .unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_mlark"))
        .args(["export", "mlruns", "-o", "out.zip"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("limit: 1 experiments: unterminated-file\n"),
        "{text}"
    );
    assert!(text.contains("limit: 1 runs: unterminated-file\n"), "{text}");
}

#[test]
fn what_cannot_be_read_for_a_list_or_a_comparison_is_not_promised_to_be_in_an_archive() {
    let folder = tempfile::tempdir().unwrap();
    store(folder.path(), "");
    for command in [&["ls", "mlruns"][..], &["diff", "mlruns", "mlruns"]] {
        let said = mlark(folder.path(), command);
        assert!(said.starts_with("exit 7\n"), "{said}");
        assert!(
            said.ends_with("\nhint: use --keep-going to leave it out and list it\n"),
            "{said}"
        );
    }
}

#[test]
fn an_output_within_the_store_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    store(folder.path(), RUN);
    for source in ["mlruns", "."] {
        insta::allow_duplicates! {
            insta::assert_snapshot!(mlark(folder.path(), &["export", source, "-o", "mlruns/0/r/artifacts/out"]), @r"
    exit 2
    error: output `mlruns/0/r/artifacts/out` is the input or is inside it
    hint: give another path to -o
    ");
        }
    }
    assert_eq!(names(&folder.path().join("mlruns/0/r/artifacts")), [""; 0]);
    assert_eq!(
        mlark(folder.path(), &["export", ".", "-o", "out.zip"]),
        "exit 0\n"
    );
}

#[test]
fn an_archive_copied_in_part_is_told_of_verify() {
    let folder = tempfile::tempdir().unwrap();
    store(folder.path(), RUN);
    assert_eq!(
        mlark(folder.path(), &["export", "mlruns", "-o", "out"]),
        "exit 0\n"
    );
    fs::remove_file(folder.path().join("out/mlark.json.sha256")).unwrap();
    insta::assert_snapshot!(mlark(folder.path(), &["info", "out"]), @r"
    exit 7
    error: `out` is not an mlark archive: there is no `mlark.json.sha256` in it
    hint: it may be an incomplete copy; `mlark verify out` lists what is missing
    ");
}
