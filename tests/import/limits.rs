//! What an import could not bring is said by each further import, which otherwise does nothing.

use crate::helpers::scripted;
use mlark::archive::{Archive, ArchiveWriter, ByteSource, Duplicates, ManifestHead, Owner, WriterOptions};
use mlark::flow::import::{ImportOptions, ImportReport, OnConflict};
use mlark::format::{Kind, Object as _};
use mlark::internals::{DELETED_STAGE, canonical, to_value};
use mlark::model::{
    Double, Experiment, LoggedModel, ModelVersion, OwnerKind, Point, PointLink, RegisteredModel, Run,
    RunInfo, Span, Trace,
};
use mlark::monitor::Silent;
use scripted::*;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Contents of the files that went through the UI's upload.
fn uploads(target: &Target) -> Vec<String> {
    let received = target.server.received();
    let uploads = received
        .iter()
        .filter(|request| request.path().ends_with("/upload-artifact"));
    uploads
        .map(|request| String::from_utf8_lossy(&request.body).into_owned())
        .collect()
}

const RUN: &str = "0000000000000000000000000000abc0";

fn experiment() -> Experiment {
    Experiment {
        experiment_id: "7".into(),
        name: "fraud".into(),
        lifecycle_stage: "active".into(),
        ..Experiment::default()
    }
}

fn run() -> Run {
    let info = RunInfo {
        run_id: RUN.into(),
        experiment_id: "7".into(),
        status: "FINISHED".into(),
        run_name: Some("run".into()),
        lifecycle_stage: "active".into(),
        ..RunInfo::default()
    };
    Run {
        info,
        ..Run::default()
    }
}

fn finished(writer: ArchiveWriter, out: &Path) -> Archive {
    let head = ManifestHead {
        origin: "test".into(),
        ..ManifestHead::default()
    };
    writer.finish(head, Duplicates::Refuse).unwrap();
    Archive::open(out).unwrap()
}

/// A run with files.
fn archive_with_files(directory: &Path, name: &str, contents: &[&str]) -> Archive {
    let out = directory.join(name);
    let mut writer = ArchiveWriter::create(&out, WriterOptions::default()).unwrap();
    writer.write(&experiment()).unwrap();
    writer.write(&run()).unwrap();
    let owner = Owner {
        kind: OwnerKind::Run,
        id: RUN.into(),
        sort_key: mlark::internals::order::run("7", None, RUN),
    };
    for (number, content) in contents.iter().enumerate() {
        let bytes = ByteSource::Bytes(content.as_bytes().to_vec());
        let path = format!("file-{number}");
        writer
            .artifact(&owner, path, bytes, &mut |_, failure| panic!("{failure:?}"))
            .unwrap();
    }
    writer
        .drain_artifacts(&mut |_, failure| panic!("{failure:?}"))
        .unwrap();
    finished(writer, &out)
}

/// A model whose first version was made from a run that is in the archive where that is said, and whose second one
/// was not made from any.
fn archive_of_versions(directory: &Path, name: &str, has_run: bool) -> Archive {
    let out = directory.join(name);
    let mut writer = ArchiveWriter::create(&out, WriterOptions::default()).unwrap();
    writer.write(&experiment()).unwrap();
    if has_run {
        writer.write(&run()).unwrap();
    }
    let model = RegisteredModel {
        name: "wine".into(),
        aliases: [("best".to_owned(), 1)].into(),
        ..RegisteredModel::default()
    };
    writer.write(&model).unwrap();
    for (number, source) in [(1, format!("runs:/{RUN}/model")), (2, "s3://bucket/model".into())] {
        let version = ModelVersion {
            name: "wine".into(),
            version: number,
            source: Some(source),
            ..ModelVersion::default()
        };
        writer.write(&version).unwrap();
    }
    finished(writer, &out)
}

fn version_of_wine(number: u64) -> ModelVersion {
    ModelVersion {
        name: "wine".into(),
        version: number,
        source: Some("s3://bucket/model".into()),
        tags: [("year".to_owned(), "1982".into())].into(),
        ..ModelVersion::default()
    }
}

/// One model and its versions, without any run.
fn archive_of_wine(directory: &Path, versions: impl IntoIterator<Item = ModelVersion>) -> Archive {
    let out = directory.join("archive");
    let mut writer = ArchiveWriter::create(&out, WriterOptions::default()).unwrap();
    let model = RegisteredModel {
        name: "wine".into(),
        ..RegisteredModel::default()
    };
    writer.write(&model).unwrap();
    versions
        .into_iter()
        .for_each(|version| writer.write(&version).unwrap());
    finished(writer, &out)
}

