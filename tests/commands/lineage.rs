//! `lineage`: the chain of an object or of a file's bytes, for people, as JSON and in the forms of standards.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use crate::helpers::{command, common};
use command::{mlark, shown};
use common::{History, MODEL, RUN_A, RUN_B, START, TRACE};
use mlark::model::*;
use serde_json::{Value, json};
use std::path::Path;

/// Compares a text with its snapshot; times of writing are none of a test's.
macro_rules! assert_shown {
    ($text:expr) => {
        insta::with_settings!({filters => vec![(r"\d{4}-\d\d-\d\dT[0-9:]+Z", "[time]")]}, {
            insta::assert_snapshot!($text);
        });
    };
}

/// Stdout, stderr and exit code of several commands.
fn all(directory: &Path, commands: &[&[&str]]) -> String {
    let run = |args: &&[&str]| format!("$ mlark {}\n{}\n", args.join(" "), shown(&mlark(directory, args)));
    commands.iter().map(run).collect()
}

fn lineage_json(directory: &Path, args: &[&str]) -> Value {
    let output = mlark(directory, &[&["lineage"], args, &["--json"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Ids of objects of a kind, in the order of the nodes.
fn ids<'v>(chain: &'v Value, kind: &str) -> Vec<&'v str> {
    let nodes = chain["nodes"].as_array().unwrap().iter();
    nodes
        .filter(|node| node["kind"] == kind)
        .map(|node| node["id"].as_str().unwrap())
        .collect()
}

/// What links objects, as `from relation to`.
fn links(chain: &Value) -> Vec<String> {
    let id = |number: &Value| {
        chain["nodes"][number.as_u64().unwrap() as usize]["id"]
            .as_str()
            .unwrap()
    };
    let edges = chain["edges"].as_array().unwrap().iter();
    let link = |edge: &Value| {
        format!(
            "{} {} {}",
            id(&edge["from"]),
            edge["relation"].as_str().unwrap(),
            id(&edge["to"])
        )
    };
    edges.map(link).collect()
}

fn tag(key: &str, value: &str) -> (String, Text) {
    (key.to_owned(), Text::from(value))
}

/// A history whose run was brought from origin `first`, and one of that origin.
fn two_hops(directory: &Path) {
    let mut first = History::new();
    first.runs[0].tags.extend([
        tag("mlflow.source.name", "train.py"),
        tag("mlflow.source.git.commit", "c0ffee"),
    ]);
    first.write_of("first", &directory.join("first.zip"));
    let mut second = History::new();
    let new_id = "c".repeat(32);
    let rename = |text: &mut String| *text = text.replace(RUN_A, &new_id);
    rename(&mut second.runs[0].info.run_id);
    second.runs[1]
        .tags
        .insert("mlflow.parentRunId".into(), new_id.as_str().into());
    second.runs[0].tags.extend([
        tag("mlflow_exim.mlark.origin", &format!("first/runs/{RUN_A}")),
        tag("mlflow_exim.run_info.run_id", RUN_A),
    ]);
    second.metrics.iter_mut().for_each(|(id, ..)| rename(id));
    second.artifacts.iter_mut().for_each(|(_, id, ..)| rename(id));
    second.logged_models[0].source_run_id.as_mut().map(rename);
    second.model_versions.iter_mut().for_each(|version| {
        version.run_id.as_mut().map(rename);
    });
    second.write_of("second", &directory.join("second.zip"));
}

#[test]
fn the_chain_of_an_object_is_a_tree() {
    let directory = tempfile::tempdir().unwrap();
    History::new().write(&directory.path().join("a.zip"));
    assert_shown!(all(
        directory.path(),
        &[
            &["lineage", "a.zip", "churn@champion"],
            &["lineage", "a.zip", "models:/churn/1"],
            &["lineage", "a.zip", RUN_B],
            &["lineage", "a.zip", "train"],
            &["lineage", "a.zip", TRACE],
            &["lineage", "a.zip"],
            &["lineage", "a.zip", "chrun"],
            &["lineage", "a.zip", "sha256:12"],
            &["lineage", "a.zip", "churn@champion", "--json"],
        ],
    ));
}

#[test]
fn the_chain_of_a_file_begins_with_what_has_its_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    History::new().write(&root.join("a.zip"));
    std::fs::write(root.join("found"), "12345").unwrap();
    std::fs::write(root.join("other.zip"), "nobody's").unwrap();
    std::fs::create_dir(root.join("folder")).unwrap();
    assert_shown!(all(
        root,
        &[
            &["lineage", "a.zip", "found"],
            &["lineage", "a.zip", "other.zip"],
            &["lineage", "a.zip", "folder"],
            &["lineage", "found", "a.zip"],
        ],
    ));
    // By path, by run and path, by digest: the same chain.
    let by_path = lineage_json(root, &["a.zip", "found"]);
    let digest = by_path["file"]["sha256"].as_str().unwrap();
    let by_digest = lineage_json(root, &["a.zip", &format!("sha256:{digest}")]);
    let by_run = lineage_json(root, &["a.zip", &format!("runs:/{RUN_A}/model/data.bin")]);
    for key in ["nodes", "edges", "file", "roots"] {
        assert_eq!(by_path[key], by_digest[key]);
        assert_eq!(by_path[key], by_run[key]);
    }
    assert_eq!(ids(&by_path, "model-versions"), ["churn/1", "churn/2", "greet/1"]);
}

#[test]
fn a_chain_goes_on_in_the_archive_of_the_place_before() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    two_hops(root);
    let new_id = "c".repeat(32);
    let alone = lineage_json(root, &["second.zip", &new_id]);
    assert_eq!(ids(&alone, "runs"), [RUN_B, &new_id]);
    let both = lineage_json(root, &["second.zip", "first.zip", &new_id]);
    assert!(
        links(&both).contains(&format!("{new_id} copy-of {RUN_A}")),
        "{:?}",
        links(&both)
    );
    // And the other way: what became of the first.
    let down = lineage_json(root, &["second.zip", "first.zip", RUN_A]);
    assert!(
        links(&down).contains(&format!("{new_id} copy-of {RUN_A}")),
        "{:?}",
        links(&down)
    );
    assert_shown!(all(
        root,
        &[
            &["lineage", "second.zip", "first.zip", "cccc"],
            &["lineage", "second.zip"]
        ]
    ));
}

