//! What stands beside the objects follows an edit: losses, choices, where objects come from, what a newer mlark wrote.

use crate::helpers::bytes::Bytes;
use crate::recipes::{Made, rename};
use mlark::archive::{Archive, ContainerKind};
use mlark::flow::merge::{MergeOptions, merge};
use mlark::flow::transform::select::{Exclude, Select};
use mlark::flow::transform::tags::{EraseTexts, SetText};
use mlark::flow::transform::{Edit, TransformError};
use std::fs;

fn exclude_run(id: &str) -> Edit {
    Edit::Exclude(Exclude {
        runs: vec![id.into()],
        ..Exclude::default()
    })
}

#[test]
fn losses_of_a_dropped_run_go_with_it() {
    let made = Made::rich();
    let losses = |name: &str| made.archive(name).manifest().losses.clone();
    assert_eq!(losses("in").failures[0].count, 2);
    made.apply("in", vec![exclude_run("r2")], "out");
    assert!(losses("out").failures.is_empty() && !made.path("out/losses.jsonl").exists());
    assert_eq!(losses("out").limits, losses("in").limits);
    made.apply("in", vec![exclude_run("r1")], "other");
    assert_eq!(losses("other"), losses("in"));
    let [before, after] = ["in", "other"].map(|name| fs::read(made.path(name).join("losses.jsonl")).unwrap());
    assert_eq!(before, after);
}

/// An archive of two origins, of which the other knows the prompt `hello` alone.
fn merged(made: &Made) {
    let choice = Select {
        models: vec!["greeting".into()],
        ..Select::default()
    };
    let hello = Edit::RenameModel(rename(&[("greeting", "hello")]));
    made.apply("in", vec![Edit::Select(choice), hello], "second");
    let mut bytes = Bytes::read(&made.path("second"));
    bytes.edit_manifest(|manifest| manifest["origin"] = "other".into());
    bytes.write(&made.path("other"), ContainerKind::Directory);
    let archives = ["in", "other"].map(|name| made.archive(name));
    merge(&archives, Some(&made.path("merged")), &MergeOptions::default()).unwrap();
}

#[test]
fn what_is_said_of_origins_follows_names_there_and_back() {
    let made = Made::golden();
    merged(&made);
    let told = |name: &str| fs::read_to_string(made.path(name).join("origins.jsonl")).unwrap_or_default();
    let model = "hello".to_owned();
    assert!(told("merged").contains(r#""id":"hello""#), "{}", told("merged"));
    made.apply(
        "merged",
        vec![Edit::RenameModel(rename(&[(&model, "zz")]))],
        "renamed",
    );
    let line = |name: &str| {
        told("renamed")
            .lines()
            .any(|line| line.contains(&format!("\"id\":\"{name}\"")))
    };
    assert!(line("zz") && !line(&model), "{}", told("renamed"));
    made.undo("renamed", "back");
    assert_eq!(told("back"), told("merged"));
    let exclude = Exclude {
        models: vec![model.clone()],
        ..Exclude::default()
    };
    made.apply("merged", vec![Edit::Exclude(exclude)], "dropped");
    assert!(!told("dropped").contains(&format!("\"{model}\"")) && told("dropped") != told("merged"));
}

/// The archive with a kind and a field that a newer mlark wrote.
fn newer(made: &Made) {
    let mut bytes = Bytes::read(&made.path("in"));
    let name = "objects/gateways-00000.jsonl";
    bytes.add(name, b"{\"name\":\"g\"}\n".to_vec());
    bytes.edit_manifest(|manifest| {
        manifest["format"]["minor"] = 9.into();
        let files = manifest["files"].as_array_mut().unwrap();
        let mut file = files[0].clone();
        file["path"] = name.into();
        files.push(file);
        files.sort_by_key(|file| file["path"].as_str().unwrap().to_owned());
    });
    bytes.reseal();
    bytes.write(&made.path("newer"), ContainerKind::Directory);
}

#[test]
fn what_a_newer_mlark_wrote_passes_through_or_is_refused_by_name() {
    let made = Made::rich();
    newer(&made);
    let set = Edit::SetTag(SetText {
        kind: None,
        key: "a".into(),
        value: "b".into(),
    });
    made.try_apply("newer", vec![set], "out").unwrap();
    let kind = |name: &str| fs::read(made.path(name).join("objects/gateways-00000.jsonl")).unwrap();
    assert_eq!(kind("out"), kind("newer"));
    assert_eq!(made.archive("out").manifest().format.minor, 9);
    let drop = Edit::DropTag(EraseTexts {
        kind: None,
        glob: "a".into(),
    });
    for edit in [drop, Edit::Select(Select::default())] {
        let refused = made.try_apply("newer", vec![edit], "refused");
        assert!(matches!(refused, Err(TransformError::Edit { reason, .. }) if reason.contains("gateways")));
    }
    assert!(Archive::open(&made.path("refused")).is_err());
}
