//! What a source holds, as far as its objects name one another: told by a door that can read everything before it writes.

use super::closure::{Closure, names_of};
use super::{AskedNames, Matched, NoMatch, Selection, Verdict};
use crate::model::{LoggedModel, ModelVersion, Run, Trace};
use std::collections::HashMap;
use std::sync::Arc;

/// What a run cannot do without, beside the logged models that it made.
#[derive(Debug, Default)]
pub(crate) struct RunNeeds {
    pub(crate) parent: Option<String>,
    pub(crate) logged_models: Vec<String>,
}

#[derive(Debug)]
struct ToldRun {
    experiment_id: Arc<str>,
    /// Whether the options take it, but for its id.
    is_admitted: bool,
    is_deleted: bool,
    needs: Option<Box<RunNeeds>>,
}

#[derive(Debug)]
struct ToldModel {
    experiment_id: Arc<str>,
    run_id: Option<String>,
    is_chosen: bool,
    is_deleted: bool,
}

#[derive(Debug)]
struct ToldVersion {
    model: String,
    run_id: Option<String>,
    logged_model: Option<String>,
}

#[derive(Debug)]
struct ToldTrace {
    trace_id: String,
    experiment_id: Arc<str>,
    is_chosen: bool,
    /// Runs and logged models.
    names: Vec<String>,
}

/// Collects what a selection is worked out from.
pub(crate) struct Catalogue {
    asked: AskedNames,
    closure: Closure,
    runs: HashMap<String, ToldRun>,
    logged_models: HashMap<String, ToldModel>,
    versions: Vec<ToldVersion>,
    traces: Vec<ToldTrace>,
}

impl Catalogue {
    pub(crate) fn new(selection: &Selection, include_deleted: bool) -> Self {
        Catalogue {
            asked: selection.asked(),
            closure: Closure::new(selection, include_deleted),
            runs: HashMap::new(),
            logged_models: HashMap::new(),
            versions: Vec::new(),
            traces: Vec::new(),
        }
    }

    /// Tells of an experiment; before all that is in it.
    pub(crate) fn experiment(&mut self, id: &str, name: &str, is_deleted: bool) {
        self.asked.experiments.see(&[id, name]);
        self.closure.experiment(id, name, is_deleted);
    }

    /// Tells of a registered model or a prompt.
    pub(crate) fn model(&mut self, model: &str) {
        self.asked.models.see(&[model]);
    }

    /// Tells of a model version.
    pub(crate) fn version(&mut self, version: &ModelVersion) {
        self.model(&version.name);
        if self.closure.verdict(true, version.is_deleted()) == Verdict::Kept {
            self.versions.push(ToldVersion {
                model: version.name.clone(),
                run_id: version.run_id.clone().filter(|id| !id.is_empty()),
                logged_model: version.logged_model_id().map(str::to_owned),
            });
        }
    }

    /// Tells of a run that is there and cannot be read.
    pub(crate) fn unread_run(&mut self, run_id: &str) {
        self.asked.runs.see(&[run_id]);
    }

    /// Tells of a run, and of what it needs unless that is read only of those that are taken.
    pub(crate) fn run(
        &mut self,
        run_id: &str,
        experiment_id: &str,
        start_time: Option<i64>,
        lifecycle_stage: &str,
        needs: Option<RunNeeds>,
    ) {
        self.asked.runs.see(&[run_id]);
        let told = ToldRun {
            is_admitted: self.closure.admits_run(experiment_id, start_time)
                && self.closure.filter().is_none(),
            is_deleted: self.closure.is_deleted(lifecycle_stage, experiment_id),
            experiment_id: self.closure.experiment_id(experiment_id),
            needs: needs.map(Box::new),
        };
        self.runs.insert(run_id.to_owned(), told);
    }

    /// Whether [`Catalogue::filtered_run`] must be told of a run, since no other option leaves it out.
    pub(crate) fn asks_of_run(&self, experiment_id: &str, start_time: Option<i64>) -> bool {
        self.closure.filter().is_some() && self.closure.admits_run(experiment_id, start_time)
    }

