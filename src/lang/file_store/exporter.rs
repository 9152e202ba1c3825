//! An export of a file store, step by step in the order of the archive.

use super::artifacts::{FoundArtifacts, walk};
use super::dataset::{self, DatasetIndex};
use super::experiment::{self, FoundExperiment};
use super::index::{Described, Indexed, Place, index};
use super::logged_model;
use super::metrics::{FoundMetric, MetricOwner};
use super::notes::Notes;
use super::registry;
use super::run::{self, FoundRun, RunFolder};
use super::store::{META, MODELS, Store};
use super::twice::{Seen, folders_with};
use crate::archive::parallel::{Pool, map_ordered};
use crate::archive::{Owner, PointSeries};
use crate::format::{Kind, Object, Reason, SortKey};
use crate::lang::artifacts::walk::FoundFile;
use crate::lang::session::{Export, ExportError};
use crate::model::{LoggedModel, OwnerKind, RunInfo};
use crate::select::{Closure, Verdict};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use std::sync::Arc;

/// Entries of an experiment's folder that are never runs.
pub(super) const NEVER_RUNS: &[&str] = &[META, "datasets", MODELS, "tags", "traces"];

/// Runs that are read ahead at the least, so that no thread waits for another where runs are of different sizes.
const RUN_WINDOW: usize = 24;

/// An export in progress.
pub(super) struct Exporter<'a, 'm> {
    pub(super) export: &'a mut Export<'m>,
    pub(super) store: Arc<Store>,
    pub(super) pool: Arc<Pool>,
    pub(super) experiments: Vec<FoundExperiment>,
    pub(super) closure: Closure,
    /// What was taken, and out of which folder, so that nothing is taken twice.
    pub(super) seen: BTreeMap<Kind, Seen>,
}

impl Exporter<'_, '_> {
    /// Experiments, runs, logged models, the registry, traces.
    pub(super) fn run(&mut self) -> Result<(), ExportError> {
        let experiments = self.experiments.clone();
        let total = experiments
            .iter()
            .map(|experiment| self.run_folders(experiment))
            .sum();
        self.export.monitor().begin("runs", Some(total));
        for experiment in &experiments {
            self.experiment(experiment)?;
        }
        self.export.monitor().begin("logged models", None);
        if self.export.looks_at(&[Kind::LoggedModels]) {
            for experiment in &experiments {
                self.logged_models(experiment)?;
            }
        }
        self.export.monitor().begin("registered models", None);
        if !self.closure.is_rest_elsewhere()
            && (self.export).looks_at(&[Kind::RegisteredModels, Kind::ModelVersions])
        {
            self.registry()?;
        }
        self.export.monitor().begin("traces", None);
        if self.export.looks_at(&[Kind::Traces]) {
            for experiment in &experiments {
                self.traces(experiment)?;
            }
        }
        Ok(())
    }

    /// About how many runs an experiment has: the folders in its own that may be one, none of a trash that is not read.
    fn run_folders(&self, found: &FoundExperiment) -> u64 {
        if self.is_unasked(&Self::place(found)) {
            return 0;
        }
        let entries = std::fs::read_dir(&found.path).into_iter().flatten().flatten();
        let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        let is_run = |name: &std::ffi::OsStr| NEVER_RUNS.iter().all(|other| name != *other);
        folders.filter(|entry| is_run(&entry.file_name())).count() as u64
    }

    /// Sorts out which objects of an index are kept; the others are counted, and told by their ids.
    fn keep<T: Described>(
        &mut self,
        experiment_id: &str,
        objects: Vec<Indexed<T>>,
        is_taken: impl Fn(&Closure, &str) -> bool,
    ) -> (Vec<Indexed<T>>, HashSet<String>) {
        let mut kept = Vec::with_capacity(objects.len());
        let mut left_out = HashSet::new();
        for object in objects {
            if self.closure.is_elsewhere(experiment_id, object.time) {
                continue;
            }
            let is_taken = is_taken(&self.closure, &object.id);
            match self.closure.verdict(is_taken, object.is_deleted) {
                Verdict::Kept => kept.push(object),
                Verdict::LeftOut(reason) => {
                    self.export.left_out(T::KIND, reason, 1);
                    left_out.insert(object.id);
                }
            }
        }
        (kept, left_out)
    }

    /// Whether an experiment lies in a trash that nobody asked for, which is counted and not read.
    pub(super) fn is_unasked(&self, place: &Place) -> bool {
        place.is_deleted && !self.export.options.include_deleted
    }

