//! What MLflow objects are, as the archive holds them: one type per kind of object, no IO.
//!
//! Field names and enums are those of MLflow's REST API. Every type carries `extra`, so that a field
//! this version does not know keeps its value when an archive is read and written again.

pub mod artifact;
pub mod dataset;
pub mod digest;
pub mod evaluation;
pub mod experiment;
pub(crate) mod field;
pub mod free_json;
pub(crate) mod keyed;
pub(crate) mod lifecycle;
pub mod logged_model;
pub(crate) mod mask;
pub mod metric;
pub(crate) mod named;
pub mod number;
pub mod plain_json;
pub mod printable;
pub mod pyjson;
pub mod registry;
pub mod run;
pub mod text;
pub mod trace;
pub mod uri;

use std::collections::BTreeMap;

/// The workspace that objects are in which name none; every store has it.
pub(crate) const DEFAULT_WORKSPACE: &str = "default";

/// Fields a reader does not know, kept as they were.
pub type Extra = BTreeMap<String, serde_json::Value>;

pub use artifact::{Absent, ArtifactFile, ArtifactList, OwnerKind};
pub use dataset::Dataset;
pub use digest::{BlobRef, Digest};
pub use evaluation::{DatasetRecord, EvaluationDataset, Scorer, Workspace};
pub use experiment::Experiment;
pub use field::{ColumnType, Millis, Nanos};
pub use logged_model::LoggedModel;
pub use metric::{LatestMetric, MetricSlice, ModelMetricSlice, Point};
pub use number::Double;
pub use registry::{ModelVersion, RegisteredModel};
pub use run::{DatasetInput, ModelInput, ModelOutput, Run, RunInfo};
pub use text::{Text, TextMap};
pub use trace::{Assessment, Span, Trace};
