//! A selection chooses the same objects through every door: a file store, a database, a server, an export of
//! mlflow-export-import. One history is laid behind all of them.

use crate::helpers::loopback;
use loopback::{Answer, Loopback, Received};
use mlark::archive::{Archive, WriterOptions};
use mlark::flow::convert::{ConvertOptions, convert};
use mlark::flow::export::ExportOptions;
use mlark::flow::export::detect::SourceKind;
use mlark::flow::export::export;
use mlark::format::{Kind, Reason};
use mlark::monitor::Silent;
use mlark::select::{Patterns, Selection, TimeRange};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Id, name, whether it is deleted.
const EXPERIMENTS: [(&str, &str, bool); 4] = [
    ("1", "train", false),
    ("2", "test", false),
    ("3", "gone", true),
    ("4", "empty", false),
];
/// Letter of the id, experiment, start, parent, whether it is deleted, model that it reads.
type Run = (char, &'static str, i64, Option<char>, bool, Option<&'static str>);
const RUNS: [Run; 7] = [
    ('a', "1", 10, None, false, None),
    ('b', "1", 20, Some('a'), false, None),
    ('c', "2", 30, Some('a'), false, None),
    ('d', "2", 40, Some('b'), true, None),
    ('e', "3", 50, Some('a'), false, None),
    ('f', "2", 60, None, false, Some("m-1")),
    ('9', "2", 65, Some('d'), false, None),
];
/// Id, experiment, time, run.
const LOGGED_MODELS: [(&str, &str, i64, Option<char>); 3] = [
    ("m-1", "1", 25, Some('b')),
    ("m-2", "2", 35, None),
    ("m-3", "1", 45, Some('c')),
];
/// Id, experiment, time, run and logged model that it names.
type Trace = (
    &'static str,
    &'static str,
    i64,
    Option<char>,
    Option<&'static str>,
);
const TRACES: [Trace; 4] = [
    ("tr-1", "1", 22, Some('b'), None),
    ("tr-2", "2", 33, None, None),
    ("tr-3", "1", 5, None, Some("m-1")),
    ("tr-4", "2", 45, Some('d'), None),
];
const MODELS: [&str; 3] = ["alpha", "beta", "gamma"];
/// Model, number, run, source.
const VERSIONS: [(&str, u64, Option<char>, &str); 4] = [
    ("alpha", 1, Some('b'), "models:/m-1"),
    ("alpha", 2, None, "models:/m-3"),
    ("beta", 1, Some('d'), "runs:/x/model"),
    ("beta", 2, Some('f'), "runs:/x/model"),
];

/// Id, experiment.
const EVALUATION_DATASETS: [(&str, &str); 2] = [("d-1", "1"), ("d-3", "3")];

/// The points of the metric `m` of a run, the latest last: timestamp, value, step.
fn points(start: i64) -> [(i64, f64, i64); 2] {
    [(1, 99.0, 0), (2, start as f64 / 10.0, 1)]
}

fn run_id(letter: char) -> String {
    letter.to_string().repeat(32)
}

fn stage(is_deleted: bool) -> &'static str {
    if is_deleted { "deleted" } else { "active" }
}

fn write(path: PathBuf, value: &Value) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    // JSON is YAML.
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    fs::write(path, text).unwrap();
}

