//! A Rust test of what a training logs, with insta. Put it among your tests; `cargo insta review` accepts what changed.

use mlark::Archive;
use mlark::flow::export::{ExportOptions, detect, export};
use mlark::model::Run;
use mlark::monitor::Silent;
use mlark::report::{Redaction, Redactions, SnapshotOptions, snapshot, snapshot_with};
use std::path::Path;
use std::process::Command;

/// The history of one training.
fn trained(directory: &Path, learning_rate: &str) -> Archive {
    let store = directory.join("mlruns");
    let train = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/testing/train.sh");
    let status = Command::new("sh")
        .arg(train)
        .arg(&store)
        .arg(learning_rate)
        .status();
    assert!(status.unwrap().success());
    let (store, out) = (store.display().to_string(), directory.join("history.zip"));
    let kind = detect::kind_of(&store).unwrap();
    export(kind, &store, &out, ExportOptions::default(), &Silent).unwrap();
    Archive::open(&out).unwrap()
}

#[test]
fn training_logs_what_we_think() {
    let directory = tempfile::tempdir().unwrap();
    let history = trained(directory.path(), "0.1");
    insta::assert_snapshot!(snapshot(&history).unwrap(), @r#"
    == experiments: 1

    experiment-1
      artifact_location = uri-1
      creation_time = [time]
      last_update_time = [time]
      lifecycle_stage = "active"
      name = "fraud"

    == runs: 1

    run-1
      info.artifact_uri = uri-2
      info.end_time = [time]
      info.entry_point_name = ""
      info.experiment_id = experiment-1
      info.lifecycle_stage = "active"
      info.run_name = "nightly"
      info.source_name = ""
      info.source_type = "LOCAL"
      info.source_version = ""
      info.start_time = [time]
      info.status = "FINISHED"
      info.user_id = user-1
      metrics.auc = 0.7 (step 2)
      params.learning_rate = "0.1"
      tags.mlflow.runName = "nightly"
      tags.mlflow.user = user-1
      tags.note = "trained by run run-1"
      history auc: 3 points, steps 0 to 2, first 0.5, last 0.7, min 0.5, max 0.7
      artifact model.yaml
    "#);
}

#[test]
fn training_again_logs_the_same() {
    let [first, again] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let [first, again] = [&first, &again].map(|directory| trained(directory.path(), "0.1"));
    assert_eq!(snapshot(&first).unwrap(), snapshot(&again).unwrap());
    // With times as they are it is another history.
    let redact = Redactions::from_iter([Redaction::Ids, Redaction::Hosts, Redaction::Users]);
    let options = SnapshotOptions {
        redact,
        ..SnapshotOptions::default()
    };
    assert!(
        snapshot_with(&first, &options)
            .unwrap()
            .contains("info.start_time = 1")
    );
}

#[test]
fn another_learning_rate_is_seen() {
    let [first, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let first = trained(first.path(), "0.1");
    let other = trained(other.path(), "0.2");
    assert_ne!(snapshot(&first).unwrap(), snapshot(&other).unwrap());
    let rates = [&first, &other].map(|archive| {
        let run = archive.objects::<Run>().next().unwrap().unwrap();
        run.params["learning_rate"].clone()
    });
    assert_eq!(rates, ["0.1".into(), "0.2".into()]);
}
