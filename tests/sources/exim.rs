//! Real exports of mlflow-export-import (`fixtures/exim-*`), from the folder to the source tags.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use mlark::archive::Archive;
use mlark::flow::export::ExportOptions;
use mlark::flow::transform::{TransformOptions, source_tags};
use mlark::format::{Kind, LossClass};
use mlark::internals::{PyJson, exim};
use mlark::model::{Experiment, ModelVersion, Run, TextMap};
use mlark::monitor::Silent;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// Every export among the fixtures.
const EXPORTS: &[&str] = &[
    "exim-1.30.1/all",
    "exim-1.30.1/bulk-experiments",
    "exim-1.30.1/bulk-models",
    "exim-1.30.1/experiment",
    "exim-1.30.1/model",
    "exim-2.9.2/all",
    "exim-2.9.2/bulk-experiments",
    "exim-2.9.2/bulk-models",
    "exim-2.9.2/experiment",
    "exim-2.9.2/model",
    "exim-3.18.0/all",
    "exim-3.18.0/bulk-experiments",
    "exim-3.18.0/bulk-models",
    "exim-3.18.0/experiment",
    "exim-3.18.0/format-1",
    "exim-3.18.0/model",
    "exim-3.18.0/new-layout/all",
];

fn export(fixture: &str, out: &Path) -> Archive {
    let mut options = ExportOptions {
        keep_going: true,
        ..ExportOptions::default()
    };
    options.writer.no_sync = true;
    let source = fixtures().join(fixture);
    exim::read::export(source.to_str().unwrap(), out, options, &Silent).unwrap();
    Archive::open(out).unwrap()
}

fn lines(archive: &Archive, kind: Kind) -> Vec<Value> {
    archive.values(kind).map(Result::unwrap).collect()
}

#[test]
fn every_export_among_the_fixtures_is_listed_here_and_known_as_one() {
    let mut found = Vec::new();
    for entry in fs::read_dir(fixtures()).unwrap() {
        let version = entry.unwrap().file_name().into_string().unwrap();
        if version.starts_with("exim-") {
            for entry in fs::read_dir(fixtures().join(&version)).unwrap() {
                found.push(format!(
                    "{version}/{}",
                    entry.unwrap().file_name().into_string().unwrap()
                ));
            }
        }
    }
    found.sort();
    let listed: Vec<_> = EXPORTS
        .iter()
        .map(|path| path.split('/').take(2).collect::<Vec<_>>().join("/"))
        .collect();
    assert_eq!(found, listed);
    for fixture in EXPORTS {
        assert!(
            exim::read::looks_like_exim(&fixtures().join(fixture)),
            "{fixture}"
        );
    }
    assert!(!exim::read::looks_like_exim(
        &fixtures().join("filestore-3.18.0/mlruns")
    ));
}

