//! Experiments and runs.

use super::{Exporter, Result, bodies, folder_name};
use crate::archive::{ArchiveError, Owner};
use crate::format::line::canonical;
use crate::format::{Kind, Object, Reason, line};
use crate::lang::exim::read::document::{Document, DocumentError};
use crate::lang::exim::read::experiment;
use crate::lang::exim::read::layout::{ARTIFACTS, Layout, RUN, run_within};
use crate::lang::exim::read::points::{Metrics, MetricsSink};
use crate::lang::exim::read::run::{ExportedRun, run};
use crate::lang::exim::read::same_object;
use crate::lang::session::DatasetBody;
use crate::model::printable::counted;
use crate::model::{Dataset, OwnerKind, Run};
use crate::select::Verdict;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};

impl Exporter<'_> {
    /// Remembers an experiment, so that what belongs to it is known to.
    pub(super) fn hold_experiment(&mut self, file: &Path, is_own: bool) {
        // A file that cannot be read is reported when it is exported.
        let Ok((experiment, _)) = bodies::experiment(&self.roots, file) else {
            return;
        };
        let is_deleted = experiment.is_deleted();
        (self.closure).experiment(&experiment.experiment_id, &experiment.name, is_deleted);
        let folder = file.parent().filter(|_| is_own).map(Path::to_owned);
        match self.held.experiments.entry(experiment.experiment_id.clone()) {
            // The experiment of a model version may lie elsewhere with its runs.
            Entry::Occupied(mut found) => *found.get_mut() = found.get_mut().take().or(folder),
            Entry::Vacant(place) => {
                place.insert(folder);
                if self.closure.takes(&experiment) == Verdict::Kept {
                    self.held.facts.add_experiment(experiment);
                }
            }
        }
    }

    /// Exports an experiment with all that lies in its folder.
    pub(super) fn experiment(&mut self, file: &Path, is_own: bool) -> Result<()> {
        let folder = match bodies::experiment_folder(&self.roots, file, is_own) {
            Ok(folder) => folder,
            Err(error) => {
                self.unreadable(Kind::Experiments, &folder_name(file), &error)?;
                Layout::default()
            }
        };
        if let Some(document) = self.opened(Kind::Experiments, file, Some("experiment"))? {
            self.experiment_object(file, &document)?;
            if is_own && self.is_asked(file) {
                self.check_experiment(file, &document, &folder)?;
            }
        }
        self.members(&folder, 0)?;
        self.count_unknown(&folder.unknown);
        self.refuse_links(&folder.outside)
    }

    fn experiment_object(&mut self, file: &Path, document: &Document) -> Result<()> {
        let exported = document.body().get("experiment").unwrap_or(document.body());
        let (experiment, wrong) = experiment::experiment(exported);
        if self.leaves_out(Kind::Experiments, self.closure.takes(&experiment)) {
            return Ok(());
        }
        let key = (Kind::Experiments, experiment.experiment_id.clone());
        if let Some(first) = self.held.loose.get(&key).cloned() {
            return self.check_same_experiment(&experiment.experiment_id, &first, file);
        }
        self.wrong_types(Kind::Experiments, &experiment.experiment_id, file, &wrong)?;
        self.held.loose.insert(key, file.to_owned());
        self.export.write(&experiment)
    }

    /// An experiment found again must be the same, but for the permissions and list of runs of its export.
    fn check_same_experiment(&mut self, id: &str, first: &Path, again: &Path) -> Result<()> {
        let lines = [first, again].map(|file| {
            bodies::experiment(&self.roots, file).map(|(mut found, _)| {
                // One exporter writes tags in another order, and two versions of MLflow write other keys.
                found.exim = None;
                canonical(&line::to_value(&found))
            })
        });
        match lines {
            [Ok(first_line), Ok(line)] if first_line == line => Ok(()),
            _ => self.differs(Kind::Experiments, id, first, again, "experiment"),
        }
    }

    pub(super) fn differs(
        &mut self,
        kind: Kind,
        id: &str,
        first: &Path,
        again: &Path,
        what: &str,
    ) -> Result<()> {
        let detail = format!(
            "{} differs from {}, which was taken: {what}",
            self.below_root(again),
            self.below_root(first)
        );
        self.fail(kind, id, Reason::Differs, &detail)
    }

    /// Exports a run with its metrics, datasets and artifacts.
    pub(super) fn run(&mut self, folder: &Path) -> Result<()> {
        let file = folder.join(RUN);
        let read = self.read_run(&file);
        let Some((exported, metrics)) = self.told(Kind::Runs, &file, read)? else {
            return Ok(());
        };
        let ExportedRun {
            mut run,
            datasets,
            wrong,
        } = exported;
        let run_id = run.info.run_id.clone();
        let is_deleted = (self.closure).is_deleted(&run.info.lifecycle_stage, &run.info.experiment_id);
        let verdict = self
            .closure
            .verdict(self.closure.reaches_run(&run_id), is_deleted);
        if self.leaves_out(Kind::Runs, verdict) {
            return Ok(());
        }
        self.wrong_types(Kind::Runs, &run_id, &file, &wrong)?;
        if let Some(first) = self.earlier_copy(&run, folder) {
            return self.check_same_run(&run_id, &first, folder);
        }
        self.remember_loose(&run, folder);
        self.belongs_to(&run.info.experiment_id);
        self.held.facts.add_run(&run.info);
        run.metrics = metrics.latest().collect();
        self.export.write_run(&mut run)?;
        self.metrics(&run, &file, metrics)?;
        for dataset in datasets {
            self.dataset(&dataset, &file)?;
        }
        let owner = Owner::of(OwnerKind::Run, &run);
        self.artifacts(&owner, &folder.join(ARTIFACTS))
    }

    fn read_run(&mut self, file: &Path) -> Result<(ExportedRun, Metrics), DocumentError> {
        let mut sink = MetricsSink::new(self.export.writer.scratch());
        let document = Document::read_with(&self.roots, file, &mut sink)?;
        document.part("info")?;
        self.note_system(&document);
        let metrics = sink.finish().map_err(|source| DocumentError::Read {
            path: file.to_owned(),
            source,
        })?;
        Ok((run(document.body()), metrics))
    }

    /// Where the run lies in its experiment's folder.
    fn copy_in_experiment(&self, run: &Run) -> Option<PathBuf> {
        let experiment = self.held.experiments.get(&run.info.experiment_id)?;
        run_within(experiment.as_deref()?, &run.info.run_id)
    }

    /// Another place of the run whose copy counts: its experiment's folder, else where it was found first.
    fn earlier_copy(&self, run: &Run, folder: &Path) -> Option<PathBuf> {
        let key = (Kind::Runs, run.info.run_id.clone());
        let first = self
            .copy_in_experiment(run)
            .or_else(|| self.held.loose.get(&key).cloned())?;
        (first != folder).then_some(first)
    }

    /// Remembers a run that the folder of its experiment does not hold; those that it holds are found there.
    fn remember_loose(&mut self, run: &Run, folder: &Path) {
        if self.copy_in_experiment(run).is_none() {
            let key = (Kind::Runs, run.info.run_id.clone());
            self.held.loose.insert(key, folder.to_owned());
        }
    }

    /// A run found again must be the same to the byte of its artifacts.
    fn check_same_run(&mut self, run_id: &str, first: &Path, again: &Path) -> Result<()> {
        match same_object::difference(&self.roots, first, again, RUN) {
            None => Ok(()),
            Some(what) => self.differs(Kind::Runs, run_id, first, again, &what),
        }
    }

    fn metrics(&mut self, run: &Run, file: &Path, mut metrics: Metrics) -> Result<()> {
        let key = run.sort_key();
        let run_id = &run.info.run_id;
        let scratch_error = |error| ArchiveError::io("use a temporary file for", file)(error);
        self.export
            .limit(Kind::Metrics, "*", Reason::NotHeld, metrics.saying_more);
        while let Some((metric, series, bad_points)) = metrics.take_next().map_err(scratch_error)? {
            if series.is_empty() && bad_points == 0 {
                self.export.limit(Kind::Metrics, "*", Reason::NoPoints, 1);
            }
            self.export
                .write_points(Kind::Runs, &key, run_id, &metric, series)?;
            if bad_points > 0 {
                let id = format!("{run_id}/{metric}");
                self.bad_points(Kind::Metrics, &id, file, &metric, bad_points)?;
            }
        }
        Ok(())
    }

    pub(super) fn bad_points(
        &mut self,
        kind: Kind,
        id: &str,
        file: &Path,
        metric: &str,
        count: u64,
    ) -> Result<()> {
        let place = self.below_root(file);
        let points = counted(count, "points");
        let detail = format!("{place}: {points} of metric `{metric}` without a number, a time or a step");
        self.fail(kind, id, Reason::BadPoint, &detail)
    }

    /// Writes a dataset once; MLflow keeps one body per experiment, name and digest.
    pub(super) fn dataset(&mut self, dataset: &Dataset, file: &Path) -> Result<()> {
        match self.export.datasets.see(dataset) {
            DatasetBody::New => self.export.write(dataset),
            DatasetBody::Known => Ok(()),
            DatasetBody::Other => {
                let detail = format!(
                    "{}: another run has it with different content",
                    self.below_root(file)
                );
                self.fail(Kind::Datasets, &dataset.id(), Reason::Differs, &detail)
            }
        }
    }
}
