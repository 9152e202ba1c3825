//! Reading an archive: the manifest first, then lines and blobs, all checked against their digests.

use super::container::Container;
use super::error::{ArchiveError, Result};
use super::lines::{Lines, Objects};
use super::part::finish_digest;
use super::zip::ZipIndex;
use crate::format::layout::{MANIFEST, MANIFEST_BYTES, SEAL, checksum_line};
use crate::format::manifest::FileDescriptor;
use crate::format::{ArchivePath, Kind, Manifest, Object, strict_json};
use crate::model::uri::{local_path, scheme};
use crate::model::{BlobRef, Digest};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An archive that is open for reading; cheap to clone, usable from several threads.
///
/// ```
/// use mlark::archive::Archive;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/golden/v1.0/directory");
/// # if !std::path::Path::new(fixture).exists() { return Ok(()); }
/// let archive = Archive::open(fixture.as_ref())?;
/// for run in archive.objects::<mlark::model::Run>() {
///     println!("{}", run?.info.run_id);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Archive {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    container: Container,
    manifest: Manifest,
}

impl Archive {
    /// Opens an archive: scans a zip whole, checks seal, format and manifest. Objects and blobs are checked as
    /// they are read.
    ///
    /// # Errors
    /// There is no complete archive, it is newer than this build, or it is damaged.
    pub fn open(path: &Path) -> Result<Self> {
        let path = &on_disk(path);
        let container = Container::open(path)?;
        if let Some(folder) = container
            .linked_folder()
            .map_err(ArchiveError::io("list", path))?
        {
            let entry = folder.display().to_string();
            return Err(ArchiveError::damaged(path, entry, "it is a symbolic link"));
        }
        let text = read_sealed_manifest(path, &container)?;
        let manifest = parse_manifest(path, &text)?;
        Ok(Archive {
            inner: Arc::new(Inner {
                path: path.to_owned(),
                container,
                manifest,
            }),
        })
    }

    /// Where the archive is.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.inner.manifest
    }

    pub(crate) fn container(&self) -> &Container {
        &self.inner.container
    }

    /// The zip file on this machine and its index, where it is one.
    pub(crate) fn zip(&self) -> Option<(&File, &ZipIndex)> {
        match &self.inner.container {
            Container::Zip { file, index } => Some((file, index)),
            _ => None,
        }
    }

    /// The lines of a kind, in order.
    pub fn lines(&self, kind: Kind) -> Lines<'_> {
        let files = self.manifest().files_of(kind).cloned().collect();
        Lines::new(self, files)
    }

    /// The lines of listed files, in order.
    pub fn lines_of(&self, files: Vec<FileDescriptor>) -> Lines<'_> {
        Lines::new(self, files)
    }

    /// The lines of those files of the archive that are wanted, in order.
    pub(crate) fn lines_where(&self, is_wanted: impl Fn(&FileDescriptor) -> bool) -> Lines<'_> {
        let files = self.manifest().files.iter();
        self.lines_of(files.filter(|file| is_wanted(file)).cloned().collect())
    }

    /// The objects of a kind, in order.
    pub fn objects<T: Object>(&self) -> Objects<'_, T> {
        Objects::new(self.lines(T::KIND))
    }

    /// The parsed lines of a kind, long strings in place.
    pub fn values(&self, kind: Kind) -> Objects<'_, Value> {
        Objects::new(self.lines(kind))
    }

    /// Opens a blob that a line refers to; reading it to the end checks its digest.
    ///
    /// # Errors
    /// It is not there, has another size than the line says, or cannot be opened.
    pub fn blob(&self, blob: &BlobRef) -> Result<CheckedReader<'_>> {
        let BlobRef { sha256, size_bytes } = blob;
        let reader = self.stored_blob(sha256)?;
        let found = reader.size_bytes();
        if found != *size_bytes {
            let path = ArchivePath::blob(sha256);
            let reason = format!("the blob has {found} bytes, expected {size_bytes}");
            return Err(self.damaged(path.as_str(), &reason));
        }
        Ok(reader)
    }

    /// Opens a blob of whatever size; reading it to the end checks its digest.
    pub(crate) fn stored_blob(&self, digest: &Digest) -> Result<CheckedReader<'_>> {
        let path = ArchivePath::blob(digest);
        let opened = self.container().open_sized(&path);
        let opened = opened.map_err(|error| self.open_error(&path, error))?;
        let (size_bytes, reader) =
            opened.ok_or_else(|| self.damaged(path.as_str(), "the blob is missing"))?;
        Ok(CheckedReader::new(reader, *digest, size_bytes))
    }

    /// Whether a blob is there.
    pub fn has_blob(&self, digest: &Digest) -> bool {
        match self.container().zip() {
            Some((_, index)) => index.blob(&digest.0).is_some(),
            None => self.container().entry_size(&ArchivePath::blob(digest)).is_some(),
        }
    }

    /// Opens a listed file; reading it to the end checks its digest.
    pub(crate) fn open_file(&self, file: &FileDescriptor) -> Result<CheckedReader<'_>> {
        let reader = self.open_entry(&file.path)?;
        Ok(CheckedReader::new(reader, file.sha256, file.size_bytes))
    }

    pub(crate) fn open_entry(&self, path: &ArchivePath) -> Result<Box<dyn Read + Send + '_>> {
        let opened = self.container().open_entry(path);
        opened.map_err(|error| self.open_error(path, error))
    }

    fn open_error(&self, path: &ArchivePath, error: io::Error) -> ArchiveError {
        match error.kind() {
            io::ErrorKind::NotFound => self.damaged(path.as_str(), "it is missing"),
            _ => self.read_error(path.as_str(), error),
        }
    }

    /// An error that names an entry of this archive.
    pub(crate) fn damaged(&self, entry: &str, reason: &str) -> ArchiveError {
        ArchiveError::damaged(self.path(), entry, reason)
    }

    /// The error of a read: damage where the bytes are wrong, else the file system's.
    pub(crate) fn read_error(&self, entry: &str, error: io::Error) -> ArchiveError {
        match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                self.damaged(entry, &error.to_string())
            }
            _ => ArchiveError::io("read", self.path().join(entry))(error),
        }
    }
}

