//! What follows from a selection: a choice brings what it needs.
//!
//! The rule, the same for every source:
//!
//! - Chosen are the runs that `--experiment`, `--run`, `--filter`, `--since` and `--until` all take; logged models and traces that
//!   no run made, by their own time, where neither runs are named nor a filter is given; with experiments alone, all that is in them.
//! - A named experiment comes, unless runs are named.
//! - `--model` takes a model with its versions. Without it, a version comes where its run does.
//! - A version brings its run and its logged model; a run its experiment, its parents, and the logged models that it read or
//!   made; a logged model its experiment and the run that made it; runs and logged models the traces that name them.
//! - What is left out since it is deleted brings nothing.
//!
//! A door tells of objects in its own order, experiments first, and is told whether each is taken. What that needs and did not
//! come yet, it can ask for: a server does. A door that reads everything twice tells a [`super::Catalogue`] first. Without a selection
//! only experiments are held here.

mod elsewhere;
mod models;
mod verdict;

pub(crate) use verdict::Verdict;

use super::{RunFilter, Selection};
use crate::model::{Experiment, LoggedModel, ModelVersion, Run, Trace};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// Metadata of a trace that names the run and the logged model that made it.
pub(crate) const NAMING_METADATA: [&str; 2] = ["mlflow.sourceRun", "mlflow.modelId"];

#[derive(Debug, Default)]
struct ToldExperiment {
    /// Whether the options name it, or name none.
    is_matched: bool,
    is_deleted: bool,
}

/// What a selection takes, as far as it is known; it grows while objects are told of.
#[derive(Debug, Default)]
pub(crate) struct Closure {
    selection: Selection,
    include_deleted: bool,
    told: HashMap<Arc<str>, ToldExperiment>,
    experiments: HashSet<String>,
    runs: HashSet<String>,
    /// Logged models that are taken, or that something names.
    logged_models: HashSet<String>,
    traces: HashSet<String>,
    /// Runs and logged models that are left out for no other reason than that they are deleted.
    deleted: HashSet<String>,
    /// Runs that something needs and that did not come yet.
    awaited_runs: HashSet<String>,
    /// Whether any run met the filter, deleted or not.
    has_met_filter: bool,
    /// Whether all that is taken is known before the first object comes.
    is_closed: bool,
    new_runs: Vec<String>,
    new_logged_models: Vec<String>,
    seen: BTreeSet<[u8; 32]>,
    unplanned: Vec<String>,
}

impl Closure {
    pub(crate) fn new(selection: &Selection, include_deleted: bool) -> Self {
        Closure {
            selection: selection.clone(),
            include_deleted,
            ..Closure::default()
        }
    }

    pub(crate) fn takes_all(&self) -> bool {
        self.selection.takes_all_objects()
    }

    /// Tells of an experiment; before all that is in it.
    pub(crate) fn experiment(&mut self, id: &str, name: &str, is_deleted: bool) {
        self.see(id, name, is_deleted);
        let patterns = &self.selection.experiments;
        let is_named = patterns.matches(id) || patterns.matches(name);
        let told = self.told.entry(id.into()).or_default();
        told.is_deleted |= is_deleted;
        told.is_matched |= patterns.is_empty() || is_named;
        if is_named && self.selection.runs.is_empty() && !self.selection.narrows_runs {
            self.experiments.insert(id.to_owned());
        }
    }

    /// Tells the runs that were asked for by whole id; before any run.
    pub(crate) fn asked_runs(&mut self, run_ids: &[String]) {
        self.selection.runs = run_ids.to_vec();
    }

    /// Tells that a run is needed.
    pub(crate) fn need_run(&mut self, run_id: &str) {
        if !self.takes_all()
            && !run_id.is_empty()
            && !self.has_run(run_id)
            && self.awaited_runs.insert(run_id.to_owned())
        {
            self.new_runs.push(run_id.to_owned());
        }
    }

