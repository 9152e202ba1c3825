//! Prompt versions, from `prompt.json`: a model version and its registered model, as in MLflow's REST API.
//!
//! The exporter leaves out aliases, the prompt's own tags, and the reserved tags of a version. What the file still tells
//! is put back under its name: that it is a prompt, its text, and that its text is a list of messages.

use super::fields::{Fields, WrongType};
use super::registry::number;
use crate::model::pyjson::PyJson;
use crate::model::registry::PROMPT_TAG;
use crate::model::{ModelVersion, RegisteredModel, Text};

const TEXT_TAG: &str = "mlflow.prompt.text";
const TYPE_TAG: &str = "_mlflow_prompt_type";

/// The lines of an exported prompt version.
pub(super) fn prompt(exported: &PyJson) -> (RegisteredModel, ModelVersion, Vec<WrongType>) {
    let mut fields = Fields::new(exported);
    let mut version = ModelVersion {
        name: fields.required_text("name"),
        version: number(&mut fields),
        creation_timestamp: fields.int("creation_timestamp"),
        last_updated_timestamp: fields.int("last_updated_timestamp"),
        user_id: fields.text("user_id"),
        description: fields
            .text("commit_message")
            .or_else(|| fields.text("description")),
        tags: fields.text_map("tags"),
        workspace: fields.text("workspace"),
        ..ModelVersion::default()
    };
    let mut put = |key: &str, value: String| version.tags.insert(key.to_owned(), Text::from(value));
    put(PROMPT_TAG, "true".to_owned());
    match fields.value("template") {
        Some(PyJson::Str(text)) => drop(put(TEXT_TAG, text.clone())),
        Some(messages @ PyJson::List(_)) => {
            put(TEXT_TAG, messages.to_dumps_text());
            put(TYPE_TAG, "chat".to_owned());
        }
        other => fields.note("template", "a string or a list", other.unwrap_or(&PyJson::Null)),
    }
    // Made from the template and from the name by MLflow's client.
    fields.ignore(&["variables", "uri"]);
    let wrong = fields.finish(&mut version.extra);
    let mut model = RegisteredModel {
        name: version.name.clone(),
        workspace: version.workspace.clone(),
        ..RegisteredModel::default()
    };
    model.tags.insert(PROMPT_TAG.to_owned(), Text::from("true"));
    (model, version, wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(template: &str) -> ModelVersion {
        let text = format!(
            r#"{{"name": "p", "version": 2, "template": {template}, "tags": {{"a": "1"}}, "commit_message": "why",
                "variables": ["x"], "uri": "prompts:/p/2", "description": null, "user_id": null}}"#
        );
        let (model, version, wrong) = prompt(&PyJson::parse(text.as_bytes()).expect("the text parses"));
        assert_eq!((model.name.as_str(), wrong), ("p", vec![]));
        assert!(version.extra.is_empty());
        version
    }

    #[test]
    fn a_prompt_of_text_is_a_version_with_its_text() {
        let version = converted(r#""Hello {{x}}""#);
        assert_eq!(version.tags[TEXT_TAG], Text::from("Hello {{x}}"));
        assert_eq!(version.tags.len(), 3);
        assert_eq!(
            (version.version, version.description.as_deref()),
            (2, Some("why"))
        );
    }

    #[test]
    fn a_prompt_of_messages_is_their_json_text() {
        let version = converted(r#"[{"role": "user", "content": "é"}]"#);
        let text = r#"[{"role": "user", "content": "\u00e9"}]"#;
        assert_eq!(version.tags[TEXT_TAG], Text::from(text));
        assert_eq!(version.tags[TYPE_TAG], Text::from("chat"));
    }
}
