//! Experiments: folders of the root, and of `.trash` once deleted.

use super::folder::{EntryKind, Folder};
use super::index::{note_if_unterminated, note_stray};
use super::key_files::{KeyOwner, read_values};
use super::meta::Meta;
use super::notes::{Fault, Notes, unreadable};
use super::store::{META, MODELS, Store, TRASH, note_folder_without_meta};
use crate::format::{Kind, order};
use crate::model::Experiment;
use crate::model::field::FieldTable as _;
use crate::model::lifecycle;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

/// An experiment that was found.
#[derive(Debug, Clone)]
pub(super) struct FoundExperiment {
    /// Its id, which is the name of its folder.
    pub(super) id: String,
    pub(super) name: String,
    /// Its folder.
    pub(super) path: PathBuf,
    /// Whether it lies in the trash, which is what deletes it: MLflow 1.x leaves its file as it was.
    pub(super) is_deleted: bool,
}

/// The experiments of a store.
pub(super) struct Experiments {
    /// One for each id, in the order of the archive.
    pub(super) all: Vec<FoundExperiment>,
    /// Those in the trash whose id another one in the root has, and where that one is.
    pub(super) twins: Vec<(FoundExperiment, PathBuf)>,
}

/// The experiments of a store. What cannot be read in a trash that nobody asked for is no failure.
pub(super) fn find_all(store: &Store, asks_for_trash: bool, notes: &mut Notes) -> io::Result<Experiments> {
    let mut all = Vec::new();
    let mut root = store.open(store.root())?;
    find_in(store, &mut root, false, notes, &mut all)?;
    let active: HashMap<String, PathBuf> = all
        .iter()
        .map(|found: &FoundExperiment| (found.id.clone(), found.path.clone()))
        .collect();
    let mut deleted = Vec::new();
    let mut of_trash = Notes::default();
    match store.open_noting(Kind::Experiments, TRASH, &mut of_trash) {
        Some(mut trash) => find_in(store, &mut trash, true, &mut of_trash, &mut deleted)?,
        // Without it nothing can be told of what lies in it.
        None => notes.append(std::mem::take(&mut of_trash)),
    }
    if asks_for_trash {
        notes.append(of_trash);
    } else {
        deleted.extend(of_trash.into_ids().map(|id| FoundExperiment {
            path: store.root().join(TRASH).join(&id),
            name: String::new(),
            is_deleted: true,
            id,
        }));
    }
    let mut twins = Vec::new();
    for found in deleted {
        match active.get(&found.id) {
            Some(path) => twins.push((found, path.clone())),
            None => all.push(found),
        }
    }
    all.sort_by_cached_key(|experiment| order::experiment(&experiment.id));
    Ok(Experiments { all, twins })
}

fn find_in(
    store: &Store,
    folder: &mut Folder,
    is_deleted: bool,
    notes: &mut Notes,
    found: &mut Vec<FoundExperiment>,
) -> io::Result<()> {
    for entry in folder.entries()? {
        let is_reserved =
            !is_deleted && [TRASH.as_bytes(), MODELS.as_bytes()].contains(&entry.name.as_slice());
        match (entry.name(), entry.kind) {
            _ if is_reserved => {}
            (Some(id), EntryKind::Folder) => {
                let path = folder.path_of(&entry.name);
                let mut ignored = Notes::default();
                match read_meta(store, &path, id, is_deleted, &mut ignored) {
                    Ok(Some(experiment)) => found.push(FoundExperiment {
                        id: id.to_owned(),
                        name: experiment.name,
                        path,
                        is_deleted,
                    }),
                    Ok(None) => note_folder_without_meta(Kind::Experiments, id, &path, notes),
                    Err((reason, detail)) => notes.failure(Kind::Experiments, id, "*", reason, detail),
                }
            }
            _ => note_stray(Kind::Experiments, folder, &entry, notes),
        }
    }
    Ok(())
}

/// Reads an experiment whole.
pub(super) fn read(store: &Store, found: &FoundExperiment, notes: &mut Notes) -> Option<Experiment> {
    let experiment = read_meta(store, &found.path, &found.id, found.is_deleted, notes);
    let mut experiment = match experiment {
        Ok(experiment) => {
            // Only here, since the file is read once more before, for its place.
            let bytes = store.describe(&found.path.join(META)).unwrap_or_default();
            note_if_unterminated(Kind::Experiments, &bytes, notes);
            experiment?
        }
        Err(fault) => {
            notes.fault(Kind::Experiments, &found.id, "*", fault);
            return None;
        }
    };
    let owner = KeyOwner::of(Kind::Experiments, &found.id, "tags");
    match store.open(&found.path) {
        Ok(folder) => {
            experiment.tags = read_values(store, &folder, "tags", owner, &mut Vec::new(), notes);
        }
        Err(error) => notes.fault(Kind::Experiments, &found.id, "*", unreadable(&found.path, &error)),
    }
    Some(experiment)
}

/// Reads the file of an experiment; none where there is no such file.
fn read_meta(
    store: &Store,
    path: &Path,
    id: &str,
    is_deleted: bool,
    notes: &mut Notes,
) -> Result<Option<Experiment>, Fault> {
    let path = path.join(META);
    let Some(bytes) = store.describe_optional(&path)? else {
        return Ok(None);
    };
    let mut meta = Meta::at(&path, &bytes)?;
    let experiment_id = meta.told_by(&path, "experiment_id", id)?;
    // Tags are files; the map in the file is a copy that renaming and deleting leave behind.
    meta.ignore(&["tags", "lifecycle_stage"]);
    let name = meta.text("name").unwrap_or_else(|| {
        let _: Option<()> = meta.refuse("name", "it is missing");
        String::new()
    });
    let experiment = Experiment::pick(&mut meta);
    Ok(Some(Experiment {
        experiment_id,
        name,
        lifecycle_stage: lifecycle::stage(is_deleted).to_owned(),
        extra: meta.finish(Kind::Experiments, id, &path, notes),
        ..experiment
    }))
}
