//! What became of objects that own other lines: these follow them.

use super::super::error::Result;
use super::added::Added;
use super::track::{Track, TrackReader, TrackWriter};
use crate::archive::Archive;
use crate::archive::walk::OwnerCursor;
use crate::format::{ArchivePath, Kind, SortKey};
use serde::Deserialize;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;

/// What became of an owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Dropped,
    At(SortKey),
}

/// What became of owners that are not where they were. Held are only those of which something failed; the others stand in temporary
/// files.
#[derive(Debug, Default)]
pub(super) struct Places {
    tracks: HashMap<Kind, Track>,
    added: HashMap<Kind, Added>,
    /// Objects that failures name, with the begins of their ids, and those of them that were dropped.
    named: HashSet<String>,
    dropped: BTreeSet<String>,
}

#[derive(Deserialize)]
struct NamedLoss {
    id: String,
}

impl Places {
    /// Before the first object of an archive.
    pub(super) fn new(archive: &Archive) -> Result<Self> {
        let mut places = Places::default();
        let mut lines = archive.lines_where(|file| file.path == ArchivePath::losses());
        while let Some(line) = lines.next_line()? {
            let loss: NamedLoss = serde_json::from_slice(line.bytes)
                .map_err(|error| archive.damaged(&line.place(), &error.to_string()))?;
            places.named.extend(begins(&loss.id).map(str::to_owned));
        }
        Ok(places)
    }

    /// Takes note of an object that was dropped.
    pub(super) fn drop(&mut self, kind: Kind, id: &str) {
        if kind.owners().is_empty() && self.named.contains(id) {
            self.dropped.insert(id.to_owned());
        }
    }

    /// Whether an object was dropped, or what it belongs to: its id, or the begin of it before a `/`, is that of a dropped one.
    pub(super) fn has_dropped(&self, id: &str) -> bool {
        begins(id).any(|begin| self.dropped.contains(begin))
    }

    /// An owner is there that was not before.
    pub(super) fn put(&mut self, kind: Kind, id: &str, key: &SortKey) -> Result<()> {
        if kind.children().is_empty() {
            return Ok(());
        }
        match self.added.entry(kind) {
            Entry::Occupied(added) => added.into_mut().put(id, key),
            Entry::Vacant(none) => none.insert(Added::create()?).put(id, key),
        }
    }

    /// Takes what became of all objects of a kind, after the last of them.
    pub(super) fn take(&mut self, kind: Kind, track: Option<TrackWriter>) -> Result<()> {
        if let Some(track) = track {
            self.tracks.insert(kind, track.finish()?);
        }
        self.added.get_mut(&kind).map_or(Ok(()), Added::finish)
    }

    /// Where an owner is that was added.
    pub(super) fn of_added(&self, kind: Kind, id: &str) -> Result<Option<SortKey>> {
        let added = self.added.get(&kind).map(|added| added.find(id));
        added.unwrap_or(Ok(None))
    }

    /// Whether some owner of lines of a kind is not what it was.
    pub(super) fn touches(&self, kind: Kind) -> bool {
        let has_dropped = |owner: &Kind| self.tracks.get(owner).is_some_and(|track| track.has_dropped);
        self.moves(kind) || kind.owners().iter().any(has_dropped)
    }

    /// Whether some owner of lines of a kind has another place.
    pub(super) fn moves(&self, kind: Kind) -> bool {
        let has_moved = |owner: &Kind| self.tracks.get(owner).is_some_and(|track| track.has_moved);
        let is_moved = |owner: &Kind| has_moved(owner) || self.added.contains_key(owner);
        kind.owners().iter().any(is_moved)
    }

    /// Whether it is known what became of all objects of a kind.
    pub(super) fn has_track(&self, kind: Kind) -> bool {
        self.tracks.contains_key(&kind) && !self.added.contains_key(&kind)
    }

    /// What became of all objects of a kind of which that is known.
    pub(super) fn read(&self, kind: Kind) -> Result<TrackReader> {
        self.tracks[&kind].read()
    }

    /// Walks along the objects of a kind.
    pub(super) fn walk<'a>(&self, archive: &'a Archive, kind: Kind) -> Result<PlaceWalk<'a>> {
        Ok(match self.tracks.get(&kind) {
            Some(track) => PlaceWalk::Track(track.read()?),
            None => PlaceWalk::Archive(Box::new(OwnerCursor::new(archive, kind)?)),
        })
    }
}

/// An id, and its begins before each `/`.
fn begins(id: &str) -> impl Iterator<Item = &str> {
    let ends = id.match_indices('/').map(|(end, _)| end).chain([id.len()]);
    ends.map(|end| &id[..end])
}

/// Objects that own lines, in their order, with what became of them.
pub(super) enum PlaceWalk<'a> {
    Track(TrackReader),
    /// All are where they were.
    Archive(Box<OwnerCursor<'a>>),
}

impl PlaceWalk<'_> {
    /// Goes on to an object; none where it is not among those that follow.
    pub(super) fn find(&mut self, id: &str) -> Result<Option<Place>> {
        match self {
            PlaceWalk::Track(track) => Ok(track.find(id)?.cloned()),
            PlaceWalk::Archive(owners) => {
                let found = owners.find(id)?;
                Ok(found.map(|owner| Place::At(owner.key.clone())))
            }
        }
    }
}

/// A track, among temporary files where nothing else makes room for it.
pub(super) fn create_track(scratch: Option<&Path>) -> Result<TrackWriter> {
    let fallback = std::env::temp_dir();
    TrackWriter::create(scratch.unwrap_or(&fallback))
}
