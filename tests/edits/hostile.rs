//! Archives that nobody's exporter made, with digests and seals that are right, through every edit, merge and split: what is made is
//! intact where the archive was, and has no other fault than the archive had; else nothing is made.

use crate::helpers::bytes::Bytes;
use crate::helpers::universe::{Holding, verified};
use mlark::archive::{Archive, ContainerKind, WriterOptions};
use mlark::flow::merge::split::{Every, SplitBy, SplitOptions, split};
use mlark::flow::merge::{MergeOptions, Prefer, merge};
use mlark::flow::transform::{self, Recipe, TransformOptions};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Every edit, as recipes have them.
const EDITS: &[&str] = &[
    r#"{"edit":"source-tags"}"#,
    r#"{"edit":"source-tags-beyond","kinds":["registered-models","logged-models","traces","prompts","evaluation-datasets"]}"#,
    r#"{"edit":"lineage-tags"}"#,
    r#"{"edit":"select","experiments":["t*"]}"#,
    r#"{"edit":"select","models":["credit"],"alias":"best"}"#,
    r#"{"edit":"select","latest":1}"#,
    r#"{"edit":"select","filter":"metrics.loss >= 0 AND datasets.name = 'iris'"}"#,
    r#"{"edit":"exclude","experiments":["train"]}"#,
    r#"{"edit":"exclude","models":["*"]}"#,
    r#"{"edit":"rename-experiment","names":[{"old":"*","new":"../*"}]}"#,
    r#"{"edit":"rename-model","names":[{"old":"*","new":"a/*"}]}"#,
    r#"{"edit":"rename-workspace","names":[{"old":"t*","new":"..*"}]}"#,
    r#"{"edit":"into-workspace","name":".."}"#,
    r#"{"edit":"rename-user","names":[{"old":"*","new":"x"}]}"#,
    r#"{"edit":"hash-users","key_file":"KEY"}"#,
    r#"{"edit":"move-runs","experiments":["*"],"to":"2"}"#,
    r#"{"edit":"relocate","places":[{"old":"s3://a","new":"s3://b"}]}"#,
    r#"{"edit":"set-tag","key":"a","value":"b"}"#,
    r#"{"edit":"set-tag","kind":"version","key":"a","value":"b"}"#,
    r#"{"edit":"unset-tag","key":"model"}"#,
    r#"{"edit":"rename-tag","old":"model","new":"mlflow.parentRunId"}"#,
    r#"{"edit":"drop-tag","glob":"*"}"#,
    r#"{"edit":"mask-tag","glob":"*"}"#,
    r#"{"edit":"set-param","key":"a","value":"b"}"#,
    r#"{"edit":"mask-param","glob":"*"}"#,
    r#"{"edit":"set-description","name":"*","description":"a"}"#,
    r#"{"edit":"drop-description","name":"*"}"#,
    r#"{"edit":"drop-artifact","glob":"**"}"#,
    r#"{"edit":"drop-trace-inputs"}"#,
    r#"{"edit":"mask-trace-outputs"}"#,
    r#"{"edit":"erase-places","places":[{"kind":"runs","id":"r1","erase":"mask","key":["tags","model"]}]}"#,
];

