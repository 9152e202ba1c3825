//! What to export, as asked for.

use super::zip_limits::UnpackLimits;
use crate::archive::WriterOptions;
use crate::monitor::Interrupt;
use crate::select::Selection;
use std::path::PathBuf;

/// How an export is made; the same for every source.
#[derive(Debug, Clone, Default)]
pub struct ExportOptions {
    /// How the archive is written.
    pub writer: WriterOptions,
    /// Leaves out what cannot be read, and says so, instead of making nothing.
    pub keep_going: bool,
    /// Keeps deleted experiments, runs, logged models and model versions.
    pub include_deleted: bool,
    /// Stable name of where the data comes from; a digest of the source's URI where absent.
    pub origin: Option<String>,
    /// What the manifest names as the source, where that is not what was read (an unpacked zip).
    pub source_uri: Option<String>,
    /// Which objects.
    pub selection: Selection,
    /// Directory that a server's `--artifacts-destination` names, for `mlflow-artifacts:` URIs.
    pub artifacts_destination: Option<PathBuf>,
    /// Directories outside the source that artifacts may be read from.
    pub artifacts_under: Vec<PathBuf>,
    /// Whether what is read came from elsewhere (an unpacked zip), so that the paths it states are of another machine.
    pub is_from_elsewhere: bool,
    /// How much a zip source may ask for.
    pub zip_limits: UnpackLimits,
    /// How a tracking server is asked.
    pub rest: crate::lang::session::RestOptions,
    /// Looks at the source only; see [`crate::flow::export::survey()`].
    pub survey: Option<super::Survey>,
    /// Goes on with what an interrupted export to the same output has fetched (tracking servers).
    pub resume: bool,
    /// An older archive of the same server, whose parts are used where they are unchanged (tracking servers).
    pub base: Option<PathBuf>,
    /// Ends the export early.
    pub interrupt: Interrupt,
}
