//! Writing an archive zip, front to back, in memory that does not grow with the number of entries.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

use crate::archive::buffers::Buffers;
use crate::archive::remote::ObjectWriter;

use super::{
    compress::{Deflater, SAMPLE_LEN},
    entry::{Body, EntryInfo, EntryWriter, check},
    index::ZipIndex,
    name::{MAX_NAME_LEN, NameProblem},
    output::{Made, OutputFile},
    profile::{EndRecords, EntryHeader, MAX_32, MAX_LOCAL_LEN, Method, local_len},
};

const SPOOL_BUFFER_LEN: usize = 128 << 10;
/// From here to 4 GiB − 1 content is stored, because a deflate stream may be longer than its content.
const BORDER: u64 = MAX_32 - MAX_32 / 512;

/// Why a zip could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ZipWriteError {
    /// The name is outside the grammar.
    #[error("entry name `{name}` is not allowed in an archive: {problem}")]
    Name {
        /// The name asked for.
        name: String,
        /// What is wrong with it.
        problem: NameProblem,
    },
    /// The name given at the end is not as long as the one announced.
    #[error("entry `{name}` was announced with a name of {announced} bytes")]
    NameLength {
        /// The name asked for.
        name: String,
        /// The length the header was laid out for.
        announced: usize,
    },
    /// The entry is on the other side of 4 GiB than announced, so its header has the wrong length.
    #[error(
        "entry `{name}` was announced with {announced} bytes and has {found}, across the border of 4 GiB"
    )]
    SizeBorder {
        /// The entry.
        name: String,
        /// The size hint.
        announced: u64,
        /// The larger of the real size and the compressed size.
        found: u64,
    },
    /// A prefix can be copied only to the start.
    #[error("blobs can be copied only into a zip without entries, this one has {entries}")]
    NotEmpty {
        /// How many entries the zip has.
        entries: u64,
    },
    /// Reading or writing failed.
    #[error("cannot write the zip")]
    Io(#[from] io::Error),
}

/// Writes an archive zip into a file of the caller's.
///
/// The caller opens the file under a temporary name and renames it once [`finish`](Self::finish) has given it back;
/// what is dropped earlier has no end record, and no zip reader takes it. Names are checked against the grammar;
/// keeping them unique, and blobs before everything else, is the caller's part.
#[derive(Debug)]
pub(crate) struct ZipFileWriter {
    pub(super) out: OutputFile,
    /// The central directory so far, in an unnamed file.
    pub(super) central: BufWriter<File>,
    pub(super) central_size: u64,
    pub(super) entries: u64,
    pub(super) deflater: Deflater,
    /// The start of an entry whose method is not decided yet.
    pub(super) sample: Vec<u8>,
    pub(super) record: Vec<u8>,
    /// Where an entry began that is not finished.
    pub(super) cut_to: Option<u64>,
    /// A central record may stand there in part, since writing it failed.
    pub(super) central_broken: bool,
}

impl ZipFileWriter {
    /// Begins a zip in `file`, which must be open for reading and writing and is emptied; the central directory is
    /// collected in an unnamed file in `spool_dir`.
    pub(crate) fn create(file: File, spool_dir: &Path) -> Result<Self, ZipWriteError> {
        Self::over(OutputFile::create(file)?, spool_dir)
    }

    /// Begins a zip that goes to an object store while it is written.
    pub(crate) fn in_parts(parts: ObjectWriter, spool_dir: &Path) -> Result<Self, ZipWriteError> {
        Self::over(OutputFile::in_parts(parts), spool_dir)
    }

    fn over(out: OutputFile, spool_dir: &Path) -> Result<Self, ZipWriteError> {
        Ok(Self {
            out,
            central: BufWriter::with_capacity(SPOOL_BUFFER_LEN, tempfile::tempfile_in(spool_dir)?),
            central_size: 0,
            entries: 0,
            deflater: Deflater::new(),
            sample: Vec::with_capacity(SAMPLE_LEN),
            record: Vec::new(),
            cut_to: None,
            central_broken: false,
        })
    }

