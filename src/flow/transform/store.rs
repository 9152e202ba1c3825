//! Objects as a store of MLflow's has them: what `mlark restore` changes on their way there.

use super::error::{Result, TransformError};
use super::step::{EditedLine, Fate, Step};
use super::typed::typed;
use super::view::View;
use crate::format::Kind;
use crate::format::line::{canonical, to_value};
use crate::lang::sql::write::{
    ARCHIVE_LOCATION, CREATED, IntoStore, KnownExperiment, PROMPT_EXPERIMENTS, REQUEST_TIME, Rules,
    StorePlace, TRACE_LOCATION, WriteError, has_files,
};
use crate::model::{ArtifactList, Experiment, ModelVersion, OwnerKind, Text};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashSet};

pub(super) const EDIT: &str = "into-store";

struct Into {
    archive: crate::archive::Archive,
    rules: Rules,
    workspaces: BTreeSet<String>,
    /// Versions that have files of their own, by the owner's id.
    with_files: HashSet<String>,
}

impl From<WriteError> for TransformError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Archive(error) => error.into(),
            error => refused(error.to_string()),
        }
    }
}

fn refused(reason: String) -> TransformError {
    TransformError::because(EDIT, reason)
}

/// What a line of a run says of its place.
#[derive(Deserialize)]
struct RunLine {
    info: Root,
}

/// What a run or a logged model says of its place.
#[derive(Deserialize)]
struct Root {
    #[serde(alias = "run_id", alias = "model_id")]
    id: String,
    experiment_id: String,
    #[serde(default)]
    artifact_uri: Option<Value>,
}

#[derive(Deserialize)]
struct Owner {
    owner_kind: OwnerKind,
}

/// Works out what a store has in place of what an archive says.
pub(super) fn into_store(into: &IntoStore, view: &View<'_>) -> Result<Box<dyn Step>> {
    let mut rules = Rules::new(into.options().map_err(refused)?);
    let archive = view.archive();
    let mut experiments = Vec::new();
    view.for_each_placed(Kind::Experiments, |_, mut line| {
        // They can be long, and say nothing of it.
        line["tags"] = Value::Object(Map::new());
        experiments.push(typed::<Experiment>(archive, &line)?);
        Ok(())
    })?;
    rules.learn_experiments::<TransformError>(experiments.into_iter().map(Ok))?;
    view.for_each_placed(Kind::ModelVersions, |_, line| {
        rules.learn_version(&typed::<ModelVersion>(archive, &line)?);
        Ok(())
    })?;
    view.for_each_placed_text(Kind::Runs, |_, line| {
        let run: RunLine = view.read(Kind::Runs, serde_json::from_slice(line))?;
        learn_root(&mut rules, &run.info, |home| home.run(&run.info.id));
        Ok(())
    })?;
    view.for_each_placed_text(Kind::LoggedModels, |_, line| {
        let model: Root = view.read(Kind::LoggedModels, serde_json::from_slice(line))?;
        learn_root(&mut rules, &model, |home| home.logged_model(&model.id));
        Ok(())
    })?;
    let mut step = Into {
        archive: archive.clone(),
        rules,
        workspaces: BTreeSet::new(),
        with_files: HashSet::new(),
    };
    view.for_each_head(Kind::Workspaces, |head| {
        step.workspaces.extend(head.name.as_str().map(str::to_owned));
        Ok(())
    })?;
    view.for_each_placed_text(Kind::Artifacts, |_, line| {
        let owner: Owner = view.read(Kind::Artifacts, serde_json::from_slice(line))?;
        if owner.owner_kind == OwnerKind::ModelVersion {
            let list: ArtifactList = view.read(Kind::Artifacts, serde_json::from_slice(line))?;
            if has_files(&list) {
                step.with_files.insert(list.owner_id);
            }
        }
        Ok(())
    })?;
    Ok(Box::new(step))
}

