//! Where in an archive something is.

use crate::format::{ArchivePath, Kind};
use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineFile {
    /// A part of a kind's objects.
    Objects(Kind, u32),
    /// A part of the undo record of a history entry.
    Undo(usize, u32),
    /// The list of failures.
    Losses,
    /// The list of where objects come from.
    Origins,
}

impl LineFile {
    /// Its name.
    pub(super) fn path(self) -> ArchivePath {
        match self {
            LineFile::Objects(kind, part) => ArchivePath::objects(kind, part),
            LineFile::Undo(entry, part) => ArchivePath::undo(entry, part),
            LineFile::Losses => ArchivePath::losses(),
            LineFile::Origins => ArchivePath::origins(),
        }
    }
}

/// A line of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub file: LineFile,
    pub line: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} line {}", self.file.path(), self.line)
    }
}

impl Place {
    /// Thirteen bytes for a place among objects.
    pub(super) fn encode(self, bytes: &mut Vec<u8>) {
        let (kind, part) = match self.file {
            LineFile::Objects(kind, part) => (kind as u8, part),
            LineFile::Undo(..) | LineFile::Losses | LineFile::Origins => (u8::MAX, 0),
        };
        bytes.push(kind);
        bytes.extend(part.to_be_bytes());
        bytes.extend(self.line.to_be_bytes());
    }

    /// Reverses [`Place::encode`] and says what is left of the bytes.
    pub(super) fn decode(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (kind, rest) = bytes.split_first()?;
        let (part, rest) = rest.split_first_chunk()?;
        let (line, rest) = rest.split_first_chunk()?;
        let file = match Kind::ALL.get(usize::from(*kind)) {
            Some(kind) => LineFile::Objects(*kind, u32::from_be_bytes(*part)),
            None => LineFile::Losses,
        };
        let line = u64::from_be_bytes(*line);
        Some((Place { file, line }, rest))
    }
}
