//! What keeps archives from being merged.

use super::{Conflict, ShardError};
use crate::archive::{ArchiveError, ErrorKind};
use crate::format::Kind;
use crate::model::printable::{counted, printable};
use std::path::PathBuf;

/// Archives that cannot be merged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// An archive cannot be read or written.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Shards of an export that are not all there, each once.
    #[error(transparent)]
    Shard(ShardError),
    /// The same id with other content.
    #[error("the archives differ in {} that they share: {places}", counted(*count, "objects"))]
    Conflict {
        /// How many.
        count: u64,
        /// The first of them, and where they are.
        places: String,
        /// The same.
        conflicts: Vec<Conflict>,
    },
    /// An origin that is said to be one with another, or that other.
    #[error("no archive has the origin `{}`", printable(.origin))]
    UnknownOrigin {
        /// Its name.
        origin: String,
    },
    /// A newer minor version has a kind that this build cannot put together.
    #[error("`{}` has {kind}, which this mlark does not know and cannot merge: use a newer mlark", path.display())]
    NewerKind {
        /// The archive.
        path: PathBuf,
        /// Name of the kind.
        kind: String,
    },
    /// Archives of several major versions.
    #[error("`{}` has format {major}.x and `{}` has {other}.x, which cannot be merged", path.display(), first.display())]
    Majors {
        /// An archive.
        path: PathBuf,
        /// Its major version.
        major: u32,
        /// The first archive.
        first: PathBuf,
        /// Its major version.
        other: u32,
    },
    /// More parts than are made at once.
    #[error("this makes {count} parts, and the limit is {most}: choose larger parts")]
    TooManyParts {
        /// How many.
        count: usize,
        /// The most.
        most: usize,
    },
    /// No number is left.
    #[error("experiment `{id}` needs a new number, and no larger one is left")]
    NoNumber {
        /// Its id.
        id: String,
    },
    /// A line belongs to an object that does not come where the order says.
    #[error("`{}` is damaged: {kind} of `{owner}`, which is missing or out of order", archive.display())]
    Orphan {
        /// The archive.
        archive: PathBuf,
        /// Kind of the line.
        kind: Kind,
        /// Id of the object.
        owner: String,
    },
}

impl MergeError {
    /// The kind of error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            MergeError::Archive(error) => error.kind(),
            MergeError::Orphan { .. } => ErrorKind::Damaged,
            MergeError::Shard(_)
            | MergeError::Conflict { .. }
            | MergeError::UnknownOrigin { .. }
            | MergeError::NewerKind { .. }
            | MergeError::Majors { .. }
            | MergeError::TooManyParts { .. }
            | MergeError::NoNumber { .. } => ErrorKind::Usage,
        }
    }
}

/// Result of a step of a merge.
pub(in super::super) type Result<T, E = MergeError> = std::result::Result<T, E>;
