//! Why a transform cannot be made.

use crate::archive::{ArchiveError, ErrorKind};
use crate::model::printable::printable;
use crate::select::NoMatch;

/// A transform that cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransformError {
    /// An archive cannot be read or written.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// An object's `exim` text cannot be read.
    #[error("{kind} `{id}` has an `exim` text that is not JSON")]
    Exim {
        /// Kind of the object.
        kind: &'static str,
        /// Its id.
        id: String,
        /// Why not.
        #[source]
        source: crate::model::pyjson::PyJsonError,
    },
    /// A recipe that is none.
    #[error("cannot read {place}")]
    Recipe {
        /// Which part of the recipe, for a person.
        place: String,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// An edit that cannot be carried out as it was given.
    #[error("{edit}: {reason}")]
    Edit {
        /// Name of the edit.
        edit: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A name or id that nothing has.
    #[error(transparent)]
    NoMatch(#[from] NoMatch),
    /// A name that another object has.
    #[error("{edit}: the name `{}` is taken", printable(.name))]
    Taken {
        /// Name of the edit.
        edit: &'static str,
        /// The name.
        name: String,
    },
    /// There is nothing to undo.
    #[error("`{path}` has no transform to undo")]
    NothingToUndo {
        /// The archive.
        path: String,
    },
    /// The last transform left no record.
    #[error("the last transform of `{path}` is a {name}, which cannot be undone: {reason}")]
    NoUndo {
        /// The archive.
        path: String,
        /// Name of the transform.
        name: String,
        /// Why not.
        reason: &'static str,
    },
    /// The record of what was there before does not fit the archive.
    #[error("the undo record of `{path}` does not fit its objects: {detail}")]
    UndoMismatch {
        /// The archive.
        path: String,
        /// What does not fit.
        detail: String,
    },
}

impl TransformError {
    /// An edit that cannot be carried out as it was given, and why.
    pub(super) fn because(edit: &'static str, reason: impl ToString) -> Self {
        let reason = reason.to_string();
        TransformError::Edit { edit, reason }
    }

    /// The kind of error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            TransformError::Archive(error) => error.kind(),
            TransformError::Exim { .. } | TransformError::UndoMismatch { .. } => ErrorKind::Damaged,
            TransformError::Recipe { .. }
            | TransformError::Edit { .. }
            | TransformError::NoMatch(_)
            | TransformError::Taken { .. }
            | TransformError::NoUndo { .. }
            | TransformError::NothingToUndo { .. } => ErrorKind::Usage,
        }
    }
}

/// Result of a transform's step.
pub(super) type Result<T, E = TransformError> = std::result::Result<T, E>;
