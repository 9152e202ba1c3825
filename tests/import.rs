//! Replay against a scripted server that remembers what it was told, with faults where a test puts them.

mod loopback;

use loopback::{Answer, Loopback, Received};
use mlark::archive::{Archive, ArchiveWriter, ByteSource, Duplicates, ManifestHead, Owner, WriterOptions};
use mlark::client::{Client, ClientError, Connection, Environment};
use mlark::format::Kind;
use mlark::model::{Double, Experiment, OwnerKind, Point, Run, RunInfo};
use mlark::monitor::Silent;
use mlark::sink::rest::{ImportError, ImportOptions, ImportReport, OnConflict, Prepared};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const MARK: &str = "mlflow_exim.mlark.origin";

/// What the server has been told.
#[derive(Default)]
struct State {
    experiments: Vec<Value>,
    runs: Vec<Value>,
    files: BTreeMap<String, Vec<u8>>,
    param_chars: Option<usize>,
}

/// When in a request's life a fault strikes.
enum Fault {
    Before(Answer),
    After(Answer),
}

type Faults = dyn Fn(&Received) -> Option<Fault> + Send + Sync;

struct Target {
    server: Loopback,
    state: Arc<Mutex<State>>,
}

impl Target {
    fn start(faults: impl Fn(&Received) -> Option<Fault> + Send + Sync + 'static) -> Self {
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

    fn created(&self) -> (usize, usize) {
        let state = self.state.lock().unwrap();
        (state.experiments.len() - 1, state.runs.len())
    }

    fn calls(&self, route: &str) -> usize {
        let received = self.server.received();
        received
            .iter()
            .filter(|request| request.path().ends_with(route))
            .count()
    }
}

fn not_found() -> Answer {
    Answer::new(
        404,
        r#"{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"no such thing"}"#,
    )
}

impl State {
    fn answer(&mut self, request: &Received) -> Answer {
        let path = request.path().to_owned();
        if let Some(path) = path.strip_prefix("/api/2.0/mlflow-artifacts/artifacts/") {
            self.files.insert(path.to_owned(), request.body.clone());
            return Answer::new(200, "");
        }
        if path == "/version" {
            return Answer::new(200, "3.18.0");
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
            "logged-models/search" => reply(json!({})),
            _ => not_found(),
        }
    }
}

fn change(run: &mut Value, route: &str, body: &Value, cut: Option<usize>) {
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

fn reply(body: Value) -> Answer {
    Answer::json(&body.to_string())
}

fn find(list: &[Value], field: &str, wanted: &str, name: &str) -> Answer {
    let found = list.iter().find(|one| one[field] == wanted);
    found.map_or_else(not_found, |one| reply(json!({name: one})))
}

/// Whether tags pass a filter on the mark; `=` and `LIKE` with a final `%` are all that is asked.
fn is_marked(tags: &Value, filter: &Value) -> bool {
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

const RUNS: usize = 6;

/// One experiment, the default one, and six runs, each the child of the next, which started later.
fn archive(directory: &Path, name: &str) -> Archive {
    archive_without(directory, name, None)
}

/// The same, of the same origin, without one of the runs.
fn archive_without(directory: &Path, name: &str, left_out: Option<usize>) -> Archive {
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
            sort_key: mlark::format::order::run("7", Some(1_000 + number as i64), &id(number)),
        };
        let bytes = ByteSource::Bytes(format!("model of {number}").into_bytes());
        writer
            .artifact(&owner, "a b/ü.txt".into(), bytes, &mut |_, failure| {
                panic!("{failure:?}")
            })
            .unwrap();
    }
    writer
        .drain_artifacts(&mut |_, failure| panic!("{failure:?}"))
        .unwrap();
    let head = ManifestHead {
        origin: "test".into(),
        ..ManifestHead::default()
    };
    writer.finish(head, Duplicates::Refuse).unwrap();
    Archive::open(&out).unwrap()
}

fn prepare(archive: &Archive, target: &Target, options: ImportOptions) -> Result<Prepared, ImportError> {
    let mut connection = Connection::of(&target.server.url(), &Environment::of(&[], None)).unwrap();
    connection.options.retry_base = Duration::from_millis(1);
    connection.options.max_retries = 2;
    Prepared::new(
        archive,
        Client::new(connection.base, connection.options).unwrap(),
        options,
    )
}

fn import(archive: &Archive, target: &Target) -> Result<ImportReport, ImportError> {
    prepare(archive, target, ImportOptions::default())?.apply(&Silent)
}

fn parents(target: &Target) -> Vec<(String, String)> {
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
fn assert_whole(target: &Target) {
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

fn journals(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .filter(|path| path.to_string_lossy().contains("mlark-import-"))
        .collect()
}

#[test]
fn a_second_import_does_nothing_and_a_lost_journal_is_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive(directory.path(), "a");
    let target = Target::start(|_| None);
    let report = import(&archive, &target).unwrap();
    assert_eq!(
        (report.created[&Kind::Runs], report.failures.len()),
        (RUNS as u64, 0)
    );
    assert_whole(&target);
    let before = target.server.received().len();
    let report = import(&archive, &target).unwrap();
    assert_eq!(report.reused[&Kind::Runs], RUNS as u64);
    assert!(target.server.received().len() - before < 5);

    let journal = journals(directory.path());
    assert_eq!(journal.len(), 1);
    std::fs::remove_file(&journal[0]).unwrap();
    let report = import(&archive, &target).unwrap();
    assert!(!report.created.contains_key(&Kind::Runs) && report.failures.is_empty());
    assert_whole(&target);
}

#[test]
fn a_tagged_copy_of_the_archive_continues_the_same_history() {
    let directory = tempfile::tempdir().unwrap();
    let first = archive(directory.path(), "a");
    let target = Target::start(|_| None);
    import(&first, &target).unwrap();
    let tagged = directory.path().join("tagged");
    mlark::transform::source_tags::inject(&first, &tagged, &Default::default()).unwrap();
    let report = import(&Archive::open(&tagged).unwrap(), &target).unwrap();
    assert_eq!(report.completed[&Kind::Runs], RUNS as u64);
    assert_whole(&target);
    let state = target.state.lock().unwrap();
    let tags = state.runs[0]["data"]["tags"].as_array().unwrap();
    assert!(tags.iter().any(|tag| tag["key"] == "mlflow_exim.run_info.status"));
}

/// Faults that strike each creating call once, after or before the work is done.
fn once(
    fault: impl Fn() -> Fault + Send + Sync + 'static,
) -> impl Fn(&Received) -> Option<Fault> + Send + Sync {
    let struck = Mutex::new(Vec::new());
    move |request| {
        let mut struck = struck.lock().unwrap();
        let is_creating = request.path().ends_with("/create");
        if !is_creating || struck.contains(&request.body) {
            return None;
        }
        struck.push(request.body.clone());
        Some(fault())
    }
}

#[test]
fn what_was_made_without_an_answer_is_found_and_not_made_again() {
    let faults: [fn() -> Fault; 4] = [
        || Fault::After(Answer::new(500, "{}")),
        || Fault::After(Answer::json(r#"{"run": {}}"#).cut_after(3)),
        || Fault::Before(Answer::new(500, "{}")),
        || Fault::Before(Answer::new(429, "{}").header("Retry-After", "0")),
    ];
    for fault in faults {
        let directory = tempfile::tempdir().unwrap();
        let archive = archive(directory.path(), "a");
        let target = Target::start(once(fault));
        let report = import(&archive, &target).unwrap();
        assert!(report.failures.is_empty(), "{:?}", report.failures);
        assert_whole(&target);
    }
}

#[test]
fn a_page_that_is_not_mlflow_stops_the_import_and_the_next_one_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive(directory.path(), "a");
    for route in [
        "runs/create",
        "runs/log-batch",
        "runs/update",
        "ü.txt",
        "experiments/create",
    ] {
        let broken = Arc::new(Mutex::new(true));
        let switch = broken.clone();
        let target = Target::start(move |request| {
            let is_hit =
                request.path().ends_with(route) || (route == "ü.txt" && request.path().ends_with(".txt"));
            (is_hit && *switch.lock().unwrap())
                .then(|| Fault::Before(Answer::new(200, "<html><title>proxy</title>")))
        });
        let error = import(&archive, &target).unwrap_err();
        assert!(
            matches!(error, ImportError::Client(ClientError::NotMlflow { .. })),
            "{route}: {error}"
        );
        *broken.lock().unwrap() = false;
        let report = import(&archive, &target).unwrap();
        assert!(report.failures.is_empty(), "{route}: {:?}", report.failures);
        assert_whole(&target);
    }
}

#[test]
fn a_value_that_was_cut_with_a_200_is_a_failure_with_its_name() {
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
}

#[test]
fn a_name_that_is_taken_is_a_conflict_unless_told_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive(directory.path(), "a");
    let start = || {
        let target = Target::start(|_| None);
        let other = json!({"experiment_id": "1", "name": "fraud", "tags": [], "artifact_location": "mlflow-artifacts:/1"});
        target.state.lock().unwrap().experiments.push(other);
        target
    };
    let target = start();
    let error = import(&archive, &target).unwrap_err();
    assert!(matches!(error, ImportError::Conflict { count: 1, .. }), "{error}");
    assert_eq!(target.calls("/create"), 0);
    for (on_conflict, experiments) in [(OnConflict::Merge, 1), (OnConflict::Rename, 2)] {
        let target = start();
        let options = || ImportOptions {
            on_conflict,
            ..ImportOptions::default()
        };
        prepare(&archive, &target, options())
            .unwrap()
            .apply(&Silent)
            .unwrap();
        assert_eq!(target.created(), (experiments, RUNS));
        // Later imports know what the first one did, and need not be told again.
        import(&archive, &target).unwrap();
        assert_eq!(target.created(), (experiments, RUNS));
        std::fs::remove_file(&journals(directory.path())[0]).ok();
        for journal in journals(directory.path()) {
            std::fs::remove_file(journal).unwrap();
        }
    }
}

#[test]
fn the_plan_says_what_would_be_done_and_does_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive(directory.path(), "a");
    let target = Target::start(|_| None);
    let prepared = prepare(&archive, &target, ImportOptions::default()).unwrap();
    let plan = prepared.plans().next().unwrap().to_json();
    assert_eq!(plan["kinds"]["runs"]["create"], RUNS);
    assert_eq!(plan["kinds"]["experiments"]["merge"], 1);
    assert_eq!((target.created(), target.calls("/create")), ((0, 0), 0));
    assert!(journals(directory.path()).is_empty());
}

#[test]
fn a_target_that_forgot_everything_is_not_taken_for_the_old_one() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive(directory.path(), "a");
    let target = Target::start(|_| None);
    import(&archive, &target).unwrap();
    target.state.lock().unwrap().experiments.truncate(1);
    let error = import(&archive, &target).unwrap_err();
    assert!(matches!(error, ImportError::Gone { .. }), "{error}");
}

