//! Writing runs with what hangs on them, as answers come.

use super::exporter::Exporter;
use super::history::{History, Points};
use crate::format::{Kind, Reason};
use crate::lang::rest::read::run_export::{Done, Models, Note};
use crate::lang::rest::read::run_wire::FoundRun;
use crate::lang::session::{DatasetBody, ExportError};
use crate::model::{Dataset, Run};
use std::collections::HashMap;
use std::sync::Arc;

/// Writes what comes.
pub(super) struct Sink<'x, 'a, 'm> {
    exporter: &'x mut Exporter<'a, 'm>,
    history: Arc<History>,
    open: HashMap<String, FoundRun>,
}

impl<'x, 'a, 'm> Sink<'x, 'a, 'm> {
    pub(super) fn new(exporter: &'x mut Exporter<'a, 'm>, history: Arc<History>) -> Self {
        Sink {
            exporter,
            history,
            open: HashMap::new(),
        }
    }

    /// Writes the result of a step.
    pub(super) fn take(&mut self, done: Done) -> Result<(), ExportError> {
        self.exporter.tell_notices();
        match done {
            Done::Open(runs) => {
                let runs = runs
                    .into_iter()
                    .map(|found| (found.run.info.run_id.clone(), found));
                self.open.extend(runs);
                Ok(())
            }
            Done::Models(run_id, models) => self.models(&run_id, models),
            Done::History(key, histories) => histories
                .into_iter()
                .try_for_each(|(run_id, series)| self.metric(&run_id, &key, series)),
            Done::Kept(run_id, histories) => histories
                .into_iter()
                .try_for_each(|(key, series)| self.metric(&run_id, &key, series)),
            Done::Artifacts(owner, key, route, listed) => {
                self.exporter.artifacts(&owner, &key, &route, listed)
            }
            Done::Again(run_id, fields) => {
                if let Some(found) = self.open.get_mut(&run_id) {
                    found.changed.extend(fields);
                }
                Ok(())
            }
            Done::Close(run_ids) => run_ids.iter().try_for_each(|run_id| self.close(run_id)),
            Done::Note(note) => self.note(note),
        }
    }

    fn note(&mut self, note: Note) -> Result<(), ExportError> {
        let export = &mut *self.exporter.export;
        match note {
            Note::LeftOut(reason) => {
                export.left_out(Kind::Runs, reason, 1);
                Ok(())
            }
            Note::Failed(id, detail) => export.failure(Kind::Runs, &id, "*", Reason::Unreadable, &detail),
            Note::Twice(id) => {
                let detail = "one answer of the server has it twice; the first was kept";
                export.failure(Kind::Runs, &id, "*", Reason::Duplicate, detail)
            }
            Note::Unstable(ids) => {
                let detail = format!(
                    "runs of experiments {} came and went while they were listed",
                    ids.join(", ")
                );
                export.failure(Kind::Runs, &ids.join(","), "*", Reason::UnstableListing, &detail)
            }
        }
    }

    fn models(&mut self, run_id: &str, models: Result<Models, String>) -> Result<(), ExportError> {
        let (inputs, outputs) = match models {
            Ok(models) => models,
            Err(detail) => {
                let (kind, field) = (Kind::Runs.name(), "inputs.model_inputs");
                let export = &mut *self.exporter.export;
                return export.failure(kind, run_id, field, Reason::Unreadable, &detail);
            }
        };
        let read = inputs.iter().map(|input| &input.model_id);
        let made = outputs.iter().map(|output| &output.model_id);
        for model_id in read.chain(made) {
            self.exporter.closure.borrow_mut().need_logged_model(model_id);
        }
        if let Some(FoundRun { run, .. }) = self.open.get_mut(run_id) {
            run.inputs.model_inputs = inputs;
            if run.outputs.model_outputs.is_empty() {
                run.outputs.model_outputs = outputs;
            }
        }
        Ok(())
    }

