//! Exports of real servers that are made difficult: files of hard names on their disk, runs written to meanwhile, ids cut short,
//! traces that never ended.
//!
//! Runs where MLARK_E2E_VENVS names the folder of `scripts/mlflow-env`'s environments.

use crate::helpers::servers;
use mlark::archive::Archive;
use mlark::client::{Client, Connection, Environment, Path as Route, Repeat};
use mlark::format::{Kind, Reason};
use mlark::model::{ArtifactList, BlobRef, MetricSlice};
use serde_json::{Value, json};
use servers::{Server, mlark, venv};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

const VERSIONS: [&str; 3] = ["3.18.0", "2.22.5", "2.9.2"];

fn post(url: &str, route: &str, body: &Value) -> Value {
    let connection = Connection::of(url, &Environment::of(&[], None)).unwrap();
    let client = Client::new(connection.base, connection.options).unwrap();
    client
        .post(Route::api2(route), Repeat::Unsafe)
        .json(body)
        .parse()
        .unwrap()
}

fn new_run(url: &str) -> Value {
    let made = post(
        url,
        "runs/create",
        &json!({"experiment_id": "0", "start_time": 1}),
    );
    made["run"]["info"].clone()
}

/// A command that may fail.
fn tried(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mlark"))
        .args(arguments)
        .env("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        .output()
        .unwrap()
}

/// All names that servers were asked for, and what servers make of them.
fn names() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for line in include_str!("../../src/lang/rest/file_names/served.tsv")
        .lines()
        .skip(1)
    {
        let cells: Vec<_> = line.split('\t').collect();
        let texts: Vec<String> = match serde_json::from_str(cells[2]).unwrap() {
            Value::String(characters) => characters.chars().map(String::from).collect(),
            texts => serde_json::from_value(texts).unwrap(),
        };
        for text in texts {
            names.insert(cells[1].replace("{}", &text));
            for other in [String::new(), format!("%{:02x}", text.as_bytes()[0])] {
                names.insert(cells[1].replace("{}", &other));
            }
        }
    }
    names.retain(|name| {
        name.split('/')
            .all(|part| !matches!(part, "" | "." | "..") && part.len() < 256)
    });
    names
}

/// Puts files of these names, of one size and each of its own content; where a name is both a file's and a folder's, as asked.
fn put(root: &Path, folders_first: bool) -> BTreeMap<String, String> {
    let mut names: Vec<_> = names().into_iter().collect();
    names.sort_by_key(|name| name.contains('/') != folders_first);
    let mut files = BTreeMap::new();
    for (number, name) in names.into_iter().enumerate() {
        let (place, content) = (root.join(&name), format!("{number:08}"));
        std::fs::create_dir_all(root).unwrap();
        let made = std::fs::create_dir_all(place.parent().unwrap());
        if made.and_then(|()| std::fs::write(&place, &content)).is_ok() {
            files.insert(name, content);
        }
    }
    files
}

/// What an archive holds of a run's files, and the paths of those that it names as absent.
fn taken(archive: &Archive, run_id: &str) -> (BTreeMap<String, String>, BTreeSet<String>) {
    let (mut files, mut absent) = (BTreeMap::new(), BTreeSet::new());
    for list in archive.values(Kind::Artifacts) {
        let list: ArtifactList = serde_json::from_value(list.unwrap()).unwrap();
        if list.owner_id != run_id {
            continue;
        }
        for file in list.files {
            let Some(sha256) = file.sha256 else {
                absent.insert(file.path);
                continue;
            };
            let mut content = String::new();
            let size_bytes = file.size_bytes.unwrap();
            let mut blob = archive.blob(&BlobRef { sha256, size_bytes }).unwrap();
            blob.read_to_string(&mut content).unwrap();
            files.insert(file.path, content);
        }
    }
    (files, absent)
}

/// Folders that failures name.
fn lost_folders(out: &Path, run_id: &str) -> Vec<String> {
    let losses = std::fs::read_to_string(out.join("losses.jsonl")).unwrap();
    let losses = losses
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let details = losses.filter_map(|loss| {
        let detail = loss["detail"].as_str()?.strip_prefix("folder `")?;
        let end = detail.find(&format!("` of `{run_id}`"))?;
        Some(format!("{}/", &detail[..end]))
    });
    details.collect()
}