/// What a report says of parents: id of the run and reason.
fn orphans(report: &ImportReport) -> Vec<(String, &'static str)> {
    let named = report.changes.named().iter();
    let named = named.filter(|change| change.field == "tag mlflow.parentRunId");
    named.map(|change| (change.id.clone(), change.reason)).collect()
}

fn refusal() -> Answer {
    Answer::new(400, r#"{"error_code":"INVALID_PARAMETER_VALUE","message":"no"}"#)
}

fn holds(request: &Received, text: &str) -> bool {
    String::from_utf8_lossy(&request.body).contains(text)
}

#[test]
fn a_child_without_its_parent_is_named_and_mended_when_the_parent_arrives() {
    let directory = tempfile::tempdir().unwrap();
    let partial = archive_without(directory.path(), "partial", Some(3));
    let whole = archive(directory.path(), "whole");
    let target = Target::start(|_| None);
    for _ in 0..2 {
        let report = import(&partial, &target).unwrap();
        let child = (format!("{:032x}", 0xabc0 + 2), "parent-not-in-archive");
        assert_eq!(orphans(&report), [child]);
    }
    let report = import(&whole, &target).unwrap();
    assert_eq!((orphans(&report).len(), report.failures.len()), (0, 0));
    assert_whole(&target);
}

#[test]
fn a_child_whose_parent_failed_is_named_and_mended_when_it_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive(directory.path(), "a");
    let broken = Arc::new(Mutex::new(true));
    let switch = broken.clone();
    let target = Target::start(move |request| {
        let is_hit = request.path().ends_with("runs/create") && holds(request, "\"run_name\":\"run 3\"");
        (is_hit && *switch.lock().unwrap()).then(|| Fault::Before(refusal()))
    });
    let report = import(&archive, &target).unwrap();
    let child = (format!("{:032x}", 0xabc0 + 2), "parent-not-in-target");
    assert_eq!(orphans(&report), [child]);
    assert!(!report.failures.is_empty());
    *broken.lock().unwrap() = false;
    let report = import(&archive, &target).unwrap();
    assert_eq!((orphans(&report).len(), report.failures.len()), (0, 0));
    assert_whole(&target);
}

