//! Which objects of a file store a selection takes, with what they need; the rule is that of [`crate::select::closure`].

use super::catalogue::{Catalogue, CataloguedVersion};
use super::notes::Notes;
use crate::select::Selection;
use crate::select::{Matched, NoMatch};
use std::collections::HashSet;

/// The objects that are exported.
#[derive(Debug)]
pub(super) enum Chosen {
    /// All.
    All,
    /// These.
    Some(Box<ChosenSet>),
}

/// Ids of the objects that are exported.
#[derive(Debug, Default)]
pub(super) struct ChosenSet {
    experiments: HashSet<String>,
    whole: HashSet<String>,
    runs: HashSet<String>,
    /// Runs that would be taken, were they not deleted.
    deleted_runs: HashSet<String>,
    logged_models: HashSet<String>,
    /// Logged models that would be taken, were they not deleted.
    deleted_models: HashSet<String>,
    traces: HashSet<String>,
    models: HashSet<String>,
    versions: HashSet<(String, u64)>,
    asked_runs: HashSet<String>,
}

impl Chosen {
    fn takes(&self, holds: impl Fn(&ChosenSet) -> bool) -> bool {
        match self {
            Chosen::All => true,
            Chosen::Some(set) => holds(set),
        }
    }

    /// Whether an experiment is exported.
    pub(super) fn takes_experiment(&self, id: &str) -> bool {
        self.takes(|set| set.experiments.contains(id))
    }

    /// Whether an experiment is exported with all that is in it.
    pub(super) fn takes_whole(&self, id: &str) -> bool {
        self.takes(|set| set.whole.contains(id))
    }

    /// Whether a run is exported, or left out for no other reason than that it is deleted.
    pub(super) fn takes_run(&self, id: &str) -> bool {
        self.takes(|set| set.runs.contains(id) || set.deleted_runs.contains(id))
    }

    /// Whether a trace is exported.
    pub(super) fn takes_trace(&self, id: &str) -> bool {
        self.takes(|set| set.traces.contains(id))
    }

    /// Whether a logged model is exported.
    pub(super) fn takes_logged_model(&self, id: &str) -> bool {
        self.takes(|set| set.logged_models.contains(id) || set.deleted_models.contains(id))
    }

    /// Whether a registered model is exported.
    pub(super) fn takes_registered_model(&self, name: &str) -> bool {
        self.takes(|set| set.models.contains(name))
    }

    /// Whether a model version is exported.
    pub(super) fn takes_version(&self, name: &str, version: u64) -> bool {
        self.takes(|set| set.versions.contains(&(name.to_owned(), version)))
    }

    /// The notes of an experiment that matter: what cannot be read and was not asked for is no failure.
    pub(super) fn relevant(&self, notes: Notes, experiment_id: &str) -> Notes {
        match self {
            Chosen::All => notes,
            Chosen::Some(set) if set.whole.contains(experiment_id) => notes,
            Chosen::Some(set) => notes.of_objects(|id| set.asked_runs.contains(id)),
        }
    }
}

/// Works out what a selection takes; the ids of its runs are whole.
pub(super) fn choose(selection: &Selection, catalogue: &Catalogue) -> Chosen {
    let mut chooser = Chooser {
        selection,
        catalogue,
        set: ChosenSet::default(),
    };
    chooser.set.asked_runs.extend(selection.runs.iter().cloned());
    if selection.chooses_runs() {
        chooser.choose_experiments();
    }
    chooser.choose_versions();
    chooser.add_traces();
    Chosen::Some(Box::new(chooser.set))
}

/// Finds what was asked for by name.
///
/// # Errors
/// A name or id that nothing has, or the start of several ids.
pub(super) fn find(selection: &Selection, catalogue: &Catalogue) -> Result<Matched, NoMatch> {
    let mut asked = selection.asked();
    for experiment in &catalogue.experiments {
        asked.experiments.see(&[&experiment.id, &experiment.name]);
    }
    for run_id in catalogue.run_ids() {
        asked.runs.see(&[run_id]);
    }
    for model in &catalogue.models {
        asked.models.see(&[model]);
    }
    asked.finish()
}

struct Chooser<'a> {
    selection: &'a Selection,
    catalogue: &'a Catalogue,
    set: ChosenSet,
}

impl<'a> Chooser<'a> {
    /// The chosen runs, and the chosen experiments with what belongs to no run.
    fn choose_experiments(&mut self) {
        let (selection, catalogue) = (self.selection, self.catalogue);
        let any_time = selection.time == Default::default();
        for experiment in &catalogue.experiments {
            let patterns = &selection.experiments;
            let is_named = !patterns.is_empty()
                && (patterns.matches(&experiment.id) || patterns.matches(&experiment.name));
            if !patterns.is_empty() && !is_named {
                continue;
            }
            if is_named && selection.runs.is_empty() {
                self.set.experiments.insert(experiment.id.clone());
                if any_time {
                    self.set.whole.insert(experiment.id.clone());
                }
            }
        }
        let runs = catalogue.runs.iter().filter(|(id, run)| {
            (selection.runs.is_empty() || selection.runs.contains(id))
                && self.is_matching(run.experiment)
                && selection.time.contains(run.start_time)
        });
        let runs: Vec<&String> = runs.map(|(id, _)| id).collect();
        for id in &runs {
            self.set.asked_runs.insert((*id).clone());
        }
        for id in runs {
            self.add_run(id);
        }
        self.choose_without_run();
    }

