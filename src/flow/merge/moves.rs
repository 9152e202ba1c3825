//! What of one archive gets another id or name in the result, and how its lines say it.

use super::source::{Owner, some_text};
use super::{MergeError, Result};
use crate::archive::walk::Head;
use crate::archive::{Archive, contains};
use crate::format::line::canonical;
use crate::format::{Kind, order, strict_json};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};

/// A registered model: its workspace and its name.
pub(super) type ModelId = (Option<String>, String);

/// A registered model that gets another name, or whose versions get other numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ModelMove {
    /// Name in the result.
    pub(super) name: String,
    /// Numbers of versions that are others in the result.
    pub(super) versions: BTreeMap<u64, u64>,
}

impl ModelMove {
    pub(super) fn version(&self, version: u64) -> u64 {
        self.versions.get(&version).copied().unwrap_or(version)
    }
}

/// Ids and names of one archive that are others in the result.
#[derive(Debug, Default)]
pub(super) struct Moves {
    /// Ids of experiments.
    pub(super) experiments: HashMap<String, String>,
    /// Names of experiments, by their ids in the archive.
    pub(super) names: HashMap<String, String>,
    /// Registered models.
    pub(super) models: HashMap<ModelId, ModelMove>,
    /// Registered models by name alone, as references tell them; none where two workspaces differ.
    by_name: HashMap<String, Option<ModelMove>>,
    /// The workspace of objects that name none, where other archives name theirs.
    pub(super) workspace: Option<&'static str>,
}

/// What begins a reference to a version or an alias.
const REFERENCES: [&str; 2] = ["models:/", "prompts:/"];
/// Tags whose value is a JSON list of `name` and `version`.
const LISTS: [&str; 2] = ["mlflow.linkedPrompts", "mlflow.modelVersions"];

impl Moves {
    /// Makes references to models follow, all of which are known by now.
    pub(super) fn settle(&mut self, others: impl Iterator<Item = ModelId>) {
        for ((_, name), moved) in &self.models {
            let known = self
                .by_name
                .entry(name.clone())
                .or_insert_with(|| Some(moved.clone()));
            if known.as_ref() != Some(moved) {
                *known = None;
            }
        }
        for (_, name) in others {
            if let Some(known) = self.by_name.get_mut(&name) {
                *known = None;
            }
        }
    }

    /// Whether lines of a kind may say something else in the result.
    pub(super) fn changes_lines(&self, kind: Kind) -> bool {
        let of_models = !self.models.is_empty();
        let of_experiments = !self.experiments.is_empty();
        if self.gives_workspace(kind) {
            return true;
        }
        match kind {
            Kind::Experiments => of_experiments || !self.names.is_empty(),
            Kind::Datasets | Kind::Scorers | Kind::EvaluationDatasets => of_experiments,
            Kind::Runs | Kind::LoggedModels | Kind::Traces => of_experiments || of_models,
            Kind::RegisteredModels | Kind::ModelVersions | Kind::Artifacts => of_models,
            Kind::Workspaces | Kind::Metrics | Kind::ModelMetrics | Kind::Spans | Kind::DatasetRecords => {
                false
            }
        }
    }

    /// Whether objects of a kind are put into the workspace that all belong to which name none.
    fn gives_workspace(&self, kind: Kind) -> bool {
        self.workspace.is_some() && kind.has_field("workspace")
    }

    /// The id of an experiment in the result.
    pub(super) fn experiment<'m>(&'m self, id: &'m str) -> &'m str {
        self.experiments.get(id).map_or(id, String::as_str)
    }

    /// The id in the result of an object that lines belong to.
    pub(super) fn id(&self, kind: Kind, id: &str) -> String {
        let moved = (kind == Kind::ModelVersions).then(|| self.follow_version(id));
        moved.flatten().unwrap_or_else(|| id.to_owned())
    }

