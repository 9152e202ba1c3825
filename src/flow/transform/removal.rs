//! What a recipe that removes does beside its edits: nothing of what it removes stays in files beside the objects.

use super::error::{Result, TransformError};
use super::tags::MASK;
use crate::archive::walk::newer_kinds;
use crate::archive::{Archive, ArchiveWriter};
use crate::format::line::{canonical, to_value};
use crate::format::manifest::{FileDescriptor, SelectionRecord};
use crate::format::undo::UNDO_LINES;
use crate::format::{ArchivePath, Kind, Loss, LossCount, Reason};
use std::collections::{BTreeMap, BTreeSet};

/// Refuses lines of kinds that this build does not know, in which something may stand that is to be removed.
pub(super) fn refuse_newer_kinds(archive: &Archive, edit: &'static str) -> Result<()> {
    match newer_kinds(archive).into_keys().next() {
        Some(kind) => Err(TransformError::because(
            edit,
            format!("the archive has `{kind}`, which a newer mlark wrote and this one cannot search"),
        )),
        None => Ok(()),
    }
}

/// Leaves the undo records of earlier transforms behind.
pub(super) fn leave_undo(
    writer: &mut ArchiveWriter,
    archive: &Archive,
    requires: &mut Vec<String>,
) -> Result<()> {
    let mut lines = archive.lines_where(|file| file.path.undo_part().is_some());
    while let Some(line) = lines.next_line()? {
        writer.drop_references(line.bytes);
    }
    requires.retain(|name| name != UNDO_LINES);
    Ok(())
}

/// Takes over the list of failures but for those of objects that went. Of kinds that were redacted, failures keep what happened to which
/// object: their words and the keys that they name may be what is to be removed.
pub(super) fn take_losses(
    writer: &mut ArchiveWriter,
    archive: &Archive,
    is_dropped: impl Fn(&str) -> bool,
    redacted: &BTreeSet<Kind>,
) -> Result<()> {
    let is_redacted = |kind: &str| redacted.iter().any(|redacted| redacted.name() == kind);
    let mut losses = archive.manifest().losses.clone();
    let mut lines = archive.lines_where(is_losses);
    while let Some(line) = lines.next_line()? {
        let loss: Loss = serde_json::from_slice(line.bytes)
            .map_err(|error| archive.damaged(&line.place(), &error.to_string()))?;
        if !is_dropped(&loss.id) {
            if is_redacted(&loss.kind) {
                let field = map_of(&loss.field).to_owned();
                let detail = MASK.to_owned();
                let loss = Loss {
                    field,
                    detail,
                    ..loss
                };
                writer.adopt_failure(&canonical(&to_value(&loss)))?;
            } else {
                writer.adopt_failure(line.bytes)?;
            }
            continue;
        }
        let is_counted = |count: &&mut LossCount| {
            (&count.kind, &count.field, &count.reason) == (&loss.kind, &loss.field, &loss.reason)
        };
        if let Some(count) = losses.failures.iter_mut().find(is_counted) {
            count.count = count.count.saturating_sub(1);
        }
    }
    losses.failures.retain(|count| count.count > 0);
    for counts in [&mut losses.limits, &mut losses.failures] {
        let redacted = counts.iter_mut().filter(|count| is_redacted(&count.kind));
        redacted.for_each(|count| count.field = map_of(&count.field).to_owned());
        LossCount::unite(counts);
    }
    writer.adopt_losses(&losses);
    Ok(())
}

/// A field without the key in it that a loss names.
fn map_of(field: &str) -> &str {
    field.split(['.', '/']).next().unwrap_or(field)
}

/// Whether a file is the list of failures.
pub(super) fn is_losses(file: &FileDescriptor) -> bool {
    file.path == ArchivePath::losses()
}

/// Leaves names and patterns by which an export chose behind: what is removed may be called so.
pub(super) fn leave_names(selection: &mut SelectionRecord) {
    selection
        .options
        .retain(|_, value| value.is_boolean() || value.is_number());
}

/// Counts what was dropped, and references may miss, as an export counts what its choices leave out.
pub(super) fn count_left_out(selection: &mut SelectionRecord, counts: &BTreeMap<String, u64>) {
    let dropped = Kind::OBJECTS.iter().filter_map(|kind| {
        Some(LossCount {
            kind: kind.name().to_owned(),
            field: "*".to_owned(),
            reason: Reason::NotSelected.into(),
            count: *counts.get(&format!("{kind} dropped"))?,
        })
    });
    selection.left_out.extend(dropped);
    LossCount::unite(&mut selection.left_out);
}