/// The path that a `file:` URI names; any other path as it is.
pub(super) fn on_disk(path: &Path) -> PathBuf {
    let is_file_uri = path.to_str().filter(|text| scheme(text) == Some("file"));
    is_file_uri
        .and_then(local_path)
        .map_or_else(|| path.to_owned(), PathBuf::from)
}

/// Reads at most `limit` bytes of an entry.
fn read_limited(path: &Path, container: &Container, name: &ArchivePath, limit: u64) -> Result<Vec<u8>> {
    let damaged = |reason: String| ArchiveError::damaged(path, name.to_string(), reason);
    let reader = container.open_entry(name).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => ArchiveError::not_an_archive(path, format!("there is no `{name}` in it")),
        io::ErrorKind::InvalidData => damaged(error.to_string()),
        _ => ArchiveError::io("read", name.below(path))(error),
    })?;
    let mut bytes = Vec::new();
    reader
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| damaged(error.to_string()))?;
    if bytes.len() as u64 > limit {
        return Err(damaged(format!("it exceeds {limit} bytes")));
    }
    Ok(bytes)
}

fn read_sealed_manifest(path: &Path, container: &Container) -> Result<Vec<u8>> {
    let text = read_limited(path, container, &ArchivePath::manifest(), MANIFEST_BYTES)?;
    let seal = read_limited(path, container, &ArchivePath::seal(), 1000)?;
    let found = Digest(Sha256::digest(&text).into());
    if seal == checksum_line(&found, MANIFEST).as_bytes() {
        return Ok(text);
    }
    let stated = std::str::from_utf8(&seal)
        .ok()
        .and_then(|seal| seal.get(..64)?.parse().ok());
    Err(match stated {
        Some(expected) if expected != found => ArchiveError::DigestMismatch {
            path: path.to_owned(),
            entry: MANIFEST.to_owned(),
            expected,
            found,
        },
        _ => ArchiveError::damaged(path, SEAL, "it is not a single checksum line for the manifest"),
    })
}

fn parse_manifest(path: &Path, text: &[u8]) -> Result<Manifest> {
    let damaged = |error: serde_json::Error| ArchiveError::damaged(path, MANIFEST, error.to_string());
    let document = strict_json::parse(text).map_err(damaged)?;
    Manifest::check_format(&document).map_err(|source| ArchiveError::Format {
        path: path.to_owned(),
        source,
    })?;
    let manifest: Manifest = serde_json::from_value(document).map_err(damaged)?;
    match files_fault(&manifest) {
        None => Ok(manifest),
        Some(reason) => Err(ArchiveError::damaged(path, MANIFEST, reason)),
    }
}

/// What is wrong with the list of files: what is to be read would be there twice, or belong to no kind.
fn files_fault(manifest: &Manifest) -> Option<String> {
    let disordered = manifest
        .files
        .windows(2)
        .find(|pair| pair[0].path >= pair[1].path);
    if let Some([_, file]) = disordered {
        return Some(format!("`{}` is listed out of order or twice", file.path));
    }
    if let Some(file) = manifest.origins_file().filter(|file| !file.path.is_origins()) {
        return Some(format!("it names `{}` as the file of origins", file.path));
    }
    let is_unknown =
        |file: &&FileDescriptor| file.path.is_origins() || file.path.is_newer() && !manifest.is_newer();
    let unknown = manifest.files.iter().find(is_unknown)?;
    Some(format!(
        "it lists `{}`, which is not a file of any kind of object",
        unknown.path
    ))
}

/// Reads bytes whose digest and size are known; the end of other bytes is an error.
pub struct CheckedReader<'a> {
    reader: Box<dyn Read + Send + 'a>,
    hasher: Option<Sha256>,
    expected: Digest,
    size_bytes: u64,
    read_bytes: u64,
}

impl<'a> CheckedReader<'a> {
    fn new(reader: Box<dyn Read + Send + 'a>, expected: Digest, size_bytes: u64) -> Self {
        CheckedReader {
            reader,
            hasher: Some(Sha256::new()),
            expected,
            size_bytes,
            read_bytes: 0,
        }
    }

    /// Size in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn check_end(&mut self) -> io::Result<()> {
        let Some(hasher) = self.hasher.take() else {
            return Ok(());
        };
        let found = finish_digest(hasher);
        if found != self.expected {
            let message = format!("it has SHA-256 {found}, expected {}", self.expected);
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Ok(())
    }
}

impl Read for CheckedReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        if read == 0 && !buffer.is_empty() {
            self.check_end()?;
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buffer[..read]);
        }
        self.read_bytes += read as u64;
        if self.read_bytes > self.size_bytes {
            let message = format!("it is larger than {} bytes", self.size_bytes);
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Ok(read)
    }
}
