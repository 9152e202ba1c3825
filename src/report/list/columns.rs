//! What can be listed, and the columns of each list.

use crate::format::Kind;
use crate::model::named::named;
use serde_json::{Value, json};

named! {
    /// What can be listed.
    pub enum Noun {
        /// Experiments with the number of their runs, logged models and traces.
        Overview = "overview",
        /// Experiments.
        Experiments = "experiments",
        /// Runs.
        Runs = "runs",
        /// Metrics of runs, a row a series.
        Metrics = "metrics",
        /// Registered models without prompts.
        Models = "models",
        /// Versions of registered models and prompts.
        Versions = "versions",
        /// Prompts.
        Prompts = "prompts",
        /// Logged models.
        LoggedModels = "logged-models",
        /// Datasets that runs read.
        Datasets = "datasets",
        /// Traces.
        Traces = "traces",
        /// Evaluation datasets.
        EvaluationDatasets = "evaluation-datasets",
        /// Scorers.
        Scorers = "scorers",
        /// Artifacts of all owners.
        Artifacts = "artifacts",
        /// Places where artifacts and sources lie.
        Locations = "locations",
    }
}

/// How a column's values are shown to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnForm {
    /// As text.
    Text,
    /// Epoch milliseconds.
    Time,
    /// A size in bytes.
    Bytes,
    /// An integer.
    Number,
    /// A double; NaN and infinities are texts.
    Double,
}

/// The name of a column, and how people see its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heading {
    /// Its name, also in JSON.
    pub name: String,
    /// How people see it.
    pub form: ColumnForm,
}

/// A column of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListColumn {
    /// Its name, also in JSON.
    pub name: &'static str,
    /// How people see it.
    pub form: ColumnForm,
    pointer: &'static str,
    /// Where to look if there is nothing.
    otherwise: &'static str,
    taken: Taken,
}

/// What is taken from the place a column points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    Value,
    /// How many entries a map has.
    Length,
    /// `alias=version` of each entry.
    Pairs,
}

const fn text(name: &'static str, pointer: &'static str) -> ListColumn {
    column(name, pointer, ColumnForm::Text, Taken::Value)
}

const fn time(name: &'static str, pointer: &'static str) -> ListColumn {
    column(name, pointer, ColumnForm::Time, Taken::Value)
}

const fn number(name: &'static str, pointer: &'static str) -> ListColumn {
    column(name, pointer, ColumnForm::Number, Taken::Value)
}

const fn length(name: &'static str, pointer: &'static str) -> ListColumn {
    column(name, pointer, ColumnForm::Number, Taken::Length)
}

const fn column(name: &'static str, pointer: &'static str, form: ColumnForm, taken: Taken) -> ListColumn {
    ListColumn {
        name,
        form,
        pointer,
        otherwise: pointer,
        taken,
    }
}

/// Before MLflow 1.30 a run's name was a tag alone.
const RUN_NAME: ListColumn = ListColumn {
    otherwise: "/tags/mlflow.runName",
    ..text("name", "/info/run_name")
};

const ALIASES: ListColumn = column("aliases", "/aliases", ColumnForm::Text, Taken::Pairs);

const OVERVIEW: &[ListColumn] = &[
    text("experiment_id", ""),
    text("name", ""),
    text("stage", ""),
    number("runs", ""),
    number("logged_models", ""),
    number("traces", ""),
    time("last_start_time", ""),
];
const EXPERIMENTS: &[ListColumn] = &[
    text("experiment_id", "/experiment_id"),
    text("name", "/name"),
    text("stage", "/lifecycle_stage"),
    time("creation_time", "/creation_time"),
    length("tags", "/tags"),
    text("artifact_location", "/artifact_location"),
];
const RUNS: &[ListColumn] = &[
    text("run_id", "/info/run_id"),
    text("experiment_id", "/info/experiment_id"),
    RUN_NAME,
    text("status", "/info/status"),
    text("stage", "/info/lifecycle_stage"),
    time("start_time", "/info/start_time"),
    time("end_time", "/info/end_time"),
    text("user_id", "/info/user_id"),
    length("params", "/params"),
    length("metrics", "/metrics"),
];
const METRICS: &[ListColumn] = &[
    text("run_id", ""),
    text("key", ""),
    number("points", ""),
    column("last", "", ColumnForm::Double, Taken::Value),
    column("min", "", ColumnForm::Double, Taken::Value),
    column("max", "", ColumnForm::Double, Taken::Value),
    column("first", "", ColumnForm::Double, Taken::Value),
    number("first_step", ""),
    number("last_step", ""),
];
const MODELS: &[ListColumn] = &[
    text("name", "/name"),
    ALIASES,
    time("creation_timestamp", "/creation_timestamp"),
    time("last_updated_timestamp", "/last_updated_timestamp"),
    text("description", "/description"),
];
const VERSIONS: &[ListColumn] = &[
    text("name", "/name"),
    number("version", "/version"),
    text("stage", "/current_stage"),
    text("status", "/status"),
    text("run_id", "/run_id"),
    text("model_id", "/model_id"),
    time("creation_timestamp", "/creation_timestamp"),
    text("source", "/source"),
];
const LOGGED_MODELS: &[ListColumn] = &[
    text("model_id", "/model_id"),
    text("experiment_id", "/experiment_id"),
    text("name", "/name"),
    text("status", "/status"),
    text("stage", "/lifecycle_stage"),
    text("source_run_id", "/source_run_id"),
    text("model_type", "/model_type"),
    time("creation_timestamp_ms", "/creation_timestamp_ms"),
];
const DATASETS: &[ListColumn] = &[
    text("experiment_id", "/experiment_id"),
    text("name", "/name"),
    text("digest", "/digest"),
    text("source_type", "/source_type"),
    text("source", "/source"),
];
const TRACES: &[ListColumn] = &[
    text("trace_id", "/trace_id"),
    text("experiment_id", "/experiment_id"),
    text("state", "/state"),
    time("request_time", "/request_time"),
    number("execution_duration", "/execution_duration"),
    length("assessments", "/assessments"),
    text("request_preview", "/request_preview"),
];
const EVALUATION_DATASETS: &[ListColumn] = &[
    text("dataset_id", "/dataset_id"),
    text("name", "/name"),
    text("experiment_ids", "/experiment_ids"),
    time("created_time", "/created_time"),
    text("digest", "/digest"),
];
const SCORERS: &[ListColumn] = &[
    text("experiment_id", "/experiment_id"),
    text("name", "/name"),
    number("version", "/version"),
    time("creation_time", "/creation_time"),
];
const ARTIFACTS: &[ListColumn] = &[
    text("owner_kind", ""),
    text("owner_id", ""),
    text("path", ""),
    column("size_bytes", "", ColumnForm::Bytes, Taken::Value),
    text("sha256", ""),
    text("absent", ""),
];

