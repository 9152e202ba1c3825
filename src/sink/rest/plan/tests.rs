//! Plans for small archives and made-up targets: no server is asked.

use super::{Action, Chosen, Named, Plan, Tally};
use crate::archive::{Archive, ArchiveWriter, ByteSource, Duplicates, ManifestHead, Owner, WriterOptions};
use crate::format::{Kind, Object};
use crate::model::{
    Double, Experiment, LoggedModel, ModelVersion, OwnerKind, Point, RegisteredModel, Run, Text, TextMap,
    Trace,
};
use crate::sink::rest::api::{TargetExperiment, TargetModel};
use crate::sink::rest::changes::Outcome;
use crate::sink::rest::mapping::Mapping;
use crate::sink::rest::options::{ImportOptions, LongValues, OnConflict, Only};
use crate::sink::rest::rewrite::Fitting;
use crate::sink::rest::target::TargetState;
use crate::sink::rest::{ImportError, mark};
use crate::source::Patterns;
use std::borrow::Cow;

const ORIGIN: &str = "lab";

fn texts(pairs: &[(&str, &str)]) -> TextMap {
    let pairs = pairs.iter();
    pairs
        .map(|(key, value)| ((*key).to_owned(), Text::from(*value)))
        .collect()
}

fn experiment(id: &str, name: &str) -> Experiment {
    Experiment {
        experiment_id: id.to_owned(),
        name: name.to_owned(),
        lifecycle_stage: "active".to_owned(),
        ..Experiment::default()
    }
}

fn run(number: u32, experiment_id: &str) -> Run {
    let mut run = Run::default();
    run.info.run_id = run_id(number);
    run.info.experiment_id = experiment_id.to_owned();
    run.info.run_name = Some(format!("run {number}"));
    run.info.start_time = Some(i64::from(number));
    run.info.status = "FINISHED".to_owned();
    run.info.lifecycle_stage = "active".to_owned();
    run
}

fn run_id(number: u32) -> String {
    format!("{number:032x}")
}

/// What an archive is made of.
#[derive(Default)]
struct Content {
    experiments: Vec<Experiment>,
    runs: Vec<Run>,
    points: Vec<Point>,
    files: Vec<&'static str>,
    /// Of the first version.
    version_files: Vec<&'static str>,
    logged_models: Vec<LoggedModel>,
    models: Vec<RegisteredModel>,
    versions: Vec<ModelVersion>,
    traces: Vec<Trace>,
}

impl Content {
    /// Two experiments with a run each, and the default one.
    fn small() -> Self {
        Content {
            experiments: vec![
                experiment("0", "Default"),
                experiment("7", "fraud"),
                experiment("8", "churn"),
            ],
            runs: vec![run(1, "7"), run(2, "8")],
            ..Content::default()
        }
    }

    fn with_model(name: &str, tags: &[(&str, &str)], aliases: &[(&str, u64)]) -> Self {
        let aliases = aliases
            .iter()
            .map(|(alias, version)| ((*alias).to_owned(), *version));
        Content {
            models: vec![RegisteredModel {
                name: name.to_owned(),
                aliases: aliases.collect(),
                tags: texts(tags),
                ..RegisteredModel::default()
            }],
            versions: vec![ModelVersion {
                name: name.to_owned(),
                version: 1,
                ..ModelVersion::default()
            }],
            ..Content::default()
        }
    }

