//! Exports of a scripted server that leads elsewhere: to its storage, or to a route that tells more.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use crate::helpers::loopback;
use crate::helpers::served::export_with;
use loopback::{Answer, Loopback, Received};
use mlark::archive::Archive;
use mlark::client::Secret;
use mlark::flow::export::RestOptions;
use mlark::flow::export::{ExportError, ExportReport};
use mlark::format::Kind;
use mlark::model::MetricSlice;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const RUN: &str = "0123456789abcdef0123456789abcdef";
const EXPERIMENTS: &str = "/api/2.0/mlflow/experiments/search";
const RUNS: &str = "/api/2.0/mlflow/runs/search";
const BULK: &str = "/ajax-api/2.0/mlflow/metrics/get-history-bulk";
const HISTORY: &str = "/api/2.0/mlflow/metrics/get-history";

fn export_of(server: &Loopback, keep_going: bool) -> (tempfile::TempDir, Result<ExportReport, ExportError>) {
    let rest = RestOptions {
        headers: vec![("X-Gate".to_owned(), Secret::new("gate-secret"))],
        ..RestOptions::default()
    };
    let variables = [("MLFLOW_TRACKING_TOKEN", "a-token")];
    export_with(&server.url(), keep_going, &variables, rest)
}

fn run(artifact_uri: &str, metrics: &Value) -> Answer {
    let run = json!({
        "info": {"run_id": RUN, "experiment_id": "1", "status": "FINISHED", "start_time": 5, "end_time": 6,
                 "lifecycle_stage": "active", "artifact_uri": artifact_uri},
        "data": {"metrics": metrics},
    });
    Answer::json(&json!({"runs": [run]}).to_string())
}

fn common(request: &Received) -> Answer {
    match request.path() {
        "/version" => Answer::new(200, "3.18.0"),
        EXPERIMENTS => Answer::json(
            r#"{"experiments": [{"experiment_id": "1", "name": "e", "lifecycle_stage": "active"}]}"#,
        ),
        _ => Answer::new(404, "<!doctype html><title>404 Not Found</title>"),
    }
}

fn refusal() -> Answer {
    let body = r#"{"error_code": "PERMISSION_DENIED", "message": "clients read from the storage"}"#;
    Answer::new(403, body)
}

const FILES: &str = r#"{"files": [{"path": "a b.txt", "is_dir": false, "file_size": 5}]}"#;

/// A server whose artifacts lie at `artifact_uri` and that signs URLs of `storage`.
fn signing(artifact_uri: &'static str, storage: String, is_announced: bool) -> Loopback {
    let signed = format!("{storage}/bucket/a%20b.txt?signature=s3cr3t&expires=300");
    Loopback::start(move |request| match request.path() {
        "/api/3.0/mlflow/server-info" => {
            Answer::json(&json!({ "artifacts_presigned_only": is_announced }).to_string())
        }
        RUNS => run(artifact_uri, &json!([])),
        "/api/2.0/mlflow-artifacts/artifacts" | "/api/2.0/mlflow/artifacts/list" => Answer::json(FILES),
        "/api/2.0/mlflow-artifacts/presigned/1/r/a%20b.txt" => {
            Answer::json(&json!({"url": signed, "headers": {"x-amz-mode": "test"}}).to_string())
        }
        "/api/2.0/mlflow/artifacts/presigned-download-url" => {
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            assert_eq!(body, json!({"run_id": RUN, "path": "a b.txt"}));
            Answer::json(&json!({ "presigned_url": signed }).to_string())
        }
        path if path.starts_with("/api/2.0/mlflow-artifacts/artifacts/") || path == "/get-artifact" => {
            refusal()
        }
        _ => common(request),
    })
}

