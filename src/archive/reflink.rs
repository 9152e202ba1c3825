//! Blobs that two archives share: reflinked, else hard-linked, else copied.

use super::blob::BLOB_MODE;
use super::blob_directory::BlobDirectory;
use super::container::{Container, check_regular, open_regular};
use super::error::{ArchiveError, Result};
use super::reader::Archive;
use crate::format::ArchivePath;
use crate::format::layout::MANIFEST;
use crate::model::Digest;
use crate::platform::{OpenMore as _, reflink};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// Blobs that were taken over, and their bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Taken {
    pub(crate) blobs: u64,
    pub(crate) bytes: u64,
}

impl Taken {
    /// Counts a blob. More than the archive says it has is not taken: bytes that nothing lists could fill the disk.
    pub(super) fn add(&mut self, archive: &Archive, size_bytes: u64) -> Result<()> {
        self.blobs += 1;
        self.bytes = self.bytes.saturating_add(size_bytes);
        let stated = archive.manifest().totals.blob_bytes;
        if self.bytes <= stated {
            Ok(())
        } else {
            let reason = format!("totals say {stated} bytes of blobs, but there are more");
            Err(archive.damaged(MANIFEST, &reason))
        }
    }
}

/// Reflinks a blob, else links it, else copies it. What is in a blob's place and no plain file, such as a
/// link to some other, is not taken.
pub(super) fn link_blob(archive: &Archive, blobs: &BlobDirectory, digest: &Digest, copy: bool) -> Result<()> {
    let path = ArchivePath::blob(digest);
    let from = path.below(archive.path());
    let to = blobs.path_of(digest)?;
    let damaged = |error| archive.read_error(path.as_str(), error);
    if clone_file(&from, &to, BLOB_MODE) || (!copy && fs::hard_link(&from, &to).is_ok()) {
        let linked = fs::symlink_metadata(&to).map_err(ArchiveError::io("read", &to))?;
        return check_regular(&linked).map(drop).map_err(damaged);
    }
    let reader = open_regular(&from).map_err(damaged)?;
    let size_bytes = reader.metadata().and_then(|found| check_regular(&found));
    let size_bytes = size_bytes.map_err(damaged)?;
    let mut writer = create_blob(&to).map_err(ArchiveError::io("create", &to))?;
    io::copy(&mut reader.take(size_bytes), &mut writer).map_err(ArchiveError::io("copy", &from))?;
    Ok(())
}

/// Creates a file that nothing changes once it is written.
pub(super) fn create_blob(path: &Path) -> io::Result<File> {
    create_as(path, BLOB_MODE)
}

fn create_as(path: &Path, mode: u32) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true).with_mode(mode).open(path)
}

/// Makes a file of its owner's of a blob in a directory by sharing its bytes, where the file system can; unchecked.
pub(crate) fn clone_blob(archive: &Archive, digest: &Digest, to: &Path) -> bool {
    let from = ArchivePath::blob(digest).below(archive.path());
    matches!(archive.container(), Container::Directory(_)) && clone_file(&from, to, 0o644)
}

/// Shares a file's bytes where the file system can; leaves nothing where it cannot.
pub(super) fn clone_file(from: &Path, to: &Path, mode: u32) -> bool {
    use std::sync::atomic::{AtomicBool, Ordering};
    // A file system that refused once will refuse the next twenty thousand.
    static REFUSED: AtomicBool = AtomicBool::new(false);
    if REFUSED.load(Ordering::Relaxed) {
        return false;
    }
    let (Ok(source), Ok(target)) = (open_regular(from), create_as(to, mode)) else {
        return false;
    };
    let cloned = reflink(&source, &target).is_ok();
    if !cloned {
        REFUSED.store(true, Ordering::Relaxed);
        let _ = fs::remove_file(to);
    }
    cloned
}
