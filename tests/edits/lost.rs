//! Lines of objects that an archive lost: a merge takes each object from one side, and what it makes is intact.

use super::merge::{merged, options};
use crate::helpers::command;
use crate::helpers::universe::{Holding, place, verified};
use mlark::archive::Archive;
use mlark::flow::merge::split::{Every, SplitBy, SplitOptions, split};
use mlark::flow::merge::{MergeError, MergeOptions, Prefer, merge};
use mlark::format::Kind;
use mlark::model::ModelVersion;
use proptest::prelude::*;

/// Lines of a kind, as text.
fn lines(archive: &Archive, kind: Kind) -> Vec<String> {
    let mut lines = archive.lines(kind);
    let mut all = Vec::new();
    while let Some(line) = lines.next_line().unwrap() {
        all.push(String::from_utf8(line.bytes.to_vec()).unwrap());
    }
    all
}

const OWNED: [Kind; 5] = [
    Kind::Metrics,
    Kind::ModelMetrics,
    Kind::Artifacts,
    Kind::Spans,
    Kind::DatasetRecords,
];

/// An archive that lost what only its lines are left of, for a strategy of numbers.
fn holding() -> impl Strategy<Value = Holding> {
    let numbers = (any::<u64>(), any::<u64>(), any::<u64>(), any::<u8>());
    let more = (0_u8..4, 0_i64..3, any::<bool>(), any::<bool>(), any::<bool>());
    (numbers, more).prop_map(
        |((has, other, lost, lost_kinds), (difference, changed, has_all_lines, is_there, turned))| Holding {
            origin: if is_there { "there" } else { "here" },
            other,
            difference,
            changed,
            turned: turned && is_there,
            lost,
            lost_kinds,
            has_all_lines,
            ..Holding::of(has)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever was lost where, of one origin or several: what is made is intact, and no object has lines of two sides.
    #[test]
    fn what_is_merged_is_intact(
        holdings in proptest::collection::vec(holding(), 1..4),
        prefer in 0_usize..3,
        joins: bool,
        zips: u8,
    ) {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str, bit: u8| place(directory.path(), name, zips >> bit & 1 == 1);
        let archives: Vec<_> = holdings.iter().zip(0..).map(|(holding, bit)| {
            let path = at(&format!("in{bit}"), bit);
            let archive = holding.build(&path);
            let found = verified(&path);
            assert!(found.is_intact(), "{found:#?}");
            archive
        }).collect();
        let options = MergeOptions {
            join_experiments: joins,
            join_models: joins,
            ..options([Prefer::Fail, Prefer::First, Prefer::Newer][prefer])
        };
        let out = at("out", 5);
        match merge(&archives, Some(&out), &options) {
            Ok(report) => {
                let found = verified(&out);
                prop_assert!(found.is_intact(), "{found:#?}");
                let made = Archive::open(&out).unwrap();
                prop_assert_eq!(&made.manifest().counts, &report.lines);
                for kind in OWNED {
                    let mut all = lines(&made, kind);
                    let count = all.len();
                    all.sort();
                    all.dedup();
                    prop_assert_eq!(all.len(), count, "lines of {} are there twice", kind);
                }
            }
            Err(MergeError::Conflict { count, .. }) => {
                prop_assert!(options.prefer == Prefer::Fail && count > 0);
                prop_assert!(!out.exists());
            }
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        }
    }

    /// Lines that belong to lost objects stay with an archive that is merged alone, with itself, or from its parts.
    #[test]
    fn lines_of_lost_objects_stay(holding in holding(), way in 0_usize..5) {
        let directory = tempfile::tempdir().unwrap();
        let archive = holding.build(&directory.path().join("in.zip"));
        let id = archive.manifest().content_id;
        for count in 1..3 {
            let inputs = vec![archive.clone(); count];
            let (made, _) = merged(&inputs, &directory.path().join(format!("out{count}")), &options(Prefer::Fail));
            prop_assert_eq!(made.manifest().content_id, id);
        }
        let by = [
            SplitBy::Experiment,
            SplitBy::Workspace,
            SplitBy::Size(1),
            SplitBy::Size(3_000),
            SplitBy::Time(Every::Month),
        ][way];
        let parts = directory.path().join("parts");
        let how = SplitOptions { writer: options(Prefer::Fail).writer, copy: false };
        let report = split(&archive, &parts, by, &how).unwrap();
        let mut archives = Vec::new();
        for part in &report.parts {
            let path = parts.join(&part.name);
            let found = verified(&path);
            prop_assert!(found.is_intact(), "{by:?} {found:#?}");
            archives.push(Archive::open(&path).unwrap());
        }
        let (made, _) = merged(&archives, &directory.path().join("whole"), &options(Prefer::Fail));
        prop_assert_eq!(made.manifest().content_id, id);
        archives.reverse();
        let (made, _) = merged(&archives, &directory.path().join("turned"), &options(Prefer::Fail));
        prop_assert_eq!(made.manifest().content_id, id);
    }
}

#[test]
fn lines_come_from_the_side_that_has_their_object() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let whole = Holding::all().build(&at("whole.zip"));
    let lossy = Holding {
        lost: 0b1010_0110,
        ..Holding::all()
    };
    let lossy = lossy.build(&at("lossy.zip"));
    // What is left of them is the same as in the other, so that nothing is in conflict.
    for (name, archives) in [
        ("a", [lossy.clone(), whole.clone()]),
        ("b", [whole.clone(), lossy.clone()]),
    ] {
        for prefer in [Prefer::Fail, Prefer::First, Prefer::Newer] {
            let out = at(&format!("{name}-{prefer:?}.zip"));
            let (made, report) = merged(&archives, &out, &options(prefer));
            assert_eq!(made.manifest().content_id, whole.manifest().content_id);
            assert_eq!(report.conflict_count, 0);
        }
    }
    // Other metrics of a lost run: a conflict that is told once, and the lines of whoever has the run are taken.
    let other = Holding {
        lost: 0b10,
        lost_kinds: 1,
        other: 0b10,
        difference: 1,
        ..Holding::all()
    };
    let archives = [other.build(&at("other.zip")), whole.clone()];
    let refused = merge(&archives, Some(&at("refused")), &options(Prefer::Fail));
    let Err(MergeError::Conflict { count: 1, places, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert!(places.contains("run `r1`"), "{places}");
    assert!(!at("refused").exists());
    let (made, report) = merged(&archives, &at("first"), &options(Prefer::First));
    assert_eq!(made.manifest().content_id, whole.manifest().content_id);
    assert_eq!((report.conflict_count, report.conflicts[0].taken), (1, 2));
}

#[test]
fn lines_of_an_object_that_all_lost_are_taken_from_one() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let lossy = |name: &str, has: u64, other: u64| {
        let holding = Holding {
            lost: 0b10_0000,
            other,
            difference: 1,
            ..Holding::of(has)
        };
        holding.build(&at(name))
    };
    // What is before them is not the same in both.
    let (one, two) = (lossy("one.zip", 0b11_0101, 0), lossy("two.zip", 0b1110_1000, 0));
    let (made, _) = merged(&[one.clone(), two.clone()], &at("made"), &options(Prefer::Fail));
    let (turned, _) = merged(&[two, one.clone()], &at("turned"), &options(Prefer::Fail));
    assert_eq!(made.manifest().content_id, turned.manifest().content_id);
    for kind in OWNED {
        let of_lost = |archive: &Archive| {
            let all = lines(archive, kind).into_iter();
            all.filter(|line| line.contains("r5\"") || line.contains("-5\""))
                .collect::<Vec<_>>()
        };
        assert_eq!(of_lost(&made), of_lost(&one), "{kind}");
    }
    let other = lossy("other.zip", 0b11_0000, 0b10_0000);
    let archives = [one.clone(), other.clone()];
    let refused = merge(&archives, None, &options(Prefer::Fail));
    assert!(
        matches!(refused, Err(MergeError::Conflict { count: 1, .. })),
        "{refused:?}"
    );
    let (made, _) = merged(&archives, &at("first"), &options(Prefer::First));
    let metrics = |archive: &Archive| {
        let all = lines(archive, Kind::Metrics).into_iter();
        all.filter(|line| line.contains("\"r5\"")).collect::<Vec<_>>()
    };
    assert_eq!(metrics(&made), metrics(&one));
    let (made, _) = merged(&archives, &at("newer"), &options(Prefer::Newer));
    assert_eq!(metrics(&made), metrics(&other));
}

#[test]
fn the_command_merges_an_archive_that_lost_runs_with_one_that_has_them() {
    let directory = tempfile::tempdir().unwrap();
    Holding::all().build(&directory.path().join("whole"));
    let lossy = Holding {
        lost: u64::MAX,
        ..Holding::all()
    };
    lossy.build(&directory.path().join("lossy"));
    let run = |arguments: &[&str]| command::mlark(directory.path(), arguments);
    for prefer in ["first", "newer", "fail"] {
        let out = format!("made-{prefer}.zip");
        let made = run(&["merge", "lossy", "whole", "-o", &out, "--prefer", prefer]);
        assert_eq!(made.status.code(), Some(0), "{}", command::shown(&made));
        assert_eq!(run(&["verify", &out]).status.code(), Some(0));
        assert_eq!(run(&["diff", &out, "whole"]).status.code(), Some(0));
    }
}

#[test]
fn versions_of_the_first_origin_keep_their_numbers_whichever_archive_has_them() {
    let directory = tempfile::tempdir().unwrap();
    let there = |name: &str, has: u64| {
        let holding = Holding {
            origin: "there",
            prefix: "t",
            ..Holding::of(has)
        };
        holding.build(&directory.path().join(name))
    };
    // Versions 2, 6 and 12 of `fraud`, and 4, which lies between them.
    let (most, one) = (there("most", 1 << 1 | 1 << 5 | 1 << 11), there("one", 1 << 3));
    let here = Holding::of(1 << 1 | 1 << 3).build(&directory.path().join("here"));
    let options = MergeOptions {
        join_models: true,
        ..options(Prefer::First)
    };
    let versions = |archive: &Archive| {
        let all = archive.objects::<ModelVersion>().map(|version| version.unwrap());
        let fraud = all.filter(|version| version.name == "fraud");
        fraud
            .map(|version| (version.version, version.run_id.unwrap()))
            .collect::<Vec<_>>()
    };
    let expected = |numbers: [(u64, &str); 6]| numbers.map(|(number, run)| (number, run.to_owned())).to_vec();
    let archives = [most.clone(), one.clone(), here.clone()];
    let (made, _) = merged(&archives, &directory.path().join("made"), &options);
    assert_eq!(
        versions(&made),
        expected([
            (2, "tr1"),
            (4, "tr3"),
            (6, "tr5"),
            (12, "tr11"),
            (13, "r1"),
            (14, "r3")
        ])
    );
    // Of a further origin they are numbered archive by archive, and sorted.
    let (made, _) = merged(&[here, most, one], &directory.path().join("turned"), &options);
    assert_eq!(
        versions(&made),
        expected([
            (2, "r1"),
            (4, "r3"),
            (5, "tr1"),
            (6, "tr5"),
            (7, "tr11"),
            (8, "tr3")
        ])
    );
}
