//! The two containers being read: a directory, and a zip of exactly that directory.

use super::error::{ArchiveError, Result};
use super::zip::{ScanError, ZipFault, ZipIndex, ZipLimits};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Directory or zip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ContainerKind {
    /// Files below a directory.
    Directory,
    /// One zip file.
    Zip,
}

impl ContainerKind {
    /// What an output's name asks for: `.zip` in any case means a zip.
    pub fn of_output(path: &Path) -> Self {
        match path.extension() {
            Some(extension) if extension.eq_ignore_ascii_case("zip") => ContainerKind::Zip,
            _ => ContainerKind::Directory,
        }
    }
}

/// An open container.
pub(crate) enum Container {
    Directory(PathBuf),
    Zip { file: File, index: ZipIndex },
}

impl Container {
    /// Opens a directory, or scans a zip.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let metadata = std::fs::metadata(path).map_err(ArchiveError::io("open", path))?;
        if metadata.is_dir() {
            return Ok(Container::Directory(path.to_owned()));
        }
        if !metadata.is_file() {
            return Err(ArchiveError::NotAnArchive {
                path: path.to_owned(),
                reason: "it is neither a directory nor a regular file".to_owned(),
            });
        }
        let file = File::open(path).map_err(ArchiveError::io("open", path))?;
        match ZipIndex::scan(&file, &ZipLimits::default()) {
            Ok(index) => Ok(Container::Zip { file, index }),
            Err(ScanError::Faults(faults)) if is_no_zip(&file, &faults) => Err(ArchiveError::NotAnArchive {
                path: path.to_owned(),
                reason: "it is no zip".to_owned(),
            }),
            Err(error) => Err(scan_error(path, error)),
        }
    }

    /// Opens an entry for reading; several may be read at once.
    pub(crate) fn open_entry(&self, name: &str) -> io::Result<Box<dyn Read + Send + '_>> {
        match self {
            Container::Directory(root) => Ok(Box::new(open_regular(&root.join(name))?)),
            Container::Zip { file, index } => match index.open(file, name) {
                Some(reader) => Ok(Box::new(reader)),
                None => Err(io::Error::from(io::ErrorKind::NotFound)),
            },
        }
    }

    /// Size of an entry's content.
    pub(crate) fn entry_size(&self, name: &str) -> Option<u64> {
        match self {
            Container::Directory(root) => {
                let metadata = std::fs::symlink_metadata(root.join(name)).ok()?;
                metadata.is_file().then_some(metadata.len())
            }
            Container::Zip { index, .. } => index.get(name).map(|entry| entry.size),
        }
    }
}

/// Opens a file that must be a regular one: no symlink is followed, no pipe is waited for.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    let file = open_listed(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    Ok(file)
}

/// Opens a file that was seen to be a regular one. What took its place meanwhile gives an error or other bytes: no
/// symlink is followed, no pipe is waited for.
pub(crate) fn open_listed(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
}

/// Whether a file neither begins nor ends as a zip does; one that is empty or cut off may have been an archive.
fn is_no_zip(file: &File, faults: &[ZipFault]) -> bool {
    let mut head = [0; 2];
    let has_head = file.read_exact_at(&mut head, 0).is_ok();
    matches!(faults, [ZipFault::NoEnd { .. }]) && has_head && head != *b"PK"
}

fn scan_error(path: &Path, error: ScanError) -> ArchiveError {
    let reason = match &error {
        ScanError::Faults(faults) => match faults.first() {
            Some(fault) => format!("{fault} ({})", fault.code()),
            None => "the scan failed".to_owned(),
        },
        other => other.to_string(),
    };
    ArchiveError::Damaged {
        path: path.to_owned(),
        entry: "zip".to_owned(),
        reason,
    }
}
