//! Versions of registered models and prompts, with their numbers.

use super::refusal::Whole;
use super::version_body::Body;
use super::{Apply, pairs};
use crate::client::ClientError;
use crate::flow::import::deviations::Outcome;
use crate::flow::import::identity::Identity;
use crate::flow::import::part::PartKind;
use crate::flow::import::plan::PlannedModel;
use crate::flow::import::plan::limits::Texts;
use crate::flow::import::report::Done;
use crate::flow::import::version_source::{PLACEHOLDER, PROMPT_SOURCE};
use crate::flow::import::{ImportError, Result};
use crate::format::{Kind, Object, Reason};
use crate::lang::exim::tags::VersionContexts;
use crate::lang::rest::api::{TargetId, TargetVersion};
use crate::lang::rest::mark;
use crate::model::ModelVersion;
use crate::model::registry::{DELETED_STAGE, PROMPT_TAG};
use serde_json::{Value, json};

pub(super) const VERSION: Kind = Kind::ModelVersions;
/// What makes a version one of a prompt.
const PROMPT_TAGS: [&str; 2] = [PROMPT_TAG, "mlflow.prompt.text"];
/// Numbers that are filled up to keep one version's own.
const LARGEST_GAP: u64 = 1_000;

/// A model's versions as they come.
pub(super) struct Numbers {
    pub(super) name: String,
    pub(super) keeps_numbers: bool,
    pub(super) is_fresh: bool,
    /// The greatest number known in the target.
    pub(super) last: u64,
}

/// Whether models and versions are made with a tag even where the target refuses others.
pub(super) fn is_bare_tag(key: &str) -> bool {
    key == mark::KEY || PROMPT_TAGS.contains(&key)
}

fn is_refused<T>(made: &Result<T>) -> bool {
    matches!(made, Err(ImportError::Client(error)) if error.is_refusal())
}

