//! Lines on their way through the edits: read in batches, edited on the writer's threads, given back in order.

use super::super::error::Result;
use super::super::step::{EditedLine, Fate, Finished, Step, judged};
use super::origins::Identity;
use crate::archive::walk::Head;
use crate::archive::{Archive, Line, Lines, parse_line_but};
use crate::format::Kind;
use crate::format::line::canonical;
use serde_json::Value;
use std::sync::Arc;

/// Lines edited by one job.
const BATCH_LINES: usize = 64;
/// Bytes of lines in one job, at the most (one line may be longer).
const BATCH_BYTES: usize = 1 << 20;

/// The edits of an archive, planned.
pub(in super::super) type Steps = Arc<Vec<Box<dyn Step>>>;

/// A line taken out of its file.
pub(super) struct NumberedLine {
    bytes: Vec<u8>,
    file: String,
    number: u64,
    place: u64,
}

/// The lines of a kind, some at a time.
pub(super) struct Batches<'a> {
    lines: Lines<'a>,
}

impl<'a> Batches<'a> {
    /// Of all files of a kind, or of those that are wanted.
    pub(super) fn new(archive: &'a Archive, kind: Kind, wanted: Option<&[bool]>) -> Self {
        let mut lines = archive.lines(kind);
        if let Some(wanted) = wanted {
            lines.keep_files(wanted);
        }
        Batches { lines }
    }
}

impl Iterator for Batches<'_> {
    type Item = Result<Vec<NumberedLine>>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut batch = Vec::with_capacity(BATCH_LINES);
        let mut size_bytes = 0;
        while batch.len() < BATCH_LINES && size_bytes < BATCH_BYTES {
            match self.lines.next_line() {
                Ok(None) => break,
                Err(error) => return Some(Err(error.into())),
                Ok(Some(line)) => {
                    size_bytes += line.bytes.len();
                    let (file, number) = (line.file.to_owned(), line.number);
                    let (place, bytes) = (self.lines.place(), self.lines.take_line());
                    batch.push(NumberedLine {
                        bytes,
                        file,
                        number,
                        place,
                    });
                }
            }
        }
        (!batch.is_empty()).then_some(Ok(batch))
    }
}

/// A line after its edits.
pub(super) struct Ready {
    /// What placed it before.
    pub(super) head: Head,
    pub(super) outcome: Outcome,
    /// File and line, for a person.
    pub(super) place: String,
}

/// What came out of a line.
pub(super) enum Outcome {
    /// It stays as it was.
    Same(Vec<u8>),
    /// It is another one now; in its text after, long texts are no blobs yet.
    Changed {
        before: Vec<u8>,
        after: Vec<u8>,
        finished: Box<Finished>,
    },
    /// It goes.
    Dropped {
        before: Vec<u8>,
        /// Where an edit put another in its place, or says that none takes it: which.
        replacement: Option<Box<Option<Identity>>>,
    },
}

/// What a job does with each line.
#[derive(Clone)]
pub(super) struct Work {
    pub(super) archive: Archive,
    pub(super) steps: Steps,
    pub(super) kind: Kind,
    /// Whether an edit looks at the kind; else lines only follow their owners.
    pub(super) is_edited: bool,
}

impl Work {
    pub(super) fn run(&self, batch: Vec<NumberedLine>) -> Result<Vec<Ready>> {
        batch.into_iter().map(|line| self.edit(line)).collect()
    }

    fn edit(&self, numbered: NumberedLine) -> Result<Ready> {
        let (bytes, place_of_kind) = (numbered.bytes, numbered.place);
        let line = Line {
            bytes: &bytes,
            file: &numbered.file,
            number: numbered.number,
        };
        let place = line.place();
        let mut replaced = self.steps.iter().map(|step| step.replaces(self.kind, &bytes));
        let replacement = replaced.find_map(Result::transpose).transpose()?;
        let judged = match self.is_edited {
            true => judged(self.looking(), self.kind, place_of_kind),
            false => Some(Fate::Kept),
        };
        if replacement.is_some() || judged.is_some() {
            let head = Head::read(self.kind, &bytes)
                .map_err(|error| self.archive.damaged(&place, &error.to_string()))?;
            let outcome = match (replacement, judged) {
                (None, Some(Fate::Kept)) => Outcome::Same(bytes),
                (replacement, _) => Outcome::Dropped {
                    before: bytes,
                    replacement: replacement.map(Box::new),
                },
            };
            return Ok(Ready { head, outcome, place });
        }
        let value = parse_line_but(&self.archive, &line, |path, text| self.is_left(path, text))?;
        let head = Head::of_value(self.kind, &value);
        let mut edited = EditedLine::new(self.kind, place_of_kind, value);
        if edited.under(self.looking())? != Fate::Kept {
            let outcome = Outcome::Dropped {
                before: bytes,
                replacement: None,
            };
            return Ok(Ready { head, outcome, place });
        }
        let finished = edited.finish();
        let outcome = if finished.is_changed() {
            Outcome::Changed {
                before: bytes,
                after: canonical(&finished.value),
                finished: Box::new(finished),
            }
        } else {
            Outcome::Same(bytes)
        };
        Ok(Ready { head, outcome, place })
    }

    /// The edits that look at the kind.
    fn looking(&self) -> impl Iterator<Item = &Box<dyn Step>> {
        self.steps.iter().filter(|step| step.looks_at(self.kind))
    }

    /// Whether no edit looks at a text, so that what its blob holds stays there.
    fn is_left(&self, path: &[&str], text: &Value) -> bool {
        let mut steps = self.steps.iter();
        !steps.any(|step| step.reads_text(self.kind, path, text))
    }
}
