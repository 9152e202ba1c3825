//! Edits that drop or move objects: what belongs to these follows.

use crate::recipes::{Made, assert_intact, rename};
use mlark::archive::{Archive, ArchiveError, ArchiveWriter, Duplicates, ManifestHead, WriterOptions};
use mlark::flow::transform::move_runs::MoveRuns;
use mlark::flow::transform::rename::IntoWorkspace;
use mlark::flow::transform::select::{Exclude, Select};
use mlark::flow::transform::{self, Edit, Recipe, TransformError, TransformOptions};
use mlark::internals::for_each_artifact;
use mlark::model::{
    Dataset, DatasetInput, Experiment, LoggedModel, ModelVersion, OwnerKind, RegisteredModel, Run, Trace,
};

/// The parent of a chain of runs, in the experiment `main`.
const PARENT: &str = "29c19d569b3e4269a40ae839a7b7e8e3";

fn run_ids(made: &Made, name: &str) -> Vec<String> {
    let archive = made.archive(name);
    archive
        .objects::<Run>()
        .map(|run| run.unwrap().info.run_id)
        .collect()
}

fn select(made: &Made, select: Select, to: &str) -> Result<Vec<String>, TransformError> {
    let report = made.try_apply("in", vec![Edit::Select(select)], to)?;
    crate::recipes::assert_intact(&made.path(to));
    Ok(report.silent)
}

#[test]
fn one_version_by_its_alias_comes_with_its_run_and_experiment() {
    let made = Made::golden();
    let choice = Select {
        models: vec!["wine".into()],
        alias: Some("champion".into()),
        ..Select::default()
    };
    select(&made, choice, "out").unwrap();
    let archive = made.archive("out");
    let versions: Vec<ModelVersion> = archive.objects().map(Result::unwrap).collect();
    let [version] = versions.as_slice() else {
        panic!("{versions:?}")
    };
    assert_eq!((version.name.as_str(), version.version), ("wine", 3));
    assert_eq!(run_ids(&made, "out"), [version.run_id.clone().unwrap()]);
    let models: Vec<RegisteredModel> = archive.objects().map(Result::unwrap).collect();
    assert!(
        models[0].aliases.values().all(|version| *version == 3),
        "no alias leads nowhere"
    );
    let manifest = archive.manifest();
    assert!(manifest.totals.blobs > 0 && manifest.totals.blobs < made.archive("in").manifest().totals.blobs);
    let left_out = manifest
        .selection
        .left_out
        .iter()
        .find(|loss| loss.kind == "runs");
    assert_eq!(
        left_out.unwrap().count,
        manifest.history.last().unwrap().counts["runs dropped"]
    );
}

#[test]
fn runs_are_chosen_by_filter_time_and_number_with_their_parents() {
    let made = Made::golden();
    let by = |filter: Option<&str>, latest, ended_before, to: &str| {
        let choice = Select {
            experiments: vec!["main".into()],
            filter: filter.map(str::to_owned),
            latest,
            ended_before,
            ..Select::default()
        };
        select(&made, choice, to).unwrap();
        run_ids(&made, to)
    };
    let killed = by(Some("attributes.status = 'KILLED'"), None, None, "filtered");
    assert_eq!(killed.len(), 1);
    let grandchild = by(Some("run_name = 'grandchild'"), None, None, "grandchild");
    assert!(
        grandchild.len() == 3 && grandchild[0] == PARENT,
        "a run comes with its parents"
    );
    let latest = by(None, Some(2), None, "latest");
    assert_eq!(latest.len(), 2);
    let ended = by(None, None, Some(1_714_979_292_700), "ended");
    assert!(!ended.is_empty() && ended.len() < run_ids(&made, "in").len());
}

#[test]
fn what_nothing_is_called_is_an_error_and_what_nothing_matches_is_said() {
    let made = Made::golden();
    let named = |experiments: &str| Select {
        experiments: vec![experiments.into()],
        ..Select::default()
    };
    assert!(matches!(
        select(&made, named("mian"), "out"),
        Err(TransformError::NoMatch(_))
    ));
    assert_eq!(
        select(&made, named("mian*"), "a").unwrap(),
        ["--experiment `mian*`"]
    );
    let none = Select {
        filter: Some("params.none = '1'".into()),
        ..Select::default()
    };
    assert_eq!(
        select(&made, none, "b").unwrap(),
        ["--filter `params.none = '1'`"]
    );
    let wrong = Select {
        filter: Some("params.none =".into()),
        ..Select::default()
    };
    assert!(matches!(
        select(&made, wrong, "out"),
        Err(TransformError::Edit { .. })
    ));
    let version = Select {
        models: vec!["wine".into()],
        version: Some(77),
        ..Select::default()
    };
    assert!(matches!(
        select(&made, version, "out"),
        Err(TransformError::Edit { .. })
    ));
    assert!(!made.path("out").exists());
}

