//! The tables and columns that are read: the one list of them.

use crate::format::Kind;

/// A table as it is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table {
    /// The kind of object that the rows are, or belong to; a word where they belong to none.
    pub(super) kind: &'static str,
    /// The field of the owner that the rows make up; none where each is an object.
    pub(super) field: Option<&'static str>,
    pub(super) name: &'static str,
    /// The columns in the order of their places in a row: first the keys.
    pub(super) columns: &'static [&'static str],
    /// How many of the columns are keys: ids, names and numbers that the export goes by. A row in which one is a text of
    /// more than 1 MiB is a failure; a text of another column may be a blob.
    pub(super) keys: usize,
    /// Which keys are the id of the object, or of the owner: from the first to before the second.
    id: (usize, usize),
}

impl Table {
    /// The places of the keys that are the id.
    pub(super) fn id(self) -> std::ops::Range<usize> {
        self.id.0..self.id.1
    }
}

type Columns = &'static [&'static str];

const fn objects(kind: Kind, name: &'static str, keys: usize, columns: Columns) -> Table {
    Table {
        kind: kind.name(),
        field: None,
        name,
        columns,
        keys,
        id: (0, 1),
    }
}

const fn parts(kind: Kind, field: &'static str, name: &'static str, keys: usize, columns: Columns) -> Table {
    Table {
        field: Some(field),
        ..objects(kind, name, keys, columns)
    }
}

const fn with_id(table: Table, from: usize, to: usize) -> Table {
    Table {
        id: (from, to),
        ..table
    }
}

