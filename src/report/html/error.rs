//! Why no page is made.

use crate::archive::ArchiveError;
use crate::select::{NoMatch, SeekError};

/// Result of making a page.
pub(super) type Result<T, E = HtmlError> = std::result::Result<T, E>;

/// Why no page was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HtmlError {
    /// The archive cannot be read, or the page cannot be written.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A name or id that nothing has.
    #[error(transparent)]
    NoMatch(#[from] NoMatch),
    /// Not even what the archive is has room.
    #[error("a page of this archive needs at least {needed_bytes} bytes")]
    TooSmall {
        /// How many bytes.
        needed_bytes: u64,
    },
    /// A file is there that is no page of this program.
    #[error("`{}` exists and is not a page that mlark made", .path.display())]
    Foreign {
        /// Where.
        path: std::path::PathBuf,
    },
}

impl From<SeekError> for HtmlError {
    fn from(error: SeekError) -> Self {
        match error {
            SeekError::Archive(error) => error.into(),
            SeekError::NoMatch(error) => error.into(),
        }
    }
}
