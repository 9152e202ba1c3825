//! Windows: plain ways, without reflinks, modes, or folders that stay open.

use super::{Listed, OpenMore};
use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata, OpenOptions, ReadDir};
use std::io::{self, IoSlice};
use std::os::windows::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::os::windows::process::CommandExt as _;
use std::path::{Path, PathBuf};
#[cfg(feature = "doors")]
use std::process::Child;
use std::process::Command;

const CREATE_NEW_PROCESS_GROUP: u32 = 0x0000_0200;
/// Opens a link itself, in the place of what it leads to.
const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;

/// Reads and writes at places of a file.
pub(crate) trait FileAt {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize>;
    fn read_exact_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()>;
    fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()>;
}

impl FileAt for File {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        self.seek_read(buffer, at)
    }

    fn read_exact_at(&self, mut buffer: &mut [u8], mut at: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.seek_read(buffer, at) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    buffer = &mut buffer[read..];
                    at += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn write_all_at(&self, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.seek_write(bytes, at) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    bytes = &bytes[written..];
                    at += written as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl OpenMore for OpenOptions {
    fn with_mode(&mut self, _: u32) -> &mut Self {
        self
    }

    fn no_wait(&mut self) -> &mut Self {
        self
    }

    fn no_follow(&mut self) -> &mut Self {
        self.custom_flags(FILE_FLAG_OPEN_REPARSE_POINT)
    }
}

/// Whether an error is that of a symbolic link which is not followed: those are opened here, and refused by what they are.
pub(crate) fn is_link_error(_: &io::Error) -> bool {
    false
}

/// The error of a folder where a file was expected.
pub(crate) fn is_a_folder() -> io::Error {
    io::ErrorKind::IsADirectory.into()
}

/// The error of a file where a folder was expected.
pub(crate) fn is_no_folder() -> io::Error {
    io::ErrorKind::NotADirectory.into()
}

/// Files have no modes here.
pub(crate) fn set_mode(_: &File, _: u32) -> io::Result<()> {
    Ok(())
}

/// Files have no modes here.
pub(crate) fn set_mode_of(_: &Path, _: u32) -> io::Result<()> {
    Ok(())
}

/// Makes a folder, and those above it; who may read it is what the folder above says.
pub(crate) fn private_folder(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

/// Whether a file can be run.
pub(crate) fn is_program(path: &Path) -> bool {
    path.is_file()
}

/// Gives a program a console group of its own, which Ctrl-C does not reach.
pub(crate) fn own_group(command: &mut Command) {
    command.creation_flags(CREATE_NEW_PROCESS_GROUP);
}

/// Ends a program; what it started ends with its console.
#[cfg(feature = "doors")]
pub(crate) fn end_group(leader: &mut Child, _: super::EndRequest) {
    // It may be over.
    let _ = leader.kill();
}

/// No process is known but the program itself.
#[cfg(feature = "doors")]
pub(crate) fn has_group(_: &Child) -> bool {
    false
}

/// What tells a file from another that takes its place.
pub(crate) fn identity_of(metadata: &Metadata) -> (u64, u64) {
    (metadata.creation_time(), metadata.file_size())
}

/// Renames to a name that must be free; the error is `AlreadyExists` where it is not.
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    if fs::symlink_metadata(to).is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    fs::rename(from, to)
}

/// Names cannot be exchanged at one moment here.
pub(crate) fn exchange(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Waits until a file is on the disk.
pub(crate) fn sync_file(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).open(path) {
        // One that is read only cannot be opened for writing, which syncing needs.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        file => file?.sync_all(),
    }
}

/// Folders cannot be synced here.
pub(crate) fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Waits until all files below a folder are on the disk.
pub(crate) fn sync_tree(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        } else {
            sync_file(&entry.path())?;
        }
    }
    Ok(())
}

/// The name of this machine.
pub(crate) fn host() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_else(|_| "windows".to_owned())
}

/// No file shares the bytes of another here.
pub(crate) fn reflink(_: &File, _: &File) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Bytes are copied by hand here.
pub(crate) fn copy_in_kernel(_: &File, _: u64, _: &File, _: u64, _: usize) -> io::Result<u64> {
    Ok(0)
}

/// Writes the first of the pieces that has bytes to a place of a file; how many bytes were written.
pub(crate) fn write_pieces_at(file: &File, pieces: &[IoSlice<'_>], at: u64) -> io::Result<usize> {
    match pieces.iter().find(|piece| !piece.is_empty()) {
        Some(piece) => {
            file.write_all_at(piece, at)?;
            Ok(piece.len())
        }
        None => Ok(0),
    }
}

/// The name that bytes spell; bytes that are not UTF-8 spell a name that no file has.
pub(crate) fn os_name(bytes: &[u8]) -> &OsStr {
    OsStr::new(str::from_utf8(bytes).unwrap_or("?"))
}

/// A path's bytes, its parts divided by `/`: `/C:/a/b`.
pub(super) fn slashed(path: &Path) -> Vec<u8> {
    let text = path.to_string_lossy().replace('\\', "/");
    let plain = text.strip_prefix("//?/").unwrap_or(&text);
    let has_drive = plain.as_bytes().get(1) == Some(&b':');
    let slash = if has_drive { "/" } else { "" };
    format!("{slash}{plain}").into_bytes()
}

/// A path as it can be typed in any shell: Windows takes `/` too.
#[cfg(feature = "cli")]
pub(crate) fn typed(path: &Path) -> Cow<'_, Path> {
    PathBuf::from(path.to_string_lossy().replace('\\', "/")).into()
}

/// A folder by its path.
pub(crate) struct OpenFolder {
    path: PathBuf,
    listing: Option<ReadDir>,
}

impl OpenFolder {
    /// Opens a folder; none where a link has the name, or what is no folder.
    pub(crate) fn open(path: &Path) -> io::Result<Option<Self>> {
        let is_folder = fs::symlink_metadata(path)?.is_dir();
        Ok(is_folder.then(|| OpenFolder {
            path: path.to_owned(),
            listing: None,
        }))
    }

    /// Opens a folder of this one; none as in [`OpenFolder::open`].
    pub(crate) fn folder(&self, name: &[u8]) -> io::Result<Option<Self>> {
        Self::open(&self.path.join(os_name(name)))
    }

    /// Opens a file of this folder; none where a link has the name.
    pub(crate) fn file(&self, name: &[u8]) -> io::Result<Option<File>> {
        open_unlinked(&self.path.join(os_name(name)))
    }

    /// The next entry of the listing.
    pub(crate) fn next_entry(&mut self) -> Option<io::Result<(Vec<u8>, Listed)>> {
        let listing = match &mut self.listing {
            Some(listing) => listing,
            none => match fs::read_dir(&self.path) {
                Ok(listing) => none.insert(listing),
                Err(error) => return Some(Err(error)),
            },
        };
        let entry = match listing.next()? {
            Ok(entry) => entry,
            Err(error) => return Some(Err(error)),
        };
        let listed = match entry.file_type() {
            Ok(kind) if kind.is_file() => Listed::File,
            Ok(kind) if kind.is_dir() => Listed::Folder,
            _ => Listed::Unknown,
        };
        Some(Ok((entry.file_name().as_encoded_bytes().to_vec(), listed)))
    }
}

/// Opens a file by its path; none where a link has the name.
pub(crate) fn open_unlinked(path: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new().read(true).no_follow().open(path)?;
    let is_link = file.metadata()?.is_symlink();
    Ok((!is_link).then_some(file))
}
