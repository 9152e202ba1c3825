//! The model registry: registered models and their versions; prompts are both, as in REST.

use super::TextMap;
use super::field::{Millis, object};
use std::collections::BTreeMap;

/// Tag whose value `true` makes a registered model, and each of its versions, a prompt.
pub(crate) const PROMPT_TAG: &str = "mlflow.prompt.is_prompt";

/// Whether tags mark a prompt.
pub fn is_prompt(tags: &TextMap) -> bool {
    let value = tags.get(PROMPT_TAG).and_then(|text| text.as_str());
    value.is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

object! {
    /// A line of `objects/registered-models-*.jsonl`.
    RegisteredModel {
        /// Unique within a workspace.
        name: String,
        /// Epoch milliseconds.
        creation_timestamp: Option<Millis> by target as creation_time,
        /// Epoch milliseconds.
        last_updated_timestamp: Option<Millis> by target as last_updated_time,
        /// Description.
        description: Option<String>,
        /// Alias to version number.
        #[serde(default)]
        aliases: BTreeMap<String, u64>,
        /// Tags.
        tags: TextMap,
        /// Since MLflow 3.10.
        workspace: Option<String> by target,
    }
}

object! {
    /// A line of `objects/model-versions-*.jsonl`.
    ModelVersion {
        /// Name of the registered model.
        name: String,
        /// The number, from 1; deleted versions leave gaps.
        version: u64,
        /// Epoch milliseconds.
        creation_timestamp: Option<Millis> by target as creation_time,
        /// Epoch milliseconds.
        last_updated_timestamp: Option<Millis> by target as last_updated_time,
        /// User; open-source servers never set it.
        user_id: Option<String> by target,
        /// None, Staging, Production, Archived or Deleted_Internal (the version was deleted).
        current_stage: Option<String>,
        /// Description; a prompt's commit message.
        description: Option<String>,
        /// URI the version was made from.
        source: Option<String>,
        /// URI the files are at, where the store resolved one.
        storage_location: Option<String> by store,
        /// Run that made the model.
        run_id: Option<String>,
        /// Link to the run.
        run_link: Option<String>,
        /// PENDING_REGISTRATION, FAILED_REGISTRATION or READY.
        status: Option<String> by target,
        /// Free text about the status.
        status_message: Option<String> by target,
        /// Logged model the version was made from.
        model_id: Option<String> by target,
        /// Tags.
        tags: TextMap,
        /// Since MLflow 3.10.
        workspace: Option<String> by target,
        /// The exported dict's JSON text, only where source tags need it (docs/format.md, "exim").
        exim: Option<String> by mlark,
    }
}

impl ModelVersion {
    /// Whether it is deleted: stores keep it, and its stage says so.
    pub fn is_deleted(&self) -> bool {
        self.current_stage.as_deref() == Some(DELETED_STAGE)
    }

    /// The logged model that it was made of.
    pub fn logged_model_id(&self) -> Option<&str> {
        let model_id = self.model_id.as_deref().filter(|id| !id.is_empty());
        let of_source = || {
            let id = self.source.as_deref()?.strip_prefix("models:/")?;
            id.starts_with("m-").then_some(id)
        };
        model_id.or_else(of_source)
    }
}

/// Stage by which stores mark a deleted version.
pub const DELETED_STAGE: &str = "Deleted_Internal";
