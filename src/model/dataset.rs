//! Datasets that runs read.

use super::Extra;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A line of `objects/datasets-*.jsonl`, once per (experiment, name, digest).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Dataset {
    /// The experiment whose runs read it.
    pub experiment_id: String,
    /// Name.
    pub name: String,
    /// Digest as MLflow computed it.
    pub digest: String,
    /// Such as `local`, `code`, `hugging_face`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_type: Option<String>,
    /// JSON text, as stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// JSON text, as stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// JSON text, as stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}
