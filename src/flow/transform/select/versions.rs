//! Which versions of models are chosen, and which aliases still lead to one.

use super::Select;
use crate::flow::transform::error::{Result, TransformError};
use crate::flow::transform::typed::typed;
use crate::flow::transform::view::View;
use crate::format::Kind;
use crate::model::{ModelVersion, RegisteredModel};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// A registered model: workspace and name.
pub(super) type ModelKey = (Option<String>, String);

/// Versions that a choice narrows to, by what registered models say.
pub(super) struct VersionChoice<'s> {
    select: &'s Select,
    /// The versions that have the alias.
    of_alias: BTreeSet<(ModelKey, u64)>,
    found: bool,
}

impl<'s> VersionChoice<'s> {
    pub(super) fn read(select: &'s Select, view: &View<'_>) -> Result<Self> {
        let mut of_alias = BTreeSet::new();
        if let Some(alias) = &select.alias {
            view.for_each_placed(Kind::RegisteredModels, |_, line| {
                let model: RegisteredModel = typed(view.archive(), &line)?;
                if let Some(version) = model.aliases.get(alias) {
                    of_alias.insert(((model.workspace, model.name), *version));
                }
                Ok(())
            })?;
        }
        Ok(VersionChoice {
            select,
            of_alias,
            found: false,
        })
    }

    /// Whether a version is one of those.
    pub(super) fn takes(&mut self, version: &ModelVersion) -> bool {
        let stage = version.current_stage.as_deref();
        let key = || ((version.workspace.clone(), version.name.clone()), version.version);
        let takes = self.select.version.is_none_or(|number| number == version.version)
            && self
                .select
                .stage
                .as_deref()
                .is_none_or(|asked| stage == Some(asked))
            && (self.select.alias.is_none() || self.of_alias.contains(&key()));
        self.found |= takes;
        takes
    }

    /// What matched nothing, as it is told.
    ///
    /// # Errors
    /// A version or an alias that no chosen model has.
    pub(super) fn silent(&self) -> Result<Vec<String>> {
        let asked = match self.select {
            _ if self.found || !self.select.narrows_versions() => return Ok(Vec::new()),
            Select {
                version: Some(number),
                ..
            } => format!("no chosen model has the version {number}"),
            Select {
                alias: Some(alias), ..
            } => format!("no chosen model has the alias `{alias}`"),
            Select { stage, .. } => {
                return Ok(vec![format!(
                    "--stage `{}`",
                    stage.as_deref().unwrap_or_default()
                )]);
            }
        };
        Err(TransformError::because("select", asked))
    }
}

/// The versions that stay, by model.
#[derive(Default)]
pub(super) struct KeptVersions {
    by_model: BTreeMap<ModelKey, HashSet<u64>>,
    dropped: BTreeMap<ModelKey, HashSet<u64>>,
}

impl KeptVersions {
    /// Notes that a version stays, or goes.
    pub(super) fn judge(&mut self, version: ModelVersion, is_kept: bool) {
        let models = match is_kept {
            true => &mut self.by_model,
            false => &mut self.dropped,
        };
        let versions = models.entry((version.workspace, version.name)).or_default();
        versions.insert(version.version);
    }

    /// Whether a version is there and goes.
    pub(super) fn has_dropped(&self, key: &ModelKey, version: u64) -> bool {
        let dropped = self.dropped.get(key);
        dropped.is_some_and(|versions| versions.contains(&version))
    }

    /// Whether a version stays.
    pub(super) fn has(&self, key: &ModelKey, version: u64) -> bool {
        let kept = self.by_model.get(key);
        kept.is_some_and(|versions| versions.contains(&version))
    }

    /// Whether some version of a model stays.
    pub(super) fn has_model(&self, key: &ModelKey) -> bool {
        self.by_model.contains_key(key)
    }
}
