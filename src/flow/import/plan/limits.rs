//! What is sent of an object: its tags and texts fitted to the target's limits, with source tags and mlark's mark.
//!
//! The plan and the apply both ask here, so that what is announced is what is sent.

use crate::flow::import::deviations::{Deviation, Outcome};
use crate::flow::import::identity::{self, Identity};
use crate::flow::import::options::{ImportOptions, LongValues};
use crate::flow::import::origins::TargetOrigins;
use crate::flow::import::part::PartKind;
use crate::format::{Kind, Reason};
use crate::lang::exim::tags::canonical::{VersionContext, experiment_source, run_source, version_source};
use crate::lang::exim::tags::rules::Overlay;
use crate::lang::rest::keys::DATABRICKS_REFUSES;
use crate::lang::rest::limits::{Limits, exceeds};
use crate::lang::rest::mark;
use crate::model::pyjson::PyJsonError;
use crate::model::{Experiment, LoggedModel, ModelVersion, RegisteredModel, Run, Text, TextMap};

/// Tag that names a run's parent; the one id in a value that is rewritten, as the original does.
pub(crate) use crate::model::run::PARENT_TAG;
/// Tag that is a run's name.
pub(crate) const RUN_NAME_TAG: &str = "mlflow.runName";
/// Tag that is a run's user.
pub(crate) const USER_TAG: &str = "mlflow.user";

/// Keys and texts, as they are sent.
pub(crate) type Texts = Vec<(String, String)>;

/// Fits objects to one target.
#[derive(Debug, Clone)]
pub(crate) struct Fitting {
    /// What the target holds.
    pub limits: Limits,
    /// Whether the target is a Databricks workspace.
    pub is_databricks: bool,
    /// Origins of the archive.
    pub origins: TargetOrigins,
    /// What to do with values that are too long.
    pub long_values: LongValues,
    /// Adds source tags.
    pub source_tags: bool,
    /// User of every run.
    pub user: Option<String>,
}

/// A run, fitted.
#[derive(Debug, Default)]
pub(crate) struct FittedRun {
    /// Tags, the mark included; the parent's id still the archive's.
    pub tags: Texts,
    /// Params.
    pub params: Texts,
    /// User.
    pub user_id: Option<String>,
    /// Name; the same as its tag, where both are there.
    pub run_name: Option<String>,
    /// What does not arrive as it is.
    pub changes: Vec<Deviation>,
}

impl Fitting {
    /// Fits to a target as asked.
    pub(crate) fn new(
        limits: Limits,
        is_databricks: bool,
        origins: &TargetOrigins,
        options: &ImportOptions,
    ) -> Self {
        Fitting {
            limits,
            is_databricks,
            origins: origins.clone(),
            long_values: options.long_values,
            source_tags: options.source_tags,
            user: options.user.clone(),
        }
    }

    /// The mark of an object.
    pub(crate) fn mark(&self, kind: Kind, id: &str) -> (String, String) {
        (mark::KEY.to_owned(), self.origins.mark(kind, id))
    }

    /// Tags of an experiment, the mark included.
    ///
    /// # Errors
    /// Its `exim` text is not JSON.
    pub(crate) fn experiment(&self, experiment: &Experiment) -> Result<(Texts, Vec<Deviation>), PyJsonError> {
        let mut fit = self.begin(Kind::Experiments, &experiment.experiment_id);
        let overlay = self.overlay(|| experiment_source(experiment))?;
        let tags = fit.with_source(&experiment.tags, overlay);
        let tags = fit.tags(tags, self.limits.experiment_tag);
        let mut tags = fit.marked(tags);
        tags.retain(|(key, _)| key != identity::KEY);
        let identity = Identity::of_experiment(experiment);
        if !identity.is_unknown() {
            tags.push((identity::KEY.to_owned(), identity.to_string()));
        }
        Ok((tags, fit.changes))
    }

