//! Objects with names, which a plan decides about one by one: experiments, registered models.

use super::build::Builder;
use super::chosen::Chosen;
use crate::archive::Archive;
use crate::flow::import::deviations::Outcome;
use crate::flow::import::experiments::is_made_up;
use crate::flow::import::id_map::IdMap;
use crate::flow::import::identity::Identity;
use crate::flow::import::options::{ImportOptions, OnConflict};
use crate::flow::import::plan::name_conflicts::{Decisions, experiment_name, model_name};
use crate::flow::import::target::NamesInTarget;
use crate::flow::import::{ImportError, Result};
use crate::format::{Kind, Reason};
use crate::model::{Experiment, RegisteredModel};
use std::collections::HashSet;

/// Objects with names, which a plan decides about one by one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Named {
    /// Experiments that are chosen.
    pub experiments: Vec<Experiment>,
    /// Registered models that are chosen.
    pub models: Vec<RegisteredModel>,
}

impl Named {
    /// Those that are chosen of an archive's experiments, and of its models, which are read.
    ///
    /// # Errors
    /// The archive cannot be read.
    pub fn read(archive: &Archive, experiments: &[Experiment], chosen: &Chosen) -> Result<Self> {
        let is_chosen = |experiment: &&Experiment| chosen.experiment(&experiment.experiment_id);
        let mut named = Named {
            experiments: experiments.iter().filter(is_chosen).cloned().collect(),
            models: Vec::new(),
        };
        for model in archive.objects::<RegisteredModel>() {
            let model = model?;
            if chosen.model(&model) {
                named.models.push(model);
            }
        }
        Ok(named)
    }

    /// The version of a model that an alias points at.
    pub fn alias(&self, model: &str, alias: &str) -> Option<u64> {
        let found = self.models.iter().find(|found| found.name == model);
        found?.aliases.get(alias).copied()
    }

    /// What the target is to be asked for.
    pub fn wanted(&self, mapping: &IdMap, options: &ImportOptions) -> NamesInTarget {
        let known = |experiment: &Experiment| mapping.id(Kind::Experiments, &experiment.experiment_id);
        let known_model = |model: &RegisteredModel| mapping.name(Kind::RegisteredModels, &model.name);
        let (experiments, models) = (self.experiments.iter(), self.models.iter());
        let unknown = experiments
            .clone()
            .filter(|experiment| known(experiment).is_none());
        NamesInTarget {
            experiments: unknown
                .map(|experiment| experiment_name(experiment, options))
                .collect(),
            experiment_ids: experiments.filter_map(known).collect(),
            models: models
                .map(|model| known_model(model).unwrap_or_else(|| model_name(model, options)))
                .collect(),
            rename: options.on_conflict == OnConflict::Rename,
        }
    }
}

impl Builder<'_> {
    pub(super) fn names(&mut self, named: &Named) -> Result<()> {
        if self.options.experiment_name.is_some() && named.experiments.len() > 1 {
            return Err(ImportError::choice(format!(
                "one new name was given for {} experiments",
                named.experiments.len()
            )));
        }
        let mut decisions = Decisions {
            target: self.target,
            mapping: self.mapping,
            options: self.options,
            origins: &self.plan.origins.clone(),
            taken: HashSet::new(),
        };

        // Those that are deleted yield their names to those that are not.
        let mut experiments: Vec<_> = named.experiments.iter().collect();
        experiments.sort_by_key(|experiment| experiment.is_deleted());
        for experiment in experiments {
            self.plan.experiments.push(decisions.experiment(experiment)?);
        }
        for model in &named.models {
            self.plan.models.push(decisions.model(model)?);
        }
        for planned in self.plan.experiments.clone() {
            let (kind, name) = (Kind::Experiments, Some(planned.name));
            self.count(kind, &planned.id, planned.action, planned.target_id, name);
        }
        for experiment in &named.experiments {
            self.experiment_identity(experiment);
            self.fit_experiment(experiment)?;
        }
        Ok(())
    }

    /// What of an experiment will not be in the target as it is in the archive.
    fn fit_experiment(&mut self, experiment: &Experiment) -> Result<()> {
        let planned = self.plan.experiment(&experiment.experiment_id);
        let is_planned = planned.is_some();
        let (target_name, delete) = planned.map_or_else(Default::default, |planned| {
            (planned.target_name.clone(), planned.delete)
        });
        let (kind, id) = (Kind::Experiments, &experiment.experiment_id);
        if experiment.is_deleted() && !delete {
            let reason = Reason::NotOursToDelete;
            self.limit(kind, id, "lifecycle_stage", reason, Outcome::Kept);
        }
        if is_made_up(experiment) {
            let reason = Reason::ExperimentNotInArchive;
            self.limit(kind, id, "*", reason, Outcome::Replaced);
        }
        if is_planned && !self.fitting.limits.takes_experiment_name(&target_name) {
            return Err(ImportError::choice(format!(
                "experiment {} has a name that the target refuses, because it is blank or too long; give it another with --rename-experiment",
                experiment.experiment_id
            )));
        }
        let fitted = self.fitting.experiment(experiment);
        let (_, changes) = fitted.map_err(ImportError::exim(kind, id))?;
        self.plan.changes.extend(changes);
        Ok(())
    }

    /// Remembers an experiment that is not the one which came under its id.
    fn experiment_identity(&mut self, experiment: &Experiment) {
        let (kind, id) = (Kind::Experiments, &experiment.experiment_id);
        let known = self.mapping.id(kind, id);
        let found = known.and_then(|target_id| self.target.experiments.get(&target_id));
        let there = found.map_or(String::new(), |found| {
            format!(", which is `{}` there", found.name)
        });
        let names = format!(" `{}`{there}", experiment.name);
        self.identify(kind, id, Identity::of_experiment(experiment), &names);
    }
}
