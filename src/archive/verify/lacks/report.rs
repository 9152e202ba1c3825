//! What a search found, and what it searched.

use super::sought::SoughtTexts;
use crate::archive::walk::TextPlace;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Places listed before the rest is only counted.
const LISTED: usize = 10_000;

/// A text that is in the archive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct FoundText {
    /// Where. What would repeat a text of a list or a file is `***`.
    #[serde(flatten)]
    pub place: TextPlace,
    /// Which text, by where it was given: `text 1`, `names.txt line 3`. Never the text itself.
    pub sought: String,
    /// How it is written there: `as it is`, or how it is encoded, the outermost first.
    pub form: String,
}

/// A file that could not be searched to its end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Unread {
    /// The file.
    pub file: String,
    /// Why.
    pub reason: String,
}

/// How much was searched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Searched {
    /// Files that are not blobs.
    pub files: u64,
    /// Blobs.
    pub blobs: u64,
    /// Bytes of both.
    pub bytes: u64,
}

/// What a search of an archive found.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct LacksReport {
    /// Texts and patterns that were searched for.
    pub sought: u64,
    /// How much was searched.
    pub searched: Searched,
    /// Files whose content stands compressed or encrypted in them, by sort: they were searched as they stand.
    pub packed: BTreeMap<&'static str, u64>,
    /// What could not be searched.
    pub unread: Vec<Unread>,
    /// Number of places where a text is, including those that are not listed.
    pub places: u64,
    /// These places, in the order of files and lines.
    pub found: Vec<FoundText>,
}

impl LacksReport {
    /// Whether all was searched and nothing was found.
    pub fn is_proven(&self) -> bool {
        self.places == 0 && self.unread.is_empty()
    }

    /// The report on a zip of which nothing can be read.
    pub(super) fn unread_zip(sought: &SoughtTexts) -> Self {
        let collected = Collected::default();
        collected.unread(
            "zip".to_owned(),
            &io::Error::new(io::ErrorKind::InvalidData, "its entries cannot be read"),
        );
        collected.into_report(sought)
    }
}

/// What the threads of a search found so far.
#[derive(Default)]
pub(super) struct Collected(Mutex<State>);

#[derive(Default)]
struct State {
    found: BTreeSet<FoundText>,
    places: u64,
    unread: BTreeSet<Unread>,
    packed: BTreeMap<&'static str, u64>,
    searched: Searched,
}

impl Collected {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a place; of too many the first are kept, in whatever order they come.
    pub(super) fn found(&self, found: FoundText) {
        let mut state = self.lock();
        state.places += 1;
        state.found.insert(found);
        if state.found.len() > LISTED {
            state.found.pop_last();
        }
    }

    pub(super) fn unread(&self, file: String, error: &io::Error) {
        let reason = error.to_string();
        self.lock().unread.insert(Unread { file, reason });
    }

    pub(super) fn packed(&self, sort: Option<&'static str>) {
        if let Some(sort) = sort {
            *self.lock().packed.entry(sort).or_default() += 1;
        }
    }

    pub(super) fn searched(&self, is_blob: bool, bytes: u64) {
        let searched = &mut self.lock().searched;
        searched.files += u64::from(!is_blob && bytes > 0);
        searched.blobs += u64::from(is_blob);
        searched.bytes += bytes;
    }

    pub(super) fn into_report(self, sought: &SoughtTexts) -> LacksReport {
        let state = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        LacksReport {
            sought: sought.len() as u64,
            searched: state.searched,
            packed: state.packed,
            unread: state.unread.into_iter().collect(),
            places: state.places,
            found: state.found.into_iter().collect(),
        }
    }
}
