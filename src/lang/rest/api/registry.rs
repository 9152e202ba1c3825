//! Registered models, their versions, and prompts.

use super::runs::list;
use super::{Api, Result, if_found, integer, pairs, text};
use crate::client::ClientError;
use crate::lang::rest::routes;
use crate::model::registry::PROMPT_TAG;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A registered model of the target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TargetModel {
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Alias to version.
    pub aliases: BTreeMap<String, String>,
}

/// A version of a registered model of the target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TargetVersion {
    /// The number.
    pub version: u64,
    /// Stage.
    pub stage: String,
    /// Run that made it, empty where none is known.
    pub run_id: String,
    /// Logged model that it is, empty where none is known.
    pub model_id: String,
    /// Description.
    pub description: String,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

impl Api {
    /// Creates a registered model.
    ///
    /// # Errors
    /// The call failed.
    pub fn create_model(
        &self,
        name: &str,
        description: Option<&str>,
        tags: &[(String, String)],
    ) -> Result<()> {
        let mut body = json!({"name": name, "tags": list(tags)});
        if let Some(description) = description {
            body["description"] = description.into();
        }
        self.tell(routes::CREATE_MODEL, &body)
    }

    /// A registered model or prompt.
    ///
    /// # Errors
    /// The call failed.
    pub fn model(&self, name: &str) -> Result<Option<TargetModel>> {
        let answer = self.find(routes::MODEL, &json!({"name": name}))?;
        Ok(answer.map(|answer| {
            let model = &answer["registered_model"];
            let aliases = model["aliases"].as_array().into_iter().flatten();
            TargetModel {
                name: text(model, "name"),
                description: text(model, "description"),
                tags: pairs(&model["tags"]),
                aliases: aliases
                    .map(|alias| (text(alias, "alias"), text(alias, "version")))
                    .collect(),
            }
        }))
    }

    /// Sets a tag of a registered model.
    ///
    /// # Errors
    /// The call failed.
    pub fn set_model_tag(&self, name: &str, key: &str, value: &str) -> Result<()> {
        let body = json!({"name": name, "key": key, "value": value});
        self.tell(routes::TAG_MODEL, &body)
    }

    /// Sets a registered model's description.
    ///
    /// # Errors
    /// The call failed.
    pub fn describe_model(&self, name: &str, description: &str) -> Result<()> {
        let body = json!({"name": name, "description": description});
        self.tell(routes::UPDATE_MODEL, &body)
    }

    /// Creates the next version of a registered model; its number.
    ///
    /// # Errors
    /// The call failed.
    pub fn create_version(&self, body: &Value) -> Result<u64> {
        let answer = self.ask(routes::CREATE_VERSION, body)?;
        Ok(version(&answer["model_version"])?.version)
    }

    /// A version that is not deleted.
    ///
    /// # Errors
    /// The call failed.
    pub fn version_of(&self, name: &str, number: u64) -> Result<Option<TargetVersion>> {
        let asked = json!({"name": name, "version": number.to_string()});
        let answer = self.find(routes::VERSION_OF_MODEL, &asked)?;
        answer.map(|answer| version(&answer["model_version"])).transpose()
    }

    /// Numbers of the versions of a model or prompt that are not deleted, with their tags.
    ///
    /// # Errors
    /// The call failed.
    pub fn versions(&self, name: &str, is_prompt: bool) -> Result<Vec<TargetVersion>> {
        let mut filter = format!("name = '{}'", name.replace('\'', "\\'"));
        if is_prompt {
            filter.push_str(&format!(" AND tags.`{PROMPT_TAG}` = 'true'"));
        }
        self.all(routes::SEARCH_VERSIONS, json!({"filter": filter}), version)
    }

    /// Sets a tag of a version.
    ///
    /// # Errors
    /// The call failed.
    pub fn set_version_tag(&self, name: &str, version: u64, key: &str, value: &str) -> Result<()> {
        let body = json!({"name": name, "version": version.to_string(), "key": key, "value": value});
        self.tell(routes::TAG_VERSION, &body)
    }

    /// Removes a tag from a version.
    ///
    /// # Errors
    /// The call failed.
    pub fn delete_version_tag(&self, name: &str, version: u64, key: &str) -> Result<()> {
        let body = json!({"name": name, "version": version.to_string(), "key": key});
        if_found(self.tell(routes::UNTAG_VERSION, &body)).map(drop)
    }

    /// Sets a version's description.
    ///
    /// # Errors
    /// The call failed.
    pub fn describe_version(&self, name: &str, version: u64, description: &str) -> Result<()> {
        let body = json!({"name": name, "version": version.to_string(), "description": description});
        self.tell(routes::UPDATE_VERSION, &body)
    }

    /// Sets a version's stage, leaving others in it where they are.
    ///
    /// # Errors
    /// The call failed.
    pub fn set_stage(&self, name: &str, version: u64, stage: &str) -> Result<()> {
        let body = json!({
            "name": name, "version": version.to_string(), "stage": stage, "archive_existing_versions": false,
        });
        self.tell(routes::SET_STAGE, &body)
    }

    /// Points an alias at a version.
    ///
    /// # Errors
    /// The call failed.
    pub fn set_alias(&self, name: &str, alias: &str, version: u64) -> Result<()> {
        let body = json!({"name": name, "alias": alias, "version": version.to_string()});
        self.tell(routes::SET_ALIAS, &body)
    }

    /// Deletes a version.
    ///
    /// # Errors
    /// The call failed.
    pub fn delete_version(&self, name: &str, version: u64) -> Result<()> {
        let body = json!({"name": name, "version": version.to_string()});
        if_found(self.tell(routes::DELETE_VERSION, &body)).map(drop)
    }
}

fn version(value: &Value) -> Result<TargetVersion> {
    let number = integer(&value["version"]).and_then(|number| u64::try_from(number).ok());
    let number = number.filter(|number| *number > 0);
    Ok(TargetVersion {
        version: number.ok_or_else(|| ClientError::no_page("version", &value["version"]))?,
        stage: text(value, "current_stage"),
        run_id: text(value, "run_id"),
        model_id: text(value, "model_id"),
        description: text(value, "description"),
        tags: pairs(&value["tags"]),
    })
}
