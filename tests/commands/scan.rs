//! `mlark scan`: what real MLflow writes has no secret in it; what is planted is found at its place, and repeated nowhere.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use crate::helpers::{bytes, command, common};
use bytes::Bytes;
use command::mlark;
use common::History;
use mlark::Archive;
use mlark::archive::ContainerKind;
use mlark::internals::{ScanOptions, ScanReport, scan};
use mlark::model::{OwnerKind, Text};
use mlark::monitor::Silent;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

fn scanned(path: &Path) -> ScanReport {
    scan(&Archive::open(path).unwrap(), &ScanOptions::default(), &Silent).unwrap()
}

/// Everything in `fixtures` that is a source or an archive.
fn fixtures() -> (Vec<PathBuf>, Vec<PathBuf>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let (mut sources, mut archives) = (Vec::new(), Vec::new());
    for fixture in fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()) {
        let name = fixture.file_name().unwrap().to_str().unwrap().to_owned();
        let inside = |path: &Path| {
            fs::read_dir(path)
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .collect::<Vec<_>>()
        };
        if name.starts_with("filestore-") {
            sources.push(fixture.join("mlruns"));
        } else if name.starts_with("exim-") {
            sources.extend(inside(&fixture));
        } else if name.starts_with("sql-") {
            let is_database = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "db");
            sources.extend(inside(&fixture).into_iter().filter(is_database));
        } else if name == "golden" {
            archives.extend(
                inside(&fixture.join("v1.0"))
                    .into_iter()
                    .filter(|path| Archive::open(path).is_ok()),
            );
        } else if name == "filter" {
            archives.push(fixture.join("runs.zip"));
        }
    }
    (sources, archives)
}

#[test]
fn what_real_mlflow_wrote_has_no_secret_in_it() {
    let directory = tempfile::tempdir().unwrap();
    let (sources, archives) = fixtures();
    let mut scans = 0;
    let mut assert_clean = |path: &Path, what: &Path| {
        let report = scanned(path);
        assert_eq!(report.found, [], "{}", what.display());
        scans += usize::from(report.lines > 0);
    };
    for (number, source) in sources.iter().enumerate() {
        let out = directory.path().join(number.to_string());
        let args = [
            "export",
            source.to_str().unwrap(),
            "-o",
            out.to_str().unwrap(),
            "--keep-going",
            "--include-deleted",
        ];
        let output = mlark(directory.path(), &args);
        if Archive::open(&out).is_ok() {
            assert_clean(&out, source);
        } else {
            assert!(!source.ends_with("mlruns"), "{}", command::shown(&output));
        }
    }
    archives.iter().for_each(|archive| assert_clean(archive, archive));
    assert!(scans >= 20, "{scans} archives were scanned");
}

/// A token that nobody has: not written here as a whole.
fn token(prefix: &str, number: usize) -> String {
    format!("{prefix}{number:02}{}", "aZ3bY4cX5dW6eV7fU8gT9hS0iR1jQ2kP3l")
}

