//! The lines of one kind that belong to the objects of another, object by object.

use super::Result;
use super::orphans::{LostObject, Orphans};
use super::source::Owner;
use crate::archive::walk::{Cursor, owner_of};
use crate::archive::{ArchiveError, Merge};
use crate::format::Kind;

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
                *ahead = merge.next().transpose().map_err(ArchiveError::temporary)?;
                Ok(Some(line))
            }
        }
    }
}
