//! Archives put together: what of one origin is the same stands once, what of several clashes gets another id.

use crate::helpers::command;
use crate::helpers::rich::{self, Size};
use crate::helpers::universe::{Holding, SIZE, place, verified};
use mlark::archive::{Archive, WriterOptions};
use mlark::flow::merge::{ChangeKind, MergeError, MergeOptions, MergeReport, Prefer, merge};
use mlark::format::{Kind, Manifest};
use mlark::model::{EvaluationDataset, Experiment, ModelVersion, RegisteredModel, Run, Trace};
use proptest::prelude::*;
use std::path::Path;

pub(super) fn options(prefer: Prefer) -> MergeOptions {
    MergeOptions {
        writer: WriterOptions {
            no_sync: true,
            ..WriterOptions::default()
        },
        prefer,
        ..MergeOptions::default()
    }
}

/// Merges, and verifies what was made.
pub(super) fn merged(archives: &[Archive], out: &Path, options: &MergeOptions) -> (Archive, MergeReport) {
    let report = merge(archives, Some(out), options).unwrap();
    let found = verified(out);
    assert!(found.is_intact(), "{found:#?}");
    let archive = Archive::open(out).unwrap();
    assert_eq!(archive.manifest().counts, report.lines);
    (archive, report)
}

fn id_of(manifest: &Manifest) -> String {
    manifest.content_id.to_string()
}

