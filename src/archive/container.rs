//! The two containers being read: a directory, and a zip of exactly that directory.

use super::error::{ArchiveError, Result};
use super::regular::open_input;
use super::remote::{self, ListedFolder, Remote, RemoteZip};
use super::zip::{ScanError, ZipBytes, ZipFault, ZipIndex, ZipLimits};
use crate::format::ArchivePath;
use crate::format::layout::{BLOBS, BLOBS_PARENT, OBJECTS, UNDO};
use crate::model::named::named;
use crate::platform::{OpenMore as _, is_link_error};
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

named! {
    serialized
    /// Directory or zip.
    pub enum ContainerKind {
        /// Files below a directory.
        Directory = "directory",
        /// One zip file.
        Zip = "zip",
    }
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
    Zip {
        file: File,
        index: ZipIndex,
    },
    /// A zip in an object store.
    RemoteZip {
        zip: RemoteZip,
        index: ZipIndex,
    },
    /// A directory in an object store.
    RemoteDirectory(ListedFolder),
}

impl Container {
    /// Opens a directory, or scans a zip.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let opened = Container::open_with(path, &mut |bytes| scan(bytes, path).map(Some))?;
        Ok(opened.expect("a zip without an index is an error"))
    }

    /// Opens a directory, or a zip with the index that `scan` makes of it; none where that is none.
    pub(crate) fn open_with(
        path: &Path,
        scan: &mut dyn FnMut(ZipBytes<'_>) -> Result<Option<ZipIndex>>,
    ) -> Result<Option<Self>> {
        if let Some(remote) = remote::open(path) {
            let object = match remote.map_err(ArchiveError::io("open", path))? {
                Remote::Folder(folder) => {
                    return Ok(Some(Container::RemoteDirectory(ListedFolder::new(folder))));
                }
                Remote::Zip(object) => object,
            };
            let zip = RemoteZip::open(object).map_err(ArchiveError::io("read", path))?;
            let index = scan((&zip).into())?;
            return Ok(index.map(|index| Container::RemoteZip { zip, index }));
        }
        let metadata = fs::metadata(path).map_err(ArchiveError::io("open", path))?;
        if metadata.is_dir() {
            return Ok(Some(Container::Directory(path.to_owned())));
        }
        if !metadata.is_file() {
            let reason = "it is neither a directory nor a regular file";
            return Err(ArchiveError::not_an_archive(path, reason));
        }
        let file = open_input(path).map_err(ArchiveError::io("open", path))?;
        let index = scan((&file).into())?;
        Ok(index.map(|index| Container::Zip { file, index }))
    }

    /// Directory or zip.
    pub(crate) fn kind(&self) -> ContainerKind {
        match self {
            Container::Directory(_) | Container::RemoteDirectory(_) => ContainerKind::Directory,
            Container::Zip { .. } | Container::RemoteZip { .. } => ContainerKind::Zip,
        }
    }

    /// The index and the bytes of a zip, where it is one.
    pub(crate) fn zip(&self) -> Option<(ZipBytes<'_>, &ZipIndex)> {
        match self {
            Container::Zip { file, index } => Some((file.into(), index)),
            Container::RemoteZip { zip, index } => Some((zip.into(), index)),
            Container::Directory(_) | Container::RemoteDirectory(_) => None,
        }
    }

    /// The folder of a directory that is a link, where one is: what lies in it lies elsewhere.
    pub(crate) fn linked_folder(&self) -> io::Result<Option<PathBuf>> {
        let Container::Directory(root) = self else {
            return Ok(None);
        };
        for folder in [OBJECTS, UNDO, BLOBS_PARENT, BLOBS] {
            if fs::symlink_metadata(root.join(folder)).is_ok_and(|found| found.is_symlink()) {
                return Ok(Some(folder.into()));
            }
        }
        let blobs = match fs::read_dir(root.join(BLOBS)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            blobs => blobs?,
        };
        for folder in blobs {
            let folder = folder?;
            if folder.file_type()?.is_symlink() {
                return Ok(Some(Path::new(BLOBS).join(folder.file_name())));
            }
        }
        Ok(None)
    }

    /// Opens an entry for reading; several may be read at once.
    pub(crate) fn open_entry(&self, path: &ArchivePath) -> io::Result<Box<dyn Read + Send + '_>> {
        match self {
            Container::Directory(root) => Ok(Box::new(open_regular(&path.below(root))?)),
            Container::RemoteDirectory(folder) => Ok(folder.open(path)?.1),
            Container::Zip { .. } | Container::RemoteZip { .. } => {
                let reader = self.zip().and_then(|(zip, index)| index.open(zip, path.as_str()));
                match reader {
                    Some(reader) => Ok(Box::new(reader)),
                    None => Err(io::Error::from(io::ErrorKind::NotFound)),
                }
            }
        }
    }

    /// Opens an entry with the size of its content, in one request where it lies in a store; none where it is not there.
    pub(crate) fn open_sized(
        &self,
        path: &ArchivePath,
    ) -> io::Result<Option<(u64, Box<dyn Read + Send + '_>)>> {
        if let Container::RemoteDirectory(folder) = self {
            return match folder.open(path) {
                Ok((size_bytes, stream)) => Ok(Some((size_bytes, stream))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            };
        }
        match self.entry_size(path) {
            Some(size_bytes) => Ok(Some((size_bytes, self.open_entry(path)?))),
            None => Ok(None),
        }
    }

    /// Size of an entry's content.
    pub(crate) fn entry_size(&self, path: &ArchivePath) -> Option<u64> {
        match self {
            Container::Directory(root) => {
                let metadata = fs::symlink_metadata(path.below(root)).ok()?;
                metadata.is_file().then_some(metadata.len())
            }
            // What cannot be asked is told of when it is opened.
            Container::RemoteDirectory(folder) => folder.size_bytes(path).ok().flatten(),
            Container::Zip { index, .. } | Container::RemoteZip { index, .. } => {
                index.get(path.as_str()).map(|entry| entry.size)
            }
        }
    }
}

