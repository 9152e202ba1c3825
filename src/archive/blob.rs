//! Bytes on their way into an archive: read once, hashed in the same pass, stored once.

use super::blob_directory::BlobDirectory;
use super::buffers::Buffers;
use super::error::{ArchiveError, Result};
use super::part::finish_digest;
use crate::model::{BlobRef, Digest};
use crate::platform::OpenMore as _;
use sha2::{Digest as _, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{self, Cursor, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// Content up to this size is held in memory while it is stored; larger content is streamed.
pub(crate) const SMALL_BYTES: usize = 1 << 20;
/// Bytes read at once from large content.
const CHUNK_BYTES: usize = 256 << 10;
/// Blobs are immutable, and a directory may share them with other archives by hard links.
pub(crate) const BLOB_MODE: u32 = 0o444;

/// Opens content when its turn comes.
pub type OpenFn = Box<dyn FnOnce() -> io::Result<Box<dyn Read + Send>> + Send>;

/// Content to be stored.
pub enum ByteSource {
    /// A file; one that changes while it is read is an error.
    File(PathBuf),
    /// Bytes in memory.
    Bytes(Vec<u8>),
    /// Anything else, such as a download.
    Open(OpenFn),
    /// A file whose bytes were hashed already, and which nothing changes.
    Stored(StoreFn),
}

impl ByteSource {
    /// The size, where it can be told without reading.
    pub fn size_bytes(&self) -> Option<u64> {
        match self {
            ByteSource::File(path) => path.metadata().ok().map(|metadata| metadata.len()),
            ByteSource::Bytes(bytes) => Some(bytes.len() as u64),
            ByteSource::Open(_) | ByteSource::Stored(_) => None,
        }
    }
}

/// Makes, or finds, a file whose bytes are hashed.
pub type StoreFn = Box<dyn FnOnce() -> Result<StoredFile, IngestError> + Send>;

/// A file that nothing changes, such as a blob of another archive.
#[derive(Debug)]
pub struct StoredFile {
    /// Where it is.
    pub path: PathBuf,
    /// What is in it.
    pub blob: BlobRef,
}

/// Why content could not be stored.
#[derive(Debug)]
pub enum IngestError {
    /// It could not be read.
    Read(io::Error),
    /// It could not be written: the archive cannot be made.
    Write(ArchiveError),
}

impl From<ArchiveError> for IngestError {
    fn from(error: ArchiveError) -> Self {
        IngestError::Write(error)
    }
}

/// Content that was read, as far as a worker thread takes it.
pub(crate) enum Ingested {
    /// In the directory.
    Stored(BlobRef),
    /// Read and hashed; to be written by the owner of the zip.
    Small(BlobRef, Vec<u8>),
    /// To be streamed by the owner of the zip.
    Large(GuardedReader),
}

/// What worker threads do with content.
#[derive(Clone)]
pub(crate) enum Ingest {
    /// Stores it as files.
    Directory(Arc<BlobDirectory>),
    /// Hands it to the owner of the zip, in these buffers; content of unknown size goes to a file in this directory first.
    Memory(Arc<Path>, Buffers),
}

impl Ingest {
    /// Reads content, and stores it where a worker thread can.
    pub(crate) fn run(&self, source: ByteSource) -> Result<Ingested, IngestError> {
        let source = match source {
            ByteSource::Stored(store) => {
                let stored = store()?;
                if let Ingest::Directory(directory) = self {
                    directory.link(&stored)?;
                    return Ok(Ingested::Stored(stored.blob));
                }
                ByteSource::File(stored.path)
            }
            source => source,
        };
        let mut reader = GuardedReader::open(source).map_err(IngestError::Read)?;
        let buffers = match self {
            Ingest::Directory(_) => None,
            Ingest::Memory(_, buffers) => Some(buffers),
        };
        let head = reader.read_head(buffers).map_err(IngestError::Read)?;
        if head.len() > SMALL_BYTES {
            reader.unread(head);
            return match self {
                Ingest::Directory(directory) => directory.store_large(reader).map(Ingested::Stored),
                Ingest::Memory(..) if reader.size_hint().is_some() => Ok(Ingested::Large(reader)),
                Ingest::Memory(scratch, _) => reader.spool(scratch).map(Ingested::Large),
            };
        }
        reader.check_unchanged().map_err(IngestError::Read)?;
        let blob = BlobRef {
            sha256: Digest(Sha256::digest(&head).into()),
            size_bytes: head.len() as u64,
        };
        match self {
            Ingest::Directory(directory) => {
                directory.store_small(&blob.sha256, &head)?;
                Ok(Ingested::Stored(blob))
            }
            Ingest::Memory(..) => Ok(Ingested::Small(blob, head)),
        }
    }
}

/// Reads content into a new file that nothing changes afterwards.
pub(crate) fn store_content(open: OpenFn, path: &Path) -> Result<BlobRef, IngestError> {
    let mut reader = GuardedReader::open(ByteSource::Open(open)).map_err(IngestError::Read)?;
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .with_mode(BLOB_MODE)
        .open(path);
    let mut file = file.map_err(ArchiveError::io("create", path))?;
    copy_and_hash(&mut reader, &mut file, |error| {
        ArchiveError::io("write", path)(error)
    })
}

/// Copies content to a writer and hashes it.
pub(crate) fn copy_and_hash(
    reader: &mut GuardedReader,
    writer: &mut impl Write,
    write_error: impl Fn(io::Error) -> ArchiveError,
) -> Result<BlobRef, IngestError> {
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut hasher = Sha256::new();
    let mut size_bytes = 0;
    loop {
        let read = match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(IngestError::Read(error)),
        };
        hasher.update(&buffer[..read]);
        size_bytes += read as u64;
        writer.write_all(&buffer[..read]).map_err(&write_error)?;
    }
    reader.check_unchanged().map_err(IngestError::Read)?;
    Ok(BlobRef {
        sha256: finish_digest(hasher),
        size_bytes,
    })
}

/// The digest of what a reader gives.
pub(crate) fn digest_of(mut reader: impl Read) -> io::Result<Digest> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(finish_digest(hasher)),
            read => hasher.update(&buffer[..read]),
        }
    }
}