#[test]
fn an_archive_merged_alone_or_with_itself_stays_what_it_is() {
    let directory = tempfile::tempdir().unwrap();
    for size in [Size::Full, Size::Small] {
        for name in ["archive.zip", "archive"] {
            let at = directory.path().join(format!("{}-{name}", size as u8));
            rich::build(&at, size);
            let archive = Archive::open(&at).unwrap();
            // Undo records are left behind, and long texts that only they refer to go with them.
            let out = directory.path().join(format!("{}-{name}-bare", size as u8));
            let (archive, _) = merged(&[archive], &out, &options(Prefer::Fail));
            let manifest = archive.manifest().clone();
            assert!(manifest.files.iter().all(|file| file.path.undo_part().is_none()));
            for (count, out) in [(1, "one.zip"), (2, "two"), (3, "three.zip")] {
                let inputs = vec![archive.clone(); count];
                let out = directory.path().join(format!("{}-{name}-{out}", size as u8));
                let (made, report) = merged(&inputs, &out, &options(Prefer::Fail));
                assert_eq!(id_of(made.manifest()), id_of(&manifest));
                assert_eq!(made.manifest().losses, manifest.losses);
                assert_eq!(
                    made.manifest().totals.artifact_bytes,
                    manifest.totals.artifact_bytes
                );
                assert_eq!(report.conflict_count, 0);
                let history = &made.manifest().history;
                assert_eq!(history.len(), manifest.history.len() + 1);
                assert_eq!(history.last().unwrap().parent_content_ids.len(), count);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whoever holds which part, and in whichever order they come: the whole comes out.
    #[test]
    fn parts_of_one_origin_make_the_whole(a: u64, b: u64, c: u64, zips: u8) {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str, bit: u8| place(directory.path(), name, zips >> bit & 1 == 1);
        let all: Vec<_> = [a, b, c]
            .iter()
            .zip(0..)
            .map(|(has, bit)| Holding::of(*has).build(&at(&format!("part{bit}"), bit)))
            .collect();
        let whole = Holding::of(a | b | c).build(&at("whole", 3));
        let (made, report) = merged(&all, &at("made", 4), &options(Prefer::Fail));
        prop_assert_eq!(id_of(made.manifest()), id_of(whole.manifest()));
        prop_assert_eq!(made.manifest().totals, whole.manifest().totals);
        prop_assert_eq!(made.manifest().format.minor, 1);
        let shared = ((a & b) | (b & c) | (a & c)) & ((1 << SIZE) - 1);
        prop_assert_eq!(report.united.get(&Kind::Runs).copied().unwrap_or(0), u64::from(shared.count_ones()));
        let turned: Vec<_> = all.into_iter().rev().collect();
        let (turned, _) = merged(&turned, &at("turned", 5), &options(Prefer::First));
        prop_assert_eq!(id_of(turned.manifest()), id_of(whole.manifest()));
    }

    /// A run that differs in its line, its history, its files or its place comes from one side, with all its lines.
    #[test]
    fn what_differs_comes_from_one_side(a: u64, b: u64, other: u64, difference in 0_u8..4, newer: bool, zips: u8) {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str, bit: u8| place(directory.path(), name, zips >> bit & 1 == 1);
        let first = Holding { changed: 5, ..Holding::of(a) };
        let second = Holding { other, difference, changed: 5 + i64::from(newer), ..Holding::of(b) };
        let archives = [first.build(&at("first", 0)), second.build(&at("second", 1))];
        let all = (1 << SIZE) - 1;
        let differ = if newer { a & b & all } else { a & b & other & all };
        let refused = merge(&archives, Some(&at("refused", 2)), &options(Prefer::Fail));
        if differ == 0 {
            prop_assert!(refused.is_ok());
        } else {
            let Err(MergeError::Conflict { count, .. }) = refused else {
                return Err(TestCaseError::fail("they differ"));
            };
            prop_assert_eq!(count, u64::from(differ.count_ones()));
            prop_assert!(!at("refused", 2).exists());
        }
        // What only the second has, or what it has newer, is as the second has it.
        let (taken, _) = merged(&archives, &at("taken", 3), &options(Prefer::First));
        let first_wins = Holding { other: other & !a, ..second };
        let expected = mixed(&first_wins, a | b, &|number| a >> number & 1 == 1, 5, &at("expected", 4));
        prop_assert_eq!(id_of(taken.manifest()), expected);
        if newer {
            let (taken, report) = merged(&archives, &at("newer", 5), &options(Prefer::Newer));
            let second_wins = Holding { other: other & b, ..second };
            let expected = mixed(&second_wins, a | b, &|number| b >> number & 1 == 0, 5, &at("expected2", 4));
            prop_assert_eq!(id_of(taken.manifest()), expected);
            prop_assert!(report.conflicts.iter().all(|conflict| conflict.taken == 2));
        }
    }
}

/// Content id of an archive in which the runs that `is_old` says ended at another time.
fn mixed(holding: &Holding, has: u64, is_old: &dyn Fn(u64) -> bool, old: i64, out: &Path) -> String {
    let old_runs = (0..SIZE)
        .filter(|number| is_old(*number))
        .fold(0, |bits, number| bits | 1 << number);
    let made = Holding {
        has,
        old_runs,
        old,
        ..*holding
    };
    id_of(made.build(out).manifest())
}

fn two_origins(directory: &Path) -> [Archive; 2] {
    let here = Holding::all().build(&directory.join("here.zip"));
    let there = Holding {
        origin: "there",
        prefix: "t",
        ..Holding::all()
    };
    [here, there.build(&directory.join("there"))]
}

#[test]
fn experiments_of_two_origins_get_other_numbers_and_names_and_what_refers_to_them_follows() {
    let directory = tempfile::tempdir().unwrap();
    let archives = two_origins(directory.path());
    let (made, report) = merged(
        &archives,
        &directory.path().join("both.zip"),
        &options(Prefer::Fail),
    );
    let experiments: Vec<_> = made
        .objects::<Experiment>()
        .map(|experiment| experiment.unwrap())
        .map(|experiment| format!("{} {}", experiment.experiment_id, experiment.name))
        .collect();
    assert_eq!(
        experiments,
        [
            "0 Default",
            "1 train",
            "2 test",
            "405 train-2",
            "406 test-2",
            "407 text-2",
            "x text"
        ]
    );
    let of = |id: &str| {
        let runs = made.objects::<Run>().map(|run| run.unwrap().info);
        runs.filter(|info| info.experiment_id == id)
            .map(|info| info.run_id)
            .collect::<Vec<_>>()
    };
    assert_eq!(of("1"), ["r5", "r9", "r1"].map(str::to_owned));
    assert_eq!(of("405"), ["tr5", "tr9", "tr1"].map(str::to_owned));
    assert_eq!(of("0").len(), 6, "the default experiments are one");
    let set = made
        .objects::<EvaluationDataset>()
        .map(|set| set.unwrap())
        .find(|set| set.dataset_id == "td-2")
        .unwrap();
    assert_eq!(set.experiment_ids, ["404", "405", "406"]);
    let renumbered = report
        .changes
        .iter()
        .filter(|change| change.what == ChangeKind::Renumbered);
    assert_eq!(renumbered.count(), 3);
    // The same again, with one of them in it already: nothing is new.
    let again = [made.clone(), archives[1].clone(), archives[0].clone()];
    let (again, _) = merged(&again, &directory.path().join("again"), &options(Prefer::Fail));
    assert_eq!(id_of(again.manifest()), id_of(made.manifest()));
    assert_eq!(
        again.manifest().origins.as_ref().unwrap().further[0].origin,
        "there"
    );
}

#[test]
fn registered_models_of_two_origins_get_another_name_or_become_one() {
    let directory = tempfile::tempdir().unwrap();
    let archives = two_origins(directory.path());
    let (made, _) = merged(
        &archives,
        &directory.path().join("apart.zip"),
        &options(Prefer::Fail),
    );
    let names = |archive: &Archive| {
        archive
            .objects::<RegisteredModel>()
            .map(|model| model.unwrap().name)
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&made), ["credit", "credit-2", "fraud", "fraud-2"]);
    let versions = |archive: &Archive, name: &str| {
        archive
            .objects::<ModelVersion>()
            .map(|version| version.unwrap())
            .filter(|version| version.name == name)
            .map(|version| (version.version, version.run_id, version.source.unwrap()))
            .collect::<Vec<_>>()
    };
    let second = versions(&made, "credit-2").remove(1);
    assert_eq!(second, (3, Some("tr2".into()), "models:/credit-2/2".into()));
    let trace = |archive: &Archive| {
        archive
            .objects::<Trace>()
            .map(|trace| trace.unwrap())
            .find(|trace| trace.trace_id == "ttr-1")
            .unwrap()
            .linked_prompts
    };
    assert_eq!(trace(&made), ["credit-2/3"]);
    let joined = MergeOptions {
        join_models: true,
        join_experiments: true,
        ..options(Prefer::First)
    };
    let (made, report) = merged(&archives, &directory.path().join("joined"), &joined);
    assert_eq!(names(&made), ["credit", "fraud"]);
    let numbers: Vec<_> = versions(&made, "credit")
        .into_iter()
        .map(|version| version.0)
        .collect();
    assert_eq!(numbers, [1, 3, 5, 7, 9, 11, 12, 13, 14, 15, 16, 17]);
    assert_eq!(
        versions(&made, "credit")[7],
        (13, Some("tr2".into()), "models:/credit/2".into())
    );
    assert_eq!(trace(&made), ["credit/13"]);
    assert_eq!(made.objects::<Experiment>().count(), 4);
    assert!(
        report.notices.keys().any(|notice| notice.contains("aliases")),
        "{:?}",
        report.notices
    );
    let again = [made.clone(), archives[1].clone()];
    let (again, _) = merged(&again, &directory.path().join("again.zip"), &joined);
    assert_eq!(id_of(again.manifest()), id_of(made.manifest()));
}

#[test]
fn ids_that_would_change_the_order_are_sorted_anew() {
    let directory = tempfile::tempdir().unwrap();
    let here = Holding::all().build(&directory.path().join("here.zip"));
    // There, `x` comes after 0, 1 and 2; with one name, `train` and `test` of here are 1 and 2 and stay in order.
    let there = Holding {
        origin: "there",
        prefix: "t",
        turned: true,
        ..Holding::all()
    };
    let there = there.build(&directory.path().join("there"));
    let joined = MergeOptions {
        join_experiments: true,
        ..options(Prefer::First)
    };
    let (made, _) = merged(&[here, there], &directory.path().join("joined"), &joined);
    assert_eq!(made.objects::<Experiment>().count(), 4);
    assert_eq!(made.objects::<Run>().count(), 2 * SIZE as usize);
}

#[test]
fn what_a_merge_of_one_origin_and_another_says_of_origins_is_told_to_whoever_reads_it() {
    let directory = tempfile::tempdir().unwrap();
    let archives = two_origins(directory.path());
    let out = directory.path().join("both");
    merged(&archives, &out, &options(Prefer::Fail));
    let lines = std::fs::read_to_string(out.join("origins.jsonl")).unwrap();
    let expected = [
        r#"{"id":"0","joined":true,"kind":"experiments","origin":"there"}"#,
        r#"{"id":"405","kind":"experiments","origin":"there","origin_id":"1"}"#,
        r#"{"id":"tr1","kind":"runs","origin":"there"}"#,
        r#"{"id":"credit-2/5","kind":"model-versions","origin":"there","origin_id":"credit/5"}"#,
        r#"{"id":"fraud-2","kind":"registered-models","origin":"there","origin_id":"fraud","workspace":"team"}"#,
        r#"{"id":"405/polite/1","kind":"scorers","origin":"there","origin_id":"1/polite/1"}"#,
    ];
    for line in expected {
        assert!(lines.lines().any(|found| found == line), "{line}\n{lines}");
    }
    // Damage in it is found as in any file.
    std::fs::write(out.join("origins.jsonl"), lines.replace("there", "where")).unwrap();
    let found = verified(&out);
    assert!(!found.is_intact());
}

#[test]
fn a_merge_cannot_be_undone_and_says_why_and_refuses_what_it_cannot_do() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let archives = two_origins(directory.path());
    merged(&archives, &at("both.zip"), &options(Prefer::Fail));
    let run = |arguments: &[&str]| command::mlark(directory.path(), arguments);
    let undone = run(&["transform", "both.zip", "-o", "undone", "--undo"]);
    assert_eq!(undone.status.code(), Some(2));
    let text = String::from_utf8(undone.stderr).unwrap();
    assert!(text.contains("is a merge, which cannot be undone"), "{text}");
    let onto = run(&["merge", "both.zip", "here.zip", "-o", "here.zip", "--force"]);
    assert_eq!(onto.status.code(), Some(2), "an input is no output");
    let other = Holding {
        other: 1,
        ..Holding::all()
    };
    other.build(&at("other.zip"));
    let conflict = run(&["merge", "here.zip", "other.zip", "-o", "made"]);
    assert_eq!(conflict.status.code(), Some(2));
    let text = String::from_utf8(conflict.stderr).unwrap();
    assert!(text.contains("run `r0` (here.zip, other.zip)"), "{text}");
    assert!(text.contains("--prefer"), "{text}");
    assert!(!at("made").exists());
    let dry = run(&["merge", "here.zip", "there", "--dry-run", "--json"]);
    assert_eq!(dry.status.code(), Some(0));
    let dry: serde_json::Value = serde_json::from_slice(&dry.stdout).unwrap();
    assert_eq!(dry["counts"]["runs"], 2 * SIZE);
    assert!(dry.get("output").is_none());
}

#[test]
fn origins_that_are_said_to_be_one_are_one() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let before = Holding {
        origin: "old",
        ..Holding::all()
    };
    let before = before.build(&at("before"));
    let after = Holding::all().build(&at("after.zip"));
    let origin = after.manifest().origin.clone();
    let same = |old: &str, new: &str| MergeOptions {
        same_origins: [(old.to_owned(), new.to_owned())].into(),
        ..options(Prefer::Fail)
    };
    for (number, archives) in [[before.clone(), after.clone()], [after.clone(), before.clone()]]
        .into_iter()
        .enumerate()
    {
        let (made, report) = merged(&archives, &at(&format!("{number}")), &same("old", &origin));
        assert_eq!(id_of(made.manifest()), id_of(after.manifest()));
        assert_eq!(
            (&made.manifest().origin, &made.manifest().origins),
            (&origin, &None)
        );
        assert!(report.changes.is_empty(), "{:?}", report.changes);
    }
    for (old, new) in [("old", "new"), ("older", &origin)] {
        let error = merge(
            &[before.clone(), after.clone()],
            Some(&at("made")),
            &same(old, new),
        )
        .unwrap_err();
        assert!(matches!(error, MergeError::UnknownOrigin { .. }), "{error}");
    }
    assert!(!at("made").exists());
}