#[test]
fn where_the_server_sends_no_bytes_its_storage_does_without_the_servers_credentials() {
    for artifact_uri in ["mlflow-artifacts:/1/r", "s3://bucket/1/r"] {
        for is_announced in [true, false] {
            let storage = Loopback::start(|_| Answer::new(200, "bytes"));
            let server = signing(artifact_uri, storage.url(), is_announced);
            let (folder, report) = export_of(&server, false);
            let totals = report.unwrap().manifest.totals;
            assert_eq!((totals.artifact_files, totals.artifact_bytes), (1, 5));
            Archive::open(&folder.path().join("out")).unwrap();
            let [asked] = &storage.received()[..] else {
                panic!("{:?}", storage.received())
            };
            assert_eq!(asked.target, "/bucket/a%20b.txt?signature=s3cr3t&expires=300");
            assert_eq!(
                (asked.header("authorization"), asked.header("x-gate")),
                (None, None)
            );
            let expected = artifact_uri.starts_with("mlflow").then_some("test");
            assert_eq!(asked.header("x-amz-mode"), expected);
            let sent = |path: &str| {
                server
                    .received()
                    .iter()
                    .any(|request| request.path().starts_with(path))
            };
            let was_refused = sent("/api/2.0/mlflow-artifacts/artifacts/") || sent("/get-artifact");
            assert_eq!(was_refused, !is_announced);
        }
    }
}

#[test]
fn what_the_storage_refuses_is_a_failure_that_tells_no_signature() {
    for is_announced in [true, false] {
        let storage = Loopback::start(|_| Answer::new(403, "<Error><Code>AccessDenied</Code></Error>"));
        let server = signing("mlflow-artifacts:/1/r", storage.url(), is_announced);
        let (folder, report) = export_of(&server, true);
        assert_eq!(report.unwrap().failures, 1);
        let losses = std::fs::read_to_string(folder.path().join("out/losses.jsonl")).unwrap();
        assert!(
            losses.contains("answered 403") && !losses.contains("s3cr3t"),
            "{losses}"
        );
        let expected = if is_announced {
            "AccessDenied"
        } else {
            "clients read from the storage"
        };
        assert!(losses.contains(expected), "{losses}");
    }
}

#[test]
fn a_metric_whose_latest_point_has_a_link_is_read_with_all_its_links() {
    let linked = |step: i64| json!({"key": "auc", "value": 0.5, "timestamp": 9, "step": step, "dataset_name": "train", "dataset_digest": "d1"});
    let plain = |key: &str| json!({"key": key, "value": 0.5, "timestamp": 9, "step": 0});
    let server = Loopback::start(move |request| match request.path() {
        RUNS => run("s3://bucket/1/r", &json!([linked(1), plain("loss")])),
        BULK => {
            assert!(request.target.contains("metric_key=loss"), "{}", request.target);
            Answer::json(&format!(
                r#"{{"metrics": [{{"run_id": "{RUN}", "key": "loss", "value": 0.5, "timestamp": 9, "step": 0}}]}}"#
            ))
        }
        HISTORY => Answer::json(&json!({"metrics": [plain("auc"), linked(1)]}).to_string()),
        "/api/2.0/mlflow/artifacts/list" => Answer::json("{}"),
        _ => common(request),
    });
    let (folder, report) = export_of(&server, false);
    let manifest = report.unwrap().manifest;
    let archive = Archive::open(&folder.path().join("out")).unwrap();
    let mut found = Vec::new();
    let mut lines = archive.lines(Kind::Metrics);
    while let Some(line) = lines.next_line().unwrap() {
        let slice: MetricSlice = serde_json::from_slice(line.bytes).unwrap();
        for point in slice.points() {
            let dataset = point.link.as_ref().and_then(|link| link.dataset_name.clone());
            found.push((slice.key.clone(), point.step, dataset));
        }
    }
    let expected = [("auc", 0, None), ("auc", 1, Some("train")), ("loss", 0, None)];
    let expected = expected.map(|(key, step, name)| (key.to_owned(), step, name.map(str::to_owned)));
    assert_eq!(found, expected);
    let limits = manifest.losses.limits.iter();
    let counted: Vec<_> = limits
        .filter(|loss| loss.reason.as_str() == "not-in-bulk-history")
        .map(|loss| (loss.field.as_str(), loss.count))
        .collect();
    assert_eq!(counted, [("link", 1)]);
}