/// Names the tables, and lists them for what holds for all.
macro_rules! tables {
    ($($(#[$about:meta])* $name:ident = $table:expr;)*) => {
        $($(#[$about])* pub(super) const $name: Table = $table;)*

        /// All that is read.
        pub(super) const ALL: &[Table] = &[$($name),*];
    };
}

tables! {
    ALEMBIC = Table { kind: "tables", ..objects(Kind::Experiments, "alembic_version", 1, &["version_num"]) };

    EXPERIMENTS = objects(Kind::Experiments, "experiments", 2, &[
        "experiment_id", "workspace", "name", "artifact_location", "lifecycle_stage", "creation_time",
        "last_update_time",
    ]);
    EXPERIMENT_TAGS = parts(Kind::Experiments, "tags", "experiment_tags", 2, &["experiment_id", "key", "value"]);
    WORKSPACES = objects(Kind::Workspaces, "workspaces", 1, &[
        "name", "description", "default_artifact_root", "trace_archival_location", "trace_archival_retention",
    ]);

    RUNS = objects(Kind::Runs, "runs", 2, &[
        "run_uuid", "experiment_id", "name", "user_id", "status", "start_time", "end_time", "lifecycle_stage",
        "artifact_uri", "deleted_time", "source_type", "source_name", "source_version", "entry_point_name",
    ]);
    PARAMS = parts(Kind::Runs, "params", "params", 2, &["run_uuid", "key", "value"]);
    TAGS = parts(Kind::Runs, "tags", "tags", 2, &["run_uuid", "key", "value"]);
    /// Tags of which the value names another run.
    PARENTS = parts(Kind::Runs, "tags", "tags", 1, &["run_uuid", "value"]);
    LATEST = parts(Kind::Runs, "metrics", "latest_metrics", 6, &[
        "run_uuid", "key", "value", "timestamp", "step", "is_nan",
    ]);
    /// What of them takes memory.
    LATEST_KEYS = parts(Kind::Runs, "metrics", "latest_metrics", 2, &["run_uuid", "key"]);
    METRICS = objects(Kind::Metrics, "metrics", 6, &["run_uuid", "key", "value", "timestamp", "step", "is_nan"]);
    /// Links from datasets to runs.
    INPUTS = parts(Kind::Runs, "inputs", "inputs", 3, &["destination_id", "source_id", "input_uuid"]);
    /// Which links there are.
    INPUT_IDS = parts(Kind::Runs, "inputs", "inputs", 1, &["input_uuid"]);
    INPUT_TAGS = parts(Kind::Runs, "inputs", "input_tags", 2, &["input_uuid", "name", "value"]);
    /// Links from runs to logged models.
    MODEL_LINKS = parts(Kind::Runs, "inputs", "inputs", 4, &[
        "source_id", "destination_type", "destination_id", "step",
    ]);

    DATASETS = with_id(objects(Kind::Datasets, "datasets", 4, &[
        "dataset_uuid", "experiment_id", "name", "digest", "dataset_source_type", "dataset_source",
        "dataset_schema", "dataset_profile",
    ]), 1, 4);
    /// What links to datasets say of them.
    DATASET_NAMES = objects(Kind::Datasets, "datasets", 3, &["dataset_uuid", "name", "digest"]);
    EVALUATION_DATASETS = objects(Kind::EvaluationDatasets, "evaluation_datasets", 2, &[
        "dataset_id", "workspace", "name", "digest", "schema", "profile", "created_time", "last_update_time",
        "created_by", "last_updated_by",
    ]);
    EVALUATION_DATASET_TAGS = parts(Kind::EvaluationDatasets, "tags", "evaluation_dataset_tags", 2, &[
        "dataset_id", "key", "value",
    ]);
    DATASET_EXPERIMENTS = parts(Kind::EvaluationDatasets, "experiment_ids", "entity_associations", 2, &[
        "source_id", "destination_id",
    ]);
    RECORDS = objects(Kind::DatasetRecords, "evaluation_dataset_records", 2, &[
        "dataset_record_id", "dataset_id", "inputs", "outputs", "expectations", "tags", "source", "created_time",
        "last_update_time", "created_by", "last_updated_by",
    ]);
    SCORERS = objects(Kind::Scorers, "scorers", 3, &["scorer_id", "experiment_id", "scorer_name"]);
    SCORER_VERSIONS = with_id(objects(Kind::Scorers, "scorer_versions", 2, &[
        "scorer_id", "scorer_version", "serialized_scorer", "creation_time",
    ]), 0, 2);

    LOGGED_MODELS = objects(Kind::LoggedModels, "logged_models", 2, &[
        "model_id", "experiment_id", "name", "artifact_location", "creation_timestamp_ms",
        "last_updated_timestamp_ms", "status", "lifecycle_stage", "model_type", "source_run_id",
        "status_message",
    ]);
    LOGGED_MODEL_PARAMS = parts(Kind::LoggedModels, "params", "logged_model_params", 2, &[
        "model_id", "param_key", "param_value",
    ]);
    LOGGED_MODEL_TAGS = parts(Kind::LoggedModels, "tags", "logged_model_tags", 2, &[
        "model_id", "tag_key", "tag_value",
    ]);
    LOGGED_MODEL_METRICS = objects(Kind::ModelMetrics, "logged_model_metrics", 8, &[
        "model_id", "metric_name", "metric_value", "metric_timestamp_ms", "metric_step", "run_id",
        "dataset_name", "dataset_digest",
    ]);

    MODELS = with_id(objects(Kind::RegisteredModels, "registered_models", 2, &[
        "workspace", "name", "creation_time", "last_updated_time", "description",
    ]), 1, 2);
    MODEL_TAGS = with_id(parts(Kind::RegisteredModels, "tags", "registered_model_tags", 3, &[
        "workspace", "name", "key", "value",
    ]), 1, 2);
    ALIASES = with_id(parts(Kind::RegisteredModels, "aliases", "registered_model_aliases", 4, &[
        "workspace", "name", "alias", "version",
    ]), 1, 2);
    VERSIONS = with_id(objects(Kind::ModelVersions, "model_versions", 3, &[
        "workspace", "name", "version", "creation_time", "last_updated_time", "description", "user_id",
        "current_stage", "source", "run_id", "status", "status_message", "run_link", "storage_location",
    ]), 1, 3);
    VERSION_TAGS = with_id(parts(Kind::ModelVersions, "tags", "model_version_tags", 4, &[
        "workspace", "name", "version", "key", "value",
    ]), 1, 3);

    TRACES = objects(Kind::Traces, "trace_info", 2, &[
        "request_id", "experiment_id", "timestamp_ms", "execution_time_ms", "status", "client_request_id",
        "request_preview", "response_preview", "trace_name", "session_id", "input_tokens", "output_tokens",
        "total_tokens", "cache_read_input_tokens", "cache_creation_input_tokens",
        "cache_creation_input_tokens_above_1hr", "input_cost", "output_cost", "total_cost",
    ]);
    TRACE_TAGS = parts(Kind::Traces, "tags", "trace_tags", 2, &["request_id", "key", "value"]);
    TRACE_METADATA = parts(Kind::Traces, "trace_metadata", "trace_request_metadata", 2, &[
        "request_id", "key", "value",
    ]);
    /// Metadata of which the value names what made a trace.
    NAMING = parts(Kind::Traces, "trace_metadata", "trace_request_metadata", 1, &["request_id", "value"]);
    /// Links from traces to runs and prompt versions.
    TRACE_LINKS = parts(Kind::Traces, "linked_runs", "entity_associations", 3, &[
        "source_id", "destination_type", "destination_id",
    ]);
    ASSESSMENTS = parts(Kind::Traces, "assessments", "assessments", 2, &[
        "trace_id", "assessment_id", "name", "assessment_type", "value", "error", "created_timestamp",
        "last_updated_timestamp", "source_type", "source_id", "run_id", "span_id", "rationale", "overrides",
        "valid", "assessment_metadata",
    ]);
    SPANS = with_id(objects(Kind::Spans, "spans", 2, &["trace_id", "span_id", "content"]), 0, 2);
}