    fn write(&self) -> Written {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("a");
        let mut writer = ArchiveWriter::create(&out, WriterOptions::default()).unwrap();
        fn all<T: Object>(writer: &mut ArchiveWriter, objects: &[T]) {
            objects.iter().for_each(|object| writer.write(object).unwrap());
        }
        all(&mut writer, &self.experiments);
        all(&mut writer, &self.runs);
        all(&mut writer, &self.logged_models);
        all(&mut writer, &self.models);
        all(&mut writer, &self.versions);
        all(&mut writer, &self.traces);
        if let Some(first) = self.runs.first() {
            let mut series = writer.point_series();
            let points = self.points.iter();
            points.for_each(|point| series.push(point.clone()).unwrap());
            if !series.is_empty() {
                let key = first.sort_key();
                writer.write_metric(&key, &first.id(), "loss", series).unwrap();
            }
            let owner = Owner {
                kind: OwnerKind::Run,
                id: first.id(),
                sort_key: first.sort_key(),
            };
            for path in &self.files {
                let bytes = ByteSource::Bytes(b"x".to_vec());
                let fail = &mut |_: &mut _, failure| panic!("{failure:?}");
                writer.artifact(&owner, (*path).to_owned(), bytes, fail).unwrap();
            }
            writer
                .drain_artifacts(&mut |_, failure| panic!("{failure:?}"))
                .unwrap();
        }
        if let Some(version) = self.versions.first() {
            let owner = Owner {
                kind: OwnerKind::ModelVersion,
                id: version.id(),
                sort_key: version.sort_key(),
            };
            for path in &self.version_files {
                let bytes = ByteSource::Bytes(b"x".to_vec());
                let fail = &mut |_: &mut _, failure| panic!("{failure:?}");
                writer.artifact(&owner, (*path).to_owned(), bytes, fail).unwrap();
            }
            writer
                .drain_artifacts(&mut |_, failure| panic!("{failure:?}"))
                .unwrap();
        }
        let head = ManifestHead {
            origin: ORIGIN.to_owned(),
            ..ManifestHead::default()
        };
        writer.finish(head, Duplicates::Refuse).unwrap();
        Written {
            archive: Archive::open(&out).unwrap(),
            _directory: directory,
        }
    }
}

/// An archive as long as its directory lives.
struct Written {
    archive: Archive,
    _directory: tempfile::TempDir,
}

impl Written {
    fn try_plan(
        &self,
        target: &TargetState,
        mapping: &Mapping,
        options: &ImportOptions,
    ) -> Result<Plan, ImportError> {
        let chosen = Chosen::resolve(&self.archive, &options.only).unwrap();
        let named = Named::read(&self.archive, &chosen).unwrap();
        Plan::make(&self.archive, chosen, &named, target, mapping, options)
    }

    fn plan(&self, target: &TargetState, options: &ImportOptions) -> Plan {
        self.try_plan(target, &Mapping::default(), options).unwrap()
    }
}

/// A server of a version that has nothing but the default experiment.
fn server(version: &str) -> TargetState {
    let mut target = TargetState {
        url: "http://127.0.0.1:5000".to_owned(),
        version_text: Some(version.to_owned()),
        origin: ORIGIN.to_owned(),
        ..TargetState::default()
    };
    add(&mut target, "0", "Default");
    target
}

fn add<'t>(target: &'t mut TargetState, id: &str, name: &str) -> &'t mut TargetExperiment {
    let experiment = TargetExperiment {
        id: id.to_owned(),
        name: name.to_owned(),
        ..TargetExperiment::default()
    };
    target.experiments.entry(id.to_owned()).or_insert(experiment)
}

/// An experiment that an earlier import of this origin made.
fn add_marked(target: &mut TargetState, id: &str, name: &str, archive_id: &str) {
    let mark = mark::mark(ORIGIN, Kind::Experiments, archive_id);
    let experiment = add(target, id, name);
    experiment.tags.insert(mark::KEY.to_owned(), mark);
    target.marked.insert(archive_id.to_owned(), id.to_owned());
}

fn on_conflict(on_conflict: OnConflict) -> ImportOptions {
    ImportOptions {
        on_conflict,
        ..ImportOptions::default()
    }
}

/// What the plan says of an experiment: what happens, its name in the target, its id there.
fn decided<'p>(plan: &'p Plan, id: &str) -> (Action, &'p str, Option<&'p str>) {
    let planned = plan.experiment(id).unwrap();
    (planned.action, &planned.target_name, planned.target_id.as_deref())
}

/// Limits as kind, field, reason, outcome.
fn limits(plan: &Plan) -> Vec<(Kind, &str, &str, Outcome)> {
    let named = plan.changes.named().iter();
    named
        .map(|change| {
            (
                change.kind,
                change.field.as_str(),
                &*change.reason,
                change.outcome,
            )
        })
        .collect()
}