const LOCATIONS: &[ListColumn] = &[
    text("kind", ""),
    text("field", ""),
    text("location", ""),
    number("count", ""),
];

const EXPERIMENT: &[&str] = &["/experiment_id"];

/// Where filters look, as JSON pointers.
#[derive(Debug)]
pub(super) struct FilterFields {
    pub(super) experiment: &'static [&'static str],
    pub(super) run: &'static [&'static str],
    pub(super) model: &'static [&'static str],
    pub(super) status: &'static [&'static str],
}

impl Noun {
    /// The columns of its list.
    pub fn columns(self) -> &'static [ListColumn] {
        match self {
            Noun::Overview => OVERVIEW,
            Noun::Experiments => EXPERIMENTS,
            Noun::Runs => RUNS,
            Noun::Metrics => METRICS,
            Noun::Models | Noun::Prompts => MODELS,
            Noun::Versions => VERSIONS,
            Noun::LoggedModels => LOGGED_MODELS,
            Noun::Datasets => DATASETS,
            Noun::Traces => TRACES,
            Noun::EvaluationDatasets => EVALUATION_DATASETS,
            Noun::Scorers => SCORERS,
            Noun::Artifacts => ARTIFACTS,
            Noun::Locations => LOCATIONS,
        }
    }

    /// The names of the columns.
    pub fn headings(self) -> Vec<Heading> {
        let headings = self.columns().iter().map(|column| Heading {
            name: column.name.to_owned(),
            form: column.form,
        });
        headings.collect()
    }

    /// The kind of object its rows are made of.
    pub(crate) fn kind(self) -> Kind {
        match self {
            Noun::Overview | Noun::Experiments | Noun::Locations => Kind::Experiments,
            Noun::Runs => Kind::Runs,
            Noun::Metrics => Kind::Metrics,
            Noun::Models | Noun::Prompts => Kind::RegisteredModels,
            Noun::Versions => Kind::ModelVersions,
            Noun::LoggedModels => Kind::LoggedModels,
            Noun::Datasets => Kind::Datasets,
            Noun::Traces => Kind::Traces,
            Noun::EvaluationDatasets => Kind::EvaluationDatasets,
            Noun::Scorers => Kind::Scorers,
            Noun::Artifacts => Kind::Artifacts,
        }
    }

    pub(super) fn fields(self) -> FilterFields {
        // Of experiments, runs, models, status.
        let [experiment, run, model, status]: [&'static [&'static str]; 4] = match self {
            Noun::Overview | Noun::Experiments => [EXPERIMENT, &[], &[], &["/lifecycle_stage"]],
            Noun::Runs => [
                &["/info/experiment_id"],
                &["/info/run_id"],
                &[],
                &["/info/status", "/info/lifecycle_stage"],
            ],
            Noun::Models | Noun::Prompts => [&[], &[], &["/name"], &[]],
            Noun::Versions => [&[], &["/run_id"], &["/name"], &["/status", "/current_stage"]],
            Noun::LoggedModels => [
                EXPERIMENT,
                &["/source_run_id"],
                &["/name", "/model_id"],
                &["/status", "/lifecycle_stage"],
            ],
            Noun::Datasets | Noun::Scorers => [EXPERIMENT, &[], &[], &[]],
            Noun::Traces => {
                let runs = &["/trace_metadata/mlflow.sourceRun", "/linked_runs"];
                [EXPERIMENT, runs, &[], &["/state"]]
            }
            Noun::EvaluationDatasets => [&["/experiment_ids"], &[], &[], &[]],
            Noun::Artifacts | Noun::Locations | Noun::Metrics => [&[]; 4],
        };
        FilterFields {
            experiment,
            run,
            model,
            status,
        }
    }
}

impl ListColumn {
    /// Its value of an object, null where there is none.
    pub(super) fn value(&self, object: &Value) -> Value {
        let value = object
            .pointer(self.pointer)
            .or_else(|| object.pointer(self.otherwise));
        let value = value.unwrap_or(&Value::Null);
        match (self.taken, value) {
            (Taken::Length, Value::Object(map)) => json!(map.len()),
            (Taken::Length, Value::Array(items)) => json!(items.len()),
            (Taken::Length, _) => json!(0),
            (Taken::Pairs, Value::Object(map)) if map.is_empty() => Value::Null,
            (Taken::Pairs, Value::Object(map)) => {
                let pairs: Vec<_> = map.iter().map(|(key, value)| format!("{key}={value}")).collect();
                json!(pairs.join(","))
            }
            _ => value.clone(),
        }
    }
}
