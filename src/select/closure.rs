//! What the options choose, worked out before anything is written: a choice brings what it needs.
//!
//! The rule, the same for every source (file stores and servers work it out in their own order):
//!
//! - Chosen are the runs that `--experiment`, `--run`, `--since` and `--until` all take; logged models and traces that no run
//!   made, by their own time, where no run is named; with experiments alone, all that is in them.
//! - A named experiment comes, unless runs are named.
//! - `--model` takes a model with its versions. Without it, a version comes where its run does.
//! - A version brings its run and its logged model; a run its experiment, its parents, and the logged models that it read or
//!   made; a logged model its experiment and the run that made it; runs and logged models the traces that name them.
//! - What is left out since it is deleted brings nothing.
//!
//! Without a choice nothing is held here.

use crate::model::{Experiment, LoggedModel, ModelVersion, Run, Trace};
use crate::select::Selection;
use crate::select::{AskedNames, Matched, NoMatch};
use std::collections::{HashMap, HashSet};

/// Metadata of a trace that names the run and the logged model that made it.
pub(crate) const NAMING_METADATA: [&str; 2] = ["mlflow.sourceRun", "mlflow.modelId"];

/// Whether something that no run made is chosen by its own time.
pub(crate) fn is_chosen_alone(selection: &Selection, run_id: Option<&str>, time: Option<i64>) -> bool {
    selection.chooses_runs()
        && selection.runs.is_empty()
        && run_id.is_none_or(str::is_empty)
        && selection.time.contains(time)
}

/// Whether experiments are taken with all that is in them.
pub(crate) fn takes_whole_experiments(selection: &Selection) -> bool {
    !selection.experiments.is_empty()
        && selection.runs.is_empty()
        && selection.time == crate::select::TimeRange::default()
}

/// The logged model that a version was made of.
pub(crate) fn model_of_version<'v>(model_id: Option<&'v str>, source: Option<&'v str>) -> Option<&'v str> {
    let model_id = model_id.filter(|id| !id.is_empty());
    model_id.or_else(|| source?.strip_prefix("models:/").filter(|id| id.starts_with("m-")))
}

/// What to export.
#[derive(Debug, Default)]
pub(crate) struct Choice {
    takes_all: bool,
    selection: Selection,
    /// Experiments that the options match.
    matched: HashSet<String>,
    /// Experiments taken with all that is in them.
    whole: HashSet<String>,
    experiments: HashSet<String>,
    runs: HashSet<String>,
    /// Runs that would be taken, were they not deleted.
    deleted_runs: HashSet<String>,
    logged_models: HashSet<String>,
}

impl Choice {
    pub(crate) fn takes_all(&self) -> bool {
        self.takes_all
    }

    pub(crate) fn takes_experiment(&self, experiment_id: &str) -> bool {
        self.takes_all || self.experiments.contains(experiment_id)
    }

    pub(crate) fn takes_run(&self, run_id: &str) -> bool {
        self.takes_all || self.runs.contains(run_id)
    }

    /// Whether a run is taken, or left out for no other reason than that it is deleted.
    pub(crate) fn reaches_run(&self, run_id: &str) -> bool {
        self.takes_run(run_id) || self.deleted_runs.contains(run_id)
    }

    /// Whether all that is in an experiment is taken.
    pub(crate) fn takes_whole(&self, experiment_id: &str) -> bool {
        self.takes_all || self.whole.contains(experiment_id)
    }

    /// Whether something that no run made is taken by its own time.
    fn takes_alone(&self, experiment_id: &str, run_id: Option<&str>, time: Option<i64>) -> bool {
        is_chosen_alone(&self.selection, run_id, time) && self.matched.contains(experiment_id)
    }

    pub(crate) fn takes_logged_model(&self, model: &LoggedModel) -> bool {
        let (experiment_id, run_id) = (&model.experiment_id, model.source_run_id.as_deref());
        self.takes_whole(experiment_id)
            || self.logged_models.contains(&model.model_id)
            || run_id.is_some_and(|run_id| self.runs.contains(run_id))
            || self.takes_alone(experiment_id, run_id, model.creation_timestamp_ms)
    }

    /// Whether a trace is taken, which may be linked to these runs and models beside those that its metadata name.
    pub(crate) fn takes_trace(&self, trace: &Trace, linked: &[String]) -> bool {
        let metadata = |key: &str| trace.trace_metadata.get(key).and_then(|text| text.as_str());
        let named = NAMING_METADATA.into_iter().filter_map(metadata);
        let mut named = named.chain(linked.iter().map(String::as_str));
        self.takes_whole(&trace.experiment_id)
            || named.any(|id| self.runs.contains(id) || self.logged_models.contains(id))
            || self.takes_alone(
                &trace.experiment_id,
                metadata(NAMING_METADATA[0]),
                trace.request_time,
            )
    }

