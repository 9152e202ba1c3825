//! The kinds of object an archive holds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// A kind of object; each has its own files below `objects/`, in this order.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
        )]
        pub enum Kind {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl Kind {
            /// Every kind, in the order of the archive.
            pub const ALL: &'static [Kind] = &[$(Kind::$variant),*];

            /// The name used in file names and in the manifest.
            pub const fn name(self) -> &'static str {
                match self { $(Kind::$variant => $name,)* }
            }

            /// The kind of that name.
            pub fn from_name(name: &str) -> Option<Kind> {
                match name { $($name => Some(Kind::$variant),)* _ => None }
            }
        }
    };
}

kinds! {
    /// Workspaces (MLflow 3.10).
    Workspaces = "workspaces",
    /// Experiments.
    Experiments = "experiments",
    /// Runs.
    Runs = "runs",
    /// Metric history of runs.
    Metrics = "metrics",
    /// Datasets that runs read.
    Datasets = "datasets",
    /// Logged models (MLflow 3).
    LoggedModels = "logged-models",
    /// Metric history of logged models.
    ModelMetrics = "model-metrics",
    /// Registered models and prompts.
    RegisteredModels = "registered-models",
    /// Versions of registered models and prompts.
    ModelVersions = "model-versions",
    /// Traces with assessments and links.
    Traces = "traces",
    /// Spans of traces.
    Spans = "spans",
    /// Evaluation datasets (MLflow 3.4).
    EvaluationDatasets = "evaluation-datasets",
    /// Records of evaluation datasets.
    DatasetRecords = "dataset-records",
    /// Scorers, one line a version (MLflow 3.4).
    Scorers = "scorers",
    /// Files of runs, logged models, model versions and traces.
    Artifacts = "artifacts",
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}
