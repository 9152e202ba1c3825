//! The texts and patterns that an archive should not have.

use super::report::FoundText;
use crate::archive::error::{ArchiveError, Result};
use crate::archive::search::{BadPattern, Hit, Needle, Needles, Step, Stream};
use crate::archive::walk::TextPlace;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// What stands for a text that is not repeated.
const HIDDEN: &str = "***";

/// Texts and patterns to search for.
#[derive(Debug, Default)]
pub struct SoughtTexts {
    list: Vec<Named>,
}

#[derive(Debug, Clone)]
struct Named {
    label: String,
    /// Whether nothing may repeat it.
    is_secret: bool,
    needle: Needle,
}

/// Why something cannot be searched for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BadSought {
    /// A text of no bytes, which is in everything.
    #[error("{0} is empty")]
    Empty(String),
    /// A pattern that is none or too large.
    #[error("{label} cannot be searched for: {reason}")]
    Pattern {
        /// Which pattern.
        label: String,
        /// Why.
        reason: String,
    },
    /// A list or file that cannot be read.
    #[error("cannot read {label}")]
    Io {
        /// Which.
        label: String,
        /// Why.
        source: std::io::Error,
    },
}

impl SoughtTexts {
    /// Adds a text.
    ///
    /// # Errors
    /// It is empty.
    pub fn text(&mut self, label: String, text: &str) -> std::result::Result<(), BadSought> {
        if text.is_empty() {
            return Err(BadSought::Empty(label));
        }
        self.add(label, false, Needle::text(text.as_bytes()));
        Ok(())
    }

    /// Adds a regular expression, whose matches of up to 4,096 bytes are found.
    ///
    /// # Errors
    /// It is none, or is too large.
    pub fn regex(&mut self, label: String, pattern: &str) -> std::result::Result<(), BadSought> {
        match Needle::pattern(pattern) {
            Ok(needle) => self.add(label, false, needle),
            Err(error) => {
                // Before its last line a drawing shows the place, which one line cannot.
                let text = error.to_string();
                let last = text.lines().last().unwrap_or_default();
                let reason = last.trim_start_matches("error: ").to_owned();
                return Err(BadSought::Pattern { label, reason });
            }
        }
        Ok(())
    }

    /// Adds the lines of a file, each a text; empty ones are passed over. None of them will be repeated.
    ///
    /// # Errors
    /// It cannot be read, or has no text.
    pub fn list(&mut self, label: &str, path: &Path) -> std::result::Result<(), BadSought> {
        let failed = |source| BadSought::Io {
            label: label.to_owned(),
            source,
        };
        let mut reader = BufReader::new(File::open(path).map_err(failed)?);
        let (mut line, before) = (Vec::new(), self.list.len());
        for number in 1_u64.. {
            line.clear();
            if reader.read_until(b'\n', &mut line).map_err(failed)? == 0 {
                break;
            }
            line.pop_if(|last| *last == b'\n');
            line.pop_if(|last| *last == b'\r');
            if !line.is_empty() {
                self.add(format!("{label} line {number}"), true, Needle::text(&line));
            }
        }
        if self.list.len() == before {
            return Err(BadSought::Empty(label.to_owned()));
        }
        Ok(())
    }

    /// Adds the bytes of a file, which will not be repeated.
    ///
    /// # Errors
    /// It cannot be read, or is empty.
    pub fn file(&mut self, label: &str, path: &Path) -> std::result::Result<(), BadSought> {
        let needle = Needle::file(path).map_err(|source| BadSought::Io {
            label: label.to_owned(),
            source,
        })?;
        let needle = needle.ok_or_else(|| BadSought::Empty(label.to_owned()))?;
        self.add(label.to_owned(), true, needle);
        Ok(())
    }