    /// All of a run that is text.
    ///
    /// # Errors
    /// Its `exim` text is not JSON.
    pub(crate) fn run(&self, run: &Run) -> Result<FittedRun, PyJsonError> {
        let info = &run.info;
        let mut fit = self.begin(Kind::Runs, &info.run_id);
        let overlay = self.overlay(|| run_source(run))?;
        let mut tags = fit.with_source(&run.tags, overlay);
        if let Some(user) = &self.user {
            put(&mut tags, USER_TAG, (user.clone(), false));
        }
        let mut tags = fit.tags(tags, self.limits.run_tag);
        let tag_name = tags.iter().find(|(key, _)| key == RUN_NAME_TAG);
        let run_name = match (tag_name, info.run_name.as_deref().filter(|name| !name.is_empty())) {
            (Some((_, tag)), Some(name)) if tag != name => {
                let part = PartKind::Tag.of(RUN_NAME_TAG);
                fit.change(part, Reason::DiffersFromRunName, Outcome::Replaced);
                put(&mut tags, RUN_NAME_TAG, name.to_owned());
                Some(name.to_owned())
            }
            (Some((_, tag)), None) => Some(tag.clone()),
            (_, name) => name.map(str::to_owned),
        };
        if run_name.as_deref().unwrap_or_default().is_empty() {
            // The server makes one up.
            fit.change("run_name".to_owned(), Reason::NoName, Outcome::Replaced);
        }
        let params = fit.texts(PartKind::Param, own(&run.params), self.limits.param);
        Ok(FittedRun {
            tags: fit.marked(tags),
            params,
            user_id: self.user.clone().or_else(|| info.user_id.clone()),
            run_name,
            changes: fit.changes,
        })
    }

    /// Tags and params of a logged model, the mark included.
    pub(crate) fn logged_model(&self, model: &LoggedModel) -> (Texts, Texts, Vec<Deviation>) {
        let mut fit = self.begin(Kind::LoggedModels, &model.model_id);
        let tags = fit.tags(own(&model.tags), usize::MAX);
        let params = fit.texts(PartKind::Param, own(&model.params), usize::MAX);
        (fit.marked(tags), params, fit.changes)
    }

    /// Tags and description of a registered model, the mark included.
    pub(crate) fn registered_model(
        &self,
        model: &RegisteredModel,
    ) -> (Texts, Option<String>, Vec<Deviation>) {
        let mut fit = self.begin(Kind::RegisteredModels, &model.name);
        let tags = fit.tags(own(&model.tags), self.limits.model_tag);
        let description = fit.description(model.description.as_deref(), self.limits.description);
        (fit.marked(tags), description, fit.changes)
    }

    /// Tags and description of a model version, the mark included.
    ///
    /// # Errors
    /// Its `exim` text is not JSON.
    pub(crate) fn model_version(
        &self,
        version: &ModelVersion,
        context: &VersionContext,
    ) -> Result<(Texts, Option<String>, Vec<Deviation>), PyJsonError> {
        let id = format!("{}/{}", version.name, version.version);
        let mut fit = self.begin(Kind::ModelVersions, &id);
        let is_prompt = crate::model::registry::is_prompt(&version.tags);
        let overlay = if is_prompt {
            None
        } else {
            self.overlay(|| version_source(version, context))?
        };
        let tags = fit.with_source(&version.tags, overlay);
        let tags = fit.tags(tags, self.limits.version_tag);
        let description = fit.description(version.description.as_deref(), self.limits.description);
        Ok((fit.marked(tags), description, fit.changes))
    }

    /// Tags of another kind of object, without a mark.
    pub(crate) fn other(
        &self,
        kind: Kind,
        id: &str,
        part: PartKind,
        texts: &TextMap,
        limit: usize,
    ) -> (Texts, Vec<Deviation>) {
        let mut fit = self.begin(kind, id);
        let texts = fit.texts(part, own(texts), limit);
        (texts, fit.changes)
    }