    /// Whether a version of a model is taken.
    pub(crate) fn takes_version(&self, model: &str, run_id: Option<&str>) -> bool {
        self.takes_model(model)
            || (self.selection.models.is_empty() && run_id.is_some_and(|run_id| self.runs.contains(run_id)))
    }

    /// Whether a registered model is taken for its own sake.
    pub(crate) fn takes_model(&self, name: &str) -> bool {
        self.takes_all || self.selection.models.matches(name)
    }

    /// Whether something is taken that belongs to several experiments.
    pub(crate) fn takes_of_experiments(&self, experiment_ids: &[String]) -> bool {
        experiment_ids.iter().any(|id| self.takes_whole(id)) || self.takes_all
    }
}

/// What a run is and needs, for the choice.
#[derive(Debug)]
struct RunNeeds {
    experiment_id: String,
    is_deleted: bool,
    parent: Option<String>,
    logged_models: Vec<String>,
}

/// What a logged model is and needs.
#[derive(Debug)]
struct ModelNeeds {
    experiment_id: String,
    run_id: Option<String>,
    time: Option<i64>,
}

/// What a model version needs.
#[derive(Debug)]
struct VersionNeeds {
    model: String,
    run_id: Option<String>,
    logged_model: Option<String>,
}

/// Collects what an export holds.
pub(crate) struct Chooser<'a> {
    selection: &'a Selection,
    include_deleted: bool,
    asked: AskedNames,
    names: HashMap<String, String>,
    deleted_experiments: HashSet<String>,
    runs: HashMap<String, RunNeeds>,
    logged_models: HashMap<String, ModelNeeds>,
    versions: Vec<VersionNeeds>,
    traces: Vec<Trace>,
    chosen: Vec<String>,
}

impl<'a> Chooser<'a> {
    pub(crate) fn new(selection: &'a Selection, include_deleted: bool) -> Self {
        Chooser {
            selection,
            include_deleted,
            asked: selection.asked(),
            names: HashMap::new(),
            deleted_experiments: HashSet::new(),
            runs: HashMap::new(),
            logged_models: HashMap::new(),
            versions: Vec::new(),
            traces: Vec::new(),
            chosen: Vec::new(),
        }
    }

    /// Tells of an experiment; before all that is in it.
    pub(crate) fn experiment(&mut self, experiment: &Experiment) {
        self.asked
            .experiments
            .see(&[&experiment.experiment_id, &experiment.name]);
        if experiment.lifecycle_stage == "deleted" {
            self.deleted_experiments.insert(experiment.experiment_id.clone());
        }
        self.names
            .insert(experiment.experiment_id.clone(), experiment.name.clone());
    }

    /// Tells of a model version.
    pub(crate) fn version(&mut self, version: &ModelVersion) {
        self.model(&version.name);
        let is_deleted = version.current_stage.as_deref() == Some(crate::model::registry::DELETED_STAGE);
        if is_deleted && !self.include_deleted {
            return;
        }
        let logged_model = model_of_version(version.model_id.as_deref(), version.source.as_deref());
        self.versions.push(VersionNeeds {
            model: version.name.clone(),
            run_id: version.run_id.clone().filter(|id| !id.is_empty()),
            logged_model: logged_model.map(str::to_owned),
        });
    }

    /// Tells of a registered model or a prompt.
    pub(crate) fn model(&mut self, model: &str) {
        self.asked.models.see(&[model]);
    }

    /// Tells of a run.
    pub(crate) fn run(&mut self, run: &Run) {
        let run_id = &run.info.run_id;
        self.asked.runs.see(&[run_id]);
        if self.takes_directly(run) {
            self.chosen.push(run_id.clone());
        }
        let outputs = run.outputs.model_outputs.iter().map(|output| &output.model_id);
        let inputs = run.inputs.model_inputs.iter().map(|input| &input.model_id);
        let needs = RunNeeds {
            is_deleted: self.is_left_out(&run.info.lifecycle_stage, &run.info.experiment_id),
            experiment_id: run.info.experiment_id.clone(),
            parent: run.parent_id().map(str::to_owned),
            logged_models: outputs.chain(inputs).cloned().collect(),
        };
        self.runs.insert(run_id.clone(), needs);
    }