fn learn_root(rules: &mut Rules, root: &Root, place: impl FnOnce(StorePlace) -> StorePlace) {
    if let Some(known) = rules.experiment(&root.experiment_id) {
        let place = place(known.place());
        let stated = root.artifact_uri.as_ref().and_then(Value::as_str);
        let (uri, _) = rules.place(&place, stated);
        rules.learn_root(&root.id, stated, &uri);
    }
}

/// Sets a field, or removes it; whether it was another.
fn put(object: &mut Map<String, Value>, field: &str, new: Option<Value>) -> bool {
    match new {
        Some(new) => object.insert(field.to_owned(), new.clone()) != Some(new),
        None => object.remove(field).is_some(),
    }
}

fn text<'o>(object: &'o Map<String, Value>, field: &str) -> Option<&'o str> {
    object.get(field).and_then(Value::as_str)
}

impl Into {
    /// The experiment of an object, where it is known.
    fn home(&self, object: &Map<String, Value>) -> Option<&KnownExperiment> {
        text(object, "experiment_id").and_then(|id| self.rules.experiment(id))
    }

    /// Puts an object into its workspace.
    fn workspace(&self, object: &mut Map<String, Value>) -> bool {
        let new = self.rules.workspace(text(object, "workspace")).map(Value::from);
        put(object, "workspace", new)
    }

    /// Gives an object the id of its experiment; whether that is another, or none where it has none.
    fn experiment_id(&self, object: &mut Map<String, Value>) -> bool {
        let known = self.home(object);
        let id = known.map(|known| known.id.to_string());
        id.is_some_and(|id| put(object, "experiment_id", Some(id.into())))
    }

    fn object(&self, kind: Kind, object: &mut Map<String, Value>) -> bool {
        match kind {
            Kind::Workspaces => {
                ["default_artifact_root", "trace_archival_location"]
                    .iter()
                    .fold(false, |is_new, field| {
                        let (root, _) = self.rules.root_of_workspace(text(object, field));
                        // Other than a text it is nothing that a store knows, and a loss.
                        let (root, is_text) = (
                            root.map(Value::from),
                            object.get(*field).is_some_and(Value::is_string),
                        );
                        (is_text && put(object, field, root)) | is_new
                    })
            }
            Kind::Experiments => self.experiment(object),
            Kind::Runs => self.rooted(object, "run_id", false),
            Kind::LoggedModels => {
                let is_new = self.time(object, CREATED);
                self.rooted(object, "model_id", true) | is_new
            }
            Kind::Traces => {
                let is_new = self.time(object, REQUEST_TIME);
                self.experiment_id(object) | is_new
            }
            Kind::RegisteredModels => self.workspace(object),
            Kind::EvaluationDatasets => {
                let is_new = self.workspace(object);
                self.experiments_of(object) | is_new
            }
            _ => self.experiment_id(object),
        }
    }

    fn experiment(&self, object: &mut Map<String, Value>) -> bool {
        let Some(known) = self.home(object) else {
            return false;
        };
        let (location, _) = self
            .rules
            .place(&known.place(), text(object, "artifact_location"));
        let is_new = put(object, "artifact_location", Some(location.into()));
        let is_new = match &known.name {
            Some(name) => put(object, "name", Some(name.as_str().into())),
            None => is_new,
        } | is_new;
        let is_new = self.workspace(object) | is_new;
        self.experiment_id(object) | is_new
    }

    /// A run or a logged model.
    fn rooted(&self, object: &mut Map<String, Value>, id: &str, is_model: bool) -> bool {
        let known = self.home(object);
        let (Some(known), Some(id)) = (known, text(object, id)) else {
            return false;
        };
        let place = match is_model {
            true => known.place().logged_model(id),
            false => known.place().run(id),
        };
        let (uri, _) = self.rules.place(&place, text(object, "artifact_uri"));
        let is_new = put(object, "artifact_uri", Some(uri.into()));
        self.experiment_id(object) | is_new
    }

    /// Gives an object of a known experiment the time by which stores order.
    fn time(&self, object: &mut Map<String, Value>, field: &str) -> bool {
        let known = self.home(object);
        known.is_some() && !object.contains_key(field) && put(object, field, Some(0.into()))
    }

