//! Laws that hold for any recipe on any archive.

use crate::recipes::{Made, rename};
use mlark::archive::verify::{SoughtTexts, VerifyOptions, lacks};
use mlark::flow::transform::move_runs::MoveRuns;
use mlark::flow::transform::redact::{DropArtifacts, HashUsers, Plain};
use mlark::flow::transform::relocate::{Relocate, RelocatePair};
use mlark::flow::transform::rename::IntoWorkspace;
use mlark::flow::transform::select::{Exclude, Select};
use mlark::flow::transform::source_tags::SourceTags;
use mlark::flow::transform::tags::{EraseTexts, RenameText, SetText, TagKind, UnsetText};
use mlark::flow::transform::{Edit, Recipe, TransformError};
use mlark::monitor::Silent;
use proptest::prelude::*;

fn select(choice: Select) -> Edit {
    Edit::Select(choice)
}

fn relocate(old: &str, new: &str) -> Edit {
    let pair = RelocatePair {
        old: old.into(),
        new: new.into(),
    };
    Edit::Relocate(Relocate { places: vec![pair] })
}

fn move_runs(text: &str) -> Edit {
    Edit::MoveRuns(MoveRuns::parse(text).unwrap())
}

fn set(kind: Option<TagKind>) -> SetText {
    SetText {
        kind,
        key: "set by a test".into(),
        value: "value".into(),
    }
}

/// Edits of every family; the first ones keep an undo record.
fn edits(key_file: &std::path::Path) -> (Vec<Edit>, Vec<Edit>) {
    let glob = |glob: &str| EraseTexts {
        kind: None,
        glob: glob.into(),
    };
    let key = |old: &str, new: &str| RenameText {
        kind: None,
        old: old.into(),
        new: new.into(),
    };
    let unset = |key: &str| UnsetText {
        kind: None,
        key: key.into(),
    };
    let undone = vec![
        Edit::SourceTags(SourceTags::default()),
        Edit::RenameExperiment(rename(&[("*", "new/*")])),
        Edit::RenameModel(rename(&[("w*", "re/w*"), ("greet*", "hello*"), ("m*", "x*")])),
        Edit::RenameWorkspace(rename(&[("d*", "e*")])),
        Edit::IntoWorkspace(IntoWorkspace { name: "one".into() }),
        move_runs("experiment:*=0"),
        relocate("/tmp/mlark-fixtures", "s3://bucket/fixtures"),
        relocate("s3://bucket", "gs://bucket"),
        Edit::SetTag(set(None)),
        Edit::SetTag(set(Some(TagKind::Trace))),
        Edit::SetTag(set(Some(TagKind::Version))),
        Edit::SetParam(set(Some(TagKind::LoggedModel))),
        Edit::SetParam(set(None)),
        Edit::UnsetTag(unset("mlflow.user")),
        Edit::UnsetParam(unset("lr")),
        Edit::RenameTag(key("mlflow.user", "user")),
        Edit::RenameParam(key("lr", "learning rate")),
    ];
    let removing = vec![
        select(Select {
            experiments: vec!["m*".into(), "0".into()],
            ..Select::default()
        }),
        select(Select {
            models: vec!["w*".into(), "m*".into()],
            ..Select::default()
        }),
        select(Select {
            latest: Some(2),
            ..Select::default()
        }),
        select(Select {
            filter: Some("attributes.status = 'FINISHED'".into()),
            ended_before: Some(1_714_979_352_000),
            ..Select::default()
        }),
        Edit::Exclude(Exclude {
            experiments: vec!["a*".into(), "n*".into()],
            models: vec!["w*".into()],
            ..Exclude::default()
        }),
        Edit::DropTag(glob("mlflow.*")),
        Edit::MaskTag(glob("*")),
        Edit::DropParam(glob("*")),
        Edit::MaskParam(glob("l*")),
        Edit::DropArtifact(DropArtifacts { glob: "**".into() }),
        Edit::DropTraceInputs(Plain {}),
        Edit::MaskTraceOutputs(Plain {}),
        Edit::RenameUser(rename(&[("a*", "person-*")])),
        Edit::HashUsers(HashUsers {
            key_file: key_file.to_owned(),
        }),
    ];
    (undone, removing)
}

/// Runs a recipe; false where it does not fit, as one edit may take what another needs.
fn applies(made: &Made, edits: &[Edit], to: &str) -> bool {
    match made.try_apply("in", edits.to_vec(), to) {
        Ok(_) => true,
        Err(TransformError::Edit { .. } | TransformError::Taken { .. } | TransformError::NoMatch(_)) => false,
        Err(error) => panic!("{edits:?}: {error}"),
    }
}

/// Whether a recipe fits, where it keeps all laws.
fn check(made: &Made, (undone, removing): (&[Edit], &[Edit])) -> bool {
    let recipe = [undone, removing].concat();
    if !applies(made, &recipe, "out") {
        return false;
    }
    crate::recipes::assert_intact(&made.path("out"));
    assert!(applies(made, &recipe, "again.zip"));
    assert_eq!(
        made.id("out"),
        made.id("again.zip"),
        "one recipe gives one content: {recipe:?}"
    );
    let text = Recipe {
        edits: recipe.clone(),
    }
    .to_text();
    assert_eq!(Recipe::parse(text.as_bytes()).unwrap().edits, recipe);
    if removing.is_empty() && made.archive("out").manifest().history != made.archive("in").manifest().history
    {
        made.undo("out", "undone");
        assert_eq!(made.id("undone"), made.id("in"), "{recipe:?}");
        let [undone, before] = ["undone", "in"].map(|name| made.archive(name).manifest().clone());
        assert_eq!(
            (
                undone.totals,
                undone.counts,
                undone.history,
                undone.format,
                undone.selection
            ),
            (
                before.totals,
                before.counts,
                before.history,
                before.format,
                before.selection
            )
        );
    }
    for name in ["out", "again.zip", "undone"] {
        made.remove(name);
    }
    true
}

