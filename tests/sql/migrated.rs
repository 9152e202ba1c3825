//! A file store before and after `mlflow migrate-filestore`: all that differs is what the migration loses.

use crate::common::*;
use mlark::archive::{Archive, ArchiveError};
use mlark::flow::export::ExportOptions;
use mlark::internals::{file_store, sql};
use mlark::monitor::Silent;
use mlark::report::{DiffOptions, diff};
use std::collections::BTreeMap;
use std::os::unix::fs::symlink;

/// Differences by what they are about, counted: kind and field, ids and keys of the fixture left out.
fn differences(before: &Archive, after: &Archive) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    diff(
        before,
        after,
        DiffOptions::default(),
        &Silent,
        &mut |difference| {
            let words: Vec<&str> = difference.key.iter().map(String::as_str).collect();
            let what = match (difference.kind.as_str(), &words[..]) {
                ("runs", ["metrics", key, ..]) => format!("latest {key}"),
                ("metrics" | "model-metrics", [key, ..]) => format!("points {key}"),
                ("traces", ["assessments", .., last]) => format!("assessments {last}"),
                (_, [.., last]) => (*last).to_owned(),
                _ => "*".to_owned(),
            };
            let what = format!("{} {} {what}", difference.change.as_str(), difference.kind);
            *found.entry(what).or_insert(0) += 1;
            Ok::<_, ArchiveError>(())
        },
    )
    .unwrap();
    found
}

#[test]
fn migration_loses_what_is_known_to_be_lost_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let file_store = fixture("3.18.0")
        .with_file_name("filestore-3.18.0")
        .join("mlruns");
    // The database lies beside the tree, whose artifact URIs name another place.
    symlink(&file_store, root.join("mlruns")).unwrap();
    std::fs::copy(
        fixture("migrated-3.18.0").join("mlflow.db"),
        root.join("mlflow.db"),
    )
    .unwrap();
    let options = || ExportOptions {
        // Links lead out of one artifact directory into another, which the file store's door allows within its tree.
        keep_going: true,
        ..with_deleted()
    };
    let outs = [root.join("before"), root.join("after")];
    file_store::export(&file_store, &outs[0], options(), &Silent).unwrap();
    sql::export(
        root.join("mlflow.db").to_str().unwrap(),
        &outs[1],
        options(),
        &Silent,
    )
    .unwrap();
    let [before, after] = outs.map(|out| Archive::open(&out).unwrap());
    let expected = [
        // A database has a workspace of its own.
        ("added workspaces *", 1),
        // Text is read in universal-newline mode.
        ("changed experiments crlf", 1),
        ("changed experiments mlflow.note.content", 1),
        ("changed logged-models crlf", 1),
        ("changed model-versions mlflow.prompt.text", 3),
        ("changed runs crlf", 2),
        ("changed traces crlf", 1),
        // SQL stores neither infinity nor a negative zero, nor what a run's point was measured on; the repeated
        // point had to be removed for the migration to run at all.
        ("changed metrics points accuracy", 1),
        ("changed metrics points special/inf", 1),
        ("changed metrics points special/zero", 1),
        ("changed metrics points with dataset", 1),
        ("changed runs latest special/inf", 1),
        ("changed runs latest special/zero", 1),
        ("changed metrics points repeated", 1),
        // A logged model's NaN.
        ("removed model-metrics points of/model", 1),
        ("removed model-versions model_id", 1),
        // Times of assessments, and expectations that are no plain value.
        ("changed traces assessments create_time", 9),
        ("changed traces assessments last_update_time", 9),
        ("changed traces assessments value", 1),
    ];
    let expected: BTreeMap<_, _> = expected
        .into_iter()
        .map(|(what, count)| (what.to_owned(), count))
        .collect();
    assert_eq!(differences(&before, &after), expected);
}
