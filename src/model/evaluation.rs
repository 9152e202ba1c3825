//! Evaluation datasets with their records, scorers, and workspaces.

use super::TextMap;
use super::field::{Millis, object};
use serde_json::Value;

object! {
    /// A line of `objects/evaluation-datasets-*.jsonl`.
    EvaluationDataset {
        /// `d-` and 32 hex digits.
        dataset_id: String,
        /// Name, not unique.
        name: String,
        /// Experiments it is linked to, ordered as experiments are.
        #[serde(default)]
        experiment_ids: Vec<String>,
        /// Digest as MLflow computed it.
        digest: Option<String> by target,
        /// JSON text, as stored.
        schema: Option<String> by target,
        /// JSON text, as stored.
        profile: Option<String> by target,
        /// Epoch milliseconds.
        created_time: Option<Millis> by target,
        /// Epoch milliseconds.
        last_update_time: Option<Millis> by target,
        /// User.
        created_by: Option<String>,
        /// User.
        last_updated_by: Option<String> by target,
        /// Tags.
        tags: TextMap,
        /// Since MLflow 3.10.
        workspace: Option<String> by target,
    }
}

object! {
    /// A line of `objects/dataset-records-*.jsonl`.
    DatasetRecord {
        /// `dr-` and 32 hex digits.
        dataset_record_id: String,
        /// The evaluation dataset.
        dataset_id: String,
        /// Free JSON.
        inputs: Option<Value>,
        /// Free JSON.
        outputs: Option<Value>,
        /// Free JSON.
        expectations: Option<Value>,
        /// Free JSON.
        tags: Option<Value>,
        /// Free JSON: `{source_type, source_data}`.
        source: Option<Value>,
        /// Epoch milliseconds.
        created_time: Option<Millis> by target,
        /// Epoch milliseconds.
        last_update_time: Option<Millis> by target,
        /// User.
        created_by: Option<String> by target,
        /// User.
        last_updated_by: Option<String> by target,
    }
}

object! {
    /// A line of `objects/scorers-*.jsonl`: one version of a scorer.
    Scorer {
        /// The experiment it belongs to.
        experiment_id: String,
        /// Name, unique within the experiment.
        name: String,
        /// The number, from 1.
        version: u64,
        /// Id, shared by all versions.
        scorer_id: Option<String> by target,
        /// JSON text, as stored; may hold code, which mlark never runs.
        serialized_scorer: Option<String>,
        /// Epoch milliseconds.
        creation_time: Option<Millis> by target,
    }
}

object! {
    /// A line of `objects/workspaces-*.jsonl` (MLflow 3.10).
    Workspace {
        /// Name.
        name: String,
        /// Description.
        description: Option<String>,
        /// Default artifact root.
        default_artifact_root: Option<String>,
    }
}
