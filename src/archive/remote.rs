//! Archives that lie in an object store: a zip read by ranges, a directory read by keys.
//!
//! What is asked for is little: of a zip its end, its central directory, and the entries that are needed, each by one request. The
//! central directory, the seal, the manifest and the digests of what is read are believed, and the local header of an entry is
//! checked when it is read; only `verify` reads all.
//!
//! An archive goes there while it is written: a zip in parts that are put together last, a directory blob by blob, with its seal last.
//!
//! How a store is spoken to is not this room's business: whoever knows it [installs](install) it.

mod folder;
mod lanes;
mod listed;
mod parts;
mod tree;

pub(crate) use self::folder::{Gate, RemoteBlobs};
pub(crate) use self::lanes::Lanes;
pub(crate) use self::listed::ListedFolder;
pub(crate) use self::parts::ObjectWriter;
#[cfg(feature = "cloud")]
pub(crate) use self::parts::{MOST_PARTS, PART_BYTES};
pub(crate) use self::tree::{TreeNote, TreeUpload};

use crate::format::layout::SEAL;
use crate::model::uri::scheme;
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// Schemes of object stores.
pub(crate) const SCHEMES: [&str; 6] = ["s3", "gs", "wasb", "wasbs", "abfs", "abfss"];
/// Bytes of a zip's end that are read at once: with few blobs they hold the central directory, the manifest and the checksums.
const TAIL_BYTES: u64 = 128 << 10;

/// Bytes being read.
pub(crate) type RemoteBytes = Box<dyn Read + Send>;

/// An object in a store.
pub(crate) trait RemoteObject: Send + Sync {
    /// Its size when it was opened; a read of another version of it is an error.
    fn size_bytes(&self) -> u64;

    /// Reads a range of it.
    fn open(&self, range: Range<u64>) -> io::Result<RemoteBytes>;
}

/// What [`RemoteFolder::list`] tells of each file: its path and size.
pub(crate) type VisitListed<'v> = &'v mut dyn FnMut(&str, u64);

/// The objects below a key.
pub(crate) trait RemoteFolder: Send + Sync {
    /// Size of the object at a path below; none where there is none.
    fn size_bytes(&self, path: &str) -> io::Result<Option<u64>>;

    /// Reads the object at a path below; its size is told with it.
    fn open(&self, path: &str) -> io::Result<(u64, RemoteBytes)>;

    /// Visits all objects below.
    fn list(&self, visit: VisitListed<'_>) -> io::Result<()>;
}

/// What lies at a URI.
#[cfg_attr(
    not(feature = "cloud"),
    allow(dead_code, reason = "a build without stores finds nothing there")
)]
pub(crate) enum Remote {
    Zip(Arc<dyn RemoteObject>),
    Folder(Arc<dyn RemoteFolder>),
}

/// What lies where something is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "cloud"),
    allow(dead_code, reason = "a build without stores finds nothing there")
)]
pub(crate) enum OutputState {
    /// Nothing.
    No,
    /// An object of that key, an archive, or other objects below it.
    Yes,
    /// Objects below it that are of an archive without a seal: one that is being made, or never was whole.
    Unsealed,
}

/// Where something is to be made.
pub(crate) trait RemoteTarget: Send + Sync {
    /// What lies at that key and below it.
    fn taken(&self) -> io::Result<OutputState>;

    /// Uploads so many bytes as the object of that key, or of a path below it: all of them or nothing, in bounded memory. As long as an
    /// upload in parts is under way, the file `note` holds what [`Stores::give_back`] needs.
    fn put(&self, path: Option<&str>, from: &mut dyn Read, size_bytes: u64, note: &Path) -> io::Result<()>;

    /// Whether the object of a path below that key is there with these bytes.
    fn holds(&self, path: &str, bytes: &[u8]) -> io::Result<bool>;

    /// Puts bytes as the object of a path below that key; where it has to be `new`, one that is there with other bytes is an error of
    /// the kind [`AlreadyExists`](io::ErrorKind::AlreadyExists), as far as the store can tell.
    fn put_bytes(&self, path: &str, bytes: Vec<u8>, new: bool) -> io::Result<()>;

