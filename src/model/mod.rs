//! What MLflow objects are, as the archive holds them: one type per kind of object, no IO.
//!
//! Field names and enums are those of MLflow's REST API. Every type carries `extra`, so that a field
//! this version does not know keeps its value when an archive is read and written again.

pub(crate) mod artifact;
pub(crate) mod dataset;
pub(crate) mod digest;
pub(crate) mod evaluation;
pub(crate) mod experiment;
pub(crate) mod field;
pub(crate) mod free_json;
pub(crate) mod keyed;
pub(crate) mod lifecycle;
pub(crate) mod logged_model;
pub(crate) mod mask;
pub(crate) mod metric;
pub(crate) mod named;
pub(crate) mod number;
pub(crate) mod plain_json;
pub(crate) mod printable;
pub(crate) mod pyjson;
pub(crate) mod registry;
pub(crate) mod run;
pub(crate) mod text;
pub(crate) mod trace;
pub(crate) mod uri;

use std::collections::BTreeMap;

/// The workspace that objects are in which name none; every store has it.
pub(crate) const DEFAULT_WORKSPACE: &str = "default";

/// Fields a reader does not know, kept as they were.
pub type Extra = BTreeMap<String, serde_json::Value>;

pub use artifact::{Absent, ArtifactFile, ArtifactList, OwnerKind};
pub use dataset::Dataset;
pub use digest::{BlobRef, Digest, InvalidDigest};
pub use evaluation::{DatasetRecord, EvaluationDataset, Scorer, Workspace};
pub use experiment::Experiment;
pub use field::{ColumnType, Millis, Nanos};
pub use logged_model::LoggedModel;
pub use metric::{LatestMetric, MetricSlice, ModelMetricSlice, Point, PointLink};
pub use number::Double;
pub use registry::{ModelVersion, RegisteredModel};
pub use run::{DatasetInput, ModelInput, ModelOutput, Run, RunInfo, RunInputs, RunOutputs};
pub use text::{LongText, Text, TextMap};
pub use trace::{Assessment, Span, SpanEvent, SpanLink, Trace};
