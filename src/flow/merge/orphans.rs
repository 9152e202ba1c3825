//! Lines whose object is not in the archive, though the manifest says so: they stay where they are, after the lines before them.

use super::children::owner_of;
use super::{MergeError, Result};
use crate::archive::walk::Cursor;
use crate::archive::{Archive, ArchiveError, SpillSorter};
use crate::format::Kind;
use std::collections::HashSet;
use std::path::Path;

/// Kinds of line that an archive can hold without their object, and the kind of the object.
const OWNED: [(Kind, &[Kind]); 5] = [
    (Kind::Metrics, &[Kind::Runs]),
    (Kind::ModelMetrics, &[Kind::LoggedModels]),
    (Kind::Spans, &[Kind::Traces]),
    (Kind::DatasetRecords, &[Kind::EvaluationDatasets]),
    (
        Kind::Artifacts,
        &[Kind::Runs, Kind::LoggedModels, Kind::ModelVersions, Kind::Traces],
    ),
];

const DEFINED: u8 = 0;
const REFERRED: u8 = 1;

/// Ids of objects that are lost and have lines, by the kind of line; none where the manifest does not say that objects are lost.
///
/// # Errors
/// The archive cannot be read.
pub(super) fn orphans_of(archive: &Archive, scratch: &Path) -> Result<Vec<(Kind, HashSet<String>)>> {
    let mut all = Vec::new();
    for (kind, owner_kinds) in OWNED {
        let mut orphans = HashSet::new();
        for &owner_kind in owner_kinds {
            if archive.manifest().lost(owner_kind) > 0 {
                orphans.extend(orphans_among(archive, kind, owner_kind, scratch)?);
            }
        }
        if !orphans.is_empty() {
            all.push((kind, orphans));
        }
    }
    Ok(all)
}

/// The same of one kind of line and one kind of object.
fn orphans_among(archive: &Archive, kind: Kind, owner_kind: Kind, scratch: &Path) -> Result<HashSet<String>> {
    let io_error = |error| MergeError::from(ArchiveError::io("use temporary file in", scratch)(error));
    let mut ids = SpillSorter::new(scratch);
    let mut push = |id: &str, role: u8| ids.push([id.as_bytes(), &[0, role]].concat(), Vec::new());
    let mut objects = Cursor::new(archive, owner_kind)?;
    while objects.line().is_some() {
        let id = objects.head(owner_kind)?.id(owner_kind);
        push(&id, DEFINED).map_err(io_error)?;
        objects.advance()?;
    }
    let mut lines = Cursor::new(archive, kind)?;
    let mut last = None;
    while let Some(line) = lines.line() {
        let owner = owner_of(kind, owner_kind, line, &lines)?;
        if let Some(owner) = owner.filter(|owner| last.as_ref() != Some(owner)) {
            push(&owner, REFERRED).map_err(io_error)?;
            last = Some(owner);
        }
        lines.advance()?;
    }
    let mut orphans = HashSet::new();
    let mut defined = Vec::new();
    for record in ids.finish().map_err(io_error)? {
        let (key, _) = record.map_err(io_error)?;
        let (id, role) = key.split_at(key.len() - 1);
        if role == [DEFINED] {
            id.clone_into(&mut defined);
        } else if id != defined {
            orphans.insert(String::from_utf8_lossy(&id[..id.len() - 1]).into_owned());
        }
    }
    Ok(orphans)
}
