//! Experiments.

use super::TextMap;
use super::field::{Millis, object};

object! {
    /// A line of `objects/experiments-*.jsonl`.
    Experiment {
        /// Id on the source server or in the file store; text, though most are decimal numbers.
        experiment_id: String,
        /// Unique within a workspace.
        name: String,
        /// Root URI under which runs keep their artifacts.
        artifact_location: Option<String> by target,
        /// `active` or `deleted`.
        lifecycle_stage: String = "active",
        /// Epoch milliseconds.
        creation_time: Option<Millis> by target,
        /// Epoch milliseconds.
        last_update_time: Option<Millis> by target,
        /// Since MLflow 3.10.
        workspace: Option<String> by target,
        /// Tags, those that start with `mlflow.` included.
        tags: TextMap,
        /// The exported dict's JSON text, only where source tags need it (docs/format.md, "exim").
        exim: Option<String> by mlark,
    }
}