    /// The place of an object in the result, and its line there.
    pub(super) fn place(&self, archive: &Archive, kind: Kind, head: &Head, line: Vec<u8>) -> Result<Owner> {
        let old_id = head.id(kind);
        let named = || some_text(&head.workspace).or(self.workspace.map(str::to_owned));
        let workspace = kind.is_named_in_workspaces().then(named).flatten();
        let owner = |key, id, line| Owner {
            key,
            id,
            old_id: old_id.clone(),
            workspace: workspace.clone(),
            line: Some(line),
            of_lost: None,
            goes: false,
        };
        if !self.touches(kind, head, &line) {
            return Ok(owner(head.sort_key(kind), old_id.clone(), line));
        }
        let damaged = |error: serde_json::Error| {
            MergeError::from(archive.damaged(&format!("{kind} `{old_id}`"), &error.to_string()))
        };
        let mut value = strict_json::parse(&line).map_err(damaged)?;
        self.change(kind, &mut value);
        let line = canonical(&value);
        let head = Head::read(kind, &line).map_err(damaged)?;
        Ok(owner(head.sort_key(kind), head.id(kind), line))
    }

    /// Whether something in a line may be another in the result.
    fn touches(&self, kind: Kind, head: &Head, line: &[u8]) -> bool {
        let of_experiment = || {
            let id = head.experiment_id.as_str().unwrap_or_default();
            self.experiments.contains_key(id) || kind == Kind::Experiments && self.names.contains_key(id)
        };
        let refers = || {
            let texts = REFERENCES.iter().chain(&LISTS).chain(&["linked_prompts"]);
            let mut texts = texts.map(|text| text.as_bytes());
            !self.models.is_empty() && texts.any(|text| contains(line, text))
        };
        self.gives_workspace(kind)
            || self.changes_lines(kind)
                && match kind {
                    Kind::RegisteredModels | Kind::ModelVersions | Kind::EvaluationDatasets => true,
                    Kind::Runs | Kind::LoggedModels | Kind::Traces => of_experiment() || refers(),
                    _ => of_experiment(),
                }
    }

    fn change(&self, kind: Kind, value: &mut Value) {
        if let Some(workspace) = self.workspace.filter(|_| self.gives_workspace(kind)) {
            value["workspace"] = workspace.into();
        }
        match kind {
            Kind::Runs => {
                if let Some(info) = value.get_mut("info") {
                    self.change_experiment(info);
                }
                self.follow_all(value, "tags");
            }
            Kind::EvaluationDatasets => {
                if let Some(ids) = value.get_mut("experiment_ids") {
                    self.change_list(ids);
                }
            }
            Kind::RegisteredModels => self.change_model(value),
            Kind::ModelVersions => self.change_version(value),
            Kind::Traces => {
                self.change_experiment(value);
                self.change_links(value);
            }
            Kind::LoggedModels => {
                self.change_experiment(value);
                self.follow_all(value, "tags");
            }
            Kind::Experiments => {
                let name = value["experiment_id"].as_str().and_then(|id| self.names.get(id));
                if let Some(name) = name {
                    value["name"] = name.as_str().into();
                }
                self.change_experiment(value);
            }
            _ => self.change_experiment(value),
        }
    }

    fn change_experiment(&self, value: &mut Value) {
        let new = value["experiment_id"]
            .as_str()
            .and_then(|id| self.experiments.get(id));
        if let Some(new) = new {
            value["experiment_id"] = new.as_str().into();
        }
    }

    fn change_list(&self, ids: &mut Value) {
        let Some(list) = ids.as_array() else { return };
        let texts = list.iter().filter_map(Value::as_str);
        let mut new: Vec<&str> = texts.map(|id| self.experiment(id)).collect();
        new.sort_by_cached_key(|id| order::experiment(id));
        new.dedup();
        *ids = json!(new);
    }

    fn moved(&self, value: &Value) -> Option<&ModelMove> {
        let workspace = value["workspace"].as_str().map(str::to_owned);
        let name = value["name"].as_str()?.to_owned();
        self.models.get(&(workspace, name))
    }

    fn change_model(&self, value: &mut Value) {
        let Some(moved) = self.moved(value) else { return };
        value["name"] = moved.name.as_str().into();
        let aliases = value.get_mut("aliases").and_then(Value::as_object_mut);
        for version in aliases.into_iter().flat_map(Map::values_mut) {
            if let Some(number) = version.as_u64() {
                *version = moved.version(number).into();
            }
        }
    }

