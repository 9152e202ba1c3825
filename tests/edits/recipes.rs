//! Recipes on an archive with something of every kind.

use crate::helpers::rich::{self, Size};
use mlark::archive::Archive;
use mlark::flow::transform::rename::{Rename, RenamePair};
use mlark::flow::transform::source_tags::SourceTags;
use mlark::flow::transform::{self, Edit, Recipe, TransformError, TransformOptions, TransformReport};
use mlark::model::Experiment;
use mlark::monitor::Silent;
use mlark::{VerifyOptions, verify};
use std::fs;
use std::path::{Path, PathBuf};

/// A folder with an archive in it, and archives made of it.
pub(crate) struct Made {
    folder: tempfile::TempDir,
}

impl Made {
    /// An archive with a line or two of everything, which was transformed once.
    pub(crate) fn rich() -> Self {
        let folder = tempfile::tempdir().unwrap();
        rich::build(&folder.path().join("in"), Size::Small);
        Made { folder }
    }

    /// An archive that MLflow's own data fill.
    pub(crate) fn golden() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/golden/v1.0/archive.zip");
        fs::copy(golden, folder.path().join("in")).unwrap();
        Made { folder }
    }

    /// A file with a key.
    pub(crate) fn key_file(&self) -> PathBuf {
        let path = self.path("key");
        fs::write(&path, "a key of more than sixteen bytes").unwrap();
        path
    }

    pub(crate) fn remove(&self, name: &str) {
        let path = self.path(name);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else if path.exists() {
            fs::remove_file(path).unwrap();
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn archive(&self, name: &str) -> Archive {
        Archive::open(&self.path(name)).unwrap()
    }

    pub(crate) fn try_apply(
        &self,
        from: &str,
        edits: Vec<Edit>,
        to: &str,
    ) -> Result<TransformReport, TransformError> {
        let archive = self.archive(from);
        transform::apply(
            &archive,
            &Recipe { edits },
            &self.path(to),
            &TransformOptions::default(),
        )
    }

    pub(crate) fn apply(&self, from: &str, edits: Vec<Edit>, to: &str) -> TransformReport {
        let report = self.try_apply(from, edits, to).unwrap();
        assert_intact(&self.path(to));
        report
    }

    pub(crate) fn undo(&self, from: &str, to: &str) -> TransformReport {
        let archive = self.archive(from);
        let report = transform::undo(&archive, &self.path(to), &TransformOptions::default()).unwrap();
        assert_intact(&self.path(to));
        report
    }

    pub(crate) fn id(&self, name: &str) -> String {
        self.archive(name).manifest().content_id.to_string()
    }
}

pub(crate) fn assert_intact(path: &Path) {
    let report = verify(path, &VerifyOptions::default(), &Silent).unwrap();
    assert!(report.is_intact(), "{}: {:#?}", path.display(), report.findings);
}

pub(crate) fn rename(pairs: &[(&str, &str)]) -> Rename {
    let pair = |&(old, new): &(&str, &str)| RenamePair {
        old: old.into(),
        new: new.into(),
    };
    Rename {
        names: pairs.iter().map(pair).collect(),
    }
}

fn rename_experiment(old: &str, new: &str) -> Edit {
    Edit::RenameExperiment(rename(&[(old, new)]))
}

#[test]
fn an_empty_recipe_changes_nothing() {
    let made = Made::rich();
    for out in ["out", "out.zip"] {
        let report = made.apply("in", Vec::new(), out);
        assert!(report.counts.is_empty());
        let [before, after] = ["in", out].map(|name| made.archive(name).manifest().clone());
        assert_eq!(
            (after.content_id, after.history, after.files, after.totals),
            (before.content_id, before.history, before.files, before.totals)
        );
    }
}

#[test]
fn a_renamed_experiment_is_undone_by_its_whole_line() {
    let made = Made::rich();
    let report = made.apply("in", vec![rename_experiment("ten", "eleven")], "out");
    assert_eq!(report.counts, [("experiments".to_owned(), 1)].into());
    let names: Vec<String> = made
        .archive("out")
        .objects::<Experiment>()
        .map(|one| one.unwrap().name)
        .collect();
    assert!(names.contains(&"eleven".to_owned()) && !names.contains(&"ten".to_owned()));
    let manifest = made.archive("out").manifest().clone();
    assert_eq!(manifest.format.requires, ["undo-lines"]);
    let entry = manifest.history.last().unwrap();
    assert_eq!(entry.name, "rename-experiment");
    assert!(entry.parameters.is_empty(), "names of objects are not told");
    made.undo("out", "back.zip");
    assert_eq!(made.id("back.zip"), made.id("in"));
    let back = made.archive("back.zip").manifest().clone();
    assert!(back.format.requires.is_empty());
    assert_eq!(back.history, made.archive("in").manifest().history);
}

#[test]
fn a_rename_there_and_back_is_none() {
    let made = Made::rich();
    made.apply(
        "in",
        vec![rename_experiment("ten", "x"), rename_experiment("x", "ten")],
        "out",
    );
    assert_eq!(made.id("out"), made.id("in"));
    made.apply(
        "in",
        vec![Edit::RenameExperiment(rename(&[
            ("ten", "Default"),
            ("Default", "ten"),
        ]))],
        "swapped",
    );
    made.apply(
        "swapped",
        vec![Edit::RenameExperiment(rename(&[
            ("ten", "Default"),
            ("Default", "ten"),
        ]))],
        "back",
    );
    assert_eq!(made.id("back"), made.id("in"));
}

#[test]
fn edits_are_carried_out_in_their_order() {
    let made = Made::rich();
    let tags = || Edit::SourceTags(SourceTags::default());
    made.apply(
        "in",
        vec![rename_experiment("Default", "new"), tags()],
        "renamed-first",
    );
    made.apply(
        "in",
        vec![tags(), rename_experiment("Default", "new")],
        "tagged-first",
    );
    let name = |archive: &str| {
        let archive = made.archive(archive);
        let first = archive.objects::<Experiment>().next().unwrap().unwrap();
        first.tags["mlflow_exim.field.name"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        (name("renamed-first"), name("tagged-first")),
        ("new".to_owned(), "Default".to_owned())
    );
    for archive in ["renamed-first", "tagged-first"] {
        made.undo(archive, &format!("{archive}-back"));
        assert_eq!(made.id(&format!("{archive}-back")), made.id("in"));
    }
    let entry = made
        .archive("tagged-first")
        .manifest()
        .history
        .last()
        .unwrap()
        .clone();
    assert_eq!(entry.name, "recipe");
}

#[test]
fn a_recipe_is_read_as_it_is_written_and_a_fault_is_told_with_its_place() {
    let recipe = Recipe {
        edits: vec![
            rename_experiment("a", "b"),
            Edit::SourceTags(SourceTags::default()),
        ],
    };
    assert_eq!(Recipe::parse(recipe.to_text().as_bytes()).unwrap(), recipe);
    let told = |text: &str| {
        let error = Recipe::parse(text.as_bytes()).unwrap_err();
        let told = format!("{error}: {}", std::error::Error::source(&error).unwrap());
        told.split(", expected one of").next().unwrap().to_owned()
    };
    let told: Vec<_> = [
        r#"{"edits": [{"edit": "source-tags"}, {"edit": "fly"}]}"#,
        r#"{"edits": [{"edit": "rename-experiment", "name": []}]}"#,
        r#"{"edits": [{"edit": "source-tags", "more": 1}]}"#,
        r#"{"edit": []}"#,
        "[",
    ]
    .into_iter()
    .map(told)
    .collect();
    insta::assert_snapshot!(told.join("\n"), @r"
    cannot read edit 2 of the recipe: unknown variant `fly`
    cannot read edit 1 of the recipe: unknown field `name`, expected `names`
    cannot read edit 1 of the recipe: unknown field `more`, there are no fields
    cannot read the recipe: unknown field `edit`, expected `edits`
    cannot read the recipe: EOF while parsing a list at line 1 column 1
    ");
}

#[test]
fn a_recipe_that_does_not_fit_makes_nothing() {
    let made = Made::rich();
    let refused = [
        made.try_apply("in", vec![rename_experiment("nine", "x")], "out"),
        made.try_apply("in", vec![rename_experiment("ten", "Default")], "out"),
    ];
    let told = refused.map(|refused| refused.unwrap_err().to_string());
    assert_eq!(
        told,
        [
            "nothing matches --rename-experiment `nine`",
            "rename-experiment: the name `Default` is taken"
        ]
    );
    assert!(!made.path("out").exists());
    let silent = made
        .apply("in", vec![rename_experiment("nine*", "x*")], "out")
        .silent;
    assert_eq!(silent, ["--rename-experiment `nine*`"]);
}

#[test]
fn a_preview_counts_what_would_be_done() {
    let made = Made::rich();
    let recipe = Recipe {
        edits: vec![
            rename_experiment("ten", "x"),
            Edit::SourceTags(SourceTags::default()),
        ],
    };
    let preview = transform::preview(&made.archive("in"), &recipe).unwrap();
    let done = made.apply("in", recipe.edits, "out");
    assert_eq!((preview.counts, preview.notices), (done.counts, done.notices));
    assert!(
        preview
            .examples
            .iter()
            .any(|example| example.fields.contains(&"name".to_owned()))
    );
}