/// Counts of limits as kind, reason, outcome, count.
fn counts(plan: &Plan) -> Vec<(Kind, Cow<'static, str>, Outcome, u64)> {
    let counts = plan.changes.counts().into_iter();
    counts
        .map(|count| (count.kind, count.reason, count.outcome, count.count))
        .collect()
}

#[test]
fn all_is_made_in_an_empty_target_and_default_goes_into_its_own() {
    let plan = Content::small()
        .write()
        .plan(&server("3.18.0"), &ImportOptions::default());
    insta::assert_snapshot!(plan.to_text(), @r"
    plan for http://127.0.0.1:5000 (MLflow 3.18.0)
      experiments          create 2, merge 1
      runs                 create 2
    ");
    assert_eq!(decided(&plan, "0"), (Action::Merge, "Default", Some("0")));
    assert_eq!(decided(&plan, "7"), (Action::Create, "fraud", None));
    assert_eq!(plan.to_create(), 4);
    assert!(plan.changes.is_empty() && plan.conflicts().next().is_none());
}

#[test]
fn a_plan_names_each_object_when_asked_in_both_forms() {
    let options = ImportOptions {
        list_objects: true,
        ..ImportOptions::default()
    };
    let mut content = Content::small();
    content.runs.truncate(1);
    let plan = content.write().plan(&server("3.18.0"), &options);
    insta::assert_snapshot!(plan.to_text(), @r"
    plan for http://127.0.0.1:5000 (MLflow 3.18.0)
      experiments          create 2, merge 1
      runs                 create 1
      merge    experiments 0 `Default` -> 0
      create   experiments 7 `fraud`
      create   experiments 8 `churn`
      create   runs 00000000000000000000000000000001 `run 1`
    ");
    insta::assert_json_snapshot!(plan.to_json()["objects"][3], @r#"
    {
      "action": "create",
      "id": "00000000000000000000000000000001",
      "kind": "runs",
      "name": "run 1"
    }
    "#);
}

#[test]
fn what_an_earlier_import_made_is_reused_whatever_its_name_is_now() {
    let written = Content::small().write();
    let mut target = server("3.18.0");
    add_marked(&mut target, "31", "fraud, renamed since", "7");
    let mut mapping = Mapping::default();
    mapping.insert(Kind::Runs, &run_id(1), &run_id(91), false);
    let plan = written
        .try_plan(&target, &mapping, &ImportOptions::default())
        .unwrap();
    assert_eq!(
        decided(&plan, "7"),
        (Action::Reuse, "fraud, renamed since", Some("31"))
    );
    let runs = Tally {
        create: 1,
        reuse: 1,
        ..Tally::default()
    };
    assert_eq!(plan.tallies[&Kind::Runs], runs);
}

#[test]
fn a_marked_experiment_of_another_origin_is_not_ours() {
    let written = Content::small().write();
    let mut target = server("3.18.0");
    let other = mark::mark("elsewhere", Kind::Experiments, "7");
    add(&mut target, "31", "fraud")
        .tags
        .insert(mark::KEY.to_owned(), other);
    let plan = written.plan(&target, &ImportOptions::default());
    assert_eq!(decided(&plan, "7"), (Action::Conflict, "fraud", Some("31")));
}

#[test]
fn what_the_journal_knows_and_the_target_lacks_ends_the_plan() {
    let written = Content::small().write();
    let mut mapping = Mapping::default();
    mapping.insert(Kind::Experiments, "7", "31", false);
    let error = written
        .try_plan(&server("3.18.0"), &mapping, &ImportOptions::default())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "experiments `7` was imported as `31`, and the target no longer has that"
    );
}

#[test]
fn a_taken_name_is_a_conflict_is_merged_into_or_gets_a_number() {
    let written = Content::small().write();
    let mut target = server("3.18.0");
    add(&mut target, "1", "fraud");
    add(&mut target, "2", "fraud-2");
    let plan = written.plan(&target, &on_conflict(OnConflict::Fail));
    assert_eq!(decided(&plan, "7"), (Action::Conflict, "fraud", Some("1")));
    let conflicts: Vec<_> = plan.conflicts().map(|item| item.id.as_str()).collect();
    assert_eq!(conflicts, ["7"]);
    let plan = written.plan(&target, &on_conflict(OnConflict::Merge));
    assert_eq!(decided(&plan, "7"), (Action::Merge, "fraud", Some("1")));
    let plan = written.plan(&target, &on_conflict(OnConflict::Rename));
    assert_eq!(decided(&plan, "7"), (Action::Create, "fraud-3", None));
    // A deleted experiment blocks its name and takes nothing in.
    target.experiments.get_mut("1").unwrap().is_deleted = true;
    let plan = written.plan(&target, &on_conflict(OnConflict::Merge));
    assert_eq!(decided(&plan, "7").0, Action::Conflict);
}

#[test]
fn two_objects_of_one_name_in_the_archive_conflict_with_each_other() {
    let written = Content::small().write();
    let renamed = |on_conflict| ImportOptions {
        rename_experiments: [("churn".to_owned(), "fraud".to_owned())].into(),
        on_conflict,
        ..ImportOptions::default()
    };
    let plan = written.plan(&server("3.18.0"), &renamed(OnConflict::Fail));
    assert_eq!(decided(&plan, "7").0, Action::Create);
    assert_eq!(decided(&plan, "8").0, Action::Conflict);
    let plan = written.plan(&server("3.18.0"), &renamed(OnConflict::Rename));
    assert_eq!(decided(&plan, "8"), (Action::Create, "fraud-2", None));
}

#[test]
fn a_deleted_experiment_yields_its_name_and_is_not_deleted_where_it_is_not_ours() {
    let mut content = Content::small();
    content.experiments[1].name = "churn".to_owned();
    content.experiments[1].lifecycle_stage = "deleted".to_owned();
    let written = content.write();
    let plan = written.plan(&server("3.18.0"), &on_conflict(OnConflict::Rename));
    assert_eq!(decided(&plan, "8"), (Action::Create, "churn", None));
    assert_eq!(decided(&plan, "7"), (Action::Create, "churn-2", None));
    assert!(plan.experiment("7").unwrap().delete && !plan.experiment("8").unwrap().delete);

    content.experiments[1].name = "fraud".to_owned();
    let mut target = server("3.18.0");
    add(&mut target, "1", "fraud");
    let plan = content.write().plan(&target, &on_conflict(OnConflict::Merge));
    assert!(!plan.experiment("7").unwrap().delete);
    let kept = (
        Kind::Experiments,
        "lifecycle_stage",
        "not-ours-to-delete",
        Outcome::Kept,
    );
    assert_eq!(limits(&plan), [kept]);
}

#[test]
fn one_name_fits_one_experiment() {
    let options = ImportOptions {
        experiment_name: Some("all".to_owned()),
        ..ImportOptions::default()
    };
    let written = Content::small().write();
    let error = written
        .try_plan(&server("3.18.0"), &Mapping::default(), &options)
        .unwrap_err();
    assert_eq!(error.to_string(), "one name was given for 3 experiments");
    let one = ImportOptions {
        only: Only {
            experiments: Patterns::names(vec!["fraud".to_owned()]).unwrap(),
            ..Only::default()
        },
        ..options
    };
    let plan = written.plan(&server("3.18.0"), &one);
    assert_eq!(decided(&plan, "7"), (Action::Create, "all", None));
}

#[test]
fn a_choice_brings_what_it_needs_and_skips_the_rest() {
    let only = ImportOptions {
        only: Only {
            runs: [run_id(2)].into(),
            ..Only::default()
        },
        ..ImportOptions::default()
    };
    let plan = Content::small().write().plan(&server("3.18.0"), &only);
    let names: Vec<_> = plan
        .experiments
        .iter()
        .map(|planned| planned.name.as_str())
        .collect();
    assert_eq!(names, ["churn"]);
    let runs = Tally {
        create: 1,
        skip: 1,
        ..Tally::default()
    };
    assert_eq!(plan.tallies[&Kind::Runs], runs);
}

#[test]
fn only_parents_that_come_are_waited_for() {
    let mut content = Content::small();
    let parent = |id: String| texts(&[("mlflow.parentRunId", &id)]);
    content.runs = vec![run(1, "7"), run(2, "7"), run(3, "7")];
    content.runs[1].tags = parent(run_id(1));
    content.runs[2].tags = parent(run_id(99));
    let plan = content.write().plan(&server("3.18.0"), &ImportOptions::default());
    assert_eq!(plan.parents, [run_id(1)].into());
}

#[test]
fn long_values_are_decided_about_before_anything_is_sent() {
    let mut content = Content::small();
    content.runs.truncate(1);
    content.runs[0].params = texts(&[("short", "1"), ("long", &"é".repeat(6_001))]);
    content.runs[0].tags = texts(&[("long", &"x".repeat(8_001))]);
    let written = content.write();
    let with = |long_values| ImportOptions {
        long_values,
        ..ImportOptions::default()
    };
    let outcome = |plan: &Plan| {
        let limits = limits(plan);
        assert_eq!(limits.len(), 2, "{limits:?}");
        assert!(limits.iter().all(|limit| limit.2 == "value-too-long"));
        (limits[0].3, limits[1].3)
    };
    let plan = |version, long_values| written.plan(&server(version), &with(long_values));
    for (long_values, expected) in [
        (LongValues::Error, Outcome::LeftOut),
        (LongValues::Skip, Outcome::LeftOut),
        (LongValues::Truncate, Outcome::Truncated),
    ] {
        assert_eq!(
            outcome(&plan("3.18.0", long_values)),
            (expected, expected),
            "{long_values:?}"
        );
    }
    // One that fits 3.18 may be too long for an older server.
    content.runs[0].params = texts(&[("long", &"x".repeat(501))]);
    content.runs[0].tags.clear();
    let written = content.write();
    let named = |version| {
        let plan = written.plan(&server(version), &with(LongValues::Truncate));
        plan.changes.named().len()
    };
    assert_eq!((named("2.4.2"), named("2.9.2")), (1, 0));
}

#[test]
fn points_and_files_that_no_server_takes_are_counted_and_files_are_named() {
    let point = |timestamp, value| Point {
        timestamp,
        step: 0,
        value: Double(value),
        link: None,
    };
    let mut content = Content::small();
    content.runs.truncate(1);
    content.points = vec![
        point(-1, 1.0),
        point(1, f64::INFINITY),
        point(2, f64::NEG_INFINITY),
        point(3, 0.5),
    ];
    content.files = vec!["a#b", "dir/fine.txt", "x%41"];
    let plan = content.write().plan(&server("3.18.0"), &ImportOptions::default());
    assert_eq!(
        counts(&plan),
        [
            (Kind::Metrics, "infinity".into(), Outcome::Replaced, 2),
            (Kind::Metrics, "negative-timestamp".into(), Outcome::LeftOut, 1),
            (
                Kind::Artifacts,
                "path-changed-by-server".into(),
                Outcome::LeftOut,
                1
            ),
            (Kind::Artifacts, "path-refused".into(), Outcome::LeftOut, 1),
        ]
    );
    let paths: Vec<_> = limits(&plan).iter().map(|limit| limit.1).collect();
    assert_eq!(paths, ["a#b", "x%41"]);
}

#[test]
fn keys_follow_the_rules_of_the_target_s_version() {
    let mut content = Content::small();
    content.runs.truncate(1);
    content.runs[0].params = texts(&[("a:b", "1"), ("a@b", "2")]);
    let written = content.write();
    let refused = |version| {
        let plan = written.plan(&server(version), &ImportOptions::default());
        let names = plan.changes.named().iter().map(|change| change.field.clone());
        names.collect::<Vec<_>>()
    };
    assert_eq!(refused("3.18.0"), ["param a@b"]);
    assert_eq!(refused("2.9.2"), ["param a:b", "param a@b"]);
}

#[test]
fn an_older_server_gets_what_it_knows_and_the_rest_is_counted() {
    let mut content = Content::with_model("wine", &[], &[("champion", 1)]);
    content.experiments = vec![experiment("7", "fraud")];
    content.logged_models = vec![LoggedModel {
        model_id: format!("m-{}", run_id(1)),
        experiment_id: "7".to_owned(),
        lifecycle_stage: "active".to_owned(),
        status: "LOGGED_MODEL_READY".to_owned(),
        ..LoggedModel::default()
    }];
    let written = content.write();
    let old = written.plan(&server("2.0.1"), &ImportOptions::default());
    assert_eq!(
        counts(&old),
        [
            (Kind::LoggedModels, "target-too-old".into(), Outcome::LeftOut, 1),
            (
                Kind::RegisteredModels,
                "target-too-old".into(),
                Outcome::LeftOut,
                1
            ),
        ]
    );
    assert_eq!(old.tallies[&Kind::RegisteredModels].create, 1);
    assert!(!old.tallies.contains_key(&Kind::LoggedModels));
    let new = written.plan(&server("3.18.0"), &ImportOptions::default());
    assert!(new.changes.is_empty());
    assert_eq!(new.tallies[&Kind::LoggedModels].create, 1);
}

#[test]
fn a_server_that_tells_no_version_is_taken_for_the_oldest() {
    let mut target = server("3.18.0");
    target.version_text = None;
    let mut content = Content::with_model("wine", &[], &[("champion", 1)]);
    content.experiments = vec![experiment("7", "fraud")];
    let plan = content.write().plan(&target, &ImportOptions::default());
    assert_eq!(plan.changes.of_reason("target-too-old"), 1);
    assert!(
        plan.to_text().contains("MLflow of unknown version"),
        "{}",
        plan.to_text()
    );
}

#[test]
fn models_whose_names_are_refused_and_prompts_for_old_servers_are_left_out_with_their_versions() {
    let prompt = Content::with_model("ask", &[("mlflow.prompt.is_prompt", "true")], &[]).write();
    let slash = Content::with_model("a:b", &[], &[]).write();
    for (written, version, reason) in [
        (&prompt, "2.9.2", "target-too-old"),
        (&slash, "3.18.0", "name-refused"),
    ] {
        let plan = written.plan(&server(version), &ImportOptions::default());
        let skipped = Tally {
            skip: 1,
            ..Tally::default()
        };
        assert_eq!(plan.tallies[&Kind::RegisteredModels], skipped);
        assert_eq!(plan.tallies[&Kind::ModelVersions], skipped);
        assert_eq!(
            limits(&plan),
            [(Kind::RegisteredModels, "*", reason, Outcome::LeftOut)]
        );
    }
    let plan = slash.plan(&server("3.10.0"), &ImportOptions::default());
    assert_eq!(plan.tallies[&Kind::RegisteredModels].create, 1);
}

#[test]
fn aliases_that_servers_refuse_are_left_out_and_the_others_stay() {
    let written = Content::with_model("wine", &[], &[("champion", 1), ("latest", 1), ("v7", 1)]).write();
    let plan = written.plan(&server("3.18.0"), &ImportOptions::default());
    let refused: Vec<_> = limits(&plan).iter().map(|limit| (limit.1, limit.2)).collect();
    assert_eq!(
        refused,
        [("alias latest", "alias-refused"), ("alias v7", "alias-refused")]
    );
}

#[test]
fn a_taken_model_name_is_a_conflict_is_merged_into_or_gets_a_number() {
    let written = Content::with_model("wine", &[], &[]).write();
    let mut target = server("3.18.0");
    target.models.insert("wine".to_owned(), TargetModel::default());
    let decided = |target: &TargetState, how| {
        let plan = written.plan(target, &on_conflict(how));
        (plan.models[0].action, plan.models[0].target_name.clone())
    };
    let expected = |action, name: &str| (action, name.to_owned());
    assert_eq!(
        decided(&target, OnConflict::Fail),
        expected(Action::Conflict, "wine")
    );
    assert_eq!(
        decided(&target, OnConflict::Merge),
        expected(Action::Merge, "wine")
    );
    assert_eq!(
        decided(&target, OnConflict::Rename),
        expected(Action::Create, "wine-2")
    );
    // The one that an earlier import had to call otherwise is found again by its mark.
    let mut ours = TargetModel::default();
    let mark = mark::mark(ORIGIN, Kind::RegisteredModels, "wine");
    ours.tags.insert(mark::KEY.to_owned(), mark);
    target.models.insert("wine-2".to_owned(), ours);
    assert_eq!(
        decided(&target, OnConflict::Fail),
        expected(Action::Reuse, "wine-2")
    );
}

#[test]
fn a_name_that_the_target_refuses_as_too_long_ends_the_plan() {
    let content = Content {
        experiments: vec![experiment("7", &"n".repeat(257))],
        ..Content::default()
    };
    let written = content.write();
    let plan = |version| written.try_plan(&server(version), &Mapping::default(), &ImportOptions::default());
    assert!(plan("3.18.0").is_ok());
    let error = plan("2.9.2").unwrap_err().to_string();
    assert!(error.contains("--rename-experiment"), "{error}");
}

#[test]
fn a_databricks_target_gets_no_tags_that_it_refuses() {
    let mut content = Content::small();
    content.runs.truncate(1);
    content.runs[0].tags = texts(&[("mlflow.user", "ana"), ("mine", "1")]);
    let mut target = server("3.18.0");
    target.is_databricks = true;
    let plan = content.write().plan(&target, &ImportOptions::default());
    assert_eq!(
        limits(&plan),
        [(
            Kind::Runs,
            "tag mlflow.user",
            "refused-by-databricks",
            Outcome::LeftOut
        )]
    );
}

#[test]
fn a_plan_is_about_one_workspace_and_counts_only_what_is_in_it() {
    let mut content = Content::small();
    content.experiments[2].workspace = Some("team-a".to_owned());
    content.models = vec![RegisteredModel {
        name: "wine".to_owned(),
        workspace: Some("team-a".to_owned()),
        ..RegisteredModel::default()
    }];
    content.files = vec!["a#b"];
    let written = content.write();
    let plan = |workspace: &str, is_flat| {
        let target = TargetState {
            workspace: Some(workspace.to_owned()),
            is_flat,
            ..server("3.18.0")
        };
        let options = ImportOptions::default();
        let chosen = Chosen::resolve(&written.archive, &options.only).unwrap();
        let chosen = chosen.within(&written.archive, workspace).unwrap();
        let named = Named::read(&written.archive, &chosen).unwrap();
        Plan::make(
            &written.archive,
            chosen,
            &named,
            &target,
            &Mapping::default(),
            &options,
        )
        .unwrap()
    };
    // The file that servers refuse is in a run of the other one.
    insta::assert_snapshot!(plan("team-a", false).to_text(), @r"
    plan for http://127.0.0.1:5000 (MLflow 3.18.0)
      workspaces           reuse 1
      experiments          create 1
      runs                 create 1
      registered-models    create 1
    ");
    insta::assert_snapshot!(plan("default", false).to_text(), @r"
    plan for http://127.0.0.1:5000 (MLflow 3.18.0)
      experiments          create 1, merge 1
      runs                 create 1
    limit: 1 artifacts: path-refused (left out)
      00000000000000000000000000000001 a#b
    ");
    insta::assert_snapshot!(plan("team-a", true).to_text(), @r"
    plan for http://127.0.0.1:5000 (MLflow 3.18.0)
      experiments          create 1
      runs                 create 1
      registered-models    create 1
    limit: 1 workspaces: no-workspaces-in-target (left out)
      team-a *
    ");
}

#[test]
fn what_is_left_out_by_choice_is_no_limit() {
    let mut content = Content::small();
    content.files = vec!["a#b"];
    content.points = vec![Point {
        timestamp: -1,
        step: 0,
        value: Double(1.0),
        link: None,
    }];
    let only = ImportOptions {
        only: Only {
            runs: [run_id(2)].into(),
            ..Only::default()
        },
        ..ImportOptions::default()
    };
    let plan = content.write().plan(&server("3.18.0"), &only);
    assert!(plan.changes.is_empty(), "{:?}", plan.changes);
}

#[test]
fn traces_are_planned_by_what_the_target_s_api_can_hold() {
    let trace = Trace {
        trace_id: format!("tr-{}", run_id(1)),
        experiment_id: "7".to_owned(),
        state: "OK".to_owned(),
        request_preview: Some("why?".to_owned()),
        linked_runs: vec![run_id(1)],
        tags: texts(&[("long", &"x".repeat(8_001))]),
        ..Trace::default()
    };
    let mut content = Content::small();
    content.traces = vec![trace];
    let written = content.write();
    let plan = |version| written.plan(&server(version), &ImportOptions::default());
    let left_out = |plan: &Plan| {
        let limits = limits(plan)
            .into_iter()
            .map(|limit| format!("{}: {}", limit.1, limit.2));
        limits.collect::<Vec<_>>()
    };
    let new = plan("3.18.0");
    assert_eq!(left_out(&new), ["tag long: value-too-long"]);
    assert_eq!(new.tallies[&Kind::Traces].create, 1);
    let old = plan("2.22.5");
    assert_eq!(
        left_out(&old),
        [
            "tag long: value-too-long",
            "linked_runs: target-too-old",
            "request_preview: target-too-old"
        ]
    );
    assert_eq!(old.changes.of_reason("id-chosen-by-server"), 1);
    assert_eq!(old.tallies[&Kind::Traces].create, 1);
    let oldest = plan("2.9.2");
    assert_eq!(
        counts(&oldest),
        [(Kind::Traces, "target-too-old".into(), Outcome::LeftOut, 1)]
    );
}

#[test]
fn files_of_a_version_s_own_are_named_as_left_out() {
    let mut content = Content::with_model("wine", &[], &[]);
    content.version_files = vec!["MLmodel", "model.pkl"];
    let plan = content.write().plan(&server("3.18.0"), &ImportOptions::default());
    let left_out = |path| (Kind::Artifacts, path, "no-place-in-target", Outcome::LeftOut);
    assert_eq!(limits(&plan), [left_out("MLmodel"), left_out("model.pkl")]);
}

#[test]
fn files_of_a_version_that_its_run_has_too_arrive_with_the_run() {
    let mut content = Content::with_model("wine", &[], &[]);
    let small = Content::small();
    (content.experiments, content.runs) = (small.experiments, small.runs);
    content.versions[0].source = Some(format!("mlflow-artifacts:/7/{}/artifacts/model", run_id(1)));
    content.versions[0].run_id = Some(run_id(1));
    content.files = vec!["model/MLmodel", "model/model.pkl"];
    content.version_files = vec!["MLmodel", "extra.txt"];
    let written = content.write();
    let plan = written.plan(&server("3.18.0"), &ImportOptions::default());
    let left_out = |path| (Kind::Artifacts, path, "no-place-in-target", Outcome::LeftOut);
    assert_eq!(limits(&plan), [left_out("extra.txt")]);
}

#[test]
fn an_experiment_that_only_a_run_names_is_made_up_without_source_tags() {
    let mut content = Content::with_model("wine", &[], &[]);
    content.runs = vec![run(1, "7"), run(2, "8")];
    content.versions[0].run_id = Some(run_id(1));
    content.versions[0].exim = Some(r#"{"name":"wine","version":"1","_experiment_name":"fraud"}"#.to_owned());
    let options = ImportOptions {
        source_tags: true,
        ..ImportOptions::default()
    };
    let plan = content.write().plan(&server("3.18.0"), &options);
    let names: Vec<_> = plan
        .experiments
        .iter()
        .map(|planned| planned.target_name.as_str())
        .collect();
    assert_eq!(names, ["fraud", "experiment 8"]);
    assert_eq!(plan.tallies[&Kind::Experiments].create, 2);
    assert_eq!(
        counts(&plan)
            .into_iter()
            .filter(|count| count.0 == Kind::Experiments)
            .collect::<Vec<_>>(),
        [(
            Kind::Experiments,
            "experiment-not-in-archive".into(),
            Outcome::Replaced,
            2
        )]
    );
    let experiments = crate::sink::rest::experiments::experiments_of(&content.write().archive).unwrap();
    let fitting = Fitting::new(server("3.18.0").limits(), false, ORIGIN, &options);
    let (tags, _) = fitting.experiment(&experiments[0]).unwrap();
    assert_eq!(tags.len(), 1, "{tags:?}");
}
