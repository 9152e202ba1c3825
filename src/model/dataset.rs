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
        source_type: Option<String> as dataset_source_type,
        /// JSON text, as stored.
        source: Option<String> as dataset_source,
        /// JSON text, as stored.
        schema: Option<String> as dataset_schema,
        /// JSON text, as stored.
        profile: Option<String> as dataset_profile,
    }
}
