//! Owners that edits added, and where they are, in a temporary file: an undo adds every object that a recipe changed.

use super::super::error::Result;
use crate::archive::{ArchiveError, SpillIndex, SpillIndexWriter};
use crate::format::SortKey;
use std::io;
use std::sync::{Mutex, PoisonError};

/// Owners of one kind.
#[derive(Debug)]
pub(super) struct Added {
    growing: Option<SpillIndexWriter>,
    whole: Option<SpillIndex>,
    /// Which was asked for last: lines of one owner follow one another.
    last: Mutex<Option<(String, Option<SortKey>)>>,
}

impl Added {
    pub(super) fn create() -> Result<Self> {
        let growing = SpillIndexWriter::create()?;
        Ok(Added {
            growing: Some(growing),
            whole: None,
            last: Mutex::default(),
        })
    }

    /// Takes note of where an owner is.
    pub(super) fn put(&mut self, id: &str, key: &SortKey) -> Result<()> {
        let length =
            u32::try_from(id.len()).map_err(|error| ArchiveError::temporary(io::Error::other(error)))?;
        let note = [&length.to_le_bytes(), id.as_bytes(), key.as_bytes()].concat();
        if let Some(growing) = &mut self.growing {
            growing.push(&id, &note)?;
        }
        Ok(())
    }

    /// After the last one.
    pub(super) fn finish(&mut self) -> Result<()> {
        let growing = self.growing.take();
        self.whole = growing.map(SpillIndexWriter::finish).transpose()?;
        Ok(())
    }

    /// Where an owner is; of several notes the last.
    pub(super) fn find(&self, id: &str) -> Result<Option<SortKey>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, key)) = last.as_ref().filter(|(asked, _)| asked == id) {
            return Ok(key.clone());
        }
        let mut found = None;
        for note in self.whole.iter().flat_map(|whole| whole.find(&id)) {
            let note = note?;
            let (noted, key) = note[size_of::<u32>()..].split_at(length_of(&note));
            if noted == id.as_bytes() {
                found = Some(SortKey::from(key.to_vec()));
            }
        }
        *last = Some((id.to_owned(), found.clone()));
        Ok(found)
    }
}

/// How long the id in a note is.
fn length_of(note: &[u8]) -> usize {
    let length = note.first_chunk().copied().map_or(0, u32::from_le_bytes);
    length as usize
}
