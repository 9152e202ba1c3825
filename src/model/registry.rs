//! The model registry: registered models and their versions; prompts are both, as in REST.

use super::{Extra, TextMap};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Tag whose value `true` makes a registered model, and each of its versions, a prompt.
pub const PROMPT_TAG: &str = "mlflow.prompt.is_prompt";

/// Whether tags mark a prompt.
pub fn is_prompt(tags: &TextMap) -> bool {
    let value = tags.get(PROMPT_TAG).and_then(|text| text.as_str());
    value.is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// A line of `objects/registered-models-*.jsonl`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RegisteredModel {
    /// Unique within a workspace.
    pub name: String,
    /// Epoch milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<i64>,
    /// Epoch milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_updated_timestamp: Option<i64>,
    /// Description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Alias to version number.
    #[serde(default)]
    pub aliases: BTreeMap<String, u64>,
    /// Tags.
    #[serde(default)]
    pub tags: TextMap,
    /// Since MLflow 3.10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A line of `objects/model-versions-*.jsonl`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModelVersion {
    /// Name of the registered model.
    pub name: String,
    /// The number, from 1; deleted versions leave gaps.
    pub version: u64,
    /// Epoch milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<i64>,
    /// Epoch milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_updated_timestamp: Option<i64>,
    /// User; open-source servers never set it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// None, Staging, Production, Archived or Deleted_Internal (the version was deleted).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_stage: Option<String>,
    /// Description; a prompt's commit message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// URI the version was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// URI the files are at, where the store resolved one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_location: Option<String>,
    /// Run that made the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// Link to the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_link: Option<String>,
    /// PENDING_REGISTRATION, FAILED_REGISTRATION or READY.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Free text about the status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_message: Option<String>,
    /// Logged model the version was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_id: Option<String>,
    /// Tags.
    #[serde(default)]
    pub tags: TextMap,
    /// Since MLflow 3.10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// The exported dict's JSON text, only where source tags need it (docs/format.md, "exim").
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exim: Option<String>,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
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
