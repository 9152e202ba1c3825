//! Exports of mlflow-export-import made by hand, for what the real ones in `fixtures/` do not show.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use mlark::archive::Archive;
use mlark::flow::export::{ExportError, ExportOptions};
use mlark::format::{Kind, LossCount};
use mlark::internals::exim;
use mlark::model::{Experiment, LoggedModel, ModelVersion, RegisteredModel, Run, Trace};
use mlark::monitor::Silent;
use mlark::select::{Patterns, Selection};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

const SECRET: &str = "hunter2";

/// A folder with an export, and room for archives beside it.
struct Made {
    folder: tempfile::TempDir,
}

impl Made {
    fn new() -> Self {
        Made {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn root(&self) -> std::path::PathBuf {
        self.folder.path().join("export")
    }

    fn text(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A file of format 2.
    fn file(&self, path: &str, info: Value, mlflow: Value) {
        let uri = format!("http://me:{SECRET}@host:5000/?token={SECRET}");
        let system =
            json!({"package_version": "1.2.0", "mlflow_version": "3.18.0", "mlflow_tracking_uri": uri});
        let document = json!({"system": system, "info": info, "mlflow": mlflow});
        self.text(path, &serde_json::to_string_pretty(&document).unwrap());
    }

    fn experiment(&self, path: &str, id: &str, runs: &[&str]) {
        self.file(
            path,
            json!({"failed_runs": []}),
            json!({"experiment": experiment(id), "runs": runs}),
        );
    }

    fn run(&self, folder: &str, run_id: &str) {
        self.file(&format!("{folder}/run.json"), Value::Null, run(run_id));
        self.text(&format!("{folder}/artifacts/model/a.txt"), run_id);
    }

    fn export(&self, name: &str, options: ExportOptions) -> Result<Archive, ExportError> {
        let out = self.folder.path().join(name);
        let mut options = options;
        options.writer.no_sync = true;
        exim::read::export(self.root().to_str().unwrap(), &out, options, &Silent)?;
        Ok(Archive::open(&out).unwrap())
    }

    fn exported(&self) -> Archive {
        self.export("out", ExportOptions::default()).unwrap()
    }

    fn kept_going(&self) -> Archive {
        self.export(
            "out",
            ExportOptions {
                keep_going: true,
                ..ExportOptions::default()
            },
        )
        .unwrap()
    }

    fn failure(&self) -> String {
        self.export("out", ExportOptions::default())
            .map(|_| ())
            .unwrap_err()
            .to_string()
    }
}

fn experiment(id: &str) -> Value {
    json!({"experiment_id": id, "name": format!("name {id}"), "artifact_location": "s3://b", "lifecycle_stage": "active",
        "tags": {"k": "v"}, "creation_time": 1500, "last_update_time": 1500, "workspace": "default",
        "trace_location": null, "effective_trace_archival_retention": null,
        "_creation_time": "1970-01-01 00:00:02", "_last_update_time": "1970-01-01 00:00:02"})
}

fn run(run_id: &str) -> Value {
    json!({
        "info": {"run_id": run_id, "experiment_id": "1", "user_id": "me", "status": "FINISHED", "start_time": 2500,
            "end_time": 3500, "lifecycle_stage": "active", "artifact_uri": "s3://b/artifacts", "run_name": "n",
            "_end_time": "1970-01-01 00:00:04", "_start_time": "1970-01-01 00:00:02"},
        "params": {"p": "1"},
        "metrics": {"m": [{"value": 1.0, "timestamp": 5, "step": 1}, {"value": 2.0, "timestamp": 4, "step": 0}]},
        "tags": {"mlflow.user": "me"},
        "inputs": {"dataset_inputs": [{"dataset": {"name": "d", "digest": "x", "source_type": "code", "source": "{}"},
            "tags": [{"key": "mlflow.data.context", "value": "train"}]}], "model_inputs": [{"model_id": "m-2"}]},
        "outputs": {"model_outputs": [{"model_id": "m-1", "step": 3}]},
    })
}

fn version(number: &str, run_id: &str) -> Value {
    json!({"name": "m", "version": number, "run_id": run_id, "creation_timestamp": 1500, "last_updated_timestamp": 1500,
        "aliases": [], "tags": {}, "_experiment_name": "name 1"})
}

fn objects<T: mlark::format::Object>(archive: &Archive) -> Vec<T> {
    archive.objects::<T>().map(Result::unwrap).collect()
}

fn count(counts: &[LossCount], kind: &str, reason: &str) -> u64 {
    let of = counts
        .iter()
        .filter(|loss| loss.kind == kind && loss.reason.as_str() == reason);
    of.map(|loss| loss.count).sum()
}

#[test]
fn both_layouts_of_format_2_give_the_same_archive() {
    let (beside, below) = (Made::new(), Made::new());
    for (made, prefix) in [(&beside, ""), (&below, "runs/")] {
        made.experiment("experiment.json", "1", &["a", "b"]);
        made.run(&format!("{prefix}a"), "a");
        made.run(&format!("{prefix}b"), "b");
    }
    let (beside, below) = (beside.exported(), below.exported());
    assert_eq!(beside.manifest().content_id, below.manifest().content_id);
    let runs: Vec<Run> = objects(&below);
    assert_eq!(runs.len(), 2);
    assert_eq!((runs[0].exim.as_ref(), runs[0].metrics["m"].value.0), (None, 1.0));
    assert_eq!(runs[0].inputs.dataset_inputs[0].tags.len(), 1);
    assert_eq!(runs[0].outputs.model_outputs[0].step, 3);
    let counts = [Kind::Datasets, Kind::Metrics, Kind::Artifacts].map(|kind| below.manifest().count(kind));
    assert_eq!(counts, [1, 2, 2]);
    assert!(below.manifest().losses.limits.is_empty());
}

#[test]
fn format_1_gives_the_same_objects() {
    let (old, new) = (Made::new(), Made::new());
    new.experiment("experiment.json", "1", &["a"]);
    new.run("a", "a");
    let mut body = run("a");
    body["export_info"] = json!({"mlflow_version": "2.0.1", "export_time": "2022-01-14 03:26:42"});
    old.text("a/run.json", &body.to_string());
    old.text("a/artifacts/model/a.txt", "a");
    let info = json!({"ok_runs": ["a"], "failed_runs": [], "export_time": "2022-01-14 03:26:42"});
    old.text(
        "manifest.json",
        &json!({"experiment": experiment("1"), "export_info": info}).to_string(),
    );
    assert!(exim::read::looks_like_exim(&old.root()));
    let (old, new) = (old.exported(), new.exported());
    assert_eq!(old.manifest().content_id, new.manifest().content_id);
    assert_eq!(old.manifest().source.mlflow_version.as_deref(), Some("2.0.1"));
}

#[test]
fn bare_nan_and_infinity_are_points() {
    let made = Made::new();
    made.experiment("experiment.json", "1", &["a"]);
    let text = json!({"system": {}, "mlflow": run("a")}).to_string();
    let text = text
        .replace("\"value\":1.0", "\"value\": NaN")
        .replace("\"value\":2.0", "\"value\": -Infinity");
    made.text("runs/a/run.json", &text);
    let archive = made.exported();
    let runs: Vec<Run> = objects(&archive);
    assert!(runs[0].metrics["m"].value.0.is_nan());
    let slices: Vec<_> = archive.values(Kind::Metrics).map(Result::unwrap).collect();
    assert_eq!(slices[0]["values"], json!(["-Infinity", "NaN"]));
}

#[test]
fn broken_json_is_a_failure_with_line_and_column() {
    let made = Made::new();
    made.text(
        "1/experiment.json",
        "{\"system\": {\"mlflow_version\": \"2\"},\n \"mlflow\": {\"a\": \"x\ty\"}}",
    );
    made.text(
        "experiments.json",
        &json!({"system": {}, "mlflow": {"experiments": [{"id": "1"}]}}).to_string(),
    );
    assert_eq!(
        made.failure(),
        "experiments `1`: 1/experiment.json is not JSON: line 2 column 20: raw control character in a string"
    );
    let archive = made.kept_going();
    assert_eq!(
        count(&archive.manifest().losses.failures, "experiments", "bad-json"),
        1
    );
}

#[test]
fn listed_but_missing_is_a_failure() {
    let made = Made::new();
    made.experiment("experiment.json", "1", &["a", "gone"]);
    made.run("runs/a", "a");
    assert_eq!(
        made.failure(),
        "runs `gone`: experiment.json lists it, and it is not there"
    );
    let archive = made.kept_going();
    assert_eq!(archive.manifest().count(Kind::Runs), 1);
    assert_eq!(
        count(&archive.manifest().losses.failures, "runs", "listed-but-missing"),
        1
    );
}

#[test]
fn an_index_that_lists_what_is_missing_is_a_failure() {
    let made = Made::new();
    made.experiment("experiments/1/experiment.json", "1", &[]);
    made.file(
        "experiments/experiments.json",
        Value::Null,
        json!({"experiments": [{"id": "1"}, {"id": "2"}]}),
    );
    made.file(
        "models/models.json",
        json!({"failed_models": ["bad"]}),
        json!({"models": ["good"]}),
    );
    let archive = made.kept_going();
    let failures = &archive.manifest().losses.failures;
    assert_eq!(count(failures, "experiments", "listed-but-missing"), 1);
    assert_eq!(count(failures, "registered-models", "listed-but-missing"), 1);
    assert_eq!(count(failures, "registered-models", "export-failed"), 1);
}

#[test]
fn present_but_not_listed_is_exported_and_counted() {
    let made = Made::new();
    made.experiment("experiment.json", "1", &["a"]);
    made.run("a", "a");
    made.run("b", "b");
    let archive = made.exported();
    assert_eq!(archive.manifest().count(Kind::Runs), 2);
    assert_eq!(count(&archive.manifest().losses.limits, "runs", "not-listed"), 1);
}

#[test]
fn an_experiment_that_a_model_export_never_held_is_a_limit() {
    let made = Made::new();
    let model = json!({"name": "m", "tags": [{"key": "t", "value": "v"}], "aliases": [{"alias": "x", "version": "2"}],
        "versions": [version("2", "a"), version("10", "gone")]});
    made.file("model.json", Value::Null, json!({"registered_model": model}));
    made.run("a", "a");
    made.text("version_models/2/MLmodel", "flavors");
    let archive = made.exported();
    let limits = &archive.manifest().losses.limits;
    assert_eq!(count(limits, "experiments", "not-in-export"), 1);
    assert_eq!(count(limits, "model-versions", "run-not-in-export"), 1);
    let versions: Vec<ModelVersion> = objects(&archive);
    assert_eq!(
        versions.iter().map(|version| version.version).collect::<Vec<_>>(),
        [2, 10]
    );
    assert!(versions.iter().all(|version| version.exim.is_some()));
    let models: Vec<RegisteredModel> = objects(&archive);
    assert_eq!((models[0].aliases["x"], models[0].tags.len()), (2, 1));
    let owners: Vec<_> = archive
        .values(Kind::Artifacts)
        .map(|line| line.unwrap()["owner_id"].clone())
        .collect();
    assert_eq!(owners, ["a", "m/2"]);
}

#[test]
fn of_a_run_found_twice_the_copy_under_experiments_counts() {
    let made = Made::new();
    made.experiment("experiments/1/experiment.json", "1", &["a"]);
    made.run("experiments/1/runs/a", "a");
    made.file(
        "models/m/model.json",
        Value::Null,
        json!({"registered_model": {"name": "m", "versions": []}}),
    );
    made.run("models/m/a", "a");
    assert_eq!(made.exported().manifest().count(Kind::Runs), 1);
    made.text("models/m/a/artifacts/model/a.txt", "another");
    fs::remove_dir_all(made.folder.path().join("out")).unwrap();
    assert_eq!(
        made.failure(),
        "runs `a`: models/m/a differs from experiments/1/runs/a, which was taken: artifact model/a.txt"
    );
}

#[test]
fn a_single_version_brings_its_model_run_and_experiment() {
    let made = Made::new();
    made.file(
        "version.json",
        Value::Null,
        json!({"model_version": version("2", "a")}),
    );
    made.file(
        "model.json",
        Value::Null,
        json!({"registered_model": {"name": "m", "tags": []}}),
    );
    let mut raw = experiment("1");
    raw["tags"] = json!([{"key": "k", "value": "v"}]);
    made.file("experiment.json", Value::Null, json!({"experiment": raw}));
    made.run("run", "a");
    let archive = made.exported();
    let kinds = [
        Kind::Experiments,
        Kind::Runs,
        Kind::RegisteredModels,
        Kind::ModelVersions,
    ];
    assert_eq!(kinds.map(|kind| archive.manifest().count(kind)), [1, 1, 1, 1]);
    assert!(archive.manifest().losses.limits.is_empty());
    let experiments: Vec<Experiment> = objects(&archive);
    assert_eq!(
        (experiments[0].tags.len(), experiments[0].exim.as_ref()),
        (1, None)
    );
}

#[test]
fn logged_models_and_traces_come_with_their_metrics_and_artifacts() {
    let made = Made::new();
    let lists =
        json!({"experiment": experiment("1"), "runs": [], "logged_models": ["m-1"], "traces": ["tr-1"]});
    made.file("experiment.json", Value::Null, lists);
    let model = json!({"model_id": "m-1", "experiment_id": "1", "name": "n", "creation_time": 5, "status": "READY",
        "params": {"a": "b"}, "metrics": [{"key": "x", "value": 1.0, "timestamp": 1, "step": 0, "run_id": "a"}]});
    made.file("logged_models/m-1/logged_model.json", Value::Null, model);
    made.text("logged_models/m-1/artifacts/MLmodel", "flavors");
    made.file("logged_models/logged_models.json", Value::Null, json!({}));
    let info = json!({"trace_id": "tr-1", "trace_location": {"mlflow_experiment": {"experiment_id": "1"}},
        "request_time": 5, "state": "OK", "tags": {}, "trace_metadata": {}});
    let data = json!([{"name": "root", "trace_id": "tr-1", "span_id": "00aa", "parent_id": null}]);
    made.file(
        "traces/tr-1/trace.json",
        Value::Null,
        json!({"info": info, "data": data}),
    );
    let archive = made.exported();
    let models: Vec<LoggedModel> = objects(&archive);
    assert_eq!(models[0].status, "LOGGED_MODEL_READY");
    let traces: Vec<Trace> = objects(&archive);
    assert_eq!(
        (traces[0].experiment_id.as_str(), traces[0].request_time),
        ("1", Some(5))
    );
    let kinds = [Kind::ModelMetrics, Kind::Spans, Kind::Artifacts];
    assert_eq!(kinds.map(|kind| archive.manifest().count(kind)), [1, 1, 1]);
    assert_eq!(
        count(&archive.manifest().losses.limits, "spans", "only-names-exported"),
        1
    );
}

#[test]
fn prompts_and_evaluation_datasets_are_taken() {
    let made = Made::new();
    for version in [1, 2] {
        let prompt = json!({"name": "p", "version": version, "template": "Hi", "tags": {}});
        made.file(
            &format!("prompts/p_v{version}/prompt.json"),
            Value::Null,
            json!({"prompt": prompt}),
        );
    }
    let record = json!({"dataset_record_id": "dr-1", "inputs": {"q": 1}});
    let dataset = json!({"dataset_id": "d-1", "name": "n", "experiment_ids": ["1"], "records": [record]});
    made.file(
        "evaluation_datasets/n_d-1/evaluation_dataset.json",
        Value::Null,
        json!({"evaluation_dataset": dataset}),
    );
    let archive = made.exported();
    let kinds = [
        Kind::RegisteredModels,
        Kind::ModelVersions,
        Kind::EvaluationDatasets,
        Kind::DatasetRecords,
    ];
    assert_eq!(kinds.map(|kind| archive.manifest().count(kind)), [1, 2, 1, 1]);
}

#[test]
fn credentials_of_the_tracking_uri_are_nowhere() {
    let made = Made::new();
    made.experiment("experiment.json", "1", &["a"]);
    made.run("runs/a", "a");
    let archive = made.exported();
    let details = &archive.manifest().source.details;
    assert_eq!(details["tracking_uri"], "http://host:5000/");
    assert_no_secret(archive.path());
}

fn assert_no_secret(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert_no_secret(&path);
        } else {
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            assert!(!text.contains(SECRET), "{}", path.display());
        }
    }
}

#[test]
fn an_artifact_that_links_out_of_its_run_is_a_failure() {
    let made = Made::new();
    made.experiment("experiment.json", "1", &["a"]);
    made.run("runs/a", "a");
    made.text("secret.txt", "out of reach");
    std::os::unix::fs::symlink("../../../secret.txt", made.root().join("runs/a/artifacts/link")).unwrap();
    let archive = made.kept_going();
    assert_eq!(
        count(
            &archive.manifest().losses.failures,
            "artifacts",
            "symlink-outside"
        ),
        1
    );
    let files = archive.values(Kind::Artifacts).next().unwrap().unwrap();
    assert_eq!(files["files"][0], json!({"absent": "failed", "path": "link"}));
}

#[test]
fn a_field_of_another_type_is_a_failure_and_the_rest_is_kept() {
    let made = Made::new();
    let mut odd = experiment("1");
    odd["creation_time"] = json!([1]);
    made.file(
        "experiment.json",
        Value::Null,
        json!({"experiment": odd, "runs": []}),
    );
    assert_eq!(
        made.failure(),
        "experiments `1`: experiment.json: field `creation_time` is a list, not a 64-bit integer"
    );
    assert_eq!(made.kept_going().manifest().count(Kind::Experiments), 1);
}

#[test]
fn deleted_objects_are_left_out_and_counted() {
    let made = Made::new();
    made.experiment("experiment.json", "1", &["a"]);
    let mut deleted = run("a");
    deleted["info"]["lifecycle_stage"] = json!("deleted");
    made.file("runs/a/run.json", Value::Null, deleted);
    let archive = made.exported();
    assert_eq!(archive.manifest().count(Kind::Runs), 0);
    assert_eq!(
        count(&archive.manifest().selection.left_out, "runs", "deleted"),
        1
    );
    let all = made
        .export(
            "all",
            ExportOptions {
                include_deleted: true,
                ..ExportOptions::default()
            },
        )
        .unwrap();
    assert_eq!(all.manifest().count(Kind::Runs), 1);
}

#[test]
fn a_choice_of_runs_brings_their_experiment_and_leaves_the_rest() {
    let made = Made::new();
    for id in ["1", "2"] {
        made.experiment(&format!("experiments/{id}/experiment.json"), id, &[]);
    }
    made.run("experiments/1/runs/a", "a");
    made.run("experiments/1/runs/b", "b");
    let runs = |ids: &[&str]| Selection {
        runs: ids.iter().map(|&id| id.to_owned()).collect(),
        ..Selection::default()
    };
    let options = |selection| ExportOptions {
        selection,
        ..ExportOptions::default()
    };
    let archive = made.export("out", options(runs(&["b"]))).unwrap();
    assert_eq!(
        [Kind::Experiments, Kind::Runs].map(|kind| archive.manifest().count(kind)),
        [1, 1]
    );
    assert_eq!(
        count(&archive.manifest().selection.left_out, "runs", "not-selected"),
        1
    );
    let error = made
        .export("none", options(runs(&["c"])))
        .map(|_| ())
        .unwrap_err();
    assert_eq!(error.to_string(), "nothing matches --run `c`");
    let experiments = Patterns::names(vec!["name 2".to_owned()]).unwrap();
    let archive = made
        .export(
            "two",
            options(Selection {
                experiments,
                ..Selection::default()
            }),
        )
        .unwrap();
    assert_eq!(
        [Kind::Experiments, Kind::Runs].map(|kind| archive.manifest().count(kind)),
        [1, 0]
    );
}

#[test]
fn a_folder_without_an_export_is_no_source() {
    let made = Made::new();
    made.text("readme.txt", "nothing here");
    let error = made
        .export("out", ExportOptions::default())
        .map(|_| ())
        .unwrap_err();
    assert!(matches!(error, ExportError::NoData { .. }), "{error}");
}

#[test]
fn stray_files_are_counted() {
    let made = Made::new();
    made.experiment("experiment.json", "1", &[]);
    made.text("notes.txt", "mine");
    let archive = made.exported();
    assert_eq!(count(&archive.manifest().losses.limits, "files", "stray"), 1);
}

#[test]
fn spans_come_from_the_artifact_that_holds_them() {
    let made = Made::new();
    let info = json!({"trace_id": "tr-1", "trace_location": {"mlflow_experiment": {"experiment_id": "1"}},
        "request_time": 5, "state": "OK"});
    let data =
        json!([{"name": "root", "trace_id": "tr-1", "span_id": "00000000000000aa", "parent_id": null}]);
    made.file("trace.json", Value::Null, json!({"info": info, "data": data}));
    let span = json!({"name": "root", "context": {"span_id": "0x00000000000000aa", "trace_id": "0x1"}, "parent_id": null,
        "start_time": 5, "end_time": 6, "status_code": "OK", "status_message": "", "attributes": {}, "events": []});
    made.text("artifacts/traces.json", &json!({"spans": [span]}).to_string());
    let archive = made.exported();
    let spans: Vec<_> = archive.values(Kind::Spans).map(Result::unwrap).collect();
    assert_eq!((spans.len(), &spans[0]["end_time_unix_nano"]), (1, &json!(6)));
    assert_eq!(
        count(&archive.manifest().losses.limits, "spans", "only-names-exported"),
        0
    );

    made.text("artifacts/traces.json", "{\"spans\": [");
    fs::remove_dir_all(made.folder.path().join("out")).unwrap();
    let error = made.failure();
    assert!(
        error.contains("artifacts/traces.json is not JSON: line 1 column 12"),
        "{error}"
    );
}

#[test]
fn what_cannot_be_read_and_was_not_chosen_is_no_failure() {
    let made = Made::new();
    made.experiment("experiments/1/experiment.json", "1", &["a", "b", "gone"]);
    made.run("experiments/1/runs/a", "a");
    made.text("experiments/1/runs/b/run.json", "{");
    let runs = |id: &str| Selection {
        runs: vec![id.to_owned()],
        ..Selection::default()
    };
    let options = |selection| ExportOptions {
        selection,
        ..ExportOptions::default()
    };
    let archive = made.export("out", options(runs("a"))).unwrap();
    assert_eq!(archive.manifest().count(Kind::Runs), 1);
    assert_eq!(
        count(&archive.manifest().selection.left_out, "runs", "not-selected"),
        1
    );
    let experiments = Patterns::names(vec!["1".to_owned()]).unwrap();
    let whole = Selection {
        experiments,
        ..Selection::default()
    };
    assert!(made.export("whole", options(whole)).is_err());
}
