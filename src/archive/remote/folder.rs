//! A directory that is made in an object store: each blob goes there as soon as its digest is known.

use super::{Lanes, NOTE_OF_FOLDER, RemoteTarget, note_in};
use crate::archive::error::{ArchiveError, Result};
use crate::format::layout::blob_path;
use crate::model::Digest;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Seek as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Lets blobs through as long as the archive is being made: what is put later would be left there.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<RwLock<bool>>);

impl Gate {
    /// Waits for what is being put, and lets nothing through from then on.
    pub(crate) fn close(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = true;
    }

    fn pass(&self, put: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let is_closed = self.0.read().unwrap_or_else(PoisonError::into_inner);
        match *is_closed {
            true => Err(io::Error::other("the archive was abandoned")),
            false => put(),
        }
    }
}

/// See the module; used from several threads.
pub(crate) struct RemoteBlobs {
    gate: Gate,
    target: Arc<dyn RemoteTarget>,
    /// Folder of notes, and the URI for people.
    folder: PathBuf,
    out: PathBuf,
    /// Sizes of the blobs that are there, or on their way: whoever fails there ends all of it.
    sizes: Mutex<BTreeMap<Digest, u64>>,
    lanes: Lanes,
}

impl RemoteBlobs {
    /// Blobs of an archive at `out`; a note of what is begun is left in `folder`.
    pub(crate) fn new(target: Arc<dyn RemoteTarget>, gate: Gate, folder: &Path, out: &Path) -> Result<Self> {
        let note = folder.join(NOTE_OF_FOLDER);
        fs::write(&note, target.note_of_folder()).map_err(ArchiveError::io("write", &note))?;
        Ok(RemoteBlobs {
            gate,
            target,
            folder: folder.to_owned(),
            out: out.to_owned(),
            sizes: Mutex::default(),
            lanes: Lanes::default(),
        })
    }

    /// Whether a blob is to be put now: nobody else did.
    fn claim(&self, digest: &Digest, size_bytes: u64) -> bool {
        let mut sizes = self.sizes.lock().unwrap_or_else(PoisonError::into_inner);
        sizes.insert(*digest, size_bytes).is_none()
    }

    /// What is said of bytes that cannot be put.
    pub(crate) fn upload_error(&self, error: io::Error) -> ArchiveError {
        ArchiveError::io("upload to", &self.out)(error)
    }

    /// Puts a blob that is in memory.
    pub(crate) fn put(&self, digest: &Digest, bytes: &[u8]) -> Result<()> {
        if !self.claim(digest, bytes.len() as u64) {
            return Ok(());
        }
        let path = blob_path(digest);
        let put = self
            .gate
            .pass(|| self.target.put_bytes(&path, bytes.to_vec(), false));
        put.map_err(|error| self.upload_error(error))
    }

    /// Puts a blob that is a file.
    pub(crate) fn put_file(&self, digest: &Digest, file: &File) -> Result<()> {
        let metadata = file.metadata().map_err(|error| self.upload_error(error))?;
        let size_bytes = metadata.len();
        if !self.claim(digest, size_bytes) {
            return Ok(());
        }
        let _held = self.lanes.enter(digest.0[0].into(), size_bytes);
        let (path, note) = (blob_path(digest), note_in(&self.folder));
        let mut file = file;
        let put = self.gate.pass(|| {
            file.rewind()?;
            self.target.put(Some(&path), &mut file, size_bytes, &note)
        });
        put.map_err(|error| self.upload_error(error))
    }

    /// Takes a blob out again; its size.
    pub(crate) fn remove(&self, digest: &Digest) -> Result<u64> {
        let mut sizes = self.sizes.lock().unwrap_or_else(PoisonError::into_inner);
        let removed = self.target.remove(&blob_path(digest));
        removed.map_err(ArchiveError::io("remove from", &self.out))?;
        Ok(sizes.remove(digest).unwrap_or_default())
    }
}
