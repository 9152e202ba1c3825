//! The engine that carries out edits: each kind of line is read once, in the order of the archive.
//!
//! Kinds that no edit looks at, and whose owners are where they were, are taken over undecoded; so are blobs. Where an edit
//! gives objects other places, their lines and those that belong to them are sorted in bounded memory. What belongs to a dropped object is
//! dropped. What became of owners stands in temporary files, which lines that belong to them are read beside.

mod added;
mod examples;
mod follow;
mod lines;
mod origins;
mod parts;
mod places;
mod track;
mod undo_file;

pub use self::examples::Example;
use self::examples::Examples;
use self::follow::Follow;
pub(super) use self::lines::Steps;
use self::lines::{Batches, Outcome, Ready, Work};
use self::origins::Renamed;
pub(super) use self::origins::{Identity, identity};
use self::places::{Places, create_track};
use self::track::TrackWriter;
use self::undo_file::UndoFile;
use super::error::Result;
use super::removal;
use super::step::{Finished, for_each_added};
use crate::archive::parallel::{Pool, default_threads, map_ordered};
use crate::archive::walk::Head;
use crate::archive::{Archive, ArchiveWriter, add_totals, totals_of};
use crate::format::layout::STRING_BYTES;
use crate::format::manifest::Totals;
use crate::format::origin::Origins;
use crate::format::{Kind, SortKey, UndoLine, strict_json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Jobs under way at once.
const WINDOW: usize = 6;

/// An archive being made from another, or only looked through for what would be made.
pub(super) struct Engine<'a> {
    archive: &'a Archive,
    steps: Steps,
    /// None where only counts are asked for.
    pub(super) writer: Option<ArchiveWriter>,
    pool: Arc<Pool>,
    places: Places,
    /// What becomes of the objects of the kind at hand, where lines belong to them and they may move or go.
    track: Option<TrackWriter>,
    renamed: Renamed,
    /// Whether an edit takes some objects and drops others.
    chooses: bool,
    /// Kinds of which files were left out, and what the lines say that are written of kinds that follow others.
    unread: BTreeSet<Kind>,
    written: Totals,
    adopted: BTreeSet<Kind>,
    undo: Option<UndoFile>,
    pub(super) counts: BTreeMap<String, u64>,
    pub(super) notices: BTreeMap<String, u64>,
    pub(super) examples: Examples,
}

impl<'a> Engine<'a> {
    pub(super) fn new(archive: &'a Archive, steps: Steps, writer: Option<ArchiveWriter>) -> Result<Self> {
        let pool = match &writer {
            Some(writer) => writer.pool(),
            None => Arc::new(Pool::new(default_threads())),
        };
        let chooses = steps.iter().any(|step| step.chooses());
        Ok(Engine {
            archive,
            steps,
            writer,
            pool,
            places: Places::new(archive)?,
            track: None,
            renamed: Renamed::new(archive)?,
            chooses,
            unread: BTreeSet::new(),
            written: Totals::default(),
            adopted: BTreeSet::new(),
            undo: None,
            counts: BTreeMap::new(),
            notices: BTreeMap::new(),
            examples: Examples::default(),
        })
    }

    /// Records what was there before as that of a history entry, from 1.
    pub(super) fn record_undo(&mut self, entry: usize) {
        self.undo = self.writer.as_ref().map(|writer| UndoFile::new(writer, entry));
    }

    /// Carries out the edits, kind by kind.
    pub(super) fn run(&mut self) -> Result<()> {
        Kind::ALL.iter().try_for_each(|&kind| self.run_kind(kind))
    }

    fn run_kind(&mut self, kind: Kind) -> Result<()> {
        let is_edited = self.steps.iter().any(|step| step.looks_at(kind));
        let chooses = self.chooses;
        let is_lost = |owner: &Kind| self.archive.manifest().lost(*owner) > 0;
        let drops_lost = chooses && kind.owners().iter().any(is_lost);
        if !is_edited && !drops_lost && !self.places.touches(kind) {
            return self.adopt(kind);
        }
        let moves = self.steps.iter().any(|step| step.moves(kind));
        if moves || self.places.moves(kind) {
            self.writer.iter_mut().for_each(|writer| writer.sort_at_end(kind));
        }
        if !kind.children().is_empty() && (moves || chooses) {
            let scratch = self.writer.as_ref().map(ArchiveWriter::scratch);
            self.track = Some(create_track(scratch)?);
        }
        let work = Work {
            archive: self.archive.clone(),
            steps: self.steps.clone(),
            kind,
            is_edited,
        };
        let mut follow = Follow::new(self.archive, kind, &self.places, drops_lost)?;
        let pool = self.pool.clone();
        let wanted = match chooses && !is_edited {
            true => parts::wanted(self.archive, kind, &self.places)?,
            false => None,
        };
        self.leave_out(kind, wanted.as_deref());
        map_ordered(
            &pool,
            WINDOW,
            Batches::new(self.archive, kind, wanted.as_deref()),
            move |batch| batch.and_then(|batch| work.run(batch)),
            |ready: Result<Vec<Ready>>| {
                ready?
                    .into_iter()
                    .try_for_each(|ready| self.take(kind, ready, &mut follow))
            },
        )?;
        let (archive, steps) = (self.archive, self.steps.clone());
        for_each_added(archive, &steps, kind, |_, line| {
            self.add(kind, &line, &mut follow)
        })?;
        self.places.take(kind, self.track.take())
    }

