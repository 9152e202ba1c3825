//! Experiments.

use super::runs::{list, mark_filter};
use super::{Api, Result, TargetId, id, pairs, text};
use crate::lang::rest::routes;
use crate::model::lifecycle;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// An experiment of the target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TargetExperiment {
    /// Id.
    pub id: TargetId,
    /// Name.
    pub name: String,
    /// Whether it is deleted.
    pub is_deleted: bool,
    /// Where its artifacts go.
    pub artifact_location: String,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

impl Api {
    /// Creates an experiment.
    ///
    /// # Errors
    /// The call failed.
    pub fn create_experiment(&self, name: &str, tags: &[(String, String)]) -> Result<TargetId> {
        let body = json!({"name": name, "tags": list(tags)});
        let answer = self.ask(routes::CREATE_EXPERIMENT, &body)?;
        id(&answer, "experiment_id")
    }

    /// The experiment of a name, deleted or not.
    ///
    /// # Errors
    /// The call failed.
    pub fn experiment_by_name(&self, name: &str) -> Result<Option<TargetExperiment>> {
        let answer = self.find(routes::EXPERIMENT_BY_NAME, &json!({"experiment_name": name}))?;
        answer.map(|answer| experiment(&answer["experiment"])).transpose()
    }

    /// The experiment of an id, deleted or not.
    ///
    /// # Errors
    /// The call failed.
    pub fn experiment(&self, id: &TargetId) -> Result<Option<TargetExperiment>> {
        let answer = self.find(routes::EXPERIMENT, &json!({"experiment_id": id}))?;
        answer.map(|answer| experiment(&answer["experiment"])).transpose()
    }

    /// Experiments, deleted ones included, that carry a mark of an origin.
    ///
    /// # Errors
    /// A call failed.
    pub fn marked_experiments(&self, prefix: &str) -> Result<Vec<TargetExperiment>> {
        let filter = mark_filter("LIKE", &format!("{prefix}%"));
        let asked = json!({"view_type": "ALL", "filter": filter});
        self.all(routes::SEARCH_EXPERIMENTS, asked, experiment)
    }

    /// Sets a tag of an experiment.
    ///
    /// # Errors
    /// The call failed.
    pub fn set_experiment_tag(&self, id: &TargetId, key: &str, value: &str) -> Result<()> {
        let body = json!({"experiment_id": id, "key": key, "value": value});
        self.tell(routes::TAG_EXPERIMENT, &body)
    }

    /// Deletes an experiment.
    ///
    /// # Errors
    /// The call failed.
    pub fn delete_experiment(&self, id: &TargetId) -> Result<()> {
        self.tell(routes::DELETE_EXPERIMENT, &json!({"experiment_id": id}))
    }

    /// Restores a deleted experiment.
    ///
    /// # Errors
    /// The call failed.
    pub fn restore_experiment(&self, id: &TargetId) -> Result<()> {
        self.tell(routes::RESTORE_EXPERIMENT, &json!({"experiment_id": id}))
    }
}

fn experiment(value: &Value) -> Result<TargetExperiment> {
    Ok(TargetExperiment {
        id: id(value, "experiment_id")?,
        name: text(value, "name"),
        is_deleted: value["lifecycle_stage"] == lifecycle::DELETED,
        artifact_location: text(value, "artifact_location"),
        tags: pairs(&value["tags"]),
    })
}
