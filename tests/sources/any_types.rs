//! What an export writes, `verify` accepts: each source is fed values of any type in any place.
//!
//! With failures kept going over, an export of such a source is made, and its archive is intact.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use crate::helpers::loopback;
use crate::odd_values::{pointers, replace};
use loopback::{Answer, Loopback, Received};
use mlark::archive::verify::{Severity, VerifyOptions, verify};
use mlark::client::Environment;
use mlark::flow::export::ExportOptions;
use mlark::flow::export::RestOptions;
use mlark::flow::export::detect::SourceKind;
use mlark::flow::export::export;
use mlark::monitor::Silent;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// Which file, row or answer, which place in it, and which value takes that place.
type Change = (Index, Index, Index);

/// Few of each where nobody asks for more with `PROPTEST_CASES`.
fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok());
    ProptestConfig {
        cases: cases.unwrap_or(16),
        max_shrink_iters: 20,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    prop::collection::vec(any::<Change>(), 1..4)
}

/// Values of every type, and texts that look like something else.
fn any_value(index: Index) -> Value {
    let pool = [
        json!(null),
        json!({}),
        json!([]),
        json!([null]),
        json!([1, "x", {}]),
        json!({"a": [null]}),
        json!(""),
        json!("x"),
        json!("9e99"),
        json!("5"),
        json!("."),
        json!("../x"),
        json!("a\u{0}b"),
        json!("null"),
        json!("{}"),
        json!(0),
        json!(-1),
        json!(7),
        json!(1.5),
        json!(1e300),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(true),
        json!({"$blob": 1}),
        json!({"$int": "1", "$float": "NaN"}),
        json!({"key": 1, "value": {}}),
    ];
    index.get(pool.as_slice()).clone()
}

/// Puts a value in the place of one within another.
fn change(value: &mut Value, (_, place, with): Change) {
    // The whole of it is for other tests.
    let places = pointers(value).split_off(1);
    if !places.is_empty() {
        replace(value, place.get::<String>(&places), &any_value(with));
    }
}

pub(crate) fn options(keep_going: bool) -> ExportOptions {
    ExportOptions {
        keep_going,
        include_deleted: true,
        rest: RestOptions {
            environment: Some(Environment::of(&[("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")], None)),
            ..RestOptions::default()
        },
        ..ExportOptions::default()
    }
}

pub(crate) fn errors_of(out: &Path) -> Vec<String> {
    let report = verify(out, &VerifyOptions::default(), &Silent).unwrap();
    let errors = report
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error);
    errors
        .map(|one| format!("{} {}: {}", one.code, one.place, one.message))
        .collect()
}