/// The history as an `mlruns` tree.
pub(super) fn lay_file_store(root: &Path) {
    let folder_of = |experiment: &str| match experiment {
        "3" => root.join(".trash/3"),
        _ => root.join(experiment),
    };
    for (id, name, is_deleted) in EXPERIMENTS {
        write(
            folder_of(id).join("meta.yaml"),
            &json!({"experiment_id": id, "name": name, "artifact_location": format!("/nowhere/{id}"),
                "lifecycle_stage": stage(is_deleted), "creation_time": 1, "last_update_time": 1}),
        );
    }
    for (letter, experiment, start, parent, is_deleted, reads) in RUNS {
        let id = run_id(letter);
        let folder = folder_of(experiment).join(&id);
        let meta = json!({"run_id": id, "run_uuid": id, "run_name": "r", "experiment_id": experiment, "user_id": "u",
            "artifact_uri": format!("/nowhere/{id}"), "status": 3, "source_type": 4, "source_name": "", "source_version": "",
            "entry_point_name": "", "start_time": start, "end_time": start, "lifecycle_stage": stage(is_deleted), "tags": []});
        write(folder.join("meta.yaml"), &meta);
        for part in ["params", "metrics", "tags", "artifacts"] {
            fs::create_dir_all(folder.join(part)).unwrap();
        }
        let lines = points(start).map(|(time, value, step)| format!("{time} {value} {step}\n"));
        write(folder.join("metrics/m"), &lines.concat().into());
        write(folder.join("params/letter"), &letter.to_string().into());
        if let Some(parent) = parent {
            write(folder.join("tags/mlflow.parentRunId"), &run_id(parent).into());
        }
        if let Some(model) = reads {
            let input = json!({"source_type": "MODEL", "source_id": model, "destination_type": "RUN", "destination_id": model, "tags": {}});
            write(folder.join("inputs/x/meta.yaml"), &input);
        }
    }
    for (id, experiment, time, run) in LOGGED_MODELS {
        let meta = json!({"model_id": id, "experiment_id": experiment, "name": "m", "artifact_location": format!("/nowhere/{id}"),
            "creation_timestamp": time, "last_updated_timestamp": time, "model_type": null, "status": 2,
            "status_message": null, "source_run_id": run.map(run_id)});
        write(
            folder_of(experiment).join("models").join(id).join("meta.yaml"),
            &meta,
        );
    }
    for (id, experiment, time, run, model) in TRACES {
        let folder = folder_of(experiment).join("traces").join(id);
        let info = json!({"trace_id": id, "state": "OK", "request_time": request_time(time), "execution_duration_ms": 1,
            "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}});
        write(folder.join("trace_info.yaml"), &info);
        for (key, value) in metadata(run, model) {
            write(folder.join("request_metadata").join(key), &value.into());
        }
    }
    for name in MODELS {
        let meta = json!({"name": name, "creation_timestamp": 1, "last_updated_timestamp": 1, "description": null, "aliases": {}});
        write(root.join("models").join(name).join("meta.yaml"), &meta);
    }
    for (name, number, run, source) in VERSIONS {
        let meta = json!({"name": name, "version": number, "creation_timestamp": 1, "last_updated_timestamp": 1,
            "current_stage": "None", "description": null, "run_id": run.map(run_id), "run_link": null, "source": source,
            "status": "READY", "status_message": null, "user_id": null, "storage_location": source});
        write(
            root.join("models")
                .join(name)
                .join(format!("version-{number}/meta.yaml")),
            &meta,
        );
    }
}

fn request_time(time: i64) -> String {
    format!("1970-01-01T00:00:00.{time:03}Z")
}

fn metadata(run: Option<char>, model: Option<&str>) -> Vec<(&'static str, String)> {
    let run = run.map(|run| ("mlflow.sourceRun", run_id(run)));
    let model = model.map(|model| ("mlflow.modelId", model.to_owned()));
    run.into_iter().chain(model).collect()
}

/// The history in a database, whose tables are those of a fixture.
pub(super) fn lay_database(path: &Path) {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/sql-3.18.0/mlflow.db");
    fs::copy(fixture, path).unwrap();
    let database = rusqlite::Connection::open(path).unwrap();
    let tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT IN ('alembic_version', 'workspaces')";
    let mut wiped = String::from("PRAGMA foreign_keys=OFF;");
    let mut statement = database.prepare(tables).unwrap();
    for table in statement.query_map([], |row| row.get::<_, String>(0)).unwrap() {
        wiped.push_str(&format!("DELETE FROM \"{}\";", table.unwrap()));
    }
    database.execute_batch(&wiped).unwrap();
    let insert = |table: &str, columns: &str, values: &[Value]| {
        let values: Vec<String> = values
            .iter()
            .map(|value| match value {
                Value::Null => "NULL".to_owned(),
                Value::String(text) => format!("'{text}'"),
                other => other.to_string(),
            })
            .collect();
        let sql = format!("INSERT INTO {table} ({columns}) VALUES ({})", values.join(","));
        database
            .execute(&sql, [])
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    };
    for (id, name, is_deleted) in EXPERIMENTS {
        let columns =
            "experiment_id, name, artifact_location, lifecycle_stage, creation_time, last_update_time";
        let values = [
            json!(id),
            json!(name),
            json!(format!("/nowhere/{id}")),
            json!(stage(is_deleted)),
            json!(1),
            json!(1),
        ];
        insert("experiments", columns, &values);
    }
    for (letter, experiment, start, parent, is_deleted, reads) in RUNS {
        let id = run_id(letter);
        let columns = "run_uuid, name, source_type, status, start_time, end_time, lifecycle_stage, artifact_uri, experiment_id";
        let values = [
            json!(id),
            json!("r"),
            json!("LOCAL"),
            json!("FINISHED"),
            json!(start),
            json!(start),
            json!(stage(is_deleted)),
            json!(format!("/nowhere/{id}")),
            json!(experiment),
        ];
        insert("runs", columns, &values);
        insert(
            "params",
            "key, value, run_uuid",
            &[json!("letter"), json!(letter.to_string()), json!(id)],
        );
        let columns = "key, value, timestamp, step, is_nan, run_uuid";
        let row = |(time, value, step): (i64, f64, i64)| {
            [
                json!("m"),
                json!(value),
                json!(time),
                json!(step),
                json!(0),
                json!(id),
            ]
        };
        for point in points(start) {
            insert("metrics", columns, &row(point));
        }
        insert("latest_metrics", columns, &row(points(start)[1]));
        if let Some(parent) = parent {
            insert(
                "tags",
                "key, value, run_uuid",
                &[json!("mlflow.parentRunId"), json!(run_id(parent)), json!(id)],
            );
        }
        if let Some(model) = reads {
            let columns = "input_uuid, source_type, source_id, destination_type, destination_id, step";
            insert(
                "inputs",
                columns,
                &[
                    json!("x"),
                    json!("RUN_INPUT"),
                    json!(id),
                    json!("MODEL_INPUT"),
                    json!(model),
                    json!(0),
                ],
            );
        }
    }
    for (id, experiment, time, run) in LOGGED_MODELS {
        let columns = "model_id, experiment_id, name, artifact_location, creation_timestamp_ms, last_updated_timestamp_ms, \
            status, lifecycle_stage, source_run_id";
        let values = [
            json!(id),
            json!(experiment),
            json!("m"),
            json!(format!("/nowhere/{id}")),
            json!(time),
            json!(time),
            json!(2),
            json!("active"),
            json!(run.map(run_id)),
        ];
        insert("logged_models", columns, &values);
    }
    for (id, experiment, time, run, model) in TRACES {
        let columns = "request_id, experiment_id, timestamp_ms, execution_time_ms, status";
        insert(
            "trace_info",
            columns,
            &[json!(id), json!(experiment), json!(time), json!(1), json!("OK")],
        );
        for (key, value) in metadata(run, model) {
            insert(
                "trace_request_metadata",
                "key, value, request_id",
                &[json!(key), json!(value), json!(id)],
            );
        }
    }
    for (dataset, experiment) in EVALUATION_DATASETS {
        insert(
            "evaluation_datasets",
            "dataset_id, name",
            &[json!(dataset), json!(dataset)],
        );
        let columns =
            "association_id, source_type, source_id, destination_type, destination_id, created_time";
        let values = [
            dataset,
            "evaluation_dataset",
            dataset,
            "experiment",
            experiment,
            "1",
        ];
        insert("entity_associations", columns, &values.map(Value::from));
    }
    for name in MODELS {
        insert(
            "registered_models",
            "name, creation_time, last_updated_time",
            &[json!(name), json!(1), json!(1)],
        );
    }
    for (name, number, run, source) in VERSIONS {
        let columns =
            "name, version, creation_time, last_updated_time, current_stage, source, run_id, status";
        let values = [
            json!(name),
            json!(number),
            json!(1),
            json!(1),
            json!("None"),
            json!(source),
            json!(run.map(run_id)),
            json!("READY"),
        ];
        insert("model_versions", columns, &values);
    }
}

/// The history behind a server.
pub(super) fn serve() -> Loopback {
    Loopback::start(|request| match answer(request) {
        _ if request.path() == "/version" => Answer::new(200, "3.18.0"),
        Some(answer) => Answer::json(&answer.to_string()),
        None if !request.path().ends_with("runs/get") => Answer::new(404, "no such page"),
        None => Answer::new(
            404,
            r#"{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no"}"#,
        ),
    })
}

fn run_answer(wanted: impl Fn(&str, &str) -> bool) -> Vec<Value> {
    let found = RUNS.iter().filter(|run| wanted(&run_id(run.0), run.1));
    let answer = |&(letter, experiment, start, parent, is_deleted, reads): &(
        char,
        &str,
        i64,
        Option<char>,
        bool,
        Option<&str>,
    )| {
        let id = run_id(letter);
        let tags: Vec<_> = parent
            .iter()
            .map(|parent| json!({"key": "mlflow.parentRunId", "value": run_id(*parent)}))
            .collect();
        let reads: Vec<_> = reads.iter().map(|model| json!({"model_id": model})).collect();
        let data = json!({"tags": tags, "params": [{"key": "letter", "value": letter.to_string()}], "metrics": [point_answer(points(start)[1])]});
        json!({"info": {"run_id": id, "experiment_id": experiment, "status": "FINISHED", "start_time": start,
            "lifecycle_stage": stage(is_deleted)}, "data": data, "inputs": {"model_inputs": reads}})
    };
    found.map(answer).collect()
}

fn point_answer((time, value, step): (i64, f64, i64)) -> Value {
    json!({"key": "m", "value": value, "timestamp": time, "step": step})
}

fn model_answer(&(id, experiment, time, run): &(&str, &str, i64, Option<char>)) -> Value {
    json!({"info": {"model_id": id, "experiment_id": experiment, "name": "m", "creation_timestamp_ms": time,
        "last_updated_timestamp_ms": time, "status": "LOGGED_MODEL_READY", "source_run_id": run.map(run_id).unwrap_or_default()}})
}

fn answer(request: &Received) -> Option<Value> {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let among = |key: &str, id: &str| {
        body[key]
            .as_array()
            .is_some_and(|ids| ids.iter().any(|one| one == id))
    };
    let is_searched = |id: &str| {
        let locations = body["locations"].as_array();
        locations.is_some_and(|all| {
            all.iter()
                .any(|one| one["mlflow_experiment"]["experiment_id"] == id)
        })
    };
    Some(match request.path().split_once("/mlflow/")?.1 {
        "experiments/search" => {
            let all = EXPERIMENTS.iter().map(|(id, name, is_deleted)| {
                json!({"experiment_id": id, "name": name, "lifecycle_stage": stage(*is_deleted)})
            });
            json!({"experiments": all.collect::<Vec<_>>()})
        }
        "runs/search" => {
            let mut runs = run_answer(|_, experiment| among("experiment_ids", experiment));
            let filter = body["filter"].as_str().unwrap_or_default().to_owned();
            for clause in filter
                .split(" AND ")
                .filter(|clause| clause.starts_with("attributes.start_time"))
            {
                let [_, operator, bound] = clause.split(' ').collect::<Vec<_>>()[..] else {
                    return None;
                };
                let bound: i64 = bound.parse().unwrap();
                runs.retain(|run| {
                    let start = run["info"]["start_time"].as_i64().unwrap();
                    if operator == ">=" {
                        start >= bound
                    } else {
                        start < bound
                    }
                });
            }
            json!({"runs": runs})
        }
        "runs/get" => json!({"run": run_answer(|id, _| request.target.ends_with(id)).pop()?}),
        "metrics/get-history" => {
            let run = RUNS.iter().find(|run| request.target.contains(&run_id(run.0)))?;
            json!({"metrics": points(run.2).map(point_answer)})
        }
        "logged-models/search" => {
            let found = LOGGED_MODELS
                .iter()
                .filter(|model| among("experiment_ids", model.1));
            json!({"models": found.map(model_answer).collect::<Vec<_>>()})
        }
        "datasets/search" => {
            let all = EVALUATION_DATASETS.map(|(id, _)| json!({"dataset_id": id, "name": id}));
            json!({"datasets": all})
        }
        other if other.ends_with("/experiment-ids") => {
            let found = EVALUATION_DATASETS.iter().find(|(id, _)| other.contains(id))?;
            json!({"experiment_ids": [found.1]})
        }
        other if other.ends_with("/records") => json!({"records": "[]"}),
        "registered-models/search" => json!({"registered_models": MODELS.map(|name| json!({"name": name}))}),
        "model-versions/search" => {
            let all = VERSIONS.iter().map(|(name, number, run, source)| {
                json!({"name": name, "version": number.to_string(), "source": source, "run_id": run.map(run_id).unwrap_or_default()})
            });
            json!({"model_versions": all.collect::<Vec<_>>()})
        }
        "traces/search" => {
            let has_filter = body["filter"].is_string();
            let found = TRACES.iter().filter(|trace| !has_filter && is_searched(trace.1));
            let traces = found.map(|(id, experiment, time, run, model)| {
                let metadata: serde_json::Map<_, _> =
                    metadata(*run, *model).into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
                json!({"trace_id": id, "state": "OK", "request_time": request_time(*time), "trace_metadata": metadata,
                    "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}})
            });
            json!({"traces": traces.collect::<Vec<_>>()})
        }
        other => {
            let id = other.strip_prefix("logged-models/")?;
            json!({"model": model_answer(LOGGED_MODELS.iter().find(|model| model.0 == id)?)})
        }
    })
}

/// What a selection is, and its options.
fn selections() -> Vec<(&'static str, Selection)> {
    let names =
        |texts: &[&str]| Patterns::names(texts.iter().map(|&text| text.to_owned()).collect()).unwrap();
    let experiment = |name: &str| Selection {
        experiments: names(&[name]),
        ..Selection::default()
    };
    let run = |letter: char| Selection {
        runs: vec![run_id(letter)],
        ..Selection::default()
    };
    let model = |name: &str| Selection {
        models: names(&[name]),
        ..Selection::default()
    };
    let time = |since, until| TimeRange { since, until };
    let timed = |time| Selection {
        time,
        ..Selection::default()
    };
    let filtered = |filter: &str| Selection {
        filter: Some(filter.parse().unwrap()),
        ..Selection::default()
    };
    vec![
        ("all", Selection::default()),
        (
            "filter by metric",
            filtered("metrics.m > 2.5 AND metrics.m < 4.5"),
        ),
        ("filter by parent", filtered("tags.mlflow.parentRunId LIKE 'a%'")),
        (
            "filter by no parent",
            filtered("tags.`mlflow.parentRunId` IS NULL"),
        ),
        ("filter by param", filtered("params.letter = 'f'")),
        ("filter of a deleted run", filtered("params.letter = 'd'")),
        (
            "filter by attributes",
            filtered("start_time >= 60 AND status ILIKE 'finished'"),
        ),
        ("filter that nothing meets", filtered("metrics.none > 0")),
        ("empty filter", filtered("")),
        (
            "experiment and filter",
            Selection {
                experiments: names(&["te*"]),
                ..filtered("metrics.m <= 6")
            },
        ),
        (
            "time and filter",
            Selection {
                time: time(Some(25), None),
                ..filtered("metrics.m != 6")
            },
        ),
        (
            "run and filter",
            Selection {
                runs: vec![run_id('b')],
                ..filtered("params.letter != 'b'")
            },
        ),
        (
            "model and filter",
            Selection {
                models: names(&["alpha"]),
                ..filtered("params.letter = 'c'")
            },
        ),
        ("experiment by name", experiment("train")),
        ("experiment by glob", experiment("t*")),
        ("experiment by id", experiment("2")),
        ("experiment without runs", experiment("empty")),
        ("deleted experiment", experiment("gone")),
        ("run", run('a')),
        ("nested run", run('b')),
        ("run whose parent is in another experiment", run('c')),
        ("deleted run", run('d')),
        ("run that reads a model", run('f')),
        ("run whose parent is deleted", run('9')),
        ("model", model("alpha")),
        ("model of a deleted run", model("beta")),
        ("model without versions", model("gamma")),
        ("models by glob", model("*")),
        ("since", timed(time(Some(21), None))),
        ("until", timed(time(None, Some(21)))),
        ("between", timed(time(Some(21), Some(36)))),
        ("only what no run made", timed(time(Some(31), Some(36)))),
        ("nothing", timed(time(Some(1000), None))),
        (
            "experiment and time",
            Selection {
                time: time(Some(35), None),
                ..experiment("test")
            },
        ),
        (
            "experiment and a time without anything",
            Selection {
                time: time(None, Some(5)),
                ..experiment("t*")
            },
        ),
        (
            "experiment and its run",
            Selection {
                runs: vec![run_id('b')],
                ..experiment("train")
            },
        ),
        (
            "experiment and a run of another",
            Selection {
                runs: vec![run_id('c')],
                ..experiment("train")
            },
        ),
        (
            "run and time",
            Selection {
                time: time(Some(15), None),
                ..run('a')
            },
        ),
        (
            "experiment and model",
            Selection {
                models: names(&["alpha"]),
                ..experiment("test")
            },
        ),
        (
            "time and model",
            Selection {
                models: names(&["alpha"]),
                ..timed(time(Some(35), None))
            },
        ),
        (
            "run and model",
            Selection {
                models: names(&["gamma"]),
                ..run('f')
            },
        ),
    ]
}

fn exported(
    kind: SourceKind,
    source: &str,
    selection: &Selection,
    include_deleted: bool,
) -> (tempfile::TempDir, Archive) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let options = ExportOptions {
        selection: selection.clone(),
        include_deleted,
        // Folders of artifacts are nowhere, and servers have no spans.
        keep_going: true,
        writer: WriterOptions {
            no_sync: true,
            ..WriterOptions::default()
        },
        ..ExportOptions::default()
    };
    export(kind, source, &out, options, &Silent).unwrap_or_else(|error| panic!("{kind:?}: {error}"));
    let archive = Archive::open(&out).unwrap();
    (folder, archive)
}

/// The objects that an export takes, as `kind id`.
fn taken(kind: SourceKind, source: &str, selection: &Selection, include_deleted: bool) -> BTreeSet<String> {
    let (_folder, archive) = exported(kind, source, selection, include_deleted);
    let kinds = [
        (Kind::Experiments, "/experiment_id"),
        (Kind::Runs, "/info/run_id"),
        (Kind::LoggedModels, "/model_id"),
        (Kind::Traces, "/trace_id"),
        (Kind::RegisteredModels, "/name"),
    ];
    let lines = |kind: Kind| archive.values(kind).map(Result::unwrap);
    let mut found = BTreeSet::new();
    for (kind, id) in kinds {
        let ids = lines(kind).map(|line| {
            line.pointer(id)
                .unwrap()
                .as_str()
                .unwrap()
                .chars()
                .take(10)
                .collect::<String>()
        });
        found.extend(ids.map(|id| format!("{} {id}", kind.name())));
    }
    let versions = lines(Kind::ModelVersions);
    found.extend(
        versions.map(|line| format!("version {}/{}", line["name"].as_str().unwrap(), line["version"])),
    );
    found
}

#[test]
fn doors_agree_under_every_selection() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    lay_file_store(&path("mlruns"));
    lay_database(&path("mlflow.db"));
    let server = serve();
    let whole = path("whole");
    export(
        SourceKind::Sql,
        path("mlflow.db").to_str().unwrap(),
        &whole,
        ExportOptions::default(),
        &Silent,
    )
    .unwrap();
    convert(
        &Archive::open(&whole).unwrap(),
        &path("exim"),
        ConvertOptions::default(),
        &Silent,
    )
    .unwrap();
    let mlruns = path("mlruns").display().to_string();
    let database = path("mlflow.db").display().to_string();
    let exim = path("exim").display().to_string();
    let mut disagreements = Vec::new();
    for (name, selection) in selections() {
        for include_deleted in [false, true] {
            let expected = taken(SourceKind::FileStore, &mlruns, &selection, include_deleted);
            let mut doors = vec![
                (SourceKind::Sql, database.clone()),
                (SourceKind::Rest, server.url()),
            ];
            // That directory holds nothing deleted.
            let has_deleted = include_deleted || name.contains("deleted");
            doors.extend((!has_deleted).then(|| (SourceKind::ExportImport, exim.clone())));
            for (kind, source) in doors {
                let found = taken(kind, &source, &selection, include_deleted);
                let [more, less] = [found.difference(&expected), expected.difference(&found)]
                    .map(|ids| ids.cloned().collect::<Vec<_>>());
                if found != expected {
                    disagreements.push(format!(
                        "{name}, deleted ones {include_deleted}: {kind:?} takes {more:?} more, not {less:?}"
                    ));
                }
            }
        }
    }
    assert!(disagreements.is_empty(), "{}", disagreements.join("\n"));
}

#[test]
fn a_choice_brings_what_it_needs_through_every_door() {
    let folder = tempfile::tempdir().unwrap();
    let mlruns = folder.path().join("mlruns");
    lay_file_store(&mlruns);
    let taken = |name: &str| {
        let (_, selection) = selections()
            .into_iter()
            .find(|(found, _)| *found == name)
            .unwrap();
        let ids = taken(SourceKind::FileStore, mlruns.to_str().unwrap(), &selection, false);
        ids.into_iter().collect::<Vec<_>>().join(", ")
    };
    let run = |letter: &str| format!("runs {}", letter.repeat(10));
    assert_eq!(
        taken("only what no run made"),
        "experiments 2, logged-models m-2, traces tr-2",
        "by their own time"
    );
    assert_eq!(
        taken("run that reads a model"),
        ["experiments 1, experiments 2, logged-models m-1, registered-models alpha, registered-models beta", &run("a"), &run("b"),
            &run("f"), "traces tr-1, traces tr-3, version alpha/1, version beta/2"].join(", "),
        "the model, the run that made it, its parent, and versions of all these"
    );
    assert_eq!(taken("deleted run"), "", "what is left out brings nothing");
    assert_eq!(taken("filter that nothing meets"), "");
    assert_eq!(taken("filter of a deleted run"), "");
    assert_eq!(taken("run and filter"), "");
    assert_eq!(
        taken("filter by param"),
        taken("run that reads a model"),
        "as if it were named"
    );
    assert_eq!(
        taken("experiment and a time without anything"),
        "experiments 1, experiments 2"
    );
}

#[test]
fn what_is_left_out_since_it_is_deleted_brings_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mlruns = folder.path().join("mlruns");
    lay_file_store(&mlruns);
    let meta = json!({"model_id": "m-9", "experiment_id": "2", "name": "m", "artifact_location": "/nowhere/m-9",
        "creation_timestamp": 1, "last_updated_timestamp": 1, "model_type": null, "status": 2, "lifecycle_stage": "deleted",
        "status_message": null, "source_run_id": run_id('b')});
    write(mlruns.join("2/models/m-9/meta.yaml"), &meta);
    let info = json!({"trace_id": "tr-9", "state": "OK", "request_time": request_time(1), "execution_duration_ms": 1,
        "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "2"}}});
    write(mlruns.join("2/traces/tr-9/trace_info.yaml"), &info);
    write(
        mlruns.join("2/traces/tr-9/request_metadata/mlflow.modelId"),
        &"m-9".into(),
    );
    let nested = selections()
        .into_iter()
        .find(|(name, _)| *name == "nested run")
        .unwrap()
        .1;
    let ids = |include_deleted| {
        let found = taken(
            SourceKind::FileStore,
            mlruns.to_str().unwrap(),
            &nested,
            include_deleted,
        );
        ["experiments 2", "logged-models m-9", "traces tr-9"].map(|id| found.contains(id))
    };
    assert_eq!(ids(false), [false; 3], "the run made a model that is deleted");
    assert_eq!(ids(true), [true; 3]);
}

#[test]
fn a_deleted_run_that_is_chosen_and_needed_is_counted_once() {
    let folder = tempfile::tempdir().unwrap();
    let mlruns = folder.path().join("mlruns");
    lay_file_store(&mlruns);
    let server = serve();
    let doors = [
        (SourceKind::FileStore, mlruns.display().to_string()),
        (SourceKind::Rest, server.url()),
    ];
    let (_, experiment) = selections()
        .into_iter()
        .find(|(name, _)| *name == "experiment by id")
        .unwrap();
    for (kind, source) in doors {
        let (_folder, archive) = exported(kind, &source, &experiment, false);
        let counts = &archive.manifest().selection.left_out;
        let deleted = counts
            .iter()
            .find(|count| count.kind == "runs" && count.reason == Reason::Deleted);
        assert_eq!(deleted.map(|count| count.count), Some(1), "{kind:?}");
    }
}

#[test]
fn evaluation_datasets_come_with_whole_experiments_that_are_not_left_out_as_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("mlflow.db");
    lay_database(&database);
    let server = serve();
    let doors = [
        (SourceKind::Sql, database.to_str().unwrap().to_owned()),
        (SourceKind::Rest, server.url()),
    ];
    let of = |names: &[&str], include_deleted| {
        let texts = names.iter().map(|&name| name.to_owned()).collect();
        let selection = Selection {
            experiments: Patterns::names(texts).unwrap(),
            ..Selection::default()
        };
        let taken = doors.each_ref().map(|(kind, source)| {
            let (_folder, archive) = exported(*kind, source, &selection, include_deleted);
            let datasets = archive.values(Kind::EvaluationDatasets);
            let ids = datasets.map(|dataset| dataset.unwrap()["dataset_id"].as_str().unwrap().to_owned());
            ids.collect::<Vec<_>>().join(" ")
        });
        assert_eq!(taken[0], taken[1], "{names:?}, deleted ones {include_deleted}");
        taken[0].clone()
    };
    let [(active, _), (deleted, gone)] = EVALUATION_DATASETS;
    let name = EXPERIMENTS.iter().find(|one| one.0 == gone).unwrap().1;
    assert_eq!(of(&[name], false), "");
    assert_eq!(of(&[name], true), deleted);
    let both = format!("{active} {deleted}");
    for include_deleted in [false, true] {
        assert_eq!(
            of(&[], include_deleted),
            both,
            "an experiment may dangle where all is taken"
        );
    }
}
