//! Exports of file stores: those made by real MLflow, and small ones that are broken on purpose.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use mlark::archive::Archive;
use mlark::flow::export::{ExportError, ExportOptions, ExportReport};
use mlark::format::Kind;
use mlark::internals::file_store;
use mlark::model::{
    ArtifactList, Experiment, LoggedModel, MetricSlice, ModelVersion, RegisteredModel, Run, Span, Text, Trace,
};
use mlark::monitor::Silent;
use mlark::select::{Patterns, Selection, TimeRange};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const VERSIONS: [&str; 5] = ["0.9.1", "1.30.1", "2.9.2", "2.22.5", "3.18.0"];

fn fixture(version: &str) -> PathBuf {
    let name = format!("fixtures/filestore-{version}/mlruns");
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

struct Exported {
    _directory: TempDir,
    archive: Archive,
    report: ExportReport,
}

fn export(root: &Path, options: ExportOptions) -> Result<Exported, ExportError> {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("archive");
    let report = file_store::export(root, &out, options, &Silent)?;
    Ok(Exported {
        archive: Archive::open(&out).unwrap(),
        report,
        _directory: directory,
    })
}

fn export_all(root: &Path) -> Exported {
    let options = ExportOptions {
        include_deleted: true,
        ..ExportOptions::default()
    };
    export(root, options).unwrap()
}

fn keep_going(root: &Path) -> Exported {
    let options = ExportOptions {
        keep_going: true,
        ..ExportOptions::default()
    };
    export(root, options).unwrap()
}

impl Exported {
    fn runs(&self) -> Vec<Run> {
        self.archive.objects().map(Result::unwrap).collect()
    }

    fn run(&self, name: &str) -> Run {
        let runs = self.runs();
        let mut named = runs
            .into_iter()
            .filter(|run| run.info.run_name.as_deref() == Some(name));
        named.next().unwrap_or_else(|| panic!("there is a run `{name}`"))
    }

    fn all<T: mlark::format::Object>(&self) -> Vec<T> {
        self.archive.objects().map(Result::unwrap).collect()
    }

    fn metrics(&self, run_id: &str) -> BTreeMap<String, MetricSlice> {
        let slices = self.archive.values(Kind::Metrics).map(|value| {
            let slice: MetricSlice = serde_json::from_value(value.unwrap()).unwrap();
            slice
        });
        slices
            .filter(|slice| slice.run_id == run_id)
            .map(|slice| (slice.key.clone(), slice))
            .collect()
    }

    fn artifacts(&self, owner_id: &str) -> Vec<String> {
        let lists = self.archive.values(Kind::Artifacts).map(|value| {
            let list: ArtifactList = serde_json::from_value(value.unwrap()).unwrap();
            list
        });
        let lists = lists.filter(|list| list.owner_id == owner_id);
        lists.flat_map(|list| list.files).map(|file| file.path).collect()
    }

    fn reasons(&self) -> BTreeSet<String> {
        let failures = &self.report.manifest.losses.failures;
        failures.iter().map(|loss| loss.reason.to_string()).collect()
    }

    fn limit(&self, reason: &str) -> u64 {
        let limits = self.report.manifest.losses.limits.iter();
        limits
            .filter(|loss| loss.reason.as_str() == reason)
            .map(|loss| loss.count)
            .sum()
    }

    fn left_out(&self, kind: Kind, reason: &str) -> u64 {
        let left_out = self.report.manifest.selection.left_out.iter();
        let counts = left_out.filter(|loss| loss.kind == kind.name() && loss.reason.as_str() == reason);
        counts.map(|loss| loss.count).sum()
    }
}

/// Every file below a folder, by its path below it.
fn files_below(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = walkdir::WalkDir::new(folder).into_iter().filter_map(Result::ok);
    entries
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let path = entry
                .path()
                .strip_prefix(folder)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            (path, fs::read(entry.path()).unwrap())
        })
        .collect()
}

/// The folders of runs, by their ids.
fn run_folders(root: &Path) -> BTreeMap<String, PathBuf> {
    let metas = walkdir::WalkDir::new(root).into_iter().filter_map(Result::ok);
    metas
        .filter(|entry| entry.file_name() == "meta.yaml")
        .filter(|entry| {
            let text = fs::read_to_string(entry.path()).unwrap();
            text.contains("\nentry_point_name:")
        })
        .map(|entry| {
            let folder = entry.path().parent().unwrap();
            (
                folder.file_name().unwrap().to_str().unwrap().to_owned(),
                folder.to_owned(),
            )
        })
        .collect()
}

