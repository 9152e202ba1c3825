//! Plans for small archives and made-up targets: no server is asked.

mod choice;
mod limits;
mod names;

use super::{Action, Chosen, Named, Plan, Tally};
use crate::archive::{Archive, ArchiveWriter, ByteSource, Duplicates, ManifestHead, Owner, WriterOptions};
use crate::flow::import::ImportError;
use crate::flow::import::deviations::Outcome;
use crate::flow::import::experiments::experiments_of;
use crate::flow::import::id_map::IdMap;
use crate::flow::import::options::{ImportOptions, LongValues, OnConflict, Only};
use crate::flow::import::plan::limits::Fitting;
use crate::flow::import::target::TargetState;
use crate::format::{Kind, Object};
use crate::lang::rest::api::{TargetExperiment, TargetId, TargetModel};
use crate::lang::rest::mark;
use crate::model::{
    Double, Experiment, LoggedModel, ModelVersion, OwnerKind, Point, RegisteredModel, Run, Text, TextMap,
    Trace,
};
use crate::select::Patterns;

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
            write_files(&mut writer, &owner, &self.files);
        }
        if let Some(version) = self.versions.first() {
            let owner = Owner {
                kind: OwnerKind::ModelVersion,
                id: version.id(),
                sort_key: version.sort_key(),
            };
            write_files(&mut writer, &owner, &self.version_files);
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
fn write_files(writer: &mut ArchiveWriter, owner: &Owner, paths: &[&str]) {
    for path in paths {
        let bytes = ByteSource::Bytes(b"x".to_vec());
        let fail = &mut |_: &mut _, failure| panic!("{failure:?}");
        writer.artifact(owner, (*path).to_owned(), bytes, fail).unwrap();
    }
    writer
        .drain_artifacts(&mut |_, failure| panic!("{failure:?}"))
        .unwrap();
}

struct Written {
    archive: Archive,
    _directory: tempfile::TempDir,
}

impl Written {
    fn try_plan(
        &self,
        target: &TargetState,
        mapping: &IdMap,
        options: &ImportOptions,
    ) -> Result<Plan, ImportError> {
        let experiments = experiments_of(&self.archive).unwrap();
        let mut chosen = Chosen::resolve(&self.archive, &experiments, &options.only).unwrap();
        if let Some(workspace) = &target.workspace {
            chosen = chosen.within(&experiments, workspace);
        }
        let named = Named::read(&self.archive, &experiments, &chosen).unwrap();
        Plan::make(&self.archive, chosen, named, target, mapping, options)
    }

    fn plan(&self, target: &TargetState, options: &ImportOptions) -> Plan {
        self.try_plan(target, &IdMap::default(), options).unwrap()
    }
}

/// A server of a version that has nothing but the default experiment.
fn server(version: &str) -> TargetState {
    let mut target = TargetState {
        url: "http://127.0.0.1:5000".to_owned(),
        version_text: Some(version.to_owned()),
        origins: ORIGIN.into(),
        ..TargetState::default()
    };
    add(&mut target, "0", "Default");
    target
}

fn add<'t>(target: &'t mut TargetState, id: &str, name: &str) -> &'t mut TargetExperiment {
    let experiment = TargetExperiment {
        id: TargetId::new(id),
        name: name.to_owned(),
        ..TargetExperiment::default()
    };
    target.experiments.entry(TargetId::new(id)).or_insert(experiment)
}

/// An experiment that an earlier import of this origin made.
fn add_marked(target: &mut TargetState, id: &str, name: &str, archive_id: &str) {
    let mark = mark::mark(ORIGIN, Kind::Experiments, archive_id);
    let experiment = add(target, id, name);
    experiment.tags.insert(mark::KEY.to_owned(), mark);
    target.marked.insert(archive_id.to_owned(), TargetId::new(id));
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
    (
        planned.action,
        &planned.target_name,
        planned.target_id.as_ref().map(TargetId::as_str),
    )
}

/// Limits as kind, field, reason, outcome.
fn limits(plan: &Plan) -> Vec<(Kind, &str, &str, Outcome)> {
    let named = plan.changes.named().iter();
    named
        .map(|change| {
            (
                change.kind,
                change.field.as_str(),
                change.reason.as_str(),
                change.outcome,
            )
        })
        .collect()
}

/// Counts of limits as kind, reason, outcome, count.
fn counts(plan: &Plan) -> Vec<(Kind, String, Outcome, u64)> {
    let counts = plan.changes.counts().into_iter();
    counts
        .map(|count| (count.kind, count.reason.to_string(), count.outcome, count.count))
        .collect()
}
