//! What the options choose, worked out before anything is written: a choice brings what it needs.
//!
//! A model version brings its run; a run its experiment, its parents, its logged models and its traces. Without a choice
//! nothing is held here.

use crate::model::{Experiment, Run};
use crate::source::Selection;
use std::collections::{HashMap, HashSet};

/// What to export.
#[derive(Debug, Default)]
pub(in crate::source) struct Choice {
    takes_all: bool,
    /// Experiments taken with all that is in them.
    whole: HashSet<String>,
    experiments: HashSet<String>,
    runs: HashSet<String>,
    logged_models: HashSet<String>,
}

impl Choice {
    pub(in crate::source) fn takes_all(&self) -> bool {
        self.takes_all
    }

    pub(in crate::source) fn takes_experiment(&self, experiment_id: &str) -> bool {
        self.takes_all || self.experiments.contains(experiment_id)
    }

    pub(in crate::source) fn takes_run(&self, run_id: &str) -> bool {
        self.takes_all || self.runs.contains(run_id)
    }

    /// Whether something is taken that belongs to an experiment and, perhaps, to a run.
    pub(in crate::source) fn takes_of_run(&self, experiment_id: &str, run_id: Option<&str>) -> bool {
        let with_run = run_id.is_some_and(|run_id| self.runs.contains(run_id));
        self.takes_all || with_run || self.whole.contains(experiment_id)
    }

    pub(in crate::source) fn takes_logged_model(
        &self,
        model_id: &str,
        experiment_id: &str,
        run_id: Option<&str>,
    ) -> bool {
        self.takes_of_run(experiment_id, run_id) || self.logged_models.contains(model_id)
    }

    /// Whether something is taken that belongs to several experiments.
    pub(in crate::source) fn takes_of_experiments(&self, experiment_ids: &[String]) -> bool {
        self.takes_all || experiment_ids.iter().any(|id| self.whole.contains(id))
    }
}

/// What a run is and needs, for the choice.
#[derive(Debug)]
struct RunNeeds {
    experiment_id: String,
    parent: Option<String>,
    logged_models: Vec<String>,
}

/// Collects what an export holds.
pub(in crate::source) struct Chooser<'a> {
    selection: &'a Selection,
    names: HashMap<String, String>,
    runs: HashMap<String, RunNeeds>,
    chosen: Vec<String>,
    /// Runs that chosen model versions need.
    versions_runs: HashSet<String>,
    matched: HashSet<String>,
}

impl<'a> Chooser<'a> {
    pub(in crate::source) fn new(selection: &'a Selection) -> Self {
        Chooser {
            selection,
            names: HashMap::new(),
            runs: HashMap::new(),
            chosen: Vec::new(),
            versions_runs: HashSet::new(),
            matched: HashSet::new(),
        }
    }

    /// Tells of an experiment; before its runs.
    pub(in crate::source) fn experiment(&mut self, experiment: &Experiment) {
        for text in [&experiment.experiment_id, &experiment.name] {
            self.note_matches("experiment", self.selection.experiments.matching(text));
        }
        self.names
            .insert(experiment.experiment_id.clone(), experiment.name.clone());
    }

    /// Tells of a model version; before all runs.
    pub(in crate::source) fn version(&mut self, model: &str, run_id: Option<&str>) {
        self.note_matches("model", self.selection.models.matching(model));
        if self.selection.models.matches(model) {
            self.versions_runs.extend(run_id.map(str::to_owned));
        }
    }

    /// Tells of a prompt.
    pub(in crate::source) fn model(&mut self, model: &str) {
        self.note_matches("model", self.selection.models.matching(model));
    }

    /// Tells of a run.
    pub(in crate::source) fn run(&mut self, run: &Run) {
        let run_id = &run.info.run_id;
        if self.selection.runs.contains(run_id) {
            self.matched.insert(format!("run {run_id}"));
        }
        if self.takes_directly(run) || self.versions_runs.contains(run_id) {
            self.chosen.push(run_id.clone());
        }
        let outputs = run.outputs.model_outputs.iter().map(|output| &output.model_id);
        let inputs = run.inputs.model_inputs.iter().map(|input| &input.model_id);
        let needs = RunNeeds {
            experiment_id: run.info.experiment_id.clone(),
            parent: run.parent_id().map(str::to_owned),
            logged_models: outputs.chain(inputs).cloned().collect(),
        };
        self.runs.insert(run_id.clone(), needs);
    }

    fn takes_directly(&self, run: &Run) -> bool {
        let selection = self.selection;
        let info = &run.info;
        selection.chooses_runs()
            && (selection.experiments.is_empty() || self.matches_experiment(&info.experiment_id))
            && (selection.runs.is_empty() || selection.runs.contains(&info.run_id))
            && selection.time.contains(info.start_time)
    }

