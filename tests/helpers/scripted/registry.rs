//! The model registry of the scripted server.

use super::{Answer, not_found, reply};
use mlark::archive::{Archive, ArchiveWriter, Duplicates, ManifestHead, WriterOptions};
use mlark::internals::DELETED_STAGE;
use mlark::model::{ModelVersion, RegisteredModel};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

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
            "registered-models/search" => reply(json!({"registered_models": self.models})),
            "registered-models/create" => {
                self.models.push(body.clone());
                reply(json!({"registered_model": body}))
            }
            "registered-models/alias" => {
                let mut models = self.models.iter_mut();
                let found = models.find(|model| model["name"] == body["name"]);
                found.map_or_else(not_found, |model| {
                    let alias = json!({"alias": body["alias"], "version": body["version"]});
                    match model["aliases"].as_array_mut() {
                        Some(aliases) => aliases.push(alias),
                        None => model["aliases"] = json!([alias]),
                    }
                    reply(json!({}))
                })
            }
            "model-versions/create" => {
                if !self.has_source(body) {
                    let refusal = r#"{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"no such source"}"#;
                    return Some(Answer::new(404, refusal));
                }
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

impl Registry {
    /// Whether the version that another is made from is there.
    fn has_source(&self, body: &Value) -> bool {
        let source = body["source"].as_str().unwrap();
        let Some((name, number)) = source
            .strip_prefix("models:/")
            .and_then(|rest| rest.split_once('/'))
        else {
            return true;
        };
        let mut versions = self.versions.iter();
        versions.any(|version| version["name"] == name && version["version"] == number && is_shown(version))
    }

    /// Versions that are not deleted, as `name/number source`.
    pub(crate) fn shown(&self) -> Vec<String> {
        let text = |version: &Value, field: &str| version[field].as_str().unwrap().to_owned();
        let shown = self.versions.iter().filter(|version| is_shown(version));
        let mut shown: Vec<_> = shown
            .map(|version| {
                format!(
                    "{}/{} {}",
                    text(version, "name"),
                    text(version, "version"),
                    text(version, "source")
                )
            })
            .collect();
        shown.sort();
        shown
    }
}

/// An archive of registered models, given as `name/number source`; those without a source are deleted.
pub(crate) fn archive_of_models(directory: &Path, name: &str, versions: &[&str]) -> Archive {
    let out = directory.join(name);
    let mut writer = ArchiveWriter::create(&out, WriterOptions::default()).unwrap();
    let mut models: BTreeMap<&str, Vec<ModelVersion>> = BTreeMap::new();
    for version in versions {
        let (id, source) = version.split_once(' ').unwrap_or((version, ""));
        let (name, number) = id.split_once('/').unwrap();
        models.entry(name).or_default().push(ModelVersion {
            name: name.into(),
            version: number.parse().unwrap(),
            source: Some(source.into()),
            current_stage: source.is_empty().then(|| DELETED_STAGE.to_owned()),
            ..ModelVersion::default()
        });
    }
    for (name, versions) in models {
        let model = RegisteredModel {
            name: name.into(),
            aliases: [("first".to_owned(), 1)].into(),
            ..RegisteredModel::default()
        };
        writer.write(&model).unwrap();
        versions.iter().for_each(|version| writer.write(version).unwrap());
    }
    let head = ManifestHead {
        origin: "test".into(),
        ..ManifestHead::default()
    };
    writer.finish(head, Duplicates::Refuse).unwrap();
    Archive::open(&out).unwrap()
}

/// Whether a version is not deleted.
fn is_shown(version: &Value) -> bool {
    version["current_stage"] != DELETED_STAGE
}