#[test]
fn every_parameter_and_tag_of_every_run_has_the_bytes_of_its_file() {
    for version in VERSIONS {
        let exported = export_all(&fixture(version));
        assert_eq!(exported.report.failures, 0, "{version}");
        let folders = run_folders(&fixture(version));
        let runs = exported.runs();
        assert_eq!(runs.len(), folders.len(), "{version}");
        for run in runs {
            let folder = &folders[&run.info.run_id];
            for (values, name) in [(&run.params, "params"), (&run.tags, "tags")] {
                let expected: BTreeMap<String, Text> = files_below(&folder.join(name))
                    .into_iter()
                    .map(|(key, bytes)| (key, Text::from_bytes(bytes)))
                    .collect();
                assert_eq!(*values, expected, "{version} {} {name}", run.info.run_id);
            }
            let keys: Vec<_> = files_below(&folder.join("metrics")).into_keys().collect();
            assert_eq!(run.metrics.keys().cloned().collect::<Vec<_>>(), keys);
        }
    }
}

#[test]
fn every_metric_line_is_a_point() {
    for version in VERSIONS {
        let exported = export_all(&fixture(version));
        for (run_id, folder) in run_folders(&fixture(version)) {
            let metrics = exported.metrics(&run_id);
            for (key, bytes) in files_below(&folder.join("metrics")) {
                let text = String::from_utf8(bytes).unwrap();
                let mut expected: Vec<(i64, i64, String)> = text.lines().map(point_of_line).collect();
                expected.sort();
                let mut found: Vec<_> = metrics[&key]
                    .points()
                    .map(|point| (point.timestamp, point.step, format!("{:?}", point.value.0)))
                    .collect();
                found.sort();
                assert_eq!(found, expected, "{version} {run_id} {key}");
            }
        }
    }
}

/// Lines of two fields count in seconds, unless only milliseconds can be meant.
fn point_of_line(line: &str) -> (i64, i64, String) {
    let fields: Vec<&str> = line.split(' ').collect();
    let value: f64 = fields[1].parse().unwrap();
    let timestamp: i64 = fields[0].parse().unwrap();
    let (timestamp, step) = match fields.get(2) {
        Some(step) => (timestamp, step.parse().unwrap()),
        None if timestamp < 100_000_000_000 => (timestamp * 1000, 0),
        None => (timestamp, 0),
    };
    (timestamp, step, format!("{value:?}"))
}

#[test]
fn objects_equal_what_mlflow_itself_reads() {
    for version in VERSIONS {
        let expected = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(format!("fixtures/filestore-{version}/read-by-mlflow.json"));
        let expected: serde_json::Value = serde_json::from_slice(&fs::read(expected).unwrap()).unwrap();
        let exported = export_all(&fixture(version));
        let as_json = summary(&exported);
        for kind in [
            "experiments",
            "runs",
            "models",
            "versions",
            "logged_models",
            "traces",
        ] {
            let (found, expected) = (
                as_json[kind].as_object().unwrap(),
                expected[kind].as_object().unwrap(),
            );
            assert_eq!(
                found.keys().collect::<Vec<_>>(),
                expected.keys().collect::<Vec<_>>(),
                "{version} {kind}"
            );
            for (id, object) in expected {
                assert_eq!(found[id], *object, "{version} {kind} {id}");
            }
        }
    }
}

