//! Registered models and prompts under other names: their versions, the files of these, and whatever refers to them by name.

use super::names::{NewNames, Rename};
use crate::archive::walk::text;
use crate::flow::transform::error::Result;
use crate::flow::transform::step::{EditedLine, Fate, Step};
use crate::flow::transform::view::View;
use crate::format::Kind;
use serde_json::Value;
use std::collections::BTreeSet;

/// Tags that list prompts as a text of JSON, `[{"name": …, "version": …}]`.
const LINKED_PROMPTS: &str = "mlflow.linkedPrompts";
/// What a URI begins with that names a model or a prompt.
const SCHEMES: [&str; 2] = ["models:/", "prompts:/"];

struct RenameModels(NewNames);

/// Works out the new names; names are unique within a workspace.
pub(in super::super) fn models(rename: &Rename, view: &View<'_>) -> Result<Box<dyn Step>> {
    let mut there = BTreeSet::new();
    for kind in [Kind::RegisteredModels, Kind::ModelVersions] {
        view.for_each_head(kind, |head| {
            let workspace = head.workspace.as_str().map(str::to_owned);
            there.insert((workspace, text(&head.name).to_owned()));
            Ok(())
        })?;
    }
    let names = NewNames::plan(rename, super::MODEL, "--rename-model", &there)?;
    Ok(Box::new(RenameModels(names)))
}

impl RenameModels {
    /// `name/version` under the new name.
    fn versioned(&self, id: &str) -> Option<String> {
        let (name, version) = id.rsplit_once('/')?;
        Some(format!("{}/{version}", self.0.of(name)?))
    }

    /// A text with the URIs in it that name a renamed model: the whole text, or within quotes.
    fn uris(&self, text: &str) -> Option<String> {
        let mut new = String::new();
        let mut rest = text;
        let mut is_changed = false;
        while let Some((at, scheme)) = next_scheme(rest) {
            let name_at = at + scheme.len();
            new.push_str(&rest[..name_at]);
            rest = &rest[name_at..];
            // A name ends before a version, a stage, an alias, or the text.
            let end = rest
                .find(['/', '@', '"', '\'', '\\', ' ', '\n', ','])
                .unwrap_or(rest.len());
            if let Some(name) = self.0.of(&rest[..end]) {
                new.push_str(name);
                rest = &rest[end..];
                is_changed = true;
            }
        }
        new.push_str(rest);
        is_changed.then_some(new)
    }

    fn prompts(&self, list: &str) -> Option<String> {
        let prompts: Value = serde_json::from_str(list).ok()?;
        let mut new = list.to_owned();
        for name in prompts
            .as_array()?
            .iter()
            .filter_map(|prompt| prompt["name"].as_str())
        {
            if let Some(renamed) = self.0.of(name) {
                let [old, renamed] = [name, renamed].map(|name| Value::from(name).to_string());
                for space in ["", " "] {
                    new = new.replace(
                        &format!("\"name\":{space}{old}"),
                        &format!("\"name\":{space}{renamed}"),
                    );
                }
            }
        }
        (new != list).then_some(new)
    }

    /// What a tag's value becomes.
    fn tag(&self, key: &str, value: &str) -> Option<String> {
        // Source tags say where an object came from, and what it was called there.
        if key.starts_with("mlflow_exim.") {
            return None;
        }
        if key == LINKED_PROMPTS {
            self.prompts(value)
        } else {
            self.uris(value)
        }
    }

    fn tags(&self, line: &mut EditedLine) {
        let tags = line.tags().into_iter().flatten();
        let new: Vec<_> = tags
            .filter_map(|(key, value)| Some((key.clone(), self.tag(key, value.as_str()?)?)))
            .collect();
        new.into_iter()
            .for_each(|(key, value)| line.set_tag(&key, value.into()));
    }

    fn field(&self, line: &mut EditedLine, field: &str, new: impl FnOnce(&str) -> Option<String>) {
        let new = line.value().get(field).and_then(Value::as_str).and_then(new);
        if let Some(new) = new {
            line.put(field, &new);
        }
    }

    fn linked_prompts(&self, line: &mut EditedLine) {
        line.rewrite(|line| {
            let Some(prompts) = line.get_mut("linked_prompts").and_then(Value::as_array_mut) else {
                return false;
            };
            let mut is_changed = false;
            for prompt in prompts.iter_mut() {
                if let Some(new) = prompt.as_str().and_then(|id| self.versioned(id)) {
                    *prompt = new.into();
                    is_changed = true;
                }
            }
            if is_changed {
                prompts.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
            }
            is_changed
        });
    }
}

/// The place of the next URI, and what it begins with.
fn next_scheme(text: &str) -> Option<(usize, &'static str)> {
    let found = SCHEMES
        .iter()
        .filter_map(|scheme| Some((text.find(scheme)?, *scheme)));
    found.min()
}

impl Step for RenameModels {
    fn looks_at(&self, kind: Kind) -> bool {
        kind.has_tags() || matches!(kind, Kind::Datasets | Kind::Artifacts)
    }

    fn moves(&self, kind: Kind) -> bool {
        !self.0.is_empty() && kind.is_named_in_workspaces()
    }

    fn apply(&self, line: &mut EditedLine) -> Result<Fate> {
        let kind = line.kind();
        if self.0.is_empty() {
            return Ok(Fate::Kept);
        }
        match kind {
            Kind::Artifacts if line.text("owner_kind") == "model_version" => {
                self.field(line, "owner_id", |id| self.versioned(id));
            }
            Kind::Artifacts => {}
            Kind::RegisteredModels | Kind::ModelVersions => {
                self.field(line, "name", |name| self.0.of(name).map(str::to_owned));
                self.field(line, "source", |uri| self.uris(uri));
                self.tags(line);
            }
            Kind::Datasets => self.field(line, "source", |source| self.uris(source)),
            _ => {
                self.tags(line);
                self.linked_prompts(line);
            }
        }
        Ok(Fate::Kept)
    }

    fn finish(&self) -> Result<Vec<String>> {
        Ok(self.0.silent.clone())
    }
}
