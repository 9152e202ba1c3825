//! Logged models (MLflow 3).

use super::{Extra, TextMap};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A line of `objects/logged-models-*.jsonl`; metrics are in `objects/model-metrics-*.jsonl`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LoggedModel {
    /// `m-` and 32 hex digits.
    pub model_id: String,
    /// The experiment it belongs to.
    pub experiment_id: String,
    /// Name, not unique.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where its artifacts were (`artifact_location` in the stores).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_uri: Option<String>,
    /// Epoch milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creation_timestamp_ms: Option<i64>,
    /// Epoch milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_updated_timestamp_ms: Option<i64>,
    /// `LOGGED_MODEL_PENDING`, `LOGGED_MODEL_READY`, `LOGGED_MODEL_UPLOAD_FAILED` or
    /// `LOGGED_MODEL_STATUS_UNSPECIFIED`.
    pub status: String,
    /// Free text about the status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_message: Option<String>,
    /// `active` or `deleted`.
    pub lifecycle_stage: String,
    /// Such as `agent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_type: Option<String>,
    /// Run that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_run_id: Option<String>,
    /// Parameters.
    #[serde(default)]
    pub params: TextMap,
    /// Tags.
    #[serde(default)]
    pub tags: TextMap,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}
