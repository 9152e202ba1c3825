//! Traces in a server of MLflow 2.14 to 3.1, which gives them ids of its own, and their spans these.

use crate::helpers::scripted;
use mlark::archive::{Archive, ArchiveWriter, Duplicates, ManifestHead, WriterOptions};
use mlark::format::{Kind, Object as _};
use mlark::internals::{canonical, to_value};
use mlark::model::{Experiment, Span, Trace};
use mlark::monitor::Silent;
use scripted::*;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Arc, Mutex};

fn archive_of_a_trace(directory: &Path) -> Archive {
    let out = directory.join("trace");
    let mut writer = ArchiveWriter::create(&out, WriterOptions::default()).unwrap();
    let experiment = Experiment {
        experiment_id: "7".into(),
        name: "chat".into(),
        lifecycle_stage: "active".into(),
        ..Experiment::default()
    };
    writer.write(&experiment).unwrap();
    let id = format!("tr-{:032x}", 5);
    let trace = Trace {
        trace_id: id.clone(),
        experiment_id: "7".into(),
        state: "OK".into(),
        request_time: Some(1_000),
        execution_duration: Some(7),
        trace_metadata: [("mlflow.trace_schema.version".to_owned(), "3".into())].into(),
        ..Trace::default()
    };
    writer.write(&trace).unwrap();
    for (number, parent) in [(1_u64, None), (2, Some(format!("{:016x}", 1)))] {
        let span = Span {
            trace_id: id.clone(),
            span_id: format!("{number:016x}"),
            parent_span_id: parent,
            name: format!("span {number}"),
            start_time_unix_nano: Some(1_000_000_000 + number.cast_signed()),
            end_time_unix_nano: Some(1_007_000_000),
            // A text of JSON: the trace's id, as its server has it.
            attributes: [("mlflow.traceRequestId".to_owned(), json!(json!(id).to_string()))].into(),
            ..Span::default()
        };
        let key = trace.sort_key().number(number);
        let line = canonical(&to_value(&span));
        writer.write_line(Kind::Spans, key, &span.span_id, &line).unwrap();
    }
    let head = ManifestHead {
        origin: "test".into(),
        ..ManifestHead::default()
    };
    writer.finish(head, Duplicates::Refuse).unwrap();
    Archive::open(&out).unwrap()
}

/// A server of MLflow 2.22 that keeps one trace and its file of spans, which `change` alters before it is shown.
fn old_server(change: impl Fn(&mut Value) + Send + Sync + 'static) -> Target {
    let id = format!("{:032x}", 0xfeed);
    let kept: Arc<Mutex<(Value, Vec<u8>)>> = Arc::default();
    let target = Target::start(move |request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let mut kept = kept.lock().unwrap();
        let (trace, spans) = &mut *kept;
        let shown = |trace: &Value| json!({"trace_info": trace});
        let answer = match (request.method.as_str(), request.path()) {
            ("POST", "/api/2.0/mlflow/traces") => {
                *trace = body;
                trace["request_id"] = id.clone().into();
                trace["status"] = "IN_PROGRESS".into();
                let location =
                    json!({"key": "mlflow.artifactLocation", "value": "mlflow-artifacts:/1/traces/t"});
                trace["tags"].as_array_mut().unwrap().push(location);
                reply(shown(trace))
            }
            ("PATCH", path) if path.starts_with("/api/2.0/mlflow/traces/") => {
                trace["status"] = body["status"].clone();
                let began = trace["timestamp_ms"].as_i64().unwrap();
                trace["execution_time_ms"] = (body["timestamp_ms"].as_i64().unwrap() - began).into();
                reply(shown(trace))
            }
            ("GET", "/api/2.0/mlflow/traces") => {
                let traces: Vec<_> = [&*trace].into_iter().filter(|trace| trace.is_object()).collect();
                reply(json!({"traces": traces}))
            }
            ("PUT", path) if path.ends_with("traces.json") => {
                spans.clone_from(&request.body);
                reply(json!({}))
            }
            ("GET", "/ajax-api/2.0/mlflow/get-trace-artifact") => {
                let mut file: Value = serde_json::from_slice(spans).unwrap();
                change(&mut file);
                reply(file)
            }
            ("GET", path) if path.contains("/mlflow-artifacts/artifacts") => reply(json!({})),
            (_, path)
                if path.ends_with("/search") && path.contains("/2.0/") && !path.contains("experiments") =>
            {
                reply(json!({}))
            }
            _ if request.path().contains("/api/3.0/") => Answer::new(404, "no such page"),
            _ => return None,
        };
        Some(Fault::Before(answer))
    });
    target.state.lock().unwrap().version = Some("2.22.5");
    target
}

fn differences(change: impl Fn(&mut Value) + Send + Sync + 'static) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive_of_a_trace(directory.path());
    let target = old_server(change);
    let report = import(&archive, &target).unwrap();
    assert!(report.failures.is_empty(), "{:?}", report.failures);
    let prepared = prepare(&archive, &target, Default::default()).unwrap();
    let mut found = Vec::new();
    let mut sink = |difference: mlark::report::Difference| {
        found.push(format!("{} {}", difference.kind, difference.id));
        Ok(())
    };
    prepared.verify(&target.server.url(), &Silent, &mut sink).unwrap();
    found
}

#[test]
fn a_comparison_takes_the_ids_that_an_old_server_gives_to_traces_and_spans_for_the_archives() {
    assert_eq!(differences(|_| {}), Vec::<String>::new());
}

#[test]
fn a_comparison_finds_what_an_old_server_changed_in_a_span() {
    let found = differences(|file| file["spans"][1]["name"] = "another".into());
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("spans "), "{found:?}");
}
