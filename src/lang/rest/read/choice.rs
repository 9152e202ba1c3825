//! Which objects of a server are exported; the rule is that of [`crate::select::closure`], worked out while objects come.

use crate::model::{Experiment, LoggedModel, ModelVersion, Run, Trace};
use crate::select::NAMING_METADATA;
use crate::select::Selection;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Whether an object is exported, and if not, why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Kept,
    LeftOut(Reason),
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
    /// Runs that are here and whose ids begin as one that was asked for.
    runs_here: Vec<String>,
    /// Experiments that are written.
    experiments: HashSet<String>,
    /// Runs that something else needs.
    needed_runs: HashSet<String>,
    /// Runs that are written; filled only where something is chosen.
    runs: HashSet<String>,
    logged_models: HashSet<String>,
    resolved_models: HashSet<String>,
    /// Needed runs that came, or were asked for.
    asked_runs: HashSet<String>,
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
            if self.selection.runs.is_empty() {
                self.experiments.insert(id.clone());
            }
        }
        let by_id_only = !self.selection.runs.is_empty();
        self.takes_all()
            || (self.selection.chooses_runs() && !by_id_only && (patterns.is_empty() || is_matched))
    }

    /// Tells of a version of a model; before the runs.
    pub(super) fn version(&mut self, version: &ModelVersion) {
        if self.selection.models.matches(&version.name) {
            let run_id = version.run_id.as_ref().filter(|id| !id.is_empty());
            self.needed_runs.extend(run_id.cloned());
            self.logged_models
                .extend(version.logged_model_id().map(str::to_owned));
        }
    }

    /// Tells that a run is needed.
    pub(super) fn need_run(&mut self, run_id: &str) -> bool {
        !self.takes_all() && !self.runs.contains(run_id) && self.needed_runs.insert(run_id.to_owned())
    }

    /// Tells which of all runs that were asked for are here, by whole id; after the experiments.
    pub(super) fn found_runs(&mut self, all: &[String], here: Vec<String>) {
        self.selection.runs = all.to_vec();
        self.runs_here = here;
    }

    /// Runs to be asked for by id.
    pub(super) fn runs_by_id(&self) -> Vec<String> {
        let asked = self.selection.runs.iter();
        let here = asked.filter(|id| self.runs_here.contains(id));
        let ids: BTreeSet<_> = here.chain(&self.needed_runs).cloned().collect();
        ids.into_iter().collect()
    }

    /// Runs that are needed, and neither came nor were asked for yet.
    pub(super) fn new_runs(&mut self) -> Vec<String> {
        let new = self.needed_runs.difference(&self.asked_runs).cloned();
        let new: Vec<String> = new.filter(|id| !self.runs.contains(id)).collect();
        self.asked_runs.extend(new.iter().cloned());
        new
    }

    fn kept_unless_deleted(&self, is_deleted: bool) -> Verdict {
        match is_deleted && !self.include_deleted {
            true => Verdict::LeftOut(Reason::Deleted),
            false => Verdict::Kept,
        }
    }

    /// Judges a run, and takes note of what it needs: returns its parent, where that must come too.
    pub(super) fn run(&mut self, run: &Run) -> (Verdict, Option<String>) {
        let info = &run.info;
        if self.needed_runs.contains(&info.run_id) {
            self.asked_runs.insert(info.run_id.clone());
        }
        if !self.takes_all() && !self.takes_run_directly(run) && !self.needed_runs.contains(&info.run_id) {
            return (Verdict::LeftOut(Reason::NotSelected), None);
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
            false => Verdict::LeftOut(Reason::NotSelected),
        }
    }

    /// Judges something of an experiment that goes where the experiment goes.
    pub(super) fn takes_of_experiment(&self, experiment_id: &str) -> Verdict {
        let is_whole = self.takes_all()
            || (self.selection.takes_whole_experiments() && self.matched.contains(experiment_id));
        match is_whole {
            true => self.kept_unless_deleted(self.deleted.contains(experiment_id)),
            false => Verdict::LeftOut(Reason::NotSelected),
        }
    }

    /// Judges a logged model, which brings its experiment.
    pub(super) fn takes_logged_model(&mut self, model: &LoggedModel) -> Verdict {
        let (id, run_id) = (&model.experiment_id, model.source_run_id.as_deref());
        let is_taken = run_id.is_some_and(|run_id| self.runs.contains(run_id))
            || self.logged_models.contains(&model.model_id)
            || self.takes_alone(id, run_id, model.creation_timestamp_ms);
        let verdict = self.with_experiment(id, is_taken);
        if verdict == Verdict::Kept && !self.takes_all() {
            self.logged_models.insert(model.model_id.clone());
        }
        verdict
    }

    /// Judges a trace by the runs and the model it names, or by its own time; it brings its experiment.
    pub(super) fn takes_trace(&mut self, trace: &Trace) -> Verdict {
        let metadata = |key: &str| trace.trace_metadata.get(key).and_then(|text| text.as_str());
        let named = NAMING_METADATA.into_iter().filter_map(metadata);
        let mut named = named.chain(trace.linked_runs.iter().map(String::as_str));
        let is_taken = named.any(|name| self.runs.contains(name) || self.logged_models.contains(name))
            || self.takes_alone(
                &trace.experiment_id,
                metadata(NAMING_METADATA[0]),
                trace.request_time,
            );
        self.with_experiment(&trace.experiment_id, is_taken)
    }

    /// Judges something of an experiment, which comes with it.
    fn with_experiment(&mut self, experiment_id: &str, is_taken: bool) -> Verdict {
        let verdict = match is_taken {
            true => self.kept_unless_deleted(self.deleted.contains(experiment_id)),
            false => self.takes_of_experiment(experiment_id),
        };
        if verdict == Verdict::Kept && !self.takes_all() {
            self.experiments.insert(experiment_id.to_owned());
        }
        verdict
    }

    /// Whether something that no run made is taken by its own time.
    fn takes_alone(&self, experiment_id: &str, run_id: Option<&str>, time: Option<i64>) -> bool {
        let is_matched = self.selection.experiments.is_empty() || self.matched.contains(experiment_id);
        is_matched && self.selection.chooses_alone(run_id, time)
    }

    /// Logged models that are taken and whose runs were not asked for yet.
    pub(super) fn new_logged_models(&mut self) -> Vec<String> {
        let new = self.logged_models.difference(&self.resolved_models);
        let new: Vec<String> = new.cloned().collect();
        self.resolved_models.extend(new.iter().cloned());
        new
    }

    /// Experiments whose logged models may bring runs of other experiments.
    pub(super) fn whole_experiments(&self) -> Vec<String> {
        match self.selection.takes_whole_experiments() {
            true => self.matched.iter().cloned().collect(),
            false => Vec::new(),
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
        // A logged model may lie in an experiment that nothing else points to, and so may what is chosen by its time.
        let by_time = self.selection.chooses_runs()
            && self.selection.runs.is_empty()
            && self.selection.experiments.is_empty();
        let any_may = by_time || !self.logged_models.is_empty();
        all.keys().filter(|id| any_may || is_open(id)).collect()
    }
}