    /// Begins to upload the object of that key.
    fn begin(&self, note: &Path, new: bool) -> io::Result<Box<dyn RemoteUpload>>;

    /// Removes the object of a path below that key.
    fn remove(&self, path: &str) -> io::Result<()>;

    /// What a note says while a directory is made.
    fn note_of_folder(&self) -> String;

    /// Removes what was begun and never made whole: uploads in parts to that key and below it, and a directory without a seal.
    fn clean(&self) -> io::Result<Cleaned>;
}

/// What was removed of what was never whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cleaned {
    /// Uploads in parts that were given up.
    pub uploads: u64,
    /// Objects of a directory without a seal.
    pub objects: u64,
    /// Whether this store tells of uploads.
    pub knows_uploads: bool,
}

/// An object on its way; dropped before it is whole, it leaves nothing.
pub(crate) trait RemoteUpload: Send {
    /// Sends a part, or sends it anew.
    fn send(&mut self, number: usize, bytes: Vec<u8>) -> io::Result<()>;

    /// Puts an object of which no part was sent.
    fn whole(&mut self, bytes: Vec<u8>) -> io::Result<()>;

    /// Puts the first parts together.
    fn complete(&mut self, parts: usize, size_bytes: u64) -> io::Result<()>;
}

/// How object stores are spoken to.
#[derive(Clone, Copy)]
pub(crate) struct Stores {
    /// Opens what lies at a URI.
    pub(crate) open: fn(&str) -> io::Result<Remote>,
    /// Opens the place that a URI names for writing.
    pub(crate) target: fn(&str) -> io::Result<Arc<dyn RemoteTarget>>,
    /// Gives back what nobody goes on with, by what its note says: the parts of an upload, or an unsealed directory.
    pub(crate) give_back: fn(&str) -> io::Result<()>,
}

static STORES: OnceLock<Stores> = OnceLock::new();

/// Says how object stores are spoken to; the first to say it counts.
pub(crate) fn install(stores: Stores) {
    let _ = STORES.set(stores);
}

fn stores() -> io::Result<&'static Stores> {
    STORES.get().ok_or_else(|| io::ErrorKind::Unsupported.into())
}

/// Whether a path is the URI of an object store.
pub(crate) fn is_remote(path: &Path) -> bool {
    let scheme = path.to_str().and_then(scheme);
    scheme.is_some_and(|scheme| SCHEMES.contains(&scheme.to_ascii_lowercase().as_str()))
}

/// Opens what lies at the URI of an object store; none where the path is no such URI.
pub(super) fn open(path: &Path) -> Option<io::Result<Remote>> {
    if !is_remote(path) {
        return None;
    }
    let uri = path.to_str()?;
    Some(stores().and_then(|stores| (stores.open)(uri)))
}

/// Opens the place that the URI of an object store names for writing; none where the path is no such URI.
pub(crate) fn target(path: &Path) -> Option<io::Result<Arc<dyn RemoteTarget>>> {
    if !is_remote(path) {
        return None;
    }
    let uri = path.to_str()?;
    Some(stores().and_then(|stores| (stores.target)(uri)))
}

/// Removes what was begun at a URI of an object store and never made whole; none where the path is no such URI.
pub(crate) fn clean(path: &Path) -> Option<io::Result<Cleaned>> {
    Some(target(path)?.and_then(|target| target.clean()))
}

/// How the names of files begin, in the folder of what is being made, that tell of what is under way.
const NOTE: &str = "upload";
/// The file that tells of a directory that is being made.
pub(super) const NOTE_OF_FOLDER: &str = "upload-folder";
/// The file that names what was put of a tree of files.
const NOTE_OF_TREE: &str = "upload-tree";
/// The longest other file.
const NOTE_BYTES: u64 = 64 << 10;

/// A file for a note of an upload, another one each time.
pub(super) fn note_in(folder: &Path) -> PathBuf {
    static NOTES: AtomicU64 = AtomicU64::new(0);
    folder.join(format!("{NOTE}-{}", NOTES.fetch_add(1, Ordering::Relaxed)))
}

