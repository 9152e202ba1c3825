//! What can go wrong with an archive, as one error with a kind.

use crate::format::manifest::FormatError;
use crate::model::Digest;
use crate::model::printable::printable;
use std::io;
use std::path::{Path, PathBuf};

/// Coarse kinds of error, from which the command line makes exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The archive is not what the format says, or its bytes changed.
    Damaged,
    /// The archive is newer than this build, or of another format.
    Unsupported,
    /// The file system refused.
    Io,
    /// The request cannot be carried out as given.
    Usage,
    /// What was to be read is not there, or is not what it seems.
    Source,
    /// The work was asked to end.
    Interrupted,
}

/// An error of reading or writing an archive; its message names the place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The file system refused.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A directory in an object store, of which no other can take the place at once.
    #[error("`{}` is a directory in an object store, which --force does not replace", path.display())]
    ForcedBucket {
        /// The URI.
        path: PathBuf,
    },
    /// There is no archive.
    #[error("`{}` is not an mlark archive: {reason}", path.display())]
    NotAnArchive {
        /// The path.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// Another format or a newer one.
    #[error("cannot read `{}`", path.display())]
    Format {
        /// The path.
        path: PathBuf,
        /// Which format it has.
        #[source]
        source: FormatError,
    },
    /// The container is not what the format says.
    #[error("`{}` is damaged: {entry}: {reason}", path.display())]
    Damaged {
        /// The archive.
        path: PathBuf,
        /// The entry, with the line where there is one.
        entry: String,
        /// What is wrong.
        reason: String,
    },
    /// An entry has other bytes than the archive says.
    #[error("`{}` is damaged: entry `{entry}` has SHA-256 {found}, expected {expected}", path.display())]
    DigestMismatch {
        /// The archive.
        path: PathBuf,
        /// The entry.
        entry: String,
        /// What the archive says.
        expected: Digest,
        /// What the bytes give.
        found: Digest,
    },
    /// The output is already there.
    #[error("`{}` exists", path.display())]
    OutputExists {
        /// The output.
        path: PathBuf,
    },
    /// Where the output is to be in an object store, objects of an archive lie that has no seal.
    #[error("`{}` holds part of an archive that was never finished, or that another process is writing", path.display())]
    OutputUnsealed {
        /// The output.
        path: PathBuf,
    },
    /// The output is a directory of something else, which `--force` does not replace.
    #[error("`{}` is a directory without `{mark}`, so mlark did not make it", path.display())]
    OutputForeign {
        /// The output.
        path: PathBuf,
        /// The file that what is to be made has, and it has not.
        mark: &'static str,
    },
    /// The output is a directory in which something else lies, which `--force` does not replace.
    #[error("`{}` has `{}`, which is not part of a split archive", path.display(), printable(.name))]
    OutputHolds {
        /// The output.
        path: PathBuf,
        /// Name of what lies in it.
        name: String,
    },
    /// The output is the input, or lies in it.
    #[error("output `{}` is the input or is inside it", path.display())]
    OutputIsInput {
        /// The output.
        path: PathBuf,
    },
    /// An object cannot be held by the format.
    #[error("{kind} `{id}` cannot be written: {reason}")]
    Object {
        /// Kind of the object.
        kind: &'static str,
        /// Its id.
        id: String,
        /// Why not.
        reason: String,
    },
}

impl ArchiveError {
    /// Wraps an error of the file system.
    pub fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| ArchiveError::Io { action, path, source }
    }

    /// An error of a file among those of all programs that nobody keeps.
    pub(crate) fn temporary(error: io::Error) -> Self {
        ArchiveError::io("use a temporary file in", std::env::temp_dir())(error)
    }

    /// An error of content.
    pub(crate) fn damaged(path: &Path, entry: impl Into<String>, reason: impl Into<String>) -> Self {
        ArchiveError::Damaged {
            path: path.to_owned(),
            entry: entry.into(),
            reason: reason.into(),
        }
    }

    /// An error of a path that leads to something else.
    pub(crate) fn not_an_archive(path: &Path, reason: impl Into<String>) -> Self {
        ArchiveError::NotAnArchive {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }

    /// An error of something that cannot be written.
    pub(crate) fn object(kind: &'static str, id: impl Into<String>, reason: impl Into<String>) -> Self {
        ArchiveError::Object {
            kind,
            id: id.into(),
            reason: reason.into(),
        }
    }

    /// The kind of error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            ArchiveError::Io { .. } => ErrorKind::Io,
            ArchiveError::NotAnArchive { .. } | ArchiveError::Object { .. } => ErrorKind::Source,
            ArchiveError::Format { .. } => ErrorKind::Unsupported,
            ArchiveError::Damaged { .. } | ArchiveError::DigestMismatch { .. } => ErrorKind::Damaged,
            ArchiveError::OutputExists { .. }
            | ArchiveError::OutputUnsealed { .. }
            | ArchiveError::OutputForeign { .. }
            | ArchiveError::ForcedBucket { .. }
            | ArchiveError::OutputHolds { .. }
            | ArchiveError::OutputIsInput { .. } => ErrorKind::Usage,
        }
    }
}

/// Result of working with an archive.
pub type Result<T, E = ArchiveError> = std::result::Result<T, E>;
