//! The undo record being written.

use super::super::error::Result;
use crate::archive::{Archive, ArchiveError, ArchiveWriter, PartWriter, finish_digest};
use crate::format::layout::{LINE_BYTES, STRING_BYTES};
use crate::format::line::{canonical, to_value};
use crate::format::undo::BLOBS_LINE;
use crate::format::{ArchivePath, Kind, UndoLine};
use serde::de::IgnoredAny;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Kinds whose tags alone an undo record of version 1.0 can tell.
const TAGGED: [Kind; 3] = [Kind::Experiments, Kind::Runs, Kind::ModelVersions];

/// How objects were before.
pub(super) struct UndoFile {
    parts: PartWriter,
    /// Whether whole lines are in it, which not every reader knows.
    has_lines: bool,
}

impl UndoFile {
    /// The record of a history entry, from 1.
    pub(super) fn new(writer: &ArchiveWriter, entry: usize) -> Self {
        let parts = PartWriter::new(writer.root(), move |part| ArchivePath::undo(entry, part));
        UndoFile {
            parts,
            has_lines: false,
        }
    }

    /// Whether the text of a line before is needed beside what its tags were.
    pub(super) fn needs_line(kind: Kind, is_rewritten: bool) -> bool {
        is_rewritten || !TAGGED.contains(&kind)
    }

    /// Notes the tags of an object.
    pub(super) fn tags(&mut self, writer: &mut ArchiveWriter, undo: &UndoLine) -> Result<()> {
        let mut line = canonical(&to_value(undo));
        if line.len() > STRING_BYTES {
            line = writer.line_of(to_value(undo))?;
        }
        self.write(undo, &line)
    }

    /// Notes a line: as it was, where it was there before, and as it is, where it is there now.
    pub(super) fn line(
        &mut self,
        archive: &Archive,
        undo: UndoLine,
        before: Option<&[u8]>,
        after: Option<&[u8]>,
    ) -> Result<()> {
        let noted = UndoLine {
            added: Vec::new(),
            replaced: Default::default(),
            line: before.map(|_| Value::Null),
            now: after.map(|line| finish_digest(Sha256::new_with_prefix(line))),
            ..undo.clone()
        };
        let mut text = canonical(&to_value(&noted));
        if let Some(before) = before {
            serde_json::from_slice::<IgnoredAny>(before)
                .map_err(|error| archive.damaged(&undo.kind, &error.to_string()))?;
            text = in_place(&text, before);
        }
        self.has_lines = true;
        self.write(&undo, &text)
    }

    fn write(&mut self, undo: &UndoLine, line: &[u8]) -> Result<()> {
        if line.len() >= LINE_BYTES {
            return Err(ArchiveError::Object {
                kind: "undo record",
                id: format!("{} `{}`", undo.kind, undo.id),
                reason: "its line would exceed 16 MiB".to_owned(),
            }
            .into());
        }
        Ok(self.parts.write_line(line)?)
    }

    /// Completes the record; whether a reader must know of whole lines.
    pub(super) fn finish(mut self, writer: &mut ArchiveWriter) -> Result<bool> {
        let added_blobs: Vec<_> = writer.own_blobs().iter().copied().collect();
        if !added_blobs.is_empty() {
            let line = UndoLine {
                added_blobs,
                kind: BLOBS_LINE.to_owned(),
                ..UndoLine::default()
            };
            self.parts.write_line(&canonical(&to_value(&line)))?;
        }
        writer.add_files(self.parts.finish()?);
        Ok(self.has_lines)
    }
}

/// A note with a line's text in the place of its `null`: parsed, a line with many params takes a multiple of its text.
fn in_place(note: &[u8], line: &[u8]) -> Vec<u8> {
    // Within a text a quote has a backslash before it, so that this is the field.
    const FIELD: &[u8] = b",\"line\":";
    let start = note.windows(FIELD.len()).position(|window| window == FIELD);
    let start = start.expect("the note has the field") + FIELD.len();
    [&note[..start], line, &note[start + b"null".len()..]].concat()
}
