//! As little of lines as a choice needs to know.

use crate::model::run::PARENT_TAG;
use crate::select::RunNeeds;
use serde::Deserialize;
use serde_json::Value;

/// What a run's line says of the run and of others.
#[derive(Deserialize)]
pub(in super::super) struct RunFacts {
    pub(in super::super) info: RunInfoFacts,
    #[serde(default)]
    tags: RunTags,
    #[serde(default)]
    pub(in super::super) inputs: Inputs,
    #[serde(default)]
    outputs: Outputs,
}

#[derive(Deserialize)]
pub(in super::super) struct RunInfoFacts {
    pub(in super::super) run_id: String,
    pub(in super::super) experiment_id: String,
    #[serde(default)]
    pub(in super::super) start_time: Option<i64>,
    #[serde(default)]
    pub(in super::super) end_time: Option<i64>,
}

#[derive(Default, Deserialize)]
struct RunTags {
    #[serde(default, rename = "mlflow.parentRunId")]
    parent: Value,
}

#[derive(Default, Deserialize)]
pub(in super::super) struct Inputs {
    #[serde(default)]
    pub(in super::super) dataset_inputs: Vec<DatasetName>,
    #[serde(default)]
    model_inputs: Vec<ModelId>,
}

/// A dataset within an experiment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
pub(in super::super) struct DatasetName {
    pub(in super::super) name: String,
    pub(in super::super) digest: String,
}

#[derive(Default, Deserialize)]
struct Outputs {
    #[serde(default)]
    model_outputs: Vec<ModelId>,
}

#[derive(Deserialize)]
struct ModelId {
    model_id: String,
}

impl RunFacts {
    /// The id of its parent.
    pub(in super::super) fn parent(&self) -> Option<&str> {
        debug_assert_eq!(PARENT_TAG, "mlflow.parentRunId");
        self.tags.parent.as_str()
    }

    /// What it cannot do without.
    pub(in super::super) fn needs(&self) -> RunNeeds {
        let models = self.inputs.model_inputs.iter().chain(&self.outputs.model_outputs);
        RunNeeds {
            parent: self.parent().map(str::to_owned),
            logged_models: models.map(|model| model.model_id.clone()).collect(),
        }
    }
}