#[test]
fn exports_hold_what_the_exporter_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut table = String::new();
    for (number, fixture) in EXPORTS.iter().enumerate() {
        let archive = export(fixture, &folder.path().join(number.to_string()));
        let manifest = archive.manifest();
        let counts = manifest.counts.iter().filter(|(_, count)| **count > 0);
        let counts: Vec<_> = counts.map(|(kind, count)| format!("{kind} {count}")).collect();
        table += &format!(
            "{fixture}: {}, points {}\n",
            counts.join(", "),
            manifest.totals.metric_points
        );
        let losses = [
            (LossClass::Limit, &manifest.losses.limits),
            (LossClass::Failure, &manifest.losses.failures),
        ];
        for (class, losses) in losses {
            for loss in losses {
                table += &format!(
                    "  {class:?} {} {} {} {}\n",
                    loss.count, loss.kind, loss.field, loss.reason
                );
            }
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn one_experiment_exported_alone_and_in_bulk_has_the_same_lines() {
    let folder = tempfile::tempdir().unwrap();
    let alone = export("exim-3.18.0/experiment", &folder.path().join("alone"));
    for bulk in ["exim-3.18.0/all", "exim-3.18.0/bulk-experiments"] {
        let bulk = export(bulk, &folder.path().join(bulk.replace('/', "-")));
        let all = lines(&bulk, Kind::Runs);
        let runs = lines(&alone, Kind::Runs);
        assert!(!runs.is_empty() && runs.iter().all(|run| all.contains(run)));
        let all = lines(&bulk, Kind::Metrics);
        assert!(
            lines(&alone, Kind::Metrics)
                .iter()
                .all(|slice| all.contains(slice))
        );
    }
}

#[test]
fn only_the_versions_whose_aliases_were_not_exported_keep_their_dict_in_an_export_of_3_18() {
    let folder = tempfile::tempdir().unwrap();
    let archive = export("exim-3.18.0/all", &folder.path().join("all"));
    assert!(
        lines(&archive, Kind::Runs)
            .iter()
            .all(|run| run.get("exim").is_none())
    );
    assert!(
        lines(&archive, Kind::Experiments)
            .iter()
            .all(|line| line.get("exim").is_none())
    );
    let versions = lines(&archive, Kind::ModelVersions);
    let kept = versions
        .iter()
        .filter(|version| version.get("exim").is_some())
        .count();
    assert_eq!((versions.len(), kept), (4, 2));
}

/// Tags by kind and id, after the transform.
fn injected(fixture: &str, folder: &Path) -> BTreeMap<(String, String), TextMap> {
    let archive = export(fixture, &folder.join("in"));
    source_tags::inject(&archive, &folder.join("out"), &TransformOptions::default()).unwrap();
    let archive = Archive::open(&folder.join("out")).unwrap();
    let key = |kind: &str, id: String| (kind.to_owned(), id);
    let mut tags = BTreeMap::new();
    for experiment in archive.objects::<Experiment>() {
        let experiment = experiment.unwrap();
        tags.insert(key("experiment", experiment.experiment_id), experiment.tags);
    }
    for run in archive.objects::<Run>() {
        let run = run.unwrap();
        tags.insert(key("run", run.info.run_id), run.tags);
    }
    for version in archive.objects::<ModelVersion>() {
        let version = version.unwrap();
        tags.insert(
            key("model_version", format!("{}/{}", version.name, version.version)),
            version.tags,
        );
    }
    tags
}

/// Kind and id of a golden case.
fn golden_key(case: &Value) -> (String, String) {
    let input = PyJson::parse(case["input_text"].as_str().unwrap().as_bytes()).unwrap();
    let kind = case["kind"].as_str().unwrap();
    let text = |dict: &PyJson, key: &str| dict.get(key).unwrap().py_str();
    let id = match kind {
        "experiment" => text(&input, "experiment_id"),
        "run" => text(input.get("info").unwrap(), "run_id"),
        _ => format!("{}/{}", text(&input, "name"), text(&input, "version")),
    };
    (kind.to_owned(), id)
}

#[test]
fn source_tags_injected_into_an_export_are_those_the_importer_would_send() {
    for (fixture, golden) in [
        ("exim-2.9.2/all", "exim-2.9.2-all.json"),
        ("exim-3.18.0/all", "exim-3.18.0-all.json"),
        ("exim-3.18.0/new-layout/all", "exim-3.18.0-new-layout-all.json"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let injected = injected(fixture, folder.path());
        let text = fs::read_to_string(fixtures().join("source-tags").join(golden)).unwrap();
        let cases: Vec<Value> = serde_json::from_str(&text).unwrap();
        assert!(cases.len() > 30, "{golden}");
        for case in &cases {
            let pairs = case["expected"].as_array().unwrap().iter();
            let expected: TextMap = pairs
                .map(|pair| {
                    (
                        pair[0].as_str().unwrap().to_owned(),
                        pair[1].as_str().unwrap().into(),
                    )
                })
                .collect();
            assert_eq!(
                injected.get(&golden_key(case)),
                Some(&expected),
                "{fixture} {}",
                case["name"]
            );
        }
    }
}
