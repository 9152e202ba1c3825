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

/// Hands a macro the table of objects that a line stands for: the kind, the type (with the part of it that has the fields), the fields that
/// make up the id, and those that make up the place in the archive's order.
macro_rules! each_object {
    ($then:ident) => {
        $then! {
            Workspaces Workspace [text name] [text name];
            Experiments Experiment [text experiment_id] [id experiment_id];
            Runs Run.info [text run_id] [id experiment_id, optional_time start_time, text run_id];
            Datasets Dataset [text experiment_id, text name, text digest]
                [id experiment_id, text name, text digest];
            LoggedModels LoggedModel [text model_id]
                [id experiment_id, optional_time creation_timestamp_ms, text model_id];
            RegisteredModels RegisteredModel [text name] [optional_text workspace, text name];
            ModelVersions ModelVersion [text name, number version]
                [optional_text workspace, text name, number version];
            Traces Trace [text trace_id] [id experiment_id, optional_time request_time, text trace_id];
            EvaluationDatasets EvaluationDataset [text dataset_id] [text dataset_id];
            DatasetRecords DatasetRecord [text dataset_id, text dataset_record_id]
                [text dataset_id, text dataset_record_id];
            Scorers Scorer [text experiment_id, text name, number version]
                [id experiment_id, text name, number version];
        }
    };
}

pub(crate) use each_object;

macro_rules! objects {
    ($($kind:ident $type:ident $(.$part:ident)? [$($form:ident $id:ident),+] [$($key:tt)*];)*) => {
        impl Kind {
            /// The kinds whose lines are objects; those of others belong to one.
            pub(crate) const OBJECTS: &'static [Kind] = &[$(Kind::$kind),*];

            /// The fields that make up the id of an object, or of a span.
            fn id_fields(self) -> &'static [&'static str] {
                match self {
                    $(Kind::$kind => &[$(stringify!($id)),+],)*
                    Kind::Spans => &["trace_id", "span_id"],
                    Kind::Metrics | Kind::ModelMetrics | Kind::Artifacts => &[],
                }
            }
        }
    };
}

each_object!(objects);

impl Kind {
    /// Whether a field is a part of the id.
    pub(crate) fn is_id(self, key: &[String]) -> bool {
        let key = match (self, key) {
            (Kind::Runs, [info, rest @ ..]) if info == "info" => rest,
            (Kind::Runs, _) => return false,
            _ => key,
        };
        matches!(key, [field] if self.id_fields().contains(&field.as_str()))
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
