//! Why an export could not go on.

use crate::archive::{ArchiveError, ErrorKind};
use crate::format::Reason;
use crate::select::NoMatch;
use std::path::PathBuf;

/// An export that cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The archive cannot be written.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Something that was there could not be read, and `--keep-going` was not given.
    #[error("{kind} `{id}`: {detail}")]
    Failure {
        /// Kind of the object.
        kind: String,
        /// Its id.
        id: String,
        /// Stable code of the reason.
        reason: Reason,
        /// What happened, with the place.
        detail: String,
    },
    /// There is no MLflow data at the source.
    #[error("no MLflow data at `{source_uri}`: {detail}")]
    NoData {
        /// The source, without credentials.
        source_uri: String,
        /// What was looked for.
        detail: String,
    },
    /// A choice names something that is not there, or several things.
    #[error(transparent)]
    NoMatch(#[from] NoMatch),
    /// The address of a page of MLflow's UI that cannot be read as a choice.
    #[error("`{uri}` {detail}")]
    Page {
        /// The address, without credentials.
        uri: String,
        /// Why not, and what to give instead.
        detail: String,
    },
    /// An option names a folder that is not there.
    #[error("--{option} `{}` is not a directory", path.display())]
    NoFolder {
        /// The option.
        option: &'static str,
        /// What it names.
        path: PathBuf,
    },
    /// A source that shards cannot divide.
    #[error("`{source_uri}` cannot be exported in shards: {detail}")]
    NotDivided {
        /// The source, without credentials.
        source_uri: String,
        /// Why not, and what helps.
        detail: &'static str,
    },
    /// A plan that was made of another source.
    #[error("the plan is for `{planned}`, not for `{source_uri}`")]
    OtherPlan {
        /// The source, without credentials.
        source_uri: String,
        /// What the plan was made of.
        planned: String,
    },
    /// What an interrupted export left cannot be used.
    #[error("`{}`: {detail}", path.display())]
    Resume {
        /// The folder.
        path: PathBuf,
        /// Why not.
        detail: String,
    },
    /// The work was asked to end.
    #[error("interrupted: nothing was made")]
    Interrupted,
    /// The source itself cannot be read.
    #[error("cannot read `{source_uri}`: {detail}")]
    Source {
        /// The source, without credentials.
        source_uri: String,
        /// What happened.
        detail: String,
    },
}

impl ExportError {
    /// A source that cannot be read, by its URI without credentials.
    pub(crate) fn unreadable(source_uri: impl Into<String>, detail: impl Into<String>) -> Self {
        ExportError::Source {
            source_uri: source_uri.into(),
            detail: detail.into(),
        }
    }

    /// The kind of error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            ExportError::Archive(error) => error.kind(),
            ExportError::NoMatch(_)
            | ExportError::NoFolder { .. }
            | ExportError::Page { .. }
            | ExportError::NotDivided { .. }
            | ExportError::OtherPlan { .. }
            | ExportError::Resume { .. } => ErrorKind::Usage,
            ExportError::Interrupted => ErrorKind::Interrupted,
            _ => ErrorKind::Source,
        }
    }
}
