//! Where MLflow history comes from; each source writes an archive and knows nothing of sinks.

mod context;
mod credentials;
pub mod detect;
pub mod exim;
pub mod file_store;
mod options;
pub(crate) mod span_file;
pub mod uri;

pub use context::{Export, ExportError, ExportReport};
pub use options::{ExportOptions, PatternError, Patterns, Selection, TimeRange};

use crate::monitor::Monitor;
use detect::SourceKind;
use std::path::Path;

/// Exports a source of a known kind to the archive `out`.
///
/// # Errors
/// The source cannot be read, something in it cannot and `keep_going` is off, or the archive cannot be written.
pub fn export(
    kind: SourceKind,
    source: &str,
    out: &Path,
    options: ExportOptions,
    monitor: &dyn Monitor,
) -> Result<ExportReport, ExportError> {
    let _ = (out, options, monitor);
    match kind {
        _ => Err(ExportError::NoData {
            source_uri: uri::redact(source),
            detail: "this build does not read that kind of source".to_owned(),
        }),
    }
}