    /// Tells of a logged model.
    pub(crate) fn logged_model(&mut self, model: &LoggedModel) {
        if self.is_left_out(&model.lifecycle_stage, &model.experiment_id) {
            return;
        }
        let needs = ModelNeeds {
            experiment_id: model.experiment_id.clone(),
            run_id: model.source_run_id.clone().filter(|id| !id.is_empty()),
            time: model.creation_timestamp_ms,
        };
        self.logged_models.insert(model.model_id.clone(), needs);
    }

    /// Tells of a trace, where experiments are written before what brings them.
    pub(crate) fn trace(&mut self, trace: &Trace) {
        let metadata = &trace.trace_metadata;
        let named = NAMING_METADATA.map(|key| Some((key.to_owned(), metadata.get(key)?.clone())));
        self.traces.push(Trace {
            experiment_id: trace.experiment_id.clone(),
            request_time: trace.request_time,
            trace_metadata: named.into_iter().flatten().collect(),
            linked_runs: trace.linked_runs.clone(),
            ..Trace::default()
        });
    }

    fn is_left_out(&self, lifecycle_stage: &str, experiment_id: &str) -> bool {
        let is_deleted = lifecycle_stage == "deleted" || self.deleted_experiments.contains(experiment_id);
        is_deleted && !self.include_deleted
    }

    fn takes_directly(&self, run: &Run) -> bool {
        let selection = self.selection;
        let info = &run.info;
        selection.chooses_runs()
            && (selection.experiments.is_empty() || self.matches_experiment(&info.experiment_id))
            && (selection.runs.is_empty() || selection.may_take_run(&info.run_id))
            && selection.time.contains(info.start_time)
    }

    fn matches_experiment(&self, experiment_id: &str) -> bool {
        let name = self.names.get(experiment_id);
        let patterns = &self.selection.experiments;
        patterns.matches(experiment_id) || name.is_some_and(|name| patterns.matches(name))
    }

    /// The choice, with all that it needs, and what was found for what was asked.
    ///
    /// # Errors
    /// A name or id that nothing has, or the start of several ids.
    pub(crate) fn finish(self) -> Result<(Choice, Matched), NoMatch> {
        let selection = self.selection;
        let matched = self.asked.finish()?;
        let mut choice = Choice {
            takes_all: selection.takes_all_objects(),
            selection: Selection {
                runs: matched.runs.clone(),
                ..selection.clone()
            },
            ..Choice::default()
        };
        if choice.takes_all {
            return Ok((choice, matched));
        }
        let patterns = &selection.experiments;
        let ids = self.names.keys();
        let ids = ids.filter(|id| patterns.is_empty() || self.matches_experiment(id));
        choice.matched = ids.cloned().collect();
        if !patterns.is_empty() && selection.runs.is_empty() {
            choice.experiments.clone_from(&choice.matched);
        }
        if takes_whole_experiments(selection) {
            choice.whole.clone_from(&choice.matched);
        }
        let mut closure = Closure::of(&self, choice);
        // An id that is the start of another is whole.
        let is_asked = |id: &&String| selection.runs.is_empty() || matched.runs.contains(id);
        closure.add_runs(self.chosen.iter().filter(is_asked).cloned().collect());
        for (model_id, needs) in &self.logged_models {
            let is_chosen = closure.choice.whole.contains(&needs.experiment_id)
                || (closure.choice).takes_alone(&needs.experiment_id, needs.run_id.as_deref(), needs.time);
            if is_chosen {
                closure.add_logged_model(model_id);
            }
        }
        let taken = |version: &&VersionNeeds| {
            let run_id = version.run_id.as_deref();
            closure.choice.takes_version(&version.model, run_id)
        };
        let versions: Vec<_> = self.versions.iter().filter(taken).collect();
        for version in versions {
            closure.add_runs(version.run_id.iter().cloned().collect());
            if let Some(model_id) = &version.logged_model {
                closure.add_logged_model(model_id);
            }
        }
        let mut choice = closure.choice;
        for trace in &self.traces {
            if choice.takes_trace(trace, &trace.linked_runs) {
                choice.experiments.insert(trace.experiment_id.clone());
            }
        }
        Ok((choice, matched))
    }
}

/// Adds what something needs, and what that needs.
struct Closure<'c> {
    told: &'c Chooser<'c>,
    models_of_runs: HashMap<&'c str, Vec<&'c str>>,
    choice: Choice,
}

impl<'c> Closure<'c> {
    fn of(told: &'c Chooser<'c>, choice: Choice) -> Self {
        let mut models_of_runs: HashMap<&str, Vec<&str>> = HashMap::new();
        for (model_id, needs) in &told.logged_models {
            if let Some(run_id) = &needs.run_id {
                models_of_runs.entry(run_id).or_default().push(model_id);
            }
        }
        Closure {
            told,
            models_of_runs,
            choice,
        }
    }

