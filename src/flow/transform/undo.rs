//! `--undo`: the last history entry reversed, down to the parent's content id.

use super::apply::{TransformOptions, TransformReport, adopt_others, finish};
use super::engine::{Engine, Identity, identity};
use super::error::{Result, TransformError};
use super::step::{EditedLine, Fate, Step};
use crate::archive::walk::Head;
use crate::archive::{
    Archive, ArchiveError, ArchiveWriter, ManifestHead, SpillIndex, SpillIndexWriter, finish_digest,
};
use crate::format::Kind;
use crate::format::layout::CHECKSUMS;
use crate::format::manifest::FileDescriptor;
use crate::format::undo::{BLOBS_LINE, UNDO_LINES, UndoLineWith};
use crate::model::Digest;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Reverses the last transform of an archive into a new archive.
///
/// # Errors
/// There is no transform, its record is missing or does not fit, or the result would not have the parent's content id.
pub fn undo(archive: &Archive, out: &Path, options: &TransformOptions) -> Result<TransformReport> {
    let manifest = archive.manifest();
    let mut head = ManifestHead::of_parent(manifest);
    let number = head.history.len();
    let Some(entry) = head.history.pop() else {
        return Err(TransformError::NothingToUndo {
            path: archive.path().display().to_string(),
        });
    };
    let refused = |reason| TransformError::NoUndo {
        path: archive.path().display().to_string(),
        name: entry.name.clone(),
        reason,
    };
    if !entry.parent_content_ids.is_empty() {
        return Err(refused(
            "a merge does not keep its inputs apart; use the archives that were merged",
        ));
    }
    head.expected_content_id = Some(entry.parent_content_id);
    let belongs = |file: &FileDescriptor| file.path.undo_part().is_some_and(|(entry, _)| entry == number);
    let (record, others): (Vec<_>, Vec<_>) = manifest
        .files
        .iter()
        .filter(|file| file.path.undo_part().is_some())
        .cloned()
        .partition(belongs);
    if record.is_empty() {
        return Err(refused(
            "edits that remove something keep no undo record and delete the earlier ones",
        ));
    }
    let restore = Restore::read(archive, record)?;
    let mut writer = ArchiveWriter::create(out, options.writer.clone())?;
    writer.adopt_blobs(archive, options.copy, &restore.added_blobs)?;
    adopt_others(&mut writer, archive, |file| !belongs(file))?;
    writer.adopt_totals(archive);
    if let Some(format) = &mut head.format
        && restore.has_lines
        && !has_lines(archive, others)?
    {
        format.requires.retain(|name| name != UNDO_LINES);
    }
    let restore = Arc::new(restore);
    let steps: Vec<Box<dyn Step>> = vec![Box::new(Restoring(restore.clone()))];
    let mut engine = Engine::new(archive, Arc::new(steps), Some(writer))?;
    engine.run()?;
    head.origins = engine.finish_origins()?;
    restore.check()?;
    engine.counts = restore.counts();
    finish(engine, head, Vec::new()).map_err(|error| match error {
        TransformError::Archive(ArchiveError::DigestMismatch { entry, .. }) if entry == CHECKSUMS => {
            mismatch(archive, "what it restores differs from what was there before")
        }
        error => error,
    })
}

fn mismatch(archive: &Archive, detail: &str) -> TransformError {
    TransformError::UndoMismatch {
        path: archive.path().display().to_string(),
        detail: detail.to_owned(),
    }
}

/// What the line is that comes back.
fn before_of(archive: &Archive, kind: Kind, line: Option<&RawValue>) -> Result<Option<Identity>> {
    let head = line.map(|line| Head::read(kind, line.get().as_bytes()));
    let head = head.transpose();
    let head = head.map_err(|error| mismatch(archive, &error.to_string()))?;
    Ok(head.map(|head| identity(kind, &head)))
}

/// Reads undo lines one by one; what they hold whole stays text, since parsed it takes a multiple of that.
fn for_each_line(
    archive: &Archive,
    record: Vec<FileDescriptor>,
    mut visit: impl FnMut(&[u8], UndoLineWith<&RawValue>) -> Result<()>,
) -> Result<()> {
    let mut lines = archive.lines_of(record);
    while let Some(line) = lines.next_line()? {
        // Values of tags may refer to blobs, and go back as they are.
        let undo = serde_json::from_slice(line.bytes)
            .map_err(|error| archive.damaged(&line.place(), &error.to_string()))?;
        visit(line.bytes, undo)?;
    }
    Ok(())
}

/// Whether undo records have whole lines.
fn has_lines(archive: &Archive, records: Vec<FileDescriptor>) -> Result<bool> {
    let mut found = false;
    for_each_line(archive, records, |_, line| {
        found |= line.line.is_some() || line.now.is_some();
        Ok(())
    })?;
    Ok(found)
}

/// What an undo record says, in a temporary file. Whole lines are read from the record again when their kind's turn comes.
struct Restore {
    archive: Archive,
    record: Vec<FileDescriptor>,
    added_blobs: BTreeSet<Digest>,
    /// Lines of objects of which only tags go back, by what they are.
    tags: SpillIndex,
    /// Lines of what goes, with what comes back in its place, by its digest.
    gone: SpillIndex,
    has_lines: bool,

    restored: AtomicU64,
    tags_removed: AtomicU64,
    tags_restored: AtomicU64,
    by_kind: BTreeMap<Kind, u64>,
}