    fn overlay(
        &self,
        source: impl FnOnce() -> Result<Overlay, PyJsonError>,
    ) -> Result<Option<Overlay>, PyJsonError> {
        if self.source_tags {
            source().map(Some)
        } else {
            Ok(None)
        }
    }

    fn begin<'a>(&'a self, kind: Kind, id: &'a str) -> Fit<'a> {
        Fit {
            fitting: self,
            kind,
            id,
            changes: Vec::new(),
        }
    }
}

/// An own text and whether it had to be changed to be one.
type Own = (String, (String, bool));

fn own(texts: &TextMap) -> Vec<Own> {
    let own = |text: &Text| (text.to_display().into_owned(), text.as_str().is_none());
    texts.iter().map(|(key, text)| (key.clone(), own(text))).collect()
}

/// Sets a text, in its place where it has one.
fn put<V>(texts: &mut Vec<(String, V)>, key: &str, value: V) {
    match texts.iter_mut().find(|(found, _)| found == key) {
        Some(entry) => entry.1 = value,
        None => texts.push((key.to_owned(), value)),
    }
}

/// One object being fitted.
struct Fit<'a> {
    fitting: &'a Fitting,
    kind: Kind,
    id: &'a str,
    changes: Vec<Deviation>,
}

impl Fit<'_> {
    fn with_source(&self, texts: &TextMap, overlay: Option<Overlay>) -> Vec<Own> {
        let mut texts = own(texts);
        let source = overlay.iter().flat_map(Overlay::tags);
        source.for_each(|(key, value)| put(&mut texts, key, (value.to_display().into_owned(), false)));
        texts
    }

    fn tags(&mut self, texts: Vec<Own>, limit: usize) -> Texts {
        let (refused, texts): (Vec<_>, Vec<_>) = texts
            .into_iter()
            .partition(|(key, ..)| self.fitting.is_databricks && DATABRICKS_REFUSES.contains(&key.as_str()));
        for (key, ..) in refused {
            let part = PartKind::Tag.of(&key);
            self.change(part, Reason::RefusedByDatabricks, Outcome::LeftOut);
        }
        self.texts(PartKind::Tag, texts, limit)
    }

    fn texts(&mut self, kind: PartKind, texts: Vec<Own>, limit: usize) -> Texts {
        let mut fitted = Vec::with_capacity(texts.len() + 1);
        for (key, (value, was_bytes)) in texts {
            let place = || kind.of(&key);
            if let Some(fault) = self.fitting.limits.key_fault(&key) {
                self.change(place(), fault, Outcome::LeftOut);
                continue;
            }
            if was_bytes {
                self.change(place(), Reason::ReplacedCharacters, Outcome::Replaced);
            }
            let place = place();
            if let Some(value) = self.shortened(place, value, limit) {
                fitted.push((key, value));
            }
        }
        fitted
    }

    fn description(&mut self, text: Option<&str>, limit: usize) -> Option<String> {
        let text = text.filter(|text| !text.is_empty())?;
        self.shortened("description".to_owned(), text.to_owned(), limit)
    }

    fn shortened(&mut self, place: String, value: String, limit: usize) -> Option<String> {
        if !exceeds(&value, limit) {
            return Some(value);
        }
        let (value, outcome) = match self.fitting.long_values {
            LongValues::Truncate => (Some(value.chars().take(limit).collect()), Outcome::Truncated),
            LongValues::Skip | LongValues::Error => (None, Outcome::LeftOut),
        };
        self.change(place, Reason::ValueTooLong, outcome);
        value
    }

    fn marked(&self, mut tags: Texts) -> Texts {
        let (key, value) = self.fitting.mark(self.kind, self.id);
        put(&mut tags, &key, value);
        tags
    }

    fn change(&mut self, field: String, reason: Reason, outcome: Outcome) {
        let change = Deviation::new(self.kind, self.id, field, reason, outcome);
        self.changes.push(change);
    }
}

#[cfg(test)]
mod tests;
