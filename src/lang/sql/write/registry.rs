//! Registered models and prompts with their versions.

use super::rows::Target;
use super::{Result, StoreEdit, Subject, Unique, WriteError, Writer};
use crate::archive::walk::JoinedObjects;
use crate::format::{Kind, Reason};
use crate::lang::sql::database::Cell;
use crate::model::printable::printable;
use crate::model::{ArtifactList, ModelVersion, RegisteredModel};
use std::borrow::Cow;

/// Tag of a prompt that lists the experiments it belongs to.
pub(crate) const PROMPT_EXPERIMENTS: &str = "_mlflow_experiment_ids";
impl Writer<'_> {
    /// Looks which runs and logged models the versions come from.
    pub(super) fn find_sources(&mut self) -> Result<()> {
        for version in self.archive.objects::<ModelVersion>() {
            self.rules.learn_version(&version?);
        }
        Ok(())
    }

    pub(super) fn registry(&mut self) -> Result<()> {
        self.begin(Kind::RegisteredModels);
        self.unique = Unique::default();
        for model in self.archive.objects::<RegisteredModel>() {
            let model = model?;
            let workspace = self.rules.workspace(model.workspace.as_deref());
            if !self
                .unique
                .claim(&format!("{}\0{}", workspace.unwrap_or_default(), model.name))
            {
                return Err(WriteError::Impossible(format!(
                    "two registered models of workspace `{}` are named `{}`, but a database can hold only one: rename one of them",
                    printable(workspace.unwrap_or(crate::model::DEFAULT_WORKSPACE)),
                    printable(&model.name)
                )));
            }
            self.registered_model(&model)?;
            self.monitor.advance(1);
        }
        self.begin(Kind::ModelVersions);
        let mut versions = JoinedObjects::<ModelVersion>::new(self.archive, &[Kind::Artifacts])?;
        while let Some(version) = versions.next()? {
            let mut lists = Vec::new();
            while let Some(list) = versions.child::<ArtifactList>()? {
                lists.push(list);
            }
            self.model_version(&version, &lists)?;
            self.monitor.advance(1);
        }
        Ok(())
    }

    fn registered_model(&mut self, model: &RegisteredModel) -> Result<()> {
        let kind = Kind::RegisteredModels;
        let subject = Subject::of(kind, &model.name);
        let workspace = self.workspace_of(kind, model.workspace.as_deref());
        self.lose_extra(subject, &model.extra, "");
        self.outcome.count(kind);
        let key = [workspace.as_deref().into(), Cell::from(&model.name)];
        let row = [
            key[0],
            key[1],
            model.creation_timestamp.into(),
            model.last_updated_timestamp.into(),
            model.description.as_deref().into(),
        ];
        self.rows.insert(Target::RegisteredModels, &row)?;
        self.tags(subject, &model.tags, &mut |writer, name, value| {
            let value = writer.with_new_ids(name, value);
            let row = [key[0], key[1], name.into(), Cell::from(&value)];
            writer.rows.insert(Target::RegisteredModelTags, &row)
        })?;
        for (alias, version) in &model.aliases {
            let row = [
                key[0],
                key[1],
                Cell::from(alias),
                self.version_number(subject, *version),
            ];
            self.rows.insert(Target::Aliases, &row)?;
        }
        Ok(())
    }

    /// The value of a tag, which may list experiments.
    fn with_new_ids<'v>(&mut self, name: &str, value: &'v str) -> Cow<'v, str> {
        if name != PROMPT_EXPERIMENTS {
            return value.into();
        }
        let listed = self.rules.listed(value);
        if listed != value {
            let (kind, field) = (Kind::RegisteredModels, "tags._mlflow_experiment_ids");
            self.outcome.edit(StoreEdit::NewId, kind, field);
        }
        listed
    }

    /// A number of a version; columns hold fewer than an archive.
    fn version_number(&mut self, subject: Subject<'_>, version: u64) -> Cell<'static> {
        let number = i64::try_from(version).unwrap_or_else(|_| {
            self.lose(subject, "version", Reason::VersionNumber);
            i64::MAX
        });
        Cell::Integer(number)
    }

    fn model_version(&mut self, version: &ModelVersion, lists: &[ArtifactList]) -> Result<()> {
        let kind = Kind::ModelVersions;
        let id = format!("{}/{}", version.name, version.version);
        let subject = Subject::of(kind, &id);
        let workspace = self.workspace_of(kind, version.workspace.as_deref());
        let own = self.rules.version_place(version);
        let has_files = lists.iter().any(has_files);
        let (source, edit) = self.rules.version_source(version, has_files);
        self.outcome.edit(edit, kind, "source");
        let location = version.storage_location.as_deref();
        let location = location.map(|uri| self.rules.version_uri(version, uri, has_files));
        let (storage_location, edit) = location.unzip();
        self.outcome.edit(edit.flatten(), kind, "storage_location");
        self.lose_of_version(subject, version);
        self.outcome.count(kind);
        let number = self.version_number(subject, version.version);
        let key = [workspace.as_deref().into(), Cell::from(&version.name)];
        let row = [
            key[0],
            key[1],
            number,
            version.creation_timestamp.into(),
            version.last_updated_timestamp.into(),
            version.description.as_deref().into(),
            version.user_id.as_deref().into(),
            version.current_stage.as_deref().into(),
            source.as_deref().into(),
            version.run_id.as_deref().into(),
            version.status.as_deref().into(),
            version.status_message.as_deref().into(),
            version.run_link.as_deref().into(),
            storage_location.as_deref().into(),
        ];
        self.rows.insert(Target::ModelVersions, &row)?;
        self.tags(subject, &version.tags, &mut |writer, name, value| {
            let row = [key[0], key[1], number, name.into(), value.into()];
            writer.rows.insert(Target::ModelVersionTags, &row)
        })?;
        for list in lists {
            self.artifacts(&own, list, version.source.as_deref())?;
        }
        Ok(())
    }

    fn lose_of_version(&mut self, subject: Subject<'_>, version: &ModelVersion) {
        // MLflow finds it by the source.
        if version.model_id.is_some() {
            self.lose(subject, "model_id", Reason::NotHeld);
        }
        if version.exim.is_some() {
            self.lose(subject, "exim", Reason::NotHeld);
        }
        self.lose_extra(subject, &version.extra, "");
    }
}

/// Whether a list has files whose bytes are there.
pub(crate) fn has_files(list: &ArtifactList) -> bool {
    list.files.iter().any(|file| file.absent.is_none())
}
