//! Artifacts of a target, as a folder that MLflow's server serves.

use crate::archive::{Archive, ArchiveError};
use crate::lang::artifacts::tree::{Paths, check_name, write_live_artifact};
use crate::lang::sql::write::{FileSink, StorePlace, WriteError};
use crate::model::{ArtifactFile, ArtifactList, BlobRef, Digest};
use crate::report::Difference;
use crate::report::diff::Change;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// Result of a step of a sink.
pub(super) type Result<T, E = WriteError> = std::result::Result<T, E>;

/// Which names of files an owner has so far.
pub(super) struct Names {
    place: StorePlace,
    paths: Paths,
}

impl Names {
    pub(super) fn new() -> Self {
        Names {
            place: StorePlace::default(),
            paths: Paths::new(false),
        }
    }

    /// Takes the path of a file of an owner; whether it can be there.
    pub(super) fn claim(&mut self, place: &StorePlace, path: &str) -> bool {
        if self.place != *place {
            self.place = place.clone();
            self.paths.clear();
        }
        let parts: Vec<&str> = path.split('/').collect();
        parts.iter().all(|part| check_name(part).is_ok()) && self.paths.claim(&parts).is_ok()
    }

    /// Begins a file below a folder that no artifact is.
    pub(super) fn create(
        &mut self,
        root: &Path,
        place: &StorePlace,
        name: &'static str,
    ) -> Result<Box<dyn Write>> {
        let path = place.below(root).join(name);
        if !self.claim(place, name) {
            let text = format!("an artifact already has the path `{}`", path.display());
            return Err(WriteError::Impossible(text));
        }
        create_parents(&path)?;
        let file = File::create_new(&path).map_err(ArchiveError::io("create", &path))?;
        Ok(Box::new(BufWriter::new(file)))
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
    fn take(&mut self, _: &ArtifactList, place: &StorePlace, file: &ArtifactFile) -> Result<bool> {
        Ok(self.0.claim(place, &file.path))
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
    fn take(&mut self, _: &ArtifactList, place: &StorePlace, file: &ArtifactFile) -> Result<bool> {
        if !self.names.claim(place, &file.path) {
            return Ok(false);
        }
        let path = path_of(&self.root, place, file);
        write_live_artifact(self.archive, file, &path)?;
        Ok(true)
    }

    fn create(&mut self, place: &StorePlace, name: &'static str) -> Result<Option<Box<dyn Write>>> {
        self.names.create(&self.root, place, name).map(Some)
    }
}

/// Where a file lies whose names were checked.
fn path_of(root: &Path, place: &StorePlace, file: &ArtifactFile) -> PathBuf {
    let parts = file.path.split('/');
    parts.fold(place.below(root), |path, part| path.join(part))
}

/// Files that should lie in a folder: compared, and nothing is written.
pub(super) struct CheckedFiles<'a> {
    root: &'a Path,
    names: Names,
    differs: &'a mut dyn FnMut(Difference),
}

impl<'a> CheckedFiles<'a> {
    pub(super) fn new(root: &'a Path, differs: &'a mut dyn FnMut(Difference)) -> Self {
        CheckedFiles {
            root,
            names: Names::new(),
            differs,
        }
    }
}

impl FileSink for CheckedFiles<'_> {
    fn take(&mut self, list: &ArtifactList, place: &StorePlace, file: &ArtifactFile) -> Result<bool> {
        if !self.names.claim(place, &file.path) {
            return Ok(false);
        }
        let path = path_of(self.root, place, file);
        let found = match blob_at(&path) {
            Ok(found) => Some(found),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(ArchiveError::io("read", &path)(error).into()),
        };
        let expected = file.blob();
        if found != expected {
            let value = |blob: BlobRef| json!({"sha256": blob.sha256, "size_bytes": blob.size_bytes});
            let [before, after] = [expected, found].map(|blob| blob.map(value));
            (self.differs)(difference(list, file, before, after));
        }
        Ok(true)
    }
}

/// The folder that a restore of the same archive made whole and that was killed then: looked at, and left as it is.
pub(super) struct LeftFolder<'a> {
    root: &'a Path,
    names: Names,
    is_whole: &'a Cell<bool>,
}

impl<'a> LeftFolder<'a> {
    /// `is_whole` becomes false where something is missing, or is another.
    pub(super) fn new(root: &'a Path, is_whole: &'a Cell<bool>) -> Self {
        LeftFolder {
            root,
            names: Names::new(),
            is_whole,
        }
    }
}

impl FileSink for LeftFolder<'_> {
    fn take(&mut self, _: &ArtifactList, place: &StorePlace, file: &ArtifactFile) -> Result<bool> {
        if !self.names.claim(place, &file.path) {
            return Ok(false);
        }
        if blob_at(&path_of(self.root, place, file)).ok() != file.blob() {
            self.is_whole.set(false);
        }
        Ok(true)
    }

    fn create(&mut self, place: &StorePlace, name: &'static str) -> Result<Option<Box<dyn Write>>> {
        if !place.below(self.root).join(name).is_file() {
            self.is_whole.set(false);
        }
        Ok(None)
    }
}

fn difference(
    list: &ArtifactList,
    file: &ArtifactFile,
    before: Option<Value>,
    after: Option<Value>,
) -> Difference {
    Difference {
        change: match &after {
            Some(_) => Change::Changed,
            None => Change::Removed,
        },
        kind: crate::format::Kind::Artifacts.name().to_owned(),
        id: list.owner_id.clone(),
        owner_kind: Some(list.owner_kind),
        key: vec![file.path.clone()],
        before,
        after,
        points: None,
    }
}

/// Digest and size of a file.
fn blob_at(path: &Path) -> io::Result<BlobRef> {
    let mut file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let (mut hasher, mut buffer, mut size_bytes) = (Sha256::new(), vec![0; 1 << 18], 0);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
        size_bytes += read as u64;
    }
    Ok(BlobRef {
        sha256: Digest(hasher.finalize().into()),
        size_bytes,
    })
}

fn create_parents(path: &Path) -> Result<(), ArchiveError> {
    match path.parent() {
        Some(folder) => fs::create_dir_all(folder).map_err(ArchiveError::io("create directory", folder)),
        None => Ok(()),
    }
}
