//! Artifacts of a target, as a folder that MLflow's server serves.

use crate::archive::{Archive, ArchiveError};
use crate::lang::artifacts::tree::{Paths, check_name, write_live_artifact};
use crate::lang::sql::write::{FileSink, Place, WriteError};
use crate::model::ArtifactFile;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Which names of files an owner has so far.
struct Names {
    place: Place,
    paths: Paths,
}

impl Names {
    fn new() -> Self {
        Names {
            place: Place::default(),
            paths: Paths::new(false),
        }
    }

    /// Takes the path of a file of an owner; whether it can be there.
    fn claim(&mut self, place: &Place, path: &str) -> bool {
        if self.place != *place {
            self.place = place.clone();
            self.paths.clear();
        }
        let parts: Vec<&str> = path.split('/').collect();
        parts.iter().all(|part| check_name(part).is_ok()) && self.paths.claim(&parts).is_ok()
    }
}

/// The files of a plan: looked at and not written.
pub(super) struct PlannedFiles(Names);

impl PlannedFiles {
    pub(super) fn new() -> Self {
        PlannedFiles(Names::new())
    }
}

impl FileSink for PlannedFiles {
    fn take(&mut self, place: &Place, file: &ArtifactFile) -> Result<bool, WriteError> {
        Ok(self.0.claim(place, &file.path))
    }

    fn create(&mut self, _: &Place, _: &'static str) -> Result<Option<Box<dyn Write>>, WriteError> {
        Ok(None)
    }
}

/// A folder that is being filled.
pub(super) struct Folder<'a> {
    archive: &'a Archive,
    root: PathBuf,
    names: Names,
}

impl<'a> Folder<'a> {
    /// Makes the folder, which must not be there.
    pub(super) fn create(archive: &'a Archive, root: PathBuf) -> Result<Self, ArchiveError> {
        fs::create_dir(&root).map_err(ArchiveError::io("create directory", &root))?;
        Ok(Folder {
            archive,
            root,
            names: Names::new(),
        })
    }
}

impl FileSink for Folder<'_> {
    fn take(&mut self, place: &Place, file: &ArtifactFile) -> Result<bool, WriteError> {
        if !self.names.claim(place, &file.path) {
            return Ok(false);
        }
        let path = file
            .path
            .split('/')
            .fold(place.below(&self.root), |path, part| path.join(part));
        write_live_artifact(self.archive, file, &path)?;
        Ok(true)
    }

    fn create(&mut self, place: &Place, name: &'static str) -> Result<Option<Box<dyn Write>>, WriteError> {
        let path = place.below(&self.root).join(name);
        if !self.names.claim(place, name) {
            let text = format!("an artifact has the place of `{}`", path.display());
            return Err(WriteError::Impossible(text));
        }
        create_parents(&path)?;
        let file = File::create_new(&path).map_err(ArchiveError::io("create", &path))?;
        Ok(Some(Box::new(BufWriter::new(file))))
    }
}

fn create_parents(path: &Path) -> Result<(), ArchiveError> {
    match path.parent() {
        Some(folder) => fs::create_dir_all(folder).map_err(ArchiveError::io("create directory", folder)),
        None => Ok(()),
    }
}