    fn add_runs(&mut self, mut pending: Vec<String>) {
        while let Some(run_id) = pending.pop() {
            let Some(needs) = self.told.runs.get(&run_id) else {
                continue;
            };
            if needs.is_deleted {
                self.choice.deleted_runs.insert(run_id);
                continue;
            }
            let made = self
                .models_of_runs
                .get(run_id.as_str())
                .cloned()
                .unwrap_or_default();
            if !self.choice.runs.insert(run_id) {
                continue;
            }
            self.choice.experiments.insert(needs.experiment_id.clone());
            pending.extend(needs.parent.clone());
            let models = needs.logged_models.iter().map(String::as_str).chain(made);
            let runs = models.filter_map(|model_id| self.insert_logged_model(model_id));
            pending.extend(runs);
        }
    }

    fn add_logged_model(&mut self, model_id: &str) {
        let run_id = self.insert_logged_model(model_id);
        self.add_runs(run_id.into_iter().collect());
    }

    /// Takes a logged model; returns the run that made it.
    fn insert_logged_model(&mut self, model_id: &str) -> Option<String> {
        let needs = self.told.logged_models.get(model_id)?;
        if !self.choice.logged_models.insert(model_id.to_owned()) {
            return None;
        }
        self.choice.experiments.insert(needs.experiment_id.clone());
        needs.run_id.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::run::PARENT_TAG;
    use crate::select::{Patterns, TimeRange};

    fn run(run_id: &str, experiment_id: &str, start: i64, parent: Option<&str>) -> Run {
        let mut run = Run::default();
        run.info.run_id = run_id.to_owned();
        run.info.experiment_id = experiment_id.to_owned();
        run.info.start_time = Some(start);
        run.tags
            .extend(parent.map(|parent| (PARENT_TAG.to_owned(), parent.into())));
        run
    }

    fn choice(selection: &Selection) -> Result<(Choice, Matched), NoMatch> {
        let mut chooser = Chooser::new(selection, false);
        for (id, name) in [("1", "train"), ("2", "test")] {
            chooser.experiment(&Experiment {
                experiment_id: id.to_owned(),
                name: name.to_owned(),
                ..Experiment::default()
            });
        }
        chooser.version(&ModelVersion {
            name: "m".to_owned(),
            run_id: Some("child".to_owned()),
            ..ModelVersion::default()
        });
        chooser.run(&run("parent", "1", 10, None));
        chooser.run(&run("child", "2", 20, Some("parent")));
        chooser.run(&run("other", "2", 30, None));
        chooser.finish()
    }

    fn names(texts: &[&str]) -> Patterns {
        Patterns::names(texts.iter().map(|&text| text.to_owned()).collect()).expect("globs")
    }

    #[test]
    fn a_version_brings_its_run_and_a_run_its_parents_and_experiments() {
        let by_model = Selection {
            models: names(&["m"]),
            ..Selection::default()
        };
        let (choice, _) = choice(&by_model).expect("it is there");
        assert!(choice.takes_run("child") && choice.takes_run("parent") && !choice.takes_run("other"));
        assert!(choice.takes_experiment("1") && choice.takes_experiment("2"));
        assert!(choice.takes_version("m", None) && !choice.takes_version("n", Some("child")));
    }

    #[test]
    fn an_experiment_is_taken_whole_unless_runs_are_chosen_too() {
        let by_name = Selection {
            experiments: names(&["te*"]),
            ..Selection::default()
        };
        let (whole, _) = choice(&by_name).expect("it is there");
        assert!(whole.takes_whole("2") && whole.takes_run("other") && whole.takes_run("parent"));
        let since = TimeRange {
            since: Some(30),
            until: None,
        };
        let (part, _) = choice(&Selection {
            time: since,
            ..by_name
        })
        .expect("it is there");
        assert!(part.takes_run("other") && !part.takes_run("child") && !part.takes_whole("2"));
    }

    #[test]
    fn runs_are_found_by_the_start_of_their_ids() {
        let runs = |ids: &[&str]| {
            choice(&Selection {
                runs: ids.iter().map(|&id| id.to_owned()).collect(),
                ..Selection::default()
            })
        };
        let (choice, matched) = runs(&["oth"]).expect("one begins so");
        assert!(choice.takes_run("other") && !choice.takes_run("child"));
        assert_eq!(matched.runs, ["other"]);
        assert!(runs(&["other", "none"]).is_err());
    }
}