/// Imports while a fault lasts, which must be told as `expected` says, and once more when it is over.
fn assert_goes_on_after(fault: fn(&Received) -> Option<Fault>, expected: fn(&ImportError) -> bool) {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive(directory.path(), "a");
    let broken = Arc::new(Mutex::new(true));
    let switch = broken.clone();
    let target = Target::start(move |request| match *switch.lock().unwrap() {
        true => fault(request),
        false => None,
    });
    let error = import(&archive, &target).unwrap_err();
    assert!(expected(&error), "{error}");
    *broken.lock().unwrap() = false;
    let report = import(&archive, &target).unwrap();
    assert!(report.failures.is_empty(), "{:?}", report.failures);
    assert_whole(&target);
}

fn has_status(error: &ImportError, expected: u16) -> bool {
    matches!(error, ImportError::Client(ClientError::Status { status, .. }) if *status == expected)
}

#[test]
fn a_server_that_answers_429_for_long_ends_the_import_and_the_next_one_goes_on() {
    assert_goes_on_after(
        |request| {
            let answer = Answer::new(429, "{}").header("Retry-After", "0");
            request
                .path()
                .ends_with("runs/log-batch")
                .then_some(Fault::Before(answer))
        },
        |error| has_status(error, 429),
    );
}

#[test]
fn a_server_whose_disk_is_full_gets_the_rest_when_it_has_room_again() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive(directory.path(), "a");
    let broken = Arc::new(Mutex::new(true));
    let switch = broken.clone();
    let target = Target::start(move |request| {
        let full = r#"{"error_code":"INTERNAL_ERROR","message":"database or disk is full"}"#;
        let is_write = matches!(request.path().rsplit('/').next(), Some("log-batch" | "update"));
        (is_write && *switch.lock().unwrap()).then(|| Fault::Before(Answer::new(500, full)))
    });
    let report = import(&archive, &target).unwrap();
    let named = report.failures.iter();
    let mut named: Vec<_> = named
        .map(|failure| (failure.id.clone(), failure.detail.contains("disk is full")))
        .collect();
    named.sort();
    let expected = (0..RUNS).map(|number| (format!("{:032x}", 0xabc0 + number), true));
    assert_eq!(named, expected.collect::<Vec<_>>());
    *broken.lock().unwrap() = false;
    assert!(import(&archive, &target).unwrap().failures.is_empty());
    assert_whole(&target);
}