/// Limits of a report as kind, reason, count.
fn limits(report: &ImportReport) -> Vec<(Kind, String, u64)> {
    let counts = report.changes.counts().into_iter();
    counts
        .map(|count| (count.kind, count.reason.to_string(), count.count))
        .collect()
}

/// Requests that write.
fn writes(target: &Target) -> usize {
    let received = target.server.received();
    let is_read = |request: &&Received| {
        let path = request.path();
        request.method == "GET" || path.ends_with("/search")
    };
    received.iter().filter(|request| !is_read(request)).count()
}

#[test]
fn a_version_that_the_target_does_not_take_is_named_by_each_import_and_nothing_else_is_done() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive_of_versions(directory.path(), "a", false);
    let target = Target::start(|_| None);
    let expected = [
        (Kind::RegisteredModels, "version-not-in-target".to_owned(), 1),
        (Kind::ModelVersions, "source-run-not-in-target".to_owned(), 1),
    ];
    let report = import(&archive, &target).unwrap();
    assert_eq!(limits(&report), expected);
    assert_eq!(report.created[&Kind::ModelVersions], 1);
    for _ in 0..2 {
        let before = (writes(&target), target.server.received().len());
        let prepared = prepare(&archive, &target, ImportOptions::default()).unwrap();
        let plan = prepared.plans().next().unwrap();
        assert_eq!(plan.to_create(), 0);
        let tally = plan.tallies[&Kind::ModelVersions];
        assert_eq!((tally.reuse, tally.refuse), (1, 1));
        let text = plan.to_text();
        assert!(text.contains("reuse 1, refuse 1"), "{text}");
        assert!(
            text.contains("limit: 1 model-versions: source-run-not-in-target (left out)"),
            "{text}"
        );
        let report = import(&archive, &target).unwrap();
        assert_eq!(limits(&report), expected);
        assert!(report.created.is_empty() && report.failures.is_empty());
        assert_eq!(report.reused[&Kind::ModelVersions], 1);
        let received = target.server.received().len();
        assert_eq!(writes(&target), before.0);
        assert!(received - before.1 < 12, "{}", received - before.1);
    }
}

#[test]
fn a_version_comes_with_the_run_that_it_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let target = Target::start(|_| None);
    import(&archive_of_versions(directory.path(), "a", false), &target).unwrap();
    let whole = archive_of_versions(directory.path(), "b", true);
    let report = import(&whole, &target).unwrap();
    assert_eq!(report.created[&Kind::ModelVersions], 1);
    // Its number is past, so that it gets the next one.
    let expected = [(Kind::ModelVersions, "version-number".to_owned(), 1)];
    assert_eq!(limits(&report), expected);
    assert_eq!(limits(&import(&whole, &target).unwrap()), expected);
}

#[test]
fn a_deleted_version_arrives_with_its_tags_and_what_servers_clear_is_named() {
    let directory = tempfile::tempdir().unwrap();
    // As a database and as a file store hold deleted versions.
    let told = [
        ("REDACTED-SOURCE-PATH", None),
        ("s3://bucket/model", Some("drunk".to_owned())),
    ];
    let versions = (1..)
        .zip(told)
        .map(|(number, (source, description))| ModelVersion {
            source: Some(source.into()),
            description,
            current_stage: Some(DELETED_STAGE.into()),
            ..version_of_wine(number)
        });
    let archive = archive_of_wine(directory.path(), versions);
    let target = Target::start(|_| None);
    let expected = [(Kind::ModelVersions, "cleared-by-server".to_owned(), 2)];
    for _ in 0..2 {
        let report = import(&archive, &target).unwrap();
        assert_eq!(limits(&report), expected);
        assert!(report.failures.is_empty());
        let state = target.state.lock().unwrap();
        let versions = &state.registry.versions;
        assert_eq!(versions.len(), 2);
        for version in versions {
            assert_eq!(version["current_stage"], DELETED_STAGE);
            let tags = version["tags"].as_array().unwrap();
            assert!(
                tags.contains(&json!({"key": "year", "value": "1982"})),
                "{version}"
            );
        }
    }
}