    fn experiments_of(&self, object: &mut Map<String, Value>) -> bool {
        let Some(Value::Array(ids)) = object.get_mut("experiment_ids") else {
            return false;
        };
        let mut is_new = false;
        for id in ids.iter_mut() {
            let known = id.as_str().and_then(|id| self.rules.experiment(id));
            if let Some(new) = known.map(|known| Value::from(known.id.to_string())) {
                is_new |= *id != new;
                *id = new;
            }
        }
        if is_new {
            ids.sort_by_cached_key(|id| crate::format::order::experiment(id.as_str().unwrap_or_default()));
        }
        is_new
    }

    fn version(&self, line: &mut EditedLine) -> Result<()> {
        let version: ModelVersion = typed(&self.archive, line.value())?;
        let has_files = self.with_files.contains(&line.id());
        let (source, _) = self.rules.version_source(&version, has_files);
        let source = source.map(Value::from);
        let location = version.storage_location.as_deref();
        let location = location.map(|uri| Value::from(self.rules.version_uri(&version, uri, has_files).0));
        line.rewrite(|line| {
            let Some(object) = line.as_object_mut() else {
                return false;
            };
            let is_new = put(object, "source", source);
            let is_new = put(object, "storage_location", location) | is_new;
            self.workspace(object) | is_new
        });
        Ok(())
    }

    /// Where a trace says that its artifacts and spans lie.
    fn trace_tags(&self, line: &mut EditedLine) -> Result<()> {
        let Some(known) = self.rules.experiment(line.text("experiment_id")) else {
            return Ok(());
        };
        let place = known.place().trace(line.text("trace_id"));
        for key in [TRACE_LOCATION, ARCHIVE_LOCATION] {
            let stated = line.tags().and_then(|tags| tags.get(key)).cloned();
            let stated = stated
                .as_ref()
                .map(|tag| typed::<Text>(&self.archive, tag))
                .transpose()?;
            if stated.is_none() && key == ARCHIVE_LOCATION {
                continue;
            }
            let stated = stated.as_ref().map(Text::to_display);
            let (uri, _) = self.rules.place(&place, stated.as_deref());
            line.set_tag(key, uri.into());
        }
        Ok(())
    }
}

impl Step for Into {
    fn looks_at(&self, kind: Kind) -> bool {
        kind.owners().is_empty()
    }

    fn moves(&self, kind: Kind) -> bool {
        self.looks_at(kind)
    }

    fn reads_text(&self, kind: Kind, path: &[&str], _: &Value) -> bool {
        match kind {
            Kind::Runs => path == ["info", "artifact_uri"],
            Kind::RegisteredModels => path == ["tags", PROMPT_EXPERIMENTS],
            Kind::Traces => matches!(path, ["tags", TRACE_LOCATION | ARCHIVE_LOCATION]),
            _ => false,
        }
    }

    fn apply(&self, line: &mut EditedLine) -> Result<Fate> {
        let kind = line.kind();
        match kind {
            Kind::ModelVersions => self.version(line)?,
            Kind::Traces => self.trace_tags(line)?,
            Kind::RegisteredModels => {
                let listed = line
                    .tags()
                    .and_then(|tags| tags.get(PROMPT_EXPERIMENTS)?.as_str());
                if let Some(listed) = listed.map(|list| self.rules.listed(list).into_owned()) {
                    line.set_tag(PROMPT_EXPERIMENTS, listed.into());
                }
            }
            _ => {}
        }
        if kind != Kind::ModelVersions {
            line.rewrite_fields(|object| self.object(kind, object));
        }
        Ok(Fate::Kept)
    }

    fn add(&self, kind: Kind, add: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        if kind != Kind::Workspaces {
            return Ok(());
        }
        let mut missing = self.rules.missing_workspaces(&self.workspaces).into_iter();
        missing.try_for_each(|workspace| add(&canonical(&to_value(&workspace))))
    }
}
