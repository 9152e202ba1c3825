//! Registered models and their versions, from `model.json` and `version.json`.

use super::fields::{Fields, WrongType};
use crate::lang::exim::tags::canonical::{VersionContext, version_dict};
use crate::lang::exim::tags::rules::version_overlay;
use crate::model::field::FieldTable as _;
use crate::model::pyjson::PyJson;
use crate::model::{ModelVersion, RegisteredModel};
use std::collections::BTreeMap;

/// The line of an exported registered model; its versions are left to [`versions`].
pub(super) fn registered_model(exported: &PyJson) -> (RegisteredModel, Vec<WrongType>) {
    let mut fields = Fields::new(exported);
    let mut aliases = BTreeMap::new();
    for exported in fields.dicts("aliases") {
        let mut alias = Fields::new(exported);
        let version = number(&mut alias);
        aliases.insert(alias.required_text("alias"), version);
        fields.absorb("aliases", alias);
    }
    aliases.retain(|alias, version| !alias.is_empty() && *version > 0);
    for version in versions(exported) {
        aliases.extend(own_aliases(version));
    }
    let mut model = RegisteredModel {
        aliases,
        ..RegisteredModel::pick(&mut fields)
    };
    // They are apart.
    fields.list("versions");
    fields.list("latest_versions");
    let wrong = fields.finish(&mut model.extra);
    (model, wrong)
}

/// The exported versions of a registered model; exports of format 1 have the latest ones only.
pub(super) fn versions(exported: &PyJson) -> &[PyJson] {
    let versions = exported
        .get("versions")
        .or_else(|| exported.get("latest_versions"));
    versions.and_then(PyJson::as_list).unwrap_or_default()
}

/// The aliases that a version says it has, for exports whose model does not say.
pub(super) fn own_aliases(version: &PyJson) -> Vec<(String, u64)> {
    let mut fields = Fields::new(version);
    let number = fields.number("version");
    let aliases = fields.texts("aliases").into_iter();
    number
        .map(|number| aliases.map(|alias| (alias, number)).collect())
        .unwrap_or_default()
}

/// The line of an exported model version. `context` is what the archive's other lines say of it.
pub(super) fn model_version(exported: &PyJson, context: &VersionContext) -> (ModelVersion, Vec<WrongType>) {
    let mut fields = Fields::new(exported);
    let mut version = ModelVersion {
        version: number(&mut fields),
        storage_location: fields.text("storage_location"),
        ..ModelVersion::pick(&mut fields)
    };
    // They stand with the model.
    fields.texts("aliases");
    if exported.get("deployment_job_state").and_then(PyJson::as_str) == Some("None") {
        fields.ignore(&["deployment_job_state"]);
    }
    let wrong = fields.finish(&mut version.extra);
    let as_exported = version_overlay(exported);
    if !as_exported.has_tags_of(&version_overlay(&version_dict(&version, context))) {
        version.exim = Some(exported.to_json_text());
    }
    (version, wrong)
}

/// The version's number, from 1; anything else is wrong and reads as 0.
pub(super) fn number(fields: &mut Fields<'_>) -> u64 {
    let value = fields.value("version").unwrap_or(&PyJson::Null);
    let number = fields.number("version");
    match number {
        Some(number) if number > 0 => number,
        _ => fields
            .wrong("version", "a number from 1", value)
            .unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION: &str = r#"{"name": "m", "version": "2", "creation_timestamp": 1500, "last_updated_timestamp": 1500,
        "description": null, "user_id": "", "current_stage": "None", "source": "models:/m-1", "run_id": "r",
        "run_link": "", "status": "READY", "status_message": null, "tags": {"k": "v"}, "aliases": ["a", "b"],
        "model_id": null, "params": null, "metrics": null, "deployment_job_state": "None", "workspace": "default",
        "_run_artifact_uri": "s3://b/r/artifacts", "_experiment_name": "e",
        "_last_updated_timestamp": "1970-01-01 00:00:02", "_creation_timestamp": "1970-01-01 00:00:02"}"#;

    fn context() -> VersionContext {
        VersionContext {
            aliases: vec!["a".to_owned(), "b".to_owned()],
            run_artifact_uri: Some("s3://b/r/artifacts".to_owned()),
            experiment_name: Some("e".to_owned()),
        }
    }

    fn parse(text: &str) -> PyJson {
        PyJson::parse(text.as_bytes()).expect("the text parses")
    }

    #[test]
    fn a_version_of_mlflow_3_18_needs_no_dict() {
        let (version, wrong) = model_version(&parse(VERSION), &context());
        assert_eq!((version.version, version.exim, wrong), (2, None, vec![]));
        assert_eq!(version.extra, BTreeMap::new());
    }

    #[test]
    fn a_version_keeps_its_dict_where_other_lines_do_not_tell_the_same() {
        let alone = VersionContext {
            run_artifact_uri: None,
            ..context()
        };
        let (version, _) = model_version(&parse(VERSION), &alone);
        assert_eq!(version.exim, Some(parse(VERSION).to_json_text()));
        let exported = VERSION.replace(
            r#""_run_artifact_uri""#,
            r#""_download_uri": "u", "_run_artifact_uri""#,
        );
        assert!(model_version(&parse(&exported), &context()).0.exim.is_some());
    }

    #[test]
    fn a_model_has_the_aliases_of_its_own_list_and_of_its_versions() {
        let text = format!(
            r#"{{"name": "m", "aliases": [{{"alias": "c", "version": "1"}}], "versions": [{VERSION}]}}"#
        );
        let (model, wrong) = registered_model(&parse(&text));
        let aliases = [("a", 2), ("b", 2), ("c", 1)].map(|(alias, version)| (alias.to_owned(), version));
        assert_eq!((model.aliases, wrong), (BTreeMap::from(aliases), vec![]));
    }

    #[test]
    fn a_version_without_a_number_is_wrong() {
        let (_, wrong) = model_version(
            &parse(r#"{"name": "m", "version": "x"}"#),
            &VersionContext::default(),
        );
        assert_eq!(wrong.len(), 2);
    }
}