/// The objects of an archive, as `fixtures/make/read_by_mlflow.py` dumps those that MLflow reads.
fn summary(exported: &Exported) -> serde_json::Value {
    use serde_json::{Map, Value, json};
    let texts = |map: &BTreeMap<String, Text>| -> Value {
        let entries = map
            .iter()
            .map(|(key, text)| (key.clone(), text.as_str().unwrap().into()));
        Value::Object(entries.collect())
    };
    let mut summary: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for kind in [
        "experiments",
        "runs",
        "models",
        "versions",
        "logged_models",
        "traces",
    ] {
        summary.insert(kind, Map::new());
    }
    let mut add = |kind: &'static str, id: String, value: Value| {
        summary.get_mut(kind).unwrap().insert(id, value);
    };
    for found in exported.all::<Experiment>() {
        let value = json!({"name": found.name, "lifecycle_stage": found.lifecycle_stage, "creation_time": found.creation_time,
            "last_update_time": found.last_update_time, "artifact_location": found.artifact_location, "tags": texts(&found.tags)});
        add("experiments", found.experiment_id, value);
    }
    for run in exported.runs() {
        let info = &run.info;
        let metrics = run.metrics.iter().map(|(key, latest)| {
            let value = format!("{:e}", latest.value.0);
            (key.clone(), json!([latest.timestamp, latest.step, value]))
        });
        let inputs = &run.inputs;
        let datasets = inputs.dataset_inputs.iter();
        let value = json!({"run_name": info.run_name, "experiment_id": info.experiment_id, "user_id": info.user_id,
            "status": info.status, "start_time": info.start_time, "end_time": info.end_time,
            "lifecycle_stage": info.lifecycle_stage, "artifact_uri": info.artifact_uri, "params": texts(&run.params),
            "tags": texts(&run.tags), "metrics": metrics.collect::<Map<_, _>>(),
            "datasets": datasets.map(|input| json!([input.name, input.digest, texts(&input.tags)])).collect::<Vec<_>>(),
            "model_inputs": inputs.model_inputs.iter().map(|input| &input.model_id).collect::<Vec<_>>(),
            "model_outputs": run.outputs.model_outputs.iter().map(|output| json!([output.model_id, output.step])).collect::<Vec<_>>()});
        add("runs", info.run_id.clone(), value);
    }
    for model in exported.all::<RegisteredModel>() {
        let value = json!({"description": model.description, "creation_timestamp": model.creation_timestamp,
            "last_updated_timestamp": model.last_updated_timestamp, "aliases": model.aliases, "tags": texts(&model.tags)});
        add("models", model.name, value);
    }
    for version in exported.all::<ModelVersion>() {
        let is_deleted = version.current_stage.as_deref() == Some("Deleted_Internal");
        let value = json!({"description": version.description, "creation_timestamp": version.creation_timestamp,
            "last_updated_timestamp": version.last_updated_timestamp, "current_stage": version.current_stage,
            "source": version.source, "run_id": version.run_id, "run_link": version.run_link, "status": version.status,
            "tags": texts(&version.tags)});
        // MLflow shows no deleted version.
        if !is_deleted {
            add("versions", format!("{}/{}", version.name, version.version), value);
        }
    }
    for model in exported.all::<LoggedModel>() {
        let value = json!({"name": model.name, "experiment_id": model.experiment_id, "status": model.status,
            "model_type": model.model_type, "source_run_id": model.source_run_id, "artifact_location": model.artifact_uri,
            "creation_timestamp": model.creation_timestamp_ms, "last_updated_timestamp": model.last_updated_timestamp_ms,
            "params": texts(&model.params), "tags": texts(&model.tags)});
        if model.lifecycle_stage == "active" {
            add("logged_models", model.model_id, value);
        }
    }
    let mut spans: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for span in exported.archive.values(Kind::Spans) {
        let span: Span = serde_json::from_value(span.unwrap()).unwrap();
        let events = span
            .events
            .iter()
            .map(|event| json!([event.name, event.time_unix_nano]));
        let value = json!([
            span.span_id,
            span.parent_span_id,
            span.name,
            span.start_time_unix_nano,
            span.end_time_unix_nano,
            span.status_code,
            span.attributes,
            events.collect::<Vec<_>>()
        ]);
        spans.entry(span.trace_id).or_default().push(value);
    }
    for trace in exported.all::<Trace>() {
        let assessments = trace.assessments.iter().map(|found| {
            // MLflow reads no `valid` of an expectation, though its file has one.
            let valid = found.feedback.as_ref().and(found.valid);
            let judged = found.feedback.as_ref().or(found.expectation.as_ref());
            json!([
                found.assessment_id,
                found.assessment_name,
                found.source.get("source_type"),
                found.create_time,
                judged.map(|judged| &judged["value"]),
                found.rationale,
                found.overrides,
                valid,
                texts(&found.metadata)
            ])
        });
        let value = json!({"request_time": trace.request_time, "execution_duration": trace.execution_duration,
            "state": trace.state, "client_request_id": trace.client_request_id, "request_preview": trace.request_preview,
            "response_preview": trace.response_preview, "metadata": texts(&trace.trace_metadata), "tags": texts(&trace.tags),
            "assessments": assessments.collect::<Vec<_>>(), "spans": spans.remove(&trace.trace_id).unwrap_or_default()});
        add("traces", trace.trace_id, value);
    }
    json!(summary)
}

