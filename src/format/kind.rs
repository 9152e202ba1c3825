//! The kinds of object an archive holds.

use crate::model::OwnerKind;
use crate::model::field::{ColumnType, Field, FieldTable as _};
use crate::model::named::named;
use crate::model::{
    Dataset, DatasetRecord, EvaluationDataset, Experiment, LoggedModel, ModelVersion, RegisteredModel, Run,
    RunInfo, Scorer, Trace, Workspace,
};

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
    ($($kind:ident $type:ident $(.$part:ident)? [$($form:ident $id:ident),+] [$($place:ident $key:ident),+];)*) => {
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

            /// Whether its objects are named within a workspace, so that two workspaces can each have one of a name.
            pub(crate) fn is_named_in_workspaces(self) -> bool {
                let key: &[&str] = match self {
                    $(Kind::$kind => &[$(stringify!($key)),+],)*
                    Kind::Metrics | Kind::ModelMetrics | Kind::Spans | Kind::Artifacts => &[],
                };
                key.contains(&"workspace")
            }

            /// The fields of its objects.
            fn fields(self) -> impl Iterator<Item = &'static Field> {
                let fields = match self {
                    $(Kind::$kind => $type::FIELDS,)*
                    Kind::Metrics | Kind::ModelMetrics | Kind::Spans | Kind::Artifacts => &[],
                };
                let of_info = if self == Kind::Runs { RunInfo::FIELDS } else { &[] };
                fields.iter().chain(of_info)
            }
        }
    };
}

each_object!(objects);

impl Kind {
    /// The kinds whose objects lines of it belong to; none where a line is an object of its own.
    pub(crate) const fn owners(self) -> &'static [Kind] {
        match self {
            Kind::Metrics => &[Kind::Runs],
            Kind::ModelMetrics => &[Kind::LoggedModels],
            Kind::Spans => &[Kind::Traces],
            Kind::DatasetRecords => &[Kind::EvaluationDatasets],
            Kind::Artifacts => &[Kind::Runs, Kind::LoggedModels, Kind::ModelVersions, Kind::Traces],
            Kind::Workspaces | Kind::Experiments | Kind::Runs | Kind::Datasets | Kind::LoggedModels => &[],
            Kind::RegisteredModels | Kind::ModelVersions | Kind::Traces => &[],
            Kind::EvaluationDatasets | Kind::Scorers => &[],
        }
    }

    /// The kinds whose lines belong to objects of it.
    pub(crate) const fn children(self) -> &'static [Kind] {
        match self {
            Kind::Runs => &[Kind::Metrics, Kind::Artifacts],
            Kind::LoggedModels => &[Kind::ModelMetrics, Kind::Artifacts],
            Kind::ModelVersions => &[Kind::Artifacts],
            Kind::Traces => &[Kind::Spans, Kind::Artifacts],
            Kind::EvaluationDatasets => &[Kind::DatasetRecords],
            Kind::Workspaces | Kind::Experiments | Kind::Datasets | Kind::RegisteredModels => &[],
            Kind::Metrics | Kind::ModelMetrics | Kind::Spans | Kind::DatasetRecords => &[],
            Kind::Scorers | Kind::Artifacts => &[],
        }
    }

    /// How many kinds belong to no other. A list of them all has this length, so that one without a new kind does not compile.
    pub(crate) const ROOTS: usize = {
        let (mut roots, mut at) = (0, 0);
        while at < Kind::ALL.len() {
            roots += Kind::ALL[at].owners().is_empty() as usize;
            at += 1;
        }
        roots
    };

    /// Whether its objects have a field of that name.
    pub(crate) fn has_field(self, name: &str) -> bool {
        self.fields().any(|field| field.name == name)
    }

    /// Whether its objects have tags.
    pub(crate) fn has_tags(self) -> bool {
        let is_tags = |field: &Field| field.name == "tags" && field.kind == ColumnType::TextMap;
        self.fields().any(is_tags)
    }

    /// Whether its objects are in an experiment.
    pub(crate) fn is_in_experiment(self) -> bool {
        self != Kind::Experiments && self.has_field("experiment_id")
    }

    /// Whether its objects are in an experiment, and known by ids that no other experiment has: such an object may stand elsewhere.
    pub(crate) fn has_ids_of_its_own(self) -> bool {
        self.is_in_experiment() && !self.id_fields().contains(&"experiment_id")
    }

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

impl AsRef<str> for Kind {
    fn as_ref(&self) -> &str {
        self.as_str()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_and_children_say_the_same() {
        for &kind in Kind::ALL {
            let children = Kind::ALL.iter().filter(|child| child.owners().contains(&kind));
            assert_eq!(children.copied().collect::<Vec<_>>(), kind.children(), "{kind}");
        }
    }

    #[test]
    fn fields_say_where_objects_are() {
        let those = |is: fn(Kind) -> bool| -> Vec<Kind> {
            let kinds = Kind::ALL.iter().copied();
            kinds.filter(|kind| is(*kind)).collect()
        };
        use Kind::*;
        assert_eq!(
            those(Kind::is_in_experiment),
            [Runs, Datasets, LoggedModels, Traces, Scorers]
        );
        assert_eq!(those(Kind::has_ids_of_its_own), [Runs, LoggedModels, Traces]);
        assert_eq!(
            those(Kind::is_named_in_workspaces),
            [RegisteredModels, ModelVersions]
        );
        assert_eq!(
            those(|kind| kind.has_field("workspace")),
            [Experiments, RegisteredModels, ModelVersions, EvaluationDatasets]
        );
        assert_eq!(
            those(Kind::has_tags),
            [
                Experiments,
                Runs,
                LoggedModels,
                RegisteredModels,
                ModelVersions,
                Traces,
                EvaluationDatasets
            ]
        );
    }
}
