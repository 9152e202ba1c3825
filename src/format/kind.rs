//! The kinds of object an archive holds.

use crate::model::OwnerKind;
use crate::model::named::named;

named! {
    serialized
    /// A kind of object; each has its own files below `objects/`, in this order.
    pub enum Kind {
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
}

impl Kind {
    /// The name used in file names and in the manifest.
    pub const fn name(self) -> &'static str {
        self.as_str()
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Kind> {
        Kind::from_text(name)
    }

    /// What a person calls one object of it.
    pub(crate) fn singular(self) -> &'static str {
        match self {
            Kind::Workspaces => "workspace",
            Kind::Experiments => "experiment",
            Kind::Runs => "run",
            Kind::Metrics | Kind::ModelMetrics => "metric",
            Kind::Datasets => "dataset",
            Kind::LoggedModels => "logged model",
            Kind::RegisteredModels => "registered model",
            Kind::ModelVersions => "model version",
            Kind::Traces => "trace",
            Kind::Spans => "span",
            Kind::EvaluationDatasets => "evaluation dataset",
            Kind::DatasetRecords => "dataset record",
            Kind::Scorers => "scorer",
            Kind::Artifacts => "artifacts",
        }
    }
}

impl From<OwnerKind> for Kind {
    fn from(owner: OwnerKind) -> Self {
        match owner {
            OwnerKind::Run => Kind::Runs,
            OwnerKind::LoggedModel => Kind::LoggedModels,
            OwnerKind::ModelVersion => Kind::ModelVersions,
            OwnerKind::Trace => Kind::Traces,
        }
    }
}
