//! Which objects are exported: what the options choose, and what that needs.
//!
//! A chosen experiment brings all that is in it, unless runs or times are chosen too. A model version brings its run and
//! its logged model; a run its experiment, its parents and its logged models; a logged model the run that made it; all of
//! them the traces that name them. With runs chosen and no model, a model version comes if its run was chosen.

use crate::model::{Experiment, LoggedModel, Run};
use crate::source::{Selection, TimeRange};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Whether an object is exported, and if not, why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Kept,
    LeftOut(&'static str),
}

/// What is exported, as far as it is known; it grows while objects come.
#[derive(Debug, Default)]
pub(super) struct Choice {
    selection: Selection,
    include_deleted: bool,
    /// Deleted experiments.
    deleted: HashSet<String>,
    /// Experiments that a pattern matches.
    matched: HashSet<String>,
    /// Experiments that are written.
    experiments: HashSet<String>,
    /// Runs that something else needs.
    needed_runs: HashSet<String>,
    /// Runs that are written; filled only where something is chosen.
    runs: HashSet<String>,
    logged_models: HashSet<String>,
}

impl Choice {
    pub(super) fn new(selection: Selection, include_deleted: bool) -> Self {
        Choice {
            selection,
            include_deleted,
            ..Choice::default()
        }
    }

    pub(super) fn takes_all(&self) -> bool {
        self.selection.takes_all_objects()
    }

    /// Whether experiments are taken with all that is in them.
    fn takes_whole_experiments(&self) -> bool {
        let selection = &self.selection;
        !selection.experiments.is_empty()
            && selection.runs.is_empty()
            && selection.time == TimeRange::default()
    }

    /// Tells of an experiment; before all else. Returns whether its runs must be looked through.
    pub(super) fn experiment(&mut self, experiment: &Experiment) -> bool {
        let id = &experiment.experiment_id;
        if experiment.lifecycle_stage == "deleted" {
            self.deleted.insert(id.clone());
        }
        let patterns = &self.selection.experiments;
        let is_matched = patterns.matches(id) || patterns.matches(&experiment.name);
        if is_matched {
            self.matched.insert(id.clone());
            if self.takes_whole_experiments() {
                self.experiments.insert(id.clone());
            }
        }
        let by_id_only = !self.selection.runs.is_empty();
        self.takes_all()
            || (self.selection.chooses_runs() && !by_id_only && (patterns.is_empty() || is_matched))
    }

    /// Tells of a version of a model; before the runs.
    pub(super) fn version(&mut self, name: &str, run_id: Option<&str>, source: Option<&str>) {
        if self.selection.models.matches(name) {
            self.needed_runs
                .extend(run_id.filter(|id| !id.is_empty()).map(str::to_owned));
            let model_id = source.and_then(|source| source.strip_prefix("models:/m-"));
            self.logged_models.extend(model_id.map(|id| format!("m-{id}")));
        }
    }

    /// Tells that a run is needed.
    pub(super) fn need_run(&mut self, run_id: &str) -> bool {
        !self.takes_all() && !self.runs.contains(run_id) && self.needed_runs.insert(run_id.to_owned())
    }

    /// Runs to be asked for by id.
    pub(super) fn runs_by_id(&self) -> Vec<String> {
        let ids: BTreeSet<_> = self
            .selection
            .runs
            .iter()
            .chain(&self.needed_runs)
            .cloned()
            .collect();
        ids.into_iter().collect()
    }

    fn kept_unless_deleted(&self, is_deleted: bool) -> Verdict {
        match is_deleted && !self.include_deleted {
            true => Verdict::LeftOut("deleted"),
            false => Verdict::Kept,
        }
    }

    /// Judges a run, and takes note of what it needs: returns its parent, where that must come too.
    pub(super) fn run(&mut self, run: &Run) -> (Verdict, Option<String>) {
        let info = &run.info;
        if !self.takes_all() && !self.takes_run_directly(run) && !self.needed_runs.contains(&info.run_id) {
            return (Verdict::LeftOut("not-selected"), None);
        }
        let is_deleted = info.lifecycle_stage == "deleted" || self.deleted.contains(&info.experiment_id);
        let verdict = self.kept_unless_deleted(is_deleted);
        if verdict != Verdict::Kept || self.takes_all() {
            return (verdict, None);
        }
        self.runs.insert(info.run_id.clone());
        self.experiments.insert(info.experiment_id.clone());
        self.logged_models.extend(
            run.outputs
                .model_outputs
                .iter()
                .map(|output| output.model_id.clone()),
        );
        let parent = run.parent_id();
        let parent = parent.filter(|id| !id.is_empty()).map(str::to_owned);
        (verdict, parent.filter(|parent| self.need_run(parent)))
    }