    /// Tells of a version that is taken.
    pub(crate) fn need_version(&mut self, version: &ModelVersion) {
        self.need_run(version.run_id.as_deref().unwrap_or_default());
        if let Some(model_id) = version.logged_model_id() {
            self.need_logged_model(model_id);
        }
    }

    /// Tells that a logged model is needed.
    pub(crate) fn need_logged_model(&mut self, model_id: &str) {
        if !self.takes_all() && self.logged_models.insert(model_id.to_owned()) {
            self.new_logged_models.push(model_id.to_owned());
        }
    }

    /// Tells that something of an experiment is taken.
    pub(crate) fn need_experiment(&mut self, experiment_id: &str) {
        if !self.takes_all() && !self.experiments.contains(experiment_id) {
            self.experiments.insert(experiment_id.to_owned());
        }
    }

    /// Runs that are needed, did not come, and were not given here before.
    pub(crate) fn new_runs(&mut self) -> Vec<String> {
        let mut new = std::mem::take(&mut self.new_runs);
        new.retain(|run_id| self.awaited_runs.contains(run_id));
        new
    }

    /// Logged models that are needed and were not given here before.
    pub(crate) fn new_logged_models(&mut self) -> Vec<String> {
        std::mem::take(&mut self.new_logged_models)
    }

    /// Judges a run when it comes, and takes note of what it needs.
    pub(crate) fn run(&mut self, run: &Run) -> Verdict {
        let info = &run.info;
        if self.is_closed {
            let is_deleted = self.is_deleted(&info.lifecycle_stage, &info.experiment_id);
            return self.verdict(self.has_run(&info.run_id), is_deleted);
        }
        let is_chosen = self.names_run(&info.run_id)
            && self.admits_run(&info.experiment_id, info.start_time)
            && self.meets_filter(run);
        let is_deleted = self.is_deleted(&info.lifecycle_stage, &info.experiment_id);
        let verdict = self.known_run(&info.run_id, &info.experiment_id, is_chosen, is_deleted);
        if verdict == Verdict::Kept {
            for output in &run.outputs.model_outputs {
                self.need_logged_model(&output.model_id);
            }
            self.need_run(run.parent_id().unwrap_or_default());
        }
        verdict
    }

    /// Judges a run whose needs are told apart.
    pub(super) fn known_run(
        &mut self,
        run_id: &str,
        experiment_id: &str,
        is_chosen: bool,
        is_deleted: bool,
    ) -> Verdict {
        let is_needed = self.awaited_runs.remove(run_id);
        let verdict = self.verdict(self.takes_all() || is_needed || is_chosen, is_deleted);
        if self.note(verdict, run_id, experiment_id) {
            self.runs.insert(run_id.to_owned());
        }
        verdict
    }

    /// Takes note of what follows for others; whether the object is to be held as taken.
    fn note(&mut self, verdict: Verdict, id: &str, experiment_id: &str) -> bool {
        let is_taken = !self.takes_all() && verdict == Verdict::Kept;
        if is_taken {
            self.need_experiment(experiment_id);
        } else if verdict == Verdict::DELETED && !self.takes_all() {
            self.deleted.insert(id.to_owned());
        }
        is_taken
    }

    /// Whether a run's id is one that was asked for, if any was.
    pub(crate) fn names_run(&self, run_id: &str) -> bool {
        self.selection.runs.is_empty() || self.selection.runs.iter().any(|asked| asked == run_id)
    }

    /// Whether the options take a run, but for its id.
    pub(crate) fn admits_run(&self, experiment_id: &str, start_time: Option<i64>) -> bool {
        let patterns = &self.selection.experiments;
        let is_among = match self.told.get(experiment_id) {
            Some(experiment) => experiment.is_matched,
            None => patterns.is_empty() || patterns.matches(experiment_id),
        };
        self.selection.chooses_runs() && is_among && self.selection.time.contains(start_time)
    }