    /// Tells what a run is of which [`Catalogue::run`] was told; metrics that the filter does not compare may be missing.
    pub(crate) fn filtered_run(&mut self, run: &Run) {
        let is_met = self.closure.meets_filter(run);
        if let Some(told) = self.runs.get_mut(&run.info.run_id) {
            told.is_admitted = is_met;
        }
    }

    /// Tells of a logged model.
    pub(crate) fn logged_model(&mut self, model: &LoggedModel) {
        let (experiment_id, run_id) = (&model.experiment_id, model.source_run_id.as_deref());
        let closure = &self.closure;
        let told = ToldModel {
            is_chosen: closure.chooses(experiment_id, run_id, model.creation_timestamp_ms),
            is_deleted: closure.is_deleted(&model.lifecycle_stage, experiment_id),
            experiment_id: closure.experiment_id(experiment_id),
            run_id: run_id.filter(|id| !id.is_empty()).map(str::to_owned),
        };
        self.logged_models.insert(model.model_id.clone(), told);
    }

    /// Tells of a trace, where it is not known later what it names, or experiments are written before.
    pub(crate) fn trace(&mut self, trace: &Trace) {
        let names = names_of(trace).into_iter().flatten().map(str::to_owned);
        self.traces.push(ToldTrace {
            trace_id: trace.trace_id.clone(),
            experiment_id: self.closure.experiment_id(&trace.experiment_id),
            is_chosen: self.closure.chooses_trace(trace),
            names: names.chain(trace.linked_runs.iter().cloned()).collect(),
        });
    }

    /// What follows from the selection, and what was found for what was asked. `read_needs` is given runs that are taken and whose
    /// needs were not told, and their experiments.
    ///
    /// # Errors
    /// A name or id that nothing has, or the start of several ids.
    pub(crate) fn close(
        self,
        read_needs: &dyn Fn(&str, &str) -> RunNeeds,
    ) -> Result<(Closure, Matched), NoMatch> {
        let mut matched = self.asked.finish()?;
        let mut closure = self.closure;
        matched.silent.extend(closure.silent_filter());
        closure.asked_runs(&matched.runs);
        if closure.takes_all() {
            return Ok((closure, matched));
        }
        let mut models_of_runs: HashMap<&str, Vec<&str>> = HashMap::new();
        for (model_id, model) in &self.logged_models {
            if let Some(run_id) = &model.run_id {
                models_of_runs.entry(run_id).or_default().push(model_id);
            }
        }
        let mut closing = Closing {
            closure,
            runs: &self.runs,
            logged_models: &self.logged_models,
            models_of_runs,
            read_needs,
        };
        closing.take_chosen();
        closing.take_versions(&self.versions);
        let mut closure = closing.closure;
        for trace in self.traces {
            let is_taken = trace.is_chosen || trace.names.iter().any(|id| closure.brings_traces(id));
            closure.with_experiment(&trace.experiment_id, is_taken);
            if is_taken {
                closure.hold_trace(trace.trace_id);
            }
        }
        Ok((closure, matched))
    }
}

/// Takes what is chosen, and what that needs.
struct Closing<'c> {
    closure: Closure,
    runs: &'c HashMap<String, ToldRun>,
    logged_models: &'c HashMap<String, ToldModel>,
    models_of_runs: HashMap<&'c str, Vec<&'c str>>,
    read_needs: &'c dyn Fn(&str, &str) -> RunNeeds,
}

