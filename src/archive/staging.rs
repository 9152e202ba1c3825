//! Complete or absent: what is written lies beside its final name until it is whole.

use super::container::ContainerKind;
use super::error::{ArchiveError, Result};
use super::leftovers::{TemporaryFolder, hold};
use super::remote::{
    self, Gate, NOTE_OF_FOLDER, ObjectWriter, OutputState, RemoteBlobs, RemoteTarget, TreeNote,
};
use crate::format::layout::{MANIFEST, SEAL};
use crate::platform;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What begins the name of a part of a split archive.
pub(crate) const PART: &str = "part-";

/// Name within the temporary directory of what is being replaced, where the file system cannot exchange names.
pub(super) const REPLACED: &str = "replaced";

/// Creates the folders between `root` and `path`, but never `root`: once it is removed, since the process is to end, it
/// stays so.
pub(super) fn create_parents_below(root: &Path, path: &Path) -> Result<()> {
    let below = path.strip_prefix(root).expect("the path is below the root");
    let mut folder = root.to_owned();
    for name in below.parent().into_iter().flat_map(Path::components) {
        folder.push(name);
        create_if_missing(&folder)?;
    }
    Ok(())
}

fn create_if_missing(folder: &Path) -> Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(ArchiveError::io("create directory", folder)(error))
        }
        _ => Ok(()),
    }
}

/// What may be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replace {
    /// Nothing: the output must not exist.
    Nothing,
    /// A file, an empty directory, or one with a file of this name at its top, as what is being made has it.
    Marked(&'static str),
    /// A directory in which nothing lies but parts of a split archive.
    Parts,
}

impl Replace {
    /// What `--force` allows for outputs that have this file.
    pub(crate) fn if_forced(force: bool, mark: &'static str) -> Self {
        if force {
            Replace::Marked(mark)
        } else {
            Replace::Nothing
        }
    }

    /// Refuses an output that is there and may not be replaced.
    fn check(self, out: &Path) -> Result<()> {
        let Ok(metadata) = fs::symlink_metadata(out) else {
            return Ok(());
        };
        let path = out.to_owned();
        match self {
            Replace::Nothing => Err(ArchiveError::OutputExists { path }),
            Replace::Marked(mark) if metadata.is_dir() && !is_own(out, mark)? => {
                Err(ArchiveError::OutputForeign { path, mark })
            }
            Replace::Marked(_) => Ok(()),
            Replace::Parts if !metadata.is_dir() => Err(ArchiveError::OutputExists { path }),
            Replace::Parts => match no_part_in(out)? {
                Some(name) => Err(ArchiveError::OutputHolds { path, name }),
                None => Ok(()),
            },
        }
    }
}