/// Content being read, and what its file looked like before.
pub(crate) struct GuardedReader {
    head: Cursor<Vec<u8>>,
    rest: Content,
}

enum Content {
    File(File, Fingerprint),
    Stream(Box<dyn Read + Send>),
}

/// Size and modification time of a file.
#[derive(PartialEq, Eq)]
struct Fingerprint {
    size_bytes: u64,
    modified: SystemTime,
}

impl Fingerprint {
    fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        Ok(Fingerprint {
            size_bytes: metadata.len(),
            modified: metadata.modified()?,
        })
    }
}

impl GuardedReader {
    fn open(source: ByteSource) -> io::Result<Self> {
        let rest = match source {
            ByteSource::Bytes(bytes) => Content::Stream(Box::new(Cursor::new(bytes))),
            ByteSource::Open(open) => Content::Stream(open()?),
            ByteSource::Stored(_) => unreachable!("what is stored already is taken over as a file"),
            ByteSource::File(path) => {
                // A named pipe that took the place of a file must not hang the export.
                let file = OpenOptions::new().read(true).no_wait().open(path)?;
                let fingerprint = Fingerprint::of(&file)?;
                Content::File(file, fingerprint)
            }
        };
        Ok(GuardedReader {
            head: Cursor::new(Vec::new()),
            rest,
        })
    }

    /// All of the content where it is small, else its first bytes, one more than small content has.
    fn read_head(&mut self, buffers: Option<&Buffers>) -> io::Result<Vec<u8>> {
        // One more than the size lets `read_to_end` see the end without growing.
        let size_bytes = usize::try_from(self.size_hint().unwrap_or(0)).unwrap_or(usize::MAX);
        let capacity = size_bytes.min(SMALL_BYTES) + 1;
        let mut head = buffers.map_or_else(|| Vec::with_capacity(capacity), |buffers| buffers.take(capacity));
        let most = SMALL_BYTES as u64 + 1;
        // Asked itself, a file fills memory that nothing has set to zero before.
        match &mut self.rest {
            Content::File(file, _) => Read::take(file, most).read_to_end(&mut head)?,
            Content::Stream(stream) => Read::take(stream, most).read_to_end(&mut head)?,
        };
        Ok(head)
    }

    /// Puts content whose size is not known into an unnamed file, so that it is.
    fn spool(mut self, scratch: &Path) -> Result<Self, IngestError> {
        let write_error = |error| ArchiveError::io("write a temporary file in", scratch)(error);
        let file = tempfile::tempfile_in(scratch).map_err(write_error)?;
        let mut spooled = &file;
        copy_and_hash(&mut self, &mut spooled, write_error)?;
        spooled.rewind().map_err(write_error)?;
        let fingerprint = Fingerprint::of(&file).map_err(IngestError::Read)?;
        Ok(GuardedReader {
            head: Cursor::new(Vec::new()),
            rest: Content::File(file, fingerprint),
        })
    }

    fn unread(&mut self, head: Vec<u8>) {
        self.head = Cursor::new(head);
    }

    /// Size of the content, where it is known beforehand.
    pub(crate) fn size_hint(&self) -> Option<u64> {
        match &self.rest {
            Content::File(_, fingerprint) => Some(fingerprint.size_bytes),
            Content::Stream(_) => None,
        }
    }

    /// The file, where it is one.
    pub(super) fn file(&self) -> Option<&File> {
        match &self.rest {
            Content::File(file, _) => Some(file),
            Content::Stream(_) => None,
        }
    }

    /// Refuses a file that was written to while it was read.
    pub(super) fn check_unchanged(&self) -> io::Result<()> {
        match &self.rest {
            Content::File(file, before) if Fingerprint::of(file)? != *before => {
                Err(io::Error::other("it changed while it was read"))
            }
            _ => Ok(()),
        }
    }
}

impl Read for GuardedReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.head.read(buffer)? {
            0 => match &mut self.rest {
                Content::File(file, _) => file.read(buffer),
                Content::Stream(stream) => stream.read(buffer),
            },
            read => Ok(read),
        }
    }
}