    fn adopt(&mut self, kind: Kind) -> Result<()> {
        self.adopted.insert(kind);
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        for file in self.archive.manifest().files_of(kind) {
            writer.adopt_file(self.archive, file)?;
        }
        Ok(())
    }

    /// Takes a line that was edited.
    fn take(&mut self, kind: Kind, ready: Ready, follow: &mut Follow<'_>) -> Result<()> {
        let Ready { head, outcome, place } = ready;
        let place_of = |this: &Self, follow: &mut Follow<'_>, line: &[u8]| {
            let orphan = |owner: &str| {
                let reason = format!("its owner `{owner}` is missing or out of order");
                this.archive.damaged(&place, &reason)
            };
            follow.place(kind, &this.places, &head, line, orphan)
        };
        match outcome {
            Outcome::Same(line) => match place_of(self, follow, &line)? {
                Some(key) => {
                    self.track_at(kind, &head, &key, false)?;
                    self.write(kind, key, &head, &line)
                }
                None => self.drop(kind, &head, &line, false),
            },
            Outcome::Changed {
                before,
                after,
                finished,
            } => match place_of(self, follow, &after)? {
                Some(key) => self.change(kind, (&head, key), &before, after, *finished),
                None => self.drop(kind, &head, &before, false),
            },
            Outcome::Dropped { before, replacement } => {
                let is_replaced = replacement.is_some();
                self.renamed
                    .note(identity(kind, &head), replacement.and_then(|now| *now))?;
                self.drop(kind, &head, &before, is_replaced)
            }
        }
    }

    fn change(
        &mut self,
        kind: Kind,
        (head, mut key): (&Head, SortKey),
        before: &[u8],
        mut after: Vec<u8>,
        finished: Finished,
    ) -> Result<()> {
        let now = Head::of_value(kind, &finished.value);
        let id = head.id(kind);
        self.renamed
            .note(identity(kind, head), Some(identity(kind, &now)))?;
        let mut is_moved = false;
        if kind.owners().is_empty() && finished.is_rewritten {
            let new_key = now.sort_key(kind);
            is_moved = new_key != key || now.id(kind) != id;
            key = new_key;
        }
        self.track_at(kind, head, &key, is_moved)?;
        self.count(kind.name(), 1);
        self.count("tags added", finished.tags_added);
        self.count("tags replaced", finished.tags_replaced);
        self.count("tags removed", finished.tags_removed);
        for notice in &finished.notices {
            *self.notices.entry(notice.clone()).or_insert(0) += 1;
        }
        let Some(writer) = &mut self.writer else {
            self.examples.changed(kind, &id, before, &after);
            return Ok(());
        };
        // Of what is long, as little at once as can be.
        if after.len() > STRING_BYTES && writer.has_long(&finished.value) {
            drop(after);
            after = writer.line_of(finished.value)?;
        } else {
            drop(finished.value);
        }
        let undo = UndoLine {
            // The names of others are unique in an archive.
            workspace: head
                .workspace
                .as_str()
                .filter(|_| kind == Kind::ModelVersions)
                .map(str::to_owned),
            id: id.clone(),
            ..finished.undo
        };
        match &mut self.undo {
            Some(file) if UndoFile::needs_line(kind, finished.is_rewritten) => {
                file.line(self.archive, undo, Some(before), Some(&after))?;
            }
            Some(file) => file.tags(writer, &undo)?,
            None => {}
        }
        if self.chooses {
            add_totals(&mut self.written, totals_of(kind, &after));
        }
        writer.replace_line(kind, before, &after);
        writer.write_line(kind, key, &now.id(kind), &after)?;
        Ok(())
    }

    fn drop(&mut self, kind: Kind, head: &Head, before: &[u8], is_replaced: bool) -> Result<()> {
        let id = head.id(kind);
        if is_replaced {
            self.track_at(kind, head, &head.sort_key(kind), false)?;
        } else {
            self.count(&format!("{kind} dropped"), 1);
            self.examples.dropped(kind, &id);
            self.places.drop(kind, &id);
            if let Some(track) = &mut self.track {
                track.dropped(&id)?;
            }
        }
        if let Some(writer) = &mut self.writer {
            writer.drop_line(kind, before);
        }
        if let Some(file) = &mut self.undo {
            let undo = UndoLine {
                id,
                kind: kind.name().to_owned(),
                ..UndoLine::default()
            };
            file.line(self.archive, undo, Some(before), None)?;
        }
        Ok(())
    }

    /// Takes note of where an object is that lines belong to.
    fn track_at(&mut self, kind: Kind, head: &Head, key: &SortKey, is_moved: bool) -> Result<()> {
        debug_assert!(
            self.track.is_some() || !is_moved || kind.children().is_empty(),
            "steps say of which kinds they move objects"
        );
        match &mut self.track {
            Some(track) => track.at(&head.id(kind), key, is_moved),
            None => Ok(()),
        }
    }

    /// Writes a line that an edit adds.
    fn add(&mut self, kind: Kind, line: &[u8], follow: &mut Follow<'_>) -> Result<()> {
        let damaged = |reason: &str| self.archive.damaged(kind.name(), reason);
        let mut short = None;
        if let Some(writer) = self
            .writer
            .as_mut()
            .filter(|_| kind == Kind::Datasets && line.len() > STRING_BYTES)
        {
            let value = strict_json::parse(line).map_err(|error| damaged(&error.to_string()))?;
            if writer.has_long(&value) {
                short = Some(writer.line_of(value)?);
            }
        }
        let line = short.as_deref().unwrap_or(line);
        let head = Head::read(kind, line).map_err(|error| damaged(&error.to_string()))?;
        let orphan = |owner: &str| damaged(&format!("the owner `{owner}` of an added line is missing"));
        let Some(key) = follow.place(kind, &self.places, &head, line, orphan)? else {
            return Ok(());
        };
        self.places.put(kind, &head.id(kind), &key)?;
        if let Some(writer) = &mut self.writer {
            writer.replace_line(kind, b"", line);
        }
        if let Some(file) = &mut self.undo {
            self.counts
                .entry(format!("{kind} added"))
                .and_modify(|count| *count += 1)
                .or_insert(1);
            let undo = UndoLine {
                id: head.id(kind),
                kind: kind.name().to_owned(),
                ..UndoLine::default()
            };
            file.line(self.archive, undo, None, Some(line))?;
        }
        self.write(kind, key, &head, line)
    }

    fn write(&mut self, kind: Kind, key: SortKey, head: &Head, line: &[u8]) -> Result<()> {
        if let Some(writer) = &mut self.writer {
            if self.chooses {
                add_totals(&mut self.written, totals_of(kind, line));
            }
            writer.write_line(kind, key, &head.id(kind), line)?;
        }
        Ok(())
    }

    fn count(&mut self, name: &str, count: u64) {
        if count > 0 {
            *self.counts.entry(name.to_owned()).or_insert(0) += count;
        }
    }

    /// Takes over the list of failures but for those of objects that were dropped.
    pub(super) fn take_losses(&mut self) -> Result<()> {
        let places = &self.places;
        let redacts = |kind: &Kind| {
            self.steps
                .iter()
                .any(|step| step.redacts() && step.looks_at(*kind))
        };
        let redacted = Kind::ALL.iter().copied().filter(redacts).collect();
        let is_dropped = |id: &str| places.has_dropped(id);
        match &mut self.writer {
            Some(writer) => removal::take_losses(writer, self.archive, is_dropped, &redacted),
            None => Ok(()),
        }
    }

    /// Writes what is said of origins anew, of which the manifest tells.
    pub(super) fn finish_origins(&mut self) -> Result<Option<Origins>> {
        let renamed = std::mem::take(&mut self.renamed);
        match &self.writer {
            Some(writer) => renamed.write(writer, self.archive),
            None => Ok(None),
        }
    }

    /// Completes the undo record; whether whole lines are in it.
    pub(super) fn finish_undo(&mut self) -> Result<bool> {
        match (self.undo.take(), &mut self.writer) {
            (Some(file), Some(writer)) => file.finish(writer),
            _ => Ok(false),
        }
    }
}