#[test]
fn artifacts_of_a_moved_tree_are_found_and_are_the_files() {
    let root = fixture("3.18.0");
    let exported = export_all(&root);
    let run = exported.run("artifacts");
    let folder = &run_folders(&root)[&run.info.run_id];
    let expected: Vec<String> = files_below(&folder.join("artifacts")).into_keys().collect();
    let found = exported.artifacts(&run.info.run_id);
    for path in &expected {
        assert!(found.contains(path), "{path}");
    }
    assert!(found.is_sorted());
    let models: Vec<LoggedModel> = exported.all();
    for model in models {
        assert!(
            exported
                .artifacts(&model.model_id)
                .contains(&"MLmodel".to_owned())
        );
    }
}

#[test]
fn deleted_objects_are_left_out_and_counted() {
    let root = fixture("3.18.0");
    let (all, active) = (
        export_all(&root),
        export(&root, ExportOptions::default()).unwrap(),
    );
    for kind in [
        Kind::Experiments,
        Kind::Runs,
        Kind::LoggedModels,
        Kind::ModelVersions,
    ] {
        let deleted = active.left_out(kind, "deleted");
        assert!(deleted > 0, "{kind}");
        let counts = (
            all.report.manifest.count(kind),
            active.report.manifest.count(kind),
        );
        assert_eq!(counts.0, counts.1 + deleted, "{kind}");
    }
    assert!(
        active
            .runs()
            .iter()
            .all(|run| run.info.lifecycle_stage == "active")
    );
}

#[test]
fn runs_in_the_trash_of_mlflow_1_are_deleted() {
    let exported = export_all(&fixture("1.30.1"));
    let trashed = run_folders(&fixture("1.30.1").join(".trash"));
    assert!(!trashed.is_empty());
    for run in exported.runs() {
        if trashed.contains_key(&run.info.run_id) {
            assert_eq!(run.info.lifecycle_stage, "deleted");
        }
    }
}

#[test]
fn the_same_tree_gives_the_same_archive_in_either_container() {
    let directory = tempfile::tempdir().unwrap();
    let mut ids = BTreeSet::new();
    for (name, threads) in [("a", 1), ("b", 3), ("c.zip", 2)] {
        let mut options = ExportOptions::default();
        options.writer.threads = threads;
        let out = directory.path().join(name);
        let report = file_store::export(&fixture("3.18.0"), &out, options, &Silent).unwrap();
        ids.insert(report.manifest.content_id);
    }
    assert_eq!(ids.len(), 1);
}

/// A store with one experiment and one run.
fn small_store() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("mlruns");
    write(
        &root,
        "1/meta.yaml",
        "experiment_id: '1'\nname: one\nlifecycle_stage: active\n",
    );
    add_run(&root, "1", "r1", 1000);
    directory
}