/// Every edit alone, on an archive that MLflow's data fill and on one with something of every kind.
#[test]
fn each_edit_gives_an_intact_archive_and_is_undone_where_it_keeps_a_record() {
    for made in [Made::golden(), Made::rich()] {
        let (undone, removing) = edits(&made.key_file());
        let all = undone.len() + removing.len();
        let undone = undone
            .iter()
            .filter(|edit| check(&made, (std::slice::from_ref(edit), &[])));
        let removing = removing
            .iter()
            .filter(|edit| check(&made, (&[], std::slice::from_ref(edit))));
        let fitting = undone.count() + removing.count();
        assert!(fitting + 1 >= all, "{fitting} of {all} fit");
    }
}

fn some(most: usize) -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..100usize, 1..most)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_recipe_gives_an_intact_archive(first in some(4), second in prop::collection::vec(0..100usize, 0..3), is_golden: bool) {
        let made = if is_golden { Made::golden() } else { Made::rich() };
        let (undone, removing) = edits(&made.key_file());
        let pick = |edits: &[Edit], at: &[usize]| -> Vec<Edit> {
            at.iter().map(|at| edits[at % edits.len()].clone()).collect()
        };
        check(&made, (&pick(&undone, &first), &pick(&removing, &second)));
    }
}

/// In how many places of an archive a text is, as it is or encoded.
fn places_of(path: &std::path::Path, text: &str) -> u64 {
    let mut sought = SoughtTexts::default();
    sought.text("the text".into(), text).unwrap();
    let report = lacks(path, &sought, &VerifyOptions::default(), &Silent).unwrap();
    assert!(report.unread.is_empty(), "{:?}", report.unread);
    report.places
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn a_tag_that_is_dropped_or_masked_is_nowhere_and_is_found_when_it_is_put_back(text in "[a-zA-Z0-9 /\"ß]{9,20}", masks: bool, is_golden: bool) {
        let made = if is_golden { Made::golden() } else { Made::rich() };
        let text = format!("<{text}>");
        let set = || Edit::SetTag(SetText { kind: None, key: "mlflow.secret".into(), value: text.clone() });
        let erased = EraseTexts { kind: None, glob: "mlflow.sec*".into() };
        let erase = if masks { Edit::MaskTag(erased) } else { Edit::DropTag(erased) };
        // Source tags have a copy of it, and the undo record another.
        made.apply("in", vec![set(), Edit::SourceTags(SourceTags::default())], "copied");
        made.apply("copied", vec![Edit::UnsetTag(UnsetText { kind: None, key: "mlflow.secret".into() })], "unset");
        for (from, out) in [("copied", "gone"), ("unset", "gone.zip")] {
            prop_assert!(places_of(&made.path(from), &text) > 0);
            made.apply(from, vec![erase.clone()], out);
            prop_assert_eq!(places_of(&made.path(out), &text), 0);
            let again = format!("again-{out}");
            made.apply(out, vec![set()], &again);
            prop_assert!(places_of(&made.path(&again), &text) > 0);
        }
    }
}

#[test]
fn what_selects_all_changes_nothing() {
    for made in [Made::golden(), Made::rich()] {
        made.apply("in", vec![select(Select::default())], "out");
        assert_eq!(made.id("out"), made.id("in"));
        let all = || vec!["*".to_owned()];
        let by_name = Select {
            experiments: all(),
            models: all(),
            ..Select::default()
        };
        made.apply("in", vec![select(by_name)], "named");
        assert_eq!(made.id("named"), made.id("in"));
    }
}

#[test]
fn names_and_places_there_and_back_are_the_same() {
    let made = Made::golden();
    for (name, there, back) in [
        (
            "models",
            Edit::RenameModel(rename(&[("wine", "red wine"), ("greeting", "a greeting")])),
            Edit::RenameModel(rename(&[("red wine", "wine"), ("a greeting", "greeting")])),
        ),
        (
            "users",
            Edit::RenameUser(rename(&[("ana", "somebody")])),
            Edit::RenameUser(rename(&[("somebody", "ana")])),
        ),
        (
            "places",
            relocate("/tmp/mlark-fixtures", "s3://bucket/x"),
            relocate("s3://bucket/x", "/tmp/mlark-fixtures"),
        ),
    ] {
        let (one, both) = (format!("{name}-1"), format!("{name}-2"));
        made.apply("in", vec![there.clone()], &one);
        assert_ne!(made.id(&one), made.id("in"), "{name}");
        made.apply(&one, vec![back.clone()], &both);
        assert_eq!(made.id(&both), made.id("in"), "{name}");
        made.apply("in", vec![there, back], &format!("{name}-3"));
        assert_eq!(made.id(&format!("{name}-3")), made.id("in"), "{name}");
    }
}
