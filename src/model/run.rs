//! Runs: what `runs/get` says of one, metric history apart.

use super::field::{Millis, object};
use super::{LatestMetric, TextMap};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The tag that names a run's parent.
pub(crate) const PARENT_TAG: &str = "mlflow.parentRunId";

object! {
    /// A line of `objects/runs-*.jsonl`.
    Run {
        /// Ids, times, status.
        info: RunInfo,
        /// Parameters.
        params: TextMap,
        /// Tags, those that start with `mlflow.` included.
        tags: TextMap,
        /// Latest point of each metric: the greatest (step, timestamp, value), NaN counted as 0.
        #[serde(default)]
        metrics: BTreeMap<String, LatestMetric>,
        /// Datasets and models the run read.
        #[serde(default, skip_serializing_if = "RunInputs::is_empty")]
        inputs: RunInputs,
        /// Models the run made.
        #[serde(default, skip_serializing_if = "RunOutputs::is_empty")]
        outputs: RunOutputs,
        /// JSON text `{"info": …}` of the export, with `"tags"` where their order matters; only where source tags need it
        /// (docs/format.md, "exim").
        exim: Option<String> by mlark,
    }
}

impl Run {
    /// The id of its parent, as its tag says it.
    pub fn parent_id(&self) -> Option<&str> {
        self.tags.get(PARENT_TAG)?.as_str()
    }
}

object! {
    /// The `info` of a [`Run`].
    RunInfo {
        /// Usually 32 hex digits.
        run_id: String as run_uuid,
        /// The experiment the run belongs to.
        experiment_id: String,
        /// Display name; absent before MLflow 1.30.
        run_name: Option<String> as name,
        /// User who started the run.
        user_id: Option<String>,
        /// RUNNING, SCHEDULED, FINISHED, FAILED or KILLED.
        status: String = "RUNNING",
        /// Epoch milliseconds.
        start_time: Option<Millis>,
        /// Epoch milliseconds; absent while the run goes on.
        end_time: Option<Millis>,
        /// `active` or `deleted`.
        lifecycle_stage: String = "active",
        /// Where the run's artifacts were.
        artifact_uri: Option<String> by target,
        /// Epoch milliseconds; file and SQL stores only.
        deleted_time: Option<Millis> by store,
        /// NOTEBOOK, JOB, PROJECT, LOCAL or UNKNOWN; file and SQL stores only.
        source_type: Option<String> by store,
        /// File and SQL stores only.
        source_name: Option<String> by store,
        /// File and SQL stores only.
        source_version: Option<String> by store,
        /// File and SQL stores only.
        entry_point_name: Option<String> by store,
    }
}

/// What a run read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunInputs {
    /// Ordered by (name, digest); the bodies are in `objects/datasets-*.jsonl`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dataset_inputs: Vec<DatasetInput>,
    /// Ordered by model id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub model_inputs: Vec<ModelInput>,
}

impl RunInputs {
    fn is_empty(&self) -> bool {
        self.dataset_inputs.is_empty() && self.model_inputs.is_empty()
    }
}

/// A dataset that a run read, by name and digest within the run's experiment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct DatasetInput {
    /// Dataset name.
    pub name: String,
    /// Dataset digest.
    pub digest: String,
    /// Tags of the link, such as `mlflow.data.context`.
    #[serde(default)]
    pub tags: TextMap,
}

/// A logged model that a run read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct ModelInput {
    /// `m-` and 32 hex digits.
    pub model_id: String,
}

/// What a run made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunOutputs {
    /// Ordered by (model id, step).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub model_outputs: Vec<ModelOutput>,
}

impl RunOutputs {
    fn is_empty(&self) -> bool {
        self.model_outputs.is_empty()
    }
}

/// A logged model that a run made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct ModelOutput {
    /// `m-` and 32 hex digits.
    pub model_id: String,
    /// Step at which the model was logged.
    pub step: i64,
}
