//! The blobs of an archive directory that is being written: files that nothing changes, on a disk or on their way to an object store.

use super::blob::{BLOB_MODE, GuardedReader, IngestError, StoredFile, copy_and_hash};
use super::error::{ArchiveError, Result};
use super::reflink::clone_file;
use super::remote::RemoteBlobs;
use super::staging::create_parents_below;
use crate::format::ArchivePath;
use crate::model::{BlobRef, Digest};
use crate::platform::{OpenMore as _, set_mode};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The blobs of an archive directory that is being written; used from several threads.
pub(crate) struct BlobDirectory {
    root: PathBuf,
    scratch: PathBuf,
    made: [AtomicBool; 256],
    next_temporary: AtomicU64,
    /// Where they go as soon as they are whole, where the archive is made in an object store.
    remote: Option<RemoteBlobs>,
}

impl BlobDirectory {
    /// Blobs below the archive's root.
    pub(crate) fn new(root: &Path, scratch: &Path, remote: Option<RemoteBlobs>) -> Self {
        BlobDirectory {
            remote,
            root: root.to_owned(),
            scratch: scratch.to_owned(),
            made: [const { AtomicBool::new(false) }; 256],
            next_temporary: AtomicU64::new(0),
        }
    }

    /// The path of a blob, its folder made.
    pub(crate) fn path_of(&self, digest: &Digest) -> Result<PathBuf> {
        let path = ArchivePath::blob(digest).below(&self.root);
        let made = &self.made[usize::from(digest.0[0])];
        if !made.load(Ordering::Acquire) {
            create_parents_below(&self.root, &path)?;
            made.store(true, Ordering::Release);
        }
        Ok(path)
    }

    /// The store that they go to, where they go to one.
    pub(crate) fn remote(&self) -> Option<&RemoteBlobs> {
        self.remote.as_ref()
    }

    /// A new temporary file of its own.
    pub(crate) fn temporary(&self) -> Result<(PathBuf, File)> {
        let number = self.next_temporary.fetch_add(1, Ordering::Relaxed);
        let path = self.scratch.join(format!("blob-{number}"));
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).open(&path);
        Ok((path.clone(), file.map_err(ArchiveError::io("create", &path))?))
    }

    pub(super) fn store_small(&self, digest: &Digest, bytes: &[u8]) -> Result<()> {
        if let Some(remote) = &self.remote {
            return remote.put(digest, bytes);
        }
        let path = self.path_of(digest)?;
        let opened = OpenOptions::new()
            .write(true)
            .create_new(true)
            .with_mode(BLOB_MODE)
            .open(&path);
        match opened {
            // Another thread has written, or is writing, the same bytes; if it fails the whole archive does.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            opened => opened
                .and_then(|mut file| file.write_all(bytes))
                .map_err(ArchiveError::io("write", &path)),
        }
    }

    /// Takes over a file's bytes: shared where the file system can, else copied.
    pub(super) fn link(&self, stored: &StoredFile) -> Result<()> {
        if let Some(remote) = &self.remote {
            let file = File::open(&stored.path).map_err(ArchiveError::io("open", &stored.path))?;
            return remote.put_file(&stored.blob.sha256, &file);
        }
        let path = self.path_of(&stored.blob.sha256)?;
        if clone_file(&stored.path, &path, BLOB_MODE) {
            return Ok(());
        }
        match fs::hard_link(&stored.path, &path) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
            Err(_) => {}
        }
        let number = self.next_temporary.fetch_add(1, Ordering::Relaxed);
        let temporary = self.scratch.join(format!("blob-{number}"));
        fs::copy(&stored.path, &temporary).map_err(ArchiveError::io("copy", &stored.path))?;
        let file = File::open(&temporary).map_err(ArchiveError::io("open", &temporary))?;
        self.keep(&temporary, &file, &stored.blob.sha256)
    }

    pub(super) fn store_large(&self, mut reader: GuardedReader) -> Result<BlobRef, IngestError> {
        if let (Some(remote), true) = (&self.remote, reader.file().is_some()) {
            return put_file(remote, reader);
        }
        let (temporary, mut file) = self.temporary()?;
        let copied = copy_and_hash(&mut reader, &mut file, |error| {
            ArchiveError::io("write", &temporary)(error)
        });
        let blob = copied.inspect_err(|_| {
            // The scratch directory is removed in the end in any case.
            let _ = fs::remove_file(&temporary);
        })?;
        self.keep(&temporary, &file, &blob.sha256)?;
        Ok(blob)
    }

    /// Gives a temporary file its place.
    pub(crate) fn keep(&self, temporary: &Path, file: &File, digest: &Digest) -> Result<()> {
        if let Some(remote) = &self.remote {
            remote.put_file(digest, file)?;
            return fs::remove_file(temporary).map_err(ArchiveError::io("remove", temporary));
        }
        set_mode(file, BLOB_MODE).map_err(ArchiveError::io("set mode of", temporary))?;
        let path = self.path_of(digest)?;
        fs::rename(temporary, &path).map_err(ArchiveError::io("rename to", &path))
    }
}

/// Puts a file that lies on a disk already: it is read twice and copied nowhere.
fn put_file(remote: &RemoteBlobs, mut reader: GuardedReader) -> Result<BlobRef, IngestError> {
    let write_error = |error| remote.upload_error(error);
    let blob = copy_and_hash(&mut reader, &mut io::sink(), write_error)?;
    if let Some(file) = reader.file() {
        remote.put_file(&blob.sha256, file)?;
    }
    // Other bytes than those that were hashed may be there.
    let unchanged = reader.check_unchanged();
    let changed = |_| remote.upload_error(io::Error::other("a file changed while it was uploaded"));
    unchanged.map_err(changed)?;
    Ok(blob)
}