    /// Lets content that was handed over go back where it came from.
    pub(crate) fn with_buffers(mut self, buffers: Buffers) -> Self {
        self.out.buffers = buffers;
        self
    }

    /// Writes an entry that is in memory; the same bytes come out as by [`begin`](Self::begin) with
    /// [`Body::Undecided`]. For content far below 4 GiB; what is stored is not copied on its way into the file.
    pub(crate) fn write_owned(&mut self, name: &str, content: Vec<u8>) -> Result<EntryInfo, ZipWriteError> {
        check(name)?;
        let size = content.len() as u64;
        debug_assert!(size < BORDER);
        let sample = &content[..content.len().min(SAMPLE_LEN)];
        if self.deflater.is_worth_it(sample)? {
            let body = Body::deflate(&mut self.deflater);
            let mut entry = self.begin_as(name.len(), size, body)?;
            entry.write_all(&content)?;
            let written = if content.len() > SAMPLE_LEN {
                Some(entry.finish(name)?)
            } else {
                entry.finish_if_shorter(name)?
            };
            if let Some(info) = written {
                self.out.buffers.give_back(content);
                return Ok(info);
            }
        }
        self.write_stored(name, content)
    }

    fn write_stored(&mut self, name: &str, content: Vec<u8>) -> Result<EntryInfo, ZipWriteError> {
        self.cut()?;
        let size = content.len() as u64;
        let header = EntryHeader {
            name,
            method: Method::Stored,
            crc32: crc32fast::hash(&content),
            compressed_size: size,
            size,
            offset: self.out.position(),
        };
        self.open_at(header.offset)?;
        self.record.clear();
        header.write_local(&mut self.record);
        self.out.write_all(&self.record)?;
        self.out.write_owned(content)?;
        self.push_central(&header)?;
        self.close()?;
        Ok(EntryInfo::of(&header))
    }