    fn metric(&mut self, run_id: &str, key: &str, points: Result<Points, String>) -> Result<(), ExportError> {
        let id = format!("{run_id}/{key}");
        let points = match points {
            Ok(points) => self.checked(run_id, key, points),
            Err(detail) => Err(detail),
        };
        let Points { series, extremes } = match points {
            Ok(points) => points,
            Err(detail) => {
                let export = &mut *self.exporter.export;
                return export.failure(Kind::Metrics, &id, "*", Reason::Unreadable, &detail);
            }
        };
        let Some(found) = self.open.get(run_id) else {
            return Ok(());
        };
        if series.is_empty() {
            return Ok(());
        }
        let export = &mut *self.exporter.export;
        export.limit(Kind::Metrics, "value", Reason::SqlInfinity, extremes);
        export.write_points(Kind::Runs, &found.run.info.sort_key(), run_id, key, series)
    }

    /// Compares the history with the latest point that the run itself told.
    fn checked(&mut self, run_id: &str, key: &str, mut points: Points) -> Result<Points, String> {
        let Some(found) = self.open.get_mut(run_id) else {
            return Ok(points);
        };
        let told = found.run.metrics.get(key);
        if told == points.series.latest() {
            return Ok(points);
        }
        let is_older = |points: &Points| match (told, points.series.latest()) {
            (Some(told), Some(latest)) => told.is_later_than(latest),
            (told, _) => told.is_some(),
        };
        if is_older(&points) {
            points = self.history.one(&found.key, key).1?;
            if is_older(&points) {
                // The server itself keeps the two apart.
                let export = &mut *self.exporter.export;
                export.limit(Kind::Metrics, "*", Reason::LatestNotInHistory, 1);
                return Ok(points);
            }
        }
        // The run was written to meanwhile.
        found.changed.insert("metrics");
        if let Some(latest) = points.series.latest() {
            found.run.metrics.insert(key.to_owned(), latest.clone());
        }
        Ok(points)
    }

    fn close(&mut self, run_id: &str) -> Result<(), ExportError> {
        let Some(found) = self.open.remove(run_id) else {
            return Ok(());
        };
        let FoundRun {
            mut run,
            datasets,
            changed,
            ..
        } = found;
        for field in changed {
            // Its parts are of different moments.
            let kind = Kind::Runs;
            self.exporter
                .export
                .limit(kind, field, Reason::ChangedWhileRead, 1);
        }
        for dataset in datasets {
            if matches!(self.exporter.export.datasets.see(&dataset), DatasetBody::New) {
                self.exporter.dataset_limits(&dataset);
                self.exporter.export.write(&dataset)?;
            }
        }
        if self.exporter.export.is_survey() {
            let metrics = run.metrics.len() as u64;
            self.exporter.export.not_asked(Kind::Metrics, metrics);
        }
        self.exporter.run_limits(&run);
        self.exporter.export.write_run(&mut run)?;
        let (info, exporter) = (run.info, &mut *self.exporter);
        if exporter.export.is_survey() && !exporter.closure.borrow().looks_through(&info.experiment_id) {
            let placed = (info.run_id.clone(), info.experiment_id, info.start_time);
            exporter.beyond.push(placed);
        }
        exporter.run_ids.push(info.run_id);
        self.exporter.export.monitor().advance(1);
        Ok(())
    }
}

/// Fields of a run that no server tells.
const UNTOLD: [&str; 4] = [
    "info.entry_point_name",
    "info.source_name",
    "info.source_type",
    "info.source_version",
];

impl Exporter<'_, '_> {
    /// Counts what the server does not tell of a run.
    fn run_limits(&mut self, run: &Run) {
        let mut count = |field: &str, reason: Reason| self.export.limit(Kind::Runs, field, reason, 1);
        for field in UNTOLD {
            count(field, Reason::NotShown);
        }
        if run.info.is_deleted() {
            count("info.deleted_time", Reason::NotShown);
        }
        if run.info.end_time.is_none() {
            count("info.end_time", Reason::ZeroNotShown);
        }
    }

    /// Counts texts of a dataset that may be empty rather than missing.
    fn dataset_limits(&mut self, dataset: &Dataset) {
        for (field, text) in [("schema", &dataset.schema), ("profile", &dataset.profile)] {
            if text.is_none() {
                self.export.limit(Kind::Datasets, field, Reason::EmptyNotShown, 1);
            }
        }
    }
}
