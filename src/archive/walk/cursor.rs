//! A place in the lines of a kind, and the owners that lines of metrics, spans and artifacts belong to.

use super::head::Head;
use crate::archive::{Archive, ArchiveError, Line, Lines, Result, parse_object};
use crate::format::strict_json::{self, Json};
use crate::format::{Kind, SortKey};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The current line of a kind, if there is one.
pub(crate) struct Cursor<'a> {
    archive: &'a Archive,
    lines: Lines<'a>,
    bytes: Vec<u8>,
    file: String,
    number: u64,
    at_end: bool,
}

impl<'a> Cursor<'a> {
    /// At the first line of a kind.
    pub(crate) fn new(archive: &'a Archive, kind: Kind) -> Result<Self> {
        let mut cursor = Cursor {
            archive,
            lines: archive.lines(kind),
            bytes: Vec::new(),
            file: String::new(),
            number: 0,
            at_end: false,
        };
        cursor.advance()?;
        Ok(cursor)
    }

    /// Goes to the next line.
    pub(crate) fn advance(&mut self) -> Result<()> {
        match self.lines.next_line()? {
            Some(line) => {
                if self.file != line.file {
                    line.file.clone_into(&mut self.file);
                }
                self.number = line.number;
                self.lines.swap_line(&mut self.bytes);
            }
            None => self.at_end = true,
        }
        Ok(())
    }

    /// The line, without its line end.
    pub(crate) fn line(&self) -> Option<&[u8]> {
        (!self.at_end).then_some(&self.bytes[..])
    }

    /// Exchanges the line's bytes for others, before the cursor leaves the line.
    pub(crate) fn take_line(&mut self, bytes: &mut Vec<u8>) {
        std::mem::swap(&mut self.bytes, bytes);
    }

    /// The line, parsed strictly; long strings stay references to their blobs.
    pub(crate) fn value(&self) -> Result<Value> {
        strict_json::parse(&self.bytes).map_err(|error| self.damaged(&error.to_string()))
    }

    /// As [`Cursor::value`], with texts that stay in the line.
    pub(crate) fn json(&self) -> Result<Json<'_>> {
        strict_json::parse_borrowed(&self.bytes).map_err(|error| self.damaged(&error.to_string()))
    }

    /// The line as an object.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.bytes).map_err(|error| self.damaged(&error.to_string()))
    }

    /// The line as an object, its long strings put back in their places.
    pub(crate) fn object<T: DeserializeOwned>(&self) -> Result<T> {
        let line = Line {
            bytes: &self.bytes,
            file: &self.file,
            number: self.number,
        };
        parse_object(self.archive, &line)
    }

    /// The head of the line.
    pub(crate) fn head(&self, kind: Kind) -> Result<Head> {
        Head::read(kind, &self.bytes).map_err(|error| self.damaged(&error.to_string()))
    }

    /// An error that names the line.
    pub(crate) fn damaged(&self, reason: &str) -> ArchiveError {
        let entry = format!("{} line {}", self.file, self.number);
        self.archive.damaged(&entry, reason)
    }
}

/// The heads of a kind's lines, in their order.
pub(crate) fn heads(archive: &Archive, kind: Kind) -> Result<impl Iterator<Item = Result<Head>>> {
    let mut cursor = Cursor::new(archive, kind)?;
    Ok(std::iter::from_fn(move || {
        cursor.line()?;
        let head = cursor.head(kind);
        Some(head.and_then(|head| cursor.advance().map(|()| head)))
    }))
}

/// The values of a kind's lines, in their order; long texts stay blobs.
pub(crate) fn line_values(archive: &Archive, kind: Kind) -> Result<impl Iterator<Item = Result<Value>>> {
    let mut cursor = Cursor::new(archive, kind)?;
    Ok(std::iter::from_fn(move || {
        cursor.line()?;
        let value = cursor.value();
        Some(value.and_then(|value| cursor.advance().map(|()| value)))
    }))
}

/// Hands each line of a kind to `visit`, as a cursor that is at it.
pub(crate) fn each_line<E: From<ArchiveError>>(
    archive: &Archive,
    kind: Kind,
    mut visit: impl FnMut(&Cursor<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut cursor = Cursor::new(archive, kind)?;
    while cursor.line().is_some() {
        visit(&cursor)?;
        cursor.advance()?;
    }
    Ok(())
}

/// Walks along the objects that own other lines, which follow the same order.
pub(crate) struct OwnerCursor<'a> {
    kind: Kind,
    cursor: Cursor<'a>,
    current: Option<OwnerHead>,
}

/// An owner: its number among those of its kind, its id, its place, and what else its line's head says.
pub(crate) struct OwnerHead {
    pub(crate) number: usize,
    pub(crate) id: String,
    pub(crate) key: SortKey,
    pub(crate) head: Head,
}

impl<'a> OwnerCursor<'a> {
    /// Before the first owner of a kind.
    pub(crate) fn new(archive: &'a Archive, kind: Kind) -> Result<Self> {
        Ok(OwnerCursor {
            kind,
            cursor: Cursor::new(archive, kind)?,
            current: None,
        })
    }

    /// Goes on to the owner with an id; none where it is not among those that follow.
    pub(crate) fn find(&mut self, id: &str) -> Result<Option<&OwnerHead>> {
        while self.current.as_ref().is_none_or(|owner| owner.id != id) {
            if self.cursor.line().is_none() {
                return Ok(None);
            }
            let head = self.cursor.head(self.kind)?;
            self.cursor.advance()?;
            self.current = Some(OwnerHead {
                number: self.current.as_ref().map_or(0, |owner| owner.number + 1),
                id: head.id(self.kind),
                key: head.sort_key(self.kind),
                head,
            });
        }
        Ok(self.current.as_ref())
    }

    /// Goes on to the owner of a line, which must be among those that follow.
    pub(crate) fn owner(&mut self, id: &str, line: &Cursor<'_>) -> Result<&OwnerHead> {
        self.find(id)?.ok_or_else(|| orphan(line, id))
    }
}

/// An error about a line whose owner does not come where the order says.
pub(crate) fn orphan(cursor: &Cursor<'_>, owner: &str) -> ArchiveError {
    let owner: String = owner.chars().take(100).collect();
    cursor.damaged(&format!("its owner `{owner}` is missing or out of order"))
}
