//! Looking at a source before it is taken: the same reading as an export's, without the bytes of artifacts and with as
//! little history as counting needs, into an archive that nobody keeps.

use super::detect::SourceKind;
use super::options::ExportOptions;
use super::{ExportError, ExportReport};
use crate::archive::{Archive, ArchiveError, ContainerKind, WriterOptions};
use crate::format::Kind;
use crate::monitor::Monitor;
use std::collections::{BTreeMap, BTreeSet};

/// What a survey looks at; other objects are not asked for where they can be passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// Kinds of objects.
    pub kinds: BTreeSet<Kind>,
    /// Whether the runs and prompts that traces are linked to are asked for, which costs a server a search each.
    pub links: bool,
}

impl Survey {
    /// A survey of all there is.
    pub fn whole() -> Self {
        Survey {
            kinds: Kind::ALL.iter().copied().collect(),
            links: false,
        }
    }
}

/// What a survey counted beside the objects that it lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SurveyCounts {
    /// Objects that were counted and not listed.
    pub counted: BTreeMap<Kind, u64>,
    /// Of a kind, how many owners were not asked: metrics for their points, traces for their spans.
    pub not_asked: BTreeMap<Kind, u64>,
}

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
    let scratch = tempfile::tempdir().map_err(ArchiveError::io("make", "a temporary directory"))?;
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
