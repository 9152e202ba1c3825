//! One archive split into several: each is whole, and all of them are the archive again.

use crate::helpers::command;
use crate::helpers::rich::{self, Size};
use crate::helpers::universe::{Holding, place, verified};
use mlark::archive::{Archive, ContainerKind, WriterOptions};
use mlark::flow::merge::split::{Every, SplitBy, SplitOptions, SplitReport, split};
use mlark::flow::merge::{MergeOptions, merge};
use mlark::model::{Experiment, Run};
use proptest::prelude::*;
use std::path::Path;

const WAYS: [SplitBy; 8] = [
    SplitBy::Experiment,
    SplitBy::Workspace,
    SplitBy::Size(1),
    SplitBy::Size(3_000),
    SplitBy::Size(1 << 40),
    SplitBy::Time(Every::Day),
    SplitBy::Time(Every::Month),
    SplitBy::Time(Every::Year),
];

fn no_sync() -> WriterOptions {
    WriterOptions {
        no_sync: true,
        ..WriterOptions::default()
    }
}

/// Splits an archive, verifies each part, merges all of them, and compares.
fn there_and_back(archive: &Archive, by: SplitBy, container: ContainerKind, directory: &Path) -> SplitReport {
    let parts = directory.join("parts");
    let options = SplitOptions {
        writer: WriterOptions {
            container: Some(container),
            ..no_sync()
        },
        copy: false,
    };
    let report = split(archive, &parts, by, &options).unwrap();
    let mut archives = Vec::new();
    for (number, part) in (1..).zip(&report.parts) {
        let path = parts.join(&part.name);
        let found = verified(&path);
        assert!(found.is_intact(), "{by:?} {}: {found:#?}", part.name);
        let told = part.manifest.part.as_ref().unwrap();
        assert_eq!((told.number, told.of), (number, report.parts.len() as u64));
        assert_eq!(told.whole, archive.manifest().content_id);
        archives.push(Archive::open(&path).unwrap());
    }
    let options = MergeOptions {
        writer: no_sync(),
        ..MergeOptions::default()
    };
    let whole = directory.join("whole.zip");
    let merged = merge(&archives, Some(&whole), &options).unwrap();
    assert!(merged.notices.is_empty(), "{:?}", merged.notices);
    let manifest = merged.manifest.unwrap();
    assert_eq!(manifest.content_id, archive.manifest().content_id, "{by:?}");
    assert_eq!(manifest.totals, archive.manifest().totals);
    assert_eq!(manifest.losses, archive.manifest().losses);
    assert_eq!(manifest.part, None);
    assert!(verified(&whole).is_intact());
    std::fs::remove_dir_all(&parts).unwrap();
    std::fs::remove_file(&whole).unwrap();
    report
}

