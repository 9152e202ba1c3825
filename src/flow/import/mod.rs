//! Replay: an archive arrives in an MLflow tracking server.
//!
//! [`PlannedImport::new`] reads the archive and the target and makes a [`Plan`], which can be printed and compared; [`PlannedImport::apply`] carries
//! it out, with a journal of what was meant and what was made, and gives an [`ImportReport`]. `docs/replay.md` says which call
//! sets which field, in which order, and what no call can set.

pub(crate) mod apply;
pub(crate) mod artifacts;
pub(crate) mod deviations;
mod experiments;
pub(crate) mod id_map;
pub(crate) mod identity;
pub(crate) mod journal;
pub(crate) mod mlmodel;
pub(crate) mod options;
mod origins;
pub(crate) mod part;
pub(crate) mod plan;
mod planned_import;
pub(crate) mod report;
pub(crate) mod run_chunks;
mod sought;
pub(crate) mod spans;
pub(crate) mod target;
pub(crate) mod version_source;
pub(crate) mod workspace_import;
pub(crate) mod workspaces;

pub use journal::JournalError;
pub use options::{ImportOptions, LongValues, OnConflict, Only};
pub use plan::Plan;
pub(crate) use plan::PlanDocument;
pub use planned_import::PlannedImport;
pub use report::ImportReport;
pub(crate) use report::ReportDocument;

use crate::archive::{ArchiveError, ErrorKind};
use crate::client::{Client, ClientError};
use crate::format::Kind;
use crate::lang::session::ExportError;
use crate::model::printable::counted;
use crate::model::pyjson::PyJsonError;
use crate::select::NoMatch;

/// An import that cannot be made, or that had to stop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The archive cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The target refused or could not be reached.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// An object's `exim` text cannot be read.
    #[error("{kind} `{id}` has an `exim` text that is not JSON")]
    Exim {
        /// Kind of the object.
        kind: Kind,
        /// Its id.
        id: String,
        /// Why not.
        #[source]
        source: PyJsonError,
    },
    /// What was asked for does not fit the archive or the target.
    #[error("{detail}")]
    Choice {
        /// What does not fit.
        detail: String,
    },
    /// A name or id that nothing in the archive has.
    #[error(transparent)]
    NoMatch(#[from] NoMatch),
    /// Names are taken.
    #[error(
        "the target already has {} of the same name, not imported from this archive's origin: {names}", counted(*count as u64, "objects")
    )]
    Conflict {
        /// How many.
        count: usize,
        /// The first of them.
        names: String,
        /// Id of one that is deleted there, where one is.
        deleted: Option<String>,
        /// Whether one is not.
        is_live: bool,
    },
    /// Values are longer than the target holds.
    #[error("too long for the target: {}, such as {example}", counted(*count, "values"))]
    TooLong {
        /// How many.
        count: u64,
        /// The first of them.
        example: String,
    },
    /// The target lacks what the journal says it has.
    #[error("{kind} `{id}` was imported as `{target_id}`, but the target no longer has it")]
    Gone {
        /// Kind of the object.
        kind: Kind,
        /// Its id in the archive.
        id: String,
        /// Its id in the target.
        target_id: String,
    },
    /// The journal or the marks say of other objects that they came under these ids.
    #[error(
        "the archive has {} with ids that were already imported from its origin for other objects (another name and time of creation): {names}", counted(*count as u64, "objects")
    )]
    OtherObjects {
        /// How many.
        count: usize,
        /// The first of them.
        names: String,
    },
    /// An object needs another one that is not in the target.
    #[error("its {kind} `{id}` is not in the target")]
    Needs {
        /// Kind of the other.
        kind: Kind,
        /// Its id in the archive.
        id: String,
    },
    /// The target cannot be read whole, to be compared.
    #[error("the target cannot be read")]
    Unread {
        /// Why not.
        #[source]
        source: ExportError,
    },
    /// The account may write nothing, as it seems.
    #[error("the target refused a hundred requests in a row for lack of permission")]
    Denied,
    /// Someone asked to stop.
    #[error("interrupted; what arrived so far is in the journal")]
    Interrupted,
}

impl ImportError {
    /// What was asked for does not fit the archive or the target.
    pub(crate) fn choice(detail: impl ToString) -> Self {
        let detail = detail.to_string();
        ImportError::Choice { detail }
    }

    /// The target lacks what the journal says it has.
    pub(crate) fn gone(kind: Kind, id: &str, target_id: impl ToString) -> Self {
        let (id, target_id) = (id.to_owned(), target_id.to_string());
        ImportError::Gone { kind, id, target_id }
    }

    /// An object needs another one that is not in the target.
    pub(crate) fn needs(kind: Kind, id: &str) -> Self {
        let id = id.to_owned();
        ImportError::Needs { kind, id }
    }

    /// As [`ImportError::Exim`], of an object.
    pub(crate) fn exim(kind: Kind, id: &str) -> impl FnOnce(PyJsonError) -> Self {
        let id = id.to_owned();
        move |source| ImportError::Exim { kind, id, source }
    }

    /// The kind of error, for those that are no refusal of the target.
    pub fn kind(&self) -> Option<ErrorKind> {
        match self {
            ImportError::Archive(error) => Some(error.kind()),
            ImportError::Client(_)
            | ImportError::Denied
            | ImportError::Unread { .. }
            | ImportError::Needs { .. }
            | ImportError::Gone { .. } => None,
            ImportError::Journal(JournalError::Io { .. }) => Some(ErrorKind::Io),
            ImportError::Journal(JournalError::Damaged { .. }) | ImportError::Exim { .. } => {
                Some(ErrorKind::Damaged)
            }
            ImportError::Journal(_)
            | ImportError::Choice { .. }
            | ImportError::NoMatch(_)
            | ImportError::Conflict { .. }
            | ImportError::OtherObjects { .. }
            | ImportError::TooLong { .. } => Some(ErrorKind::Usage),
            ImportError::Interrupted => Some(ErrorKind::Interrupted),
        }
    }
}

/// Result of a step of an import.
pub type Result<T, E = ImportError> = std::result::Result<T, E>;

/// The name of a target in journals: its URL without credentials, and the workspace where one was chosen.
pub(crate) fn target_name(client: &Client) -> String {
    match client.workspace() {
        Some(workspace) => format!("{} workspace {workspace}", client.base()),
        None => client.base().to_string(),
    }
}