#[test]
fn what_names_no_workspace_is_in_the_default_one_beside_archives_that_name_theirs() {
    let directory = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let done = command::mlark(directory.path(), arguments);
        assert_eq!(done.status.code(), Some(0), "{arguments:?}: {done:?}");
        String::from_utf8(done.stdout).unwrap()
    };
    let fixture = |name: &str| format!("{}/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    run(&[
        "export",
        &fixture("filestore-3.18.0/mlruns"),
        "-o",
        "new.zip",
        "--include-deleted",
    ]);
    run(&[
        "export",
        &fixture("sql-2.22.5/mlflow.db"),
        "-o",
        "old.zip",
        "--include-deleted",
    ]);
    let named = |archive: &Path| {
        let archive = Archive::open(archive).unwrap();
        let experiments = archive.objects::<Experiment>().map(|found| found.unwrap());
        let models = archive.objects::<RegisteredModel>().map(|found| found.unwrap());
        let experiments = experiments.map(|found| (found.workspace, found.name));
        let names: Vec<_> = experiments
            .chain(models.map(|found| (found.workspace, found.name)))
            .collect();
        assert!(
            names
                .iter()
                .all(|(workspace, _)| workspace.as_deref() == Some("default")),
            "{names:?}"
        );
        names.len()
    };
    for (round, inputs) in [["new.zip", "old.zip"], ["old.zip", "new.zip"]]
        .iter()
        .enumerate()
    {
        let at = |name: &str| format!("{name}-{round}");
        run(&["merge", inputs[0], inputs[1], "-o", &at("apart")]);
        run(&[
            "merge",
            inputs[0],
            inputs[1],
            "-o",
            &at("joined"),
            "--join-experiments",
            "--join-models",
            "--prefer",
            "first",
        ]);
        for (merged, count) in [("apart", 15 + 11), ("joined", 8 + 6)] {
            assert_eq!(named(&directory.path().join(at(merged))), count, "{merged}");
            run(&["verify", &at(merged)]);
            // A database holds one experiment and one model of a name.
            run(&["restore", &at(merged), "-o", &at(&format!("{merged}-store"))]);
        }
    }
}
