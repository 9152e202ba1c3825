//! The model registry of the scripted server.

use super::{Answer, not_found, reply};
use mlark::model::registry::DELETED_STAGE;
use serde_json::{Value, json};

/// Registered models and their versions.
#[derive(Default)]
pub(crate) struct Registry {
    pub(crate) models: Vec<Value>,
    pub(crate) versions: Vec<Value>,
}

impl Registry {
    /// The answer to a request about the registry, where it is one; `query` gives what the address says.
    pub(super) fn answer(
        &mut self,
        route: &str,
        body: &Value,
        query: &dyn Fn(&str) -> String,
    ) -> Option<Answer> {
        let answer = match route {
            "registered-models/get" => {
                let found = self.models.iter().find(|model| model["name"] == query("name"));
                found.map_or_else(not_found, |model| reply(json!({"registered_model": model})))
            }
            "registered-models/create" => {
                self.models.push(body.clone());
                reply(json!({"registered_model": body}))
            }
            "model-versions/create" => {
                let same = self
                    .versions
                    .iter()
                    .filter(|version| version["name"] == body["name"]);
                let mut version = body.clone();
                version["version"] = (same.count() + 1).to_string().into();
                self.versions.push(version.clone());
                reply(json!({"model_version": version}))
            }
            "model-versions/get" => {
                let mut versions = self.versions.iter();
                let found = versions.find(|version| {
                    version["name"] == query("name")
                        && version["version"] == query("version")
                        && is_shown(version)
                });
                found.map_or_else(not_found, |version| reply(json!({"model_version": version})))
            }
            "model-versions/search" => {
                let shown: Vec<_> = self.versions.iter().filter(|version| is_shown(version)).collect();
                reply(json!({"model_versions": shown}))
            }
            "model-versions/delete-tag" => {
                let mut versions = self.versions.iter_mut();
                let found = versions
                    .find(|version| version["name"] == body["name"] && version["version"] == body["version"]);
                let tags = found.and_then(|version| version["tags"].as_array_mut());
                tags.map_or_else(not_found, |tags| {
                    tags.retain(|tag| tag["key"] != body["key"]);
                    reply(json!({}))
                })
            }
            "model-versions/delete" => {
                let mut versions = self.versions.iter_mut();
                let found = versions
                    .find(|version| version["name"] == body["name"] && version["version"] == body["version"]);
                found.map_or_else(not_found, |version| {
                    version["current_stage"] = DELETED_STAGE.into();
                    reply(json!({}))
                })
            }
            _ => return None,
        };
        Some(answer)
    }
}

/// Whether a version is not deleted.
fn is_shown(version: &Value) -> bool {
    version["current_stage"] != DELETED_STAGE
}
