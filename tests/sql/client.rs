//! Each object against what the server's own client said of it.

use crate::common::*;
use mlark::flow::export::ExportOptions;
use mlark::format::Kind;
use mlark::model::MetricSlice;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

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
    for version in stores() {
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
    for version in stores() {
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
    for version in stores() {
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
    for version in stores() {
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
    for version in stores().into_iter().skip(1) {
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
    for version in stores() {
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
    for version in newest() {
        let exported = export(version, ExportOptions::default());
        let found = exported.by(Kind::LoggedModels, "/model_id");
        let said = &said(version)["logged_models"];
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
    let v2 = [
        ("timestamp_ms", "/request_time"),
        ("execution_time_ms", "/execution_duration"),
        ("status", "/state"),
        ("none", "/client_request_id"),
        ("none", "/request_preview"),
    ];
    let v3 = [
        ("request_time", "/request_time"),
        ("execution_duration", "/execution_duration"),
        ("state", "/state"),
        ("client_request_id", "/client_request_id"),
        ("request_preview", "/request_preview"),
    ];
    let newest = newest().into_iter().map(|version| (version, v3));
    for (version, fields) in [("2.22.5", v2)].into_iter().chain(newest) {
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
    for version in newest() {
        let exported = export(version, ExportOptions::default());
        let said = said(version);
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
}

#[test]
fn values_that_moved_into_columns_come_back() {
    for version in newest() {
        let exported = export(version, ExportOptions::default());
        let trace = &exported.by(Kind::Traces, "/trace_id")["tr-0123456789abcdef0123456789abcdef"];
        assert_eq!(trace["trace_metadata"]["mlflow.trace.session"], "session-1");
        assert_eq!(trace["tags"]["mlflow.traceName"], "imported");
    }
}

#[test]
fn evaluation_datasets_and_scorers_are_what_the_client_says() {
    for version in newest() {
        let exported = export(version, ExportOptions::default());
        let said = &said(version)["evaluation_datasets"];
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
                    // 64 bits without a sign still are a number.
                    assert_eq!(
                        records[record_id]["inputs"]["big"],
                        json!(12_345_678_901_234_567_890_u64)
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
}
