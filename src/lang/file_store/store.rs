//! The tree that is read, as worker threads see it.

use super::folder::{Folder, read_description};
use super::notes::{Fault, Notes, unreadable};
use crate::archive::LongTexts;
use crate::format::{Kind, Reason};
use crate::lang::artifacts::local_roots::LocalRoots;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Name of the folder of deleted experiments.
pub(super) const TRASH: &str = ".trash";
/// Name of the folder of registered models in the root, and of logged models in an experiment.
pub(super) const MODELS: &str = "models";
/// Name of the file that describes an experiment, run, model or dataset.
pub(super) const META: &str = "meta.yaml";

/// Where the tree is, and what else its reader needs to know.
#[derive(Debug)]
pub(super) struct Store {
    root: PathBuf,
    scratch: PathBuf,
    long_texts: LongTexts,
    roots: Arc<LocalRoots>,
}

impl Store {
    /// The store at `root`; temporary files go to `scratch`, texts that no line holds to `long_texts`.
    pub(super) fn new(
        root: &Path,
        scratch: &Path,
        long_texts: LongTexts,
        roots: LocalRoots,
    ) -> io::Result<Self> {
        Ok(Store {
            root: std::path::absolute(root)?,
            scratch: scratch.to_owned(),
            long_texts,
            roots: Arc::new(roots),
        })
    }

    /// The root as it was named, made absolute.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// A directory for temporary files.
    pub(super) fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// Where texts are laid aside that no line holds.
    pub(super) fn long_texts(&self) -> &LongTexts {
        &self.long_texts
    }

    /// The folders that artifacts may be read from.
    pub(super) fn roots(&self) -> &LocalRoots {
        &self.roots
    }

    /// Opens a folder.
    pub(super) fn open(&self, path: &Path) -> io::Result<Folder> {
        Folder::open(&self.roots, path)
    }

    /// Opens a folder that may be missing.
    pub(super) fn open_optional(&self, path: &Path) -> io::Result<Option<Folder>> {
        match self.open(path) {
            Ok(folder) => Ok(Some(folder)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens a folder of the root that may be missing; one that cannot be opened is noted.
    pub(super) fn open_noting(&self, kind: Kind, name: &str, notes: &mut Notes) -> Option<Folder> {
        let path = self.root.join(name);
        let opened = self.open_optional(&path);
        notes.of_path(kind, name, "*", &path, opened).flatten()
    }

    /// Reads a file that describes an object and may be missing.
    pub(super) fn describe_optional(&self, path: &Path) -> Result<Option<Vec<u8>>, Fault> {
        match self.describe(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unreadable(path, &error)),
        }
    }

    /// Reads a file that describes an object.
    pub(super) fn describe(&self, path: &Path) -> io::Result<Vec<u8>> {
        read_description(&self.roots, path)
    }
}

/// Notes a folder in which no `meta.yaml` is: one that holds files is a failure, an empty one nothing but a leftover.
pub(super) fn note_folder_without_meta(kind: Kind, id: &str, path: &Path, notes: &mut Notes) {
    let mut entries = walkdir::WalkDir::new(path).into_iter().filter_map(Result::ok);
    let holds_files = entries.any(|entry| !entry.file_type().is_dir());
    if holds_files && !id.starts_with('.') {
        let detail = format!(
            "{} holds files but no {META}, so MLflow does not see it",
            path.display()
        );
        notes.failure(kind, id, "*", Reason::NoMeta, detail);
    } else {
        notes.limit(
            kind,
            "*",
            if holds_files {
                Reason::Stray
            } else {
                Reason::EmptyDirectory
            },
        );
    }
}
