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
}

/// A run, as far as it names others.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RunNames {
    info: RunHead,
    tags: RunTags,
    inputs: RunInputs,
    outputs: RunOutputs,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RunHead {
    experiment_id: Name,
    start_time: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RunTags {
    #[serde(rename = "mlflow.parentRunId")]
    parent: Name,
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
    experiment_id: Name,
    source_run_id: Name,
    creation_timestamp_ms: Option<i64>,
}

impl RunNames {
    pub(super) fn experiment(&self) -> &str {
        self.info.experiment_id.text().unwrap_or_default()
    }

    pub(super) fn time(&self) -> Option<i64> {
        self.info.start_time
    }

    pub(super) fn parent(&self) -> Option<&str> {
        self.tags.parent.text()
    }

    /// Logged models that it read or made.
    pub(super) fn logged_models(&self) -> impl Iterator<Item = &str> {
        let all = self.inputs.model_inputs.iter().chain(&self.outputs.model_outputs);
        all.filter_map(|model| model.model_id.text())
    }

    /// Ids of the datasets that it read.
    pub(super) fn datasets(&self) -> impl Iterator<Item = String> {
        self.inputs.dataset_inputs.iter().map(|input| {
            let [name, digest] = [&input.name, &input.digest].map(|name| name.text().unwrap_or_default());
            format!("{}/{name}/{digest}", self.experiment())
        })
    }
}

impl ModelNames {
    pub(super) fn experiment(&self) -> &str {
        self.experiment_id.text().unwrap_or_default()
    }

    pub(super) fn run(&self) -> Option<&str> {
        self.source_run_id.text()
    }

    pub(super) fn time(&self) -> Option<i64> {
        self.creation_timestamp_ms
    }
}

/// A trace, as far as it names others.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TraceNames {
    experiment_id: Name,
    request_time: Option<i64>,
    trace_metadata: Value,
    linked_runs: Vec<Name>,
}

impl TraceNames {
    pub(super) fn experiment(&self) -> &str {
        self.experiment_id.text().unwrap_or_default()
    }

    pub(super) fn time(&self) -> Option<i64> {
        self.request_time
    }

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
    name: Name,
    workspace: Name,
    run_id: Name,
    model_id: Name,
    source: Name,
}

impl VersionNames {
    pub(super) fn run(&self) -> Option<&str> {
        self.run_id.text()
    }

    pub(super) fn logged_model(&self) -> Option<String> {
        let version = ModelVersion {
            model_id: self.model_id.text().map(str::to_owned),
            source: self.source.text().map(str::to_owned),
            ..ModelVersion::default()
        };
        version.logged_model_id().map(str::to_owned)
    }

    pub(super) fn workspace(&self) -> Option<&str> {
        self.workspace.text()
    }

    /// Workspace and name of the registered model.
    pub(super) fn model(&self) -> (Option<String>, String) {
        let name = self.name.text().unwrap_or_default();
        (self.workspace().map(str::to_owned), name.to_owned())
    }
}

/// Anything else that is in a workspace or in experiments.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct OtherNames {
    name: Name,
    workspace: Name,
    experiment_id: Name,
    experiment_ids: Vec<Name>,
}

impl OtherNames {
    pub(super) fn experiment(&self) -> &str {
        self.experiment_id.text().unwrap_or_default()
    }

    pub(super) fn experiments(&self) -> impl Iterator<Item = &str> {
        self.experiment_ids.iter().filter_map(Name::text)
    }

    pub(super) fn workspace(&self) -> Option<&str> {
        self.workspace.text()
    }

    pub(super) fn model(&self) -> (Option<String>, String) {
        let name = self.name.text().unwrap_or_default();
        (self.workspace().map(str::to_owned), name.to_owned())
    }
}
