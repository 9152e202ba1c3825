//! Registered models and their versions.

use super::{Exporter, Result};
use crate::archive::Owner;
use crate::format::{Kind, Object, Reason};
use crate::lang::exim::read::document::Document;
use crate::lang::exim::read::fields::Fields;
use crate::lang::exim::read::layout::{Layout, MODEL, VERSION_MODEL, VERSION_MODELS};
use crate::lang::exim::read::registry::{model_version, registered_model, versions};
use crate::lang::exim::tags::canonical::VersionContext;
use crate::model::pyjson::PyJson;
use crate::model::{OwnerKind, RegisteredModel};
use crate::select::Catalogue;
use std::path::{Path, PathBuf};

impl Exporter<'_> {
    /// Tells of all models and versions that can be read, and remembers the runs that versions name.
    pub(super) fn tell_versions(&mut self, layout: &Layout, catalogue: &mut Catalogue) {
        let files = layout.models.iter().map(|file| (file, "registered_model"));
        for (file, part) in files.chain(layout.versions.iter().map(|file| (file, "model_version"))) {
            let Ok(document) = Document::read(&self.roots, file) else {
                continue;
            };
            let Ok(object) = document.part(part) else { continue };
            let own = if part == "model_version" {
                std::slice::from_ref(object)
            } else {
                versions(object)
            };
            for version in own {
                let (version, _) = model_version(version, &VersionContext::default());
                catalogue.version(&version);
                self.held.facts.want(version);
            }
            catalogue.model(&Fields::new(object).text("name").unwrap_or_default());
        }
    }

    /// Exports all registered models and model versions.
    pub(super) fn models(&mut self, layout: &Layout) -> Result<()> {
        for file in &layout.models {
            self.model(file, layout)?;
        }
        for file in &layout.versions {
            // A version without its model's file beside it stands alone.
            if !file.with_file_name(MODEL).is_file() {
                self.single_version(file, &RegisteredModel::default())?;
            }
        }
        Ok(())
    }

    fn model(&mut self, file: &Path, layout: &Layout) -> Result<()> {
        let Some(document) = self.opened(Kind::RegisteredModels, file, Some("registered_model"))? else {
            return Ok(());
        };
        let exported = document.body().get("registered_model").unwrap_or(&PyJson::Null);
        let (mut model, wrong) = registered_model(exported);
        self.wrong_types(Kind::RegisteredModels, &model.name, file, &wrong)?;
        // The workspace of a model is not exported; that of its versions is.
        let workspace = versions(exported)
            .iter()
            .find_map(|version| Fields::new(version).text("workspace"));
        model.workspace = model.workspace.or(workspace);
        let version_file = file.with_file_name(super::super::layout::VERSION);
        let single = layout.versions.iter().find(|found| **found == version_file);
        let mut taken = self.closure.takes_model(&model.name);
        for version in versions(exported) {
            let folder = self.version_folder(file, version);
            taken |= self.version(version, &model, file, &folder)?;
        }
        if let Some(single) = single {
            taken |= self.single_version(single, &model)?;
        }
        if taken {
            self.write_model(&model, file)
        } else {
            self.export
                .left_out(Kind::RegisteredModels, Reason::NotSelected, 1);
            Ok(())
        }
    }

    fn write_model(&mut self, model: &RegisteredModel, file: &Path) -> Result<()> {
        let key = (Kind::RegisteredModels, model.name.clone());
        match self.held.loose.get(&key).cloned() {
            Some(first) => self.differs(Kind::RegisteredModels, &model.name, &first, file, "found twice"),
            None => {
                self.held.loose.insert(key, file.to_owned());
                self.export.write(model)
            }
        }
    }

    /// Where a model's export keeps the files of a version's own model.
    fn version_folder(&self, model: &Path, version: &PyJson) -> PathBuf {
        let number = Fields::new(version).text("version").unwrap_or_default();
        model.with_file_name(VERSION_MODELS).join(number)
    }

    fn single_version(&mut self, file: &Path, model: &RegisteredModel) -> Result<bool> {
        let document = match Document::read_part(&self.roots, file, Some("model_version")) {
            Ok(document) => document,
            Err(error) => {
                self.unreadable(Kind::ModelVersions, &self.below_root(file), &error)?;
                return Ok(false);
            }
        };
        self.note_system(&document);
        let exported = document.body().get("model_version").unwrap_or(&PyJson::Null);
        self.version(exported, model, file, &file.with_file_name(VERSION_MODEL))
    }

    /// Exports a version; false where the choice leaves it out.
    fn version(
        &mut self,
        exported: &PyJson,
        model: &RegisteredModel,
        file: &Path,
        folder: &Path,
    ) -> Result<bool> {
        let context = self.version_context(exported, model);
        let (mut version, wrong) = model_version(exported, &context);
        let run_id = version.run_id.as_deref().filter(|run_id| !run_id.is_empty());
        if !self.closure.takes_version(&version.name, run_id) {
            self.export.left_out(Kind::ModelVersions, Reason::NotSelected, 1);
            return Ok(false);
        }
        self.note_missing_run(run_id);
        if version.workspace.is_none() {
            version.workspace.clone_from(&model.workspace);
        }
        self.wrong_types(Kind::ModelVersions, &version.id(), file, &wrong)?;
        if version.version == 0 {
            // It has no place in the archive; that its number is wrong was reported.
            return Ok(true);
        }
        self.export.write(&version)?;
        self.artifacts(&Owner::of(OwnerKind::ModelVersion, &version), folder)?;
        Ok(true)
    }

    fn note_missing_run(&mut self, run_id: Option<&str>) {
        let is_missing = run_id.is_some_and(|run_id| !self.held.facts.names_run(run_id));
        self.export.limit(
            Kind::ModelVersions,
            "run_id",
            Reason::RunNotInExport,
            is_missing.into(),
        );
    }

    /// What the archive's other lines will say of a version, as the transform reads them.
    fn version_context(&self, exported: &PyJson, model: &RegisteredModel) -> VersionContext {
        let mut fields = Fields::new(exported);
        let number = fields.number("version").unwrap_or_default();
        let run_id = fields.text("run_id");
        self.held.facts.with(run_id.as_deref(), number, &model.aliases)
    }
}
