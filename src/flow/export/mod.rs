//! Where MLflow history comes from; each source writes an archive and knows nothing of sinks.

pub mod detect;
mod page;
pub mod plan;
mod survey;
mod unpack;

pub use survey::{Surveyed, survey};

pub use crate::lang::rest::resume::resume_folder;
pub use crate::lang::session::{
    ExportError, ExportOptions, ExportReport, RestOptions, Survey, SurveyCounts, UnpackLimits,
};

use crate::lang::{exim, file_store, rest, sql};
use crate::monitor::Monitor;
use detect::SourceKind;
use std::path::Path;

/// Exports a source of a known kind to the archive `out`.
///
/// # Errors
/// The source cannot be read, something in it cannot and `keep_going` is off, or the archive cannot be written.
///
/// ```no_run
/// use mlark::flow::export::{ExportOptions, detect, export};
/// use mlark::monitor::Silent;
///
/// let kind = detect::kind_of("mlruns")?;
/// let report = export(kind, "mlruns", "history.zip".as_ref(), ExportOptions::default(), &Silent)?;
/// # Ok::<(), mlark::flow::export::ExportError>(())
/// ```
pub fn export(
    kind: SourceKind,
    source: &str,
    out: &Path,
    options: ExportOptions,
    monitor: &dyn Monitor,
) -> Result<ExportReport, ExportError> {
    let path = crate::model::uri::local_path(source).filter(|path| unpack::is_foreign_zip(Path::new(path)));
    if let Some(path) = path {
        let unpacked = unpack::unpack(Path::new(&path), out, options.zip_limits)?;
        let root = unpacked.root().display().to_string();
        let options = ExportOptions {
            source_uri: options.source_uri.or(Some(source.to_owned())),
            is_from_elsewhere: true,
            ..options
        };
        return export(detect::kind_of(&root)?, &root, out, options, monitor);
    }
    match kind {
        SourceKind::ExportImport => exim::read::export(source, out, options, monitor),
        SourceKind::Sql => sql::export(source, out, options, monitor),
        SourceKind::FileStore => {
            let root = crate::model::uri::local_path(source).unwrap_or_else(|| source.to_owned());
            file_store::export(Path::new(&root), out, options, monitor)
        }
        SourceKind::Rest => {
            let (server, selection, read_as) = page::read(source, options.selection)?;
            if let Some(read_as) = read_as {
                monitor.notice(&read_as);
            }
            let options = ExportOptions { selection, ..options };
            rest::read::export(&server, out, options, monitor)
        }
    }
}
