//! Reading one entry's content, checked to its last bit.

use std::{
    fmt,
    io::{self, Read},
};

use super::{
    bytes::ZipBytes,
    fault::ZipFault,
    index::IndexEntry,
    inflate::{InflateProblem, Inflater},
    profile::Method,
    scan::first_difference,
};
use crate::platform::FileAt as _;

const INPUT_LEN: usize = 128 << 10;

/// The content of one entry.
///
/// Size and CRC-32 are checked before the last byte is handed out, so content that was read in full is as claimed
/// even when the end was never asked for; an empty entry is checked by the first read. What fails is an error
/// of kind [`InvalidData`](io::ErrorKind::InvalidData) with a [`ZipFault`] inside, see [`ZipFault::from_io`].
///
/// Stored content goes straight from the file into the caller's buffer, which had better be large: 128 KiB or more.
#[derive(Debug)]
pub(crate) struct EntryReader<'f> {
    source: EntryBytes<'f>,
    deflated: Option<DeflateReader>,
    /// Content not yet handed out.
    left: u64,
    expected_crc: u32,
    crc: crc32fast::Hasher,
    state: ReadState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReadState {
    Open,
    /// All was handed out and is as claimed.
    Checked,
    /// A fault was found; what comes after it is not to be had.
    Failed,
}

impl<'f> EntryReader<'f> {
    pub(super) fn new(file: ZipBytes<'f>, entry: &IndexEntry<'_>) -> Self {
        let header = entry.header();
        let deflated = match entry.method {
            Method::Stored => None,
            Method::Deflate { stream_crc32 } => Some(DeflateReader::new(
                entry.size,
                entry.compressed_size,
                stream_crc32,
            )),
        };
        let source = EntryBytes {
            file,
            name: entry.name.to_string(),
            start: entry.offset,
            position: entry.offset + header.local_len() as u64,
            rest: entry.compressed_size,
            late: file.checks_headers_late().then(|| {
                let mut bytes = Vec::new();
                header.write_local(&mut bytes);
                LateBytes::Header(bytes)
            }),
        };
        let (size, expected_crc) = (entry.size, entry.crc32);
        let crc = crc32fast::Hasher::new();
        Self {
            source,
            deflated,
            left: size,
            expected_crc,
            crc,
            state: ReadState::Open,
        }
    }

    fn read_checked(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.deflated {
            None => self.source.read(buffer)?,
            Some(deflated) => deflated.read(&mut self.source, buffer)?,
        };
        self.crc.update(&buffer[..read]);
        self.left -= read as u64;
        if self.left == 0 {
            let (expected, found) = (self.expected_crc, self.crc.clone().finalize());
            if expected != found {
                return Err(ZipFault::Crc {
                    entry: self.source.name.clone(),
                    expected,
                    found,
                }
                .into());
            }
            self.state = ReadState::Checked;
            self.deflated = None;
        }
        Ok(read)
    }
}

impl Read for EntryReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.state {
            ReadState::Checked => return Ok(0),
            ReadState::Failed => {
                return Err(io::Error::other(format!(
                    "an earlier read of entry `{}` failed",
                    self.source.name
                )));
            }
            ReadState::Open if buffer.is_empty() => return Ok(0),
            ReadState::Open => {}
        }
        let read = self.read_checked(buffer);
        if read.is_err() {
            self.state = ReadState::Failed;
        }
        read
    }
}

/// The bytes of an entry as they stand in the file.
struct EntryBytes<'f> {
    file: ZipBytes<'f>,
    name: String,
    start: u64,
    position: u64,
    rest: u64,
    late: Option<LateBytes<'f>>,
}

/// An entry that is read as a stream which begins with its local header.
enum LateBytes<'f> {
    /// The header that must come.
    Header(Vec<u8>),
    /// The stream, after the header.
    Stream(Box<dyn Read + Send + 'f>),
}

impl fmt::Debug for EntryBytes<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("EntryBytes");
        debug.field("name", &self.name).field("position", &self.position);
        debug.field("rest", &self.rest).finish_non_exhaustive()
    }
}

