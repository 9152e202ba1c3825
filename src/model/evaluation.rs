//! Evaluation datasets with their records, scorers, and workspaces.

use super::{Extra, TextMap};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A line of `objects/evaluation-datasets-*.jsonl`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EvaluationDataset {
    /// `d-` and 32 hex digits.
    pub dataset_id: String,
    /// Name, not unique.
    pub name: String,
    /// Experiments it is linked to, ordered as experiments are.
    #[serde(default)]
    pub experiment_ids: Vec<String>,
    /// Digest as MLflow computed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// JSON text, as stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// JSON text, as stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Epoch milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_time: Option<i64>,
    /// Epoch milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_update_time: Option<i64>,
    /// User.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// User.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_updated_by: Option<String>,
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

/// A line of `objects/dataset-records-*.jsonl`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DatasetRecord {
    /// `dr-` and 32 hex digits.
    pub dataset_record_id: String,
    /// The evaluation dataset.
    pub dataset_id: String,
    /// Free JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Value>,
    /// Free JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Value>,
    /// Free JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expectations: Option<Value>,
    /// Free JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Value>,
    /// Free JSON: `{source_type, source_data}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Value>,
    /// Epoch milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_time: Option<i64>,
    /// Epoch milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_update_time: Option<i64>,
    /// User.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// User.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_updated_by: Option<String>,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A line of `objects/scorers-*.jsonl`: one version of a scorer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Scorer {
    /// The experiment it belongs to.
    pub experiment_id: String,
    /// Name, unique within the experiment.
    pub name: String,
    /// The number, from 1.
    pub version: u64,
    /// Id, shared by all versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scorer_id: Option<String>,
    /// JSON text, as stored; may hold code, which mlark never runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serialized_scorer: Option<String>,
    /// Epoch milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creation_time: Option<i64>,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A line of `objects/workspaces-*.jsonl` (MLflow 3.10).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Workspace {
    /// Name.
    pub name: String,
    /// Description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Default artifact root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_artifact_root: Option<String>,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}
