//! The tables whose rows are lines of one kind.

use super::layout::{self, TableSpec, columns, lines, objects};
use crate::format::Kind;
use crate::model::field::{ColumnType, Field};
use crate::model::{
    Dataset, DatasetRecord, EvaluationDataset, Experiment, ModelVersion, RegisteredModel, Scorer, Workspace,
};

/// Tables whose rows are lines of a kind.
pub(super) const OBJECTS: &[TableSpec] = &[
    lines::<Experiment>("experiments", "experiment"),
    lines::<Dataset>("datasets", "dataset that runs of an experiment read"),
    objects(
        "logged_models",
        Kind::LoggedModels,
        "logged model",
        columns![
            "model_id" Text,
            "experiment_id" Text,
            "name" Text,
            "artifact_uri" Text,
            "creation_timestamp" Millis at "creation_timestamp_ms",
            "last_updated_timestamp" Millis at "last_updated_timestamp_ms",
            "status" Text,
            "status_message" Text,
            "lifecycle_stage" Text,
            "model_type" Text,
            "source_run_id" Text,
            "params" TextMap,
            "tags" TextMap,
        ],
    ),
    lines::<ModelVersion>("versions", "version of a registered model or prompt"),
    lines::<RegisteredModel>("models", "registered model or prompt"),
    layout::TRACES,
    objects(
        "spans",
        Kind::Spans,
        "span of a trace",
        columns![
            "trace_id" Text,
            "span_id" Text,
            "parent_span_id" Text,
            "name" Text,
            "kind" Text,
            "start_time" Nanos at "start_time_unix_nano",
            "end_time" Nanos at "end_time_unix_nano",
            "status_code" Text,
            "status_message" Text,
            "attributes" JsonMap,
            "events" Json,
            "links" Json,
        ],
    ),
    lines::<EvaluationDataset>("evaluation_datasets", "evaluation dataset"),
    lines::<DatasetRecord>("dataset_records", "record of an evaluation dataset"),
    lines::<Scorer>("scorers", "version of a scorer"),
    lines::<Workspace>("workspaces", "workspace"),
];