/// Every file is right or named, and those without anything special in their names are right.
fn check_names(url: &str, folder: &Path, root_of: &dyn Fn(&str) -> PathBuf) {
    let runs = [false, true].map(|folders_first| {
        let info = new_run(url);
        let root = root_of(info["artifact_uri"].as_str().unwrap());
        let run_id = info["run_id"].as_str().unwrap().to_owned();
        (run_id, put(&root, folders_first))
    });
    let out = folder.join("names");
    let output = tried(&["export", url, "-o", out.to_str().unwrap(), "--keep-going"]);
    assert_eq!(
        output.status.code(),
        Some(3),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let archive = Archive::open(&out).unwrap();
    for (run_id, files) in runs {
        let (found, absent) = taken(&archive, &run_id);
        let lost = lost_folders(&out, &run_id);
        let is_named =
            |name: &String| absent.contains(name) || lost.iter().any(|lost| name.starts_with(lost));
        for (name, content) in &files {
            match found.get(name) {
                Some(found) => assert_eq!(found, content, "{name:?} has another file's bytes"),
                None => assert!(is_named(name), "{name:?} is lost without a word"),
            }
        }
        let is_extra = |name: &&String| !files.contains_key(*name);
        assert_eq!(found.keys().find(is_extra), None);
        let is_hard = |name: &str| {
            name.starts_with(' ')
                || name.contains(|next: char| next.is_ascii_control() || "%?;#:".contains(next))
        };
        let lost = files
            .keys()
            .find(|name| !is_hard(name) && !found.contains_key(*name));
        assert_eq!(lost, None, "nothing is hard about it");
    }
}

#[test]
fn files_of_hard_names_come_as_they_are_or_are_named() {
    for venv in VERSIONS.iter().filter_map(|version| venv(version)) {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start_of(&venv, folder.path());
        check_names(&server.url, folder.path(), &|uri| {
            let below = uri.trim_start_matches("mlflow-artifacts:/");
            folder.path().join("artifacts").join(below)
        });
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start_with_local_artifacts(&venv, folder.path());
        check_names(&server.url, folder.path(), &|uri| {
            PathBuf::from(uri.trim_start_matches("file://"))
        });
    }
}

/// A process that is ended with the test.
struct Writer(Child);

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Writes to a run until it is told to end: every round a point of each metric, a param and a tag.
const WRITER: &str = r#"
import sys, mlflow
mlflow.set_tracking_uri(sys.argv[1])
client, run_id, number = mlflow.MlflowClient(), sys.argv[2], 0
def surely(call, *arguments):
    # A busy database refuses some; what is sent twice is there once.
    while True:
        try:
            return call(run_id, *arguments)
        except mlflow.exceptions.MlflowException as error:
            print(error, file=sys.stderr)
while True:
    for metric in ("loss", "accuracy"):
        surely(client.log_metric, metric, number, number, number)
    surely(client.log_param, f"p{number}", number)
    surely(client.set_tag, "round", str(number))
    number += 1
    if number == 3:
        print("begun", flush=True)
"#;

#[test]
fn a_run_that_is_written_to_while_it_is_exported_is_whole_or_said_to_have_changed() {
    for venv in VERSIONS.iter().filter_map(|version| venv(version)) {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start_of(&venv, folder.path());
        let run_id = new_run(&server.url)["run_id"].as_str().unwrap().to_owned();
        let mut command = Command::new(venv.join("bin/python"));
        command
            .args(["-c", WRITER, &server.url, &run_id])
            .env("MLFLOW_DISABLE_TELEMETRY", "true");
        let mut writer = Writer(command.stdout(Stdio::piped()).spawn().unwrap());
        let mut begun = [0; 5];
        let mut said = writer.0.stdout.take().unwrap();
        said.read_exact(&mut begun).unwrap();
        for number in 0..3 {
            let out = folder.path().join(format!("live-{number}"));
            mlark(&["export", &server.url, "-o", out.to_str().unwrap()]);
            assert!(writer.0.try_wait().unwrap().is_none(), "the writer ended");
            mlark(&["verify", out.to_str().unwrap()]);
            check_written(&out);
        }
    }
}

/// Points that the writer has made are consecutive, and agree with the run's own word or that it changed.
fn check_written(out: &Path) {
    let archive = Archive::open(out).unwrap();
    let runs: Vec<_> = archive.values(Kind::Runs).map(Result::unwrap).collect();
    let limits = &archive.manifest().losses.limits;
    let is_changed = limits
        .iter()
        .any(|limit| limit.kind == "runs" && limit.reason == Reason::ChangedWhileRead);
    let params = runs[0]["params"].as_object().map_or(0, |params| params.len());
    let mut counts = BTreeSet::from([params]);
    for number in 0..params {
        assert_eq!(runs[0]["params"][format!("p{number}")], number.to_string());
    }
    let mut steps: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for slice in archive.values(Kind::Metrics) {
        let slice: MetricSlice = serde_json::from_value(slice.unwrap()).unwrap();
        steps.entry(slice.key.clone()).or_default().extend(&slice.steps);
    }
    assert_eq!(steps.len(), 2);
    for steps in steps.into_values() {
        assert!(
            steps.len() >= 3 && steps.iter().copied().eq(0..steps.len() as i64),
            "{steps:?}"
        );
        counts.insert(steps.len());
    }
    // Between two calls of the writer one may be ahead of the other.
    let spread = counts.last().unwrap() - counts.first().unwrap();
    assert!(spread <= 1 || is_changed, "{counts:?} {limits:?}");
}

#[test]
fn the_start_of_a_runs_id_is_enough_for_servers() {
    for venv in VERSIONS.iter().filter_map(|version| venv(version)) {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start_of(&venv, folder.path());
        // Of seventeen ids two begin alike.
        let ids: Vec<String> = (0..17)
            .map(|_| new_run(&server.url)["run_id"].as_str().unwrap().to_owned())
            .collect();
        let with = |start: &str| ids.iter().filter(|id| id.starts_with(start)).count();
        let unique = (1..=32).find(|length| with(&ids[0][..*length]) == 1).unwrap();
        let start = &ids[0][..unique];
        let out = folder.path().join("one");
        mlark(&["export", &server.url, "-o", out.to_str().unwrap(), "--run", start]);
        let runs: Vec<_> = Archive::open(&out)
            .unwrap()
            .values(Kind::Runs)
            .map(Result::unwrap)
            .collect();
        assert_eq!(runs.len(), 1);
        assert_eq!(runs[0]["info"]["run_id"], ids[0].as_str());
        let shown = mlark(&["ls", &server.url, "runs", "--run", start]);
        assert!(String::from_utf8_lossy(&shown.stdout).contains(&ids[0]));
        let several = ids
            .iter()
            .map(|id| &id[..1])
            .find(|start| with(start) > 1)
            .unwrap();
        let out = folder.path().join("several");
        let output = tried(&[
            "export",
            &server.url,
            "-o",
            out.to_str().unwrap(),
            "--run",
            several,
        ]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        for id in ids.iter().filter(|id| id.starts_with(several)).take(2) {
            assert!(said.contains(id.as_str()), "{id}: {said}");
        }
        assert!(!out.exists());
    }
}

#[test]
fn traces_that_never_ended_are_the_same_through_the_server_and_its_database() {
    for venv in ["2.22.5", "3.18.0"].into_iter().filter_map(venv) {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start_of(&venv, folder.path());
        let made = "import sys, mlflow\n\
                    mlflow.set_tracking_uri(sys.argv[1])\n\
                    client = mlflow.MlflowClient()\n\
                    ended = client.start_trace('ended', experiment_id='0')\n\
                    client.end_trace(getattr(ended, 'trace_id', None) or ended.request_id)\n\
                    client.start_trace('never ended', experiment_id='0')\n\
                    getattr(mlflow, 'flush_trace_async_logging', lambda: None)()";
        let mut python = Command::new(venv.join("bin/python"));
        servers::run(
            python
                .args(["-c", made, &server.url])
                .env("MLFLOW_DISABLE_TELEMETRY", "true")
                .env("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING", "false"),
        );
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let (rest, sql) = (path("rest"), path("sql"));
        mlark(&["export", &server.url, "-o", &rest]);
        let database = format!("sqlite:///{}", path("mlflow.db"));
        let served = path("artifacts");
        mlark(&[
            "export",
            &database,
            "-o",
            &sql,
            "--artifacts-destination",
            &served,
        ]);
        mlark(&["diff", &rest, &sql, "--ignore-limits"]);
        let archive = Archive::open(Path::new(&rest)).unwrap();
        let states = archive
            .values(Kind::Traces)
            .map(|trace| trace.unwrap()["state"].clone());
        let states: BTreeSet<_> = states.map(|state| state.to_string()).collect();
        assert!(!states.is_empty(), "no trace arrived");
        if venv.ends_with("mlflow-2.22.5") {
            assert_eq!(states.len(), 2, "{states:?}");
        }
    }
}

/// Runs and traces in two experiments, some of which are linked to one another, and one experiment that a plan cuts.
const LINKED: &str = "import sys, mlflow
mlflow.set_tracking_uri(sys.argv[1])
client = mlflow.MlflowClient()
runs, traces = [], []
for name in ['with runs', 'with traces', 'cut']:
    experiment = client.create_experiment(name)
    for number in range(24 if name == 'cut' else 3):
        run = client.create_run(experiment, start_time=1000 * number + 5)
        client.log_param(run.info.run_id, 'number', number)
        runs.append(run.info.run_id)
        if name != 'with runs' and number % 3 == 0:
            trace = client.start_trace(f'{name} {number}', experiment_id=experiment)
            client.end_trace(getattr(trace, 'trace_id', None) or trace.request_id)
            traces.append(getattr(trace, 'trace_id', None) or trace.request_id)
getattr(mlflow, 'flush_trace_async_logging', lambda: None)()
if hasattr(client, 'link_traces_to_run'):
    for number, run in enumerate(runs):
        client.link_traces_to_run([traces[number % len(traces)]], run)
";

#[test]
fn shards_of_a_real_server_are_the_whole_with_the_links_of_traces() {
    for version in ["2.22.5", "3.18.0"] {
        let Some(venv) = venv(version) else { continue };
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start_of(&venv, folder.path());
        server.fill(&venv, &[]);
        let mut python = Command::new(venv.join("bin/python"));
        servers::run(
            python
                .args(["-c", LINKED, &server.url])
                .env("MLFLOW_DISABLE_TELEMETRY", "true")
                .env("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING", "false"),
        );
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let (whole, plan) = (path("whole.zip"), path("plan.json"));
        mlark(&["export", &server.url, "-o", &whole]);
        mlark(&["plan", &server.url, "--shards", "4", "-o", &plan]);
        let content_id = |path: &str| Archive::open(Path::new(path)).unwrap().manifest().content_id;
        if version == "3.18.0" {
            let archive = Archive::open(Path::new(&whole)).unwrap();
            let traces = archive
                .values(Kind::Traces)
                .map(|trace| trace.unwrap()["linked_runs"].clone());
            let links: usize = traces.filter_map(|runs| Some(runs.as_array()?.len())).sum();
            assert!(links >= 20, "{links}");
        }
        // A choice that brings objects of other experiments, and is divided by a plan of its own or by none.
        let choice = ["--filter", "params.number != '1'"];
        let (chosen, plan_of_choice) = (path("chosen.zip"), path("chosen.json"));
        let planned_choice = [&["--plan", &plan_of_choice][..], &choice].concat();
        let planned = ["--plan", &plan];
        let mut divisions = vec![(4, &whole, &planned[..])];
        if version == "3.18.0" {
            mlark(&[&["export", &server.url, "-o", &chosen][..], &choice].concat());
            let plan = ["plan", &server.url, "--shards", "2", "-o", &plan_of_choice];
            mlark(&[&plan[..], &choice].concat());
            divisions.extend([(2, &chosen, &planned_choice[..]), (2, &chosen, &choice)]);
        } else {
            divisions.push((4, &whole, &[]));
        }
        for (of, whole, options) in divisions {
            let parts: Vec<_> = (1..=of)
                .map(|number| path(&format!("part-{number}-{of}-{}.zip", options.len())))
                .collect();
            for (number, part) in (1..).zip(&parts) {
                let shard = format!("{number}/{of}");
                mlark(&[&["export", &server.url, "--shard", &shard, "-o", part], options].concat());
            }
            let (all, parts): (_, Vec<_>) = (
                path(&format!("all-{of}-{}.zip", options.len())),
                parts.iter().map(String::as_str).collect(),
            );
            mlark(&[&["merge"], &parts[..], &["-o", &all]].concat());
            mlark(&["diff", whole, &all]);
            assert_eq!(content_id(whole), content_id(&all), "{version} {options:?}");
        }
    }
}

/// Six runs, some with datasets of this name, digest and context.
fn runs_with_datasets(url: &str) {
    let inputs: [&[(&str, &str, &str)]; 6] = [
        &[("train", "d1", "training")],
        &[("train", "d2", "validation"), ("test", "d1", "testing")],
        &[("test", "d1", "training")],
        &[("Train", "d1", "training"), ("train", "d1", "validation")],
        &[],
        &[("tr%", "d3", "training")],
    ];
    for (number, inputs) in (0_u64..).zip(inputs) {
        let run = new_run(url)["run_id"].clone();
        let metric = json!({"run_id": run, "key": "auc", "value": number, "timestamp": 1, "step": 0});
        post(url, "runs/log-metric", &metric);
        let of_run = |(name, digest, context): &(&str, &str, &str)| {
            json!({
                "tags": [{"key": "mlflow.data.context", "value": context}],
                "dataset": {"name": name, "digest": digest, "source_type": "local", "source": "{}"},
            })
        };
        let datasets: Vec<_> = inputs.iter().map(of_run).collect();
        if !datasets.is_empty() {
            post(
                url,
                "runs/log-inputs",
                &json!({"run_id": run, "datasets": datasets}),
            );
        }
    }
}

/// Ids of the runs in an archive.
fn runs_of(out: &str) -> BTreeSet<String> {
    let archive = Archive::open(Path::new(out)).unwrap();
    let runs = archive.values(Kind::Runs).map(Result::unwrap);
    runs.map(|run| run["info"]["run_id"].as_str().unwrap().to_owned())
        .collect()
}

/// Ids of the runs that a server finds.
fn found_by(url: &str, filter: &str) -> BTreeSet<String> {
    let search = json!({"experiment_ids": ["0"], "filter": filter, "max_results": 100});
    let found = post(url, "runs/search", &search);
    let runs = found["runs"].as_array().into_iter().flatten();
    runs.map(|run| run["info"]["run_id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn clauses_about_datasets_choose_the_same_runs_as_the_server_at_every_door() {
    for venv in ["3.18.0", "2.9.2"].into_iter().filter_map(venv) {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start_of(&venv, folder.path());
        runs_with_datasets(&server.url);
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let whole = path("whole");
        mlark(&["export", &server.url, "-o", &whole]);
        let database = format!("sqlite:///{}", path("mlflow.db"));
        let filters = [
            ("datasets.name = 'train'", 3),
            ("dataset.digest = 'd1' AND datasets.context = 'validation'", 2),
            ("datasets.name = 'train' AND datasets.context = 'testing'", 1),
            ("datasets.name LIKE 'tr%'", 4),
            ("datasets.context IN ('testing', 'validation')", 2),
            ("datasets.name = 'test' AND metrics.auc > 1", 1),
            ("metrics.auc >= 3 AND datasets.digest LIKE 'd_'", 2),
        ];
        for (number, (filter, count)) in filters.iter().enumerate() {
            // Of a dataset's clause and another one MLflow makes SQL that its database refuses.
            let is_alone = !filter.contains(" AND ");
            let mut found = is_alone.then(|| found_by(&server.url, filter));
            for (door, command) in [
                (&server.url, "export"),
                (&database, "export"),
                (&whole, "transform"),
            ] {
                let out = path(&format!("{number}-{command}-{}", door.len()));
                mlark(&[command, door, "-o", &out, "--filter", filter]);
                let runs = runs_of(&out);
                assert_eq!(
                    &runs,
                    found.get_or_insert_with(|| runs.clone()),
                    "{filter} of {door}"
                );
                assert_eq!(runs.len(), *count, "{filter} of {door}");
            }
        }
    }
}
