//! Prompts: one file a version, which leaves out what the exporter leaves out.

use super::dump::{count, dict};
use super::{Converter, Result};
use crate::archive::walk::JoinedObjects;
use crate::format::{Kind, Reason};
use crate::lang::exim::dict::Dict;
use crate::lang::exim::tags::canonical::tags_dict;
use crate::model::pyjson::PyJson;
use crate::model::registry::{DELETED_STAGE, PROMPT_TAG};
use crate::model::{ModelVersion, RegisteredModel, Text, TextMap};
use std::collections::BTreeSet;

const KIND: Kind = Kind::RegisteredModels;
const VERSIONS: Kind = Kind::ModelVersions;
const TEXT_TAG: &str = "mlflow.prompt.text";
const TYPE_TAG: &str = "_mlflow_prompt_type";
/// Tags that MLflow's client does not show as such (`_is_reserved_tag` in MLflow 3.18).
const RESERVED_TAGS: [&str; 6] = [
    PROMPT_TAG,
    TEXT_TAG,
    TYPE_TAG,
    "_mlflow_prompt_response_format",
    "_mlflow_prompt_model_config",
    "mlflow.prompt.associatedRunIds",
];

impl Converter<'_> {
    /// Writes the versions of a prompt; how many.
    pub(super) fn prompt(
        &mut self,
        prompt: &RegisteredModel,
        versions: &mut JoinedObjects<'_, ModelVersion>,
    ) -> Result<u64> {
        let mut written = 0;
        while let Some(version) = versions
            .next_if(|version| version.name == prompt.name && version.workspace == prompt.workspace)?
        {
            written += u64::from(self.prompt_version(&version)?);
        }
        match written {
            0 => self.limit(KIND, "*", Reason::NotHeld, 1),
            _ => self.prompt_model_not_held(prompt),
        }
        Ok(written)
    }

    /// Counts what no file of a prompt's versions says of the prompt.
    fn prompt_model_not_held(&mut self, prompt: &RegisteredModel) {
        self.wrote(KIND);
        let has_tags = prompt.tags.keys().any(|key| key != PROMPT_TAG);
        self.limit(KIND, "tags", Reason::PromptTagsNotExported, u64::from(has_tags));
        let has_aliases = !prompt.aliases.is_empty();
        self.limit(
            KIND,
            "aliases",
            Reason::PromptAliasesNotExported,
            u64::from(has_aliases),
        );
        self.not_held(
            KIND,
            [
                ("creation_timestamp", prompt.creation_timestamp.is_some()),
                ("last_updated_timestamp", prompt.last_updated_timestamp.is_some()),
                ("description", prompt.description.is_some()),
            ],
        );
        self.extra_not_held(KIND, "", &prompt.extra);
    }

    fn prompt_version(&mut self, version: &ModelVersion) -> Result<bool> {
        if version.current_stage.as_deref() == Some(DELETED_STAGE) {
            self.limit(VERSIONS, "*", Reason::DeletedNotHeld, 1);
            return Ok(false);
        }
        let id = format!("{}/{}", version.name, version.version);
        let name = format!("{}_v{}", version.name, version.version);
        let parent = self.root.join("prompts");
        let Some(folder) = self.folder(&parent, &name, VERSIONS, &id)? else {
            self.limit(VERSIONS, "*", Reason::NotHeld, 1);
            return Ok(false);
        };
        if folder.exists() {
            self.limit(VERSIONS, "*", Reason::NameInTwoWorkspaces, 1);
            return Ok(false);
        }
        self.prompt_version_not_held(version);
        let template = self.template(version);
        let body = dict([("prompt", prompt_dict(version, template))]);
        self.document(&folder.join("prompt.json"), "export_prompt.py", None, &body)?;
        self.wrote(VERSIONS);
        Ok(true)
    }

    fn prompt_version_not_held(&mut self, version: &ModelVersion) {
        self.count_not_utf8(VERSIONS, "tags", &version.tags);
        let type_of_list = |key: &str| key == TYPE_TAG && is_chat(&version.tags);
        let lost = version.tags.keys().filter(|key| {
            RESERVED_TAGS.contains(&key.as_str())
                && ![PROMPT_TAG, TEXT_TAG].contains(&key.as_str())
                && !type_of_list(key)
        });
        let lost = lost.count() as u64;
        self.limit(VERSIONS, "tags", Reason::ReservedPromptTagsNotExported, lost);
        self.not_held(
            VERSIONS,
            [
                ("current_stage", version.current_stage.is_some()),
                ("run_id", version.run_id.is_some()),
                ("run_link", version.run_link.is_some()),
                ("status_message", version.status_message.is_some()),
                ("storage_location", version.storage_location.is_some()),
                ("model_id", version.model_id.is_some()),
                ("source", version.source.is_some()),
                ("status", version.status.is_some()),
            ],
        );
    }

    /// The template: a text, or the messages of a chat.
    fn template(&mut self, version: &ModelVersion) -> PyJson {
        let text = version.tags.get(TEXT_TAG).map(Text::to_display);
        let text = text.unwrap_or_default().into_owned();
        let messages = is_chat(&version.tags).then(|| PyJson::parse(text.as_bytes()).ok());
        match messages.flatten().filter(|messages| messages.as_list().is_some()) {
            None => PyJson::from(text),
            Some(messages) => {
                let is_other_text = messages.to_dumps_text() != text;
                self.limit(
                    VERSIONS,
                    "tags",
                    Reason::PromptTextReformatted,
                    u64::from(is_other_text),
                );
                messages
            }
        }
    }

    /// Writes how many prompts there are.
    pub(super) fn prompt_list(&mut self, written: u64) -> Result<()> {
        if written == 0 {
            return Ok(());
        }
        let body = dict([
            ("total_prompts", count(written)),
            ("successful_exports", count(written)),
            ("failed_exports", count(0)),
        ]);
        let path = self.root.join("prompts/prompts_summary.json");
        self.document(&path, "export_prompts.py", None, &body)
    }
}

