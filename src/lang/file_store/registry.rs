//! The model registry (MLflow 2): `models/<name>/`, and in it `version-<n>/`; prompts are registered models too.

use super::folder::{EntryKind, Folder};
use super::index::{id_mismatch, note_stray};
use super::key_files::{KeyOwner, read_values};
use super::meta::Meta;
use super::notes::{Fault, Notes, unreadable};
use super::store::{META, MODELS, Store, note_folder_without_meta};
use crate::format::{Kind, Reason, order};
use crate::model::field::FieldTable as _;
use crate::model::{Extra, ModelVersion, RegisteredModel};
use std::io;
use std::path::{Path, PathBuf};

/// Folders and files of a registered model that are not versions.
const PARTS: [&str; 3] = ["aliases", META, "tags"];

/// A registered model that was found.
#[derive(Debug, Clone)]
pub(super) struct FoundModel {
    /// Its name, which is the name of its folder.
    pub(super) name: String,
    /// Its folder.
    path: PathBuf,
    workspace: Option<String>,
}

/// The registered models of a store, in the order of the archive.
pub(super) fn find_all(store: &Store, notes: &mut Notes) -> io::Result<Vec<FoundModel>> {
    let mut found = Vec::new();
    let Some(mut folder) = store.open_noting(Kind::RegisteredModels, MODELS, notes) else {
        return Ok(found);
    };
    for entry in folder.entries()? {
        let (Some(name), EntryKind::Folder) = (entry.name(), entry.kind) else {
            note_stray(Kind::RegisteredModels, &folder, &entry, notes);
            continue;
        };
        let path = folder.path_of(&entry.name);
        match read_meta(store, &path, name, &mut Notes::default()) {
            Ok(Some(model)) => found.push(FoundModel {
                name: name.to_owned(),
                path,
                workspace: model.workspace,
            }),
            Ok(None) => note_folder_without_meta(Kind::RegisteredModels, name, &path, notes),
            Err((reason, detail)) => notes.failure(Kind::RegisteredModels, name, "*", reason, detail),
        }
    }
    found.sort_by_cached_key(|model| order::registered_model(model.workspace.as_deref(), &model.name));
    Ok(found)
}

impl FoundModel {
    /// The model; none where it is no longer there.
    pub(super) fn read(&self, store: &Store, notes: &mut Notes) -> Option<RegisteredModel> {
        let mut model = match read_meta(store, &self.path, &self.name, notes) {
            Ok(model) => model?,
            Err(fault) => {
                notes.fault(Kind::RegisteredModels, &self.name, "*", fault);
                return None;
            }
        };
        let folder = store.open(&self.path);
        let folder = notes.of_path(Kind::RegisteredModels, &self.name, "*", &self.path, folder);
        let Some(folder) = folder else {
            return Some(model);
        };
        let values = |field: &'static str| KeyOwner::of(Kind::RegisteredModels, &self.name, field);
        let mut buffer = Vec::new();
        model.tags = read_values(store, &folder, "tags", values("tags"), &mut buffer, notes);
        let aliases = read_values(store, &folder, "aliases", values("aliases"), &mut buffer, notes);
        for (alias, text) in aliases {
            match text.as_str().and_then(|text| text.trim().parse().ok()) {
                Some(version) => {
                    model.aliases.insert(alias, version);
                }
                None => {
                    let path = self.path.join("aliases").join(&alias);
                    let detail = format!("{} holds no version number", path.display());
                    notes.failure(
                        Kind::RegisteredModels,
                        &self.name,
                        "aliases",
                        Reason::WrongType,
                        detail,
                    );
                }
            }
        }
        Some(model)
    }

