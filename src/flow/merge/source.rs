//! The objects of one kind of one archive in the order of the result, each with the lines that belong to it.

use super::children::{ChildLines, Children};
use super::moves::Moves;
use super::orphans::Orphans;
use super::{MergeError, Result};
use crate::archive::walk::{Cursor, text};
use crate::archive::{Archive, ArchiveError, Merge, SpillSorter};
use crate::format::{Kind, SortKey};
use std::path::Path;

/// Every kind of object in an order in which artifacts come as their file has them: by kind of owner.
pub(super) const KINDS: [Kind; Kind::ROOTS] = [
    Kind::Workspaces,
    Kind::Experiments,
    Kind::Datasets,
    Kind::Runs,
    Kind::LoggedModels,
    Kind::RegisteredModels,
    Kind::ModelVersions,
    Kind::Traces,
    Kind::EvaluationDatasets,
    Kind::Scorers,
];

/// An object at its place in the result.
#[derive(Debug)]
pub(super) struct Owner {
    pub(super) key: SortKey,
    /// Id in the result.
    pub(super) id: String,
    /// Id in its archive.
    pub(super) old_id: String,
    /// Workspace, where ids are unique only within one.
    pub(super) workspace: Option<String>,
    /// The line; none of an object that is lost, as the manifest says, and has lines of one kind.
    pub(super) line: Option<Vec<u8>>,
    /// Which of the kinds of lines, of a lost one.
    pub(super) of_lost: Option<u8>,
    /// Whether it is lost and its lines are taken from another archive.
    pub(super) goes: bool,
}

/// Objects of one kind with their lines, read side by side.
pub(super) struct Source<'a> {
    kind: Kind,
    archive: &'a Archive,
    moves: &'a Moves,
    objects: Objects<'a>,
    children: Vec<Children<'a>>,
    current: Option<Owner>,
    /// Place of the last object, after which lines of lost ones stand; none before the first.
    last: Option<SortKey>,
    /// Lost objects so far.
    lost: u64,
}

enum Objects<'a> {
    Archive(Box<Cursor<'a>>),
    Sorted(Merge),
}

impl<'a> Source<'a> {
    /// At the beginning of a kind's files. `artifacts` goes on where the kind before has ended.
    pub(super) fn open(
        archive: &'a Archive,
        kind: Kind,
        moves: &'a Moves,
        artifacts: &mut Option<Cursor<'a>>,
        orphans: &Orphans,
    ) -> Result<Self> {
        let mut children = Vec::new();
        for &child in kind.children() {
            let cursor = match artifacts.take_if(|_| child == Kind::Artifacts) {
                Some(cursor) => cursor,
                None => Cursor::new(archive, child)?,
            };
            children.push(Children::of_archive(cursor, child, kind, orphans)?);
        }
        let objects = Objects::Archive(Box::new(Cursor::new(archive, kind)?));
        Source::of(archive, kind, moves, objects, children)
    }

    fn of(
        archive: &'a Archive,
        kind: Kind,
        moves: &'a Moves,
        objects: Objects<'a>,
        children: Vec<Children<'a>>,
    ) -> Result<Self> {
        let mut source = Source {
            kind,
            archive,
            moves,
            objects,
            children,
            current: None,
            last: None,
            lost: 0,
        };
        source.advance()?;
        Ok(source)
    }

    /// The same, where what moves has to be sorted first.
    pub(super) fn sorted(mut self, scratch: &Path, artifacts: &mut Option<Cursor<'a>>) -> Result<Self> {
        let io_error = |error| MergeError::from(ArchiveError::io("use a temporary file in", scratch)(error));
        let sorter = || SpillSorter::with_memory(scratch, SORTED_BYTES);
        let mut objects = sorter();
        let mut lines: Vec<SpillSorter> = self.children.iter().map(|_| sorter()).collect();
        while let Some(owner) = self.current.take() {
            for (place, sorter) in lines.iter_mut().enumerate() {
                let mut number = 0_u64;
                while let Some(line) = self.next_of(&owner, place)? {
                    let key = owner.key.clone().number(number).as_bytes().to_vec();
                    sorter.push(key, line).map_err(io_error)?;
                    number += 1;
                }
            }
            objects
                .push(owner.key.as_bytes().to_vec(), pack(&owner))
                .map_err(io_error)?;
            self.advance()?;
        }
        let (archive, moves, kind) = (self.archive, self.moves, self.kind);
        self.finish(artifacts);
        let mut children = Vec::new();
        for (sorter, &child) in lines.into_iter().zip(kind.children()) {
            children.push(Children::of_merge(child, sorter.finish().map_err(io_error)?).map_err(io_error)?);
        }
        let objects = Objects::Sorted(objects.finish().map_err(io_error)?);
        Source::of(archive, kind, moves, objects, children)
    }

    /// The object that comes next.
    pub(super) fn head(&self) -> Option<&Owner> {
        self.current.as_ref()
    }

    /// The next line of the object, of one of the kinds that belong to it.
    pub(super) fn next_child(&mut self, place: usize) -> Result<Option<Vec<u8>>> {
        let Some(owner) = self.current.take() else {
            return Ok(None);
        };
        let line = self.next_of(&owner, place);
        self.current = Some(owner);
        line
    }

