//! Linux and macOS.

use super::{Listed, OpenMore};
use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, RenameFlags, openat, renameat_with};
use rustix::io::Errno;
#[cfg(feature = "doors")]
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
pub(crate) use std::os::unix::fs::FileExt as FileAt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
#[cfg(feature = "doors")]
use std::process::Child;
use std::process::Command;

impl OpenMore for OpenOptions {
    fn with_mode(&mut self, mode: u32) -> &mut Self {
        self.mode(mode)
    }

    fn no_wait(&mut self) -> &mut Self {
        self.custom_flags(OFlags::NONBLOCK.bits().cast_signed())
    }

    fn no_follow(&mut self) -> &mut Self {
        self.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
    }
}

/// Whether an error is that of a symbolic link which is not followed.
pub(crate) fn is_link_error(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::LOOP.raw_os_error())
}

/// The error of a folder where a file was expected.
pub(crate) fn is_a_folder() -> io::Error {
    Errno::ISDIR.into()
}

/// The error of a file where a folder was expected.
pub(crate) fn is_no_folder() -> io::Error {
    Errno::NOTDIR.into()
}

/// Sets the mode of an open file.
pub(crate) fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(mode))
}

/// Sets the mode of what is at a path.
pub(crate) fn set_mode_of(path: &Path, mode: u32) -> io::Result<()> {
    std::fs::set_permissions(path, Permissions::from_mode(mode))
}

/// Makes a folder, and those above it, that are their owner's alone.
pub(crate) fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Whether a file can be run.
pub(crate) fn is_program(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.mode() & 0o111 != 0)
}

/// Gives a program, and what it starts, a process group of its own.
pub(crate) fn own_group(command: &mut Command) {
    command.process_group(0);
}

/// Asks all processes of a program's group to end.
#[cfg(feature = "doors")]
pub(crate) fn end_group(leader: &mut Child, asked: super::EndRequest) {
    let signal = match asked {
        super::EndRequest::Kindly => Signal::TERM,
        super::EndRequest::AtOnce => Signal::KILL,
    };
    // It may be over.
    let _ = kill_process_group(Pid::from_child(leader), signal);
}

/// Whether a process of a program's group is left.
#[cfg(feature = "doors")]
pub(crate) fn has_group(leader: &Child) -> bool {
    test_kill_process_group(Pid::from_child(leader)).is_ok()
}

/// What tells a file from another that takes its place.
pub(crate) fn identity_of(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// Renames to a name that must be free; the error is `AlreadyExists` where it is not.
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // File systems without the flag: look, then rename.
        Err(Errno::INVAL | Errno::NOSYS) if std::fs::symlink_metadata(to).is_err() => {
            std::fs::rename(from, to)
        }
        Err(Errno::INVAL | Errno::NOSYS) => Err(io::ErrorKind::AlreadyExists.into()),
        renamed => Ok(renamed?),
    }
}

/// Exchanges what two names name, at one moment.
pub(crate) fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
}

/// Waits until a file is on the disk.
pub(crate) fn sync_file(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Waits until a folder's entries are on the disk.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    sync_file(path)
}

/// Waits until all below a folder is on the disk.
pub(crate) fn sync_tree(path: &Path) -> io::Result<()> {
    let folder = File::open(path)?;
    // One call instead of one fsync per file (measured: 20,000 files, a third to a half of the time).
    #[cfg(target_os = "linux")]
    return Ok(rustix::fs::syncfs(&folder)?);
    #[cfg(not(target_os = "linux"))]
    folder.sync_all()
}

/// The name of this machine.
pub(crate) fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Lets a file share the bytes of another, where the file system can.
pub(crate) fn reflink(source: &File, target: &File) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    return Ok(rustix::fs::ioctl_ficlone(target, source)?);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (source, target);
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Copies bytes of one file into another without bringing them here; how many, 0 where that cannot be done.
pub(crate) fn copy_in_kernel(
    source: &File,
    from: u64,
    target: &File,
    to: u64,
    most: usize,
) -> io::Result<u64> {
    #[cfg(target_os = "linux")]
    loop {
        let (mut from, mut to) = (from, to);
        match rustix::fs::copy_file_range(source, Some(&mut from), target, Some(&mut to), most) {
            Ok(copied) => return Ok(copied as u64),
            Err(Errno::INTR) => {}
            // What the kernel or the file system does not offer is done by hand.
            Err(Errno::NOSYS | Errno::XDEV | Errno::INVAL | Errno::OPNOTSUPP | Errno::PERM | Errno::BADF) => {
                return Ok(0);
            }
            Err(error) => return Err(error.into()),
        }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (source, from, target, to, most);
        Ok(0)
    }
}