/// Secrets and the places at which they are planted.
fn planted() -> (History, Vec<(String, &'static str)>) {
    let mut history = History::new();
    let secrets: Vec<String> = (0..16).map(|number| token("ghp_", number)).collect();
    let secret = |number: usize| secrets[number].clone();
    history.experiments[0]
        .tags
        .insert("team.note".into(), format!("use {}", secret(0)).as_str().into());
    history.experiments[0].exim =
        Some(json!({"tags": {"x": json!({"t": secret(1)}).to_string()}}).to_string());
    history.runs[0]
        .params
        .insert("x".into(), secret(2).as_str().into());
    history.runs[1].params.insert(
        "raw".into(),
        Text::from_bytes([secret(3).as_bytes(), b" \xff"].concat()),
    );
    history.datasets[0].source = Some(json!({"uri": format!("https://me:{}@host/x", secret(4))}).to_string());
    history.logged_models[0]
        .params
        .insert("x".into(), secret(5).as_str().into());
    history.registered_models[0].description = Some(secret(6));
    history.model_versions[0].description = Some(secret(7));
    history.traces[0].request_preview = Some(secret(8));
    history.traces[0].assessments[0].rationale = Some(secret(9));
    history.spans[0].attributes.insert(
        "mlflow.spanInputs".into(),
        json!({"headers": [{"Authorization": format!("Bearer {}", secret(10))}]}),
    );
    history.records[0].inputs = Some(json!({"q": secret(11)}));
    history.scorers[0].serialized_scorer =
        Some(json!({"code": format!("key = '{}'", secret(12))}).to_string());
    let long = "long ".repeat(300_000) + "\n" + &secret(13);
    history.runs[0].tags.insert("long".into(), long.as_str().into());
    let text = format!("a: 1\nb: 2\ntoken: {}\n", secret(14));
    history.artifacts.insert(
        0,
        (
            OwnerKind::Run,
            common::RUN_A.into(),
            "conf/a.yaml".into(),
            Ok(text.into_bytes()),
        ),
    );
    let notebook = json!({"cells": [{"source": [format!("%env X={}\n", secret(15))]}]}).to_string();
    history.artifacts.push((
        OwnerKind::Trace,
        common::TRACE.into(),
        "b.ipynb".into(),
        Ok(notebook.into_bytes()),
    ));
    let places = [
        "experiments 1: tags.team.note",
        "experiments 1: exim",
        "runs aaaa1111bbbb2222cccc3333dddd4444: params.x",
        "runs bbbb1111bbbb2222cccc3333dddd4444: params.raw",
        "datasets 1/train/9d1f: source",
        "logged-models m-0123456789abcdef0123456789abcdef: params.x",
        "registered-models churn: description",
        "model-versions churn/1: description",
        "traces tr-00112233445566778899aabbccddeeff: request_preview",
        "traces tr-00112233445566778899aabbccddeeff: assessments[0].rationale",
        "spans tr-00112233445566778899aabbccddeeff/1000000000000001: attributes.mlflow.spanInputs.headers[0].Authorization",
        "dataset-records d-00000000000000000000000000000001/dr-00000000000000000000000000000001: inputs.q",
        "scorers 1/polite/1: serialized_scorer",
        "runs aaaa1111bbbb2222cccc3333dddd4444: tags.long line 2",
        "runs aaaa1111bbbb2222cccc3333dddd4444: artifact conf/a.yaml line 3",
        "traces tr-00112233445566778899aabbccddeeff: artifact b.ipynb line 1",
    ];
    (history, secrets.into_iter().zip(places).collect())
}

#[test]
fn what_is_planted_is_found_at_its_place_and_never_printed() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let (history, secrets) = planted();
    history.write(&root.join("a.zip"));
    let found = scanned(&root.join("a.zip"));
    let places: Vec<_> = found.found.iter().map(|found| found.place.to_string()).collect();
    for (_, place) in &secrets {
        assert!(
            places.iter().any(|found| found.starts_with(place)),
            "{place} in {places:#?}"
        );
    }
    let is_planted = |found: &String| secrets.iter().any(|(_, place)| found.starts_with(place));
    assert!(places.iter().all(is_planted), "{places:#?}");
    for args in [
        &["scan", "a.zip"][..],
        &["scan", "a.zip", "--json"],
        &["scan", "a.zip", "--json", "-q"],
    ] {
        let said = command::shown(&mlark(root, args));
        assert!(
            said.ends_with("exit 1") && said.contains("github-token"),
            "{said}"
        );
        for (secret, place) in &secrets {
            assert!(!said.contains(secret.as_str()), "{place}: {said}");
        }
    }
    assert!(!format!("{found:?}").contains("ghp_"));
    let json: Value = serde_json::from_slice(&mlark(root, &["scan", "a.zip", "--json"]).stdout).unwrap();
    assert_eq!(json["secrets"], found.found.len());
}

#[test]
fn names_that_hold_a_secret_are_not_shown() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let secret = token("hf_", 7);
    let mut history = History::new();
    history.runs[0].tags.insert(format!("of {secret}"), "1".into());
    history.artifacts[1].2 = format!("model/{secret}.bin");
    history.registered_models[1].name = secret.clone();
    history.model_versions[2].name = secret.clone();
    history.write(&root.join("a"));
    let said = command::shown(&mlark(root, &["scan", "a"]));
    assert!(said.contains("***") && !said.contains("hf_"), "{said}");
    assert!(said.contains("4 secrets found"), "{said}");
}

#[test]
fn a_clean_archive_and_a_damaged_one_are_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    History::new().write(&root.join("a"));
    insta::assert_snapshot!(command::shown(&mlark(root, &["scan", "a"])), @r"
    a: no secret found; searched 27 lines and 3 texts
    exit 0
    ");
    insta::assert_snapshot!(command::shown(&mlark(root, &["scan", "a", "-q"])), @"exit 0");
    let mut damaged = Bytes::read(&root.join("a"));
    damaged.bytes("objects/runs-00000.jsonl")[20] = b'#';
    damaged.write(&root.join("b"), ContainerKind::Directory);
    let said = command::shown(&mlark(root, &["scan", "b"]));
    assert!(said.ends_with("exit 4"), "{said}");
}

