//! A scripted server that remembers what it was told, with faults where a test puts them, and an archive for it.

mod genai;
mod registry;

use super::common::finish;
use super::loopback;

pub(crate) use loopback::{Answer, Loopback, Received};
use mlark::archive::{Archive, ArchiveWriter, ByteSource, Owner, WriterOptions};
use mlark::client::{Client, Connection, Environment};
use mlark::flow::import::{ImportError, ImportOptions, ImportReport, PlannedImport};
use mlark::model::{Double, Experiment, OwnerKind, Point, Run, RunInfo};
use mlark::monitor::Silent;
#[allow(unused_imports, reason = "each test uses a part of it")]
pub(crate) use registry::archive_of_models;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) const MARK: &str = "mlflow_exim.mlark.origin";

/// What the server has been told.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) experiments: Vec<Value>,
    pub(crate) runs: Vec<Value>,
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    pub(crate) param_chars: Option<usize>,
    pub(crate) version: Option<&'static str>,
    pub(crate) registry: registry::Registry,
    pub(crate) genai: genai::Genai,
}

/// When in a request's life a fault strikes.
pub(crate) enum Fault {
    Before(Answer),
    After(Answer),
}

pub(crate) type Faults = dyn Fn(&Received) -> Option<Fault> + Send + Sync;

pub(crate) struct Target {
    pub(crate) server: Loopback,
    pub(crate) state: Arc<Mutex<State>>,
}

impl Target {
    pub(crate) fn start(faults: impl Fn(&Received) -> Option<Fault> + Send + Sync + 'static) -> Self {
        let state: Arc<Mutex<State>> = Arc::default();
        let default =
            json!({"experiment_id": "0", "name": "Default", "artifact_location": "mlflow-artifacts:/0"});
        state.lock().unwrap().experiments.push(default);
        let shared = state.clone();
        let faults: Box<Faults> = Box::new(faults);
        let server = Loopback::start(move |request| match faults(request) {
            Some(Fault::Before(answer)) => answer,
            Some(Fault::After(answer)) => {
                shared.lock().unwrap().answer(request);
                answer
            }
            None => shared.lock().unwrap().answer(request),
        });
        Target { server, state }
    }

    pub(crate) fn created(&self) -> (usize, usize) {
        let state = self.state.lock().unwrap();
        (state.experiments.len() - 1, state.runs.len())
    }

    pub(crate) fn calls(&self, route: &str) -> usize {
        let received = self.server.received();
        received
            .iter()
            .filter(|request| request.path().ends_with(route))
            .count()
    }
}

pub(crate) fn not_found() -> Answer {
    Answer::new(
        404,
        r#"{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"no such thing"}"#,
    )
}