fn add_run(root: &Path, experiment: &str, run: &str, start_time: i64) {
    let uri = root.join(experiment).join(run).join("artifacts");
    let meta = format!(
        "artifact_uri: {}\nexperiment_id: '{experiment}'\nlifecycle_stage: active\nrun_id: {run}\nrun_name: {run}\nstart_time: {start_time}\nstatus: 3\n",
        uri.display()
    );
    write(root, &format!("{experiment}/{run}/meta.yaml"), &meta);
    write(root, &format!("{experiment}/{run}/params/p"), "v");
    write(root, &format!("{experiment}/{run}/metrics/m"), "1000 1.0 0\n");
    write(root, &format!("{experiment}/{run}/artifacts/a.txt"), "a");
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn a_directory_that_holds_the_tree_will_do_and_others_are_refused() {
    let store = small_store();
    assert!(file_store::looks_like_file_store(store.path()));
    assert_eq!(
        export(store.path(), ExportOptions::default())
            .unwrap()
            .runs()
            .len(),
        1
    );
    assert!(!file_store::looks_like_file_store(&store.path().join("mlruns/1")));
    let empty = tempfile::tempdir().unwrap();
    assert!(!file_store::looks_like_file_store(empty.path()));
    let error = export(empty.path(), ExportOptions::default()).err().unwrap();
    assert!(matches!(error, ExportError::NoData { .. }));
}

#[test]
fn each_kind_of_damage_is_a_failure_that_names_the_place() {
    let cases: [(&str, &str, &str, &str); 12] = [
        ("1/r1/meta.yaml", "", "not-yaml", "r1/meta.yaml: line 1"),
        (
            "1/r1/meta.yaml",
            "run_id: r1\nname: 'cut",
            "not-yaml",
            "r1/meta.yaml: line",
        ),
        (
            "1/r1/meta.yaml",
            "run_id: r2\nexperiment_id: '1'\n",
            "id-mismatch",
            "r1/meta.yaml",
        ),
        (
            "1/r1/meta.yaml",
            "run_id: r1\nexperiment_id: '1'\nstart_time: soon\n",
            "wrong-type",
            "start_time",
        ),
        (
            "1/meta.yaml",
            "experiment_id: '7'\nname: x\n",
            "id-mismatch",
            "1/meta.yaml",
        ),
        (
            "1/r1/metrics/m",
            "1 1.0 0\noops\n",
            "not-a-point",
            "metrics/m, line 2",
        ),
        ("1/r1/metrics/m", "", "not-a-point", "metrics/m"),
        ("1/r2/params/p", "v", "no-meta", "r2"),
        ("2/r2/meta.yaml", "x: 1\n", "no-meta", "mlruns/2"),
        (
            "1/r1/inputs/i/meta.yaml",
            "source_type: DATASET\nsource_id: gone\n",
            "listed-but-missing",
            "gone",
        ),
        ("models/m/meta.yaml", "name: n\n", "id-mismatch", "models/m"),
        ("1/traces/t/trace_info.yaml", "", "not-yaml", "t/trace_info.yaml"),
    ];
    for (path, text, reason, place) in cases {
        let store = small_store();
        write(&store.path().join("mlruns"), path, text);
        let error = export(store.path(), ExportOptions::default()).err().unwrap();
        let ExportError::Failure {
            reason: found,
            detail,
            ..
        } = &error
        else {
            panic!("{path}: {error}")
        };
        assert_eq!(found.as_str(), reason, "{path}: {detail}");
        assert!(detail.contains(place), "{path}: {detail}");
        let exported = keep_going(store.path());
        assert_eq!(exported.reasons(), BTreeSet::from([reason.to_owned()]), "{path}");
        assert!(exported.report.failures > 0, "{path}");
    }
}

#[test]
fn a_failed_export_leaves_nothing() {
    let store = small_store();
    write(&store.path().join("mlruns"), "1/r1/meta.yaml", "");
    let out = tempfile::tempdir().unwrap();
    let result = file_store::export(
        store.path(),
        &out.path().join("a"),
        ExportOptions::default(),
        &Silent,
    );
    assert!(result.is_err());
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0);
}

#[test]
fn what_is_not_mlflows_is_counted() {
    let store = small_store();
    let root = store.path().join("mlruns");
    write(&root, ".DS_Store", "x");
    write(&root, "1/notes.txt", "x");
    write(&root, "1/r1/extra/file", "x");
    fs::create_dir_all(root.join("1/empty")).unwrap();
    fs::create_dir_all(root.join("1/r1/artifacts/empty")).unwrap();
    let exported = export(store.path(), ExportOptions::default()).unwrap();
    assert_eq!(
        (exported.limit("stray"), exported.limit("empty-directory")),
        (3, 2)
    );
}

#[test]
fn remote_artifacts_are_a_limit() {
    let store = small_store();
    let root = store.path().join("mlruns");
    fs::remove_dir_all(root.join("1/r1/artifacts")).unwrap();
    let meta = fs::read_to_string(root.join("1/r1/meta.yaml")).unwrap();
    let lines = meta.lines().skip(1).collect::<Vec<_>>().join("\n");
    write(
        &root,
        "1/r1/meta.yaml",
        &format!("artifact_uri: s3://bucket/1/r1/artifacts\n{lines}\n"),
    );
    let limits = || {
        export(store.path(), ExportOptions::default())
            .unwrap()
            .limit("remote-uri")
    };
    assert_eq!(limits(), 1);
    // The folder that MLflow makes for every run.
    fs::create_dir(root.join("1/r1/artifacts")).unwrap();
    assert_eq!(limits(), 1);
    let destination = tempfile::tempdir().unwrap();
    write(destination.path(), "1/r1/artifacts/served.txt", "x");
    write(
        &root,
        "1/r1/meta.yaml",
        &format!("artifact_uri: mlflow-artifacts:/1/r1/artifacts\n{lines}\n"),
    );
    let options = ExportOptions {
        artifacts_destination: Some(destination.path().to_owned()),
        ..ExportOptions::default()
    };
    assert_eq!(
        export(store.path(), options).unwrap().artifacts("r1"),
        ["served.txt"]
    );
}

