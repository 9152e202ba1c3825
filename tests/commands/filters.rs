//! The filter of runs through every command that takes one: all of them take the runs that MLflow itself finds.

use crate::helpers::command::{mlark, shown};
use std::collections::BTreeSet;
use std::path::Path;

/// Filters, and what MLflow 3.18 answered, by the first letter of the run's id: `fixtures/filter/golden.jsonl` has them.
fn golden() -> Vec<(String, BTreeSet<String>)> {
    let text = std::fs::read_to_string("fixtures/filter/golden.jsonl").unwrap();
    let questions = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let asked = questions.filter_map(|question| {
        let filter = question["filter"].as_str()?.to_owned();
        let found: BTreeSet<_> = question["file"]
            .as_array()?
            .iter()
            .map(|id| id.as_str().unwrap().to_owned())
            .collect();
        Some((filter, found))
    });
    asked.collect()
}

/// Some of those about datasets, with an answer that is neither nothing nor everything, and some others.
fn chosen() -> Vec<(String, BTreeSet<String>)> {
    let is_telling = |(_, found): &(String, BTreeSet<String>)| !found.is_empty() && found.len() < 12;
    let (datasets, others): (Vec<_>, Vec<_>) = golden()
        .into_iter()
        .filter(is_telling)
        .partition(|(filter, _)| filter.contains("dataset"));
    assert!(datasets.len() >= 20, "{}", datasets.len());
    let few = |all: Vec<_>, count: usize| {
        let step = all.len() / count;
        all.into_iter().step_by(step).take(count).collect::<Vec<_>>()
    };
    [few(datasets, 8), few(others, 4)].concat()
}

fn letters(output: &std::process::Output) -> BTreeSet<String> {
    assert_eq!(output.status.code(), Some(0), "{}", shown(output));
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(|line| line[..1].to_owned()).collect()
}

fn stored(directory: &Path) {
    let runs = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/filter/runs.zip");
    std::fs::copy(runs, directory.join("runs.zip")).unwrap();
    for arguments in [
        vec!["restore", "runs.zip", "-o", "store"],
        vec!["convert", "runs.zip", "--to", "exim", "-o", "exim"],
    ] {
        let made = mlark(directory, &arguments);
        assert_eq!(made.status.code(), Some(0), "{}", shown(&made));
    }
}

#[test]
fn every_door_and_command_takes_the_runs_that_mlflow_finds() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    stored(at);
    let ls = |source: &str, filter: &[&str]| {
        let arguments = ["ls", source, "runs", "--columns", "run_id"];
        // An archive has what was taken; of a source deleted runs are asked for.
        let deleted: &[&str] = match source.ends_with(".db") {
            true => &["--include-deleted"],
            false => &[],
        };
        mlark(at, &[&arguments, deleted, filter].concat())
    };
    for (filter, found) in chosen() {
        let by = ["--filter", filter.as_str()];
        for source in ["runs.zip", "store/mlflow.db"] {
            assert_eq!(letters(&ls(source, &by)), found, "{source}: {filter}");
        }
        // Neither an export of a database nor an edit brings more here: no run of the fixture has a parent.
        for arguments in [
            vec![
                "export",
                "store/mlflow.db",
                "-o",
                "made",
                "--force",
                "--include-deleted",
                "--no-sync",
            ],
            vec!["transform", "runs.zip", "-o", "made", "--force", "--no-sync"],
        ] {
            let made = mlark(at, &[&arguments[..], &by].concat());
            assert_eq!(
                made.status.code(),
                Some(0),
                "{arguments:?} {filter}: {}",
                shown(&made)
            );
            assert_eq!(letters(&ls("made", &[])), found, "{arguments:?} {filter}");
        }
    }
}

#[test]
fn a_directory_of_export_import_is_filtered_as_the_archive_of_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    stored(at);
    let made = mlark(at, &["export", "exim", "-o", "whole", "--no-sync"]);
    assert_eq!(made.status.code(), Some(0), "{}", shown(&made));
    for (filter, _) in chosen() {
        let of = |source: &str| {
            let arguments = ["ls", source, "runs", "--columns", "run_id", "--filter", &filter];
            letters(&mlark(at, &arguments))
        };
        assert_eq!(of("exim"), of("whole"), "{filter}");
    }
}

#[test]
fn extract_takes_the_artifacts_of_the_runs_that_meet_a_filter() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/golden/v1.0/archive.zip");
    std::fs::copy(golden, at.join("a.zip")).unwrap();
    let ls = |filter: &[&str]| {
        let output = mlark(
            at,
            &[&["ls", "a.zip", "runs", "--columns", "run_id"], filter].concat(),
        );
        let text = String::from_utf8(output.stdout).unwrap();
        let ids = text
            .lines()
            .map(|line| line.split('\t').next().unwrap().to_owned());
        ids.collect::<BTreeSet<_>>()
    };
    let extracted = |filter: &[&str]| {
        let _ = std::fs::remove_dir_all(at.join("out"));
        let output = mlark(at, &[&["extract", "a.zip", "-o", "out"], filter].concat());
        let folders = std::fs::read_dir(at.join("out")).into_iter().flatten();
        let folders = folders.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        (output.status.code(), folders.collect::<BTreeSet<_>>())
    };
    let runs = ls(&[]);
    let (code, all) = extracted(&[]);
    assert_eq!(code, Some(0));
    let with_files: BTreeSet<_> = all.intersection(&runs).cloned().collect();
    assert!(with_files.len() >= 2, "{with_files:?}");
    for filter in [
        "datasets.name LIKE '%'",
        "status = 'FINISHED'",
        "attributes.run_id LIKE '41e%'",
    ] {
        let met = ls(&["--filter", filter]);
        assert!(!met.is_empty(), "{filter}");
        let (code, some) = extracted(&["--filter", filter]);
        let some: BTreeSet<_> = some.intersection(&runs).cloned().collect();
        let expected: BTreeSet<_> = with_files.intersection(&met).cloned().collect();
        assert_eq!(some, expected, "{filter}");
        assert_eq!(code, Some(0), "{filter}");
    }
    let refused = mlark(
        at,
        &["extract", "a.zip", "-o", "other", "--filter", "metrics.m ~ 1"],
    );
    assert_eq!(refused.status.code(), Some(2), "{}", shown(&refused));
    assert!(!at.join("other").exists());
}