#[test]
fn a_server_that_dies_in_the_middle_ends_the_import_and_the_next_one_goes_on() {
    assert_goes_on_after(
        |request| {
            let is_dead = request.number > 12;
            is_dead.then(|| Fault::Before(Answer::json(r#"{"run": {}}"#).cut_after(0)))
        },
        |error| matches!(error, ImportError::Client(error) if error.status().is_none()),
    );
}

#[test]
fn a_server_that_is_not_there_is_an_error_and_leaves_no_journal() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive(directory.path(), "a");
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut connection = Connection::of(&format!("http://{port}"), &Environment::of(&[], None)).unwrap();
    connection.options.max_retries = 0;
    let client = Client::new(connection.base, connection.options).unwrap();
    let error = Prepared::new(&archive, client, ImportOptions::default())
        .err()
        .unwrap();
    assert!(matches!(error, ImportError::Client(_)), "{error}");
    assert!(journals(directory.path()).is_empty());
}

#[test]
fn an_experiment_that_is_refused_is_named_with_what_needs_it_and_comes_later() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive(directory.path(), "a");
    let broken = Arc::new(Mutex::new(true));
    let switch = broken.clone();
    let target = Target::start(move |request| {
        let is_hit = request.path().ends_with("experiments/create") && *switch.lock().unwrap();
        is_hit.then(|| Fault::Before(refusal()))
    });
    let report = import(&archive, &target).unwrap();
    let failed: std::collections::BTreeSet<_> = report
        .failures
        .iter()
        .map(|failure| (failure.kind, failure.id.clone()))
        .collect();
    assert!(
        failed.contains(&(Kind::Experiments, "7".to_owned())),
        "{failed:?}"
    );
    assert_eq!(failed.len(), 1 + RUNS, "{failed:?}");
    assert_eq!(report.failures.len(), failed.len(), "each once");
    assert_eq!(target.created(), (0, 0));
    *broken.lock().unwrap() = false;
    assert!(import(&archive, &target).unwrap().failures.is_empty());
    assert_whole(&target);
}

#[test]
fn a_damaged_blob_ends_the_import_and_a_mended_archive_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive(directory.path(), "a");
    let digest = {
        use sha2::Digest as _;
        let bytes: [u8; 32] = sha2::Sha256::digest(b"model of 3").into();
        mlark::model::Digest(bytes).to_string()
    };
    let blob = directory
        .path()
        .join(format!("a/blobs/sha256/{}/{digest}", &digest[..2]));
    let whole = std::fs::read(&blob).unwrap();
    let write = |bytes: &[u8]| {
        std::fs::remove_file(&blob).unwrap();
        std::fs::write(&blob, bytes).unwrap();
    };
    write(b"model of X");
    let target = Target::start(|_| None);
    let error = import(&archive, &target).unwrap_err();
    assert_eq!(error.kind(), Some(mlark::archive::ErrorKind::Damaged), "{error}");
    assert!(
        !target
            .state
            .lock()
            .unwrap()
            .files
            .values()
            .any(|file| file == b"model of X")
    );
    write(&whole);
    assert!(import(&archive, &target).unwrap().failures.is_empty());
    assert_whole(&target);
}