impl State {
    pub(crate) fn answer(&mut self, request: &Received) -> Answer {
        let path = request.path().to_owned();
        if let Some(path) = path.strip_prefix("/api/2.0/mlflow-artifacts/artifacts/") {
            self.files.insert(path.to_owned(), request.body.clone());
            return Answer::new(200, "");
        }
        if path == "/version" {
            return Answer::new(200, self.version.unwrap_or("3.18.0"));
        }
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let query = |name: &str| {
            let query = request.target.split_once('?').map_or("", |(_, query)| query);
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            let found = pairs
                .clone()
                .find(|(found, _)| *found == name)
                .map(|(_, value)| value);
            found.unwrap_or_default().replace("%20", " ")
        };
        match path.trim_start_matches("/api/2.0/mlflow/") {
            "experiments/search" => {
                let found = self
                    .experiments
                    .iter()
                    .filter(|one| is_marked(&one["tags"], &body["filter"]));
                reply(json!({"experiments": found.collect::<Vec<_>>()}))
            }
            "experiments/get" => find(
                &self.experiments,
                "experiment_id",
                &query("experiment_id"),
                "experiment",
            ),
            "experiments/get-by-name" => {
                find(&self.experiments, "name", &query("experiment_name"), "experiment")
            }
            "experiments/create" => {
                let id = self.experiments.len().to_string();
                self.experiments.push(json!({
                    "experiment_id": id, "name": body["name"], "tags": body["tags"], "artifact_location": format!("mlflow-artifacts:/{id}"),
                }));
                reply(json!({"experiment_id": id}))
            }
            "runs/create" => {
                let id = format!("{:032x}", self.runs.len() + 1);
                let info = json!({
                    "run_id": id, "experiment_id": body["experiment_id"], "user_id": body["user_id"], "status": "RUNNING",
                    "run_name": body["run_name"], "start_time": body["start_time"], "lifecycle_stage": "active",
                    "artifact_uri": format!("mlflow-artifacts:/{}/{id}/artifacts", body["experiment_id"].as_str().unwrap()),
                });
                let mut tags = body["tags"].clone();
                tags.as_array_mut()
                    .unwrap()
                    .push(json!({"key": "mlflow.runName", "value": body["run_name"]}));
                let run = json!({"info": info, "data": {"tags": tags, "params": [], "metrics": []}});
                self.runs.push(run.clone());
                reply(json!({"run": run}))
            }
            "runs/search" => {
                let found = self
                    .runs
                    .iter()
                    .filter(|run| run["info"]["experiment_id"] == body["experiment_ids"][0]);
                let found = found.filter(|run| is_marked(&run["data"]["tags"], &body["filter"]));
                reply(json!({"runs": found.collect::<Vec<_>>()}))
            }
            "runs/get" => {
                let id = query("run_id");
                let found = self.runs.iter().find(|run| run["info"]["run_id"] == id.as_str());
                found.map_or_else(not_found, |run| reply(json!({"run": run})))
            }
            route @ ("runs/log-batch" | "runs/update" | "runs/delete") => {
                let cut = self.param_chars;
                let found = self
                    .runs
                    .iter_mut()
                    .find(|run| run["info"]["run_id"] == body["run_id"]);
                let Some(run) = found else { return not_found() };
                change(run, route, &body, cut);
                reply(json!({}))
            }
            route => match self.registry.answer(route, &body, &query) {
                Some(answer) => answer,
                None => self.answer_more(request, &body, &query),
            },
        }
    }
}

pub(crate) fn change(run: &mut Value, route: &str, body: &Value, cut: Option<usize>) {
    match route {
        "runs/update" => {
            run["info"]["status"] = body["status"].clone();
            run["info"]["end_time"] = body["end_time"].clone();
        }
        "runs/delete" => run["info"]["lifecycle_stage"] = "deleted".into(),
        _ => {
            for list in ["params", "tags", "metrics"] {
                for item in body[list].as_array().into_iter().flatten() {
                    let mut item = item.clone();
                    if let (Some(cut), "params", Some(text)) = (cut, list, item["value"].as_str()) {
                        item["value"] = text.chars().take(cut).collect::<String>().into();
                    }
                    let items = run["data"][list].as_array_mut().unwrap();
                    items.retain(|other| other["key"] != item["key"]);
                    items.push(item);
                }
            }
        }
    }
}

pub(crate) fn reply(body: Value) -> Answer {
    Answer::json(&body.to_string())
}

pub(crate) fn find(list: &[Value], field: &str, wanted: &str, name: &str) -> Answer {
    let found = list.iter().find(|one| one[field] == wanted);
    found.map_or_else(not_found, |one| reply(json!({name: one})))
}

/// Whether tags pass a filter on the mark; `=` and `LIKE` with a final `%` are all that is asked.
pub(crate) fn is_marked(tags: &Value, filter: &Value) -> bool {
    let filter = filter.as_str().unwrap_or_default();
    let Some(wanted) = filter.split('\'').nth(1) else {
        return true;
    };
    let mut values = tags
        .as_array()
        .into_iter()
        .flatten()
        .filter(|tag| tag["key"] == MARK);
    values.any(|tag| match wanted.strip_suffix('%') {
        Some(prefix) => tag["value"].as_str().unwrap().starts_with(prefix),
        None => tag["value"] == wanted,
    })
}

pub(crate) const RUNS: usize = 6;

/// One experiment, the default one, and six runs, each the child of the next, which started later.
pub(crate) fn archive(directory: &Path, name: &str) -> Archive {
    archive_without(directory, name, None)
}

