//! The model registry: models and prompts, versions with their numbers, then aliases.

use super::Apply;
use super::refusal::Whole;
use super::versions::{Numbers, is_bare_tag};
use crate::client::ClientError;
use crate::flow::import::part::PartKind;
use crate::flow::import::plan::limits::Texts;
use crate::flow::import::plan::{Action, PlannedModel};
use crate::flow::import::report::Done;
use crate::flow::import::run_chunks::short_digest;
use crate::flow::import::{ImportError, Result};
use crate::format::{Kind, Object, Reason, line};
use crate::lang::exim::tags::VersionContexts;
use crate::lang::rest::api::TargetId;
use crate::lang::rest::keys::takes_alias;
use crate::lang::rest::mark;
use crate::lang::rest::version::Feature;
use crate::model::{ModelVersion, RegisteredModel};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::Mutex;

const KIND: Kind = Kind::RegisteredModels;
const VERSION: Kind = Kind::ModelVersions;

/// A registered model with its versions.
struct Job {
    model: RegisteredModel,
    planned: PlannedModel,
    versions: Vec<ModelVersion>,
}

/// A model whose versions come in several waves.
struct Underway {
    numbers: Numbers,
    is_whole: bool,
}

impl Apply<'_> {
    /// Makes the registered models of the plan, several at once; the versions of each come one after the other, and those that were
    /// made from versions of other models when these are there.
    pub(super) fn registry(&self) -> Result<()> {
        if self.plan.models.is_empty() {
            return Ok(());
        }
        self.monitor
            .begin("registered models", Some(self.plan.models.len() as u64));
        let contexts = VersionContexts::collect(self.archive)?;
        let underway = Mutex::default();
        (0..=self.plan.order.last()).try_for_each(|wave| self.registry_wave(wave, &contexts, &underway))
    }

    /// Makes the versions of a wave; with the first one the models.
    fn registry_wave(
        &self,
        wave: usize,
        contexts: &VersionContexts,
        underway: &Mutex<HashMap<String, Underway>>,
    ) -> Result<()> {
        let feed = |send: &mut dyn FnMut(Job) -> bool| -> Result<()> {
            let mut versions = self.archive.objects::<ModelVersion>().peekable();
            for model in self.archive.objects::<RegisteredModel>() {
                let model: RegisteredModel = model?;
                let mut own = Vec::new();
                while let Some(version) = versions.next_if(|version| {
                    version.as_ref().is_ok_and(|version| {
                        version.name == model.name && version.workspace == model.workspace
                    })
                }) {
                    own.push(version?);
                }
                let is_chosen =
                    self.plan.chosen.model(&model) && wave <= self.plan.order.last_of(&model.name);
                let mut planned = self.plan.models.iter();
                let planned = planned.find(|planned| is_chosen && planned.name == model.name);
                let Some(planned) = planned.filter(|planned| planned.action != Action::Skip) else {
                    continue;
                };
                let job = Job {
                    planned: planned.clone(),
                    model,
                    versions: own,
                };
                if !send(job) {
                    break;
                }
            }
            versions
                .find_map(Result::err)
                .map_or(Ok(()), |error| Err(error.into()))
        };
        self.in_parallel(feed, |job: Job| {
            let name = &job.model.name;
            self.attempt(KIND, name, || {
                let begun = match wave {
                    0 => self.registered_model(&job)?,
                    _ => super::lock(underway).remove(name),
                };
                let begun = begun.map(|begun| self.versions(&job, wave, begun, contexts));
                if let Some(begun) = begun.transpose()?.flatten() {
                    super::lock(underway).insert(name.clone(), begun);
                }
                Ok(())
            });
            if wave == self.plan.order.last_of(name) {
                self.monitor.advance(1);
            }
        })
    }

    /// Makes or completes a model; none where all of it is there.
    fn registered_model(&self, job: &Job) -> Result<Option<Underway>> {
        let (model, planned) = (&job.model, &job.planned);
        let known = self.ledger.get(KIND, &model.name);
        let is_there = |version| self.ledger.get(VERSION, &Object::id(version)).is_some();
        if self.is_done(KIND, &model.name, self.model_digest(job)) && job.versions.iter().all(is_there) {
            self.reused(KIND, &model.name);
            for _ in &job.versions {
                self.count(Done::Reused, VERSION);
            }
            return Ok(None);
        }
        let is_fresh = if known.is_none() && planned.action == Action::Create {
            self.create_model(model, planned)?
        } else {
            self.complete_model(model, planned)?;
            false
        };
        self.count(if is_fresh { Done::Created } else { Done::Completed }, KIND);
        let numbers = Numbers {
            name: planned.target_name.clone(),
            keeps_numbers: self.is_ours(model, planned, is_fresh)?,
            is_fresh,
            last: self.last_number(job),
        };
        Ok(Some(Underway {
            numbers,
            is_whole: true,
        }))
    }

    /// Makes a model's versions of one wave, and with the last one its aliases; the model where more waves come.
    fn versions(
        &self,
        job: &Job,
        wave: usize,
        mut begun: Underway,
        contexts: &VersionContexts,
    ) -> Result<Option<Underway>> {
        let (model, planned, order) = (&job.model, &job.planned, &self.plan.order);
        let versions = job.versions.iter();
        for version in versions.filter(|version| order.wave(&version.name, version.version) == wave) {
            let made = self.attempt(VERSION, &Object::id(version), || {
                self.version(version, planned, contexts, &mut begun.numbers)
            });
            begun.is_whole &= made.is_some();
            if self.is_stopped() {
                return Ok(None);
            }
        }
        if wave < order.last_of(&model.name) {
            return Ok(Some(begun));
        }
        self.aliases(model, planned)?;
        if begun.is_whole {
            self.done(KIND, &model.name, self.model_digest(job))?;
        }
        Ok(None)
    }

    fn model_digest(&self, job: &Job) -> u64 {
        let model = line::canonical(&line::to_value(&job.model));
        let mut hasher = Sha256::new_with_prefix(&self.salt).chain_update(model);
        for version in &job.versions {
            hasher.update(line::canonical(&line::to_value(version)));
        }
        short_digest(hasher)
    }

    /// Makes a model; whether this process did.
    fn create_model(&self, model: &RegisteredModel, planned: &PlannedModel) -> Result<bool> {
        let (mut tags, description, _) = self.fitting.registered_model(model);
        self.map_ids(&mut tags);
        self.ledger.intend(KIND, &[&model.name])?;
        let mark = self.fitting.mark(KIND, &model.name).1;
        let find = || -> Result<Option<()>, ClientError> {
            let found = self.api.model(&planned.target_name)?;
            let is_ours =
                |found: &crate::lang::rest::api::TargetModel| found.tags.get(mark::KEY) == Some(&mark);
            Ok(found.filter(is_ours).map(drop))
        };
        let name = &planned.target_name;
        let create = || self.api.create_model(name, description.as_deref(), &tags);
        let maybe_there = self.ledger.is_intended(KIND, &model.name);
        let whole = Whole::new(KIND, &model.name);
        let made = self.create_once(whole, maybe_there, find, create);
        let bare: Texts = tags.iter().filter(|(key, _)| is_bare_tag(key)).cloned().collect();
        let bare = || self.api.create_model(&planned.target_name, None, &bare);
        let ((), is_fresh) = self.or_bare(whole, made, bare)?;
        self.ledger
            .made(KIND, &model.name, &TargetId::new(&planned.target_name), is_fresh)?;
        if self.is_bare(KIND, &model.name) {
            for (key, value) in tags.iter().filter(|(key, _)| !is_bare_tag(key)) {
                self.model_tag(model, planned, key, value)?;
            }
            self.describe(model, planned, description)?;
        }
        Ok(is_fresh)
    }

    fn describe(
        &self,
        model: &RegisteredModel,
        planned: &PlannedModel,
        description: Option<String>,
    ) -> Result<()> {
        let Some(description) = description else {
            return Ok(());
        };
        let describe = || self.api.describe_model(&planned.target_name, &description);
        self.alone(Whole::new(KIND, &model.name), "description", describe)
    }

    fn model_tag(
        &self,
        model: &RegisteredModel,
        planned: &PlannedModel,
        key: &str,
        value: &str,
    ) -> Result<()> {
        let set = || self.api.set_model_tag(&planned.target_name, key, value);
        self.alone(Whole::new(KIND, &model.name), &PartKind::Tag.of(key), set)
    }

    /// Adds to a model that is there the tags that it lacks.
    fn complete_model(&self, model: &RegisteredModel, planned: &PlannedModel) -> Result<()> {
        let name = &planned.target_name;
        let found = self
            .api
            .model(name)?
            .ok_or_else(|| ImportError::gone(KIND, &model.name, name))?;
        if self.ledger.get(KIND, &model.name).is_none() {
            self.ledger.made(KIND, &model.name, &TargetId::new(name), false)?;
        }
        let (mut tags, description, _) = self.fitting.registered_model(model);
        self.map_ids(&mut tags);
        let whole = Whole::new(KIND, &model.name);
        for tag in &tags {
            // A model that was there before is not ours to mark.
            if self.lacks(whole, PartKind::Tag, tag, &found.tags) && tag.0 != mark::KEY {
                self.model_tag(model, planned, &tag.0, &tag.1)?;
            }
        }
        if found.description.is_empty() {
            self.describe(model, planned, description)?;
        } else if description.is_some_and(|description| description != found.description) {
            self.kept(KIND, &model.name, "description", Reason::DiffersInTarget);
        }
        Ok(())
    }

    /// Whether a model is ours alone, so that its versions can have their own numbers.
    fn is_ours(&self, model: &RegisteredModel, planned: &PlannedModel, is_fresh: bool) -> Result<bool> {
        if is_fresh {
            return Ok(true);
        }
        let mark = self.fitting.mark(KIND, &model.name).1;
        let found = self.api.model(&planned.target_name)?;
        Ok(found.is_some_and(|found| found.tags.get(mark::KEY) == Some(&mark)))
    }

    fn last_number(&self, job: &Job) -> u64 {
        let numbers = job.versions.iter().filter_map(|version| {
            let number = self.ledger.name(VERSION, &Object::id(version))?;
            number.parse::<u64>().ok()
        });
        numbers.max().unwrap_or(0)
    }

    fn aliases(&self, model: &RegisteredModel, planned: &PlannedModel) -> Result<()> {
        if model.aliases.is_empty() || !self.target.has(Feature::Aliases) {
            return Ok(());
        }
        let (name, whole) = (&planned.target_name, Whole::new(KIND, &model.name));
        let there = self.api.model(name)?;
        let there = there.map(|found| found.aliases).unwrap_or_default();
        for (alias, version) in model.aliases.iter().filter(|(alias, _)| takes_alias(alias)) {
            let Some(number) = self.ledger.name(VERSION, &format!("{}/{version}", model.name)) else {
                let part = PartKind::Alias.of(alias);
                self.left_out(KIND, &model.name, part, Reason::VersionNotInTarget);
                continue;
            };
            let pointed = number.parse().unwrap_or(*version);
            if self.lacks(whole, PartKind::Alias, &(alias.clone(), number), &there) {
                let set = || self.api.set_alias(name, alias, pointed);
                self.alone(whole, &PartKind::Alias.of(alias), set)?;
            }
        }
        Ok(())
    }

    /// Ids in the tags of prompts.
    pub(super) fn map_ids(&self, tags: &mut Texts) {
        for (key, value) in tags {
            let kind = match key.as_str() {
                "_mlflow_experiment_ids" => Kind::Experiments,
                "mlflow.prompt.associatedRunIds" => Kind::Runs,
                _ => continue,
            };
            let ids: Vec<_> = value
                .split(',')
                .map(|id| self.ledger.name(kind, id).unwrap_or_else(|| id.to_owned()))
                .collect();
            *value = ids.join(",");
        }
    }
}