    fn change_version(&self, value: &mut Value) {
        for field in ["source", "storage_location"] {
            let new = value
                .get(field)
                .and_then(Value::as_str)
                .and_then(|text| self.follow(text));
            if let Some(new) = new {
                value[field] = new.into();
            }
        }
        if let Some(moved) = self.moved(value) {
            value["name"] = moved.name.as_str().into();
            if let Some(number) = value["version"].as_u64() {
                value["version"] = moved.version(number).into();
            }
        }
        self.follow_all(value, "tags");
    }

    fn change_links(&self, value: &mut Value) {
        self.follow_all(value, "tags");
        self.follow_all(value, "trace_metadata");
        let Some(links) = value.get_mut("linked_prompts").and_then(Value::as_array_mut) else {
            return;
        };
        for link in links.iter_mut() {
            let new = link.as_str().and_then(|link| self.follow_version(link));
            if let Some(new) = new {
                *link = new.into();
            }
        }
        links.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
    }

    /// Texts that are references to models, in a map of texts.
    fn follow_all(&self, value: &mut Value, field: &str) {
        let texts = value.get_mut(field).and_then(Value::as_object_mut);
        for (key, text) in texts.into_iter().flatten() {
            let Some(old) = text.as_str() else { continue };
            let new = if LISTS.contains(&key.as_str()) {
                self.follow_list(old)
            } else {
                self.follow(old)
            };
            if let Some(new) = new {
                *text = new.into();
            }
        }
    }

    /// A reference such as `models:/name/3` or `prompts:/name@best` in the result, where it is another there.
    fn follow(&self, text: &str) -> Option<String> {
        let start = REFERENCES.iter().find(|start| text.starts_with(**start))?;
        let rest = &text[start.len()..];
        if let Some((name, alias)) = rest.rsplit_once('@') {
            let moved = self.by_name.get(name)?.as_ref()?;
            return Some(format!("{start}{}@{alias}", moved.name)).filter(|new| new != text);
        }
        let (name, _) = rest.rsplit_once('/')?;
        let moved = || self.by_name.get(name)?.as_ref();
        // What is no number is a stage.
        let new = self
            .follow_version(rest)
            .or_else(|| Some(format!("{}{}", moved()?.name, &rest[name.len()..])))?;
        Some(format!("{start}{new}")).filter(|new| new != text)
    }

    /// A version, written `name/3`, in the result.
    fn follow_version(&self, text: &str) -> Option<String> {
        let (name, version) = text.rsplit_once('/')?;
        let moved = self.by_name.get(name)?.as_ref()?;
        Some(format!("{}/{}", moved.name, moved.version(version.parse().ok()?)))
    }

    fn follow_list(&self, text: &str) -> Option<String> {
        let mut list: Vec<BTreeMap<String, String>> = serde_json::from_str(text).ok()?;
        let before = list.clone();
        for item in &mut list {
            let version = format!("{}/{}", item.get("name")?, item.get("version")?);
            if let Some(new) = self.follow_version(&version) {
                let (name, version) = new.rsplit_once('/')?;
                item.insert("name".to_owned(), name.to_owned());
                item.insert("version".to_owned(), version.to_owned());
            }
        }
        (list != before).then(|| spaced(&list))
    }

    /// A line that belongs to an object, in the result, of which the ids in the archive and in the result are given.
    pub(super) fn rewrite_child(
        &self,
        archive: &Archive,
        kind: Kind,
        line: Vec<u8>,
        (old_id, id): (&str, &str),
    ) -> Result<Vec<u8>> {
        if kind != Kind::Artifacts || id == old_id {
            return Ok(line);
        }
        let mut value = strict_json::parse(&line).map_err(|error| {
            let place = format!("artifacts of `{old_id}`");
            archive.damaged(&place, &error.to_string())
        })?;
        value["owner_id"] = id.into();
        Ok(canonical(&value))
    }
}

/// A list of maps of texts as Python's `json.dumps` writes it.
fn spaced(list: &[BTreeMap<String, String>]) -> String {
    let quoted = |text: &String| Value::from(text.as_str()).to_string();
    let item = |item: &BTreeMap<String, String>| {
        let fields: Vec<_> = item
            .iter()
            .map(|(key, text)| format!("{}: {}", quoted(key), quoted(text)))
            .collect();
        format!("{{{}}}", fields.join(", "))
    };
    let items: Vec<_> = list.iter().map(item).collect();
    format!("[{}]", items.join(", "))
}