/// A server with a trace whose spans are in its store, one whose spans are its file, one without any, and one that it cannot tell.
fn with_traces(request: &Received) -> Answer {
    let asked_for = request.target.split("request_id=").nth(1);
    match (request.path(), asked_for) {
        (RUNS, _) => Answer::json("{}"),
        ("/api/3.0/mlflow/traces/search", _) => {
            let traces = ["tr-store", "tr-file", "tr-none", "tr-lost"].map(|id| {
                let is_in_store = matches!(id, "tr-store" | "tr-lost");
                let location = if is_in_store { "TRACKING_STORE" } else { "" };
                json!({
                    "trace_id": id, "state": "OK", "request_time": "2024-05-06T07:09:10.123Z",
                    "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "1"}},
                    "tags": {"mlflow.artifactLocation": format!("mlflow-artifacts:/1/{id}"), "mlflow.trace.spansLocation": location},
                })
            });
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            let is_all = body.get("filter").is_none();
            Answer::json(&json!({"traces": if is_all { &traces[..] } else { &[] }}).to_string())
        }
        ("/ajax-api/2.0/mlflow/get-trace-artifact", Some("tr-store" | "tr-file")) => {
            let span =
                json!({"trace_id": "AAAAAAAAAAAAAAAAAAAAAQ==", "span_id": "AAAAAAAAAAE=", "name": "root"});
            Answer::json(&json!({"spans": [span]}).to_string())
        }
        ("/ajax-api/2.0/mlflow/get-trace-artifact", Some("tr-lost")) => {
            Answer::new(404, r#"{"error_code": "NOT_FOUND", "message": "no data"}"#)
        }
        ("/api/2.0/mlflow-artifacts/artifacts", _) => {
            let is_store = request.target.ends_with("tr-store") || request.target.ends_with("tr-file");
            let files = [json!({"path": "traces.json", "is_dir": false, "file_size": 4})];
            Answer::json(&json!({"files": if is_store { &files[..] } else { &[] }}).to_string())
        }
        ("/api/2.0/mlflow-artifacts/artifacts/1/tr-store/traces.json", _) => Answer::new(200, "copy"),
        _ => common(request),
    }
}

#[test]
fn a_file_of_spans_beside_spans_in_the_store_is_an_artifact_like_any_other() {
    let server = Loopback::start(with_traces);
    let (folder, report) = export_of(&server, true);
    let report = report.unwrap();
    let losses = &report.manifest.losses;
    let failures: Vec<_> = losses
        .failures
        .iter()
        .map(|loss| (&*loss.kind, loss.count))
        .collect();
    assert_eq!(failures, [("spans", 1)]);
    let missing = losses
        .limits
        .iter()
        .find(|loss| loss.reason.as_str() == "missing-file");
    assert_eq!(missing.unwrap().count, 1);
    let archive = Archive::open(&folder.path().join("out")).unwrap();
    let spans = archive.values(Kind::Spans).map(Result::unwrap);
    let of: Vec<_> = spans.map(|span| span["trace_id"].clone()).collect();
    assert_eq!(of, ["tr-file", "tr-store"]);
    let lists: Vec<_> = archive.values(Kind::Artifacts).map(Result::unwrap).collect();
    let [list] = &lists[..] else { panic!("{lists:?}") };
    assert_eq!(
        (&list["owner_id"], &list["files"][0]["size_bytes"]),
        (&json!("tr-store"), &json!(4))
    );
}

#[test]
fn spans_of_an_incomplete_trace_are_asked_for_once_and_those_of_a_server_in_trouble_again() {
    const ROUTE: &str = "/ajax-api/2.0/mlflow/get-trace-artifact";
    for is_incomplete in [true, false] {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        // As MLflow 3.6 answers.
        let server = Loopback::start(move |request| {
            let is_asked = request.target.ends_with("=tr-store");
            match request.path() {
                "/version" => Answer::new(200, "3.6.0"),
                "/api/3.0/mlflow/traces/batchGet" if is_incomplete => Answer::json("{}"),
                "/api/3.0/mlflow/traces/batchGet" => Answer::json(r#"{"traces": [{}]}"#),
                ROUTE if is_asked && (count.fetch_add(1, Ordering::Relaxed) == 0 || is_incomplete) => {
                    Answer::new(
                        500,
                        r#"{"error_code": "INTERNAL_ERROR", "message": "Failed to get"}"#,
                    )
                }
                _ => with_traces(request),
            }
        });
        let (folder, report) = export_of(&server, true);
        assert_eq!(report.unwrap().failures, if is_incomplete { 2 } else { 1 });
        assert_eq!(asked.load(Ordering::Relaxed), if is_incomplete { 1 } else { 2 });
        let losses = std::fs::read_to_string(folder.path().join("out/losses.jsonl")).unwrap();
        assert_eq!(
            losses.contains("fewer came than the client"),
            is_incomplete,
            "{losses}"
        );
    }
}

#[test]
fn objects_of_a_database_without_workspaces_are_in_the_default_one() {
    for (store, expected) in [("SqlStore", json!("default")), ("FileStore", Value::Null)] {
        let server = Loopback::start(move |request| match request.path() {
            // As MLflow 3.10 tells them.
            "/api/3.0/mlflow/server-info" => {
                Answer::json(&json!({"store_type": store, "workspaces_enabled": false}).to_string())
            }
            RUNS => Answer::json("{}"),
            _ => common(request),
        });
        let (folder, report) = export_of(&server, false);
        let limits = report.unwrap().manifest.losses.limits;
        let not_shown = limits.iter().any(|loss| loss.kind == "workspaces");
        assert_eq!(not_shown, store == "SqlStore");
        let archive = Archive::open(&folder.path().join("out")).unwrap();
        let experiment = archive.values(Kind::Experiments).next().unwrap().unwrap();
        assert_eq!(experiment["workspace"], expected);
    }
}

#[test]
fn a_models_file_whose_name_the_proxy_cannot_send_comes_by_the_models_own_route() {
    let server = Loopback::start(|request| match request.path() {
        RUNS => Answer::json("{}"),
        "/api/2.0/mlflow/logged-models/search" => Answer::json(
            r#"{"models": [{"info": {"model_id": "m-1", "experiment_id": "1", "name": "m", "creation_timestamp_ms": 1,
                "last_updated_timestamp_ms": 1, "artifact_uri": "mlflow-artifacts:/1/m", "status": "LOGGED_MODEL_READY"}, "data": {}}]}"#,
        ),
        "/api/2.0/mlflow-artifacts/artifacts" => {
            Answer::json(r#"{"files": [{"path": "ü.bin", "is_dir": false, "file_size": 5}]}"#)
        }
        // As servers up to 3.10 answer.
        "/api/2.0/mlflow-artifacts/artifacts/1/m/%C3%BC.bin" => Answer::new(500, "Internal Server Error"),
        "/ajax-api/2.0/mlflow/logged-models/m-1/artifacts/files" => Answer::new(200, "bytes"),
        _ => common(request),
    });
    let (_folder, report) = export_of(&server, false);
    let totals = report.unwrap().manifest.totals;
    assert_eq!((totals.artifact_files, totals.artifact_bytes), (1, 5));
}