/// The same, of the same origin, without one of the runs.
pub(crate) fn archive_without(directory: &Path, name: &str, left_out: Option<usize>) -> Archive {
    let out = directory.join(name);
    let mut writer = ArchiveWriter::create(&out, WriterOptions::default()).unwrap();
    for (id, name) in [("0", "Default"), ("7", "fraud")] {
        let experiment = Experiment {
            experiment_id: id.into(),
            name: name.into(),
            lifecycle_stage: "active".into(),
            ..Experiment::default()
        };
        writer.write(&experiment).unwrap();
    }
    let id = |number: usize| format!("{:032x}", 0xabc0 + number);
    let numbers = || (0..RUNS).filter(|number| Some(*number) != left_out);
    for number in numbers() {
        let mut run = Run {
            info: RunInfo {
                run_id: id(number),
                experiment_id: "7".into(),
                run_name: Some(format!("run {number}")),
                user_id: Some("ana".into()),
                status: "FINISHED".into(),
                start_time: Some(1_000 + number as i64),
                end_time: Some(2_000),
                lifecycle_stage: "active".into(),
                ..RunInfo::default()
            },
            ..Run::default()
        };
        run.params.insert("note".into(), "longer than five".into());
        if number + 1 < RUNS {
            run.tags
                .insert("mlflow.parentRunId".into(), id(number + 1).as_str().into());
        }
        writer.write(&run).unwrap();
        let mut points = writer.point_series();
        let point = Point {
            timestamp: 5,
            step: -1,
            value: Double(f64::NAN),
            link: None,
        };
        points.push(point).unwrap();
        writer
            .write_metric(&run.info.sort_key(), &run.info.run_id, "loss", points)
            .unwrap();
    }
    for number in numbers() {
        let owner = Owner {
            kind: OwnerKind::Run,
            id: id(number),
            sort_key: mlark::internals::order::run("7", Some(1_000 + number as i64), &id(number)),
        };
        let bytes = ByteSource::Bytes(format!("model of {number}").into_bytes());
        writer
            .artifact(&owner, "a b/ü.txt".into(), bytes, &mut |_, failure| {
                panic!("{failure:?}")
            })
            .unwrap();
    }
    finish(writer, "test");
    Archive::open(&out).unwrap()
}

pub(crate) fn prepare(
    archive: &Archive,
    target: &Target,
    options: ImportOptions,
) -> Result<PlannedImport, ImportError> {
    let mut connection = Connection::of(&target.server.url(), &Environment::of(&[], None)).unwrap();
    connection.options.retry_base = Duration::from_millis(1);
    connection.options.max_retries = 2;
    PlannedImport::new(
        archive,
        Client::new(connection.base, connection.options).unwrap(),
        options,
    )
}

pub(crate) fn import(archive: &Archive, target: &Target) -> Result<ImportReport, ImportError> {
    prepare(archive, target, ImportOptions::default())?.apply(&Silent)
}

pub(crate) fn parents(target: &Target) -> Vec<(String, String)> {
    let state = target.state.lock().unwrap();
    let tag = |run: &Value, key: &str| {
        let tags = run["data"]["tags"].as_array().unwrap();
        let found = tags.iter().find(|tag| tag["key"] == key);
        found.map_or(String::new(), |tag| tag["value"].as_str().unwrap().to_owned())
    };
    let mark_of = |id: &str| {
        let found = state.runs.iter().find(|run| run["info"]["run_id"] == id);
        found.map_or(String::new(), |run| tag(run, MARK))
    };
    let mut pairs: Vec<_> = state
        .runs
        .iter()
        .map(|run| (tag(run, MARK), mark_of(&tag(run, "mlflow.parentRunId"))))
        .collect();
    pairs.sort();
    pairs
}

/// Everything arrived once, under its own parent.
pub(crate) fn assert_whole(target: &Target) {
    assert_eq!(target.created(), (1, RUNS));
    let pairs = parents(target);
    let marks: Vec<_> = (0..RUNS)
        .map(|number| format!("test/runs/{:032x}", 0xabc0 + number))
        .collect();
    for (number, (mark, parent)) in pairs.iter().enumerate() {
        assert_eq!(*mark, marks[number]);
        assert_eq!(*parent, marks.get(number + 1).cloned().unwrap_or_default());
    }
    let state = target.state.lock().unwrap();
    assert_eq!(state.files.len(), RUNS);
    for run in &state.runs {
        assert_eq!(run["info"]["status"], "FINISHED");
        assert_eq!(run["data"]["metrics"][0]["value"], "NaN");
        assert_eq!(run["data"]["params"][0]["value"], "longer than five");
    }
}

pub(crate) fn journals(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .filter(|path| path.to_string_lossy().contains("mlark-import-"))
        .collect()
}
