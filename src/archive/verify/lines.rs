//! Lines of one file, read on whatever is wrong with them, and hashed in the same pass.

use crate::archive::part::finish_digest;
use crate::model::Digest;
use sha2::{Digest as _, Sha256};
use std::io::{self, BufRead, BufReader, Read};

/// Bytes read at once.
const BUFFER_BYTES: usize = 256 << 10;

/// Reads a file line by line.
pub(super) struct FileLines<'f> {
    reader: BufReader<Box<dyn Read + Send + 'f>>,
    hasher: Sha256,
    line_bytes: usize,
    line: Vec<u8>,
    number: u64,
    size_bytes: u64,
    last_line_bytes: u64,
}

/// What came next.
pub(super) enum NextLine {
    /// A line; [`FileLines::line`] has it.
    Line,
    /// A line that is longer than allowed; it was skipped.
    TooLong,
    /// Bytes after the last line end; [`FileLines::line`] has them.
    Unterminated,
    /// Nothing.
    End,
    /// The file could not be read on.
    Failed(io::Error),
}

impl<'f> FileLines<'f> {
    /// Lines of at most `line_bytes` bytes, their line end included.
    pub(super) fn new(reader: Box<dyn Read + Send + 'f>, line_bytes: usize) -> Self {
        FileLines {
            reader: BufReader::with_capacity(BUFFER_BYTES, reader),
            hasher: Sha256::new(),
            line_bytes,
            line: Vec::new(),
            number: 0,
            size_bytes: 0,
            last_line_bytes: 0,
        }
    }

    /// Reads the next line.
    pub(super) fn next(&mut self) -> NextLine {
        self.line.clear();
        match self.read_line() {
            Err(error) => NextLine::Failed(error),
            Ok(0) => NextLine::End,
            Ok(bytes) => {
                self.number += 1;
                self.size_bytes += bytes;
                self.last_line_bytes = bytes;
                if bytes > self.line_bytes as u64 {
                    return NextLine::TooLong;
                }
                match self.line.pop_if(|last| *last == b'\n') {
                    Some(_) => NextLine::Line,
                    None => NextLine::Unterminated,
                }
            }
        }
    }

    /// Reads up to the line end, keeping no more than a line may have; the length of all of it.
    fn read_line(&mut self) -> io::Result<u64> {
        let mut bytes = 0;
        loop {
            let available = match self.reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                available => available?,
            };
            let end = available.iter().position(|byte| *byte == b'\n');
            let used = end.map_or(available.len(), |end| end + 1);
            self.hasher.update(&available[..used]);
            let kept = used.min(self.line_bytes.saturating_sub(self.line.len()));
            self.line.extend_from_slice(&available[..kept]);
            self.reader.consume(used);
            bytes += used as u64;
            if end.is_some() || used == 0 {
                return Ok(bytes);
            }
        }
    }

    /// The line read last, without its line end.
    pub(super) fn line(&self) -> &[u8] {
        &self.line
    }

    /// Number of the line read last, from 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Bytes so far.
    pub(super) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Length of the line read last, its line end included.
    pub(super) fn last_line_bytes(&self) -> u64 {
        self.last_line_bytes
    }

    /// Digest of all that was read.
    pub(super) fn digest(&self) -> Digest {
        finish_digest(self.hasher.clone())
    }
}
