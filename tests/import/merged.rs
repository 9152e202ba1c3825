//! An archive that was merged of two origins goes on where imports of each went, and they go on where it went.

use crate::helpers::scripted;
use mlark::archive::{Archive, ArchiveWriter, Duplicates, ManifestHead, WriterOptions};
use mlark::flow::merge::{MergeOptions, merge};
use mlark::format::Kind;
use mlark::model::{Experiment, Run, RunInfo};
use scripted::*;
use std::path::Path;

/// An archive of another origin, whose experiment has the number of one of the other archive.
fn other_archive(directory: &Path) -> Archive {
    let out = directory.join("other");
    let mut writer = ArchiveWriter::create(&out, WriterOptions::default()).unwrap();
    for (id, name) in [("0", "Default"), ("7", "churn")] {
        let experiment = Experiment {
            experiment_id: id.into(),
            name: name.into(),
            lifecycle_stage: "active".into(),
            ..Experiment::default()
        };
        writer.write(&experiment).unwrap();
    }
    for number in 0..2 {
        let run = Run {
            info: RunInfo {
                run_id: format!("{:032x}", 0xdef0 + number),
                experiment_id: "7".into(),
                run_name: Some(format!("other run {number}")),
                status: "FINISHED".into(),
                start_time: Some(5_000 + number),
                lifecycle_stage: "active".into(),
                ..RunInfo::default()
            },
            ..Run::default()
        };
        writer.write(&run).unwrap();
    }
    let head = ManifestHead {
        origin: "other".into(),
        ..ManifestHead::default()
    };
    writer.finish(head, Duplicates::Refuse).unwrap();
    Archive::open(&out).unwrap()
}

fn both(directory: &Path) -> [Archive; 3] {
    let archives = [archive(directory, "a"), other_archive(directory)];
    let out = directory.join("both");
    merge(&archives, Some(&out), &MergeOptions::default()).unwrap();
    let [first, second] = archives;
    [first, second, Archive::open(&out).unwrap()]
}

/// Marks of all runs of the target.
fn marks(target: &Target) -> Vec<String> {
    let state = target.state.lock().unwrap();
    let mut marks: Vec<_> = state
        .runs
        .iter()
        .flat_map(|run| run["data"]["tags"].as_array().unwrap().clone())
        .filter(|tag| tag["key"] == "mlflow_exim.mlark.origin")
        .map(|tag| tag["value"].as_str().unwrap().to_owned())
        .collect();
    marks.sort();
    marks
}

#[test]
fn an_import_of_the_merged_archive_goes_on_where_those_of_the_single_ones_stopped() {
    let directory = tempfile::tempdir().unwrap();
    let [first, second, both] = both(directory.path());
    let target = Target::start(|_| None);
    import(&first, &target).unwrap();
    import(&second, &target).unwrap();
    assert_eq!(target.created(), (2, RUNS + 2));
    let report = import(&both, &target).unwrap();
    let count =
        |counts: &std::collections::BTreeMap<Kind, u64>| counts.get(&Kind::Runs).copied().unwrap_or(0);
    assert_eq!(count(&report.reused) + count(&report.completed), RUNS as u64 + 2);
    assert_eq!(count(&report.created), 0);
    assert_eq!(target.created(), (2, RUNS + 2));
    // Without any journal, the marks of both origins tell.
    for journal in journals(directory.path()) {
        std::fs::remove_file(journal).unwrap();
    }
    let report = import(&both, &target).unwrap();
    assert!(report.failures.is_empty(), "{:?}", report.failures);
    assert_eq!(target.created(), (2, RUNS + 2));
}

#[test]
fn imports_of_the_single_archives_go_on_where_that_of_the_merged_one_stopped() {
    let directory = tempfile::tempdir().unwrap();
    let [first, second, both] = both(directory.path());
    let target = Target::start(|_| None);
    let report = import(&both, &target).unwrap();
    assert_eq!(
        (report.created[&Kind::Runs], report.failures.len()),
        (RUNS as u64 + 2, 0)
    );
    let others = marks(&target)
        .into_iter()
        .filter(|mark| mark.starts_with("other/runs/"));
    assert_eq!(others.count(), 2);
    assert_eq!(journals(directory.path()).len(), 2, "each origin has its own");
    for archive in [&second, &first, &both] {
        let report = import(archive, &target).unwrap();
        assert!(report.failures.is_empty(), "{:?}", report.failures);
        assert_eq!(target.created(), (2, RUNS + 2));
    }
}