    fn matches_experiment(&self, experiment_id: &str) -> bool {
        let name = self.names.get(experiment_id);
        let patterns = &self.selection.experiments;
        patterns.matches(experiment_id) || name.is_some_and(|name| patterns.matches(name))
    }

    fn note_matches(&mut self, option: &str, patterns: Vec<&str>) {
        let notes = patterns.into_iter().map(|pattern| format!("{option} {pattern}"));
        self.matched.extend(notes);
    }

    /// The first option and value that match nothing.
    pub(in crate::source) fn unmatched(&self) -> Option<(&'static str, &'a str)> {
        let selection = self.selection;
        let experiments = selection
            .experiments
            .texts()
            .iter()
            .map(|text| ("experiment", text.as_str()));
        let runs = selection.runs.iter().map(|text| ("run", text.as_str()));
        let models = selection
            .models
            .texts()
            .iter()
            .map(|text| ("model", text.as_str()));
        let mut all = experiments.chain(runs).chain(models);
        all.find(|(option, text)| !self.matched.contains(&format!("{option} {text}")))
    }

    /// The choice, with all that it needs.
    pub(in crate::source) fn finish(self) -> Choice {
        let selection = self.selection;
        let mut choice = Choice {
            takes_all: selection.takes_all_objects(),
            ..Choice::default()
        };
        let by_experiment = !selection.experiments.is_empty()
            && selection.runs.is_empty()
            && selection.time == crate::source::TimeRange::default();
        if by_experiment {
            let ids = self.names.keys().filter(|id| self.matches_experiment(id));
            choice.whole = ids.cloned().collect();
            choice.experiments = choice.whole.clone();
        }
        let mut pending = self.chosen;
        while let Some(run_id) = pending.pop() {
            let Some(needs) = self.runs.get(&run_id) else {
                continue;
            };
            if choice.runs.insert(run_id) {
                choice.experiments.insert(needs.experiment_id.clone());
                choice.logged_models.extend(needs.logged_models.iter().cloned());
                pending.extend(needs.parent.clone());
            }
        }
        choice
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::run::PARENT_TAG;
    use crate::source::{Patterns, TimeRange};

    fn run(run_id: &str, experiment_id: &str, start: i64, parent: Option<&str>) -> Run {
        let mut run = Run::default();
        run.info.run_id = run_id.to_owned();
        run.info.experiment_id = experiment_id.to_owned();
        run.info.start_time = Some(start);
        run.tags
            .extend(parent.map(|parent| (PARENT_TAG.to_owned(), parent.into())));
        run
    }

    fn choice(selection: &Selection) -> (Choice, Option<(String, String)>) {
        let mut chooser = Chooser::new(selection);
        for (id, name) in [("1", "train"), ("2", "test")] {
            chooser.experiment(&Experiment {
                experiment_id: id.to_owned(),
                name: name.to_owned(),
                ..Experiment::default()
            });
        }
        chooser.version("m", Some("child"));
        chooser.run(&run("parent", "1", 10, None));
        chooser.run(&run("child", "2", 20, Some("parent")));
        chooser.run(&run("other", "2", 30, None));
        let unmatched = chooser
            .unmatched()
            .map(|(option, text)| (option.to_owned(), text.to_owned()));
        (chooser.finish(), unmatched)
    }

    fn names(texts: &[&str]) -> Patterns {
        Patterns::names(texts.iter().map(|&text| text.to_owned()).collect()).expect("globs")
    }

    #[test]
    fn a_version_brings_its_run_and_a_run_its_parents_and_experiments() {
        let (choice, unmatched) = choice(&Selection {
            models: names(&["m"]),
            ..Selection::default()
        });
        assert_eq!(unmatched, None);
        assert!(choice.takes_run("child") && choice.takes_run("parent") && !choice.takes_run("other"));
        assert!(choice.takes_experiment("1") && choice.takes_experiment("2"));
        assert!(!choice.takes_of_run("2", Some("other")) && choice.takes_of_run("2", Some("child")));
    }

    #[test]
    fn an_experiment_is_taken_whole_unless_runs_are_chosen_too() {
        let by_name = Selection {
            experiments: names(&["te*"]),
            ..Selection::default()
        };
        let (whole, _) = choice(&by_name);
        assert!(whole.takes_of_run("2", None) && whole.takes_run("other") && whole.takes_run("parent"));
        let since = TimeRange {
            since: Some(30),
            until: None,
        };
        let (part, _) = choice(&Selection {
            time: since,
            ..by_name
        });
        assert!(part.takes_run("other") && !part.takes_run("child") && !part.takes_of_run("2", None));
    }

    #[test]
    fn what_matches_nothing_is_told() {
        let selection = Selection {
            runs: vec!["other".to_owned(), "none".to_owned()],
            ..Selection::default()
        };
        assert_eq!(choice(&selection).1, Some(("run".to_owned(), "none".to_owned())));
    }
}
