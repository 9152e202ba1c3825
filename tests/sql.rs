//! Exports of SQLite backend stores that real servers filled, held against what the servers' own clients said.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use mlark::archive::Archive;
use mlark::format::{Kind, Manifest};
use mlark::model::MetricSlice;
use mlark::monitor::Silent;
use mlark::source::{ExportError, ExportOptions, Patterns, Selection, TimeRange, sql};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const VERSIONS: [&str; 4] = ["1.30.1", "2.9.2", "2.22.5", "3.18.0"];

fn fixture(version: &str) -> PathBuf {
    let name = format!("fixtures/sql-{version}");
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

struct Exported {
    archive: Archive,
    manifest: Manifest,
    _directory: tempfile::TempDir,
}

fn try_export(database: &Path, options: ExportOptions) -> Result<Exported, ExportError> {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("archive");
    let report = sql::export(database.to_str().unwrap(), &out, options, &Silent)?;
    Ok(Exported {
        archive: Archive::open(&out).unwrap(),
        manifest: report.manifest,
        _directory: directory,
    })
}

fn export(version: &str, options: ExportOptions) -> Exported {
    try_export(&fixture(version).join("mlflow.db"), options).unwrap()
}

fn with_deleted() -> ExportOptions {
    ExportOptions {
        include_deleted: true,
        ..ExportOptions::default()
    }
}

fn select(selection: Selection) -> ExportOptions {
    ExportOptions {
        selection,
        ..ExportOptions::default()
    }
}

fn names(texts: &[&str]) -> Patterns {
    Patterns::names(texts.iter().map(|&text| text.to_owned()).collect()).unwrap()
}

fn said(version: &str) -> Value {
    let text = std::fs::read(fixture(version).join("client.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

impl Exported {
    /// Lines of a kind by the text under a pointer.
    fn by(&self, kind: Kind, pointer: &str) -> BTreeMap<String, Value> {
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let values = self.archive.values(kind).map(Result::unwrap);
        values
            .map(|value| (text(value.pointer(pointer).unwrap()), value))
            .collect()
    }

    fn count(&self, kind: Kind) -> u64 {
        self.manifest.count(kind)
    }

    fn left_out(&self, kind: &str, reason: &str) -> u64 {
        let counts = &self.manifest.selection.left_out;
        let mine = counts
            .iter()
            .filter(|count| count.kind == kind && count.reason == reason);
        mine.map(|count| count.count).sum()
    }
}

/// Compares fields; the client says null or nothing where the store holds an empty text.
#[track_caller]
fn same_fields(id: &str, said: &Value, found: &Value, fields: &[(&str, &str)]) {
    let plain = |value: Option<&Value>| match value {
        None | Some(Value::Null) => json!(""),
        Some(value) => value.clone(),
    };
    for (theirs, ours) in fields {
        let (said, found) = (plain(said.get(theirs)), plain(found.pointer(ours)));
        assert_eq!(found, said, "{id}: {theirs}");
    }
}

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap().keys().cloned().collect()
}

#[test]
fn experiments_are_what_the_client_says() {
    for version in VERSIONS {
        let exported = export(version, with_deleted());
        let found = exported.by(Kind::Experiments, "/experiment_id");
        let said = &said(version)["experiments"];
        assert_eq!(keys(said), found.keys().cloned().collect(), "{version}");
        for (id, experiment) in &found {
            let fields = [
                ("name", "/name"),
                ("artifact_location", "/artifact_location"),
                ("lifecycle_stage", "/lifecycle_stage"),
                ("creation_time", "/creation_time"),
                ("last_update_time", "/last_update_time"),
                ("tags", "/tags"),
            ];
            same_fields(id, &said[id], experiment, &fields);
        }
    }
}

#[test]
fn runs_are_what_the_client_says() {
    for version in VERSIONS {
        let exported = export(version, with_deleted());
        let found = exported.by(Kind::Runs, "/info/run_id");
        let said = &said(version)["runs"];
        assert_eq!(keys(said), found.keys().cloned().collect(), "{version}");
        for (id, run) in &found {
            let fields = [
                ("experiment_id", "/info/experiment_id"),
                ("run_name", "/info/run_name"),
                ("user_id", "/info/user_id"),
                ("status", "/info/status"),
                ("start_time", "/info/start_time"),
                ("lifecycle_stage", "/info/lifecycle_stage"),
                ("artifact_uri", "/info/artifact_uri"),
                ("params", "/params"),
                ("tags", "/tags"),
            ];
            same_fields(id, &said[id], run, &fields);
            // REST leaves out an end at 0.
            let end_time = run["info"]["end_time"].as_i64().filter(|end| *end != 0);
            assert_eq!(json!(end_time), said[id]["end_time"], "{id}");
            same_links(&said[id], run);
        }
    }
}

fn same_links(said: &Value, run: &Value) {
    let list = |pointer: &str| {
        run.pointer(pointer)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let sorted = |name: &str| {
        let mut items = said[name].as_array().unwrap().clone();
        items.sort_by_key(Value::to_string);
        items
    };
    let inputs = list("/inputs/dataset_inputs");
    let datasets: Vec<_> = inputs
        .iter()
        .map(|input| json!([input["name"], input["digest"], input["tags"]]))
        .collect();
    assert_eq!(datasets, sorted("dataset_inputs"));
    let models: Vec<_> = list("/inputs/model_inputs")
        .iter()
        .map(|input| input["model_id"].clone())
        .collect();
    assert_eq!(models, sorted("model_inputs"));
    let outputs: Vec<_> = list("/outputs/model_outputs")
        .iter()
        .map(|output| json!([output["model_id"], output["step"]]))
        .collect();
    assert_eq!(outputs, sorted("model_outputs"));
}

/// A double by its bits; NaN is one value.
fn bits(text: &str) -> u64 {
    let value: f64 = text.parse().unwrap();
    if value.is_nan() {
        f64::NAN.to_bits()
    } else {
        value.to_bits()
    }
}

type Points = BTreeMap<(String, String), Vec<(i64, i64, u64)>>;

#[test]
fn every_metric_point_is_there_bit_for_bit() {
    for version in VERSIONS {
        let exported = export(version, with_deleted());
        let mut found = Points::new();
        for value in exported.archive.values(Kind::Metrics) {
            let slice: MetricSlice = serde_json::from_value(value.unwrap()).unwrap();
            let points = slice.points().map(|point| {
                let value = point.value.0;
                (point.timestamp, point.step, bits(&value.to_string()))
            });
            let series = found
                .entry((slice.run_id.clone(), slice.key.clone()))
                .or_default();
            series.extend(points);
        }
        let mut expected = Points::new();
        for (id, run) in said(version)["runs"].as_object().unwrap() {
            for (key, points) in run["history"].as_object().unwrap() {
                let points = points.as_array().unwrap().iter().map(|point| {
                    let value = bits(&point[2].as_str().unwrap().to_lowercase());
                    (point[0].as_i64().unwrap(), point[1].as_i64().unwrap(), value)
                });
                expected.insert((id.clone(), key.clone()), points.collect());
            }
        }
        for series in found.values_mut().chain(expected.values_mut()) {
            series.sort_unstable();
        }
        assert!(expected.len() > 15, "{version}: {}", expected.len());
        assert_eq!(found, expected, "{version}");
    }
}

#[test]
fn latest_metrics_are_what_the_client_says() {
    for version in VERSIONS {
        let exported = export(version, with_deleted());
        let said = &said(version)["runs"];
        for (id, run) in exported.by(Kind::Runs, "/info/run_id") {
            let text = |value: &Value| match value {
                Value::String(text) => text.to_lowercase(),
                value => value.to_string(),
            };
            let metrics = run["metrics"].as_object().unwrap();
            let found: BTreeMap<_, _> = metrics
                .iter()
                .map(|(key, latest)| (key, bits(&text(&latest["value"]))))
                .collect();
            let expected = said[&id]["metrics"].as_object().unwrap();
            let expected: BTreeMap<_, _> = expected
                .iter()
                .map(|(key, value)| (key, bits(&text(value))))
                .collect();
            assert_eq!(found, expected, "{version} {id}");
        }
    }
}

#[test]
fn datasets_are_what_the_client_says() {
    for version in ["2.9.2", "2.22.5", "3.18.0"] {
        let exported = export(version, with_deleted());
        let found = exported.by(Kind::Datasets, "/name");
        assert_eq!(found.len(), 3);
        for run in said(version)["runs"].as_object().unwrap().values() {
            for dataset in run["datasets"].as_array().unwrap() {
                let name = dataset["name"].as_str().unwrap();
                let fields = ["name", "digest", "source_type", "source", "schema", "profile"];
                for field in fields {
                    let pointer = format!("/{field}");
                    same_fields(name, dataset, &found[name], &[(field, &pointer)]);
                }
            }
        }
    }
}

/// Newer clients hide the tags by which a prompt is one.
fn without_prompt_tags(model: &Value) -> Value {
    let mut model = model.clone();
    let tags = model["tags"].as_object_mut().unwrap();
    tags.remove("mlflow.prompt.is_prompt");
    tags.remove("_mlflow_experiment_ids");
    model
}

#[test]
fn the_registry_is_what_the_client_says() {
    for version in VERSIONS {
        let exported = export(version, ExportOptions::default());
        let said = said(version);
        let found = exported.by(Kind::RegisteredModels, "/name");
        assert_eq!(
            keys(&said["registered_models"]),
            found.keys().cloned().collect(),
            "{version}"
        );
        for (name, model) in &found {
            let model = &without_prompt_tags(model);
            let fields = [
                ("creation_timestamp", "/creation_timestamp"),
                ("last_updated_timestamp", "/last_updated_timestamp"),
                ("description", "/description"),
                ("tags", "/tags"),
                ("aliases", "/aliases"),
            ];
            let said = without_prompt_tags(&said["registered_models"][name]);
            same_fields(name, &said, model, &fields);
        }
        let versions = exported.archive.values(Kind::ModelVersions).map(Result::unwrap);
        let mut ids = BTreeSet::new();
        for found in versions {
            let id = format!("{}/{}", found["name"].as_str().unwrap(), found["version"]);
            let fields = [
                ("creation_timestamp", "/creation_timestamp"),
                ("last_updated_timestamp", "/last_updated_timestamp"),
                ("current_stage", "/current_stage"),
                ("description", "/description"),
                ("source", "/source"),
                ("run_id", "/run_id"),
                ("run_link", "/run_link"),
                ("status", "/status"),
                ("status_message", "/status_message"),
                ("tags", "/tags"),
            ];
            same_fields(&id, &said["model_versions"][&id], &found, &fields);
            ids.insert(id);
        }
        assert_eq!(keys(&said["model_versions"]), ids, "{version}");
    }
}

#[test]
fn logged_models_are_what_the_client_says() {
    let exported = export("3.18.0", ExportOptions::default());
    let found = exported.by(Kind::LoggedModels, "/model_id");
    let said = &said("3.18.0")["logged_models"];
    assert_eq!(keys(said), found.keys().cloned().collect());
    for (id, model) in &found {
        let fields = [
            ("experiment_id", "/experiment_id"),
            ("name", "/name"),
            ("artifact_location", "/artifact_uri"),
            ("creation_timestamp", "/creation_timestamp_ms"),
            ("last_updated_timestamp", "/last_updated_timestamp_ms"),
            ("model_type", "/model_type"),
            ("source_run_id", "/source_run_id"),
            ("status_message", "/status_message"),
            ("tags", "/tags"),
            ("params", "/params"),
        ];
        same_fields(id, &said[id], model, &fields);
        let status = model["status"].as_str().unwrap();
        assert_eq!(
            status
                .trim_start_matches("LOGGED_MODEL_")
                .trim_start_matches("UPLOAD_"),
            said[id]["status"].as_str().unwrap()
        );
    }
    let points = exported.archive.values(Kind::ModelMetrics).map(Result::unwrap);
    let found: usize = points
        .map(|slice| slice["values"].as_array().unwrap().len())
        .sum();
    let metrics = said.as_object().unwrap().values();
    let expected: usize = metrics
        .map(|model| model["metrics"].as_array().unwrap().len())
        .sum();
    assert_eq!(found, expected);
}

/// The server cuts long values of tags and metadata on their way out.
fn same_texts(id: &str, said: &Value, found: &Value) {
    assert_eq!(keys(said), keys(found), "{id}");
    for (key, said) in said.as_object().unwrap() {
        let (said, found) = (said.as_str().unwrap(), found[key].as_str().unwrap());
        let cut = said.strip_suffix("...").unwrap_or(said);
        match said.chars().count() >= 250 {
            true => assert!(found.starts_with(cut), "{id}: {key}"),
            false => assert_eq!(found, said, "{id}: {key}"),
        }
    }
}

#[test]
fn traces_are_what_the_client_says() {
    for (version, fields) in [
        (
            "2.22.5",
            [
                ("timestamp_ms", "/request_time"),
                ("execution_time_ms", "/execution_duration"),
                ("status", "/state"),
                ("none", "/client_request_id"),
                ("none", "/request_preview"),
            ],
        ),
        (
            "3.18.0",
            [
                ("request_time", "/request_time"),
                ("execution_duration", "/execution_duration"),
                ("state", "/state"),
                ("client_request_id", "/client_request_id"),
                ("request_preview", "/request_preview"),
            ],
        ),
    ] {
        let exported = export(version, with_deleted());
        let found = exported.by(Kind::Traces, "/trace_id");
        let said = &said(version)["traces"];
        assert_eq!(keys(said), found.keys().cloned().collect(), "{version}");
        for (id, trace) in &found {
            same_fields(id, &said[id], trace, &fields);
            let metadata = said[id]
                .get("trace_metadata")
                .or(said[id].get("request_metadata"));
            same_texts(id, metadata.unwrap(), &trace["trace_metadata"]);
            same_texts(id, &said[id]["tags"], &trace["tags"]);
            same_spans(&exported, id, &said[id]["spans"]);
        }
    }
}

fn same_spans(exported: &Exported, trace_id: &str, said: &Value) {
    let spans = exported.archive.values(Kind::Spans).map(Result::unwrap);
    let mine = spans.filter(|span| span["trace_id"] == trace_id);
    let found: BTreeMap<_, _> = mine
        .map(|span| (span["span_id"].as_str().unwrap().to_owned(), span))
        .collect();
    let said = said.as_array().unwrap();
    assert_eq!(found.len(), said.len(), "{trace_id}");
    for said in said {
        let id = said["span_id"].as_str().unwrap();
        let fields = [
            ("parent_id", "/parent_span_id"),
            ("name", "/name"),
            ("start_time_ns", "/start_time_unix_nano"),
            ("end_time_ns", "/end_time_unix_nano"),
            ("status", "/status_code"),
        ];
        same_fields(id, said, &found[id], &fields);
        let attributes: Vec<_> = keys(&found[id]["attributes"]).into_iter().collect();
        assert_eq!(json!(attributes), said["attributes"], "{id}");
        let events = found[id]
            .get("events")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let events: Vec<_> = events.iter().map(|event| event["name"].clone()).collect();
        assert_eq!(json!(events), said["events"], "{id}");
    }
}

#[test]
fn assessments_and_links_come_with_their_trace() {
    let exported = export("3.18.0", ExportOptions::default());
    let said = said("3.18.0");
    let id = said["made"]["traces"]["nested"].as_str().unwrap();
    let trace = &exported.by(Kind::Traces, "/trace_id")[id];
    let found: BTreeMap<_, _> = trace["assessments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|assessment| (assessment["assessment_id"].as_str().unwrap(), assessment))
        .collect();
    let expected = said["traces"][id]["assessments"].as_array().unwrap();
    assert_eq!(found.len(), expected.len());
    for said in expected {
        let id = said["assessment_id"].as_str().unwrap();
        for field in [
            "assessment_name",
            "issue",
            "overrides",
            "rationale",
            "source",
            "span_id",
        ] {
            let pointer = format!("/{field}");
            same_fields(id, said, found[id], &[(field, &pointer)]);
        }
        same_fields(id, said, found[id], &[("feedback", "/feedback")]);
        assert_eq!(found[id]["create_time"], 1_714_979_330_123_i64);
    }
    let structured = found
        .values()
        .find(|found| found["assessment_name"] == "structured")
        .unwrap();
    let expected = json!({"value": {"facts": ["four", 4, 4.0, null], "deep": {"x": true}}});
    assert_eq!(structured["expectation"], expected);
    let run = &said["made"]["runs"]["finished"];
    assert_eq!(trace["linked_runs"], json!([run]));
    assert_eq!(trace["linked_prompts"], json!(["greeting/2"]));
}

#[test]
fn values_that_moved_into_columns_come_back() {
    let exported = export("3.18.0", ExportOptions::default());
    let trace = &exported.by(Kind::Traces, "/trace_id")["tr-0123456789abcdef0123456789abcdef"];
    assert_eq!(trace["trace_metadata"]["mlflow.trace.session"], "session-1");
    assert_eq!(trace["tags"]["mlflow.traceName"], "imported");
}

#[test]
fn evaluation_datasets_and_scorers_are_what_the_client_says() {
    let exported = export("3.18.0", ExportOptions::default());
    let said = &said("3.18.0")["evaluation_datasets"];
    let found = exported.by(Kind::EvaluationDatasets, "/dataset_id");
    assert_eq!(keys(said), found.keys().cloned().collect());
    let records = exported.by(Kind::DatasetRecords, "/dataset_record_id");
    assert_eq!(records.len(), 5);
    for (id, dataset) in &found {
        for field in [
            "name",
            "digest",
            "created_time",
            "last_update_time",
            "created_by",
            "last_updated_by",
            "tags",
            "profile",
        ] {
            let pointer = format!("/{field}");
            same_fields(id, &said[id], dataset, &[(field, &pointer)]);
        }
        for (record_id, record) in said[id]["records"].as_object().unwrap() {
            assert_eq!(records[record_id]["dataset_id"], json!(id));
            if record["inputs"].get("big").is_some() {
                // Beyond 63 bits an integer is marked.
                assert_eq!(
                    records[record_id]["inputs"]["big"],
                    json!({"$int": "12345678901234567890"})
                );
                continue;
            }
            for field in [
                "inputs",
                "tags",
                "source",
                "created_time",
                "last_update_time",
                "created_by",
            ] {
                let pointer = format!("/{field}");
                same_fields(record_id, record, &records[record_id], &[(field, &pointer)]);
            }
        }
    }
    let outputs: Vec<_> = records
        .values()
        .filter_map(|record| record.get("outputs"))
        .collect();
    assert!(outputs.contains(&&json!("plain text")), "unwrapped: {outputs:?}");
    let scorers = exported.archive.values(Kind::Scorers).map(Result::unwrap);
    let scorers: Vec<_> = scorers
        .map(|scorer| format!("{}/{}", scorer["name"].as_str().unwrap(), scorer["version"]))
        .collect();
    assert_eq!(scorers, ["1e3/1", "polite/1", "polite/2"]);
}

#[test]
fn deleted_objects_are_counted_unless_asked_for() {
    for version in VERSIONS {
        let (all, active) = (
            export(version, with_deleted()),
            export(version, ExportOptions::default()),
        );
        assert_eq!(active.left_out("experiments", "deleted"), 1, "{version}");
        assert_eq!(active.left_out("runs", "deleted"), 2, "{version}");
        for kind in [
            Kind::Experiments,
            Kind::Runs,
            Kind::ModelVersions,
            Kind::LoggedModels,
        ] {
            let left_out = active.left_out(kind.name(), "deleted");
            assert_eq!(active.count(kind) + left_out, all.count(kind), "{version} {kind}");
        }
        let runs = all.by(Kind::Runs, "/info/run_id");
        let deleted = runs
            .values()
            .filter(|run| run["info"]["lifecycle_stage"] == "deleted");
        assert!(deleted.clone().all(|run| run["info"]["deleted_time"].is_i64()));
        assert_eq!(deleted.count(), 2, "{version}");
    }
}

#[test]
fn a_choice_brings_what_it_needs_and_counts_the_rest() {
    let said = said("3.18.0");
    let grandchild = said["made"]["runs"]["grandchild"].as_str().unwrap();
    let exported = export(
        "3.18.0",
        select(Selection {
            runs: vec![grandchild.to_owned()],
            ..Selection::default()
        }),
    );
    // A nested run with its parent and grandparent, the trace of that, and their experiment.
    let runs = exported.by(Kind::Runs, "/info/run_id");
    assert_eq!(runs.len(), 3);
    assert_eq!(exported.count(Kind::Experiments), 1);
    assert_eq!(exported.left_out("experiments", "not-selected"), 7);
    let all = export("3.18.0", with_deleted());
    assert_eq!(
        exported.left_out("runs", "not-selected"),
        all.count(Kind::Runs) - 3
    );
    assert!(
        exported
            .by(Kind::Traces, "/trace_id")
            .contains_key(said["made"]["traces"]["imported"].as_str().unwrap())
    );
    assert_eq!(exported.count(Kind::EvaluationDatasets), 0);

    let by_name = Selection {
        experiments: names(&["12e*"]),
        ..Selection::default()
    };
    let exported = export("3.18.0", select(by_name));
    assert_eq!(exported.count(Kind::Experiments), 1);
    assert_eq!(exported.count(Kind::EvaluationDatasets), 1);

    let by_model = Selection {
        models: names(&["wine"]),
        ..Selection::default()
    };
    let exported = export("3.18.0", select(by_model));
    assert_eq!(exported.count(Kind::RegisteredModels), 1);
    assert!(exported.count(Kind::Runs) > 0);

    let nothing = Selection {
        experiments: names(&["no such"]),
        ..Selection::default()
    };
    let error = try_export(&fixture("3.18.0").join("mlflow.db"), select(nothing))
        .err()
        .unwrap();
    assert_eq!(error.to_string(), "nothing matches --experiment `no such`");
}

#[test]
fn a_time_range_takes_runs_by_their_start() {
    let exported = export(
        "2.9.2",
        select(Selection {
            time: TimeRange {
                since: Some(1_714_979_290_123 + 9_000),
                until: Some(1_714_979_290_123 + 9_001),
            },
            ..Selection::default()
        }),
    );
    let runs = exported.by(Kind::Runs, "/info/run_id");
    let found: Vec<_> = runs.values().map(|run| run["info"]["run_name"].clone()).collect();
    assert_eq!(found, [json!("hostile values")]);
}

#[test]
fn served_artifacts_are_found_beside_the_database() {
    for version in VERSIONS {
        let exported = export(version, ExportOptions::default());
        let run = said(version)["made"]["runs"]["artifacts"].clone();
        let lists = exported.archive.values(Kind::Artifacts).map(Result::unwrap);
        let paths: Vec<String> = lists
            .filter(|list| list["owner_id"] == run)
            .flat_map(|list| list["files"].as_array().unwrap().clone())
            .map(|file| file["path"].as_str().unwrap().to_owned())
            .collect();
        for path in ["empty.txt", "deep/er/and/deeper/leaf.json", "odd/😀.bin"] {
            assert!(
                paths.iter().any(|found| found == path),
                "{version}: {path} in {paths:?}"
            );
        }
        assert!(paths.is_sorted());
    }
}

#[test]
fn the_manifest_tells_the_schema() {
    let exported = export("2.9.2", ExportOptions::default());
    let source = &exported.manifest.source;
    assert_eq!(
        (source.kind.as_str(), source.mlflow_version.as_deref()),
        ("sql", Some("2.9"))
    );
    assert_eq!(source.details["alembic_head"], "acf3f17fdcc7");
    assert_eq!(source.details["dialect"], "sqlite");
}

mod hostile {
    //! Databases that were written to by hand, damaged, locked, or come from a later MLflow.

    use super::*;
    use rusqlite::Connection;

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
                    loss.reason.clone(),
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
        assert_eq!(exported.manifest.losses.failures[0].reason, "orphan");
        assert!(limits(&exported).contains(&("model-versions".into(), "tags".into(), "orphan".into(), 1)));
        assert!(limits(&exported).contains(&("runs".into(), "params".into(), "orphan".into(), 2)));
    }

    #[test]
    fn a_write_ahead_log_beside_a_live_database_is_honoured() {
        let (_directory, path) = copy("2.9.2", "PRAGMA journal_mode=WAL;");
        let live = Connection::open(&path).unwrap();
        live.execute_batch("PRAGMA wal_autocheckpoint=0; UPDATE experiments SET name = 'in the log' WHERE experiment_id = 1;")
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
}
