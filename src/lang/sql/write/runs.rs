//! Runs with their params, tags, metrics, inputs, outputs and artifacts.

use super::rows::Target;
use super::{Numbers, Result, StorePlace, Subject, Writer};
use crate::archive::walk::JoinedObjects;
use crate::format::{Kind, Reason};
use crate::lang::sql::database::Cell;
use crate::model::{ArtifactList, LatestMetric, MetricSlice, Point, Run};
use sha2::{Digest as _, Sha256};

const STATUSES: [&str; 5] = ["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"];
const SOURCE_TYPES: [&str; 5] = ["NOTEBOOK", "JOB", "LOCAL", "UNKNOWN", "PROJECT"];

/// An id of rows that the archive has no id for: always the same for the same parts.
pub(super) fn made_id(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.len().to_le_bytes());
        hasher.update(part);
    }
    let digest = crate::model::Digest(hasher.finalize().into());
    digest.hex().as_str()[..32].to_owned()
}

/// A value as columns have it, with the flag that says NaN.
fn value_and_flag(value: f64) -> [Cell<'static>; 2] {
    let is_nan = value.is_nan();
    [Cell::Real(if is_nan { 0.0 } else { value }), is_nan.into()]
}

impl Writer<'_> {
    pub(super) fn runs(&mut self) -> Result<()> {
        self.begin(Kind::Runs);
        let mut runs = JoinedObjects::<Run>::new(self.archive, &[Kind::Metrics, Kind::Artifacts])?;
        while let Some(run) = runs.next()? {
            self.monitor.advance(1);
            let Some(place) = self.run(&run)? else { continue };
            self.metrics(&run, &mut runs)?;
            self.outcome.count(Kind::Runs);
            while let Some(list) = runs.child::<ArtifactList>()? {
                self.artifacts(&place, &list, run.info.artifact_uri.as_deref())?;
            }
        }
        Ok(())
    }

    /// Writes a run; where it keeps artifacts, or none where its experiment is not there.
    fn run(&mut self, run: &Run) -> Result<Option<StorePlace>> {
        let info = &run.info;
        let subject = Subject::of(Kind::Runs, &info.run_id);
        let Some(experiment) = self.rules.experiment(&info.experiment_id).cloned() else {
            self.lose(subject, "*", Reason::ExperimentNotInArchive);
            return Ok(None);
        };
        let place = experiment.place().run(&info.run_id);
        let stated = info.artifact_uri.as_deref();
        let uri = self.set_place(Kind::Runs, "info.artifact_uri", &place, stated);
        self.rules.learn_root(&info.run_id, stated, &uri);
        let status = self.one_of(subject, "info.status", Some(&info.status), &STATUSES);
        let source_type = self.one_of(
            subject,
            "info.source_type",
            info.source_type.as_deref(),
            &SOURCE_TYPES,
        );
        let stage = self.stage(subject, "info.lifecycle_stage", &info.lifecycle_stage);
        if run.exim.is_some() {
            self.lose(subject, "exim", Reason::NotHeld);
        }
        self.lose_extra(subject, &run.extra, "");
        self.lose_extra(subject, &info.extra, "info.");
        let row = [
            Cell::from(&info.run_id),
            Cell::Integer(experiment.id),
            info.run_name.as_deref().into(),
            info.user_id.as_deref().into(),
            status.into(),
            info.start_time.into(),
            info.end_time.into(),
            stage.into(),
            Cell::from(&uri),
            info.deleted_time.into(),
            source_type.into(),
            info.source_name.as_deref().into(),
            info.source_version.as_deref().into(),
            info.entry_point_name.as_deref().into(),
        ];
        self.rows.insert(Target::Runs, &row)?;
        self.run_parts(subject, run)?;
        Ok(Some(place))
    }

    /// Writes what belongs to a run and stands in its line.
    fn run_parts(&mut self, subject: Subject<'_>, run: &Run) -> Result<()> {
        let run_id = Cell::from(subject.id);
        self.map(subject, "params", &run.params, &mut |writer, key, value| {
            writer
                .rows
                .insert(Target::Params, &[run_id, key.into(), value.into()])
        })?;
        self.tags(subject, &run.tags, &mut |writer, key, value| {
            writer
                .rows
                .insert(Target::Tags, &[run_id, key.into(), value.into()])
        })?;
        for (key, latest) in &run.metrics {
            self.latest_metric(subject, key, latest)?;
        }
        self.links(subject, run)
    }

    /// A text that a check of the tables takes, or none.
    fn one_of<'t>(
        &mut self,
        subject: Subject<'_>,
        field: &str,
        text: Option<&'t str>,
        allowed: &[&str],
    ) -> Option<&'t str> {
        let text = text?;
        if !allowed.contains(&text) {
            self.lose(subject, field, Reason::BadField);
            return None;
        }
        Some(text)
    }

    fn latest_metric(&mut self, subject: Subject<'_>, key: &str, latest: &LatestMetric) -> Result<()> {
        let [value, is_nan] =
            value_and_flag(self.number(subject, &format!("metrics.{key}.value"), latest.value.0));
        let row = [
            Cell::from(subject.id),
            key.into(),
            value,
            latest.timestamp.into(),
            latest.step.into(),
            is_nan,
        ];
        self.rows.insert(Target::LatestMetrics, &row)
    }

    /// A number as the target keeps it.
    pub(super) fn number(&mut self, subject: Subject<'_>, field: &str, value: f64) -> f64 {
        if self.numbers != Numbers::Postgres && value == 0.0 && value.is_sign_negative() {
            self.lose(subject, field, Reason::NegativeZero);
            return 0.0;
        }
        if self.numbers == Numbers::Mysql && value.is_infinite() {
            // As MLflow writes it.
            self.lose(subject, field, Reason::Infinity);
            return f64::MAX.copysign(value);
        }
        value
    }

    fn metrics(&mut self, run: &Run, runs: &mut JoinedObjects<'_, Run>) -> Result<()> {
        let subject = Subject::of(Kind::Metrics, &run.info.run_id);
        let mut last: Option<(String, Point)> = None;
        let mut derived = Derived::default();
        while let Some(slice) = runs.child::<MetricSlice>()? {
            let mut points = slice.points();
            let mut before = last
                .take()
                .filter(|(key, _)| *key == slice.key)
                .map(|(_, point)| point);
            if derived.key != slice.key {
                self.derived(run, std::mem::take(&mut derived))?;
                derived.key.clone_from(&slice.key);
            }
            for mut point in &mut points {
                if point.link.take().is_some() {
                    self.lose(subject, &slice.key, Reason::NotHeld);
                }
                point.value.0 = self.number(subject, &slice.key, point.value.0);
                if before.as_ref() == Some(&point) {
                    self.lose(subject, &slice.key, Reason::RepeatedPoint);
                    continue;
                }
                LatestMetric::renew(&mut derived.latest, &point);
                self.metric_point(subject.id, &slice.key, &point)?;
                before = Some(point);
            }
            drop(points);
            self.outcome.count(Kind::Metrics);
            last = before.map(|point| (slice.key, point));
        }
        self.derived(run, derived)
    }

    /// Writes the latest point of a metric of which the run's line does not say it, as MLflow takes it from the history.
    fn derived(&mut self, run: &Run, derived: Derived) -> Result<()> {
        let Some(latest) = derived.latest.filter(|_| !run.metrics.contains_key(&derived.key)) else {
            return Ok(());
        };
        let subject = Subject::of(Kind::Runs, &run.info.run_id);
        self.lose(
            subject,
            &format!("metrics.{}", derived.key),
            Reason::AbsentAsDefault,
        );
        self.latest_metric(subject, &derived.key, &latest)
    }

    fn metric_point(&mut self, run_id: &str, key: &str, point: &Point) -> Result<()> {
        let [value, is_nan] = value_and_flag(point.value.0);
        self.outcome.metric_points += 1;
        let row = [
            Cell::from(run_id),
            key.into(),
            value,
            point.timestamp.into(),
            point.step.into(),
            is_nan,
        ];
        self.rows.insert(Target::Metrics, &row)
    }

    /// Writes what a run read and made.
    fn links(&mut self, subject: Subject<'_>, run: &Run) -> Result<()> {
        let (run_id, experiment) = (subject.id, run.info.experiment_id.as_str());
        for input in &run.inputs.dataset_inputs {
            let dataset = dataset_uuid(experiment, &input.name, &input.digest);
            let field = format!("inputs.dataset_inputs[{}/{}]", input.name, input.digest);
            if !self.datasets.contains(&dataset) {
                self.lose(subject, &field, Reason::NoDatasetBody);
                continue;
            }
            let uuid = made_id(&["input", &dataset, run_id]);
            self.link([&uuid, "DATASET", &dataset, "RUN", run_id], 0)?;
            self.map(subject, "inputs", &input.tags, &mut |writer, key, value| {
                let row = [Cell::from(&uuid), key.into(), value.into()];
                writer.rows.insert(Target::InputTags, &row)
            })?;
        }
        if !self.layout.has(Target::LoggedModels) {
            for (field, is_empty) in [
                ("inputs.model_inputs", run.inputs.model_inputs.is_empty()),
                ("outputs.model_outputs", run.outputs.model_outputs.is_empty()),
            ] {
                if !is_empty {
                    self.lose(subject, field, Reason::NotHeld);
                }
            }
            return Ok(());
        }
        for input in &run.inputs.model_inputs {
            let uuid = made_id(&["model-input", run_id, &input.model_id]);
            self.link([&uuid, "RUN_INPUT", run_id, "MODEL_INPUT", &input.model_id], 0)?;
        }
        let mut before = None;
        for output in &run.outputs.model_outputs {
            let model_id = output.model_id.as_str();
            if before.replace(model_id) == Some(model_id) {
                self.lose(
                    subject,
                    &format!("outputs.model_outputs[{model_id}/{}]", output.step),
                    Reason::RepeatedPoint,
                );
                continue;
            }
            let uuid = made_id(&["model-output", run_id, model_id]);
            self.link(
                [&uuid, "RUN_OUTPUT", run_id, "MODEL_OUTPUT", model_id],
                output.step,
            )?;
        }
        Ok(())
    }

    fn link(&mut self, texts: [&str; 5], step: i64) -> Result<()> {
        let [a, b, c, d, e] = texts.map(Cell::from);
        self.rows.insert(Target::Inputs, &[a, b, c, d, e, step.into()])
    }

    /// Takes the files of an owner, unless they stay where the URI says.
    pub(super) fn artifacts(
        &mut self,
        place: &StorePlace,
        list: &ArtifactList,
        stated: Option<&str>,
    ) -> Result<()> {
        if stated.is_some_and(|uri| self.rules.stays(uri)) {
            return Ok(());
        }
        for file in &list.files {
            if file.absent.is_some() {
                self.outcome
                    .lose(Kind::Artifacts, &list.owner_id, &file.path, Reason::NotInArchive);
                continue;
            }
            if self.files.take(list, place, file)? {
                self.outcome.files += 1;
                self.outcome.file_bytes += file.size_bytes.unwrap_or(0);
            } else {
                self.outcome
                    .lose(Kind::Artifacts, &list.owner_id, &file.path, Reason::PathRefused);
            }
        }
        Ok(())
    }
}

/// The latest point of the metric whose history goes by.
#[derive(Default)]
struct Derived {
    key: String,
    latest: Option<LatestMetric>,
}

/// The id of a dataset's row.
pub(super) fn dataset_uuid(experiment_id: &str, name: &str, digest: &str) -> String {
    made_id(&["dataset", experiment_id, name, digest])
}
