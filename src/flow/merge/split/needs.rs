//! What objects name of one another, read from their lines.

use crate::model::ModelVersion;
use crate::select::NAMING_METADATA;
use serde::Deserialize;
use serde_json::Value;

/// A text that may stand as something else in a line, such as a blob.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Name(Value);

impl Name {
    pub(super) fn text(&self) -> Option<&str> {
        self.0.as_str().filter(|text| !text.is_empty())
    }

    pub(super) fn or_empty(&self) -> &str {
        self.text().unwrap_or_default()
    }
}

/// A run, as far as it names others.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RunNames {
    pub(super) info: RunHead,
    pub(super) tags: RunTags,
    inputs: RunInputs,
    outputs: RunOutputs,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RunHead {
    pub(super) experiment_id: Name,
    pub(super) start_time: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RunTags {
    #[serde(rename = "mlflow.parentRunId")]
    pub(super) parent: Name,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RunInputs {
    dataset_inputs: Vec<DatasetNames>,
    model_inputs: Vec<ModelNames>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RunOutputs {
    model_outputs: Vec<ModelNames>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DatasetNames {
    name: Name,
    digest: Name,
}

/// A logged model, as far as it names others; also what a run says of one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ModelNames {
    model_id: Name,
    pub(super) experiment_id: Name,
    pub(super) source_run_id: Name,
    pub(super) creation_timestamp_ms: Option<i64>,
}

impl RunNames {
    /// Logged models that it read or made.
    pub(super) fn logged_models(&self) -> impl Iterator<Item = &str> {
        let all = self.inputs.model_inputs.iter().chain(&self.outputs.model_outputs);
        all.filter_map(|model| model.model_id.text())
    }

    /// Ids of the datasets that it read.
    pub(super) fn datasets(&self) -> impl Iterator<Item = String> {
        self.inputs.dataset_inputs.iter().map(|input| {
            let [name, digest] = [&input.name, &input.digest].map(|name| name.or_empty());
            format!("{}/{name}/{digest}", self.info.experiment_id.or_empty())
        })
    }
}

/// A trace, as far as it names others.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TraceNames {
    pub(super) experiment_id: Name,
    pub(super) request_time: Option<i64>,
    trace_metadata: Value,
    linked_runs: Vec<Name>,
}

impl TraceNames {
    /// Runs and logged models that made it or are linked to it.
    pub(super) fn makers(&self) -> impl Iterator<Item = &str> {
        let named = NAMING_METADATA
            .iter()
            .filter_map(|key| self.trace_metadata[*key].as_str());
        named.chain(self.linked_runs.iter().filter_map(Name::text))
    }
}

/// A version of a registered model, as far as it names others.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct VersionNames {
    pub(super) name: Name,
    pub(super) workspace: Name,
    pub(super) run_id: Name,
    model_id: Name,
    source: Name,
}

impl VersionNames {
    pub(super) fn logged_model(&self) -> Option<String> {
        let version = ModelVersion {
            model_id: self.model_id.text().map(str::to_owned),
            source: self.source.text().map(str::to_owned),
            ..ModelVersion::default()
        };
        version.logged_model_id().map(str::to_owned)
    }
}

/// Anything else that is in a workspace or in experiments.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct OtherNames {
    pub(super) name: Name,
    pub(super) workspace: Name,
    pub(super) experiment_id: Name,
    experiment_ids: Vec<Name>,
}

impl OtherNames {
    pub(super) fn experiments(&self) -> impl Iterator<Item = &str> {
        self.experiment_ids.iter().filter_map(Name::text)
    }
}

/// A registered model by what it, or a version of it, says: its workspace and its name.
pub(super) fn model_of(workspace: &Name, name: &Name) -> (Option<String>, String) {
    (workspace.text().map(str::to_owned), name.or_empty().to_owned())
}