    /// Whether a run that the other options take meets the filter, if there is one.
    pub(super) fn meets_filter(&mut self, run: &Run) -> bool {
        let is_met = self.filter().is_none_or(|filter| filter.takes(run));
        self.has_met_filter |= is_met;
        is_met
    }

    pub(super) fn filter(&self) -> Option<&RunFilter> {
        self.selection.filter.as_ref()
    }

    /// The filter, as it is told, if no run that the other options take met it; after all runs.
    pub(crate) fn silent_filter(&self) -> Option<String> {
        let filter = self.filter().filter(|_| !self.has_met_filter);
        filter.map(RunFilter::told)
    }

    /// Whether the runs of an experiment must be looked through.
    pub(crate) fn looks_through(&self, experiment_id: &str) -> bool {
        let selection = &self.selection;
        self.takes_all()
            || (selection.chooses_runs() && selection.runs.is_empty() && self.is_matched(experiment_id))
    }

    /// Whether something beside runs may be taken of an experiment.
    pub(crate) fn looks_beside_runs(&self, experiment_id: &str) -> bool {
        let selection = &self.selection;
        let has_names = !selection.experiments.is_empty();
        // A logged model may lie in an experiment that nothing else points to, and so may what is chosen by its time.
        let by_time = selection.chooses_without_runs() && !has_names;
        self.takes_all()
            || by_time
            || !self.logged_models.is_empty()
            || self.experiments.contains(experiment_id)
            || (has_names && self.is_matched(experiment_id))
    }

    /// Whether a run came and was not left out by choice.
    pub(crate) fn has_run(&self, run_id: &str) -> bool {
        self.runs.contains(run_id) || self.deleted.contains(run_id)
    }

    /// Whether a run came before.
    pub(crate) fn met_run(&self, run_id: &str) -> bool {
        !self.is_closed && self.has_run(run_id)
    }

    /// Whether a run is taken, or left out for no other reason than that it is deleted.
    pub(crate) fn reaches_run(&self, run_id: &str) -> bool {
        self.takes_all() || self.has_run(run_id)
    }

    /// Whether a run is taken.
    pub(crate) fn takes_run(&self, run_id: &str) -> bool {
        self.takes_all() || self.runs.contains(run_id)
    }

    /// Whether a run was asked for, or is needed, and did not come.
    pub(crate) fn misses_run(&self, run_id: &str) -> bool {
        let is_asked = || !self.selection.runs.is_empty() && self.names_run(run_id);
        is_asked() || self.awaited_runs.contains(run_id)
    }

    fn is_matched(&self, experiment_id: &str) -> bool {
        (self.told.get(experiment_id)).is_some_and(|experiment| experiment.is_matched)
    }

    /// The id of an experiment, held once.
    pub(super) fn experiment_id(&self, experiment_id: &str) -> Arc<str> {
        let told = self.told.get_key_value(experiment_id);
        told.map_or_else(|| experiment_id.into(), |(id, _)| id.clone())
    }

    /// Whether an experiment is taken, deleted or not.
    pub(crate) fn takes_experiment(&self, experiment_id: &str) -> bool {
        self.takes_all() || self.experiments.contains(experiment_id)
    }

    /// Judges an experiment; after all that may bring it.
    pub(crate) fn takes(&self, experiment: &Experiment) -> Verdict {
        let id = &experiment.experiment_id;
        self.verdict(
            self.takes_experiment(id),
            self.is_deleted(&experiment.lifecycle_stage, id),
        )
    }

    /// Whether an experiment is taken with all that is in it.
    pub(crate) fn takes_whole(&self, experiment_id: &str) -> bool {
        self.takes_all() || (self.selection.takes_whole_experiments() && self.is_matched(experiment_id))
    }

    /// Judges something that comes with its whole experiment only.
    pub(crate) fn of_experiment(&self, experiment_id: &str) -> Verdict {
        self.verdict(
            self.takes_whole(experiment_id),
            self.is_deleted("", experiment_id),
        )
    }

