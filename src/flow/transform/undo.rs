//! `--undo`: the last history entry reversed, down to the parent's content id.

use super::edit::{
    BLOBS_LINE, Edit, Edited, Result, TransformError, TransformOptions, TransformReport, UndoLine, is_of,
    typed, typed_run,
};
use crate::archive::{Archive, ArchiveError, ManifestHead};
use crate::format::manifest::{FileDescriptor, HistoryEntry};
use crate::format::{Kind, Object, SortKey};
use crate::model::{Digest, Experiment, ModelVersion};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// Kinds whose lines an undo record can name.
const KINDS: [Kind; 3] = [Kind::Experiments, Kind::Runs, Kind::ModelVersions];

/// Reverses the last transform of an archive into a new archive.
///
/// # Errors
/// There is no transform, its record does not fit, or the result would not have the parent's content id.
pub fn undo(archive: &Archive, out: &Path, options: &TransformOptions) -> Result<TransformReport> {
    let manifest = archive.manifest();
    let mut head = ManifestHead::of_parent(manifest);
    let number = head.history.len();
    let Some(entry) = head.history.pop() else {
        return Err(TransformError::NothingToUndo {
            path: archive.path().display().to_string(),
        });
    };
    if let Some(reason) = not_undoable(&entry) {
        return Err(TransformError::NoUndo {
            path: archive.path().display().to_string(),
            name: entry.name,
            reason,
        });
    }
    head.expected_content_id = Some(entry.parent_content_id);
    let belongs = |file: &FileDescriptor| file.path.undo_part().is_some_and(|(entry, _)| entry == number);
    let record: Vec<_> = manifest
        .files
        .iter()
        .filter(|file| belongs(file))
        .cloned()
        .collect();
    if record.is_empty() {
        return Err(mismatch(archive, "it has no record of the last transform"));
    }
    let added_blobs = blobs_of(archive, record.clone())?;
    let mut edit = Edit::begin(archive, out, options, &added_blobs, |file| {
        !is_of(file, &KINDS) && !belongs(file)
    })?;
    for kind in KINDS {
        let undo_lines = Arc::new(lines_of(archive, record.clone(), kind)?);
        let copy = archive.clone();
        let expected = undo_lines.len() as u64;
        edit.edit_lines(kind, move |value| restore(&copy, kind, value, &undo_lines))?;
        let restored = edit.counts.get(kind.name()).copied().unwrap_or(0);
        if restored != expected {
            return Err(mismatch(
                archive,
                &format!("{restored} of {expected} {kind} are there"),
            ));
        }
    }
    edit.finish(head)
}

/// Why a transform cannot be undone, where its kind says so.
fn not_undoable(entry: &HistoryEntry) -> Option<&'static str> {
    if entry.parent_content_ids.is_empty() {
        return None;
    }
    Some("the archives that went into it are what was before, and it does not hold them apart")
}

fn mismatch(archive: &Archive, detail: &str) -> TransformError {
    TransformError::UndoMismatch {
        path: archive.path().display().to_string(),
        detail: detail.to_owned(),
    }
}

/// Reads undo lines one by one.
fn for_each_line(
    archive: &Archive,
    record: Vec<FileDescriptor>,
    mut visit: impl FnMut(UndoLine),
) -> Result<()> {
    let mut lines = archive.lines_of(record);
    while let Some(line) = lines.next_line()? {
        // Values of tags may refer to blobs, and go back as they are.
        let undo = serde_json::from_slice(line.bytes).map_err(|error| ArchiveError::Damaged {
            path: archive.path().to_owned(),
            entry: line.place(),
            reason: error.to_string(),
        })?;
        visit(undo);
    }
    Ok(())
}

fn blobs_of(archive: &Archive, record: Vec<FileDescriptor>) -> Result<BTreeSet<Digest>> {
    let mut blobs = BTreeSet::new();
    for_each_line(archive, record, |line| {
        if line.kind == BLOBS_LINE {
            blobs.extend(line.added_blobs);
        }
    })?;
    Ok(blobs)
}

/// An object in an undo record: workspace and id.
type ObjectKey = (Option<String>, String);

fn lines_of(
    archive: &Archive,
    record: Vec<FileDescriptor>,
    kind: Kind,
) -> Result<BTreeMap<ObjectKey, UndoLine>> {
    let mut lines = BTreeMap::new();
    for_each_line(archive, record, |line| {
        if line.kind == kind.name() {
            lines.insert((line.workspace.clone(), line.id.clone()), line);
        }
    })?;
    Ok(lines)
}

/// The place of an object, its workspace and its id.
pub(super) fn identity(
    archive: &Archive,
    kind: Kind,
    value: &mut Value,
) -> Result<(SortKey, Option<String>, String)> {
    Ok(match kind {
        Kind::Experiments => {
            let object: Experiment = typed(archive, value)?;
            (object.sort_key(), None, object.id())
        }
        Kind::Runs => {
            let object = typed_run(archive, value)?;
            (object.sort_key(), None, object.id())
        }
        _ => {
            let object: ModelVersion = typed(archive, value)?;
            (object.sort_key(), object.workspace.clone(), object.id())
        }
    })
}

fn restore(
    archive: &Archive,
    kind: Kind,
    mut value: Value,
    undo_lines: &BTreeMap<ObjectKey, UndoLine>,
) -> Result<Edited> {
    let (key, workspace, id) = identity(archive, kind, &mut value)?;
    let object_key = (workspace, id);
    let mut counts = Vec::new();
    if let Some(undo) = undo_lines.get(&object_key) {
        let tags = value.get_mut("tags").and_then(Value::as_object_mut);
        let tags =
            tags.ok_or_else(|| mismatch(archive, &format!("{kind} `{}` has no tags", object_key.1)))?;
        for added in &undo.added {
            if tags.remove(added).is_none() {
                let detail = format!("{kind} `{}` has no tag `{added}`", object_key.1);
                return Err(mismatch(archive, &detail));
            }
        }
        for (name, old) in &undo.replaced {
            tags.insert(name.clone(), old.clone());
        }
        counts.push((kind.name(), 1));
        counts.push(("tags removed", undo.added.len() as u64));
        counts.push(("tags restored", undo.replaced.len() as u64));
    }
    Ok(Edited {
        key,
        id: object_key.1,
        value,
        undo: None,
        counts,
        notices: Vec::new(),
    })
}