    /// The objects of a folder that are kept.
    pub(super) fn kept_index<T: Described>(
        &mut self,
        path: &Path,
        reserved: &'static [&'static str],
        place: &Arc<Place>,
        is_taken: impl Fn(&Closure, &str) -> bool,
    ) -> Result<Vec<Indexed<T>>, ExportError> {
        let is_led_elsewhere = self.closure.is_led_elsewhere(&place.experiment_id);
        if self.is_unasked(place) {
            if !is_led_elsewhere {
                self.count_unread(T::KIND, T::FILE, path, reserved, is_taken);
            }
            return Ok(Vec::new());
        }
        let (objects, notes) = index::<T>(&self.store, &self.pool, path, reserved, place);
        let (kept, left_out) = self.keep(&place.experiment_id, objects, is_taken);
        // Something wrong with what was not asked for is no failure.
        let notes = self.relevant(notes, &place.experiment_id);
        self.export.count_elsewhere(is_led_elsewhere);
        notes.without_objects(&left_out).report(self.export)?;
        self.export.count_elsewhere(false);
        self.once(kept, path)
    }

    /// The notes of an experiment that matter: what cannot be read and was not asked for is no failure.
    fn relevant(&self, notes: Notes, experiment_id: &str) -> Notes {
        if self.closure.takes_whole(experiment_id) {
            return notes;
        }
        notes.of_objects(|id| self.closure.misses_run(id) || self.closure.takes_run(id))
    }

    pub(super) fn place(found: &FoundExperiment) -> Arc<Place> {
        Arc::new(Place {
            experiment_id: found.id.clone(),
            is_deleted: found.is_deleted,
        })
    }

    fn experiment(&mut self, found: &FoundExperiment) -> Result<(), ExportError> {
        let is_led_elsewhere = self.closure.is_led_elsewhere(&found.id);
        self.export.count_elsewhere(is_led_elsewhere);
        let is_taken = self.closure.takes_experiment(&found.id);
        let verdict = self.closure.verdict(is_taken, found.is_deleted);
        let mut notes = Notes::default();
        match verdict {
            Verdict::Kept => {
                let experiment = experiment::read(&self.store, found, &mut notes);
                notes.report(self.export)?;
                if let Some(experiment) = experiment {
                    self.export.write(&experiment)?;
                }
            }
            Verdict::LeftOut(reason) => self.export.left_out(Kind::Experiments, reason, 1),
        }
        if !self.export.looks_at(&[Kind::Runs, Kind::Datasets]) {
            self.export.count_elsewhere(false);
            return Ok(());
        }
        let mut notes = Notes::default();
        let place = Self::place(found);
        let datasets = match (verdict, self.is_unasked(&place)) {
            (Verdict::LeftOut(reason), true) => {
                let names = folders_with(&found.path.join("datasets"), META);
                self.export.left_out(Kind::Datasets, reason, names.count() as u64);
                DatasetIndex::new()
            }
            _ => dataset::index(&self.store, &found.path, &found.id, &mut notes),
        };
        let folder = Arc::new(RunFolder {
            place,
            path: found.path.clone(),
            datasets,
        });
        self.relevant(notes, &found.id).report(self.export)?;
        self.export.count_elsewhere(false);
        let used = self.runs(&folder)?;
        self.export.count_elsewhere(is_led_elsewhere);
        let written = self.datasets(&folder, verdict, &used);
        self.export.count_elsewhere(false);
        written
    }

    /// Writes the runs of an experiment; returns the folders of the datasets they read.
    fn runs(&mut self, folder: &Arc<RunFolder>) -> Result<BTreeSet<String>, ExportError> {
        let runs =
            self.kept_index::<RunInfo>(&folder.path, NEVER_RUNS, &folder.place, Closure::reaches_run)?;
        let monitor = self.export.monitor();
        let mut used = BTreeSet::new();
        let (store, pool, folder) = (self.store.clone(), self.pool.clone(), folder.clone());
        let work = move |found| run::read(&store, &folder, found);
        let window = (pool.threads() * 4).max(RUN_WINDOW);
        map_ordered(&pool, window, runs, work, |(found, notes)| {
            notes.report(self.export)?;
            monitor.advance(1);
            match found {
                Some(found) => self.write_run(found, &mut used),
                None => Ok(()),
            }
        })?;
        Ok(used)
    }

    fn write_run(&mut self, found: FoundRun, used: &mut BTreeSet<String>) -> Result<(), ExportError> {
        let FoundRun {
            mut run,
            metrics,
            artifacts,
            datasets,
        } = found;
        used.extend(datasets);
        let (key, run_id) = (run.sort_key(), run.id());
        for metric in metrics {
            let (name, series) = self.series(metric, run::metric_owner(&run_id))?;
            if let Some(latest) = series.latest() {
                run.metrics.insert(name.clone(), latest.clone());
                self.export
                    .write_points(Kind::Runs, &key, &run_id, &name, series)?;
            }
        }
        self.export.write_run(&mut run)?;
        self.artifacts(OwnerKind::Run, run_id, key, artifacts)
    }

    fn series(
        &mut self,
        metric: FoundMetric,
        owner: MetricOwner<'_>,
    ) -> Result<(String, PointSeries), ExportError> {
        let mut notes = Notes::default();
        let name = metric.key.clone();
        let series = metric.series(&self.store, owner, &mut notes);
        notes.report(self.export)?;
        Ok((name, series))
    }

    /// Writes the datasets of an experiment that is kept: all of them, or those its chosen runs read.
    fn datasets(
        &mut self,
        folder: &RunFolder,
        verdict: Verdict,
        used: &BTreeSet<String>,
    ) -> Result<(), ExportError> {
        let mut sorted: Vec<_> = folder.datasets.iter().collect();
        sorted.sort_by_key(|(_, names)| *names);
        let experiment_id = &folder.place.experiment_id;
        for (name, _) in sorted {
            let is_chosen = self.closure.takes_whole(experiment_id) || used.contains(name);
            match verdict {
                Verdict::Kept if is_chosen => {
                    let mut notes = Notes::default();
                    let path = folder.path.join("datasets").join(name);
                    let dataset = dataset::read(&self.store, &path, experiment_id, &mut notes);
                    notes.report(self.export)?;
                    match dataset {
                        Ok(dataset) => self.export.write(&dataset)?,
                        Err((reason, detail)) => {
                            let id = format!("{experiment_id}/{name}");
                            self.export.failure(Kind::Datasets, &id, "*", reason, &detail)?;
                        }
                    }
                }
                Verdict::Kept => self.export.left_out(Kind::Datasets, Reason::NotSelected, 1),
                Verdict::LeftOut(reason) => self.export.left_out(Kind::Datasets, reason, 1),
            }
        }
        Ok(())
    }

    fn logged_models(&mut self, found: &FoundExperiment) -> Result<(), ExportError> {
        let (place, path) = (Self::place(found), found.path.join(MODELS));
        let models = self.kept_index::<LoggedModel>(&path, &[], &place, Closure::reaches_logged_model)?;
        let (store, pool) = (self.store.clone(), self.pool.clone());
        let work = move |found| logged_model::read(&store, &path, &place, found);
        let window = pool.threads() * 4;
        map_ordered(&pool, window, models, work, |(found, notes)| {
            notes.report(self.export)?;
            match found {
                Some(found) => self.write_logged_model(found),
                None => Ok(()),
            }
        })
    }

    fn write_logged_model(&mut self, found: logged_model::FoundModel) -> Result<(), ExportError> {
        let (key, model_id) = (found.model.sort_key(), found.model.id());
        self.export.write(&found.model)?;
        for metric in found.metrics {
            let (name, series) = self.series(metric, logged_model::metric_owner(&model_id))?;
            if !series.is_empty() {
                self.export
                    .write_points(Kind::LoggedModels, &key, &model_id, &name, series)?;
            }
        }
        self.artifacts(OwnerKind::LoggedModel, model_id, key, found.artifacts)
    }

    fn registry(&mut self) -> Result<(), ExportError> {
        // Their files may name workspaces, which no order of folders knows of.
        for kind in [Kind::RegisteredModels, Kind::ModelVersions] {
            self.export.writer.sort_at_end(kind);
        }
        let mut notes = Notes::default();
        let found = registry::find_all(&self.store, &mut notes);
        let found = found.map_err(|error| super::source_error(&self.store, MODELS, &error))?;
        if !self.closure.takes_all() {
            let patterns = self.export.options.selection.models.clone();
            notes = notes.of_objects(|name| patterns.matches(name));
        }
        notes.report(self.export)?;
        for model in found {
            let mut notes = Notes::default();
            let versions = model.versions(&self.store, &mut notes);
            let is_kept = |version| self.closure.version(version) == Verdict::Kept;
            if self.closure.takes_model(&model.name) || versions.iter().any(is_kept) {
                let registered = model.read(&self.store, &mut notes);
                notes.report(self.export)?;
                if let Some(registered) = registered {
                    self.export.write(&registered)?;
                }
            } else {
                self.export
                    .left_out(Kind::RegisteredModels, Reason::NotSelected, 1);
            }
            for version in versions {
                match self.closure.version(&version) {
                    Verdict::Kept => self.export.write(&version)?,
                    Verdict::LeftOut(reason) => self.export.left_out(Kind::ModelVersions, reason, 1),
                }
            }
        }
        Ok(())
    }

    /// Queues the artifacts of an owner.
    pub(super) fn artifacts(
        &mut self,
        kind: OwnerKind,
        id: String,
        sort_key: SortKey,
        artifacts: FoundArtifacts,
    ) -> Result<(), ExportError> {
        if !self.export.looks_at(&[Kind::Artifacts]) {
            return Ok(());
        }
        let owner = Owner { kind, id, sort_key };
        match artifacts {
            FoundArtifacts::None => Ok(()),
            FoundArtifacts::Listed(files) => {
                files.into_iter().try_for_each(|file| self.artifact(&owner, file))
            }
            FoundArtifacts::Many(root) => {
                let store = self.store.clone();
                walk(&store, &root, &mut |file| self.artifact(&owner, file))
            }
        }
    }

    pub(super) fn artifact(&mut self, owner: &Owner, file: FoundFile) -> Result<(), ExportError> {
        self.export.found_file(owner, file)
    }
}
