//! Files of lines, searched in blocks; where a block has something, its lines and their fields are searched alone.

use super::report::Collected;
use super::sought::{Finder, Found, Seen};
use crate::archive::search::Stream;
use crate::archive::walk::{Head, LineText, TextPlace, for_each_text, joined};
use crate::format::{Kind, strict_json};
use crate::model::OwnerKind;
use std::collections::BTreeSet;
use std::io::{self, BufRead, Read};
use std::sync::Mutex;

/// Bytes of lines that are searched together.
const BLOCK_BYTES: usize = 64 << 10;
/// Longer lines are taken apart by one thread at a time, since all of their values are held.
const LONG_LINE_BYTES: usize = 1 << 20;

/// Held while a long line is taken apart.
static TAKING_APART: Mutex<()> = Mutex::new(());

/// The search of one file.
pub(super) struct LineSearch<'s> {
    finder: &'s Finder<'s>,
    collected: &'s Collected,
    file: &'s str,
    kind: Option<Kind>,
    stream: Stream<'s>,
    /// What was seen in all of the file.
    seen: Seen<'s>,
    /// Texts that have been told with a line.
    told: BTreeSet<usize>,
    block: Vec<u8>,
    ends: Vec<usize>,
    /// Lines before the block.
    lines: u64,
}

impl<'s> LineSearch<'s> {
    pub(super) fn new(
        finder: &'s Finder<'s>,
        collected: &'s Collected,
        file: &'s str,
        kind: Option<Kind>,
    ) -> Self {
        LineSearch {
            finder,
            collected,
            file,
            kind,
            stream: Stream::new(finder.needles()),
            seen: finder.seen(),
            told: BTreeSet::new(),
            block: Vec::new(),
            ends: Vec::new(),
            lines: 0,
        }
    }

    /// Adds what a reader has up to a line end; the bytes that it had.
    pub(super) fn add(&mut self, reader: &mut impl BufRead) -> io::Result<usize> {
        let read = reader.read_until(b'\n', &mut self.block)?;
        if read > 0 {
            self.ends.push(self.block.len());
        }
        if self.block.len() >= BLOCK_BYTES {
            self.search_block();
        }
        Ok(read)
    }

    /// Searches a file that is one JSON document; its bytes.
    pub(super) fn document(mut self, reader: &mut impl Read) -> io::Result<u64> {
        reader.read_to_end(&mut self.block)?;
        self.ends.push(self.block.len());
        let bytes = self.block.len() as u64;
        self.finish();
        Ok(bytes)
    }

    /// Ends the search, and tells of texts that were found and are in no single line.
    pub(super) fn finish(mut self) {
        self.search_block();
        let seen = &mut self.seen;
        self.stream.finish(&mut |hit| seen.add(&hit));
        for found in self.seen.into_found() {
            if !self.told.contains(&found.needle) {
                let place = TextPlace {
                    file: self.file.to_owned(),
                    offset: Some(found.offset),
                    ..TextPlace::default()
                };
                self.collected.found(self.finder.tell(found, place));
            }
        }
    }

    fn search_block(&mut self) {
        let mut here = self.finder.seen();
        let seen = &mut self.seen;
        self.stream.push(&self.block, &mut |hit| {
            seen.add(&hit);
            here.add(&hit);
        });
        let mut start = 0;
        for (end, number) in self.ends.iter().zip(self.lines + 1..) {
            if here.has_any() {
                for (found, place) in self.search_line(&self.block[start..*end], number) {
                    self.told.insert(found.needle);
                    self.collected.found(self.finder.tell(found, place));
                }
            }
            start = *end;
        }
        let line_ends = self.block.iter().filter(|byte| **byte == b'\n');
        self.lines += line_ends.count() as u64;
        self.block.clear();
        self.ends.clear();
    }

    /// What is in a line, by field where it is in one.
    fn search_line(&self, line: &[u8], number: u64) -> Vec<(Found, TextPlace)> {
        let in_line = self.finder.search(line);
        if in_line.is_empty() {
            return Vec::new();
        }
        let _alone = (line.len() > LONG_LINE_BYTES).then(|| TAKING_APART.lock());
        let (kind, id) = self.object(line);
        let place = |field: Option<String>| TextPlace {
            file: self.file.to_owned(),
            line: Some(number),
            kind,
            id: id.clone(),
            field,
            ..TextPlace::default()
        };
        let mut all = Vec::new();
        if let Ok(value) = strict_json::parse(line) {
            for_each_text(&value, &mut Vec::new(), &mut |key, text| {
                let found = match &text {
                    LineText::Key(name) => self.finder.search(name.as_bytes()),
                    LineText::Value(bytes) => self.finder.search(bytes),
                    // The blob is searched as itself.
                    LineText::Long(_) => Vec::new(),
                };
                all.extend(found.into_iter().map(|found| (found, place(Some(joined(key))))));
            });
        }
        let in_fields: BTreeSet<_> = all.iter().map(|(found, _)| found.needle).collect();
        let elsewhere = in_line
            .into_iter()
            .filter(|found| !in_fields.contains(&found.needle));
        all.extend(elsewhere.map(|found| (found, place(None))));
        all
    }

    /// Kind and id of the object of a line; for a list of artifacts, of their owner.
    fn object(&self, line: &[u8]) -> (Option<Kind>, Option<String>) {
        let Some((kind, head)) = self
            .kind
            .and_then(|kind| Some((kind, Head::read(kind, line).ok()?)))
        else {
            return (None, None);
        };
        if kind != Kind::Artifacts {
            return (Some(kind), Some(head.id(kind)));
        }
        let owner: Option<OwnerKind> = serde_json::from_value(head.owner_kind).ok();
        let id = head.owner_id.as_str().map(str::to_owned);
        (owner.map(Kind::from), id)
    }
}
