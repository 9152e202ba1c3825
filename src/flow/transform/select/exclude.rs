//! All but what is excluded. What belongs to an excluded object goes with it: an experiment's runs, logged models, traces, datasets and
//! scorers; the logged models that a run made and its traces; a model's versions. What only names it stays, as MLflow lets it: children
//! of a run, versions that a run made.

use super::KINDS;
use super::facts::{DatasetName, RunFacts};
use super::{Exclude, patterns};
use crate::archive::walk::text;
use crate::flow::transform::error::Result;
use crate::flow::transform::step::{EditedLine, Fate, Step};
use crate::flow::transform::typed::typed;
use crate::flow::transform::view::View;
use crate::format::Kind;
use crate::model::{LoggedModel, Trace};
use crate::select::{AskedNames, NAMING_METADATA, Patterns};
use serde::Deserialize as _;
use serde_json::Value;
use std::collections::HashSet;

const EDIT: &str = "exclude";

/// What goes, by id.
struct Excluded {
    experiments: HashSet<String>,
    runs: HashSet<String>,
    logged_models: HashSet<String>,
    traces: HashSet<String>,
    models: Patterns,
    /// Datasets that excluded runs read and no other does.
    datasets: HashSet<(String, DatasetName)>,
    silent: Vec<String>,
}

/// Works out what goes.
pub(in super::super) fn exclude(exclude: &Exclude, view: &View<'_>) -> Result<Box<dyn Step>> {
    let experiments = patterns(EDIT, &exclude.experiments)?;
    let models = patterns(EDIT, &exclude.models)?;
    let mut asked = AskedNames::new(&experiments, &exclude.runs, &models);
    let mut excluded = Excluded {
        experiments: HashSet::new(),
        runs: HashSet::new(),
        logged_models: HashSet::new(),
        traces: HashSet::new(),
        models,
        datasets: HashSet::new(),
        silent: Vec::new(),
    };
    view.for_each_head(Kind::Experiments, |head| {
        let (id, name) = (text(&head.experiment_id), text(&head.name));
        asked.experiments.see(&[id, name]);
        if experiments.matches(id) || experiments.matches(name) {
            excluded.experiments.insert(id.to_owned());
        }
        Ok(())
    })?;
    view.for_each_head(Kind::Runs, |head| {
        asked.runs.see(&[text(&head.run_id)]);
        Ok(())
    })?;
    for kind in [Kind::RegisteredModels, Kind::ModelVersions] {
        view.for_each_head(kind, |head| {
            asked.models.see(&[text(&head.name)]);
            Ok(())
        })?;
    }
    let matched = asked.finish()?;
    excluded.silent = matched.silent;
    excluded.read_runs(view, &matched.runs)?;
    view.for_each(Kind::LoggedModels, |line| {
        let model: LoggedModel = typed(view.archive(), &line)?;
        let run = model.source_run_id.unwrap_or_default();
        if excluded.experiments.contains(&model.experiment_id) || excluded.runs.contains(&run) {
            excluded.logged_models.insert(model.model_id);
        }
        Ok(())
    })?;
    view.for_each(Kind::Traces, |line| {
        let trace: Trace = typed(view.archive(), &line)?;
        let mut named = NAMING_METADATA
            .iter()
            .filter_map(|key| trace.trace_metadata.get(*key)?.as_str());
        let is_named = named.any(|id| excluded.runs.contains(id) || excluded.logged_models.contains(id));
        if is_named || excluded.experiments.contains(&trace.experiment_id) {
            excluded.traces.insert(trace.trace_id);
        }
        Ok(())
    })?;
    Ok(Box::new(excluded))
}

impl Excluded {
    fn read_runs(&mut self, view: &View<'_>, named: &[String]) -> Result<()> {
        let named: HashSet<&str> = named.iter().map(String::as_str).collect();
        let mut read_by_others = HashSet::new();
        view.for_each_text(Kind::Runs, |line| {
            let run: RunFacts = view.read(Kind::Runs, serde_json::from_slice(line))?;
            let (id, experiment) = (run.info.run_id, run.info.experiment_id);
            let is_excluded = named.contains(id.as_str()) || self.experiments.contains(&experiment);
            let datasets = run
                .inputs
                .dataset_inputs
                .into_iter()
                .map(|name| (experiment.clone(), name));
            if is_excluded {
                self.datasets.extend(datasets);
                self.runs.insert(id);
            } else {
                read_by_others.extend(datasets);
            }
            Ok(())
        })?;
        self.datasets.retain(|dataset| !read_by_others.contains(dataset));
        Ok(())
    }

    fn has_dataset(&self, line: &EditedLine) -> bool {
        let experiment = line.text("experiment_id");
        let is_read = |name| self.datasets.contains(&(experiment.to_owned(), name));
        self.experiments.contains(experiment) || DatasetName::deserialize(line.value()).is_ok_and(is_read)
    }

    /// Whether an evaluation dataset is linked to nothing but excluded experiments.
    fn has_evaluation_dataset(&self, line: &EditedLine) -> bool {
        let ids = line.value()["experiment_ids"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        let is_excluded = |id: &Value| id.as_str().is_some_and(|id| self.experiments.contains(id));
        !ids.is_empty() && ids.iter().all(is_excluded)
    }
}

impl Step for Excluded {
    fn kinds(&self) -> &[Kind] {
        &KINDS
    }

    fn chooses(&self) -> bool {
        true
    }

    fn apply(&self, line: &mut EditedLine) -> Result<Fate> {
        let is_excluded = match line.kind() {
            Kind::Experiments | Kind::Scorers => self.experiments.contains(line.text("experiment_id")),
            Kind::Runs => {
                let id = line.value()["info"]["run_id"].as_str();
                id.is_some_and(|id| self.runs.contains(id))
            }
            Kind::Datasets => self.has_dataset(line),
            Kind::LoggedModels => self.logged_models.contains(line.text("model_id")),
            Kind::RegisteredModels | Kind::ModelVersions => self.models.matches(line.text("name")),
            Kind::Traces => self.traces.contains(line.text("trace_id")),
            Kind::EvaluationDatasets => self.has_evaluation_dataset(line),
            _ => false,
        };
        Ok(if is_excluded { Fate::Dropped } else { Fate::Kept })
    }

    fn finish(&self) -> Result<Vec<String>> {
        Ok(self.silent.clone())
    }
}