    /// Begins an entry whose name is known at its end only, like a blob's; its length must be known.
    ///
    /// `size_hint` decides whether the header has room for 64-bit sizes: it may be wrong, but not across the border of
    /// 4 GiB − 1. Just below that border (within 1/512) the content is stored whatever `compression` says, because
    /// a deflate stream may be longer than its content.
    pub(crate) fn begin(
        &mut self,
        name_len: usize,
        size_hint: u64,
    ) -> Result<EntryWriter<'_>, ZipWriteError> {
        let body = match size_hint {
            BORDER..MAX_32 => Body::Stored,
            _ => Body::Undecided,
        };
        self.begin_as(name_len, size_hint, body)
    }

    pub(super) fn begin_as(
        &mut self,
        name_len: usize,
        size_hint: u64,
        body: Body,
    ) -> Result<EntryWriter<'_>, ZipWriteError> {
        self.cut()?;
        let start = self.out.position();
        self.sample.clear();
        self.open_at(start)?;
        let header_len = local_len(name_len.min(MAX_NAME_LEN), size_hint >= MAX_32);
        self.out.write_all(&[0; MAX_LOCAL_LEN][..header_len])?;
        let data_start = self.out.position();
        let crc = crc32fast::Hasher::new();
        Ok(EntryWriter {
            writer: self,
            start,
            data_start,
            name_len,
            size_hint,
            crc,
            size: 0,
            body,
            failed: false,
        })
    }

    /// Copies all blobs of another archive zip as they stand, and takes over their central records.
    ///
    /// The bytes do not pass through this process where the kernel can copy; no CRC and no digest is checked.
    pub(crate) fn copy_prefix(&mut self, index: &ZipIndex, source: &File) -> Result<(), ZipWriteError> {
        self.cut()?;
        if self.entries > 0 || self.out.position() > 0 {
            return Err(ZipWriteError::NotEmpty {
                entries: self.entries,
            });
        }
        self.out.copy_from_start(source, index.blobs_len())?;
        for entry in index.blobs() {
            self.push_central(&entry.header())?;
        }
        Ok(())
    }

    /// Copies blobs of another archive zip as they stand, those that are wanted by their places in its file; as
    /// [`copy_prefix`](Self::copy_prefix), but to wherever the next entry goes.
    pub(crate) fn copy_entries(
        &mut self,
        index: &ZipIndex,
        source: &File,
        wanted: &[bool],
    ) -> Result<(), ZipWriteError> {
        self.cut()?;
        // Entries that follow one another are copied at once.
        let mut range = 0..0;
        for (entry, _) in index.blobs().zip(wanted).filter(|(_, is_wanted)| **is_wanted) {
            if range.end != entry.offset {
                self.out.copy_from(source, range)?;
                range = entry.offset..entry.offset;
            }
            let offset = self.out.position() + (entry.offset - range.start);
            let header = entry.header();
            range.end = header.end().unwrap_or(entry.offset);
            self.push_central(&EntryHeader { offset, ..header })?;
        }
        Ok(self.out.copy_from(source, range)?)
    }

    /// Writes the central directory and the end records and gives the file back, not synced.
    pub(crate) fn finish(self) -> Result<File, ZipWriteError> {
        match self.end()? {
            Made::File(file) => Ok(file),
            Made::Parts(_) => Err(io::Error::from(io::ErrorKind::Unsupported).into()),
        }
    }

    /// Writes the central directory and the end records; a file is not synced, and parts are not put together.
    pub(crate) fn end(mut self) -> Result<Made, ZipWriteError> {
        self.cut()?;
        let end = EndRecords {
            entries: self.entries,
            central_size: self.central_size,
            central_offset: self.out.position(),
        };
        let spool = self
            .central
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        append_spool(&mut self.out, &spool, end.central_size)?;
        self.record.clear();
        end.write(&mut self.record);
        self.out.write_all(&self.record)?;
        Ok(self.out.into_made()?)
    }

    /// Puts the local header of the entry written last in its place and adds its central record.
    pub(super) fn complete(&mut self, header: &EntryHeader<'_>) -> io::Result<()> {
        self.record.clear();
        header.write_local(&mut self.record);
        self.out.patch(header.offset, &self.record)?;
        self.push_central(header)?;
        self.close()
    }

    /// Says where an entry begins that may be cut off again.
    fn open_at(&mut self, start: u64) -> io::Result<()> {
        self.cut_to = Some(start);
        self.out.keep_from(Some(start))
    }

    /// Says that what was written stays.
    fn close(&mut self) -> io::Result<()> {
        self.cut_to = None;
        self.out.keep_from(None)
    }

    fn push_central(&mut self, header: &EntryHeader<'_>) -> io::Result<()> {
        self.record.clear();
        header.write_central(&mut self.record);
        self.central_broken = true;
        self.central.write_all(&self.record)?;
        self.central_broken = false;
        self.central_size += self.record.len() as u64;
        self.entries += 1;
        Ok(())
    }

    /// Cuts off what an unfinished entry left.
    pub(super) fn cut(&mut self) -> io::Result<()> {
        if self.central_broken {
            return Err(io::Error::other(
                "an earlier write of the central directory failed",
            ));
        }
        if let Some(start) = self.cut_to {
            self.out.truncate(start)?;
            self.close()?;
        }
        Ok(())
    }
}

fn append_spool(out: &mut OutputFile, spool: &File, len: u64) -> io::Result<()> {
    use crate::platform::FileAt as _;
    let mut chunk = vec![0; SPOOL_BUFFER_LEN];
    let mut position = 0;
    while position < len {
        let part = (len - position).min(SPOOL_BUFFER_LEN as u64) as usize;
        spool.read_exact_at(&mut chunk[..part], position)?;
        out.write_all(&chunk[..part])?;
        position += part as u64;
    }
    Ok(())
}