    /// The versions, in the order of their numbers.
    pub(super) fn versions(&self, store: &Store, notes: &mut Notes) -> Vec<ModelVersion> {
        let mut versions = Vec::new();
        let opened = store.open(&self.path).and_then(Folder::listed);
        let opened = notes.of_path(Kind::ModelVersions, &self.name, "*", &self.path, opened);
        let Some((folder, entries)) = opened else {
            return versions;
        };
        for entry in entries {
            let number = entry.name().and_then(|name| name.strip_prefix("version-"));
            match (number, entry.kind) {
                (Some(number), EntryKind::Folder) => {
                    versions.extend(self.version(store, &folder, number, notes))
                }
                _ if entry.name().is_some_and(|name| PARTS.contains(&name)) => {}
                (None, EntryKind::Folder) if entry.name().is_some() => {
                    note_folder_without_meta(
                        Kind::ModelVersions,
                        &format!("{}/{}", self.name, entry.shown()),
                        &folder.path_of(&entry.name),
                        notes,
                    );
                }
                _ => note_stray(Kind::ModelVersions, &folder, &entry, notes),
            }
        }
        versions.sort_by_key(|version: &ModelVersion| version.version);
        versions
    }

    fn version(
        &self,
        store: &Store,
        model: &Folder,
        number: &str,
        notes: &mut Notes,
    ) -> Option<ModelVersion> {
        let id = format!("{}/{number}", self.name);
        let name = format!("version-{number}");
        let path = model.path_of(name.as_bytes());
        let failed = |fault: Fault, notes: &mut Notes| {
            notes.fault(Kind::ModelVersions, &id, "*", fault);
            None
        };
        let read = model.sub(name.as_bytes()).and_then(|folder| {
            let bytes = store.describe(&path.join(META))?;
            Ok((folder, bytes))
        });
        let (folder, bytes) = match read {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                note_folder_without_meta(Kind::ModelVersions, &id, &path, notes);
                return None;
            }
            Err(error) => return failed(unreadable(&path, &error), notes),
        };
        let mut version = match parse_version(&bytes, &self.name, number, &path.join(META), notes) {
            Ok(version) => version,
            Err(fault) => return failed(fault, notes),
        };
        let owner = KeyOwner::of(Kind::ModelVersions, &id, "tags");
        version.tags = read_values(store, &folder, "tags", owner, &mut Vec::new(), notes);
        Some(version)
    }
}

/// Reads the file of a registered model; none where there is no such file.
fn read_meta(
    store: &Store,
    path: &Path,
    name: &str,
    notes: &mut Notes,
) -> Result<Option<RegisteredModel>, Fault> {
    let path = path.join(META);
    let Some(bytes) = store.describe_optional(&path)? else {
        return Ok(None);
    };
    let mut meta = Meta::at(&path, &bytes)?;
    let found = meta.told_by(&path, "name", name)?;
    // Tags and aliases are files; what the file says of them is an old copy.
    meta.ignore(&["aliases", "tags", "latest_versions"]);
    let model = RegisteredModel::pick(&mut meta);
    Ok(Some(RegisteredModel {
        name: found,
        extra: meta.finish(Kind::RegisteredModels, name, &path, notes),
        ..model
    }))
}

fn parse_version(
    bytes: &[u8],
    name: &str,
    number: &str,
    path: &Path,
    notes: &mut Notes,
) -> Result<ModelVersion, Fault> {
    let mut meta = Meta::at(path, bytes)?;
    let found = meta.told_by(path, "name", name)?;
    let version = meta
        .int("version")
        .and_then(|version| u64::try_from(version).ok());
    let version = version.filter(|version| version.to_string() == number);
    let version = version.ok_or_else(|| id_mismatch(path, "version", "(another number)", number))?;
    // Aliases are files of the model; tags are files of the version.
    meta.ignore(&["aliases", "tags"]);
    let id = format!("{name}/{number}");
    let mut model_version = ModelVersion {
        name: found,
        version,
        ..ModelVersion::pick(&mut meta)
    };
    model_version.extra = version_extra(meta, &id, path, notes);
    Ok(model_version)
}

/// Fields this version does not know, less lists that say nothing.
fn version_extra(mut meta: Meta, id: &str, path: &Path, notes: &mut Notes) -> Extra {
    for name in ["model_params", "model_metrics", "metrics", "params"] {
        meta.ignore_empty(name);
    }
    meta.finish(Kind::ModelVersions, id, path, notes)
}