#[test]
fn an_artifact_that_cannot_be_read_is_listed_as_absent() {
    let store = small_store();
    let root = store.path().join("mlruns/1/r1/artifacts");
    std::os::unix::fs::symlink("/etc/hostname", root.join("b.txt")).unwrap();
    std::os::unix::fs::symlink("gone", root.join("c.txt")).unwrap();
    let exported = keep_going(store.path());
    assert_eq!(exported.artifacts("r1"), ["a.txt", "b.txt", "c.txt"]);
    let expected = ["link-broken", "link-outside"].map(str::to_owned);
    assert_eq!(exported.reasons(), BTreeSet::from(expected));
}

#[test]
fn a_long_history_beside_short_ones_is_read_whole() {
    let store = small_store();
    let root = store.path().join("mlruns");
    let lines: String = (0..120_000)
        .map(|step| format!("{} 0.5 {step}\n", 200_000 - step))
        .collect();
    write(&root, "1/r1/metrics/long", &lines);
    let exported = export(store.path(), ExportOptions::default()).unwrap();
    assert_eq!(exported.report.manifest.totals.metric_points, 120_001);
    assert_eq!(exported.runs()[0].metrics["long"].step, 119_999);
    assert_eq!(exported.runs()[0].metrics.len(), 2);
}

fn selection(fill: impl FnOnce(&mut Selection)) -> ExportOptions {
    let mut options = ExportOptions::default();
    fill(&mut options.selection);
    options
}

#[test]
fn a_choice_brings_what_it_needs() {
    let store = small_store();
    let root = store.path().join("mlruns");
    write(
        &root,
        "2/meta.yaml",
        "experiment_id: '2'\nname: two\nlifecycle_stage: active\n",
    );
    write(
        &root,
        "3/meta.yaml",
        "experiment_id: '3'\nname: three\nlifecycle_stage: active\n",
    );
    for (experiment, run, time) in [("1", "other", 3000), ("2", "child", 2000), ("3", "maker", 500)] {
        add_run(&root, experiment, run, time);
    }
    write(&root, "2/child/tags/mlflow.parentRunId", "r1");
    write(
        &root,
        "2/child/inputs/i/meta.yaml",
        "source_type: MODEL\nsource_id: m-1\ntags: {}\n",
    );
    write(
        &root,
        "3/models/m-1/meta.yaml",
        "model_id: m-1\nexperiment_id: '3'\nsource_run_id: maker\nstatus: 2\n",
    );
    write(
        &root,
        "3/models/m-2/meta.yaml",
        "model_id: m-2\nexperiment_id: '3'\nstatus: 2\n",
    );
    for (trace, run) in [("t1", "child"), ("t2", "other")] {
        write(
            &root,
            &format!("1/traces/{trace}/trace_info.yaml"),
            &format!("trace_id: {trace}\nstate: OK\n"),
        );
        write(
            &root,
            &format!("1/traces/{trace}/request_metadata/mlflow.sourceRun"),
            run,
        );
    }
    write(&root, "models/reg/meta.yaml", "name: reg\n");
    write(
        &root,
        "models/reg/version-1/meta.yaml",
        "name: reg\nversion: 1\nrun_id: child\n",
    );
    write(
        &root,
        "models/reg/version-2/meta.yaml",
        "name: reg\nversion: 2\nrun_id: other\n",
    );
    write(&root, "models/alone/meta.yaml", "name: alone\n");
    let ids = |options: ExportOptions| {
        let exported = export(store.path(), options).unwrap();
        let runs: BTreeSet<String> = exported.runs().into_iter().map(|run| run.info.run_id).collect();
        let traces: Vec<String> = exported
            .all::<Trace>()
            .into_iter()
            .map(|trace| trace.trace_id)
            .collect();
        let models: Vec<String> = exported
            .all::<LoggedModel>()
            .into_iter()
            .map(|model| model.model_id)
            .collect();
        let versions: Vec<u64> = exported
            .all::<ModelVersion>()
            .into_iter()
            .map(|version| version.version)
            .collect();
        let runs = runs.into_iter().collect::<Vec<_>>().join(" ");
        format!(
            "{runs} | {} | {} | {versions:?}",
            traces.join(" "),
            models.join(" ")
        )
    };
    let chosen = "child maker r1 | t1 | m-1 | [1]";
    assert_eq!(
        ids(selection(|selection| selection.runs = vec!["child".to_owned()])),
        chosen
    );
    assert_eq!(
        ids(selection(
            |selection| selection.experiments = Patterns::names(vec!["tw*".to_owned()]).unwrap()
        )),
        chosen
    );
    let range = TimeRange {
        since: Some(2000),
        until: Some(3000),
    };
    assert_eq!(ids(selection(|selection| selection.time = range)), chosen);
    assert_eq!(
        ids(selection(
            |selection| selection.models = Patterns::names(vec!["reg".to_owned()]).unwrap()
        )),
        "child maker other r1 | t1 t2 | m-1 | [1, 2]"
    );
    let alone = selection(|selection| selection.models = Patterns::names(vec!["alone".to_owned()]).unwrap());
    let exported = export(store.path(), alone).unwrap();
    assert_eq!(
        (exported.runs().len(), exported.all::<RegisteredModel>().len()),
        (0, 1)
    );
    assert_eq!(exported.left_out(Kind::Runs, "not-selected"), 4);
}

