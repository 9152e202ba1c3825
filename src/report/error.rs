//! Requests about an archive's objects that cannot be answered.

use super::text::printable;
use crate::archive::{ArchiveError, ErrorKind};
use crate::model::Digest;

/// Result of a report.
pub(super) type Result<T, E = ReportError> = std::result::Result<T, E>;

/// Why a report cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The archive cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Nothing has that id or name.
    #[error("no object `{}` in the archive", printable(.query))]
    NotFound {
        /// As it was asked for.
        query: String,
        /// Ids and names that are there and look alike, the nearest first.
        nearest: Vec<String>,
    },
    /// An object has no artifact of that path, or none at all.
    #[error("no artifact `{}` of `{}` in the archive", printable(.path), printable(.owner))]
    NoArtifact {
        /// The owner as it was asked for.
        owner: String,
        /// The path.
        path: String,
        /// Owners, or paths of the owner, that are there and look alike, the nearest first.
        nearest: Vec<String>,
    },
    /// No artifact has the bytes of a file.
    #[error("no artifact has the bytes of `{}` (SHA-256 {sha256})", printable(.name))]
    NoBytes {
        /// The file as it was named.
        name: String,
        /// Digest of its bytes.
        sha256: Digest,
    },
    /// Several objects have that name, or ids that begin like that.
    #[error("`{}` is ambiguous: {}", printable(.query), .candidates.join(", "))]
    Ambiguous {
        /// As it was asked for.
        query: String,
        /// Some of the objects, as `kind id`.
        candidates: Vec<String>,
    },
    /// Two queries name one object.
    #[error("`{}` is run {id}, which was already named", printable(.query))]
    Twice {
        /// The second of them.
        query: String,
        /// The object's id.
        id: String,
    },
    /// An artifact is listed and its bytes are not in the archive.
    #[error("the bytes of `{}` are not in the archive: {}", printable(.path), absent_reason(.failed))]
    Absent {
        /// Its path.
        path: String,
        /// Whether it could not be read on export, and was not left out by choice.
        failed: bool,
    },
}

fn absent_reason(failed: &bool) -> &'static str {
    if *failed {
        "it could not be read on export (losses.jsonl says why)"
    } else {
        "it was left out by choice on export"
    }
}

impl ReportError {
    /// The kind of error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            ReportError::Archive(error) => error.kind(),
            ReportError::NotFound { .. }
            | ReportError::NoArtifact { .. }
            | ReportError::NoBytes { .. }
            | ReportError::Ambiguous { .. }
            | ReportError::Twice { .. }
            | ReportError::Absent { .. } => ErrorKind::Usage,
        }
    }
}