/// Runs a command that must end so; what it printed on stdout.
fn ran(directory: &Path, args: &[&str], code: i32) -> Vec<u8> {
    let output = mlark(directory, args);
    assert_eq!(
        output.status.code(),
        Some(code),
        "{args:?}: {}",
        command::shown(&output)
    );
    output.stdout
}

#[test]
fn the_recipe_that_is_printed_redacts_all_that_was_found() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let (history, secrets) = planted();
    history.write(&root.join("a"));
    let recipe = ran(root, &["scan", "a", "--print-recipe"], 1);
    let text = String::from_utf8(recipe.clone()).unwrap();
    assert!(
        !secrets.iter().any(|(secret, _)| text.contains(secret.as_str())),
        "{text}"
    );
    assert!(
        text.contains("\"erase\": \"artifact\"") && text.contains("team.note"),
        "{text}"
    );
    fs::write(root.join("recipe.json"), recipe).unwrap();
    let proof = |archive: &str, code: i32| {
        let mut args = vec!["verify", archive];
        secrets
            .iter()
            .for_each(|(secret, _)| args.extend(["--lacks-text", secret.as_str()]));
        ran(root, &args, code)
    };
    for out in ["b", "b.zip"] {
        ran(root, &["transform", "a", "-o", out, "--recipe", "recipe.json"], 0);
        assert_eq!(scanned(&root.join(out)).found, []);
        ran(root, &["scan", out], 0);
        proof(out, 0);
    }
    // The proof can fail.
    proof("a", 1);
    let changed = String::from_utf8(ran(root, &["diff", "a", "b"], 1)).unwrap();
    assert!(changed.lines().count() < 30, "nothing else is changed: {changed}");
    // What is redacted stays so.
    ran(root, &["transform", "b", "-o", "c", "--recipe", "recipe.json"], 0);
    assert!(ran(root, &["diff", "b", "c"], 0).is_empty());
    assert_eq!(
        ran(root, &["scan", "b", "--print-recipe"], 0),
        b"{\n  \"edits\": []\n}\n"
    );
}

#[test]
fn a_recipe_names_what_it_must_not_repeat_by_its_digest_and_says_what_it_leaves() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let secret = token("hf_", 7);
    let mut history = History::new();
    history.runs[0].tags.insert(format!("of {secret}"), "1".into());
    history.runs[1]
        .tags
        .insert(format!("of {secret}"), secret.as_str().into());
    history.registered_models[1].name = secret.clone();
    history.registered_models[1].description = Some(format!("uses {secret}"));
    history.model_versions[2].name = secret.clone();
    history.artifacts[1].2 = format!("model/{secret}.txt");
    history.artifacts[1].3 = Ok(secret.clone().into_bytes());
    history.write(&root.join("a"));
    let output = mlark(root, &["scan", "a", "--print-recipe"]);
    let said = command::shown(&output);
    assert!(said.contains("sha256:") && !said.contains("hf_"), "{said}");
    assert!(said.contains("3 secrets in ids, names, artifact paths"), "{said}");
    fs::write(root.join("recipe.json"), output.stdout).unwrap();
    ran(root, &["transform", "a", "-o", "b", "--recipe", "recipe.json"], 0);
    let left = scanned(&root.join("b"));
    let places: Vec<_> = left.found.iter().map(|found| found.place.to_string()).collect();
    assert_eq!(places.len(), 3, "{places:?}");
    assert!(
        places
            .iter()
            .all(|place| place.contains(": name") || place.contains("artifact ***")),
        "{places:?}"
    );
}

#[test]
fn a_place_that_is_not_there_is_a_usage_error() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    History::new().write(&root.join("a"));
    let place = |id: &str| json!({"edits": [{"edit": "erase-places", "places": [{"kind": "runs", "id": id, "erase": "mask", "key": ["params", "lr"]}]}]});
    for (id, code) in [("nobody", 2), (common::RUN_A, 0)] {
        fs::write(root.join("recipe.json"), place(id).to_string()).unwrap();
        ran(
            root,
            &["transform", "a", "-o", "b", "--recipe", "recipe.json"],
            code,
        );
        assert_eq!(root.join("b").exists(), code == 0);
    }
    let shown = String::from_utf8(ran(root, &["show", "b", common::RUN_A, "--json"], 0)).unwrap();
    assert!(shown.contains("\"lr\":\"***\""), "{shown}");
}