#[test]
fn a_name_that_matches_nothing_is_an_error() {
    let store = small_store();
    let names = |text: &str| Patterns::names(vec![text.to_owned()]).unwrap();
    for (options, expected) in [
        (
            selection(|selection| selection.runs = vec!["x".to_owned()]),
            "run",
        ),
        (
            selection(|selection| selection.experiments = names("xyz")),
            "experiment",
        ),
        (selection(|selection| selection.models = names("x")), "model"),
    ] {
        let error = export(store.path(), options).err().unwrap();
        assert!(
            matches!(&error, ExportError::NoMatch(_))
                && error.to_string().contains(&format!("--{expected} ")),
            "{error}"
        );
    }
}

#[test]
fn what_was_not_asked_for_may_be_broken() {
    let store = small_store();
    let root = store.path().join("mlruns");
    add_run(&root, "1", "r2", 2000);
    write(&root, "1/r2/meta.yaml", "");
    let one = |id: &str| selection(|selection| selection.runs = vec![id.to_owned()]);
    assert_eq!(export(store.path(), one("r1")).unwrap().runs().len(), 1);
    assert!(matches!(
        export(store.path(), one("r2")).err(),
        Some(ExportError::Failure { .. })
    ));
}

#[test]
fn artifacts_that_are_not_taken_stay_listed() {
    let store = small_store();
    let exported = export(store.path(), selection(|selection| selection.no_artifacts = true)).unwrap();
    assert_eq!(exported.artifacts("r1"), ["a.txt"]);
    assert_eq!(exported.report.manifest.totals.blobs, 0);
    assert_eq!(exported.left_out(Kind::Artifacts, "not-selected"), 1);
}

fn case(name: &str) -> TempDir {
    let from = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/cases")
        .join(name);
    let copy = tempfile::tempdir().unwrap();
    for (path, bytes) in files_below(&from.join("mlruns")) {
        let to = copy.path().join("mlruns").join(path);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::write(to, bytes).unwrap();
    }
    copy
}

fn with_deleted(is_asked: bool) -> ExportOptions {
    ExportOptions {
        include_deleted: is_asked,
        keep_going: true,
        ..ExportOptions::default()
    }
}

