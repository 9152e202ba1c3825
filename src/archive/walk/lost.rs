//! Objects that an archive says are lost, and of which it has lines.

use super::cursor::{Cursor, heads};
use crate::archive::spill::SpillSorter;
use crate::archive::{Archive, ArchiveError, Result};
use crate::format::Kind;
use crate::model::OwnerKind;
use serde::Deserialize as _;
use std::collections::HashSet;
use std::path::Path;

const DEFINED: u8 = 0;
const REFERRED: u8 = 1;

/// Ids of objects of a kind that are lost and have lines of another; none where the manifest does not say that some are lost.
///
/// # Errors
/// The archive cannot be read.
pub(crate) fn lost_owners(
    archive: &Archive,
    kind: Kind,
    owner_kind: Kind,
    scratch: &Path,
) -> Result<HashSet<String>> {
    let mut lost = HashSet::new();
    if archive.manifest().lost(owner_kind) == 0 {
        return Ok(lost);
    }
    let io_error = |error| ArchiveError::io("use a temporary file in", scratch)(error);
    let mut ids = SpillSorter::new(scratch);
    let mut push = |id: &str, role: u8| ids.push([id.as_bytes(), &[0, role]].concat(), Vec::new());
    for head in heads(archive, owner_kind)? {
        push(&head?.id(owner_kind), DEFINED).map_err(io_error)?;
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
    let mut defined = Vec::new();
    for record in ids.finish().map_err(io_error)? {
        let (key, _) = record.map_err(io_error)?;
        let (id, role) = key.split_at(key.len() - 1);
        if role == [DEFINED] {
            id.clone_into(&mut defined);
        } else if id != defined {
            lost.insert(String::from_utf8_lossy(&id[..id.len() - 1]).into_owned());
        }
    }
    Ok(lost)
}

/// Whose a line is, where its owner is of this kind.
pub(crate) fn owner_of(
    kind: Kind,
    owner_kind: Kind,
    line: &[u8],
    cursor: &Cursor<'_>,
) -> Result<Option<String>> {
    if let Some(owner) = plain_owner(kind, owner_kind, line) {
        return Ok(Some(owner.to_owned()));
    }
    stated_owner(kind, owner_kind, cursor)
}

/// What a line says in full, as [`owner_of`].
pub(super) fn stated_owner(kind: Kind, owner_kind: Kind, cursor: &Cursor<'_>) -> Result<Option<String>> {
    let head = cursor.head(kind)?;
    let found = match kind {
        Kind::Artifacts => OwnerKind::deserialize(&head.owner_kind).ok().map(Kind::from),
        _ => Some(owner_kind),
    };
    match (found, head.owner(kind).as_str()) {
        (Some(found), Some(owner)) => Ok((found == owner_kind).then(|| owner.to_owned())),
        _ => Err(cursor.damaged("it does not name its owner")),
    }
}

/// The same of a line in which the id stands where it mostly does, without reading all of it.
fn plain_owner(kind: Kind, owner_kind: Kind, line: &[u8]) -> Option<&str> {
    let found = match kind {
        Kind::Metrics | Kind::ModelMetrics => {
            let rest = line.strip_prefix(b"{\"key\":\"")?;
            let (key, rest) = rest.split_at(rest.iter().position(|byte| *byte == b'"')?);
            let field: &[u8] = match kind {
                Kind::Metrics => b"\",\"run_id\":\"",
                _ => b"\",\"model_id\":\"",
            };
            let rest = rest.strip_prefix(field).filter(|_| !key.contains(&b'\\'))?;
            &rest[..rest.iter().position(|byte| *byte == b'"')?]
        }
        Kind::Spans => last_text(line.strip_suffix(b"\"}")?, b",\"trace_id\":\"")?,
        Kind::Artifacts => {
            let kind: &[u8] = match owner_kind {
                Kind::Runs => b"\",\"owner_kind\":\"run\"}",
                Kind::LoggedModels => b"\",\"owner_kind\":\"logged_model\"}",
                Kind::ModelVersions => b"\",\"owner_kind\":\"model_version\"}",
                _ => b"\",\"owner_kind\":\"trace\"}",
            };
            last_text(line.strip_suffix(kind)?, b",\"owner_id\":\"")?
        }
        _ => return None,
    };
    std::str::from_utf8(found).ok().filter(|id| !id.contains('\\'))
}

/// The text that ends a line, after the name of its field.
fn last_text<'l>(line: &'l [u8], field: &[u8]) -> Option<&'l [u8]> {
    let start = line.iter().rposition(|byte| *byte == b'"')? + 1;
    line[..start].ends_with(field).then(|| &line[start..])
}