#[test]
fn a_journal_that_is_damaged_or_of_another_archive_is_refused_before_anything_is_sent() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive(directory.path(), "a");
    let target = Target::start(|_| None);
    import(&archive, &target).unwrap();
    let journal = journals(directory.path()).remove(0);
    let text = std::fs::read_to_string(&journal).unwrap();
    let before = target.server.received().len();
    let (old, new) = ("\"new\":\"1\"", "\"new\":\"2\"");
    assert!(text.contains(old), "{text}");
    std::fs::write(&journal, text.replacen(old, new, 1)).unwrap();
    let error = import(&archive, &target).unwrap_err();
    assert_eq!(error.kind(), Some(mlark::archive::ErrorKind::Damaged), "{error}");
    std::fs::write(&journal, &text).unwrap();
    let other = Target::start(|_| None);
    let options = ImportOptions {
        journal: Some(journal),
        ..ImportOptions::default()
    };
    let error = prepare(&archive, &other, options).err().unwrap().to_string();
    assert!(error.contains("is of another import: its target is"), "{error}");
    assert_eq!(
        (target.server.received().len(), other.server.received().len()),
        (before, 0)
    );
}

#[test]
fn a_second_import_at_the_same_time_is_refused_by_the_journal() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive(directory.path(), "a");
    // Runs the second import when the first is in the middle of its work, and once.
    type Hook = Box<dyn FnOnce() + Send>;
    let second: Arc<Mutex<Option<Hook>>> = Arc::default();
    let hook = second.clone();
    let target = Arc::new(Target::start(move |request| {
        let run = match request.path().ends_with("runs/create") {
            true => hook.lock().unwrap().take(),
            false => None,
        };
        if let Some(run) = run {
            run();
        }
        None
    }));
    let outcome: Arc<Mutex<Option<String>>> = Arc::default();
    let (told, again, other) = (outcome.clone(), archive.clone(), target.clone());
    *second.lock().unwrap() = Some(Box::new(move || {
        let error = import(&again, &other).unwrap_err().to_string();
        *told.lock().unwrap() = Some(error);
    }));
    assert!(import(&archive, &target).unwrap().failures.is_empty());
    let told = outcome.lock().unwrap().take().unwrap();
    assert!(told.ends_with("is in use by another import"), "{told}");
    assert_whole(&target);
}