    /// Whether something is taken that belongs to several experiments: one that is left out since it is deleted brings nothing.
    pub(crate) fn takes_of_experiments(&self, experiment_ids: &[String]) -> bool {
        let mut experiments = experiment_ids.iter();
        self.takes_all() || experiments.any(|id| self.of_experiment(id) == Verdict::Kept)
    }

    /// Whether something beside runs is taken with its whole experiment, or by its own time where no run made it.
    pub(crate) fn chooses(&self, experiment_id: &str, run_id: Option<&str>, time: Option<i64>) -> bool {
        self.takes_whole(experiment_id)
            || (self.selection.chooses_alone(run_id, time) && self.is_matched(experiment_id))
    }

    /// Judges a logged model when it comes; it brings its experiment.
    pub(crate) fn logged_model(&mut self, model: &LoggedModel) -> Verdict {
        let (id, run_id) = (&model.model_id, model.source_run_id.as_deref());
        let is_taken = self.reaches_logged_model(id)
            || run_id.is_some_and(|run_id| self.runs.contains(run_id))
            || self.chooses(&model.experiment_id, run_id, model.creation_timestamp_ms);
        let is_deleted = self.is_deleted(&model.lifecycle_stage, &model.experiment_id);
        self.known_logged_model(id, &model.experiment_id, is_taken, is_deleted)
    }

    /// Judges a logged model of which it is known whether something takes it.
    pub(super) fn known_logged_model(
        &mut self,
        model_id: &str,
        experiment_id: &str,
        is_taken: bool,
        is_deleted: bool,
    ) -> Verdict {
        let verdict = self.verdict(is_taken, is_deleted);
        if self.note(verdict, model_id, experiment_id) {
            self.logged_models.insert(model_id.to_owned());
        }
        verdict
    }

    /// Whether a logged model is taken, or left out for no other reason than that it is deleted.
    pub(crate) fn reaches_logged_model(&self, model_id: &str) -> bool {
        self.takes_all() || self.logged_models.contains(model_id) || self.deleted.contains(model_id)
    }

    /// Judges a trace, which may be linked to runs beside those that its metadata name; it brings its experiment.
    pub(crate) fn trace(&mut self, trace: &Trace, linked: &[String]) -> Verdict {
        let named = names_of(trace).into_iter().flatten();
        let is_named = named
            .chain(linked.iter().map(String::as_str))
            .any(|id| self.brings_traces(id));
        let is_taken = is_named || self.chooses_trace(trace);
        self.with_experiment(&trace.experiment_id, is_taken)
    }

    /// Whether a trace is chosen for its own sake.
    pub(crate) fn chooses_trace(&self, trace: &Trace) -> bool {
        let [run_id, _] = names_of(trace);
        self.chooses(&trace.experiment_id, run_id, trace.request_time)
    }

    /// Whether traces that name this run or logged model are taken.
    pub(super) fn brings_traces(&self, id: &str) -> bool {
        self.runs.contains(id) || self.logged_models.contains(id)
    }

    /// Judges something that brings its experiment.
    pub(crate) fn with_experiment(&mut self, experiment_id: &str, is_taken: bool) -> Verdict {
        let verdict = self.verdict(is_taken, self.is_deleted("", experiment_id));
        if verdict == Verdict::Kept {
            self.need_experiment(experiment_id);
        }
        verdict
    }

    pub(super) fn hold_trace(&mut self, trace_id: String) {
        self.traces.insert(trace_id);
    }

    /// Whether a trace is taken of which a catalogue was told.
    pub(crate) fn has_trace(&self, trace_id: &str) -> bool {
        self.takes_all() || self.traces.contains(trace_id)
    }
}

/// The run and the logged model that a trace names.
pub(crate) fn names_of(trace: &Trace) -> [Option<&str>; 2] {
    NAMING_METADATA.map(|key| trace.trace_metadata.get(key)?.as_str())
}