    /// Whether an experiment is among those whose runs are chosen.
    fn is_matching(&self, experiment: usize) -> bool {
        let found = &self.catalogue.experiments[experiment];
        let patterns = &self.selection.experiments;
        patterns.is_empty() || patterns.matches(&found.id) || patterns.matches(&found.name)
    }

    /// Logged models and traces of chosen experiments that no run made, by their own time.
    fn choose_without_run(&mut self) {
        let (selection, catalogue) = (self.selection, self.catalogue);
        for (id, model) in &catalogue.logged_models {
            let is_chosen = self.is_matching(model.experiment)
                && (self.takes_whole(model.experiment)
                    || selection.chooses_alone(model.run_id.as_deref(), model.time));
            if is_chosen {
                self.add_logged_model(id);
            }
        }
        for (id, trace) in &catalogue.traces {
            let is_chosen = self.is_matching(trace.experiment)
                && (self.takes_whole(trace.experiment)
                    || selection.chooses_alone(trace.run_id.as_deref(), trace.time));
            if is_chosen {
                self.set.traces.insert(id.clone());
                if !trace.is_left_out {
                    self.add_experiment(trace.experiment);
                }
            }
        }
    }

    fn takes_whole(&self, experiment: usize) -> bool {
        self.set
            .whole
            .contains(&self.catalogue.experiments[experiment].id)
    }

    fn choose_versions(&mut self) {
        let (selection, catalogue) = (self.selection, self.catalogue);
        for version in self.chosen_versions().filter(|version| !version.is_left_out) {
            if let Some(run_id) = &version.run_id {
                self.add_run(run_id);
            }
            if let Some(model_id) = &version.model_id {
                self.add_logged_model(model_id);
            }
        }
        // What a version brings may be the run of another.
        for version in self.chosen_versions() {
            self.set.versions.insert((version.name.clone(), version.version));
            if !version.is_left_out {
                self.set.models.insert(version.name.clone());
            }
        }
        let models = catalogue.models.iter();
        let chosen = models.filter(|name| !selection.models.is_empty() && selection.models.matches(name));
        self.set.models.extend(chosen.cloned());
    }

    fn chosen_versions(&self) -> std::vec::IntoIter<&'a CataloguedVersion> {
        let is_chosen = |version: &&CataloguedVersion| match self.selection.models.is_empty() {
            true => version
                .run_id
                .as_ref()
                .is_some_and(|id| self.set.runs.contains(id)),
            false => self.selection.models.matches(&version.name),
        };
        let chosen: Vec<_> = self.catalogue.versions.iter().filter(is_chosen).collect();
        chosen.into_iter()
    }

    fn add_experiment(&mut self, experiment: usize) {
        let id = &self.catalogue.experiments[experiment].id;
        self.set.experiments.insert(id.clone());
    }

    /// Takes a run, and all that it needs; one that is not there is not needed.
    fn add_run(&mut self, id: &str) {
        let mut runs = vec![id.to_owned()];
        while let Some(id) = runs.pop() {
            let Some(run) = self.catalogue.runs.get(&id) else {
                // If it is there and cannot be read, that is a failure.
                self.set.asked_runs.insert(id);
                continue;
            };
            if run.is_left_out {
                self.set.deleted_runs.insert(id);
                continue;
            }
            if !self.set.runs.insert(id.clone()) {
                continue;
            }
            self.add_experiment(run.experiment);
            let needs = self.catalogue.needs_of_run(&id, run);
            runs.extend(needs.parent);
            for model_id in needs.logged_models {
                runs.extend(self.insert_logged_model(&model_id));
            }
        }
    }

    fn add_logged_model(&mut self, id: &str) {
        if let Some(run_id) = self.insert_logged_model(id) {
            self.add_run(&run_id);
        }
    }

    /// Takes a logged model; returns the run that made it.
    fn insert_logged_model(&mut self, id: &str) -> Option<String> {
        let model = self.catalogue.logged_models.get(id)?;
        if model.is_left_out {
            self.set.deleted_models.insert(id.to_owned());
            return None;
        }
        if !self.set.logged_models.insert(id.to_owned()) {
            return None;
        }
        self.add_experiment(model.experiment);
        model.run_id.clone()
    }

    /// The traces that name a chosen run or logged model.
    fn add_traces(&mut self) {
        let catalogue = self.catalogue;
        for (id, trace) in &catalogue.traces {
            let by_run = trace.run_id.as_ref().is_some_and(|id| self.set.runs.contains(id));
            let by_model = trace
                .model_id
                .as_ref()
                .is_some_and(|id| self.set.logged_models.contains(id));
            if by_run || by_model {
                self.set.traces.insert(id.clone());
                if !trace.is_left_out {
                    self.add_experiment(trace.experiment);
                }
            }
        }
    }
}