    fn add(&mut self, label: String, is_secret: bool, needle: Needle) {
        self.list.push(Named {
            label,
            is_secret,
            needle,
        });
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Parts of the list that are searched for in one pass each.
    pub(super) fn passes(&self, pass_bytes: usize) -> Result<Vec<Finder<'_>>> {
        let (mut passes, mut start, mut bytes) = (Vec::new(), 0, 0);
        for (place, named) in self.list.iter().enumerate() {
            let size_bytes = named.needle.size_bytes();
            if bytes + size_bytes > pass_bytes && place > start {
                passes.push(start..place);
                (start, bytes) = (place, 0);
            }
            bytes += size_bytes;
        }
        passes.push(start..self.list.len());
        let finders = passes.into_iter().map(|range| Finder::new(&self.list[range]));
        finders.collect()
    }
}

/// Texts and patterns made ready for one pass.
pub(super) struct Finder<'s> {
    list: &'s [Named],
    needles: Needles,
}

/// A text that was found, by its place in the list.
pub(super) struct Found {
    pub(super) needle: usize,
    form: String,
    pub(super) offset: u64,
}

impl<'s> Finder<'s> {
    fn new(list: &'s [Named]) -> Result<Self> {
        let needles: Vec<_> = list.iter().map(|named| named.needle.clone()).collect();
        let too_many =
            |error: BadPattern| ArchiveError::object("search", "for these texts", error.to_string());
        Ok(Finder {
            needles: Needles::new(&needles).map_err(too_many)?,
            list,
        })
    }

    pub(super) fn needles(&self) -> &Needles {
        &self.needles
    }

    /// Nothing seen so far.
    pub(super) fn seen(&self) -> Seen<'_> {
        Seen {
            needles: &self.needles,
            pieces: BTreeMap::new(),
        }
    }

    /// What is in a text.
    pub(super) fn search(&self, text: &[u8]) -> Vec<Found> {
        let mut seen = self.seen();
        Stream::search(&self.needles, text, &mut |hit| seen.add(&hit));
        seen.into_found()
    }

    /// A finding for people, which repeats nothing that is secret.
    pub(super) fn tell(&self, found: Found, place: TextPlace) -> FoundText {
        FoundText {
            place: self.hide(place),
            sought: self.list[found.needle].label.clone(),
            form: found.form,
        }
    }

    /// A place without what is secret.
    pub(super) fn hide(&self, place: TextPlace) -> TextPlace {
        let is_secret = |text: &str| {
            let found = self.search(text.as_bytes());
            found.iter().any(|found| self.list[found.needle].is_secret)
        };
        let hide =
            |text: Option<String>| text.map(|text| if is_secret(&text) { HIDDEN.to_owned() } else { text });
        TextPlace {
            id: hide(place.id),
            field: hide(place.field),
            artifact: hide(place.artifact),
            key: Vec::new(),
            ..place
        }
    }
}

/// Pieces of texts that were seen in a stream.
pub(super) struct Seen<'n> {
    needles: &'n Needles,
    pieces: BTreeMap<usize, SeenPieces>,
}

#[derive(Default)]
struct SeenPieces {
    pieces: u16,
    /// How the piece was written that was seen last, and where.
    form: String,
    offset: u64,
}

impl Seen<'_> {
    pub(super) fn add(&mut self, hit: &Hit<'_>) {
        let told = self.needles.told(hit.number);
        let seen = self.pieces.entry(told.needle).or_default();
        if seen.pieces & told.piece == 0 {
            seen.pieces |= told.piece;
            seen.form = form_text(hit.steps, told.is_utf16);
            seen.offset = hit.offset;
        }
    }

    /// Whether anything was seen.
    pub(super) fn has_any(&self) -> bool {
        !self.pieces.is_empty()
    }

    /// Texts of which every piece was seen.
    pub(super) fn into_found(self) -> Vec<Found> {
        let whole = self
            .pieces
            .into_iter()
            .filter(|(needle, seen)| seen.pieces == self.needles.all_pieces(*needle));
        let found = whole.map(|(needle, seen)| Found {
            needle,
            form: seen.form,
            offset: seen.offset,
        });
        found.collect()
    }
}

fn form_text(steps: &[Step], is_utf16: bool) -> String {
    let steps = steps.iter().map(|step| step.as_str());
    let names: Vec<_> = steps.chain(is_utf16.then_some("utf-16")).collect();
    if names.is_empty() {
        "as it is".to_owned()
    } else {
        names.join(", ")
    }
}
