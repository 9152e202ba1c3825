//! The model registry: registered models, prompts among them, and their versions.
//!
//! Their tags and aliases carry the owner's whole key, so each table is scanned once and merged in the archive's order.

use super::columns::{ALIASES, MODEL_TAGS, MODELS, VERSION_TAGS, VERSIONS};
use super::exporter::{Exporter, Result};
use super::fields::{Fields, pick};
use super::spool::{Sorted, Spool};
use super::tables::Tables;
use super::write::StorePlace;
use crate::archive::Owner;
use crate::format::{Kind, Object, Reason, SortKey, order};
use crate::model::{ModelVersion, OwnerKind, RegisteredModel, Text};
use crate::select::{Catalogue, Verdict};
use std::collections::HashSet;

fn model_key(row: &Fields<'_>) -> SortKey {
    order::registered_model(row.text(0).as_deref(), &row.required_text(1))
}

fn version(row: &Fields<'_>) -> ModelVersion {
    ModelVersion {
        version: row.unsigned(2),
        ..pick(row)
    }
}

/// Tells of all models and their versions.
pub(super) fn tell(tables: &Tables, catalogue: &mut Catalogue) -> Result<()> {
    tables.scan(MODELS, |row| {
        catalogue.model(&row.required_text(1));
        Ok(())
    })?;
    tables.scan(VERSIONS, |row| {
        catalogue.version(&version(row));
        Ok(())
    })
}

/// A tag of a model or version.
type Tag = (String, Text);

/// The tag of a row whose key is in this column, its value in the next.
fn tag(row: &Fields<'_>, key: usize) -> Option<Tag> {
    let value = row.value(key + 1)?;
    Some((row.required_text(key), value))
}

impl Exporter<'_> {
    /// Writes the registered models and their versions.
    pub(super) fn registry(&mut self) -> Result<()> {
        let with_versions = self.model_versions()?;
        self.registered_models(&with_versions)
    }

    /// Writes the versions; returns the models of which a choice of runs takes one.
    fn model_versions(&mut self) -> Result<HashSet<(Option<String>, String)>> {
        let scratch = self.export.writer.scratch().to_owned();
        let mut tags = Spool::new(&scratch);
        self.tables.scan(VERSION_TAGS, |row| {
            let key = model_key(row).number(row.unsigned(2));
            match tag(row, 3) {
                Some(tag) => tags.push(&key, &tag),
                None => Ok(()),
            }
        })?;
        let mut versions: Spool<ModelVersion> = Spool::new(&scratch);
        self.tables.scan(VERSIONS, |row| {
            let version = version(row);
            versions.push(&version.sort_key(), &version)
        })?;
        let (mut tags, mut versions) = (tags.finish()?, versions.finish()?);
        let (mut with_versions, mut strays) = (HashSet::new(), 0);
        while let Some(mut version) = versions.next()? {
            let own = tags.of_key(&version.sort_key(), &mut strays)?;
            version.tags = own.into_iter().collect();
            if self.write_version(&version)? {
                with_versions.insert((version.workspace, version.name));
            }
        }
        let strays = strays + tags.count_rest();
        self.export
            .limit(Kind::ModelVersions, "tags", Reason::Orphan, strays);
        Ok(with_versions)
    }

    /// Writes a version; false where it is left out.
    fn write_version(&mut self, version: &ModelVersion) -> Result<bool> {
        let verdict = self.closure.version(version);
        match verdict {
            Verdict::Kept => {
                self.export.write(version)?;
                self.files_of_version(version)?;
            }
            Verdict::LeftOut(reason) => self.export.left_out(Kind::ModelVersions, reason, 1),
        }
        Ok(verdict == Verdict::Kept)
    }

    /// Takes the files that a version keeps for itself, as a restore lays them.
    fn files_of_version(&mut self, version: &ModelVersion) -> Result<()> {
        let uri = version.source.as_deref();
        let own = uri.filter(|uri| StorePlace::is_of_version(uri, &version.name, version.version));
        if own.is_none() || !self.export.looks_at(&[Kind::Artifacts]) {
            return Ok(());
        }
        let owner = Owner::of(OwnerKind::ModelVersion, version);
        match self.reachable_tree(&owner, "", own)? {
            Some(tree) => self.walk(&owner, &tree, &mut |exporter, file| exporter.found(&owner, file)),
            None => Ok(()),
        }
    }

    fn registered_models(&mut self, with_versions: &HashSet<(Option<String>, String)>) -> Result<()> {
        let scratch = self.export.writer.scratch().to_owned();
        let mut tags = Spool::new(&scratch);
        self.tables.scan(MODEL_TAGS, |row| match tag(row, 2) {
            Some(tag) => tags.push(&model_key(row), &tag),
            None => Ok(()),
        })?;
        let mut aliases = Spool::new(&scratch);
        self.tables.scan(ALIASES, |row| {
            aliases.push(&model_key(row), &(row.required_text(2), row.unsigned(3)))
        })?;
        let mut models: Spool<RegisteredModel> = Spool::new(&scratch);
        self.tables.scan(MODELS, |row| {
            let model: RegisteredModel = pick(row);
            models.push(&model.sort_key(), &model)
        })?;
        let (mut tags, mut models): (Sorted<Tag>, _) = (tags.finish()?, models.finish()?);
        let mut aliases: Sorted<(String, u64)> = aliases.finish()?;
        let (mut stray_tags, mut stray_aliases) = (0, 0);
        let kind = Kind::RegisteredModels;
        while let Some(mut model) = models.next()? {
            let key = model.sort_key();
            model.tags = tags.of_key(&key, &mut stray_tags)?.into_iter().collect();
            model.aliases = aliases.of_key(&key, &mut stray_aliases)?.into_iter().collect();
            let has_version = with_versions.contains(&(model.workspace.clone(), model.name.clone()));
            match self.closure.takes_model(&model.name) || has_version {
                true => self.export.write(&model)?,
                false => self.export.left_out(kind, Reason::NotSelected, 1),
            }
        }
        for (field, strays) in [
            ("tags", stray_tags + tags.count_rest()),
            ("aliases", stray_aliases + aliases.count_rest()),
        ] {
            self.export.limit(kind, field, Reason::Orphan, strays);
        }
        Ok(())
    }
}