#[test]
fn circles_and_long_chains_of_parents_end() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let mut history = History::new();
    history.runs[0]
        .tags
        .insert("mlflow.parentRunId".into(), RUN_B.into());
    history.model_versions[0].source = Some("models:/churn/2".into());
    history.model_versions[1].source = Some("models:/churn/1".into());
    history.write(&root.join("circle"));
    let chain = lineage_json(root, &["circle", "churn/1"]);
    let found = links(&chain);
    for link in [
        format!("{RUN_A} child-of {RUN_B}"),
        format!("{RUN_B} child-of {RUN_A}"),
        "churn/1 copied-from churn/2".to_owned(),
        "churn/2 copied-from churn/1".to_owned(),
    ] {
        assert!(found.contains(&link), "{link}: {found:?}");
    }
    assert!(shown(&mlark(root, &["lineage", "circle", "churn/1"])).contains("(see above)"));

    let mut history = History::new();
    let template = history.runs[1].clone();
    let id = |number: usize| format!("{number:032x}");
    for number in 0..10_000 {
        let mut run = template.clone();
        run.info.run_id = id(number);
        run.info.start_time = Some(START + 10);
        run.tags
            .insert("mlflow.parentRunId".into(), id(number + 1).as_str().into());
        history.runs.push(run);
    }
    history.write(&root.join("long"));
    let chain = lineage_json(root, &["long", &id(0)]);
    assert_eq!(ids(&chain, "runs").len(), 10_001);
    let last = &chain["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .find(|node| node["id"] == id(10_000))
        .unwrap()["archives"];
    assert_eq!(last, &json!([]), "the last parent is not there");
    let text = shown(&mlark(root, &["lineage", "long", &id(0)]));
    assert!(
        text.contains(&id(10_000)) && text.lines().all(|line| line.len() < 250),
        "{text:.2000}"
    );
}

