//! What happens to the objects that have names: experiments and registered models.

use super::{Action, PlannedExperiment, PlannedModel};
use crate::flow::import::id_map::IdMap;
use crate::flow::import::options::{ImportOptions, OnConflict};
use crate::flow::import::origins::TargetOrigins;
use crate::flow::import::target::{DEFAULT_EXPERIMENT, TargetState, numbered};
use crate::flow::import::{ImportError, Result};
use crate::format::Kind;
use crate::lang::rest::api::TargetId;
use crate::lang::rest::mark;
use crate::model::registry::is_prompt;
use crate::model::{Experiment, RegisteredModel};
use std::collections::HashSet;

/// Name of the default experiment.
const DEFAULT_NAME: &str = "Default";

/// Decides by what is known, one object after the other.
pub(super) struct Decisions<'a> {
    pub target: &'a TargetState,
    pub mapping: &'a IdMap,
    pub options: &'a ImportOptions,
    pub origins: &'a TargetOrigins,
    pub taken: HashSet<(Kind, String)>,
}

/// The name that an experiment is to have in the target.
pub(super) fn experiment_name(experiment: &Experiment, options: &ImportOptions) -> String {
    options
        .rename_experiments
        .get(&experiment.name)
        .or(options.experiment_name.as_ref())
        .unwrap_or(&experiment.name)
        .clone()
}

/// The name that a registered model is to have in the target.
pub(super) fn model_name(model: &RegisteredModel, options: &ImportOptions) -> String {
    options
        .rename_models
        .get(&model.name)
        .unwrap_or(&model.name)
        .clone()
}

/// Whether an experiment is the default one and goes into the target's.
fn is_default(experiment: &Experiment, target_name: &str) -> bool {
    experiment.experiment_id == DEFAULT_EXPERIMENT
        && experiment.name == DEFAULT_NAME
        && target_name == experiment.name
}

impl Decisions<'_> {
    /// Decides about an experiment.
    pub(super) fn experiment(&mut self, experiment: &Experiment) -> Result<PlannedExperiment> {
        let id = &experiment.experiment_id;
        let name = experiment_name(experiment, self.options);
        let known = self.mapping.id(Kind::Experiments, id);
        if let Some(target_id) = &known
            && !self.target.experiments.contains_key(target_id)
        {
            return Err(ImportError::gone(Kind::Experiments, id, target_id));
        }
        let found = known.or_else(|| self.target.marked.get(id).cloned());
        let (action, target_id, target_name) = match found.and_then(|id| self.target.experiments.get(&id)) {
            Some(found) => (Action::Reuse, Some(found.id.clone()), found.name.clone()),
            None if is_default(experiment, &name)
                && self
                    .target
                    .experiments
                    .contains_key(&TargetId::new(DEFAULT_EXPERIMENT)) =>
            {
                let found = &self.target.experiments[&TargetId::new(DEFAULT_EXPERIMENT)];
                (Action::Merge, Some(found.id.clone()), found.name.clone())
            }
            None => self.by_name(name),
        };
        self.taken.insert((Kind::Experiments, target_name.clone()));
        let is_ours = match &target_id {
            None => true,
            Some(target_id) => self.is_marked(target_id, id),
        };
        Ok(PlannedExperiment {
            id: id.clone(),
            name: experiment.name.clone(),
            target_name,
            action,
            target_id,
            delete: experiment.is_deleted() && is_ours,
        })
    }

    fn is_marked(&self, target_id: &TargetId, id: &str) -> bool {
        let found = self.target.experiments.get(target_id);
        let mark = found.and_then(|found| found.tags.get(mark::KEY));
        mark.and_then(|mark| self.origins.id_of(mark, Kind::Experiments))
            .as_deref()
            == Some(id)
    }

    fn by_name(&self, name: String) -> (Action, Option<TargetId>, String) {
        let taken_by = |name: &str| self.target.experiment_of_name(name);
        let is_twin = |name: &str| self.taken.contains(&(Kind::Experiments, name.to_owned()));
        let Some(found) = taken_by(&name) else {
            return match (is_twin(&name), self.options.on_conflict) {
                (false, _) => (Action::Create, None, name),
                (true, OnConflict::Rename) => (Action::Create, None, self.free(Kind::Experiments, &name)),
                (true, _) => (Action::Conflict, None, name),
            };
        };
        match self.options.on_conflict {
            OnConflict::Rename => (Action::Create, None, self.free(Kind::Experiments, &name)),
            // Nothing can be added to a deleted experiment, and restoring it was not asked.
            OnConflict::Merge if !found.is_deleted => (Action::Merge, Some(found.id.clone()), name),
            _ => (Action::Conflict, Some(found.id.clone()), name),
        }
    }

    fn free(&self, kind: Kind, name: &str) -> String {
        let is_free = |name: &String| {
            let in_target = match kind {
                Kind::Experiments => self.target.experiment_of_name(name).is_some(),
                _ => self.target.models.contains_key(name),
            };
            !in_target && !self.taken.contains(&(kind, name.clone()))
        };
        let mut names = (2..).map(|number| numbered(name, number));
        names.find(is_free).expect("the numbers do not end")
    }

    /// Decides about a registered model or prompt.
    pub(super) fn model(&mut self, model: &RegisteredModel) -> Result<PlannedModel> {
        let name = model_name(model, self.options);
        let kind = Kind::RegisteredModels;
        let known = self.mapping.name(kind, &model.name);
        if let Some(target_id) = &known
            && !self.target.models.contains_key(target_id)
        {
            return Err(ImportError::gone(kind, &model.name, target_id));
        }
        let is_ours = |name: &String| {
            let found = self.target.models.get(name);
            let mark = found.and_then(|found| found.tags.get(mark::KEY));
            mark.and_then(|mark| self.origins.id_of(mark, kind)).as_ref() == Some(&model.name)
        };
        // An earlier import may have had to take another name.
        let mut numbers = (1..).map(|number| numbered(&name, number));
        let marked = numbers
            .by_ref()
            .take_while(|name| self.target.models.contains_key(name))
            .find(is_ours);
        let (action, target_name) = match known.or(marked) {
            Some(found) => (Action::Reuse, found),
            None => self.model_by_name(name),
        };
        self.taken.insert((kind, target_name.clone()));
        Ok(PlannedModel {
            name: model.name.clone(),
            target_name,
            action,
            is_prompt: is_prompt(&model.tags),
        })
    }

    fn model_by_name(&self, name: String) -> (Action, String) {
        let kind = Kind::RegisteredModels;
        let is_there = self.target.models.contains_key(&name);
        let is_twin = self.taken.contains(&(kind, name.clone()));
        match (is_there || is_twin, self.options.on_conflict) {
            (false, _) => (Action::Create, name),
            (true, OnConflict::Rename) => (Action::Create, self.free(kind, &name)),
            (true, OnConflict::Merge) if is_there => (Action::Merge, name),
            (true, _) => (Action::Conflict, name),
        }
    }
}
