//! Logged models (MLflow 3).

use super::TextMap;
use super::field::{Millis, object};

object! {
    /// A line of `objects/logged-models-*.jsonl`; metrics are in `objects/model-metrics-*.jsonl`.
    LoggedModel {
        /// `m-` and 32 hex digits.
        model_id: String,
        /// The experiment it belongs to.
        experiment_id: String,
        /// Name, not unique.
        name: Option<String>,
        /// Where its artifacts were (`artifact_location` in the stores).
        artifact_uri: Option<String> by target as artifact_location,
        /// Epoch milliseconds.
        creation_timestamp_ms: Option<Millis> by target,
        /// Epoch milliseconds.
        last_updated_timestamp_ms: Option<Millis> by target,
        /// `LOGGED_MODEL_PENDING`, `LOGGED_MODEL_READY`, `LOGGED_MODEL_UPLOAD_FAILED` or
        /// `LOGGED_MODEL_STATUS_UNSPECIFIED`.
        status: String = "LOGGED_MODEL_STATUS_UNSPECIFIED",
        /// Free text about the status.
        status_message: Option<String> by target,
        /// `active` or `deleted`.
        lifecycle_stage: String = "active",
        /// Such as `agent`.
        model_type: Option<String>,
        /// Run that made it.
        source_run_id: Option<String>,
        /// Parameters.
        params: TextMap,
        /// Tags.
        tags: TextMap,
    }
}