impl Closing<'_> {
    fn take_chosen(&mut self) {
        for (run_id, run) in self.runs {
            if run.is_admitted && self.closure.names_run(run_id) {
                self.take_run(run_id, run);
            }
        }
        for (model_id, model) in self.logged_models {
            if model.is_chosen {
                self.take_logged_model(model_id);
            }
        }
        self.settle();
    }

    fn take_versions(&mut self, versions: &[ToldVersion]) {
        let is_taken = |version: &&ToldVersion| {
            let run_id = version.run_id.as_deref();
            self.closure.takes_version(&version.model, run_id)
        };
        let taken: Vec<_> = versions.iter().filter(is_taken).collect();
        for version in taken {
            self.closure
                .need_run(version.run_id.as_deref().unwrap_or_default());
            self.take_logged_model(version.logged_model.as_deref().unwrap_or_default());
        }
        self.settle();
    }

    /// Takes what is needed until nothing is; a run that is not there stays awaited.
    fn settle(&mut self) {
        loop {
            let needed = self.closure.new_runs();
            if needed.is_empty() {
                return;
            }
            for run_id in needed {
                if let Some(run) = self.runs.get(&run_id) {
                    self.take_run(&run_id, run);
                }
            }
        }
    }

    fn take_run(&mut self, run_id: &str, run: &ToldRun) {
        let is_new = !self.closure.has_run(run_id);
        let verdict = (self.closure).known_run(run_id, &run.experiment_id, true, run.is_deleted);
        if !is_new || verdict != Verdict::Kept {
            return;
        }
        let read;
        let needs = match &run.needs {
            Some(needs) => needs.as_ref(),
            None => {
                read = (self.read_needs)(run_id, &run.experiment_id);
                &read
            }
        };
        self.closure.need_run(needs.parent.as_deref().unwrap_or_default());
        for model_id in &needs.logged_models {
            self.take_logged_model(model_id);
        }
        for model_id in self.models_of_runs.get(run_id).cloned().unwrap_or_default() {
            self.take_logged_model(model_id);
        }
    }

    /// Takes a logged model, and needs the run that made it; one that is not there is not needed.
    fn take_logged_model(&mut self, model_id: &str) {
        let Some(model) = self.logged_models.get(model_id) else {
            return;
        };
        let closure = &mut self.closure;
        let verdict = closure.known_logged_model(model_id, &model.experiment_id, true, model.is_deleted);
        if verdict == Verdict::Kept {
            closure.need_run(model.run_id.as_deref().unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::select::{Patterns, TimeRange};

    fn close(selection: &Selection) -> Result<(Closure, Matched), NoMatch> {
        let mut catalogue = Catalogue::new(selection, false);
        for (id, name) in [("1", "train"), ("2", "test")] {
            catalogue.experiment(id, name, false);
        }
        catalogue.version(&ModelVersion {
            name: "m".to_owned(),
            run_id: Some("child".to_owned()),
            ..ModelVersion::default()
        });
        for (run_id, experiment_id, start) in [("parent", "1", 10), ("child", "2", 20), ("other", "2", 30)] {
            catalogue.run(run_id, experiment_id, Some(start), "active", None);
        }
        catalogue.close(&|run_id, _| RunNeeds {
            parent: (run_id == "child").then(|| "parent".to_owned()),
            ..RunNeeds::default()
        })
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
        let (closure, _) = close(&by_model).expect("it is there");
        assert!(closure.takes_run("child") && closure.takes_run("parent") && !closure.takes_run("other"));
        assert!(closure.takes_experiment("1") && closure.takes_experiment("2"));
        assert!(closure.takes_version("m", None) && !closure.takes_version("n", Some("child")));
    }

    #[test]
    fn an_experiment_is_taken_whole_unless_runs_are_chosen_too() {
        let by_name = Selection {
            experiments: names(&["te*"]),
            ..Selection::default()
        };
        let (whole, _) = close(&by_name).expect("it is there");
        assert!(whole.takes_whole("2") && whole.takes_run("other") && whole.takes_run("parent"));
        let since = TimeRange {
            since: Some(30),
            until: None,
        };
        let (part, _) = close(&Selection {
            time: since,
            ..by_name
        })
        .expect("it is there");
        assert!(part.takes_run("other") && !part.takes_run("child") && !part.takes_whole("2"));
    }

    #[test]
    fn runs_are_found_by_the_start_of_their_ids() {
        let runs = |ids: &[&str]| {
            close(&Selection {
                runs: ids.iter().map(|&id| id.to_owned()).collect(),
                ..Selection::default()
            })
        };
        let (closure, matched) = runs(&["oth"]).expect("one begins so");
        assert!(closure.takes_run("other") && !closure.takes_run("child"));
        assert_eq!(matched.runs, ["other"]);
        assert!(runs(&["other", "none"]).is_err());
    }
}