/// Something in a directory that is no part of a split archive.
fn no_part_in(directory: &Path) -> Result<Option<String>> {
    let io_error = || ArchiveError::io("read", directory);
    for entry in fs::read_dir(directory).map_err(io_error())? {
        let entry = entry.map_err(io_error())?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let number = name.strip_prefix(PART).unwrap_or_default();
        // A folder is one only with an archive's manifest in it.
        let (number, is_there) = match number.strip_suffix(".zip") {
            Some(number) => (number, entry.path().is_file()),
            None => (number, entry.path().join(MANIFEST).exists()),
        };
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number || !is_there {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Whether a directory has the mark of what mlark makes, or nothing in it that could be lost.
fn is_own(directory: &Path, mark: &str) -> Result<bool> {
    let mut entries = fs::read_dir(directory).map_err(ArchiveError::io("read", directory))?;
    Ok(fs::symlink_metadata(directory.join(mark)).is_ok() || entries.next().is_none())
}

/// A temporary directory beside the output; removed when dropped.
pub(crate) struct Staging {
    folder: TemporaryFolder,
    out: PathBuf,
    replace: Replace,
    /// Where the output goes, where that is no disk.
    remote: Option<Arc<dyn RemoteTarget>>,
    gate: Gate,
}

impl Staging {
    /// The same for an archive, which may also be made in an object store.
    pub(crate) fn create_archive(out: &Path, kind: ContainerKind, force: bool) -> Result<Self> {
        let replace = Replace::if_forced(force, MANIFEST);
        let Some(target) = remote::target(out) else {
            return Staging::create(out, replace);
        };
        let path = out.to_owned();
        if force && kind == ContainerKind::Directory {
            return Err(ArchiveError::ForcedBucket { path });
        }
        Staging::create_remote(out, replace, target.map_err(ArchiveError::io("open", out))?)
    }

    fn create_remote(out: &Path, replace: Replace, target: Arc<dyn RemoteTarget>) -> Result<Self> {
        let staging = Staging::new(out, replace, Some(target.clone()))?;
        staging.check_free(target.as_ref())?;
        Ok(staging)
    }

    /// Refuses a place in an object store where something is.
    fn check_free(&self, target: &dyn RemoteTarget) -> Result<()> {
        let path = self.out.clone();
        match target.taken().map_err(ArchiveError::io("look for", &path))? {
            OutputState::Unsealed => Err(ArchiveError::OutputUnsealed { path }),
            OutputState::Yes if self.replace == Replace::Nothing => Err(ArchiveError::OutputExists { path }),
            OutputState::Yes | OutputState::No => Ok(()),
        }
    }

    /// Where the output goes, where that is an object store.
    pub(super) fn remote(&self) -> Option<&Arc<dyn RemoteTarget>> {
        self.remote.as_ref()
    }

    /// The blobs of a directory that goes to an object store.
    pub(super) fn remote_blobs(&self) -> Result<Option<RemoteBlobs>> {
        let remote = self.remote.as_ref();
        let blobs =
            remote.map(|target| RemoteBlobs::new(target.clone(), self.gate.clone(), self.root(), &self.out));
        blobs.transpose()
    }

    /// The output.
    pub(super) fn out(&self) -> &Path {
        &self.out
    }

    /// The parts of a zip that goes to an object store.
    pub(super) fn parts(&self, target: &dyn RemoteTarget) -> Result<ObjectWriter> {
        let is_new = self.replace == Replace::Nothing;
        let begun = target.begin(&remote::note_in(self.root()), is_new);
        begun
            .map(ObjectWriter::new)
            .map_err(ArchiveError::io("upload to", &self.out))
    }

    /// Puts the parts of a zip together.
    pub(super) fn complete(self, parts: ObjectWriter) -> Result<()> {
        if let Some(target) = &self.remote {
            self.check_free(target.as_ref())?;
        }
        parts.complete().map_err(|error| upload_error(&self.out, error))
    }

    /// Checks that the output may be made and creates the temporary directory.
    pub(crate) fn create(out: &Path, replace: Replace) -> Result<Self> {
        if let Some(target) = remote::target(out) {
            if replace != Replace::Nothing {
                let path = out.to_owned();
                return Err(ArchiveError::ForcedBucket { path });
            }
            let target = target.map_err(ArchiveError::io("open", out))?;
            return Staging::create_remote(out, replace, target);
        }
        replace.check(out)?;
        let parent = parent_of(out);
        fs::create_dir_all(&parent).map_err(|error| create_error(&parent, error))?;
        Staging::new(out, replace, None)
    }

    fn new(out: &Path, replace: Replace, remote: Option<Arc<dyn RemoteTarget>>) -> Result<Self> {
        Ok(Staging {
            folder: TemporaryFolder::create_in(&parent_of(out))?,
            out: out.to_owned(),
            replace,
            remote,
            gate: Gate::default(),
        })
    }

    /// The temporary directory.
    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    /// A note of what is put below the output, where that is an object store.
    pub(crate) fn note_of_tree(&self) -> Result<Option<TreeNote>> {
        let note = self
            .remote
            .as_ref()
            .map(|_| TreeNote::create(self.root(), &self.out));
        note.transpose()
            .map_err(ArchiveError::io("write a note in", self.root()))
    }

    /// The directory for files that are not part of the result.
    pub(crate) fn scratch(&self) -> Result<PathBuf> {
        let scratch = self.root().join("scratch");
        create_if_missing(&scratch)?;
        Ok(scratch)
    }

    /// Makes `name` within the temporary directory the output: one sync, one rename.
    pub(crate) fn publish(self, name: &str, sync: bool) -> Result<()> {
        let made = self.root().join(name);
        if let Some(target) = &self.remote {
            // A directory of an archive has its blobs there already.
            let is_begun = self.root().join(NOTE_OF_FOLDER).is_file();
            if !is_begun {
                self.check_free(target.as_ref())?;
                self.note_folder(target.as_ref(), &made)?;
            }
            let uploaded = remote::upload(target.as_ref(), self.root(), &made);
            uploaded.map_err(|error| upload_error(&self.out, error))?;
            // What is whole is not given back, with or without a note.
            let note = self.root().join(NOTE_OF_FOLDER);
            let _ = fs::remove_file(&note);
            return Ok(());
        }
        if sync {
            let synced = match made.is_dir() {
                true => platform::sync_tree(&made),
                false => platform::sync_file(&made),
            };
            synced.map_err(ArchiveError::io("sync", &made))?;
        }
        self.rename(&made)?;
        if sync {
            let parent = parent_of(&self.out);
            platform::sync_folder(&parent).map_err(ArchiveError::io("sync", &parent))?;
        }
        Ok(())
    }

    /// Notes that the directory of an archive is about to be uploaded.
    fn note_folder(&self, target: &dyn RemoteTarget, made: &Path) -> Result<()> {
        if !made.join(SEAL).is_file() {
            return Ok(());
        }
        let note = self.root().join(NOTE_OF_FOLDER);
        fs::write(&note, target.note_of_folder()).map_err(ArchiveError::io("write", &note))
    }

    fn rename(&self, made: &Path) -> Result<()> {
        // A signal removes all of this or nothing of it.
        let _held = hold();
        match platform::rename_new(made, &self.out) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(ArchiveError::io("rename to", &self.out)(error));
            }
            Err(_) if self.replace != Replace::Nothing => {}
            Err(_) => {
                return Err(ArchiveError::OutputExists {
                    path: self.out.clone(),
                });
            }
        }
        self.replace.check(&self.out)?;
        self.replace(made)
    }

    /// Replaces the old output; one of the two is under its name at any moment where the file system can.
    fn replace(&self, made: &Path) -> Result<()> {
        if platform::exchange(made, &self.out).is_ok() {
            return Ok(()); // the old one now lies in the temporary directory, which is removed
        }
        if made.is_file() && self.out.is_file() {
            return fs::rename(made, &self.out).map_err(ArchiveError::io("rename to", &self.out));
        }
        let aside = self.root().join(REPLACED);
        fs::rename(&self.out, &aside).map_err(ArchiveError::io("move aside", &self.out))?;
        fs::rename(made, &self.out).map_err(|error| {
            let _ = fs::rename(&aside, &self.out);
            ArchiveError::io("rename to", &self.out)(error)
        })
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if self.remote.is_some() {
            self.gate.close();
            // What cannot be given back stays there until it is cleaned up: an archive it is not.
            let _ = remote::give_back(self.root());
        }
    }
}

fn upload_error(out: &Path, error: io::Error) -> ArchiveError {
    match error.kind() {
        io::ErrorKind::AlreadyExists => ArchiveError::OutputExists { path: out.to_owned() },
        _ => ArchiveError::io("upload to", out)(error),
    }
}

/// The error of creating a directory; a file in its place is said to be one.
fn create_error(directory: &Path, error: io::Error) -> ArchiveError {
    let error = match error.kind() {
        io::ErrorKind::AlreadyExists => platform::is_no_folder(),
        _ => error,
    };
    ArchiveError::io("create directory", directory)(error)
}

/// The directory a path lies in, `.` for a bare name; for what goes to an object store, that of temporary files.
pub(crate) fn parent_of(path: &Path) -> PathBuf {
    match path.parent() {
        _ if remote::is_remote(path) => std::env::temp_dir(),
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests;
