//! One entry being written.

use std::io::{self, Write};

use super::{
    compress::{Deflater, SAMPLE_LEN},
    name::check_name,
    output::OutputFile,
    profile::{EntryHeader, MAX_32, Method},
    writer::{ZipFileWriter, ZipWriteError},
};

/// What became of one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EntryInfo {
    /// Stored or deflate.
    pub(crate) method: Method,
    /// CRC-32 of the content.
    pub(crate) crc32: u32,
    /// Length of the bytes in the file.
    pub(crate) compressed_size: u64,
    /// Length of the content.
    pub(crate) size: u64,
    /// Where the local header begins.
    pub(crate) offset: u64,
}

impl EntryInfo {
    /// What became of the entry with this header.
    pub(super) fn of(header: &EntryHeader<'_>) -> Self {
        Self {
            method: header.method,
            crc32: header.crc32,
            compressed_size: header.compressed_size,
            size: header.size,
            offset: header.offset,
        }
    }
}

/// How the bytes of the open entry are being written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Body {
    /// All of it is in the sample still.
    Undecided,
    Stored,
    Deflate {
        stream_crc32: u32,
    },
}

impl Body {
    /// A stream that begins now.
    pub(super) fn deflate(deflater: &mut Deflater) -> Self {
        deflater.begin();
        Self::Deflate { stream_crc32: 0 }
    }
}

/// One entry being written; [`finish`](Self::finish) completes it, and without that it is as if it had never begun.
#[must_use = "an entry that is not finished is cut off again"]
#[derive(Debug)]
pub(crate) struct EntryWriter<'w> {
    pub(super) writer: &'w mut ZipFileWriter,
    pub(super) start: u64,
    pub(super) data_start: u64,
    pub(super) name_len: usize,
    pub(super) size_hint: u64,
    pub(super) crc: crc32fast::Hasher,
    pub(super) size: u64,
    pub(super) body: Body,
    /// A write failed part way, so content is missing.
    pub(super) failed: bool,
}

impl EntryWriter<'_> {
    /// Completes the entry under its name.
    pub(crate) fn finish(mut self, name: &str) -> Result<EntryInfo, ZipWriteError> {
        check(name)?;
        if name.len() != self.name_len {
            return Err(ZipWriteError::NameLength {
                name: name.to_owned(),
                announced: self.name_len,
            });
        }
        if self.failed {
            return Err(io::Error::other("an earlier write to this entry failed").into());
        }
        let method = self.finish_body()?;
        self.complete(name, method)
    }

    /// Completes a deflated entry under its name, or cuts it off where deflating did not shrink it.
    pub(super) fn finish_if_shorter(mut self, name: &str) -> Result<Option<EntryInfo>, ZipWriteError> {
        let method = self.finish_body()?;
        if self.writer.out.position() - self.data_start >= self.size {
            self.abandon()?;
            return Ok(None);
        }
        self.complete(name, method).map(Some)
    }

    fn complete(self, name: &str, method: Method) -> Result<EntryInfo, ZipWriteError> {
        let header = EntryHeader {
            name,
            method,
            crc32: self.crc.clone().finalize(),
            compressed_size: self.writer.out.position() - self.data_start,
            size: self.size,
            offset: self.start,
        };
        if header.has_local_zip64() != (self.size_hint >= MAX_32) {
            let found = header.size.max(header.compressed_size);
            return Err(ZipWriteError::SizeBorder {
                name: name.to_owned(),
                announced: self.size_hint,
                found,
            });
        }
        self.writer.complete(&header)?;
        Ok(EntryInfo::of(&header))
    }

    /// Gives the entry up: the file ends where it began.
    pub(crate) fn abandon(self) -> Result<(), ZipWriteError> {
        Ok(self.writer.cut()?)
    }

    fn finish_body(&mut self) -> io::Result<Method> {
        if matches!(self.body, Body::Undecided) {
            self.write_sample()?;
            if matches!(self.body, Body::Deflate { .. }) {
                self.end_stream()?;
                if self.writer.out.position() - self.data_start >= self.size {
                    self.writer.out.truncate(self.data_start)?;
                    self.writer.out.write_all(&self.writer.sample)?;
                    self.body = Body::Stored;
                }
            }
        } else {
            self.end_stream()?;
        }
        Ok(match self.body {
            Body::Deflate { stream_crc32 } => Method::Deflate { stream_crc32 },
            Body::Stored | Body::Undecided => Method::Stored,
        })
    }

    fn end_stream(&mut self) -> io::Result<()> {
        if let Body::Deflate { stream_crc32 } = &mut self.body {
            let ZipFileWriter { out, deflater, .. } = &mut *self.writer;
            deflater.finish(|bytes| append_stream(out, stream_crc32, bytes))?;
        }
        Ok(())
    }

    /// Decides by the sample and writes it.
    fn write_sample(&mut self) -> io::Result<()> {
        let ZipFileWriter { deflater, sample, .. } = &mut *self.writer;
        self.body = if deflater.is_worth_it(sample)? {
            Body::deflate(deflater)
        } else {
            Body::Stored
        };
        let sample = std::mem::take(&mut self.writer.sample);
        let written = self.write_body(&sample);
        self.writer.sample = sample;
        written
    }

    fn write_body(&mut self, bytes: &[u8]) -> io::Result<()> {
        let ZipFileWriter { out, deflater, .. } = &mut *self.writer;
        match &mut self.body {
            Body::Deflate { stream_crc32 } => {
                deflater.write(bytes, |bytes| append_stream(out, stream_crc32, bytes))
            }
            Body::Stored | Body::Undecided => out.write_all(bytes),
        }
    }
}

fn append_stream(out: &mut OutputFile, stream_crc32: &mut u32, bytes: &[u8]) -> io::Result<()> {
    let mut crc = crc32fast::Hasher::new_with_initial(*stream_crc32);
    crc.update(bytes);
    *stream_crc32 = crc.finalize();
    out.write_all(bytes)
}

impl Write for EntryWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.failed = true;
        let mut rest = bytes;
        if matches!(self.body, Body::Undecided) {
            let sample = &mut self.writer.sample;
            let (head, tail) = rest.split_at(rest.len().min(SAMPLE_LEN - sample.len()));
            sample.extend_from_slice(head);
            rest = tail;
            if !rest.is_empty() {
                self.write_sample()?;
            }
        }
        if !rest.is_empty() {
            self.write_body(rest)?;
        }
        self.failed = false;
        self.crc.update(bytes);
        self.size += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Checks a name against the grammar.
pub(super) fn check(name: &str) -> Result<(), ZipWriteError> {
    match check_name(name.as_bytes()) {
        Ok(_) => Ok(()),
        Err(problem) => Err(ZipWriteError::Name {
            name: name.to_owned(),
            problem,
        }),
    }
}
