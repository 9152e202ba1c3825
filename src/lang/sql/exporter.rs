//! An export of a database, step by step.

use super::artifacts::Places;
use super::experiments::Experiments;
use super::tables::{RefusedText, Tables};
use super::trees::CloudTrees;
use super::{known, logged_models, registry, runs};
use crate::format::{Kind, Reason};
use crate::lang::artifacts::local_roots::{Door, LocalRoots};
use crate::lang::session::{Export, ExportError};
use crate::select::{Catalogue, Closure, RunNeeds};
use std::collections::HashSet;
use std::path::Path;

pub(super) type Result<T, E = ExportError> = std::result::Result<T, E>;

/// An export in progress.
pub(super) struct Exporter<'m> {
    pub(super) tables: Tables,
    pub(super) export: Export<'m>,
    pub(super) experiments: Experiments,
    pub(super) closure: Closure,
    pub(super) places: Places,
    pub(super) cloud_trees: CloudTrees,
    /// Datasets that runs of a choice read, by uuid.
    pub(super) used_datasets: HashSet<String>,
    /// Notices that were given once.
    pub(super) noted: HashSet<Reason>,
}

impl<'m> Exporter<'m> {
    /// An export of tables; `folder` is where the database lies, if it is a file.
    pub(super) fn new(mut tables: Tables, export: Export<'m>, folder: Option<&Path>) -> Result<Self> {
        let roots = LocalRoots::new(Door::Database, &export.options)?;
        let places = Places::new(folder, export.options.artifacts_destination.as_deref(), roots);
        tables.long_texts = Some(export.writer.long_texts());
        Ok(Exporter {
            tables,
            export,
            experiments: Experiments::default(),
            closure: Closure::default(),
            places,
            cloud_trees: CloudTrees::default(),
            used_datasets: HashSet::new(),
            noted: HashSet::new(),
        })
    }

    /// Reads and writes everything.
    pub(super) fn run(&mut self) -> Result<()> {
        self.places.check()?;
        self.experiments = Experiments::read(&self.tables, self.export.options.selection.share.as_ref())?;
        self.choose()?;
        let monitor = self.export.monitor();
        if self.export.looks_at(&[Kind::Runs, Kind::Datasets]) {
            monitor.begin("runs", Some(self.tables.count("runs")?));
            self.runs()?;
            self.tell_refused()?;
        }
        if self.export.looks_at(&[Kind::LoggedModels]) {
            monitor.begin("logged models", None);
            self.logged_models()?;
        }
        if self.export.looks_at(&[Kind::Traces]) {
            monitor.begin("traces", None);
            self.traces()?;
            self.tell_refused()?;
        }
        if !self.closure.is_rest_elsewhere()
            && (self.export).looks_at(&[Kind::RegisteredModels, Kind::ModelVersions])
        {
            monitor.begin("registered models", None);
            self.registry()?;
        }
        monitor.begin("datasets", None);
        self.small_kinds()?;
        // Last, since other objects bring their experiments.
        self.write_experiments()?;
        self.count_what_is_not_read()
    }

    /// Datasets, scorers, workspaces.
    fn small_kinds(&mut self) -> Result<()> {
        if self.export.looks_at(&[Kind::Datasets]) {
            self.datasets()?;
        }
        let has_rest = !self.closure.is_rest_elsewhere();
        if has_rest && self.export.looks_at(&[Kind::EvaluationDatasets]) {
            self.evaluation_datasets()?;
        }
        if self.export.looks_at(&[Kind::Scorers]) {
            self.scorers()?;
        }
        if has_rest { self.workspaces() } else { Ok(()) }
    }

    /// Works out what is taken.
    fn choose(&mut self) -> Result<()> {
        let selection = self.export.options.selection.clone();
        let mut catalogue = Catalogue::new(&selection, self.export.options.include_deleted);
        for experiment in self.experiments.all() {
            let is_deleted = experiment.is_deleted();
            catalogue.experiment(&experiment.experiment_id, &experiment.name, is_deleted);
        }
        if !selection.takes_all_objects() {
            registry::tell(&self.tables, &mut catalogue)?;
            logged_models::tell(&self.tables, &mut catalogue)?;
            runs::tell(&self.tables, &mut catalogue, self.export.writer.scratch())?;
        }
        let (closure, matched) = catalogue.close(&|_, _| RunNeeds::default())?;
        self.export.saw(&closure);
        self.closure = closure;
        self.export.matched(matched);
        Ok(())
    }

    /// Names texts that no archive holds.
    pub(super) fn tell_refused(&mut self) -> Result<()> {
        for text in self.tables.take_refused() {
            let RefusedText {
                kind,
                id,
                field,
                detail,
            } = text;
            self.export
                .failure(kind, &id, field, Reason::Unwritable, &detail)?;
        }
        Ok(())
    }

    /// Tables and columns that are not exported, and values that did not fit.
    fn count_what_is_not_read(&mut self) -> Result<()> {
        if !self.closure.is_rest_elsewhere() {
            self.count_orphans()?;
            known::count(&self.tables, &mut self.export)?;
        }
        self.tell_refused()?;
        for ((kind, field, reason), count) in self.tables.oddities.take() {
            self.export.limit(&kind, &field, reason, count);
        }
        Ok(())
    }
}