/// Exports and verifies.
fn is_intact(kind: SourceKind, source: &str) -> Result<(), TestCaseError> {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    let made = export(kind, source, &out, options(true), &Silent);
    prop_assert!(made.is_ok(), "{}", made.unwrap_err());
    let errors = errors_of(&out);
    prop_assert!(errors.is_empty(), "{errors:#?}");
    Ok(())
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            copy(&entry.path(), &to);
        } else if kind.is_file() {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Files below a folder with one of these names, in order.
pub(crate) fn files(folder: &Path, names: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let name = entry.file_name();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else if names
                .iter()
                .any(|wanted| name.to_string_lossy().ends_with(wanted))
            {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

pub(crate) fn fixture(name: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("source");
    copy(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name),
        &root,
    );
    (directory, root)
}

fn change_json(path: &Path, one: Change) {
    let Ok(mut value) = serde_json::from_slice::<Value>(&fs::read(path).unwrap()) else {
        return;
    };
    change(&mut value, one);
    fs::write(path, value.to_string()).unwrap();
}

/// Puts a value in the place of a field of a YAML file; JSON is YAML.
fn change_yaml(path: &Path, (_, place, with): Change) {
    let text = fs::read_to_string(path).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let fields: Vec<usize> = (0..lines.len())
        .filter(|&line| lines[line].contains(": ") && !lines[line].starts_with(' '))
        .collect();
    if fields.is_empty() {
        return;
    }
    let line = &mut lines[*place.get(fields.as_slice())];
    let key = line.split(": ").next().unwrap().to_owned();
    *line = format!("{key}: {}", any_value(with));
    fs::write(path, lines.join("\n") + "\n").unwrap();
}

/// Puts a value in the place of a cell, of one row or of all.
fn change_cell(connection: &rusqlite::Connection, (table, place, with): Change) {
    let sql = "SELECT t.name, c.name FROM sqlite_master t JOIN pragma_table_info(t.name) c WHERE t.type = 'table' \
               AND t.name NOT LIKE 'sqlite%' AND t.name <> 'alembic_version' ORDER BY 1, 2";
    let mut statement = connection.prepare(sql).unwrap();
    let columns = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    let columns: Vec<(String, String)> = columns.map(Result::unwrap).collect();
    let has_rows = |name: &str| {
        let sql = format!("SELECT COUNT(*) FROM \"{name}\"");
        connection
            .query_row(&sql, [], |row| row.get::<_, i64>(0))
            .unwrap()
            > 0
    };
    let columns: Vec<_> = columns.iter().filter(|(name, _)| has_rows(name)).collect();
    let (name, column) = table.get(columns.as_slice());
    let value = match any_value(with) {
        Value::Null => "NULL".to_owned(),
        Value::Bool(_) => "9e999".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => format!("CAST(x'{}' AS TEXT)", hex(text.as_bytes())),
        Value::Array(_) => "x'ff00fe'".to_owned(),
        other => format!("'{other}'"),
    };
    let row = match place.index(3) {
        0 => String::new(),
        _ => format!(
            "WHERE rowid = (SELECT rowid FROM \"{name}\" LIMIT 1 OFFSET {})",
            place.index(5)
        ),
    };
    // A constraint of the table may say no.
    let _ = connection.execute_batch(&format!("UPDATE \"{name}\" SET \"{column}\" = {value} {row}"));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One of each object, as a server of MLflow 3.18 tells of them; the key is the end of the route.
pub(crate) fn answers() -> Vec<(&'static str, Value)> {
    let run_id = "0123456789abcdef0123456789abcdef";
    let record = json!([{"dataset_record_id": "dr-1", "dataset_id": "d-1", "inputs": {"q": 1}, "outputs": "x",
        "created_time": 5, "created_by": "ana", "tags": {"t": "v"}, "source": {"source_type": "HUMAN"}}]);
    let mut answers = vec![
        (
            "experiments/search",
            json!({"experiments": [
            {"experiment_id": "1", "name": "e", "lifecycle_stage": "active", "creation_time": 5, "last_update_time": 6,
             "artifact_location": "mlflow-artifacts:/1", "tags": [{"key": "t", "value": "v"}], "workspace": "default"}]}),
        ),
        (
            "runs/search",
            json!({"runs": [{
            "info": {"run_id": run_id, "run_uuid": run_id, "experiment_id": "1", "run_name": "r", "user_id": "ana",
                     "status": "FINISHED", "start_time": 5, "end_time": 6, "lifecycle_stage": "active",
                     "artifact_uri": format!("mlflow-artifacts:/1/{run_id}/artifacts")},
            "data": {"metrics": [{"key": "loss", "value": 0.5, "timestamp": 5, "step": 0}],
                     "params": [{"key": "lr", "value": "0.1"}], "tags": [{"key": "t", "value": "v"}]},
            "inputs": {"dataset_inputs": [{"tags": [{"key": "mlflow.data.context", "value": "x"}], "dataset":
                {"name": "d", "digest": "9d", "source_type": "local", "source": "{}", "schema": "{}", "profile": "{}"}}],
                "model_inputs": [{"model_id": "m-1"}]},
            "outputs": {"model_outputs": [{"model_id": "m-1", "step": 0}]}}]}),
        ),
        (
            "metrics/get-history-bulk",
            json!({"metrics": [
            {"key": "loss", "run_id": run_id, "step": 0, "timestamp": 5, "value": 0.5}]}),
        ),
        (
            "metrics/get-history",
            json!({"metrics": [{"key": "loss", "step": 0, "timestamp": 5, "value": 0.5}]}),
        ),
        (
            "mlflow-artifacts/artifacts",
            json!({"files": [{"path": "a.txt", "is_dir": false, "file_size": 1}]}),
        ),
        (
            "artifacts/list",
            json!({"files": [{"path": "a.txt", "is_dir": false, "file_size": 1}]}),
        ),
        (
            "logged-models/search",
            json!({"models": [{
            "info": {"model_id": "m-1", "experiment_id": "1", "name": "forest", "creation_timestamp_ms": 5,
                     "last_updated_timestamp_ms": 6, "status": "LOGGED_MODEL_READY", "model_type": "x",
                     "source_run_id": run_id, "tags": [{"key": "t", "value": "v"}]},
            "data": {"params": [{"key": "p", "value": "1"}], "metrics": [
                {"key": "f1", "value": 1.0, "timestamp": 5, "step": 0, "run_id": run_id, "dataset_name": "d"}]}}]}),
        ),
        (
            "registered-models/search",
            json!({"registered_models": [
            {"name": "a", "creation_timestamp": 5, "last_updated_timestamp": 6, "description": "d",
             "aliases": [{"alias": "champion", "version": "1"}], "tags": [{"key": "t", "value": "v"}]},
            {"name": "b", "creation_timestamp": 5}]}),
        ),
        (
            "model-versions/search",
            json!({"model_versions": [
            {"name": "a", "version": "1", "creation_timestamp": 5, "current_stage": "None", "source": "models:/m-1",
             "run_id": run_id, "status": "READY", "model_id": "m-1", "tags": [{"key": "t", "value": "v"}]},
            {"name": "a", "version": "2", "creation_timestamp": 6}, {"name": "b", "version": "1"}]}),
        ),
        (
            "model-versions/get-download-uri",
            json!({"artifact_uri": "mlflow-artifacts:/1/models/m-1/artifacts"}),
        ),
        (
            "traces/search",
            json!({"traces": [{
            "trace_id": "tr-00112233445566778899aabbccddeeff", "client_request_id": "c", "state": "OK",
            "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "1"}},
            "request_time": "2024-05-06T07:09:10.123Z", "execution_duration": "1.5s", "request_preview": "q",
            "trace_metadata": {"mlflow.sourceRun": run_id}, "tags": {"mlflow.artifactLocation": "x"},
            "assessments": [{"assessment_id": "a-1", "assessment_name": "n", "span_id": "00f067aa0ba902b7",
                "source": {"source_type": "HUMAN", "source_id": "ana"}, "create_time": "2024-05-06T07:08:50.123Z",
                "feedback": {"value": 1.5}, "rationale": "r", "metadata": {"m": "v"}, "valid": true}]}]}),
        ),
        (
            "get-trace-artifact",
            json!({"spans": [{
            "trace_id": "ABEiM0RVZneImaq7zN3u/w==", "span_id": "APBnqgupArc=", "parent_span_id": null, "name": "s",
            "kind": "SPAN_KIND_INTERNAL", "start_time_unix_nano": 9, "end_time_unix_nano": "10",
            "events": [{"name": "e", "time_unix_nano": 9, "attributes": {"a": 1}}],
            "links": [{"trace_id": "tr-ab", "span_id": "cd", "attributes": {"a": 1}}],
            "status": {"code": "STATUS_CODE_OK", "message": "m"}, "attributes": {"n": "5"}}]}),
        ),
        (
            "datasets/search",
            json!({"datasets": [
            {"dataset_id": "d-1", "name": "q", "digest": "9", "schema": "{}", "profile": "{}", "created_time": 5,
             "last_update_time": 6, "created_by": "ana", "tags": "{\"t\": \"v\"}"}]}),
        ),
        ("experiment-ids", json!({"experiment_ids": ["1"]})),
        ("records", json!({"records": record.to_string()})),
        (
            "scorers/list",
            json!({"scorers": [{"scorer_name": "polite", "scorer_version": 1}]}),
        ),
        (
            "scorers/versions",
            json!({"scorers": [
            {"experiment_id": 1, "scorer_name": "polite", "scorer_version": 1, "serialized_scorer": "{}",
             "creation_time": 5, "scorer_id": "s"}]}),
        ),
    ];
    let run = answers[1].1["runs"][0].clone();
    answers.push(("runs/get", json!({"run": run})));
    answers.push(("artifacts/directories", answers[4].1.clone()));
    answers
}

pub(crate) fn answer(answers: &[(&'static str, Value)], request: &Received) -> Answer {
    if request.path() == "/version" {
        return Answer::new(200, "3.18.0");
    }
    if request.target.contains("a.txt") {
        return Answer::new(200, "a");
    }
    match answers.iter().find(|(route, _)| request.path().ends_with(route)) {
        Some((_, value)) => Answer::json(&value.to_string()),
        None => Answer::new(404, "<!doctype html><title>404 Not Found</title>"),
    }
}

/// The failures of an export of a server whose answers were changed by hand.
fn failures(root: Option<&Path>, answers: Vec<(&'static str, Value)>) -> Vec<(String, String, String)> {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    let server = Loopback::start(move |request| answer(&answers, request));
    let (kind, source) = match root {
        Some(root) => (SourceKind::FileStore, root.to_str().unwrap().to_owned()),
        None => (SourceKind::Rest, server.url()),
    };
    let error = export(
        kind,
        &source,
        &directory.path().join("strict"),
        options(false),
        &Silent,
    );
    let report = export(kind, &source, &out, options(true), &Silent).unwrap();
    assert_eq!(error.is_err(), report.failures > 0);
    assert_eq!(errors_of(&out), Vec::<String>::new());
    let failures = report.manifest.losses.failures.iter();
    failures
        .map(|loss| (loss.kind.clone(), loss.field.clone(), loss.reason.to_string()))
        .collect()
}

fn failure(kind: &str, field: &str, reason: &str) -> (String, String, String) {
    (kind.to_owned(), field.to_owned(), reason.to_owned())
}

#[test]
fn a_server_of_sound_answers_fails_in_nothing() {
    assert_eq!(failures(None, answers()), []);
}

#[test]
fn a_field_of_another_type_is_a_failure_by_name_and_the_rest_is_kept() {
    let mut answers = answers();
    answers[1].1["runs"][0]["info"]["start_time"] = json!("9e99");
    answers[1].1["runs"][0]["data"]["tags"] = json!([null, {"key": "t", "value": "v"}]);
    answers[6].1["models"][0]["info"]["status"] = json!({});
    let expected = [
        failure("logged-models", "status", "wrong-type"),
        failure("runs", "info.start_time", "wrong-type"),
        failure("runs", "tags", "wrong-type"),
    ];
    assert_eq!(failures(None, answers), expected);
}

#[test]
fn an_object_without_an_id_is_a_failure_and_so_is_what_it_owns_not_written() {
    let mut answers = answers();
    answers[1].1["runs"][0]["info"]["run_id"] = json!({});
    answers[1].1["runs"][0]["info"]["run_uuid"] = json!(null);
    let expected = [
        failure("runs", "*", "wrong-id"),
        failure("runs", "info.run_id", "wrong-type"),
        // What the server tells of no id is another run.
        failure("runs", "inputs.model_inputs", "unreadable"),
    ];
    assert_eq!(failures(None, answers), expected);
}

#[test]
fn versions_of_a_model_in_another_workspace_lose_their_model_and_no_other_version() {
    let (_directory, root) = fixture("filestore-2.22.5/mlruns");
    let models = files(&root.join("models"), &["meta.yaml"]);
    let of_model = |path: &&PathBuf| {
        path.strip_prefix(root.join("models"))
            .unwrap()
            .components()
            .count()
            == 2
    };
    let model = models.iter().find(of_model).unwrap();
    let text = fs::read_to_string(model).unwrap();
    fs::write(model, format!("{text}workspace: zzz\n")).unwrap();
    let expected = [failure("registered-models", "*", "listed-but-missing")];
    assert_eq!(failures(Some(&root), Vec::new()), expected);
}

#[test]
fn what_an_export_keeps_of_a_directory_with_an_empty_name_a_directory_takes() {
    let (_directory, root) = fixture("exim-3.18.0/new-layout/all");
    let path = root.join("models/NaN/model.json");
    let mut model: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    model["mlflow"]["registered_model"]["versions"][0]["name"] = json!("");
    model["mlflow"]["registered_model"]["versions"][1]["version"] = json!("0");
    fs::write(&path, model.to_string()).unwrap();
    let out = root.join("../out");
    export(
        SourceKind::ExportImport,
        root.to_str().unwrap(),
        &out,
        options(true),
        &Silent,
    )
    .unwrap();
    assert_eq!(errors_of(&out), Vec::<String>::new());
    let archive = mlark::archive::Archive::open(&out).unwrap();
    let options = mlark::flow::convert::ConvertOptions::default();
    mlark::flow::convert::convert(&archive, &root.join("../made"), options, &Silent).unwrap();
}

#[test]
fn traces_of_an_experiment_that_cannot_be_listed_are_one_failure() {
    let mut answers = answers();
    for (_, traces) in answers
        .iter_mut()
        .filter(|(route, _)| route.contains("traces/search"))
    {
        *traces = json!({"traces": "x"});
    }
    assert_eq!(failures(None, answers), [failure("traces", "*", "unreadable")]);
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn of_a_server_whatever_it_answers(changes in changes()) {
        let mut answers = answers();
        for one in changes {
            let route = one.0.index(answers.len());
            change(&mut answers[route].1, one);
        }
        let server = Loopback::start(move |request| answer(&answers, request));
        is_intact(SourceKind::Rest, &server.url())?;
    }

    #[test]
    fn of_a_server_whose_records_are_of_any_type(changes in changes()) {
        let mut answers = answers();
        for (_, records) in answers.iter_mut().filter(|(route, _)| *route == "records") {
            let mut value: Value = serde_json::from_str(records["records"].as_str().unwrap()).unwrap();
            changes.iter().for_each(|one| change(&mut value, *one));
            records["records"] = value.to_string().into();
        }
        let server = Loopback::start(move |request| answer(&answers, request));
        is_intact(SourceKind::Rest, &server.url())?;
    }

    #[test]
    fn of_an_export_directory_whatever_its_documents_hold(changes in changes()) {
        let (_directory, root) = fixture("exim-3.18.0/new-layout/all");
        let files = files(&root, &["experiment.json", "run.json", "model.json", "prompt.json", "trace.json",
            "traces.json", "logged_model.json", "evaluation_dataset.json", "manifest.json"]);
        changes.iter().for_each(|one| change_json(&files[one.0.index(files.len())], *one));
        is_intact(SourceKind::ExportImport, root.to_str().unwrap())?;
    }

    #[test]
    fn of_a_file_store_whatever_its_files_hold(changes in changes()) {
        let (_directory, root) = fixture("filestore-2.22.5/mlruns");
        let yaml = files(&root, &[".yaml"]);
        let json = files(&root, &["traces.json", "assessments.json"]);
        for one in changes {
            match one.2.index(4) {
                0 if !json.is_empty() => change_json(&json[one.0.index(json.len())], one),
                _ => change_yaml(&yaml[one.0.index(yaml.len())], one),
            }
        }
        is_intact(SourceKind::FileStore, root.to_str().unwrap())?;
    }

    #[test]
    fn of_a_database_whatever_its_cells_hold(changes in changes()) {
        let (_directory, root) = fixture("sql-3.18.0");
        let path = root.join("mlflow.db");
        let connection = rusqlite::Connection::open(&path).unwrap();
        changes.iter().for_each(|one| change_cell(&connection, *one));
        drop(connection);
        is_intact(SourceKind::Sql, path.to_str().unwrap())?;
    }
}