/// Gives back the parts of uploads, and the unsealed directory, that the maker of a folder left.
pub(super) fn give_back(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with(NOTE) {
            continue;
        }
        if entry.file_name() == NOTE_OF_TREE {
            tree::take_back(&entry.path())?;
            continue;
        }
        let note = match super::regular::open_input(&entry.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            note => note?,
        };
        let mut text = String::new();
        note.take(NOTE_BYTES).read_to_string(&mut text)?;
        (stores()?.give_back)(&text)?;
    }
    Ok(())
}

/// Uploads what was made in a folder: a file, or a directory, its seal last where it has one. Each file goes as soon as it is there.
pub(super) fn upload(target: &dyn RemoteTarget, folder: &Path, made: &Path) -> io::Result<()> {
    if made.is_file() {
        return put_file(target, None, made, &note_in(folder));
    }
    let has_seal = made.join(SEAL).is_file();
    let put = for_each_file(made, |name, path| match name {
        SEAL => Ok(()),
        name => put_file(target, Some(name), path, &note_in(folder)),
    });
    if put.is_err() && !has_seal {
        // Nothing below that key was there before. Of an archive the note tells what is to be given back.
        let _ = for_each_file(made, |name, _| target.remove(name));
    }
    put?;
    if has_seal {
        target.put_bytes(SEAL, std::fs::read(made.join(SEAL))?, true)?;
    }
    Ok(())
}

/// Files that are put at once: a request mostly waits.
pub(crate) const AT_ONCE: usize = 16;

/// Uploads a file as [`RemoteTarget::put`] does.
pub(crate) fn put_file(
    target: &dyn RemoteTarget,
    path: Option<&str>,
    from: &Path,
    note: &Path,
) -> io::Result<()> {
    let mut file = File::open(from)?;
    let size_bytes = file.metadata()?.len();
    target.put(path, &mut file, size_bytes, note)
}

/// Visits the files below a folder, with their paths below it.
pub(crate) fn for_each_file(
    root: &Path,
    mut visit: impl FnMut(&str, &Path) -> io::Result<()>,
) -> io::Result<()> {
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(root).ok().and_then(Path::to_str);
            visit(name.ok_or(io::ErrorKind::InvalidFilename)?, &path)?;
        }
    }
    Ok(())
}

/// A zip in an object store.
pub(crate) struct RemoteZip {
    object: Arc<dyn RemoteObject>,
    tail: Vec<u8>,
    tail_start: u64,
}

impl RemoteZip {
    /// Reads the end of it.
    pub(super) fn open(object: Arc<dyn RemoteObject>) -> io::Result<Self> {
        let size_bytes = object.size_bytes();
        let tail_start = size_bytes.saturating_sub(TAIL_BYTES);
        let mut tail = Vec::new();
        if size_bytes > 0 {
            let stream = object.open(tail_start..size_bytes)?;
            stream.take(TAIL_BYTES + 1).read_to_end(&mut tail)?;
        }
        if tail.len() as u64 != size_bytes - tail_start {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(RemoteZip {
            object,
            tail,
            tail_start,
        })
    }

    pub(super) fn size_bytes(&self) -> u64 {
        self.object.size_bytes()
    }

    /// Reads a range.
    pub(super) fn read(&self, range: Range<u64>) -> io::Result<Box<dyn Read + Send + '_>> {
        let end = range.end.min(self.size_bytes());
        let Some(start) = range.start.checked_sub(self.tail_start) else {
            let stream: Box<dyn Read + Send + '_> = self.object.open(range.start..end)?;
            return Ok(stream);
        };
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(self.tail.len());
        let tail = &self.tail[place(start)..place(end.saturating_sub(self.tail_start)).max(place(start))];
        Ok(Box::new(Cursor::new(tail)))
    }

    pub(super) fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let end = offset.saturating_add(buffer.len() as u64);
        self.read(offset..end)?.read_exact(buffer)
    }
}

#[cfg(test)]
pub(super) mod tests;
