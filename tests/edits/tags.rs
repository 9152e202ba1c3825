//! Tags and params: what is set or renamed can be undone, what is dropped or masked is gone.

use crate::recipes::Made;
use mlark::archive::{Archive, ArchiveWriter, Duplicates, ManifestHead, WriterOptions};
use mlark::flow::transform::tags::{EraseTexts, RenameText, SetText, TagKind, UnsetText};
use mlark::flow::transform::{self, Edit, TransformError, TransformOptions};
use mlark::format::{Kind, Loss, LossClass, Reason};
use mlark::model::{Experiment, Run, RunInfo};
use std::path::Path;
use walkdir::WalkDir;

fn set(kind: Option<TagKind>, key: &str, value: &str) -> Edit {
    Edit::SetTag(SetText {
        kind,
        key: key.into(),
        value: value.into(),
    })
}

fn unset(key: &str) -> Edit {
    Edit::UnsetTag(UnsetText {
        kind: None,
        key: key.into(),
    })
}

fn erased(kind: Option<TagKind>, glob: &str) -> EraseTexts {
    EraseTexts {
        kind,
        glob: glob.into(),
    }
}

fn tags_of_runs(made: &Made, name: &str, key: &str) -> Vec<Option<String>> {
    let runs = made.archive(name);
    let value = |run: Run| Some(run.tags.get(key)?.as_str()?.to_owned());
    runs.objects::<Run>().map(|run| value(run.unwrap())).collect()
}

/// Files of an archive in which a text stands.
pub(crate) fn files_with(path: &Path, text: &str) -> Vec<String> {
    let files = WalkDir::new(path).into_iter().map(Result::unwrap);
    let has = |entry: &walkdir::DirEntry| {
        let bytes = std::fs::read(entry.path()).unwrap();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    };
    let found = files.filter(|entry| entry.file_type().is_file()).filter(has);
    found
        .map(|entry| entry.path().strip_prefix(path).unwrap().display().to_string())
        .collect()
}

#[test]
fn tags_of_runs_are_set_by_the_undo_record_of_tags_alone() {
    let made = Made::rich();
    let report = made.apply(
        "in",
        vec![
            set(None, "team", "credit"),
            unset("team"),
            set(None, "team", "risk"),
        ],
        "out",
    );
    assert_eq!(
        report.counts,
        [("runs".to_owned(), 4), ("tags added".to_owned(), 4)].into()
    );
    assert!(
        tags_of_runs(&made, "out", "team")
            .iter()
            .all(|value| value.as_deref() == Some("risk"))
    );
    assert!(
        made.archive("out").manifest().format.requires.is_empty(),
        "an older mlark undoes it"
    );
    made.undo("out", "back");
    assert_eq!(made.id("back"), made.id("in"));
}

#[test]
fn what_is_set_and_unset_again_leaves_no_trace() {
    let made = Made::rich();
    let report = made.apply("in", vec![set(None, "team", "credit"), unset("team")], "out");
    assert!(report.counts.is_empty());
    assert_eq!(
        made.archive("out").manifest().history,
        made.archive("in").manifest().history
    );
}

#[test]
fn a_tag_of_any_kind_is_set_and_undone() {
    let made = Made::rich();
    let kinds = [
        TagKind::Experiment,
        TagKind::Run,
        TagKind::LoggedModel,
        TagKind::Model,
        TagKind::Version,
        TagKind::Trace,
        TagKind::Dataset,
    ];
    let edits = kinds.map(|kind| set(Some(kind), "team", "credit")).to_vec();
    let report = made.apply("in", edits, "out");
    assert_eq!(report.counts.len(), kinds.len() + 1, "{:?}", report.counts);
    made.undo("out", "back");
    assert_eq!(made.id("back"), made.id("in"));
}

#[test]
fn a_key_is_renamed_wherever_it_is_and_no_value_is_overwritten() {
    let made = Made::rich();
    let rename = |old: &str, new: &str| {
        Edit::RenameTag(RenameText {
            kind: None,
            old: old.into(),
            new: new.into(),
        })
    };
    made.apply(
        "in",
        vec![set(None, "a", "1"), set(Some(TagKind::Trace), "a", "2")],
        "set",
    );
    let report = made.apply("set", vec![rename("a", "b")], "renamed");
    assert!(report.counts["runs"] == 4 && report.counts.contains_key("traces"));
    made.apply("renamed", vec![rename("b", "a")], "back");
    assert_eq!(made.id("back"), made.id("set"));
    let both = made.try_apply("set", vec![set(None, "b", "x"), rename("a", "b")], "both");
    assert!(matches!(
        both,
        Err(TransformError::Edit {
            edit: "rename-tag",
            ..
        })
    ));
}