impl Apply<'_> {
    pub(super) fn version(
        &self,
        version: &ModelVersion,
        planned: &PlannedModel,
        contexts: &VersionContexts,
        numbers: &mut Numbers,
    ) -> Result<()> {
        let id = Object::id(version);
        if self.ledger.get(VERSION, &id).is_some() {
            return self.complete_version(version, planned, contexts, numbers);
        }
        let is_deleted = version.current_stage.as_deref() == Some(DELETED_STAGE);
        let body = if is_deleted {
            Body::of(self.deleted_body(version, planned, contexts, numbers)?)
        } else {
            match self.version_body(version, planned, contexts)? {
                Some(body) => body,
                None => return Ok(()),
            }
        };
        self.ledger.intend(VERSION, &[&id])?;
        let number = self.created(version, body, planned, numbers)?;
        let identity = Identity::of_version(version);
        self.ledger
            .made_as(VERSION, &id, &TargetId::new(number.to_string()), true, identity)?;
        numbers.last = numbers.last.max(number);
        self.count(Done::Created, VERSION);
        self.name_number(version, number);
        if self.is_bare(VERSION, &id) {
            let found = self.api.version_of(&numbers.name, number)?;
            self.add_texts(version, contexts, numbers, &found.unwrap_or_default())?;
        }
        if is_deleted {
            self.name_cleared(version);
            return Ok(self.api.delete_version(&numbers.name, number)?);
        }
        self.stage(version, number, &numbers.name)
    }

    /// Makes a version; where the target refuses it as it is, with what it must have.
    fn created(
        &self,
        version: &ModelVersion,
        mut body: Body,
        planned: &PlannedModel,
        numbers: &mut Numbers,
    ) -> Result<u64> {
        let id = Object::id(version);
        let whole = Whole::new(VERSION, &id);
        let mut made = self.numbered(version, &body.json, planned, numbers);
        if body.is_other_run && is_refused(&made) {
            body.json.as_object_mut().map(|body| body.remove("run_id"));
            made = self.numbered(version, &body.json, planned, numbers);
            if made.is_ok() {
                self.left_out(VERSION, &id, "run_id", Reason::DiffersFromSourceVersion);
            }
        }
        // Without what can be added later; then without the link to the run too.
        for with_link in [true, false] {
            let bare = body.bare(with_link);
            if !is_refused(&made) || bare == body.json {
                return made;
            }
            // Where even that is refused, the first answer tells more.
            if let Ok(number) = self.numbered(version, &bare, planned, numbers) {
                self.made_bare(whole);
                if !with_link {
                    self.refused_for_good(whole, "run_link");
                }
                return Ok(number);
            }
        }
        made
    }

    /// Makes versions until one has the wanted number, where the model is ours; the others are deleted.
    fn numbered(
        &self,
        version: &ModelVersion,
        body: &Value,
        planned: &PlannedModel,
        numbers: &mut Numbers,
    ) -> Result<u64> {
        let wanted = version.version;
        let gap = wanted.saturating_sub(numbers.last + 1);
        let keeps = numbers.keeps_numbers && gap <= LARGEST_GAP;
        // A fresh model's numbers are known; those of an older one may go further than what is seen.
        while keeps && numbers.is_fresh && numbers.last + 1 < wanted {
            let made = self.api.create_version(&self.placeholder(planned, numbers))?;
            self.api.delete_version(&numbers.name, made)?;
            numbers.last = made.max(numbers.last + 1);
        }
        let mark = self.fitting.mark(VERSION, &Object::id(version)).1;
        let find = || -> Result<Option<u64>, ClientError> {
            let found = self.api.versions(&numbers.name, planned.is_prompt)?;
            let marked = found
                .into_iter()
                .filter(|found| found.tags.get(mark::KEY) == Some(&mark));
            Ok(marked.map(|found| found.version).max())
        };
        let mut maybe_there = !numbers.is_fresh;
        let id = Object::id(version);
        loop {
            let create = || self.api.create_version(body);
            let (made, _) = self.create_once(Whole::new(VERSION, &id), maybe_there, find, create)?;
            if !keeps || made >= wanted {
                return Ok(made);
            }
            self.empty_version(&numbers.name, made, body)?;
            self.api.delete_version(&numbers.name, made)?;
            maybe_there = false;
        }
    }

    /// Takes from a version that only fills a number what it was made with; servers keep the tags of deleted versions, and its mark would lie.
    fn empty_version(&self, name: &str, number: u64, body: &Value) -> Result<()> {
        let tags = body["tags"].as_array().into_iter().flatten();
        let keys = tags.filter_map(|tag| tag["key"].as_str());
        for key in keys.filter(|key| !PROMPT_TAGS.contains(key)) {
            self.api.delete_version_tag(name, number, key)?;
        }
        Ok(())
    }

    /// A version that only holds a number.
    fn placeholder(&self, planned: &PlannedModel, numbers: &Numbers) -> Value {
        let own = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let (source, tags) = match planned.is_prompt {
            true => (
                PROMPT_SOURCE,
                vec![own(PROMPT_TAGS[0], "true"), own(PROMPT_TAGS[1], "deleted")],
            ),
            false => (PLACEHOLDER, Texts::new()),
        };
        json!({"name": numbers.name, "source": source, "tags": pairs(&tags)})
    }

    /// A version that is to be deleted: servers keep no more of it than its number and tags.
    fn deleted_body(
        &self,
        version: &ModelVersion,
        planned: &PlannedModel,
        contexts: &VersionContexts,
        numbers: &Numbers,
    ) -> Result<Value> {
        let (texts, _) = self.version_texts(version, contexts)?;
        let mut body = self.placeholder(planned, numbers);
        if let Some(tags) = body["tags"].as_array_mut() {
            let has = |tag: &Value| texts.iter().any(|(key, _)| tag["key"] == key.as_str());
            tags.retain(|tag| !has(tag));
            tags.extend(pairs(&texts));
        }
        Ok(body)
    }

    /// Names what servers clear when they delete a version, where the archive tells it: file stores keep it.
    fn name_cleared(&self, version: &ModelVersion) {
        let fields = [
            ("description", &version.description),
            ("source", &version.source),
            ("run_id", &version.run_id),
            ("run_link", &version.run_link),
        ];
        for (field, value) in fields {
            let text = value.as_deref().unwrap_or_default();
            // What databases hold in place of it.
            if !text.is_empty() && !text.starts_with("REDACTED-") {
                self.left_out(VERSION, &Object::id(version), field, Reason::ClearedByServer);
            }
        }
    }

    pub(super) fn version_texts(
        &self,
        version: &ModelVersion,
        contexts: &VersionContexts,
    ) -> Result<(Texts, Option<String>)> {
        let fitted = self.fitting.model_version(version, &contexts.of(version));
        let (mut tags, description, _) = fitted.map_err(ImportError::exim(VERSION, &Object::id(version)))?;
        self.map_ids(&mut tags);
        Ok((tags, description))
    }

    /// Adds to a version that is there the tags that it lacks.
    fn complete_version(
        &self,
        version: &ModelVersion,
        planned: &PlannedModel,
        contexts: &VersionContexts,
        numbers: &Numbers,
    ) -> Result<()> {
        let id = Object::id(version);
        let number = self.need(VERSION, &id)?;
        let number = number.as_str().parse::<u64>().unwrap_or(version.version);
        self.count(Done::Reused, VERSION);
        self.name_number(version, number);
        let is_deleted = version.current_stage.as_deref() == Some(DELETED_STAGE);
        if is_deleted {
            self.name_cleared(version);
        }
        let found = self.api.version_of(&numbers.name, number)?;
        let Some(found) = found else {
            if !is_deleted {
                self.kept(VERSION, &id, "current_stage", Reason::DeletedInTarget);
            }
            return Ok(());
        };
        if is_deleted {
            return Ok(self.api.delete_version(&planned.target_name, number)?);
        }
        if !found.run_id.is_empty() && version.run_id.as_ref() == Some(&found.run_id) {
            self.kept(VERSION, &id, "run_id", Reason::RunNotInTarget);
        }
        self.add_texts(version, contexts, numbers, &found)?;
        if matches!(found.stage.as_str(), "" | "None") {
            self.stage(version, number, &numbers.name)?;
        }
        Ok(())
    }

    /// Adds the tags and the description that a version lacks.
    fn add_texts(
        &self,
        version: &ModelVersion,
        contexts: &VersionContexts,
        numbers: &Numbers,
        found: &TargetVersion,
    ) -> Result<()> {
        let id = Object::id(version);
        let whole = Whole::new(VERSION, &id);
        let (tags, description) = self.version_texts(version, contexts)?;
        let (name, number) = (&numbers.name, found.version);
        for tag in tags {
            if self.lacks(whole, PartKind::Tag, &tag, &found.tags) {
                let set = || self.api.set_version_tag(name, number, &tag.0, &tag.1);
                self.alone(whole, &PartKind::Tag.of(&tag.0), set)?;
            }
        }
        if let Some(description) = description.filter(|_| found.description.is_empty()) {
            let describe = || self.api.describe_version(name, number, &description);
            self.alone(whole, "description", describe)?;
        }
        Ok(())
    }

    fn stage(&self, version: &ModelVersion, number: u64, name: &str) -> Result<()> {
        match version.current_stage.as_deref() {
            Some(stage @ ("Staging" | "Production" | "Archived")) => {
                let id = Object::id(version);
                let set = || self.api.set_stage(name, number, stage);
                self.alone(Whole::new(VERSION, &id), "current_stage", set)
            }
            _ => Ok(()),
        }
    }

    /// Names a version that could not have its own number.
    fn name_number(&self, version: &ModelVersion, number: u64) {
        if number != version.version {
            let id = Object::id(version);
            self.limited(VERSION, &id, "version", Reason::VersionNumber, Outcome::Replaced);
        }
    }
}
