//! Registered models with their versions; prompts go their own way.

use super::artifacts::Destination;
use super::document::end;
use super::dump::{count, dict};
use super::scratch::Scratch;
use super::{Converter, Layout, Result, fields};
use crate::archive::walk::JoinedObjects;
use crate::format::{Kind, Object, Reason};
use crate::lang::exim::dict::Dict;
use crate::lang::exim::tags::canonical::version_dict;
use crate::model::pyjson::PyJson;
use crate::model::registry::{DELETED_STAGE, is_prompt};
use crate::model::{ModelVersion, RegisteredModel};
use std::path::Path;

const KIND: Kind = Kind::RegisteredModels;
const VERSIONS: Kind = Kind::ModelVersions;

/// The versions of one model, as its file lists them.
#[derive(Default)]
struct Listed {
    versions: Vec<PyJson>,
    failed: Vec<PyJson>,
}

impl Converter<'_> {
    /// Writes the registered models and prompts, and the lists of them.
    pub(super) fn models(&mut self) -> Result<()> {
        let mut models = JoinedObjects::<RegisteredModel>::new(self.archive, &[])?;
        let mut versions = JoinedObjects::new(self.archive, &[Kind::Artifacts])?;
        let mut written = Scratch::create(&self.scratch)?;
        let mut prompts = 0;
        while let Some(model) = models.next()? {
            if is_prompt(&model.tags) {
                prompts += self.prompt(&model, &mut versions)?;
            } else if self.model(&model, &mut versions)? {
                written.push(&PyJson::from(model.name.as_str()))?;
            }
        }
        versions.finish()?;
        self.model_list(&mut written)?;
        self.prompt_list(prompts)
    }

    /// Writes a model with its versions; false where its name cannot be made.
    fn model(
        &mut self,
        model: &RegisteredModel,
        versions: &mut JoinedObjects<'_, ModelVersion>,
    ) -> Result<bool> {
        let parent = self.root.join("models");
        let folder = self.model_folder(&parent, model)?;
        let mut listed = Listed::default();
        while let Some(version) =
            versions.next_if(|version| version.name == model.name && version.workspace == model.workspace)?
        {
            self.version(&version, folder.as_deref(), versions, &mut listed)?;
        }
        let Some(folder) = folder else {
            return Ok(false);
        };
        let number = count(listed.versions.len() as u64);
        let info = dict([
            ("num_target_stages", count(0)),
            ("num_target_versions", count(0)),
            ("num_src_versions", number.clone()),
            ("num_dst_versions", number),
            ("failed_versions", PyJson::List(listed.failed)),
        ]);
        self.count_not_utf8(KIND, "tags", &model.tags);
        let body = model_dict(model, listed.versions);
        let body = dict([("registered_model", body)]);
        self.document(&folder.join("model.json"), "export_model.py", Some(&info), &body)?;
        self.wrote(KIND);
        Ok(true)
    }

    /// The folder of a model; of two of one name, in two workspaces, the first has it.
    fn model_folder(&mut self, parent: &Path, model: &RegisteredModel) -> Result<Option<std::path::PathBuf>> {
        let folder = self.folder(parent, &model.name, KIND, &model.name)?;
        let is_taken = folder.as_ref().is_some_and(|folder| folder.exists());
        self.limit(KIND, "*", Reason::NameInTwoWorkspaces, u64::from(is_taken));
        Ok(folder.filter(|_| !is_taken))
    }

    fn version(
        &mut self,
        version: &ModelVersion,
        folder: Option<&Path>,
        versions: &mut JoinedObjects<'_, ModelVersion>,
        listed: &mut Listed,
    ) -> Result<()> {
        let id = version.id();
        let is_deleted = version.current_stage.as_deref() == Some(DELETED_STAGE);
        let why = match (folder, self.layout) {
            (None, _) => Some(Reason::NotHeld),
            _ if is_deleted => Some(Reason::DeletedNotHeld),
            (_, Layout::Old) => self.not_importable(version),
            (_, Layout::New) => None,
        };
        if let Some(why) = why {
            self.limit(VERSIONS, "*", why, 1);
            if !is_deleted {
                listed.failed.push(failed(version, why));
            }
            self.artifacts(versions, &Destination::Nowhere(why), None)?;
            return Ok(());
        }
        listed.versions.push(self.version_body(version, &id)?);
        self.wrote(VERSIONS);
        let files = folder.map(|folder| folder.join("version_models").join(version.version.to_string()));
        let destination = match (&files, self.layout) {
            (Some(files), Layout::New) => Destination::Folder(files),
            _ => Destination::Nowhere(Reason::NotInOldLayout),
        };
        self.artifacts(versions, &destination, None)?;
        Ok(())
    }

    fn version_body(&mut self, version: &ModelVersion, id: &str) -> Result<PyJson> {
        let exported = fields::exported(VERSIONS, id, version.exim.as_deref())?;
        self.count_not_utf8(VERSIONS, "tags", &version.tags);
        if exported.is_none() {
            self.version_changed_by_export(version);
        }
        let tags = exported.as_ref().and_then(|dict| dict.get("tags"));
        let tags = fields::tags_in_order(tags, &version.tags);
        let body = exported.unwrap_or_else(|| version_dict(version, &self.contexts.of(version)));
        Ok(fields::with(body, "tags", tags))
    }

    /// Counts what the exporter would not write as it is.
    fn version_changed_by_export(&mut self, version: &ModelVersion) {
        self.extra_not_held(VERSIONS, "", &version.extra);
        self.not_held(
            VERSIONS,
            [
                ("storage_location", version.storage_location.is_some()),
                ("model_id", version.model_id.is_some()),
                ("status_message", version.status_message.as_deref() == Some("")),
            ],
        );
        self.made_up(
            VERSIONS,
            [
                ("creation_timestamp", version.creation_timestamp.is_none()),
                ("last_updated_timestamp", version.last_updated_timestamp.is_none()),
                ("user_id", version.user_id.is_none()),
                ("current_stage", version.current_stage.is_none()),
                ("source", version.source.is_none()),
                ("run_link", version.run_link.is_none()),
                ("status", version.status.is_none()),
                ("workspace", version.workspace.is_none()),
            ],
        );
    }

    /// Why the importer of release 1.2.0 would stop at a version, and at all models that follow.
    fn not_importable(&self, version: &ModelVersion) -> Option<Reason> {
        let run_id = version.run_id.as_deref().unwrap_or_default();
        if !self.version_runs.contains(run_id) {
            return Some(Reason::RunNotInExport);
        }
        let source = version.source.as_deref().unwrap_or_default();
        (!source.contains(run_id)).then_some(Reason::SourceWithoutRun)
    }

    fn model_list(&mut self, written: &mut Scratch) -> Result<()> {
        let number = count(written.count());
        let info = dict([
            ("stages", PyJson::from("")),
            ("export_latest_versions", PyJson::Bool(false)),
            ("num_total_models", number.clone()),
            ("num_ok_models", number),
            ("num_failed_models", count(0)),
            ("duration", PyJson::Float(0.0)),
            ("failed_models", PyJson::List(Vec::new())),
        ]);
        let path = self.root.join("models/models.json");
        let mut dump = self.begin(&path, "export_models.py", Some(&info))?;
        dump.list("models", written)?;
        Ok(end(dump)?)
    }
}

/// What REST answers of a model: tags and aliases are lists.
fn model_dict(model: &RegisteredModel, versions: Vec<PyJson>) -> PyJson {
    let aliases = model.aliases.iter().map(|(alias, version)| {
        dict([
            ("alias", PyJson::from(alias.as_str())),
            ("version", PyJson::from(version.to_string())),
        ])
    });
    let mut dict = Dict::default();
    dict.put("name", model.name.as_str());
    dict.put_some("creation_timestamp", model.creation_timestamp);
    dict.put_some("last_updated_timestamp", model.last_updated_timestamp);
    dict.put_some("description", model.description.as_deref());
    dict.put_some("workspace", model.workspace.as_deref());
    dict.put("tags", fields::pairs(&model.tags));
    dict.put("aliases", PyJson::List(aliases.collect()));
    dict.put_extra(&model.extra);
    dict.put("versions", PyJson::List(versions));
    dict.finish()
}

/// As the exporter lists a version that it could not export.
fn failed(version: &ModelVersion, why: Reason) -> PyJson {
    dict([
        ("version", PyJson::from(version.version.to_string())),
        ("run_id", PyJson::from(version.run_id.as_deref())),
        ("error", PyJson::from(why.as_str())),
    ])
}