#[test]
fn an_interrupted_import_ends_after_the_requests_under_way_and_the_next_one_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive(directory.path(), "a");
    let options = ImportOptions::default();
    let interrupt = options.interrupt.clone();
    let target = Target::start(move |request| {
        let is_third = request.path().ends_with("runs/create") && holds(request, "\"run_name\":\"run 3\"");
        if is_third {
            interrupt.set();
        }
        None
    });
    let error = prepare(&archive, &target, options)
        .unwrap()
        .apply(&Silent)
        .unwrap_err();
    assert!(matches!(error, ImportError::Interrupted), "{error}");
    assert_eq!(target.created(), (1, 3));
    let switched_off = import(&archive, &target).unwrap();
    assert!(switched_off.failures.is_empty());
    assert_whole(&target);
}

#[test]
fn ctrl_c_ends_an_import_with_exit_code_9_and_says_how_to_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let archive = archive(directory.path(), "a");
    let child: Arc<Mutex<Option<u32>>> = Arc::default();
    let pid = child.clone();
    let target = Target::start(move |request| {
        if request.path().ends_with("runs/create") && holds(request, "\"run_name\":\"run 4\"") {
            let pid = pid.lock().unwrap().unwrap().to_string();
            let killed = std::process::Command::new("kill").args(["-INT", &pid]).status();
            assert!(killed.unwrap().success());
            // The handler runs on a thread of its own, and the answer must not overtake it.
            std::thread::sleep(Duration::from_millis(300));
        }
        None
    });
    let command = || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_mlark"));
        command.arg("import").arg(archive.path()).arg(target.server.url());
        command
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        command
    };
    let output = {
        let mut slot = child.lock().unwrap();
        let running = command().spawn().unwrap();
        *slot = Some(running.id());
        drop(slot);
        running.wait_with_output().unwrap()
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(9), "{errors}");
    assert!(
        errors.contains("hint: the same command goes on where this one stopped"),
        "{errors}"
    );
    assert!(import(&archive, &target).unwrap().failures.is_empty());
    assert_whole(&target);
}