#[test]
fn what_is_dropped_or_masked_is_nowhere_in_the_archive() {
    let made = Made::rich();
    let secret = "wq7-Geheimnis";
    let long = secret.repeat(100_000);
    let to_everything = vec![
        set(Some(TagKind::Experiment), "token", secret),
        set(None, "token", secret),
        set(Some(TagKind::Trace), "token", &long),
        Edit::SetParam(SetText {
            kind: None,
            key: "token".into(),
            value: secret.into(),
        }),
    ];
    made.apply("in", to_everything, "set");
    made.apply("set", vec![set(None, "token", "other")], "again");
    assert!(
        files_with(&made.path("again"), secret).len() >= 4,
        "lines, undo records and a blob have it"
    );
    for (name, edits) in [
        (
            "dropped",
            [
                Edit::DropTag(erased(None, "tok*")),
                Edit::DropParam(erased(None, "token")),
            ],
        ),
        (
            "masked",
            [
                Edit::MaskTag(erased(None, "tok*")),
                Edit::MaskParam(erased(None, "token")),
            ],
        ),
    ] {
        made.apply("again", edits.to_vec(), name);
        assert_eq!(files_with(&made.path(name), secret), [""; 0], "{name}");
        assert_eq!(
            files_with(&made.path(name), "tok*"),
            [""; 0],
            "the pattern is told nowhere"
        );
        made.apply("again", edits.to_vec(), &format!("{name}.zip"));
        assert_eq!(made.id(name), made.id(&format!("{name}.zip")));
        let refused = transform::undo(
            &made.archive(name),
            &made.path("undone"),
            &TransformOptions::default(),
        );
        assert!(matches!(refused, Err(TransformError::NoUndo { .. })));
    }
    assert_eq!(
        made.archive("dropped").manifest().totals,
        made.archive("in").manifest().totals
    );
    assert_eq!(tags_of_runs(&made, "masked", "token")[0].as_deref(), Some("***"));
}

#[test]
fn a_tag_that_only_the_exported_dict_has_goes_with_the_dict() {
    let made = Made::rich();
    let exims = |name: &str| {
        let archive = made.archive(name);
        archive
            .objects::<Experiment>()
            .filter(|one| one.as_ref().unwrap().exim.is_some())
            .count()
    };
    assert_eq!(exims("in"), 1);
    made.apply("in", vec![Edit::DropTag(erased(None, "no such tag"))], "other");
    assert_eq!((exims("other"), made.id("other")), (1, made.id("in")));
    made.apply("in", vec![Edit::DropTag(erased(None, "tags"))], "out");
    assert_eq!(exims("out"), 0);
}

#[test]
fn a_glob_that_matches_nothing_is_said() {
    let made = Made::rich();
    let silent = made
        .apply("in", vec![Edit::DropTag(erased(None, "x*")), unset("y")], "out")
        .silent;
    assert_eq!(silent, ["--drop-tag `x*`", "--unset-tag `y`"]);
}

#[test]
fn what_failures_say_of_a_redacted_kind_does_not_survive() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let mut writer = ArchiveWriter::create(&at("in"), WriterOptions::default()).unwrap();
    writer
        .write(&Experiment {
            experiment_id: "1".into(),
            name: "one".into(),
            lifecycle_stage: "active".into(),
            ..Experiment::default()
        })
        .unwrap();
    let run = RunInfo {
        run_id: "r".into(),
        experiment_id: "1".into(),
        lifecycle_stage: "active".into(),
        ..RunInfo::default()
    };
    let mut run = Run {
        info: run,
        ..Run::default()
    };
    run.tags.insert("patient".into(), "Jane".into());
    writer.write(&run).unwrap();
    for (kind, field) in [
        (Kind::Runs, "tags.patient"),
        (Kind::Runs, "tags/patient"),
        (Kind::Runs, "params"),
        (Kind::Experiments, "tags.patient"),
        (Kind::Workspaces, "patient"),
    ] {
        let loss = Loss {
            class: LossClass::Failure,
            detail: "`patient` cannot be read: it begins with Jane".into(),
            field: field.into(),
            id: "r".into(),
            kind: kind.name().into(),
            reason: Reason::Unreadable.into(),
        };
        writer.failure(&loss).unwrap();
    }
    writer.limit("runs", "tags.patient", Reason::Unreadable, 2);
    writer.limit("runs", "tags.other", Reason::Unreadable, 3);
    writer
        .finish(ManifestHead::default(), Duplicates::Refuse)
        .unwrap();
    let archive = Archive::open(&at("in")).unwrap();
    let apply = |edits: Vec<Edit>, out: &str| {
        let recipe = transform::Recipe { edits };
        transform::apply(&archive, &recipe, &at(out), &TransformOptions::default()).unwrap();
        crate::recipes::assert_intact(&at(out));
        Archive::open(&at(out)).unwrap()
    };
    // Of runs alone: other kinds keep their words.
    let made = apply(vec![Edit::DropTag(erased(Some(TagKind::Run), "patient"))], "runs");
    let told = std::fs::read_to_string(at("runs/losses.jsonl")).unwrap();
    assert_eq!(told.matches("Jane").count(), 2, "{told}");
    assert_eq!(told.lines().count(), 5);
    let losses = &made.manifest().losses;
    let counts = |counts: &[mlark::format::LossCount]| {
        let of_runs = counts.iter().filter(|count| count.kind == "runs");
        of_runs
            .map(|count| (count.field.clone(), count.count))
            .collect::<Vec<_>>()
    };
    assert_eq!(counts(&losses.limits), [("tags".to_owned(), 5)]);
    assert_eq!(
        counts(&losses.failures),
        [("params".to_owned(), 1), ("tags".to_owned(), 2)]
    );
    // Of all kinds that have tags: only what has none keeps them.
    apply(vec![Edit::DropTag(erased(None, "patient"))], "all");
    let told = std::fs::read_to_string(at("all/losses.jsonl")).unwrap();
    assert_eq!(told.matches("Jane").count(), 1, "{told}");
    assert_eq!(files_with(&at("all"), "tags.patient"), [""; 0]);
    // An edit that removes nothing leaves them as they are.
    apply(vec![set(None, "a", "b")], "set");
    assert_eq!(
        std::fs::read(at("set/losses.jsonl")).unwrap(),
        std::fs::read(at("in/losses.jsonl")).unwrap()
    );
}