fn is_chat(tags: &TextMap) -> bool {
    tags.get(TYPE_TAG).and_then(|text| text.as_str()) == Some("chat")
}

fn prompt_dict(version: &ModelVersion, template: PyJson) -> PyJson {
    let mut tags = version.tags.clone();
    tags.retain(|key, _| !RESERVED_TAGS.contains(&key.as_str()));
    let variables = variables(&template);
    let mut dict = Dict::default();
    dict.put("name", version.name.as_str());
    dict.put("version", count(version.version));
    dict.put("template", template);
    dict.put("tags", tags_dict(&tags));
    dict.put("creation_timestamp", version.creation_timestamp);
    dict.put("last_updated_timestamp", version.last_updated_timestamp);
    dict.put("user_id", version.user_id.as_deref());
    dict.put("description", PyJson::Null);
    dict.put("commit_message", version.description.as_deref());
    dict.put("variables", variables);
    dict.put("uri", format!("prompts:/{}/{}", version.name, version.version));
    dict.put_some("workspace", version.workspace.as_deref());
    dict.put_extra(&version.extra);
    dict.finish()
}

/// The names in double braces, sorted, as MLflow's client finds them in a text or in the messages of a chat.
fn variables(template: &PyJson) -> PyJson {
    let mut names = BTreeSet::new();
    match template {
        PyJson::Str(text) => names.extend(names_in(text)),
        PyJson::List(messages) => {
            let contents = messages
                .iter()
                .filter_map(|message| message.get("content")?.as_str());
            names.extend(contents.flat_map(names_in));
        }
        _ => {}
    }
    PyJson::List(names.into_iter().map(PyJson::from).collect())
}

fn names_in(text: &str) -> impl Iterator<Item = &str> {
    let inner = text.split("{{").skip(1);
    let name = |rest: &'_ str| -> Option<usize> { rest.find("}}") };
    inner
        .filter_map(move |rest| Some(rest[..name(rest)?].trim()))
        .filter(|name| name.split('.').all(is_identifier))
}

fn is_identifier(part: &str) -> bool {
    let mut characters = part.chars();
    characters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|character| character.is_ascii_alphanumeric() || character == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_names_in_double_braces() {
        let text = PyJson::from("{{ b }} {{a.x}} {{b}} {{1}} {{ }} {c} {{d");
        assert_eq!(variables(&text).to_json_text(), r#"["a.x","b"]"#);
        let chat = PyJson::parse(br#"[{"role": "user", "content": "{{q}}"}, {"role": "x"}]"#).unwrap();
        assert_eq!(variables(&chat).to_json_text(), r#"["q"]"#);
    }
}
