//! Registered models with versions and aliases: which are made, and what of them the target refuses.

use super::Action;
use super::build::Builder;
use super::version_files::VersionFiles;
use crate::archive::walk::JoinedObjects;
use crate::flow::import::deviations::{Deviation, Outcome};
use crate::flow::import::identity::Identity;
use crate::flow::import::part::PartKind;
use crate::flow::import::plan::version_order::SourceVersions;
use crate::flow::import::version_source::source_version;
use crate::flow::import::{ImportError, Result};
use crate::format::{Kind, Object, Reason};
use crate::lang::exim::tags::VersionContexts;
use crate::lang::rest::api::TargetId;
use crate::lang::rest::keys::takes_alias;
use crate::lang::rest::version::Feature;
use crate::model::registry::DELETED_STAGE;
use crate::model::{ArtifactList, ModelVersion, RegisteredModel};

impl Builder<'_> {
    pub(super) fn registry(&mut self) -> Result<()> {
        let has_prompts = self.target.has(Feature::Prompts);
        let limits = self.fitting.limits;
        for planned in &mut self.plan.models {
            let refused = if !limits.takes_model_name(&planned.target_name) {
                Reason::NameRefused
            } else if planned.is_prompt && !has_prompts {
                Reason::TargetTooOld
            } else {
                continue;
            };
            planned.action = Action::Skip;
            let (kind, outcome) = (Kind::RegisteredModels, Outcome::LeftOut);
            let change = Deviation::new(kind, &planned.name, "*", refused, outcome);
            self.plan.changes.add(change);
        }
        for planned in self.plan.models.clone() {
            let (kind, id) = (Kind::RegisteredModels, TargetId::new(planned.target_name));
            self.count(kind, &planned.name, planned.action, Some(id), None);
        }
        let models = std::mem::take(&mut self.plan.named.models);
        for model in &models {
            if self.is_skipped(&model.name) {
                continue;
            }
            let (_, _, changes) = self.fitting.registered_model(model);
            self.plan.changes.extend(changes);
            self.aliases(model);
        }
        self.plan.named.models = models;
        self.versions()
    }

    fn aliases(&mut self, model: &RegisteredModel) {
        for alias in model.aliases.keys() {
            let fault = match self.target.has(Feature::Aliases) {
                false => Reason::TargetTooOld,
                true if !takes_alias(alias) => Reason::AliasRefused,
                true => continue,
            };
            let field = PartKind::Alias.of(alias);
            let (kind, outcome) = (Kind::RegisteredModels, Outcome::LeftOut);
            self.limit(kind, &model.name, &field, fault, outcome);
        }
    }

    fn is_skipped(&self, model: &str) -> bool {
        let planned = self.plan.models.iter().find(|planned| planned.name == model);
        planned.is_none_or(|planned| planned.action == Action::Skip)
    }

    fn versions(&mut self) -> Result<()> {
        let contexts = match self.options.source_tags {
            true => VersionContexts::collect(self.archive)?,
            false => VersionContexts::default(),
        };
        let mut files = VersionFiles::new(self.archive);
        let mut sources = SourceVersions::default();
        let mut versions = JoinedObjects::<ModelVersion>::new(self.archive, &[Kind::Artifacts])?;
        while let Some(version) = versions.next()? {
            if !self.plan.chosen.has_version(&version) {
                continue;
            }
            let id = Object::id(&version);
            if self.is_skipped(&version.name) {
                self.count(Kind::ModelVersions, &id, Action::Skip, None, None);
                continue;
            }
            let known = self.mapping.id(Kind::ModelVersions, &id);
            let action = Self::action(&known);
            self.identify(Kind::ModelVersions, &id, Identity::of_version(&version), "");
            self.count(Kind::ModelVersions, &id, action, known, None);
            if versions.child::<ArtifactList>()?.is_some() {
                files.add(&version)?;
            }
            self.source_version(&version, &mut sources);
            let context = contexts.of(&version);
            let fitted = self.fitting.model_version(&version, &context);
            let (_, _, changes) = fitted.map_err(ImportError::exim(Kind::ModelVersions, &id))?;
            self.plan.changes.extend(changes);
        }
        self.plan.order = sources.order();
        self.version_files(files)
    }

    /// Remembers what a version was made from, where that is a version too.
    fn source_version(&self, version: &ModelVersion, sources: &mut SourceVersions) {
        if version.current_stage.as_deref() == Some(DELETED_STAGE) {
            sources.delete(&version.name, version.version);
            return;
        }
        let alias = |name: &str, alias: &str| self.plan.named.alias(name, alias);
        let source = version.source.as_deref().unwrap_or_default();
        if let Some((name, number)) = source_version(source, alias)
            && let Ok(number) = number.parse()
        {
            sources.add(&version.name, version.version, (name, number));
        }
    }
}