/// Writes pieces to a place of a file in as few calls as there can be; how many bytes were written.
pub(crate) fn write_pieces_at(file: &File, pieces: &[IoSlice<'_>], at: u64) -> io::Result<usize> {
    loop {
        match rustix::io::pwritev(file, pieces, at) {
            Err(Errno::INTR) => {}
            written => return Ok(written?),
        }
    }
}

/// The name that bytes spell.
pub(crate) fn os_name(bytes: &[u8]) -> &OsStr {
    OsStr::from_bytes(bytes)
}

/// A path as it can be typed in any shell.
#[cfg(feature = "cli")]
pub(crate) fn typed(path: &Path) -> Cow<'_, Path> {
    path.into()
}

/// A path's bytes, its parts divided by `/`.
pub(super) fn slashed(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}

/// A folder that stays the same one while it is open, whatever takes its name.
pub(crate) struct OpenFolder {
    dir: Dir,
}

impl OpenFolder {
    /// Opens a folder; none where a link has the name, or what is no folder.
    pub(crate) fn open(path: &Path) -> io::Result<Option<Self>> {
        open_within(CWD, path, EntryOpening::Folder)?
            .map(Self::of)
            .transpose()
    }

    fn of(fd: OwnedFd) -> io::Result<Self> {
        Ok(OpenFolder { dir: Dir::new(fd)? })
    }

    /// Opens a folder of this one; none as in [`OpenFolder::open`].
    pub(crate) fn folder(&self, name: &[u8]) -> io::Result<Option<Self>> {
        let opened = open_within(self.dir.fd()?, Path::new(os_name(name)), EntryOpening::Folder)?;
        opened.map(Self::of).transpose()
    }

    /// Opens a file of this folder; none where a link has the name.
    pub(crate) fn file(&self, name: &[u8]) -> io::Result<Option<File>> {
        let opened = open_within(self.dir.fd()?, Path::new(os_name(name)), EntryOpening::File)?;
        Ok(opened.map(File::from))
    }

    /// The next entry of the listing.
    pub(crate) fn next_entry(&mut self) -> Option<io::Result<(Vec<u8>, Listed)>> {
        loop {
            let found = match self.dir.read()? {
                Ok(found) => found,
                Err(error) => return Some(Err(error.into())),
            };
            let name = found.file_name().to_bytes();
            if !matches!(name, b"." | b"..") {
                let listed = match found.file_type() {
                    FileType::RegularFile => Listed::File,
                    FileType::Directory => Listed::Folder,
                    FileType::Symlink | FileType::Unknown => Listed::Unknown,
                    _ => Listed::Special,
                };
                return Some(Ok((name.to_vec(), listed)));
            }
        }
    }
}

/// Opens a file by its path; none where a link has the name.
pub(crate) fn open_unlinked(path: &Path) -> io::Result<Option<File>> {
    Ok(open_within(CWD, path, EntryOpening::File)?.map(File::from))
}

/// How an entry of a folder is opened: a link never is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EntryOpening {
    Folder,
    /// A file, or what took its place: a named pipe is not waited for.
    File,
}

fn open_within(folder: impl rustix::fd::AsFd, name: &Path, how: EntryOpening) -> io::Result<Option<OwnedFd>> {
    let flags = match how {
        EntryOpening::Folder => OFlags::DIRECTORY,
        EntryOpening::File => OFlags::NONBLOCK,
    };
    let flags = flags | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    match openat(folder, name, flags, Mode::empty()) {
        // What a link is answered with, the latter where a folder is asked for.
        Err(Errno::LOOP | Errno::NOTDIR) => Ok(None),
        opened => Ok(Some(opened?)),
    }
}
