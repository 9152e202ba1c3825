//! Where the bytes of a zip are: in a file, or in an object store.

use crate::archive::remote::RemoteZip;
use crate::platform::FileAt as _;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;

/// A zip being read; readers do not share a position.
#[derive(Clone, Copy)]
pub(crate) enum ZipBytes<'f> {
    /// A file.
    Disk(&'f File),
    /// An object in a store.
    Remote(&'f RemoteZip),
}

impl<'f> From<&'f File> for ZipBytes<'f> {
    fn from(file: &'f File) -> Self {
        ZipBytes::Disk(file)
    }
}

impl<'f> From<&'f RemoteZip> for ZipBytes<'f> {
    fn from(zip: &'f RemoteZip) -> Self {
        ZipBytes::Remote(zip)
    }
}

impl<'f> ZipBytes<'f> {
    pub(super) fn size_bytes(self) -> io::Result<u64> {
        match self {
            ZipBytes::Disk(file) => Ok(file.metadata()?.len()),
            ZipBytes::Remote(zip) => Ok(zip.size_bytes()),
        }
    }

    pub(crate) fn read_exact_at(self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        match self {
            ZipBytes::Disk(file) => file.read_exact_at(buffer, offset),
            ZipBytes::Remote(zip) => zip.read_exact_at(buffer, offset),
        }
    }

    /// Whether local headers are checked when an entry is read, since each would be a request of its own.
    pub(super) fn checks_headers_late(self) -> bool {
        matches!(self, ZipBytes::Remote(_))
    }

    /// Reads a range on from its start.
    pub(super) fn read(self, range: Range<u64>) -> io::Result<Box<dyn Read + Send + 'f>> {
        match self {
            ZipBytes::Disk(file) => Ok(Box::new(FileRange { file, range })),
            ZipBytes::Remote(zip) => zip.read(range),
        }
    }
}

/// A file read on from a position of its own.
struct FileRange<'f> {
    file: &'f File,
    range: Range<u64>,
}

impl Read for FileRange<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = self.range.end.saturating_sub(self.range.start);
        let wanted = usize::try_from(rest).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.file.read_at(&mut buffer[..wanted], self.range.start)?;
        self.range.start += read as u64;
        Ok(read)
    }
}