#[test]
fn a_value_that_was_cut_is_a_failure_first_and_listed_from_then_on() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive(directory.path(), "a");
    let target = Target::start(|_| None);
    target.state.lock().unwrap().param_chars = Some(5);
    let report = import(&archive, &target).unwrap();
    assert_eq!(report.failures.len(), RUNS);
    assert!(
        report.failures[0].detail.contains("param note"),
        "{:?}",
        report.failures[0]
    );
    let expected = [(Kind::Runs, "differs-in-target".to_owned(), RUNS as u64)];
    let report = import(&archive, &target).unwrap();
    assert_eq!((limits(&report), report.failures.len()), (expected.to_vec(), 0));
    let before = writes(&target);
    let report = import(&archive, &target).unwrap();
    assert_eq!((limits(&report), report.failures.len()), (expected.to_vec(), 0));
    assert_eq!(report.reused[&Kind::Runs], RUNS as u64);
    assert_eq!(writes(&target), before);
}

#[test]
fn after_an_upgrade_of_the_target_each_object_is_looked_at_again_once() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive(directory.path(), "a");
    let target = Target::start(|_| None);
    for version in ["3.17.2", "3.17.5", "3.18.0"] {
        target.state.lock().unwrap().version = Some(version);
        let first = import(&archive, &target).unwrap();
        let again = import(&archive, &target).unwrap();
        let of_runs = |report: &ImportReport| {
            let of = |counts: &BTreeMap<Kind, u64>| counts.get(&Kind::Runs).copied().unwrap_or(0);
            (of(&report.created), of(&report.completed), of(&report.reused))
        };
        let runs = RUNS as u64;
        let expected = match version {
            "3.17.2" => (runs, 0, 0),
            "3.17.5" => (0, 0, runs),
            _ => (0, runs, 0),
        };
        assert_eq!(
            (of_runs(&first), of_runs(&again)),
            (expected, (0, 0, runs)),
            "{version}"
        );
        assert_whole(&target);
    }
}

#[test]
fn versions_that_only_fill_numbers_keep_nothing_when_an_import_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive_of_wine(directory.path(), [1, 4].map(version_of_wine));
    let is_open = Arc::new(AtomicBool::new(false));
    let door = is_open.clone();
    let target = Target::start(move |request| {
        let is_create = request.path().ends_with("model-versions/create");
        let is_first = String::from_utf8_lossy(&request.body).contains("wine%2F1");
        let is_refused = is_create && !is_first && !door.load(Ordering::Relaxed);
        is_refused.then(|| {
            Fault::Before(Answer::new(
                400,
                r#"{"error_code":"INVALID_PARAMETER_VALUE","message":"no"}"#,
            ))
        })
    });
    assert_eq!(import(&archive, &target).unwrap().failures.len(), 1);
    is_open.store(true, Ordering::Relaxed);
    assert!(import(&archive, &target).unwrap().failures.is_empty());
    let state = target.state.lock().unwrap();
    let tags = state.registry.versions.iter().map(|version| {
        let tags = version["tags"].as_array().map_or(0, Vec::len);
        (version["current_stage"] == DELETED_STAGE, tags)
    });
    assert_eq!(
        tags.collect::<Vec<_>>(),
        [(false, 2), (true, 0), (true, 0), (false, 2)]
    );
}

#[test]
fn an_empty_file_for_a_target_without_a_proxy_is_a_limit() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive_with_files(directory.path(), "a", &["", "text"]);
    // As servers do, the upload refuses what is empty.
    let target = Target::start(|request| {
        let is_upload = request.path().ends_with("/upload-artifact");
        let body = match request.body.is_empty() {
            true => Answer::new(
                400,
                r#"{"error_code":"INVALID_PARAMETER_VALUE","message":"empty"}"#,
            ),
            false => Answer::json("{}"),
        };
        is_upload.then_some(Fault::Before(body))
    });
    let elsewhere =
        json!({"experiment_id": "1", "name": "fraud", "tags": [], "artifact_location": "s3://bucket/1"});
    target.state.lock().unwrap().experiments.push(elsewhere);
    let options = || ImportOptions {
        on_conflict: OnConflict::Merge,
        ..ImportOptions::default()
    };
    for _ in 0..2 {
        let prepared = prepare(&archive, &target, options()).unwrap();
        let report = prepared.apply(&Silent).unwrap();
        assert!(report.failures.is_empty(), "{:?}", report.failures);
        assert_eq!(limits(&report), [(Kind::Runs, "no-artifact-proxy".to_owned(), 1)]);
        assert_eq!(report.changes.named()[0].field, "artifact file-0");
    }
    assert_eq!(uploads(&target), ["text"]);
}

