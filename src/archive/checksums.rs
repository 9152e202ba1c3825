//! `SHA256SUMS`, written and read line by line.

use super::error::{ArchiveError, Result};
use super::part::finish_digest;
use super::reader::Archive;
use crate::format::ArchivePath;
use crate::format::layout::{CHECKSUMS, checksum_line, parse_checksum_line};
use crate::model::Digest;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// The longest line a reader accepts; paths of the format are far shorter.
pub(super) const CHECKSUM_LINE_BYTES: u64 = 400;

/// Writes checksum lines in the order they come.
pub(crate) struct ChecksumWriter {
    path: PathBuf,
    file: BufWriter<File>,
    hasher: Sha256,
}

impl ChecksumWriter {
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let file = File::create_new(path).map_err(ArchiveError::io("create", path))?;
        Ok(ChecksumWriter {
            path: path.to_owned(),
            file: BufWriter::with_capacity(64 << 10, file),
            hasher: Sha256::new(),
        })
    }

    pub(crate) fn write(&mut self, digest: &Digest, path: &ArchivePath) -> Result<()> {
        let line = checksum_line(digest, path.as_str());
        self.hasher.update(&line);
        self.file
            .write_all(line.as_bytes())
            .map_err(ArchiveError::io("write", &self.path))
    }

    /// Completes the file; the digest of its bytes.
    pub(crate) fn finish(mut self) -> Result<Digest> {
        self.file.flush().map_err(ArchiveError::io("write", &self.path))?;
        Ok(finish_digest(self.hasher))
    }
}

/// Reads an archive's checksum lines, in the file's order.
pub(crate) struct Checksums<'a> {
    archive: &'a Archive,
    reader: BufReader<Box<dyn Read + Send + 'a>>,
    hasher: Sha256,
    line_number: u64,
}

impl<'a> Checksums<'a> {
    pub(crate) fn open(archive: &'a Archive) -> Result<Self> {
        Ok(Checksums {
            archive,
            reader: BufReader::with_capacity(64 << 10, archive.open_entry(&ArchivePath::checksums())?),
            hasher: Sha256::new(),
            line_number: 0,
        })
    }

    /// The next line's digest and path; at the end the whole file is checked against the content id.
    pub(crate) fn next(&mut self) -> Result<Option<(Digest, ArchivePath)>> {
        let mut line = Vec::new();
        let mut limited = (&mut self.reader).take(CHECKSUM_LINE_BYTES);
        limited
            .read_until(b'\n', &mut line)
            .map_err(|error| self.archive.read_error(CHECKSUMS, error))?;
        if line.is_empty() {
            return self.check_end();
        }
        self.line_number += 1;
        self.hasher.update(&line);
        let parsed = line
            .strip_suffix(b"\n")
            .and_then(|line| std::str::from_utf8(line).ok())
            .and_then(parse_checksum_line)
            .and_then(|(digest, path)| Some((digest, path.parse::<ArchivePath>().ok()?)))
            .filter(|(digest, path)| path.is_objects() || path.blob_digest() == Some(*digest));
        match parsed {
            Some(line) => Ok(Some(line)),
            None => {
                let entry = format!("{CHECKSUMS} line {}", self.line_number);
                Err(self.archive.damaged(&entry, "not a checksum line"))
            }
        }
    }

    fn check_end(&mut self) -> Result<Option<(Digest, ArchivePath)>> {
        let found = finish_digest(std::mem::take(&mut self.hasher));
        let expected = self.archive.manifest().content_id;
        if found == expected {
            return Ok(None);
        }
        Err(ArchiveError::DigestMismatch {
            path: self.archive.path().to_owned(),
            entry: CHECKSUMS.to_owned(),
            expected,
            found,
        })
    }
}
