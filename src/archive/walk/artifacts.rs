//! Artifacts with who owns them, as one stream.

use super::cursor::{Cursor, OwnerCursor, OwnerHead, each_line, orphan};
use super::head::text;
use crate::archive::{Archive, ArchiveError, Result};
use crate::format::Kind;
use crate::model::{ArtifactFile, ArtifactList, OwnerKind};

/// Walks along the owners of artifacts, in their order: runs, logged models, model versions, traces.
pub(crate) struct OwnerWalk<'a> {
    archive: &'a Archive,
    current: Option<(OwnerKind, OwnerCursor<'a>)>,
}

impl<'a> OwnerWalk<'a> {
    /// Before the first owner.
    pub(crate) fn new(archive: &'a Archive) -> Self {
        OwnerWalk {
            archive,
            current: None,
        }
    }

    /// Goes on to an owner; none where it is not among those that follow.
    pub(crate) fn find(&mut self, kind: OwnerKind, id: &str) -> Result<Option<&OwnerHead>> {
        if self.current.as_ref().is_some_and(|(current, _)| *current > kind) {
            return Ok(None);
        }
        if self.current.as_ref().is_none_or(|(current, _)| *current != kind) {
            self.current = Some((kind, OwnerCursor::new(self.archive, Kind::from(kind))?));
        }
        match &mut self.current {
            Some((_, owners)) => owners.find(id),
            None => Ok(None),
        }
    }

    /// The owner of a list of artifacts, which must be there.
    pub(crate) fn owner(&mut self, list: &ArtifactList, line: &Cursor<'_>) -> Result<&OwnerHead> {
        let found = self.find(list.owner_kind, &list.owner_id)?;
        found.ok_or_else(|| orphan(line, &list.owner_id))
    }
}

/// Whose artifacts follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerFacts {
    /// Kind of the owner.
    pub kind: OwnerKind,
    /// Its id; `name/version` for a model version.
    pub id: String,
    /// The experiment it belongs to; model versions belong to none.
    pub experiment_id: Option<String>,
    /// Name of a logged model, or of a version's model.
    pub name: Option<String>,
}

/// An artifact and whose it is.
#[derive(Debug, Clone, Copy)]
pub struct ArtifactEntry<'e> {
    /// Whose.
    pub owner: &'e OwnerFacts,
    /// Path, digest, size.
    pub file: &'e ArtifactFile,
}

/// Hands each artifact of an archive to `sink`, in the archive's order.
///
/// # Errors
/// The archive cannot be read, or `sink` fails.
pub fn for_each_artifact<E: From<ArchiveError>>(
    archive: &Archive,
    sink: &mut dyn FnMut(ArtifactEntry<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut walk = OwnerWalk::new(archive);
    each_line(archive, Kind::Artifacts, |cursor| {
        let list: ArtifactList = cursor.parse()?;
        let found = walk.owner(&list, cursor)?;
        let some = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        let owner = OwnerFacts {
            kind: list.owner_kind,
            id: list.owner_id,
            experiment_id: some(&found.head.experiment_id),
            name: match list.owner_kind {
                OwnerKind::LoggedModel | OwnerKind::ModelVersion => Some(text(&found.head.name).to_owned()),
                OwnerKind::Run | OwnerKind::Trace => None,
            },
        };
        for file in &list.files {
            sink(ArtifactEntry { owner: &owner, file })?;
        }
        Ok(())
    })
}