#[test]
fn forged_tags_of_lineage_are_passed_over_and_said() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let mut history = History::new();
    let huge = "x".repeat(2 << 20);
    history.runs[0].tags.extend([
        tag("mlflow_exim.lineage", &huge),
        tag("mlflow_exim.origin.id", "first\u{1b}[31m"),
        tag("mlflow_exim.origin.server", "http://first:5000"),
    ]);
    history.runs[1]
        .tags
        .extend([tag("mlflow_exim.lineage", "[{\"id\": 7}]")]);
    history.write(&root.join("a"));
    assert_shown!(all(root, &[&["lineage", "a", RUN_A], &["lineage", "a"]]));
    let chain = lineage_json(root, &["a", RUN_B]);
    assert_eq!(chain["notes"].as_array().unwrap().len(), 2);
}

#[test]
fn standards_print_what_they_require() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    two_hops(root);
    let new_id = "c".repeat(32);
    let prov = mlark(
        root,
        &[
            "lineage",
            "second.zip",
            "first.zip",
            &new_id,
            "--format",
            "prov-json",
        ],
    );
    let prov: Value = serde_json::from_slice(&prov.stdout).unwrap();
    let derived = prov["wasDerivedFrom"].as_object().unwrap().values();
    let old = format!("mlflow:runs/first/{RUN_A}");
    let new = format!("mlflow:runs/second/{new_id}");
    assert!(
        derived
            .into_iter()
            .any(|one| one["prov:usedEntity"] == old && one["prov:generatedEntity"] == new)
    );

    let events = mlark(root, &["lineage", "second.zip", "--format", "openlineage"]);
    let events: Vec<Value> = serde_json::Deserializer::from_slice(&events.stdout)
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let kinds: Vec<_> = events
        .iter()
        .map(|event| event["eventType"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["START", "COMPLETE", "START"]);
    assert_eq!(events[0]["run"]["runId"], "cccccccc-cccc-cccc-cccc-cccccccccccc");
    assert_eq!(
        events[0]["run"]["facets"]["mlark_hops"]["hops"][0]["origin"],
        "first"
    );
    let of_one = mlark(root, &["lineage", "second.zip", RUN_B, "--format", "openlineage"]);
    assert_eq!(String::from_utf8(of_one.stdout).unwrap().lines().count(), 3);

    for (args, exit) in [
        (&["lineage", "second.zip", "--format", "prov-json"][..], 2),
        (&["lineage", "second.zip", "cccc", "--format", "ro-crate"], 2),
        (
            &[
                "lineage",
                "second.zip",
                "cccc",
                "--format",
                "ro-crate",
                "--tree",
                "none",
            ],
            2,
        ),
        (
            &[
                "lineage",
                "second.zip",
                "cccc",
                "--format",
                "openlineage",
                "--json",
            ],
            2,
        ),
        (&["extract", "second.zip", "-o", "tree"], 0),
        (
            &[
                "lineage",
                "second.zip",
                "cccc",
                "--format",
                "ro-crate",
                "--tree",
                "tree",
            ],
            0,
        ),
        (
            &[
                "lineage",
                "second.zip",
                "cccc",
                "--format",
                "ro-crate",
                "--tree",
                "tree",
            ],
            2,
        ),
    ] {
        let output = mlark(root, args);
        assert_eq!(output.status.code(), Some(exit), "{args:?}: {}", shown(&output));
    }
    let made = std::fs::read(root.join("tree/ro-crate-metadata.json")).unwrap();
    let made: Value = serde_json::from_slice(&made).unwrap();
    let graph = made["@graph"].as_array().unwrap();
    let entity = |id: &str| {
        graph
            .iter()
            .find(|entity| entity["@id"] == id)
            .unwrap_or_else(|| panic!("{id}: {made:#}"))
    };
    assert_eq!(
        entity(&format!("{new_id}/notes%20%C3%A9.txt"))["contentSize"],
        "5"
    );
    assert_eq!(
        entity(&format!("#run/second/{new_id}"))["actionStatus"]["@id"],
        "http://schema.org/CompletedActionStatus"
    );
    assert!(
        entity("./")["hasPart"]
            .as_array()
            .unwrap()
            .contains(&json!({"@id": format!("{MODEL}/")}))
    );
}