#[test]
fn what_is_excluded_goes_with_what_belongs_to_it() {
    let made = Made::golden();
    let exclude = Exclude {
        experiments: vec!["main".into()],
        models: vec!["wine".into()],
        ..Exclude::default()
    };
    made.apply("in", vec![Edit::Exclude(exclude)], "out");
    let archive = made.archive("out");
    assert_eq!(
        archive.objects::<LoggedModel>().count() + archive.objects::<Trace>().count(),
        0
    );
    assert!(
        archive
            .objects::<ModelVersion>()
            .all(|version| version.unwrap().name != "wine")
    );
    assert!(archive.objects::<ModelVersion>().count() > 0 && !run_ids(&made, "out").is_empty());
    assert_eq!(archive.manifest().totals.blobs, 0);
}

#[test]
fn moved_runs_take_their_children_models_traces_and_datasets_along() {
    let made = Made::golden();
    let edit = Edit::MoveRuns(MoveRuns::parse("experiment:main=12e45678").unwrap());
    let report = made.apply("in", vec![edit], "out");
    assert!(
        report.counts["runs"] == 17 && report.counts.contains_key("datasets"),
        "{:?}",
        report.counts
    );
    let archive = made.archive("out");
    let target = "568505815321428591";
    let of_main = "407331964677779615";
    assert!(
        archive
            .objects::<Run>()
            .all(|run| run.unwrap().info.experiment_id != of_main)
    );
    assert!(
        archive
            .objects::<Trace>()
            .any(|trace| trace.unwrap().experiment_id == target)
    );
    assert!(
        archive
            .objects::<LoggedModel>()
            .any(|model| model.unwrap().experiment_id == target)
    );
    assert!(
        archive
            .objects::<Dataset>()
            .all(|dataset| dataset.unwrap().experiment_id == target)
    );
    made.undo("out", "back");
    assert_eq!(made.id("back"), made.id("in"));

    let one = Edit::MoveRuns(MoveRuns::parse(&format!("{}=0", &PARENT[..8])).unwrap());
    let report = made.apply("in", vec![one], "one.zip");
    assert_eq!(report.counts["runs"], 3, "its child and the child of that");
    let nowhere = MoveRuns::parse("experiment:main=nowhere").unwrap();
    let refused = made.try_apply("in", vec![Edit::MoveRuns(nowhere)], "refused");
    assert!(matches!(refused, Err(TransformError::NoMatch(_))));
}

#[test]
fn a_dataset_that_a_run_which_stays_reads_is_there_twice() {
    let made = Made::golden();
    let run = "f5d06d37f2a54414ae0ab26316e34fbe";
    let edit = Edit::MoveRuns(MoveRuns::parse(&format!("{run}=0")).unwrap());
    made.apply("in", vec![edit], "out");
    let of = |name: &str, experiment: &str| {
        let archive = made.archive(name);
        archive
            .objects::<Dataset>()
            .filter(|one| one.as_ref().unwrap().experiment_id == experiment)
            .count()
    };
    assert!(of("out", "0") > 0 && of("out", "407331964677779615") > 0);
    made.undo("out", "back.zip");
    assert_eq!(made.id("back.zip"), made.id("in"));
}

/// An archive of two experiments, and two runs of the first that read a dataset with a text that no line holds.
fn with_long_dataset(path: &std::path::Path) {
    let mut writer = ArchiveWriter::create(path, WriterOptions::default()).unwrap();
    let long = "profile".repeat(300_000);
    for id in ["1", "2"] {
        let experiment = Experiment {
            experiment_id: id.into(),
            lifecycle_stage: "active".into(),
            name: id.into(),
            ..Experiment::default()
        };
        writer.write(&experiment).unwrap();
    }
    let dataset = Dataset {
        experiment_id: "1".into(),
        name: "d".into(),
        digest: "1".into(),
        profile: Some(long.as_str().into()),
        ..Dataset::default()
    };
    writer.write(&dataset).unwrap();
    for id in ["a", "b"] {
        let mut run = Run::default();
        run.info.run_id = id.repeat(32);
        run.info.experiment_id = "1".into();
        run.info.status = "FINISHED".into();
        run.info.lifecycle_stage = "active".into();
        run.inputs.dataset_inputs = vec![DatasetInput {
            name: "d".into(),
            digest: "1".into(),
            tags: Default::default(),
        }];
        writer.write(&run).unwrap();
    }
    writer
        .finish(ManifestHead::default(), Duplicates::Refuse)
        .unwrap();
}

#[test]
fn a_long_text_of_a_dataset_that_an_edit_adds_is_the_same_blob() {
    let made = Made::golden();
    with_long_dataset(&made.path("long"));
    let edit = Edit::MoveRuns(MoveRuns::parse("aaaa=2").unwrap());
    made.apply("long", vec![edit], "out.zip");
    assert_intact(&made.path("out.zip"));
    let [before, after] = ["long", "out.zip"].map(|name| made.archive(name));
    let datasets: Vec<Dataset> = after.objects().map(Result::unwrap).collect();
    let [first, second] = datasets.as_slice() else {
        panic!("{} datasets", datasets.len())
    };
    assert_eq!(
        (first.experiment_id.as_str(), second.experiment_id.as_str()),
        ("1", "2")
    );
    assert!(first.profile.is_some() && first.profile == second.profile);
    assert_eq!(before.manifest().totals.blobs, 1);
    assert_eq!(after.manifest().totals, before.manifest().totals);
    made.undo("out.zip", "back");
    assert_eq!(made.id("back"), made.id("long"));
}

