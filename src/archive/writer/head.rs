//! What is said of an archive beside its content.

use crate::format::Manifest;
use crate::format::manifest::{Format, HistoryEntry, SelectionRecord, SourceInfo};
use crate::format::origin::{Origins, PartOfWhole, ShardOfSource};
use crate::model::{Digest, Extra};

/// What the manifest says beside what the writer counts.
#[derive(Debug, Clone, Default)]
pub struct ManifestHead {
    /// Stable name of where the data came from.
    pub origin: String,
    /// What was read.
    pub source: SourceInfo,
    /// What was chosen.
    pub selection: SelectionRecord,
    /// Transforms so far.
    pub history: Vec<HistoryEntry>,
    /// Fields of a parent's manifest that this version does not know.
    pub extra: Extra,
    /// The parent's format, where that is a newer minor version.
    pub format: Option<Format>,
    /// Origins beside `origin`; their file is one that the writer has.
    pub origins: Option<Origins>,
    /// Which part of a whole it is.
    pub part: Option<PartOfWhole>,
    /// Which shard of a source it is.
    pub shard: Option<ShardOfSource>,
    /// The content id that must come out.
    pub expected_content_id: Option<Digest>,
}

impl ManifestHead {
    /// The head of an archive that is made from another.
    pub fn of_parent(parent: &Manifest) -> Self {
        ManifestHead {
            origin: parent.origin.clone(),
            source: parent.source.clone(),
            selection: parent.selection.clone(),
            history: parent.history.clone(),
            extra: parent.extra.clone(),
            format: Some(parent.format.clone()),
            origins: parent.origins.clone(),
            ..ManifestHead::default()
        }
    }
}
