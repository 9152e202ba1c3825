//! Datasets that runs read.

use super::field::object;

object! {
    /// A line of `objects/datasets-*.jsonl`, once per (experiment, name, digest).
    Dataset {
        /// The experiment whose runs read it.
        experiment_id: String,
        /// Name.
        name: String,
        /// Digest as MLflow computed it.
        digest: String,
        /// Such as `local`, `code`, `hugging_face`.
        source_type: Option<String>,
        /// JSON text, as stored.
        source: Option<String>,
        /// JSON text, as stored.
        schema: Option<String>,
        /// JSON text, as stored.
        profile: Option<String>,
    }
}