#[test]
fn models_that_a_search_does_not_tell_come_with_the_run_itself() {
    let outputs = json!({"model_outputs": [{"model_id": "m-1", "step": 2}]});
    let with_models = move |outputs: &Value| {
        let info = json!({"run_id": RUN, "experiment_id": "1", "status": "FINISHED", "start_time": 5, "lifecycle_stage": "active"});
        json!({"info": info, "data": {}, "outputs": outputs})
    };
    // As servers from 3.0 to 3.5 answer.
    let server = Loopback::start(move |request| match request.path() {
        RUNS => Answer::json(&json!({"runs": [with_models(&json!({}))]}).to_string()),
        "/api/2.0/mlflow/runs/get" => Answer::json(&json!({"run": with_models(&outputs)}).to_string()),
        "/api/2.0/mlflow/logged-models/search" => Answer::json(
            r#"{"models": [{"info": {"model_id": "m-1", "experiment_id": "1", "name": "m"}, "data": {}}]}"#,
        ),
        "/api/2.0/mlflow/artifacts/list" | "/api/2.0/mlflow/logged-models/m-1/artifacts/directories" => {
            Answer::json("{}")
        }
        _ => common(request),
    });
    let (folder, report) = export_of(&server, false);
    report.unwrap();
    let archive = Archive::open(&folder.path().join("out")).unwrap();
    let run = archive.values(Kind::Runs).next().unwrap().unwrap();
    assert_eq!(
        run["outputs"],
        json!({"model_outputs": [{"model_id": "m-1", "step": 2}]})
    );
}
