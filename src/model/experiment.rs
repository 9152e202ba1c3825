//! Experiments.

use super::{Extra, TextMap};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A line of `objects/experiments-*.jsonl`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Experiment {
    /// Id on the source server or in the file store; text, though most are decimal numbers.
    pub experiment_id: String,
    /// Unique within a workspace.
    pub name: String,
    /// Root URI under which runs keep their artifacts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_location: Option<String>,
    /// `active` or `deleted`.
    pub lifecycle_stage: String,
    /// Epoch milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creation_time: Option<i64>,
    /// Epoch milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_update_time: Option<i64>,
    /// Since MLflow 3.10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// Tags, those that start with `mlflow.` included.
    #[serde(default)]
    pub tags: TextMap,
    /// The exported dict's JSON text, only where source tags need it (docs/format.md, "exim").
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exim: Option<String>,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}