#[test]
fn an_id_in_the_root_and_in_the_trash_is_two_experiments_of_which_one_is_a_failure() {
    // Runs of the trash that started later than the others once landed below the other experiment.
    for started in ["start_time: 1", "start_time: 9"] {
        let case = case("01-id-in-root-and-trash");
        let root = case.path().join("mlruns");
        for folder in run_folders(&root.join(".trash")).into_values() {
            let meta = folder.join("meta.yaml");
            let text = fs::read_to_string(&meta).unwrap();
            fs::write(&meta, text.replace("start_time: 1", started)).unwrap();
        }
        let exported = export(&root, with_deleted(true)).unwrap();
        let experiments: Vec<_> = exported.all::<Experiment>();
        let named: Vec<_> = experiments
            .iter()
            .map(|found| (found.experiment_id.as_str(), found.name.as_str()))
            .collect();
        assert_eq!(named, [("0", "Default"), ("1", "active one")]);
        assert_eq!(exported.runs().len(), 3);
        assert_eq!(exported.report.failures, 1, "{:?}", exported.reasons());
        let losses = fs::read_to_string(exported.archive.path().join("losses.jsonl")).unwrap();
        for place in ["mlruns/.trash/1", "mlruns/1", "duplicate"] {
            assert!(losses.contains(place), "{losses}");
        }
        let exported = export(&root, with_deleted(false)).unwrap();
        assert_eq!(exported.report.failures, 0);
        assert_eq!(exported.left_out(Kind::Experiments, "deleted"), 1);
        assert_eq!(exported.left_out(Kind::Runs, "deleted"), 3);
    }
}

#[test]
fn a_run_in_two_experiments_is_taken_once_and_both_folders_are_named() {
    let case = case("01-id-in-root-and-trash");
    let root = case.path().join("mlruns");
    fs::remove_dir_all(root.join(".trash")).unwrap();
    for (path, bytes) in files_below(&root.join("1")) {
        let to = root.join("2").join(path);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let text = text.replace("experiment_id: '1'", "experiment_id: '2'");
        fs::write(to, text.replace("name: active one", "name: copy")).unwrap();
    }
    let exported = export(&root, with_deleted(false)).unwrap();
    assert_eq!((exported.runs().len(), exported.report.failures), (3, 3));
    assert!(exported.runs().iter().all(|run| run.info.experiment_id == "1"));
    let losses = fs::read_to_string(exported.archive.path().join("losses.jsonl")).unwrap();
    assert!(
        losses.contains("mlruns/1/") && losses.contains("mlruns/2/"),
        "{losses}"
    );
}

#[test]
fn a_trash_that_nobody_asked_for_is_not_read() {
    let case = case("03-trash-without-meta");
    let root = case.path().join("mlruns");
    fs::create_dir_all(root.join(".trash/9")).unwrap();
    fs::write(root.join(".trash/9/meta.yaml"), "experiment_id: [").unwrap();
    let exported = export(&root, ExportOptions::default()).unwrap();
    assert_eq!(exported.runs().len(), 1);
    assert_eq!(exported.left_out(Kind::Experiments, "deleted"), 2);
    let exported = export(&root, with_deleted(true)).unwrap();
    assert_eq!(
        exported.reasons(),
        ["no-meta", "not-yaml"].map(str::to_owned).into()
    );
}

#[test]
fn what_is_wrong_with_a_deleted_run_that_nobody_asked_for_is_no_failure() {
    let case = case("03-trash-without-meta");
    let root = case.path().join("mlruns");
    for folder in run_folders(&root).into_values() {
        let meta = folder.join("meta.yaml");
        let text = fs::read_to_string(&meta).unwrap();
        let text = text.replace("lifecycle_stage: active", "lifecycle_stage: deleted");
        fs::write(&meta, format!("{text}deleted_time: soon\n")).unwrap();
    }
    let exported = export(&root, ExportOptions::default()).unwrap();
    assert_eq!(exported.left_out(Kind::Runs, "deleted"), 1);
    let exported = export(&root, with_deleted(true)).unwrap();
    assert!(exported.reasons().contains("wrong-type"));
}

#[test]
fn run_names_of_old_stores_are_in_their_source_tags() {
    let case = case("08-run-name-of-old-stores");
    let root = case.path().join("mlruns");
    let name_of = |exported: &Exported| {
        let run = exported.runs().pop().unwrap();
        let dict = mlark::internals::exim::tags::canonical::run_info_dict(&run);
        dict.get("run_name").unwrap().clone()
    };
    assert_eq!(name_of(&export_all(&root)).as_str(), Some("my name"));
    let tag = run_folders(&root)
        .into_values()
        .next()
        .unwrap()
        .join("tags/mlflow.runName");
    fs::remove_file(tag).unwrap();
    assert_eq!(name_of(&export_all(&root)).py_str(), "None");
}
