//! Looking at runs in the terminal: lists of metrics, small curves, runs side by side.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use crate::helpers::{command, common};
use common::{History, RUN_A, RUN_B, point};
use mlark::model::{Double, LatestMetric};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// Two runs with curves, which differ in a param and in a tag that one of them has.
fn written(directory: &Path) {
    let mut history = History::new();
    let losses = (0..500).map(|step| point(step, step, 1.0 / (1.0 + step as f64 / 50.0)));
    history
        .metrics
        .push((RUN_B.into(), "loss".into(), losses.collect()));
    history.metrics.push((
        RUN_B.into(),
        "odd".into(),
        vec![
            point(0, 0, f64::NAN),
            point(1, 1, -0.0),
            point(2, 2, f64::INFINITY),
            point(3, 3, 8.0),
        ],
    ));
    history.runs[1].params.insert("lr".into(), "0.2".into());
    let latest = LatestMetric {
        timestamp: 0,
        step: 3,
        value: Double(f64::NAN),
    };
    history.runs[1].metrics.insert("loss".into(), latest);
    history.write(&directory.join("a"));
}

fn shown(directory: &Path, args: &[&str], language: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mlark"));
    let command = command.current_dir(directory).args(args).env_clear();
    command::shown(&command.env("LANG", language).output().unwrap())
}