/// A name, and what is done to the archive's lines: the kind of a line, and the line.
type Forge = (&'static str, fn(&str, Value) -> Vec<Value>);

/// Sets a value at a place of the lines of a kind.
fn at(kind: &str, of: &str, mut line: Value, place: &str, value: Value) -> Vec<Value> {
    if kind == of
        && let Some(old) = line.pointer_mut(place)
    {
        *old = value;
    }
    vec![line]
}

fn with(kind: &str, of: &str, mut line: Value, field: &str, value: Value) -> Vec<Value> {
    if kind == of {
        line[field] = value;
    }
    vec![line]
}

fn replaced(line: &Value, old: &str, new: &str) -> Vec<Value> {
    vec![serde_json::from_str(&line.to_string().replace(old, new)).unwrap()]
}

const FORGES: &[Forge] = &[
    ("nothing", |_, line| vec![line]),
    ("a run is called ..", |_, line| {
        replaced(&line, "\"r1\"", "\"../../evil\"")
    }),
    ("a model is called ..", |_, line| replaced(&line, "credit", "..")),
    ("an experiment has the id ..", |_, line| {
        replaced(&line, "\"x\"", "\"../x\"")
    }),
    ("a run is there twice", |kind, line| match kind {
        "runs" => vec![line.clone(), line],
        _ => vec![line],
    }),
    (
        "a run is there twice with other content",
        |kind, line| match kind {
            "runs" => {
                let mut other = line.clone();
                other["params"] = json!({"other": "1"});
                vec![line, other]
            }
            _ => vec![line],
        },
    ),
    ("a run is in two experiments", |kind, line| match kind {
        "runs" if line["info"]["experiment_id"] == "0" => {
            let mut other = line.clone();
            other["info"]["experiment_id"] = "00".into();
            vec![line, other]
        }
        _ => vec![line],
    }),
    ("models are there twice", |kind, line| match kind {
        "registered-models" | "model-versions" => vec![line.clone(), line],
        _ => vec![line],
    }),
    ("experiments have one name", |kind, line| {
        with(kind, "experiments", line, "name", "same".into())
    }),
    ("experiments have no name", |kind, line| {
        with(kind, "experiments", line, "name", "".into())
    }),
    ("models have no name", |_, line| replaced(&line, "\"credit", "\"")),
    ("runs are gone", |kind, line| match kind {
        "runs" => Vec::new(),
        _ => vec![line],
    }),
    ("a run is gone", |kind, line| match kind {
        "runs" if line["info"]["run_id"] == "r1" => Vec::new(),
        _ => vec![line],
    }),
    ("owners are gone", |kind, line| match kind {
        "traces" | "logged-models" | "model-versions" | "evaluation-datasets" => Vec::new(),
        _ => vec![line],
    }),
    ("experiments and datasets are gone", |kind, line| match kind {
        "experiments" | "datasets" | "registered-models" | "workspaces" => Vec::new(),
        _ => vec![line],
    }),
    ("artifacts are of another kind", |kind, line| {
        with(kind, "artifacts", line, "owner_kind", "trace".into())
    }),
    ("artifacts are of no kind", |kind, line| {
        with(kind, "artifacts", line, "owner_kind", "planet".into())
    }),
    ("an owner is a number", |kind, line| {
        with(kind, "metrics", line, "run_id", 5.into())
    }),
    ("an id is a list", |kind, line| {
        at(kind, "runs", line, "/info/experiment_id", json!(["0"]))
    }),
    ("tags are a list", |kind, line| {
        with(kind, "runs", line, "tags", json!([]))
    }),
    ("tags are numbers", |kind, line| {
        with(kind, "runs", line, "tags", json!({"mlflow.parentRunId": 5}))
    }),
    ("names are objects", |kind, line| {
        with(kind, "experiments", line, "name", json!({"$blob": 5}))
    }),
    ("names are blobs that are not there", |kind, line| {
        let blob = json!({"$blob": {"sha256": "0".repeat(64), "size_bytes": 1_u64 << 40}});
        with(kind, "experiments", line, "name", blob)
    }),
    ("params are no bytes", |kind, line| {
        with(kind, "runs", line, "params", json!({"p": {"$bytes": "?"}}))
    }),
    ("times are at the ends of numbers", |kind, line| match kind {
        "runs" => at(kind, "runs", line, "/info/start_time", i64::MIN.into()),
        _ => at(kind, "traces", line, "/request_time", i64::MAX.into()),
    }),
    ("ends are before all times", |kind, line| {
        at(kind, "runs", line, "/info/end_time", i64::MIN.into())
    }),
    ("versions are as large as can be", |kind, line| {
        with(kind, "model-versions", line, "version", u64::MAX.into())
    }),
    ("versions are below zero", |kind, line| {
        with(kind, "model-versions", line, "version", (-1).into())
    }),
    ("aliases lead to no version", |kind, line| {
        with(
            kind,
            "registered-models",
            line,
            "aliases",
            json!({"best": u64::MAX, "x": 0}),
        )
    }),
    ("aliases are texts", |kind, line| {
        with(kind, "registered-models", line, "aliases", json!({"best": "1"}))
    }),
    ("sizes are as large as can be", |kind, line| {
        at(kind, "artifacts", line, "/files/0/size_bytes", u64::MAX.into())
    }),
    ("paths lead outside", |kind, line| {
        at(kind, "artifacts", line, "/files/0/path", "../../evil".into())
    }),
    ("runs are their own parents", |kind, line| match kind {
        "runs" => {
            let id = line["info"]["run_id"].clone();
            with(kind, "runs", line, "tags", json!({"mlflow.parentRunId": id}))
        }
        _ => vec![line],
    }),
    ("parents go round", |kind, line| match kind {
        "runs" => {
            let number: u64 = line["info"]["run_id"].as_str().unwrap()[1..].parse().unwrap();
            let parent = format!("r{}", (number + 1) % 6);
            with(kind, "runs", line, "tags", json!({"mlflow.parentRunId": parent}))
        }
        _ => vec![line],
    }),
    ("a run reads a dataset that is not there", |kind, line| {
        let inputs = json!({"dataset_inputs": [{"digest": "none", "name": "none", "tags": {}}]});
        with(kind, "runs", line, "inputs", inputs)
    }),
    ("models read and made go round", |kind, line| match kind {
        "runs" => {
            let models = json!({"model_inputs": [{"model_id": "m-0"}, {"model_id": "m-99"}]});
            with(kind, "runs", line, "inputs", models)
        }
        _ => with(kind, "logged-models", line, "source_run_id", "r0".into()),
    }),
    ("versions come from themselves", |kind, line| {
        with(kind, "model-versions", line, "source", "models:/credit/1".into())
    }),
    ("sources are no references", |kind, line| {
        with(kind, "model-versions", line, "source", "models:/@/".into())
    }),
    ("links are no versions", |kind, line| {
        with(
            kind,
            "traces",
            line,
            "linked_prompts",
            json!(["", "/", "a/b/c", "credit/x"]),
        )
    }),
    ("datasets are of no experiment", |kind, line| {
        with(
            kind,
            "evaluation-datasets",
            line,
            "experiment_ids",
            json!(["2", "1", "1", "../"]),
        )
    }),
    ("columns have other lengths", |kind, line| {
        with(kind, "metrics", line, "values", json!([1.0, "NaN", 5]))
    }),
    ("latest metrics are none", |kind, line| {
        with(kind, "runs", line, "metrics", json!({"loss": null}))
    }),
    ("an export that is no JSON", |kind, line| {
        with(kind, "runs", line, "exim", "{".into())
    }),
    ("an export is nested without end", |kind, line| {
        with(kind, "experiments", line, "exim", "[".repeat(10_000).into())
    }),
    ("lines are no objects", |kind, _| match kind {
        "scorers" | "datasets" => vec![json!([1, 2])],
        _ => vec![json!(5)],
    }),
];

/// A name, and what is done to the manifest.
type ForgeManifest = (&'static str, fn(&mut Value));

/// Changes of a manifest alone.
const MANIFESTS: &[ForgeManifest] = &[
    ("it lost more than there can be", |manifest| {
        let lost = json!({"kind": "runs", "field": "*", "reason": "deleted", "count": u64::MAX});
        let other = json!({"kind": "runs", "field": "*", "reason": "not-selected", "count": u64::MAX});
        manifest["selection"]["left_out"] = json!([lost, other]);
    }),
    ("it is one of very many parts", |manifest| {
        manifest["part"] = json!({"number": u64::MAX, "of": u64::MAX, "whole": manifest["content_id"]});
        manifest["format"]["minor"] = 1.into();
    }),
    ("it has origins that are not there", |manifest| {
        manifest["origins"] = json!({"further": [{"origin": "..", "content_id": "x"}]});
        manifest["format"]["minor"] = 1.into();
    }),
    ("it has a history of nothing", |manifest| {
        manifest["history"] = json!([{"name": "merge", "parameters": {}, "tool": {"name": "", "version": ""},
            "time": "never", "parent_content_id": "0".repeat(64), "counts": {}}]);
    }),
    ("its totals are as large as can be", |manifest| {
        for total in manifest["totals"].as_object_mut().unwrap().values_mut() {
            *total = u64::MAX.into();
        }
    }),
];

fn forged(good: &Bytes, forge: fn(&str, Value) -> Vec<Value>) -> Bytes {
    let mut forged = good.clone();
    for entry in &mut forged.entries {
        let Some(name) = entry.name.strip_prefix("objects/") else {
            continue;
        };
        let kind = name.rsplit_once('-').unwrap().0.to_owned();
        let lines = entry
            .bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        let lines = lines.flat_map(|line| forge(&kind, serde_json::from_slice(line).unwrap()));
        let lines: Vec<_> = lines.map(|line| format!("{line}\n")).collect();
        entry.bytes = lines.concat().into_bytes();
    }
    forged.reseal();
    forged
}

/// What `verify` finds wrong, by its codes.
fn faults(path: &Path) -> BTreeSet<&'static str> {
    let report = verified(path);
    let errors = report
        .findings
        .iter()
        .filter(|finding| finding.severity == mlark::archive::verify::Severity::Error);
    let codes: BTreeSet<_> = errors.map(|finding| finding.code.as_str()).collect();
    assert_eq!(report.is_intact(), codes.is_empty());
    codes
}

struct Place {
    folder: tempfile::TempDir,
    good: Bytes,
    /// What was made and has faults that what it was made from had not, and what failed otherwise than it should.
    wrong: Vec<String>,
    made: usize,
    refused: usize,
    /// Each archive takes its turn with some of the edits, merges and splits, so that all meet many and no run of the tests takes long.
    turn: usize,
    turns: usize,
}

impl Place {
    /// With a good archive, and another to be forged or that lost something.
    fn new(good: Holding, forged: Holding, turns: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        good.build(&path("good"));
        std::fs::write(path("key"), "a key of more than sixteen bytes").unwrap();
        forged.build(&path("forged"));
        Place {
            good: Bytes::read(&path("forged")),
            folder,
            wrong: Vec::new(),
            made: 0,
            refused: 0,
            turn: 0,
            turns,
        }
    }

    /// What an archive has its turn with.
    fn turn_of<T>(&self, all: impl IntoIterator<Item = T>, turns: usize) -> Vec<T> {
        let turns = turns.min(self.turns);
        all.into_iter().skip(self.turn % turns).step_by(turns).collect()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Judges what came out; `known` are the faults of what went in.
    fn judge(&mut self, what: &str, known: &BTreeSet<&'static str>, error: Option<String>) {
        let out = self.path("out");
        match error {
            None => {
                self.made += 1;
                let parts: Vec<PathBuf> = match out.join("mlark.json").exists() {
                    true => vec![out.clone()],
                    false => std::fs::read_dir(&out)
                        .unwrap()
                        .map(|entry| entry.unwrap().path())
                        .collect(),
                };
                for part in parts {
                    let found = faults(&part);
                    if !found.is_subset(known) {
                        let report = verified(&part);
                        let first = report
                            .findings
                            .iter()
                            .find(|finding| !known.contains(finding.code.as_str()));
                        self.wrong
                            .push(format!("{what}: {found:?}, of the input {known:?}: {first:?}"));
                    }
                }
            }
            Some(error) => {
                self.refused += 1;
                if out.exists() || error.is_empty() {
                    self.wrong.push(format!("{what}: something is left: {error}"));
                }
                // An archive without a fault may be refused for what an edit needs, never as damaged.
                if known.is_empty() && error.contains("damaged") {
                    self.wrong.push(format!("{what}: {error}"));
                }
            }
        }
        let _ = std::fs::remove_dir_all(&out);
        let beside: BTreeSet<_> = std::fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let expected = ["forged", "good", "key"].map(str::to_owned).into();
        assert_eq!(beside, expected, "{what}");
    }

    fn edit(&mut self, what: &str, archive: &Archive, known: &BTreeSet<&'static str>) {
        let writer = WriterOptions {
            no_sync: true,
            threads: 1,
            ..WriterOptions::default()
        };
        let options = TransformOptions { writer, copy: false };
        for edit in self.turn_of(EDITS, 5) {
            let key = json!(self.path("key")).to_string();
            let text = format!(r#"{{"edits":[{edit}]}}"#).replace("\"KEY\"", &key);
            let recipe = Recipe::parse(text.as_bytes()).unwrap();
            let made = transform::apply(archive, &recipe, &self.path("out"), &options);
            let error = made.err().map(|error| error.to_string());
            self.judge(&format!("{what}, {edit}"), known, error);
        }
    }

    fn merge(&mut self, what: &str, archive: &Archive, known: &BTreeSet<&'static str>) {
        let good = Archive::open(&self.path("good")).unwrap();
        let ways = [
            (vec![archive.clone()], Prefer::Fail, false),
            (vec![archive.clone(), archive.clone()], Prefer::Newer, false),
            (vec![archive.clone(), good.clone()], Prefer::First, true),
            (vec![good, archive.clone()], Prefer::Newer, false),
        ];
        for (inputs, prefer, joins) in self.turn_of(ways, 2) {
            let options = MergeOptions {
                writer: WriterOptions {
                    no_sync: true,
                    threads: 1,
                    ..WriterOptions::default()
                },
                prefer,
                join_experiments: joins,
                join_models: joins,
                ..MergeOptions::default()
            };
            let made = merge(&inputs, Some(&self.path("out")), &options);
            let error = made.err().map(|error| error.to_string());
            self.judge(
                &format!("{what}, merge {} {prefer:?}", inputs.len()),
                known,
                error,
            );
        }
    }

    fn split(&mut self, what: &str, archive: &Archive, known: &BTreeSet<&'static str>) {
        let ways = [
            SplitBy::Experiment,
            SplitBy::Workspace,
            SplitBy::Size(2_000),
            SplitBy::Time(Every::Day),
        ];
        for by in self.turn_of(ways, 2) {
            let options = SplitOptions {
                writer: WriterOptions {
                    no_sync: true,
                    threads: 1,
                    container: Some(ContainerKind::Directory),
                    ..WriterOptions::default()
                },
                copy: false,
            };
            let made = split(archive, &self.path("out"), by, &options);
            let error = made.err().map(|error| error.to_string());
            self.judge(&format!("{what}, split {by:?}"), known, error);
        }
    }
}

/// What makes a forged archive of a good one.
type Forging = Box<dyn Fn(&Bytes) -> Bytes>;

fn try_all(good: Holding, forges: &[(String, Forging)]) {
    let other = Holding {
        origin: "there",
        changed: 7,
        ..Holding::of(0b101_0011)
    };
    let mut place = Place::new(other, good, 5);
    for (what, forge) in forges {
        let path = place.path("forged");
        std::fs::remove_dir_all(&path).unwrap();
        forge(&place.good).write(&path, ContainerKind::Directory);
        let known = faults(&path);
        // What cannot be opened reaches no edit.
        let Ok(archive) = Archive::open(&path) else {
            continue;
        };
        place.edit(what, &archive, &known);
        place.merge(what, &archive, &known);
        place.split(what, &archive, &known);
        place.turn += 1;
    }
    assert!(place.made > 10, "{} {}", place.made, place.refused);
    assert!(
        place.wrong.is_empty(),
        "{} are wrong:\n{}",
        place.wrong.len(),
        place.wrong.join("\n")
    );
}

#[test]
fn forged_lines_reach_no_output_that_is_less_whole_than_they_are() {
    let forges: Vec<_> = FORGES
        .iter()
        .map(|(what, forge)| {
            let forge: Forging = Box::new(move |good| forged(good, *forge));
            ((*what).to_owned(), forge)
        })
        .collect();
    try_all(Holding::of(0b11_1111), &forges);
}

#[test]
fn forged_manifests_reach_no_output_that_is_less_whole_than_they_are() {
    let forges: Vec<_> = MANIFESTS
        .iter()
        .map(|(what, forge)| {
            let forge: Forging = Box::new(move |good| {
                let mut forged = good.clone();
                forged.edit_manifest(forge);
                forged
            });
            ((*what).to_owned(), forge)
        })
        .collect();
    try_all(Holding::of(0b11_1111), &forges);
}

/// What an export left out, as its manifest says, is no damage: every edit and merge goes on with it.
#[test]
fn an_archive_that_lost_objects_and_says_so_is_edited_merged_and_split() {
    let lossy = Holding {
        lost: 0b01_0110,
        ..Holding::of(0b11_1111)
    };
    try_lossy(lossy, 1);
    for place in 0..5 {
        let one_kind = Holding {
            lost: u64::MAX,
            lost_kinds: 1 << place,
            ..Holding::of(0b11_1111)
        };
        try_lossy(one_kind, 5);
    }
}

fn try_lossy(lossy: Holding, turns: usize) {
    let mut place = Place::new(Holding::of(0b101_0011), lossy, turns);
    let path = place.path("forged");
    let known = faults(&path);
    assert!(known.is_empty(), "{known:?}");
    let archive = Archive::open(&path).unwrap();
    place.edit("lossy", &archive, &known);
    place.merge("lossy", &archive, &known);
    place.split("lossy", &archive, &known);
    assert!(place.made >= 8, "{}", place.made);
    assert!(
        place.wrong.is_empty(),
        "{} are wrong:\n{}",
        place.wrong.len(),
        place.wrong.join("\n")
    );
}
