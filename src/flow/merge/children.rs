//! The lines of one kind that belong to the objects of another, object by object.

use super::Result;
use super::orphans::{LostObject, Orphans};
use super::source::Owner;
use crate::archive::walk::{Cursor, kind_of_owner};
use crate::archive::{ArchiveError, Merge};
use crate::format::Kind;
use crate::model::OwnerKind;
use serde::Deserialize as _;

/// The lines of one kind that belong to the objects of another.
pub(super) struct Children<'a> {
    pub(super) kind: Kind,
    owner_kind: Kind,
    pub(super) lines: ChildLines<'a>,
    /// Whose the next line is; none at the end, or at artifacts of another kind of owner.
    pub(super) owner: Option<String>,
    orphans: Orphans,
}

pub(super) enum ChildLines<'a> {
    Archive(Box<Cursor<'a>>),
    Sorted(Merge, Option<(Vec<u8>, Vec<u8>)>),
}

impl<'a> Children<'a> {
    pub(super) fn of_archive(
        cursor: Cursor<'a>,
        kind: Kind,
        owner_kind: Kind,
        orphans: &Orphans,
    ) -> Result<Self> {
        let mut children = Children {
            kind,
            owner_kind,
            lines: ChildLines::Archive(Box::new(cursor)),
            owner: None,
            orphans: orphans.clone(),
        };
        children.look()?;
        Ok(children)
    }

    pub(super) fn of_merge(kind: Kind, mut merge: Merge) -> std::io::Result<Self> {
        let first = merge.next().transpose()?;
        Ok(Children {
            kind,
            owner_kind: kind,
            lines: ChildLines::Sorted(merge, first),
            owner: None,
            orphans: Orphans::default(),
        })
    }

    fn look(&mut self) -> Result<()> {
        if let ChildLines::Archive(cursor) = &self.lines {
            self.owner = match cursor.line() {
                Some(line) => owner_of(self.kind, self.owner_kind, line, cursor)?,
                None => None,
            };
        }
        Ok(())
    }

    /// The lost object that the next line belongs to, and its id in the archive.
    pub(super) fn lost(&self) -> Option<(&str, &LostObject)> {
        let owner = self.owner.as_deref()?;
        Some((
            owner,
            self.orphans.get(&(self.owner_kind, self.kind))?.get(owner)?,
        ))
    }

    pub(super) fn next_of(&mut self, owner: &Owner) -> Result<Option<Vec<u8>>> {
        let is_own = self.owner.as_deref() == Some(&owner.old_id);
        match &mut self.lines {
            ChildLines::Archive(cursor) if is_own => {
                let mut line = Vec::new();
                cursor.take_line(&mut line);
                cursor.advance()?;
                self.look()?;
                Ok(Some(line))
            }
            ChildLines::Archive(_) => Ok(None),
            ChildLines::Sorted(merge, ahead) => {
                let length = owner.key.as_bytes().len() + size_of::<u64>();
                let is_of = |(key, _): &mut (Vec<u8>, Vec<u8>)| {
                    key.len() == length && key.starts_with(owner.key.as_bytes())
                };
                let Some((_, line)) = ahead.take_if(is_of) else {
                    return Ok(None);
                };
                let io_error = ArchiveError::io("read", "temporary file");
                *ahead = merge.next().transpose().map_err(io_error)?;
                Ok(Some(line))
            }
        }
    }
}

/// Whose a line is, where its owner is of this kind.
pub(super) fn owner_of(
    kind: Kind,
    owner_kind: Kind,
    line: &[u8],
    cursor: &Cursor<'_>,
) -> Result<Option<String>> {
    if let Some(owner) = plain_owner(kind, owner_kind, line) {
        return Ok(Some(owner.to_owned()));
    }
    let head = cursor.head(kind)?;
    let found = match kind {
        Kind::Artifacts => OwnerKind::deserialize(&head.owner_kind).ok().map(kind_of_owner),
        _ => Some(owner_kind),
    };
    match (found, head.owner(kind).as_str()) {
        (Some(found), Some(owner)) => Ok((found == owner_kind).then(|| owner.to_owned())),
        _ => Err(cursor.damaged("it does not say what it belongs to").into()),
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
