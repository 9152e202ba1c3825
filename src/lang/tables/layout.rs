//! The tables and their columns. A change here is a change of what users' queries rest on: docs/reference/tables.md is made of it.

use crate::format::{Kind, Object};
pub use crate::model::field::ColumnType;
use crate::model::field::{Field, FieldTable};
use schemars::JsonSchema;
use serde::Serialize;

/// A column, as a table has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    #[serde(rename = "type")]
    pub kind: ColumnType,
}

/// A table, and where its rows come from.
#[derive(Debug, Clone, Copy)]
pub(super) struct TableSpec {
    pub(super) name: &'static str,
    /// The lines that its rows are made of.
    pub(super) kind: Kind,
    /// One row per what.
    pub(super) row: &'static str,
    pub(super) columns: &'static [Field],
    /// Fields of the lines that another table holds.
    pub(super) elsewhere: &'static [&'static [&'static str]],
    /// Whether the last column is `extra`: the fields that have no column.
    pub(super) has_extra: bool,
}

impl TableSpec {
    /// Its columns, as every archive has them.
    pub(super) fn columns(&self) -> Vec<Column> {
        let columns = self.columns.iter().map(|column| Column {
            name: column.name.to_owned(),
            kind: column.kind,
        });
        let extra = self.has_extra.then(|| Column {
            name: EXTRA.to_owned(),
            kind: ColumnType::Json,
        });
        columns.chain(extra).collect()
    }
}

/// The column of fields that have no column.
pub(super) const EXTRA: &str = "extra";

macro_rules! columns {
    ($($name:literal $kind:ident $(at $($part:literal).+)?),* $(,)?) => {
        &[$(Field {
            name: $name,
            kind: ColumnType::$kind,
            path: columns!(@path $name $($($part)+)?),
            stored: $name,
        }),*]
    };
    (@path $name:literal) => { &[$name] };
    (@path $name:literal $($part:literal)+) => { &[$($part),+] };
}

pub(super) use columns;

pub(super) const fn objects(
    name: &'static str,
    kind: Kind,
    row: &'static str,
    columns: &'static [Field],
) -> TableSpec {
    TableSpec {
        name,
        kind,
        row,
        columns,
        elsewhere: &[],
        has_extra: true,
    }
}

/// A table whose columns are all fields of a kind of objects.
pub(super) const fn lines<T: Object + FieldTable>(name: &'static str, row: &'static str) -> TableSpec {
    objects(name, T::KIND, row, T::FIELDS)
}

const fn parts(name: &'static str, kind: Kind, row: &'static str, columns: &'static [Field]) -> TableSpec {
    TableSpec {
        has_extra: false,
        ..objects(name, kind, row, columns)
    }
}

pub(super) const RUNS: TableSpec = objects(
    "runs",
    Kind::Runs,
    "run",
    columns![
        "run_id" Text at "info"."run_id",
        "experiment_id" Text at "info"."experiment_id",
        "run_name" Text at "info"."run_name",
        "status" Text at "info"."status",
        "start_time" Millis at "info"."start_time",
        "end_time" Millis at "info"."end_time",
        "user_id" Text at "info"."user_id",
        "lifecycle_stage" Text at "info"."lifecycle_stage",
        "deleted_time" Millis at "info"."deleted_time",
        "artifact_uri" Text at "info"."artifact_uri",
        "source_type" Text at "info"."source_type",
        "source_name" Text at "info"."source_name",
        "source_version" Text at "info"."source_version",
        "entry_point_name" Text at "info"."entry_point_name",
        "params" TextMap,
        "metrics" DoubleMap,
        "tags" TextMap,
        "inputs" Json,
        "outputs" Json,
    ],
);

pub(super) const PARAMS: TableSpec = parts(
    "params",
    Kind::Runs,
    "param of a run",
    columns!["run_id" Text, "key" Text, "value" Text],
);

pub(super) const TAGS: TableSpec = parts(
    "tags",
    Kind::Runs,
    "tag of a run",
    columns!["run_id" Text, "key" Text, "value" Text],
);

pub(super) const LATEST_METRICS: TableSpec = parts(
    "latest_metrics",
    Kind::Runs,
    "metric of a run, its latest point",
    columns!["run_id" Text, "key" Text, "step" Integer, "timestamp" Integer, "value" Double],
);

pub(super) const METRICS: TableSpec = parts(
    "metrics",
    Kind::Metrics,
    "point of a metric of a run",
    columns![
        "run_id" Text,
        "key" Text,
        "step" Integer,
        "timestamp" Integer,
        "value" Double,
        "dataset_name" Text,
        "dataset_digest" Text,
        "model_id" Text,
    ],
);

pub(super) const MODEL_METRICS: TableSpec = parts(
    "model_metrics",
    Kind::ModelMetrics,
    "point of a metric of a logged model",
    columns![
        "model_id" Text,
        "key" Text,
        "step" Integer,
        "timestamp" Integer,
        "value" Double,
        "dataset_name" Text,
        "dataset_digest" Text,
        "run_id" Text,
    ],
);

pub(super) const ARTIFACTS: TableSpec = parts(
    "artifacts",
    Kind::Artifacts,
    "file of a run, logged model, model version or trace",
    columns![
        "owner_kind" Text,
        "owner_id" Text,
        "path" Text,
        "size_bytes" Integer,
        "sha256" Text,
        "absent" Text,
    ],
);

pub(super) const TRACES: TableSpec = TableSpec {
    elsewhere: &[&["assessments"]],
    ..objects(
        "traces",
        Kind::Traces,
        "trace",
        columns![
            "trace_id" Text,
            "experiment_id" Text,
            "client_request_id" Text,
            "request_time" Millis,
            "execution_duration" Integer,
            "state" Text,
            "request_preview" Text,
            "response_preview" Text,
            "trace_metadata" TextMap,
            "tags" TextMap,
            "linked_runs" TextList,
            "linked_prompts" TextList,
        ],
    )
};

pub(super) const ASSESSMENTS: TableSpec = objects(
    "assessments",
    Kind::Traces,
    "assessment of a trace",
    columns![
        "trace_id" Text,
        "assessment_id" Text,
        "assessment_name" Text,
        "span_id" Text,
        "source" TextMap,
        "create_time" Millis,
        "last_update_time" Millis,
        "feedback" Json,
        "expectation" Json,
        "issue" Json,
        "rationale" Text,
        "metadata" TextMap,
        "overrides" Text,
        "valid" Boolean,
    ],
);

/// Every table, in the order of the documentation.
pub(super) fn all() -> Vec<TableSpec> {
    let first = [RUNS, PARAMS, TAGS, LATEST_METRICS, METRICS];
    let last = [ASSESSMENTS, MODEL_METRICS, ARTIFACTS];
    first
        .into_iter()
        .chain(super::objects::OBJECTS.iter().copied())
        .chain(last)
        .collect()
}