    /// Tells of a logged model that a run reads.
    pub(super) fn need_logged_model(&mut self, model_id: &str) {
        if !self.takes_all() {
            self.logged_models.insert(model_id.to_owned());
        }
    }

    fn takes_run_directly(&self, run: &Run) -> bool {
        let selection = &self.selection;
        selection.chooses_runs()
            && (selection.experiments.is_empty() || self.matched.contains(&run.info.experiment_id))
            && (selection.runs.is_empty() || selection.runs.contains(&run.info.run_id))
            && selection.time.contains(run.info.start_time)
    }

    /// Judges an experiment; after its runs.
    pub(super) fn takes_experiment(&self, experiment: &Experiment) -> Verdict {
        match self.takes_all() || self.experiments.contains(&experiment.experiment_id) {
            true => self.kept_unless_deleted(experiment.lifecycle_stage == "deleted"),
            false => Verdict::LeftOut("not-selected"),
        }
    }

    /// Judges something of an experiment that goes where the experiment goes.
    pub(super) fn takes_of_experiment(&self, experiment_id: &str) -> Verdict {
        let is_whole =
            self.takes_all() || (self.takes_whole_experiments() && self.matched.contains(experiment_id));
        match is_whole {
            true => self.kept_unless_deleted(self.deleted.contains(experiment_id)),
            false => Verdict::LeftOut("not-selected"),
        }
    }

    /// Judges a logged model.
    pub(super) fn takes_logged_model(&self, model: &LoggedModel) -> Verdict {
        let with_run = model
            .source_run_id
            .as_ref()
            .is_some_and(|run_id| self.runs.contains(run_id));
        match with_run || self.logged_models.contains(&model.model_id) {
            true => self.kept_unless_deleted(self.deleted.contains(&model.experiment_id)),
            false => self.takes_of_experiment(&model.experiment_id),
        }
    }

    /// Judges a trace by the runs and the model it names.
    pub(super) fn takes_trace(&self, experiment_id: &str, names: &[&str]) -> Verdict {
        let is_named = names
            .iter()
            .any(|name| self.runs.contains(*name) || self.logged_models.contains(*name));
        match is_named {
            true => self.kept_unless_deleted(self.deleted.contains(experiment_id)),
            false => self.takes_of_experiment(experiment_id),
        }
    }

    /// Whether a version is exported.
    pub(super) fn takes_version(&self, name: &str, run_id: Option<&str>) -> bool {
        let selection = &self.selection;
        self.takes_all()
            || selection.models.matches(name)
            || (selection.models.is_empty() && run_id.is_some_and(|run_id| self.runs.contains(run_id)))
    }

    /// Whether a registered model is exported for its own sake.
    pub(super) fn takes_model(&self, name: &str) -> bool {
        self.takes_all() || self.selection.models.matches(name)
    }

    /// Experiments of which something may be exported beside runs, in no order.
    pub(super) fn open_experiments<'e>(&self, all: &'e BTreeMap<String, Experiment>) -> Vec<&'e String> {
        let is_open =
            |id: &&String| self.takes_all() || self.matched.contains(*id) || self.experiments.contains(*id);
        // A logged model may lie in an experiment that nothing else points to.
        let any_may = !self.logged_models.is_empty();
        all.keys().filter(|id| any_may || is_open(id)).collect()
    }

    /// The first pattern that matches nothing.
    pub(super) fn unmatched<'s>(
        selection: &'s Selection,
        experiments: &BTreeMap<String, Experiment>,
        models: &BTreeSet<String>,
    ) -> Option<(&'static str, &'s str)> {
        let names = |text: &str| crate::source::Patterns::names(vec![text.to_owned()]);
        for text in selection.experiments.texts() {
            let Ok(pattern) = names(text) else { continue };
            let matches =
                |found: &Experiment| pattern.matches(&found.experiment_id) || pattern.matches(&found.name);
            if !experiments.values().any(matches) {
                return Some(("experiment", text));
            }
        }
        for text in selection.models.texts() {
            let Ok(pattern) = names(text) else { continue };
            if !models.iter().any(|name| pattern.matches(name)) {
                return Some(("model", text));
            }
        }
        None
    }
}