#[test]
fn an_archive_of_every_kind_comes_back_from_any_split() {
    let directory = tempfile::tempdir().unwrap();
    for (size, name) in [(Size::Full, "full"), (Size::Small, "small.zip")] {
        let at = directory.path().join(name);
        rich::build(&at, size);
        // Without undo records, which no part has, nor what only they refer to.
        let bare = directory.path().join(format!("bare-{name}"));
        let options = MergeOptions {
            writer: no_sync(),
            ..MergeOptions::default()
        };
        let rich = Archive::open(&at).unwrap();
        merge(std::slice::from_ref(&rich), Some(&bare), &options).unwrap();
        let archive = Archive::open(&bare).unwrap();
        assert_eq!(archive.manifest().counts, rich.manifest().counts);
        for by in WAYS {
            there_and_back(&archive, by, ContainerKind::Zip, directory.path());
        }
        there_and_back(
            &archive,
            SplitBy::Experiment,
            ContainerKind::Directory,
            directory.path(),
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn the_parts_of_any_archive_are_the_archive(has: u64, way in 0..WAYS.len(), zips: u8) {
        let directory = tempfile::tempdir().unwrap();
        let archive = Holding::of(has).build(&place(directory.path(), "whole-in", zips & 1 == 1));
        let container = if zips & 2 == 2 { ContainerKind::Zip } else { ContainerKind::Directory };
        there_and_back(&archive, WAYS[way], container, directory.path());
    }
}

#[test]
fn a_part_has_what_its_objects_need() {
    let directory = tempfile::tempdir().unwrap();
    let archive = Holding::all().build(&directory.path().join("in.zip"));
    let options = SplitOptions {
        writer: no_sync(),
        copy: false,
    };
    let parts = directory.path().join("parts");
    let report = split(&archive, &parts, SplitBy::Experiment, &options).unwrap();
    let labels: Vec<_> = report.parts.iter().map(|part| part.label.as_str()).collect();
    assert_eq!(labels, ["Default", "train", "test", "text"]);
    assert_eq!(report.parts[0].name, "part-1.zip");
    let first = Archive::open(&parts.join("part-1.zip")).unwrap();
    let runs: Vec<_> = first
        .objects::<Run>()
        .map(|run| run.unwrap().info.run_id)
        .collect();
    // The parents of r8 lies in another experiment, which comes with it.
    for id in ["r0", "r4", "r8", "r7"] {
        assert!(runs.iter().any(|run| run == id), "{id}: {runs:?}");
    }
    assert!(!runs.iter().any(|run| run == "r6"), "{runs:?}");
    let experiments: Vec<_> = first
        .objects::<Experiment>()
        .map(|experiment| experiment.unwrap().experiment_id)
        .collect();
    assert!(experiments.contains(&"x".to_owned()), "{experiments:?}");
    assert!(report.shared.values().sum::<u64>() > 0);
    // Some of the parts alone: it is said.
    let some = [first];
    let merged = merge(&some, None, &MergeOptions::default()).unwrap();
    assert!(
        merged
            .notices
            .keys()
            .any(|notice| notice.contains("the result is incomplete"))
    );
}

#[test]
fn the_command_says_what_it_made_and_refuses_what_is_there() {
    let directory = tempfile::tempdir().unwrap();
    Holding::all().build(&directory.path().join("in.zip"));
    let run = |arguments: &[&str]| command::mlark(directory.path(), arguments);
    let made = run(&[
        "split",
        "in.zip",
        "-o",
        "parts",
        "--by",
        "time",
        "--every",
        "month",
        "--no-sync",
    ]);
    let text = command::shown(&made);
    assert!(text.contains("part-1.zip (2023-11)"), "{text}");
    assert_eq!(
        run(&["split", "in.zip", "-o", "parts", "--by", "experiment"])
            .status
            .code(),
        Some(2)
    );
    assert_eq!(
        run(&["split", "in.zip", "-o", "other", "--by", "size"])
            .status
            .code(),
        Some(2)
    );
    let undone = run(&["transform", "parts/part-1.zip", "-o", "x", "--undo"]);
    assert_eq!(undone.status.code(), Some(2));
    let json = run(&[
        "split",
        "in.zip",
        "-o",
        "by-size",
        "--by",
        "size",
        "--size",
        "2kB",
        "--json",
        "--no-sync",
    ]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert!(json["parts"].as_array().unwrap().len() > 2, "{json}");
}

#[test]
fn parts_are_replaced_when_forced_and_nothing_else_is() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    Holding::all().build(&at.join("in.zip"));
    let run = |arguments: &str| command::mlark(at, &arguments.split(' ').collect::<Vec<_>>());
    let names = || {
        let entries = std::fs::read_dir(at.join("parts")).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let split = "split in.zip -o parts --no-sync --by experiment";
    assert_eq!(run(split).status.code(), Some(0));
    let first = names();
    assert_eq!(run(split).status.code(), Some(2));
    for (way, count) in [("time --every year", 2), ("workspace --container directory", 2)] {
        let forced = run(&format!("split in.zip -o parts --no-sync --force --by {way}"));
        assert_eq!(forced.status.code(), Some(0), "{}", command::shown(&forced));
        assert_eq!(names().len(), count, "{:?}", names());
        assert_ne!(names(), first, "{way}");
    }
    // What is no part stays, whatever it is called, and so does everything beside it.
    let before = names();
    for thesis in ["thesis", "part-3", "part-3.txt", "part-x.zip"] {
        let path = at.join("parts").join(thesis);
        std::fs::create_dir(&path).unwrap();
        let refused = run("split in.zip -o parts --no-sync --force --by experiment");
        let text = command::shown(&refused);
        assert_eq!(refused.status.code(), Some(2), "{text}");
        assert!(
            text.contains(&format!("has `{thesis}`, which is not part")),
            "{text}"
        );
        std::fs::remove_dir(&path).unwrap();
        assert_eq!(names(), before);
    }
    std::fs::write(at.join("file"), "years of work").unwrap();
    assert_eq!(
        run("split in.zip -o file --force --by experiment").status.code(),
        Some(2)
    );
    assert_eq!(std::fs::read(at.join("file")).unwrap(), b"years of work");
    // The archive itself is never replaced by its parts.
    let inside = run("split parts/part-1 -o parts --force --by experiment");
    assert_eq!(inside.status.code(), Some(2), "{}", command::shown(&inside));
    assert_eq!(names(), before);
}