/// Opens a file that must be a regular one: no symlink is followed, no pipe is waited for.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    let file = match open_listed(path) {
        Err(error) if is_link_error(&error) => {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "it is a symbolic link",
            ));
        }
        file => file?,
    };
    check_regular(&file.metadata()?)?;
    Ok(file)
}

/// The size of a regular file; anything else is not what an archive says it is.
pub(super) fn check_regular(metadata: &Metadata) -> io::Result<u64> {
    if metadata.is_file() {
        Ok(metadata.len())
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it is not a regular file",
        ))
    }
}

/// Opens a file that was seen to be a regular one. What took its place meanwhile gives an error or other bytes: no
/// symlink is followed, no pipe is waited for.
pub(crate) fn open_listed(path: &Path) -> io::Result<File> {
    File::options().read(true).no_follow().open(path)
}

/// Whether a file neither begins nor ends as a zip does; one that is empty or cut off may have been an archive. A tar may end as one,
/// with a zip that is packed in it.
fn is_no_zip(file: ZipBytes<'_>, faults: &[ZipFault]) -> bool {
    let (mut head, mut of_tar) = ([0; 2], [0; 5]);
    let has_head = file.read_exact_at(&mut head, 0).is_ok();
    let is_tar = file.read_exact_at(&mut of_tar, 257).is_ok() && of_tar == *b"ustar";
    (matches!(faults, [ZipFault::NoEnd { .. }]) || is_tar) && has_head && head != *b"PK"
}

fn scan(bytes: ZipBytes<'_>, path: &Path) -> Result<ZipIndex> {
    match ZipIndex::scan(bytes, &ZipLimits::default()) {
        Ok(index) => Ok(index),
        Err(ScanError::Faults(faults)) if is_no_zip(bytes, &faults) => {
            Err(ArchiveError::not_an_archive(path, "it is not a zip"))
        }
        Err(error) => Err(scan_error(path, error)),
    }
}

fn scan_error(path: &Path, error: ScanError) -> ArchiveError {
    let reason = match &error {
        ScanError::Faults(faults) => match faults.first() {
            Some(fault) => format!("{fault} ({})", fault.code()),
            None => "the scan failed".to_owned(),
        },
        other => other.to_string(),
    };
    ArchiveError::damaged(path, "zip", reason)
}