#[test]
fn what_an_edit_adds_is_under_the_edits_after_it() {
    let made = Made::golden();
    let run = "f5d06d37f2a54414ae0ab26316e34fbe";
    let moved = Edit::MoveRuns(MoveRuns::parse(&format!("{run}=0")).unwrap());
    made.apply("in", vec![moved.clone()], "moved");
    let exclude = |experiments: &[&str], runs: &[&str]| {
        Edit::Exclude(Exclude {
            experiments: experiments.iter().map(|&name| name.into()).collect(),
            runs: runs.iter().map(|&id| id.into()).collect(),
            ..Exclude::default()
        })
    };
    let back = "407331964677779615";
    let later = [
        exclude(&["0"], &[]),
        exclude(&[back], &[]),
        exclude(&[], &[run]),
        Edit::Select(Select {
            experiments: vec!["0".into()],
            ..Select::default()
        }),
        Edit::Select(Select {
            experiments: vec![back.into()],
            ..Select::default()
        }),
        Edit::MoveRuns(MoveRuns::parse(&format!("{run}={back}")).unwrap()),
    ];
    for (number, edit) in later.into_iter().enumerate() {
        let (one, two) = (format!("one-{number}"), format!("two-{number}"));
        made.apply("in", vec![moved.clone(), edit.clone()], &one);
        made.apply("moved", vec![edit.clone()], &two);
        assert_intact(&made.path(&one));
        assert_eq!(made.id(&one), made.id(&two), "{edit:?}");
    }
}

#[test]
fn a_renamed_model_takes_its_versions_files_and_references_along() {
    let made = Made::rich();
    let names = |name: &str| -> Vec<String> {
        made.archive(name)
            .objects::<RegisteredModel>()
            .map(|one| one.unwrap().name)
            .collect()
    };
    let old = names("in").first().unwrap().clone();
    made.apply("in", vec![Edit::RenameModel(rename(&[(&old, "zz new")]))], "out");
    assert!(names("out").contains(&"zz new".to_owned()) && !names("out").contains(&old));
    let archive = made.archive("out");
    assert!(
        archive
            .objects::<ModelVersion>()
            .all(|version| version.unwrap().name != old)
    );
    let mut owners = Vec::new();
    for_each_artifact::<ArchiveError>(&archive, &mut |entry| {
        owners.push((entry.owner.kind, entry.owner.id.clone()));
        Ok(())
    })
    .unwrap();
    let is_old = |(kind, id): &(OwnerKind, String)| *kind == OwnerKind::ModelVersion && id.starts_with(&old);
    assert!(!owners.iter().any(is_old));
    made.undo("out", "back");
    assert_eq!(made.id("back"), made.id("in"));
}

#[test]
fn experiments_of_one_name_in_two_workspaces_are_told_apart_by_their_ids() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let mut writer = ArchiveWriter::create(&at("in"), WriterOptions::default()).unwrap();
    for (id, workspace) in [("1", "paris"), ("2", "rome"), ("3", "rome")] {
        let experiment = Experiment {
            experiment_id: id.into(),
            name: if id == "3" { "other" } else { "Default" }.into(),
            lifecycle_stage: "active".into(),
            workspace: Some(workspace.into()),
            ..Experiment::default()
        };
        writer.write(&experiment).unwrap();
    }
    writer
        .finish(ManifestHead::default(), Duplicates::Refuse)
        .unwrap();
    let archive = Archive::open(&at("in")).unwrap();
    let into = Edit::IntoWorkspace(IntoWorkspace {
        name: "europe".into(),
    });
    let apply = |edits: Vec<Edit>, out: &str| {
        transform::apply(
            &archive,
            &Recipe { edits },
            &at(out),
            &TransformOptions::default(),
        )
    };
    let error = apply(vec![into.clone()], "out").unwrap_err();
    assert_eq!(error.to_string(), "into-workspace: the name `Default` is taken");
    let error = apply(vec![Edit::RenameExperiment(rename(&[("2", "other")]))], "out").unwrap_err();
    assert_eq!(error.to_string(), "rename-experiment: the name `other` is taken");
    assert!(!at("out").exists());
    // Exchanged with one that is renamed by name.
    let edits = vec![
        Edit::RenameExperiment(rename(&[("2", "other"), ("other", "last")])),
        into,
    ];
    apply(edits, "out").unwrap();
    assert_intact(&at("out"));
    let made = Archive::open(&at("out")).unwrap();
    let names = made.objects::<Experiment>().map(|experiment| experiment.unwrap());
    let names: Vec<_> = names.map(|it| (it.name, it.workspace.unwrap())).collect();
    assert_eq!(
        names,
        ["Default", "other", "last"].map(|name| (name.to_owned(), "europe".to_owned()))
    );
}
