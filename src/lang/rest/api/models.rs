//! Logged models.

use super::runs::{list, mark_filter};
use super::{Api, Result, TargetId, id, if_found, pairs, sent, text};
use crate::lang::rest::routes;
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
        let answer = self.ask(routes::CREATE_LOGGED_MODEL, &body)?;
        logged_model(&answer["model"])
    }

    /// A logged model that is not deleted.
    ///
    /// # Errors
    /// The call failed.
    pub fn logged_model(&self, id: &TargetId) -> Result<Option<TargetLoggedModel>> {
        let answer = self.find(routes::LOGGED_MODEL.of(id.as_str()), &())?;
        answer.map(|answer| logged_model(&answer["model"])).transpose()
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
        let asked = json!({"experiment_ids": [experiment_id], "filter": mark_filter("=", mark)});
        let mut found = self.all(routes::SEARCH_LOGGED_MODELS, asked, logged_model)?;
        found.retain(|model| {
            model
                .tags
                .get(crate::lang::rest::mark::KEY)
                .is_some_and(|found| found == mark)
        });
        Ok(found.into_iter().min_by(|a, b| a.id.cmp(&b.id)))
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
        let asked = json!({"experiment_ids": [experiment_id]});
        self.each(routes::SEARCH_LOGGED_MODELS, asked, |row| {
            each(logged_model(&row)?);
            Ok(())
        })
    }

    /// Sets a logged model's status.
    ///
    /// # Errors
    /// The call failed.
    pub fn set_logged_model_status(&self, id: &TargetId, status: &str) -> Result<()> {
        let body = json!({"model_id": id, "status": status});
        self.tell(routes::UPDATE_LOGGED_MODEL.of(id.as_str()), &body)
    }

    /// Sets tags of a logged model.
    ///
    /// # Errors
    /// The call failed.
    pub fn set_logged_model_tags(&self, id: &TargetId, tags: &[(String, String)]) -> Result<()> {
        let body = json!({"model_id": id, "tags": list(tags)});
        self.tell(routes::TAG_LOGGED_MODEL.of(id.as_str()), &body)
    }

    /// Adds params to a logged model.
    ///
    /// # Errors
    /// The call failed.
    pub fn log_logged_model_params(&self, id: &TargetId, params: &[(String, String)]) -> Result<()> {
        let body = json!({"model_id": id, "params": list(params)});
        self.tell(routes::ADD_LOGGED_MODEL_PARAMS.of(id.as_str()), &body)
    }

    /// Deletes a logged model.
    ///
    /// # Errors
    /// The call failed.
    pub fn delete_logged_model(&self, id: &TargetId) -> Result<()> {
        let call = routes::DELETE_LOGGED_MODEL.of(id.as_str());
        if_found(sent(call.on(&self.client))).map(drop)
    }
}

fn logged_model(value: &Value) -> Result<TargetLoggedModel> {
    let (info, data) = (&value["info"], &value["data"]);
    Ok(TargetLoggedModel {
        id: id(info, "model_id")?,
        name: text(info, "name"),
        source_run_id: text(info, "source_run_id"),
        artifact_uri: text(info, "artifact_uri"),
        status: text(info, "status"),
        tags: pairs(&info["tags"]),
        params: pairs(&data["params"]),
    })
}
