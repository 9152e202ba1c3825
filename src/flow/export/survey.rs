//! Looking at a source before it is taken: the same reading as an export's, without the bytes of artifacts and with as
//! little history as counting needs, into an archive that nobody keeps.

use super::detect::SourceKind;
use crate::archive::{Archive, ArchiveError, ContainerKind, WriterOptions};
use crate::lang::session::{ExportError, ExportOptions, ExportReport, Survey};
use crate::monitor::Monitor;

/// A source that was looked at; what was written goes with it.
pub struct Surveyed {
    /// The objects; artifacts have no digests, metrics no points.
    pub archive: Archive,
    /// What an export would say.
    pub report: ExportReport,
    _scratch: tempfile::TempDir,
}

/// Looks at a source of a known kind as [`super::export`] would read it.
///
/// # Errors
/// As [`super::export`].
pub fn survey(
    kind: SourceKind,
    source: &str,
    survey: Survey,
    options: ExportOptions,
    monitor: &dyn Monitor,
) -> Result<Surveyed, ExportError> {
    let scratch = tempfile::tempdir().map_err(ArchiveError::temporary)?;
    let out = scratch.path().join("survey");
    let writer = WriterOptions {
        container: Some(ContainerKind::Directory),
        no_sync: true,
        ..options.writer
    };
    let options = ExportOptions {
        writer,
        survey: Some(survey),
        resume: false,
        base: None,
        ..options
    };
    let report = super::export(kind, source, &out, options, monitor)?;
    Ok(Surveyed {
        archive: Archive::open(&out)?,
        report,
        _scratch: scratch,
    })
}