impl Restore {
    fn read(archive: &Archive, record: Vec<FileDescriptor>) -> Result<Self> {
        let (mut tags, mut gone) = (SpillIndexWriter::create()?, SpillIndexWriter::create()?);
        let (mut added_blobs, mut by_kind) = (BTreeSet::new(), BTreeMap::new());
        let mut has_lines = false;
        for_each_line(archive, record.clone(), |text, line| {
            if line.kind == BLOBS_LINE {
                added_blobs.extend(line.added_blobs);
                return Ok(());
            }
            let kind = Kind::from_name(&line.kind)
                .ok_or_else(|| mismatch(archive, &format!("`{}` is not a kind", line.kind)))?;
            *by_kind.entry(kind).or_insert(0) += 1;
            has_lines |= line.line.is_some() || line.now.is_some();
            match (line.now, line.line) {
                (Some(now), before) => {
                    before_of(archive, kind, before)?;
                    gone.push(&now, text)?;
                }
                (None, Some(_)) => {}
                (None, None) => tags.push(&(kind, &line.workspace, &line.id), text)?,
            }
            Ok(())
        })?;
        Ok(Restore {
            archive: archive.clone(),
            record,
            added_blobs,
            tags: tags.finish()?,
            gone: gone.finish()?,
            has_lines,

            restored: AtomicU64::new(0),
            tags_removed: AtomicU64::new(0),
            tags_restored: AtomicU64::new(0),
            by_kind,
        })
    }

    /// The first line of a record that is about something.
    fn find<T>(
        &self,
        lines: &SpillIndex,
        about: &impl Hash,
        take: impl Fn(UndoLineWith<&RawValue>) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        for text in lines.find(about) {
            let text = text?;
            let line =
                serde_json::from_slice(&text).map_err(|error| mismatch(&self.archive, &error.to_string()))?;
            if let Some(found) = take(line)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Checks that all that the record names was there.
    fn check(&self) -> Result<()> {
        let expected = (self.tags.len() + self.gone.len()) as u64;
        let restored = self.restored.load(Ordering::Relaxed);
        if restored == expected {
            return Ok(());
        }
        Err(mismatch(
            &self.archive,
            &format!("only {restored} of its {expected} lines are in the archive"),
        ))
    }

    fn counts(&self) -> BTreeMap<String, u64> {
        let tags = [
            ("tags removed", &self.tags_removed),
            ("tags restored", &self.tags_restored),
        ];
        let tags = tags.map(|(name, count)| (name.to_owned(), count.load(Ordering::Relaxed)));
        let kinds = self
            .by_kind
            .iter()
            .map(|(kind, &count)| (kind.name().to_owned(), count));
        kinds.chain(tags).filter(|(_, count)| *count > 0).collect()
    }

    fn restore_tags(&self, line: &mut EditedLine) -> Result<()> {
        let kind = line.kind();
        let mut object = identity(kind, &Head::of_value(kind, line.value()));
        if kind != Kind::ModelVersions {
            object.1 = None;
        }
        let found = self.find(&self.tags, &object, |line| {
            let is_it =
                (line.kind.as_str(), &line.workspace, &line.id) == (kind.name(), &object.1, &object.2);
            Ok(is_it.then_some((line.added, line.replaced)))
        })?;
        let Some((added, replaced)) = found else {
            return Ok(());
        };
        let id = &object.2;
        if line.tags().is_none() {
            return Err(mismatch(&self.archive, &format!("{kind} `{id}` has no tags")));
        }
        for key in &added {
            if line.remove_tag(key).is_none() {
                let detail = format!("{kind} `{id}` has no tag `{key}`");
                return Err(mismatch(&self.archive, &detail));
            }
        }
        self.restored.fetch_add(1, Ordering::Relaxed);
        self.tags_removed.fetch_add(added.len() as u64, Ordering::Relaxed);
        self.tags_restored
            .fetch_add(replaced.len() as u64, Ordering::Relaxed);
        for (name, old) in replaced {
            line.set_tag(&name, old);
        }
        Ok(())
    }
}

/// The step that brings back what was there before.
struct Restoring(Arc<Restore>);

impl Step for Restoring {
    fn looks_at(&self, kind: Kind) -> bool {
        self.0.by_kind.contains_key(&kind)
    }

    fn moves(&self, kind: Kind) -> bool {
        self.0.has_lines && self.looks_at(kind)
    }

    fn replaces(&self, kind: Kind, line: &[u8]) -> Result<Option<Option<Identity>>> {
        let restore = &self.0;
        if !self.moves(kind) || restore.gone.is_empty() {
            return Ok(None);
        }
        let now = finish_digest(Sha256::new_with_prefix(line));
        let found = restore.find(&restore.gone, &now, |line| match line.now == Some(now) {
            true => before_of(&restore.archive, kind, line.line).map(Some),
            false => Ok(None),
        })?;
        if found.is_some() {
            restore.restored.fetch_add(1, Ordering::Relaxed);
        }
        Ok(found)
    }

    fn apply(&self, line: &mut EditedLine) -> Result<Fate> {
        if !self.0.tags.is_empty() {
            self.0.restore_tags(line)?;
        }
        Ok(Fate::Kept)
    }

    fn add(&self, kind: Kind, add: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let restore = &self.0;
        if !self.moves(kind) {
            return Ok(());
        }
        for_each_line(&restore.archive, restore.record.clone(), |_, line| {
            match line.line {
                Some(old) if line.kind == kind.name() => add(old.get().as_bytes()),
                _ => Ok(()),
            }
        })
    }
}