impl EntryBytes<'_> {
    /// Reads some bytes into the buffer; none only at the end of the entry or for an empty buffer.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.rest).unwrap_or(usize::MAX).min(buffer.len());
        self.check_header()?;
        if wanted == 0 {
            return Ok(0);
        }
        let read = loop {
            let read = match (&mut self.late, self.file) {
                (Some(LateBytes::Stream(stream)), _) => stream.read(&mut buffer[..wanted]),
                (_, ZipBytes::Disk(file)) => file.read_at(&mut buffer[..wanted], self.position),
                // A header that was wrong was an error.
                (_, ZipBytes::Remote(_)) => Ok(0),
            };
            match read {
                Ok(0) => {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        format!(
                            "the zip was cut off inside entry `{}` after it was scanned",
                            self.name
                        ),
                    ));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.position += read as u64;
        self.rest -= read as u64;
        Ok(read)
    }

    /// Opens the stream and checks the local header, where that is to be done late.
    fn check_header(&mut self) -> io::Result<()> {
        let Some(LateBytes::Header(expected)) = &self.late else {
            return Ok(());
        };
        let mut stream = self.file.read(self.start..self.position + self.rest)?;
        let mut found = vec![0; expected.len()];
        stream.read_exact(&mut found)?;
        if let Some((at, expected, found)) = first_difference(expected, &found) {
            return Err(ZipFault::Header {
                entry: self.name.clone(),
                offset: self.start + at,
                expected,
                found,
            }
            .into());
        }
        self.late = Some(LateBytes::Stream(stream));
        Ok(())
    }
}

/// The decoder of a deflated entry and what it has not decoded yet.
#[derive(Debug)]
struct DeflateReader {
    inflater: Inflater,
    buffer: Vec<u8>,
    start: usize,
    compressed_size: u64,
    expected_crc: u32,
    crc: crc32fast::Hasher,
    size: u64,
}

impl DeflateReader {
    fn new(size: u64, compressed_size: u64, expected_crc: u32) -> Self {
        Self {
            inflater: Inflater::new(size),
            buffer: Vec::new(),
            start: 0,
            compressed_size,
            expected_crc,
            crc: crc32fast::Hasher::new(),
            size,
        }
    }

    fn read(&mut self, source: &mut EntryBytes<'_>, buffer: &mut [u8]) -> io::Result<usize> {
        // The last of the content waits until the end of the stream is seen.
        while !self.inflater.is_done()
            && (self.inflater.pending().is_empty() || self.inflater.decoded() == self.size)
        {
            self.fill(source)?;
            self.decode(source)?;
        }
        let pending = self.inflater.pending();
        let len = pending.len().min(buffer.len());
        buffer[..len].copy_from_slice(&pending[..len]);
        self.inflater.consume(len);
        Ok(len)
    }

    fn fill(&mut self, source: &mut EntryBytes<'_>) -> io::Result<()> {
        if self.start < self.buffer.len() || source.rest == 0 {
            return Ok(());
        }
        self.start = 0;
        self.buffer.resize(source.rest.min(INPUT_LEN as u64) as usize, 0);
        let read = source.read(&mut self.buffer)?;
        self.buffer.truncate(read);
        self.crc.update(&self.buffer);
        if source.rest == 0 {
            let (expected, found) = (self.expected_crc, self.crc.clone().finalize());
            if expected != found {
                return Err(ZipFault::StreamCrc {
                    entry: source.name.clone(),
                    expected,
                    found,
                }
                .into());
            }
        }
        Ok(())
    }

    fn decode(&mut self, source: &EntryBytes<'_>) -> Result<(), ZipFault> {
        let is_complete = self.inflater.decoded() == self.size;
        let result = match &self.buffer[self.start..] {
            [] => Err(InflateProblem::EndsLate),
            [last] if source.rest == 0 && self.inflater.needs_input() => {
                self.inflater.decode_last(*last).map(|()| 1)
            }
            [most @ .., _] if source.rest == 0 => self.inflater.decode(most, is_complete),
            all => self.inflater.decode(all, is_complete),
        };
        match result {
            Ok(read) => self.start += read,
            Err(problem) => return Err(self.explain(source, problem)),
        }
        let found = self.inflater.decoded();
        let is_short = self.inflater.is_done() && found < self.size;
        if found > self.size || is_short {
            let (entry, expected) = (source.name.clone(), self.size);
            return Err(ZipFault::ContentSize {
                entry,
                expected,
                found,
            });
        }
        Ok(())
    }

    fn explain(&self, source: &EntryBytes<'_>, problem: InflateProblem) -> ZipFault {
        let entry = source.name.clone();
        let fed = self.compressed_size - source.rest - (self.buffer.len() - self.start) as u64;
        match problem {
            InflateProblem::Invalid => {
                let offset = self.compressed_size - source.rest;
                ZipFault::Deflate { entry, offset }
            }
            InflateProblem::EndsEarly => ZipFault::StreamEnd {
                entry,
                expected: self.compressed_size,
                found: fed,
            },
            InflateProblem::EndsLate => ZipFault::StreamEnd {
                entry,
                expected: self.compressed_size,
                found: self.compressed_size,
            },
            InflateProblem::Padding(found) => ZipFault::Padding { entry, found },
            InflateProblem::BlockPadding => ZipFault::BlockPadding { entry },
        }
    }
}