#[test]
fn a_run_is_shown_by_its_name_with_small_curves() {
    let directory = tempfile::tempdir().unwrap();
    written(directory.path());
    let history = |text: String| {
        let (_, history) = text.split_once("metric history\n").unwrap();
        history.split_once("artifacts").unwrap().0.to_owned()
    };
    let by_name = shown(directory.path(), &["show", "a", "child"], "en_US.UTF-8");
    assert!(by_name.starts_with(&format!("run {RUN_B}\n")), "{by_name}");
    assert_eq!(by_name, shown(directory.path(), &["show", "a", "bbbb"], "C.utf8"));
    insta::assert_snapshot!(history(by_name), @r"
    loss  500 points, 1.0 to 0.09107468123861566, min 0.09107468123861566, max 1.0  █▆▅▄▄▃▃▃▃▂▂▂▂▂▂▂▂▂▁▁▁▁▁▁▁▁▁▁▁▁▁▁
    odd   4 points, NaN to 8.0, min -0.0, max Infinity  ?▁?█
    ");
    insta::assert_snapshot!(history(shown(directory.path(), &["show", "a", "child"], "C")), @r"
    loss  500 points, 1.0 to 0.09107468123861566, min 0.09107468123861566, max 1.0  #=~--,,,,.........______________
    odd   4 points, NaN to 8.0, min -0.0, max Infinity  ?_?#
    ");
    // Names of other kinds go before those of runs.
    let forest = shown(directory.path(), &["show", "a", "forest"], "C");
    assert!(forest.starts_with("logged model m-"), "{forest}");
    let run = shown(directory.path(), &["show", "a", "forest", "--kind", "runs"], "C");
    assert!(run.starts_with(&format!("run {RUN_A}\n")), "{run}");
    let json = shown(directory.path(), &["show", "a", "child", "--json"], "en_US.UTF-8");
    assert!(!json.contains('▁'), "{json}");
}

#[test]
fn metrics_are_listed_a_row_a_series() {
    let directory = tempfile::tempdir().unwrap();
    written(directory.path());
    let list = |args: &[&str]| {
        let args = [&["ls", "a", "metrics"], args].concat();
        command::shown(&command::mlark(directory.path(), &args)).replace('\t', " | ")
    };
    insta::assert_snapshot!(list(&[]), @r"
    aaaa1111bbbb2222cccc3333dddd4444 | auc | 1 | NaN |  |  | NaN | 0 | 0
    aaaa1111bbbb2222cccc3333dddd4444 | loss | 12 | 0.08333333333333333 | 0.08333333333333333 | 1.0 | 1.0 | 0 | 11
    bbbb1111bbbb2222cccc3333dddd4444 | loss | 500 | 0.09107468123861566 | 0.09107468123861566 | 1.0 | 1.0 | 0 | 499
    bbbb1111bbbb2222cccc3333dddd4444 | odd | 4 | 8.0 | -0.0 | Infinity | NaN | 0 | 3
    exit 0
    ");
    insta::assert_snapshot!(list(&["--filter", "params.lr = '0.2'", "--json"]), @r#"
    {"first":1.0,"first_step":0,"key":"loss","last":0.09107468123861566,"last_step":499,"max":1.0,"min":0.09107468123861566,"points":500,"run_id":"bbbb1111bbbb2222cccc3333dddd4444"}
    {"first":"NaN","first_step":0,"key":"odd","last":8.0,"last_step":3,"max":"Infinity","min":-0.0,"points":4,"run_id":"bbbb1111bbbb2222cccc3333dddd4444"}
    exit 0
    "#);
    assert_eq!(list(&["--experiment", "training"]), list(&[]));
    assert_eq!(list(&["--run", "aaaa"]).lines().count(), 3);
    assert!(list(&["--experiment", "Default"]).contains("no metrics match all the options"));
    assert!(list(&["--model", "churn"]).contains("`metrics` cannot be listed by model"));
    let store = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/filestore-3.18.0/mlruns");
    let refused = command::mlark(directory.path(), &["ls", store.to_str().unwrap(), "metrics"]);
    assert!(command::shown(&refused).contains("hint: make an archive with `mlark export`"));
}

#[test]
fn runs_are_compared_with_what_differs_first() {
    let directory = tempfile::tempdir().unwrap();
    written(directory.path());
    let compared = |args: &[&str]| {
        let args = [&["compare", "a"], args].concat();
        command::shown(&command::mlark(directory.path(), &args)).replace('\t', " | ")
    };
    insta::assert_snapshot!(compared(&["aaaa", "child"]), @r#"
    differs | params.bytes |  | {"$bytes":"/wA="}
    differs | params.lr | 0.1 | 0.2
    differs | metrics.loss | 0.08333333333333333 | NaN
    differs | datasets.train | 9d1f | 
    differs | tags.mlflow.parentRunId |  | aaaa1111bbbb2222cccc3333dddd4444
    differs | tags.mlflow.runName | forest | child
    differs | info.end_time | 2022-12-12T09:08:35.960Z | 
    differs | info.run_name | forest | child
    differs | info.start_time | 2022-12-12T09:07:35.960Z | 2022-12-12T09:07:35.965Z
    differs | info.status | FINISHED | RUNNING
    same | params.note | two\nlines\u{1b}[31m | two\nlines\u{1b}[31m
    same | tags.mlflow.user | ana | ana
    same | info.experiment_id | 1 | 1
    same | info.lifecycle_stage | active | active
    same | info.user_id | ana | ana
    exit 0
    "#);
    assert!(!compared(&["aaaa", "child", "--different"]).contains("same"));
    insta::assert_snapshot!(compared(&["aaaa", RUN_A]), @r"
    error: `aaaa1111bbbb2222cccc3333dddd4444` is run aaaa1111bbbb2222cccc3333dddd4444, which was already named
    exit 2
    ");
    insta::assert_snapshot!(compared(&["aaaa", "nobody"]), @r"
    error: no object `nobody` in the archive
    hint: `mlark ls ARCHIVE` shows what is there
    exit 2
    ");
    assert!(compared(&["aaaa"]).contains("RUN"));
    let document = compared(&["child", "aaaa", "--json"]);
    let document: Value = serde_json::from_str(document.trim_end_matches("exit 0")).unwrap();
    assert_eq!(
        document["runs"][0],
        json!({"experiment_id": "1", "name": "child", "run_id": RUN_B})
    );
    let rows = document["rows"].as_array().unwrap();
    let loss = rows.iter().find(|row| row["key"] == "loss").unwrap();
    assert_eq!(loss["values"], json!(["NaN", 1.0 / 12.0]));
    assert!(
        rows.iter()
            .map(|row| !row["differs"].as_bool().unwrap())
            .is_sorted()
    );
}