/// A trace with one span.
fn archive_of_a_trace(directory: &Path) -> Archive {
    let out = directory.join("a");
    let mut writer = ArchiveWriter::create(&out, WriterOptions::default()).unwrap();
    writer.write(&experiment()).unwrap();
    let id = format!("tr-{}", "ab".repeat(16));
    let trace = Trace {
        trace_id: id.clone(),
        experiment_id: "7".into(),
        state: "OK".into(),
        ..Trace::default()
    };
    writer.write(&trace).unwrap();
    let span = Span {
        trace_id: id.clone(),
        span_id: "0c".repeat(8),
        name: "the span".into(),
        start_time_unix_nano: Some(1),
        end_time_unix_nano: Some(2),
        attributes: [("mlflow.traceRequestId".to_owned(), json!(json!(id).to_string()))].into(),
        ..Span::default()
    };
    let line = canonical(&to_value(&span));
    let key = trace.sort_key().number(0);
    writer.write_line(Kind::Spans, key, &span.span_id, &line).unwrap();
    finished(writer, &out)
}

#[test]
fn spans_lie_in_a_file_where_the_server_takes_them_in_protobuf_only() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive_of_a_trace(directory.path());
    let target = Target::start(|request| {
        let answer = match request.path() {
            "/v1/traces" => Answer::new(400, r#"{"detail":"Invalid Content-Type: application/json"}"#),
            "/api/3.0/mlflow/traces" => {
                let tags = json!({"mlflow.artifactLocation": "mlflow-artifacts:/1/traces/t/artifacts"});
                reply(json!({"trace": {"trace_info": {"tags": tags}}}))
            }
            _ => return None,
        };
        Some(Fault::Before(answer))
    });
    let report = import(&archive, &target).unwrap();
    assert!(report.failures.is_empty(), "{:?}", report.failures);
    assert_eq!(report.created[&Kind::Traces], 1);
    let state = target.state.lock().unwrap();
    let file = String::from_utf8_lossy(&state.files["1/traces/t/artifacts/traces.json"]);
    assert!(file.contains("the span"), "{file}");
}

/// A logged model with two points that a run measured, one of them NaN.
fn archive_of_a_logged_model(directory: &Path) -> Archive {
    let out = directory.join("a");
    let mut writer = ArchiveWriter::create(&out, WriterOptions::default()).unwrap();
    writer.write(&experiment()).unwrap();
    writer.write(&run()).unwrap();
    let model = LoggedModel {
        model_id: format!("m-{}", "ab".repeat(16)),
        experiment_id: "7".into(),
        name: Some("forest".into()),
        status: "LOGGED_MODEL_READY".into(),
        lifecycle_stage: "active".into(),
        ..LoggedModel::default()
    };
    writer.write(&model).unwrap();
    let mut points = writer.point_series();
    for (step, value) in [(0, 0.5), (1, f64::NAN)] {
        let link = PointLink {
            run_id: Some(RUN.into()),
            ..PointLink::default()
        };
        let point = Point {
            timestamp: 5,
            step,
            value: Double(value),
            link: link.boxed(),
        };
        points.push(point).unwrap();
    }
    writer
        .write_model_metric(&model.sort_key(), &model.model_id, "loss", points)
        .unwrap();
    finished(writer, &out)
}

#[test]
fn a_point_of_nan_that_the_server_refuses_is_a_limit_and_the_others_arrive() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive_of_a_logged_model(directory.path());
    let target = Target::start(|request| {
        let body = String::from_utf8_lossy(&request.body);
        let model =
            json!({"model": {"info": {"model_id": "m-1", "name": "forest", "status": "LOGGED_MODEL_READY"}}});
        let answer = match request.path() {
            "/api/2.0/mlflow/logged-models" | "/api/2.0/mlflow/logged-models/m-1" => reply(model),
            "/api/2.0/mlflow/runs/log-batch" if body.contains("\"NaN\"") => Answer::new(
                400,
                r#"{"error_code":"BAD_REQUEST","message":"UNIQUE constraint failed"}"#,
            ),
            _ => return None,
        };
        Some(Fault::Before(answer))
    });
    let expected = [(Kind::ModelMetrics, "nan-refused".to_owned(), 1)];
    for _ in 0..2 {
        let report = import(&archive, &target).unwrap();
        assert!(report.failures.is_empty(), "{:?}", report.failures);
        assert_eq!(limits(&report), expected);
    }
    let state = target.state.lock().unwrap();
    let metrics = &state.runs[0]["data"]["metrics"];
    assert_eq!(
        (metrics[0]["value"].as_f64(), metrics[0]["model_id"].as_str()),
        (Some(0.5), Some("m-1"))
    );
}