    fn next_of(&mut self, owner: &Owner, place: usize) -> Result<Option<Vec<u8>>> {
        if owner.of_lost.is_some_and(|of_lost| usize::from(of_lost) != place) {
            return Ok(None);
        }
        let kind = self.kind.children()[place];
        let Some(line) = self.children[place].next_of(owner)? else {
            return Ok(None);
        };
        let is_moved = matches!(self.objects, Objects::Archive(_)) && self.moves.changes_lines(kind);
        if is_moved {
            self.moves
                .rewrite_child(self.archive, kind, line, (&owner.old_id, &owner.id))
                .map(Some)
        } else {
            Ok(Some(line))
        }
    }

    /// Goes on to the next object, whose lines were all taken.
    ///
    /// # Errors
    /// A line is damaged; or lines are left at the end that belong to no object.
    pub(super) fn advance(&mut self) -> Result<()> {
        self.current = self.read()?;
        self.check_end()
    }

    /// Refuses lines that are left where no object is.
    fn check_end(&self) -> Result<()> {
        match self.children.iter().find(|children| children.owner.is_some()) {
            Some(children) if self.current.is_none() && matches!(self.objects, Objects::Archive(_)) => {
                Err(MergeError::Orphan {
                    archive: self.archive.path().to_owned(),
                    kind: children.kind,
                    owner: children.owner.clone().unwrap_or_default(),
                })
            }
            _ => Ok(()),
        }
    }

    /// Leaves the artifacts to the kind that comes next.
    pub(super) fn finish(self, artifacts: &mut Option<Cursor<'a>>) {
        for children in self.children {
            if let (Kind::Artifacts, ChildLines::Archive(cursor)) = (children.kind, children.lines) {
                *artifacts = Some(*cursor);
            }
        }
    }

    fn read(&mut self) -> Result<Option<Owner>> {
        let kind = self.kind;
        match &mut self.objects {
            Objects::Sorted(merge) => {
                let io_error = ArchiveError::io("read a temporary file of", self.archive.path());
                let record = merge.next().transpose().map_err(io_error)?;
                Ok(record.map(|(key, value)| unpack(key, &value)))
            }
            Objects::Archive(cursor) => {
                let mut children = (0..).zip(&self.children);
                let lost = children.find_map(|(place, children)| Some((place, children.lost()?)));
                if let Some((place, (old_id, lost))) = lost {
                    let owner = Owner {
                        key: place_of_lost(kind, self.last.as_ref(), self.lost, old_id),
                        id: lost.id.clone(),
                        old_id: old_id.to_owned(),
                        workspace: None,
                        line: None,
                        of_lost: Some(place),
                        goes: lost.goes,
                    };
                    self.lost += 1;
                    return Ok(Some(owner));
                }
                if cursor.line().is_none() {
                    return Ok(None);
                }
                let head = cursor.head(kind)?;
                let mut line = Vec::new();
                cursor.take_line(&mut line);
                cursor.advance()?;
                let owner = self.moves.place(self.archive, kind, &head, line)?;
                self.last = Some(owner.key.clone());
                Ok(Some(owner))
            }
        }
    }
}

/// The place of a lost object: only of evaluation datasets the id tells it; else it stays after the object that it follows, and after
/// the lines of that one.
fn place_of_lost(kind: Kind, last: Option<&SortKey>, number: u64, id: &str) -> SortKey {
    if kind == Kind::EvaluationDatasets {
        return SortKey::new().text(id);
    }
    let before = match last {
        Some(last) => SortKey::from([last.as_bytes(), &[u8::MAX]].concat()),
        None => SortKey::new().number(0),
    };
    before.number(number).text(id)
}

/// Memory in which what moves is sorted.
const SORTED_BYTES: usize = 4 << 20;

/// Three texts with their lengths before them, then the line.
fn pack(owner: &Owner) -> Vec<u8> {
    let mut bytes = vec![
        u8::from(owner.line.is_some()),
        u8::from(owner.workspace.is_some()),
        u8::from(owner.goes),
        owner.of_lost.unwrap_or(u8::MAX),
    ];
    let workspace = owner.workspace.as_deref().unwrap_or_default();
    for text in [&owner.id, &owner.old_id, workspace] {
        // A line is shorter than 4 GiB, and so is what it holds.
        bytes.extend((text.len() as u32).to_le_bytes());
        bytes.extend(text.as_bytes());
    }
    bytes.extend(owner.line.iter().flatten());
    bytes
}

fn unpack(key: Vec<u8>, bytes: &[u8]) -> Owner {
    let (flags, mut rest) = bytes.split_at(4);
    let mut text = || {
        let (length, after) = rest.split_at(4);
        let length = length
            .iter()
            .rev()
            .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        let (text, after) = after.split_at(length);
        rest = after;
        String::from_utf8_lossy(text).into_owned()
    };
    let (id, old_id, workspace) = (text(), text(), text());
    Owner {
        key: SortKey::from(key),
        id,
        old_id,
        workspace: (flags[1] == 1).then_some(workspace),
        line: (flags[0] == 1).then(|| rest.to_vec()),
        goes: flags[2] == 1,
        of_lost: Some(flags[3]).filter(|place| *place != u8::MAX),
    }
}

/// Text of a field of a head, where it has one.
pub(super) fn some_text(value: &serde_json::Value) -> Option<String> {
    value.as_str().map(|_| text(value).to_owned())
}
