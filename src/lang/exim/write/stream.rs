//! The lines of an archive, each kind in step with the objects that its lines belong to.

use crate::archive::{Archive, ArchiveError, Lines, Objects, Result, parse_line};
use crate::format::Kind;
use crate::model::{ArtifactList, OwnerKind};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The objects of one kind, of which the next can be looked at.
pub(super) struct Stream<'a, T> {
    archive: &'a Archive,
    kind: Kind,
    objects: Objects<'a, T>,
    held: Option<T>,
}

impl<'a, T: DeserializeOwned> Stream<'a, T> {
    /// Before the first object.
    pub(super) fn new(archive: &'a Archive, kind: Kind) -> Self {
        Stream {
            archive,
            kind,
            objects: Objects::new(archive.lines(kind)),
            held: None,
        }
    }

    /// The next object, which stays.
    pub(super) fn peek(&mut self) -> Result<Option<&T>> {
        if self.held.is_none() {
            self.held = self.objects.next().transpose()?;
        }
        Ok(self.held.as_ref())
    }

    /// Takes the next object, if it is the wanted one.
    pub(super) fn next_if(&mut self, is_wanted: impl FnOnce(&T) -> bool) -> Result<Option<T>> {
        match self.peek()? {
            Some(next) if is_wanted(next) => Ok(self.held.take()),
            _ => Ok(None),
        }
    }

    /// Takes the next object.
    pub(super) fn next(&mut self) -> Result<Option<T>> {
        self.next_if(|_| true)
    }

    /// Checks that nothing is left that belongs to no object.
    pub(super) fn finish(mut self) -> Result<()> {
        match self.peek()? {
            None => Ok(()),
            Some(_) => Err(orphan(self.archive, self.kind)),
        }
    }
}

/// The artifact lists of owners of one kind.
pub(super) struct ArtifactStream<'a> {
    archive: &'a Archive,
    lines: Lines<'a>,
    owner_kind: OwnerKind,
    held: Option<ArtifactList>,
}

impl<'a> ArtifactStream<'a> {
    /// Before the first owner.
    pub(super) fn new(archive: &'a Archive, owner_kind: OwnerKind) -> Self {
        ArtifactStream {
            archive,
            lines: archive.lines(Kind::Artifacts),
            owner_kind,
            held: None,
        }
    }

    /// Takes the next list, if it is of this owner.
    pub(super) fn next_of(&mut self, owner_id: &str) -> Result<Option<ArtifactList>> {
        self.fill()?;
        match &self.held {
            Some(list) if list.owner_id == owner_id => Ok(self.held.take()),
            _ => Ok(None),
        }
    }

    /// Checks that nothing is left that belongs to no object.
    pub(super) fn finish(mut self) -> Result<()> {
        self.fill()?;
        match self.held {
            None => Ok(()),
            Some(_) => Err(orphan(self.archive, Kind::Artifacts)),
        }
    }

    fn fill(&mut self) -> Result<()> {
        while self.held.is_none() {
            let Some(line) = self.lines.next_line()? else {
                return Ok(());
            };
            let damaged = |error: serde_json::Error| self.archive.damaged(&line.place(), &error.to_string());
            // Of lists of other owners nothing else is looked at.
            let Head { owner_kind } = serde_json::from_slice(line.bytes).map_err(damaged)?;
            if owner_kind == self.owner_kind {
                let list = serde_json::from_value(parse_line(self.archive, &line)?);
                self.held = Some(list.map_err(damaged)?);
            }
        }
        Ok(())
    }
}

/// What tells whether a list is of a wanted kind of owner.
#[derive(Deserialize)]
struct Head {
    owner_kind: OwnerKind,
}

fn orphan(archive: &Archive, kind: Kind) -> ArchiveError {
    archive.damaged(
        &format!("objects/{kind}"),
        "a line belongs to an object that is missing or out of order",
    )
}
