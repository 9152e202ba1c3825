//! The zip profile, tested as a whole.

/// Bytes that do not compress, the same for the same seed.
pub(super) fn random_bytes(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) as u8
    };
    std::iter::repeat_with(&mut next).take(len).collect()
}

mod flips;
mod hostile;
mod interop;
mod round_trip;
mod scale;

use std::{
    fs::File,
    io::{Read, Write},
};

use super::entry::{Body, EntryInfo, EntryWriter, check};
use super::index::IndexEntry;
use super::profile::{END_LEN, EndRecords, ZIP64_END_LEN};
use super::{ScanError, ZipFault, ZipFileWriter, ZipIndex, ZipLimits, ZipWriteError, blob_name};
use crate::platform::FileAt as _;

/// How the content of an entry is stored, where a test decides it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Compression {
    Stored,
    Deflate,
    Probe,
}

impl ZipFileWriter {
    fn entries(&self) -> u64 {
        self.entries
    }

    fn begin_in(
        &mut self,
        name_len: usize,
        size_hint: u64,
        compression: Compression,
    ) -> Result<EntryWriter<'_>, ZipWriteError> {
        let body = match compression {
            Compression::Probe => return self.begin(name_len, size_hint),
            Compression::Stored => Body::Stored,
            Compression::Deflate => Body::deflate(&mut self.deflater),
        };
        self.begin_as(name_len, size_hint, body)
    }

    /// An entry of content that is there.
    pub(super) fn write_small(
        &mut self,
        name: &str,
        content: &[u8],
        compression: Compression,
    ) -> Result<EntryInfo, ZipWriteError> {
        check(name)?;
        let mut entry = self.begin_in(name.len(), content.len() as u64, compression)?;
        entry.write_all(content)?;
        entry.finish(name)
    }
}

impl ZipIndex {
    fn len(&self) -> usize {
        self.blob_count() + self.others().len()
    }

    fn blobs_by_digest(&self) -> impl Iterator<Item = IndexEntry<'_>> {
        (0..self.blob_count()).filter_map(|rank| self.blob(&self.blob_by_rank(rank).0.0))
    }

    fn entries(&self) -> impl Iterator<Item = IndexEntry<'_>> {
        self.blobs().chain(self.others().iter().cloned())
    }
}

impl EndRecords {
    fn len(&self) -> usize {
        END_LEN + if self.has_zip64() { ZIP64_END_LEN } else { 0 }
    }
}

/// An archive zip being written into an unnamed file.
pub(super) fn writer() -> anyhow::Result<ZipFileWriter> {
    Ok(ZipFileWriter::create(
        tempfile::tempfile()?,
        &std::env::temp_dir(),
    )?)
}

/// The name of a blob for tests; its content need not have this digest.
fn blob(number: u8) -> String {
    blob_name(&[number; 32])
}

/// Text that shrinks.
fn text(len: usize) -> Vec<u8> {
    (0..)
        .flat_map(|i: u64| format!("line {i} of {}\n", i * i).into_bytes())
        .take(len)
        .collect()
}

fn zip_of(entries: &[(&str, &[u8], Compression)]) -> anyhow::Result<Vec<u8>> {
    let mut writer = writer()?;
    for (name, content, compression) in entries {
        writer.write_small(name, content, *compression)?;
    }
    bytes_of(&writer.finish()?)
}

fn bytes_of(file: &File) -> anyhow::Result<Vec<u8>> {
    let mut bytes = vec![0; file.metadata()?.len() as usize];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

fn file_of(bytes: &[u8]) -> std::io::Result<File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(bytes)?;
    Ok(file)
}

/// Scans, reads every entry, and gives the first fault's code, or the contents.
fn read_all(file: &File) -> Result<Vec<(String, Vec<u8>)>, Vec<ZipFault>> {
    let index = match ZipIndex::scan(file, &ZipLimits::default()) {
        Ok(index) => index,
        Err(ScanError::Faults(faults)) => return Err(faults),
        Err(ScanError::Io(error)) => panic!("{error}"),
    };
    let mut contents = Vec::new();
    for entry in index.entries() {
        let mut content = Vec::new();
        let mut reader = index.open(file, &entry.name).expect("the index names it");
        match reader.read_to_end(&mut content) {
            Ok(_) => contents.push((entry.name.to_string(), content)),
            Err(error) => return Err(vec![ZipFault::from_io(&error).expect("a fault").clone()]),
        }
    }
    Ok(contents)
}

/// The codes of what is wrong with these bytes.
fn codes(bytes: &[u8]) -> Vec<&'static str> {
    match read_all(&file_of(bytes).expect("a temporary file")) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.iter().map(|fault| fault.code().as_str()).collect(),
    }
}
