//! Traces, evaluation datasets and scorers, which live under API v3.

use super::{Api, Result, TargetId, id, integer, pairs, text};
use crate::lang::rest::routes::{self, Call};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// An evaluation dataset of the target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TargetDataset {
    /// Id.
    pub id: TargetId,
    /// Name.
    pub name: String,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

impl Api {
    /// Creates a trace under its own id; once more merges.
    ///
    /// # Errors
    /// The call failed.
    pub fn create_trace(&self, trace_info: &Value) -> Result<Value> {
        let body = json!({"trace": {"trace_info": trace_info}});
        self.ask(routes::CREATE_TRACE, &body)
    }

    /// What the target says of a trace.
    ///
    /// # Errors
    /// The call failed.
    pub fn trace(&self, trace_id: &TargetId) -> Result<Option<Value>> {
        self.find(routes::TRACE.of(trace_id.as_str()), &())
    }

    /// Adds an assessment under its own id.
    ///
    /// # Errors
    /// The call failed.
    pub fn create_assessment(&self, trace_id: &TargetId, assessment: &Value) -> Result<()> {
        let body = json!({"assessment": assessment});
        self.tell(routes::ADD_ASSESSMENT.of(trace_id.as_str()), &body)
    }

    /// Sends spans as OpenTelemetry JSON; once more replaces.
    ///
    /// # Errors
    /// The call failed.
    pub fn send_spans(&self, experiment_id: &TargetId, body: &Value) -> Result<()> {
        let request = Call::from(routes::SEND_SPANS).with(&self.client, body);
        let request = request.header("x-mlflow-experiment-id", experiment_id.as_str());
        request.send().map(drop)
    }

    /// Links traces to a run.
    ///
    /// # Errors
    /// The call failed.
    pub fn link_traces(&self, trace_ids: &[TargetId], run_id: &TargetId) -> Result<()> {
        let body = json!({"trace_ids": trace_ids, "run_id": run_id});
        self.tell(routes::LINK_TRACES, &body)
    }

    /// Links a trace to prompt versions, given as name and version.
    ///
    /// # Errors
    /// The call failed.
    pub fn link_prompts(&self, trace_id: &TargetId, prompts: &[(String, String)]) -> Result<()> {
        let prompts: Vec<_> = prompts
            .iter()
            .map(|(name, version)| json!({"name": name, "version": version}))
            .collect();
        let body = json!({"trace_id": trace_id, "prompt_versions": prompts});
        self.tell(routes::LINK_PROMPTS, &body)
    }

    /// Creates an evaluation dataset; its id.
    ///
    /// # Errors
    /// The call failed.
    pub fn create_dataset(
        &self,
        name: &str,
        experiments: &[TargetId],
        tags: &[(String, String)],
    ) -> Result<TargetId> {
        let tags: BTreeMap<_, _> = tags.iter().cloned().collect();
        let body = json!({"name": name, "experiment_ids": experiments, "tags": json!(tags).to_string()});
        let answer = self.ask(routes::CREATE_DATASET, &body)?;
        id(&answer["dataset"], "dataset_id")
    }

    /// Evaluation datasets of a name.
    ///
    /// # Errors
    /// A call failed.
    pub fn datasets(&self, name: &str) -> Result<Vec<TargetDataset>> {
        let filter = format!("name = '{}'", name.replace('\'', "\\'"));
        self.all(routes::SEARCH_DATASETS, json!({"filter_string": filter}), dataset)
    }

    /// Sets tags of an evaluation dataset.
    ///
    /// # Errors
    /// The call failed.
    pub fn set_dataset_tags(&self, dataset_id: &TargetId, tags: &[(String, String)]) -> Result<()> {
        let tags: BTreeMap<_, _> = tags.iter().cloned().collect();
        let body = json!({"dataset_id": dataset_id, "tags": json!(tags).to_string()});
        self.tell(routes::TAG_DATASET.of(dataset_id.as_str()), &body)
    }

    /// Adds records, as JSON texts, to an evaluation dataset; those with equal inputs merge.
    ///
    /// # Errors
    /// The call failed.
    pub fn add_records(&self, dataset_id: &TargetId, records: &[&str]) -> Result<()> {
        let body = json!({"dataset_id": dataset_id, "records": format!("[{}]", records.join(","))});
        self.tell(routes::ADD_RECORDS.of(dataset_id.as_str()), &body)
    }

    /// Versions of a scorer of an experiment, as their texts by number.
    ///
    /// # Errors
    /// The call failed.
    pub fn scorer_versions(&self, experiment_id: &TargetId, name: &str) -> Result<Vec<String>> {
        let asked = json!({"experiment_id": experiment_id, "name": name});
        let answer = self.find(routes::SCORER_VERSIONS, &asked)?;
        let answer = answer.unwrap_or_default();
        let scorers = answer["scorers"].as_array().into_iter().flatten();
        let mut versions: Vec<_> = scorers
            .map(|scorer| {
                (
                    integer(&scorer["scorer_version"]),
                    text(scorer, "serialized_scorer"),
                )
            })
            .collect();
        versions.sort();
        Ok(versions.into_iter().map(|(_, scorer)| scorer).collect())
    }

    /// Adds a version of a scorer.
    ///
    /// # Errors
    /// The call failed.
    pub fn register_scorer(&self, experiment_id: &TargetId, name: &str, serialized: &str) -> Result<()> {
        let body = json!({"experiment_id": experiment_id, "name": name, "serialized_scorer": serialized});
        self.tell(routes::REGISTER_SCORER, &body)
    }
}

fn dataset(value: &Value) -> Result<TargetDataset> {
    // Tags are a JSON text.
    let tags: Value = serde_json::from_str(&text(value, "tags")).unwrap_or_default();
    Ok(TargetDataset {
        id: id(value, "dataset_id")?,
        name: text(value, "name"),
        tags: pairs(&tags),
    })
}
