//! Logged models.

use super::runs::{list, mark_filter};
use super::{Api, Result, TargetId, id, if_found, pairs, sent, text};
use crate::client::{Path, Repeat};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A logged model to be created.
#[derive(Debug)]
pub struct NewLoggedModel<'a> {
    /// The experiment.
    pub experiment_id: &'a TargetId,
    /// Name.
    pub name: Option<&'a str>,
    /// Type.
    pub model_type: Option<&'a str>,
    /// Run that made it.
    pub source_run_id: Option<&'a TargetId>,
    /// Params.
    pub params: &'a [(String, String)],
    /// Tags.
    pub tags: &'a [(String, String)],
}

/// A logged model of the target.
#[derive(Debug, Clone, Default)]
pub struct TargetLoggedModel {
    /// Id.
    pub id: TargetId,
    /// Name.
    pub name: String,
    /// Run that made it, empty where none is known.
    pub source_run_id: String,
    /// Where its artifacts are.
    pub artifact_uri: String,
    /// Status.
    pub status: String,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Params.
    pub params: BTreeMap<String, String>,
}

impl Api {
    /// Creates a logged model.
    ///
    /// # Errors
    /// The call failed.
    pub fn create_logged_model(&self, new: &NewLoggedModel<'_>) -> Result<TargetLoggedModel> {
        let mut body = json!({
            "experiment_id": new.experiment_id, "params": list(new.params), "tags": list(new.tags),
        });
        let optional = [
            ("name", new.name),
            ("model_type", new.model_type),
            ("source_run_id", new.source_run_id.map(TargetId::as_str)),
        ];
        for (field, value) in optional {
            if let Some(value) = value {
                body[field] = value.into();
            }
        }
        let answer = self.post("logged-models", Repeat::Unsafe, &body)?;
        Ok(logged_model(&answer["model"]))
    }

    /// A logged model that is not deleted.
    ///
    /// # Errors
    /// The call failed.
    pub fn logged_model(&self, id: &TargetId) -> Result<Option<TargetLoggedModel>> {
        let path = Path::api2("logged-models").segment(id.as_str());
        let answer: Option<Value> = if_found(self.client.get(path).parse())?;
        Ok(answer.map(|answer| logged_model(&answer["model"])))
    }

    /// The logged model of an experiment that carries a mark.
    ///
    /// # Errors
    /// The call failed.
    pub fn marked_logged_model(
        &self,
        experiment_id: &TargetId,
        mark: &str,
    ) -> Result<Option<TargetLoggedModel>> {
        let body = json!({
            "experiment_ids": [experiment_id], "filter": mark_filter("=", mark), "max_results": 50,
        });
        let answer = self.post("logged-models/search", Repeat::Safe, &body)?;
        let models = answer["models"]
            .as_array()
            .into_iter()
            .flatten()
            .map(logged_model);
        Ok(models
            .filter(|model| {
                model
                    .tags
                    .get(crate::lang::rest::mark::KEY)
                    .is_some_and(|found| found == mark)
            })
            .min_by(|a, b| a.id.cmp(&b.id)))
    }

    /// Calls with every logged model of an experiment that is not deleted.
    ///
    /// # Errors
    /// A call failed.
    pub fn each_logged_model(
        &self,
        experiment_id: &TargetId,
        mut each: impl FnMut(TargetLoggedModel),
    ) -> Result<()> {
        let (path, body) = (
            Path::api2("logged-models/search"),
            json!({"experiment_ids": [experiment_id]}),
        );
        self.each_posted(path, 50, &body, "models", |row| each(logged_model(&row)))
    }

    /// Sets a logged model's status.
    ///
    /// # Errors
    /// The call failed.
    pub fn set_logged_model_status(&self, id: &TargetId, status: &str) -> Result<()> {
        let path = Path::api2("logged-models").segment(id.as_str());
        let body = json!({"model_id": id, "status": status});
        sent(self.client.patch(path, Repeat::Safe).json(&body))
    }

    /// Sets tags of a logged model.
    ///
    /// # Errors
    /// The call failed.
    pub fn set_logged_model_tags(&self, id: &TargetId, tags: &[(String, String)]) -> Result<()> {
        let path = Path::api2("logged-models").segment(id.as_str()).segment("tags");
        let body = json!({"model_id": id, "tags": list(tags)});
        sent(self.client.patch(path, Repeat::Safe).json(&body))
    }

    /// Adds params to a logged model.
    ///
    /// # Errors
    /// The call failed.
    pub fn log_logged_model_params(&self, id: &TargetId, params: &[(String, String)]) -> Result<()> {
        let path = Path::api2("logged-models").segment(id.as_str()).segment("params");
        let body = json!({"model_id": id, "params": list(params)});
        sent(self.client.post(path, Repeat::Safe).json(&body))
    }

    /// Deletes a logged model.
    ///
    /// # Errors
    /// The call failed.
    pub fn delete_logged_model(&self, id: &TargetId) -> Result<()> {
        let path = Path::api2("logged-models").segment(id.as_str());
        if_found(self.client.delete(path, Repeat::Safe).parse::<Value>()).map(drop)
    }
}

fn logged_model(value: &Value) -> TargetLoggedModel {
    let (info, data) = (&value["info"], &value["data"]);
    TargetLoggedModel {
        id: id(info, "model_id"),
        name: text(info, "name"),
        source_run_id: text(info, "source_run_id"),
        artifact_uri: text(info, "artifact_uri"),
        status: text(info, "status"),
        tags: pairs(&info["tags"]),
        params: pairs(&data["params"]),
    }
}
