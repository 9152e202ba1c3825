//! Texts in a temporary file, found by what they are about: sixteen bytes of memory each, however long they are.

use super::{ArchiveError, Result};
use crate::platform::FileAt as _;
use std::fs::File;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::io::{self, BufWriter, Write as _};

/// Texts being collected.
#[derive(Debug)]
pub(crate) struct SpillIndexWriter {
    file: BufWriter<File>,
    end: u64,
    index: Vec<(u64, u64)>,
    hasher: RandomState,
}

/// Texts, and where each begins by a hash of what it is about.
#[derive(Debug)]
pub(crate) struct SpillIndex {
    file: File,
    index: Vec<(u64, u64)>,
    hasher: RandomState,
}

impl SpillIndexWriter {
    /// Texts go to an unnamed temporary file.
    pub(crate) fn create() -> Result<Self> {
        let file = tempfile::tempfile_in(std::env::temp_dir()).map_err(ArchiveError::temporary)?;
        Ok(SpillIndexWriter {
            file: BufWriter::new(file),
            end: 0,
            index: Vec::new(),
            hasher: RandomState::new(),
        })
    }

    /// Adds a text by what it is about.
    pub(crate) fn push(&mut self, about: &impl Hash, text: &[u8]) -> Result<()> {
        let mut put = || {
            let length = u32::try_from(text.len()).map_err(io::Error::other)?;
            self.file.write_all(&length.to_le_bytes())?;
            self.file.write_all(text)
        };
        put().map_err(ArchiveError::temporary)?;
        self.index.push((self.hasher.hash_one(about), self.end));
        self.end += 4 + text.len() as u64;
        Ok(())
    }

    /// All texts, to be found.
    pub(crate) fn finish(mut self) -> Result<SpillIndex> {
        self.index.sort_unstable();
        let file = self.file.into_inner().map_err(|error| error.into_error());
        Ok(SpillIndex {
            file: file.map_err(ArchiveError::temporary)?,
            index: self.index,
            hasher: self.hasher,
        })
    }
}

impl SpillIndex {
    /// The texts about something, in the order they came. A text about something else may be among them: who asks must look.
    pub(crate) fn find(&self, about: &impl Hash) -> impl Iterator<Item = Result<Vec<u8>>> {
        let hash = self.hasher.hash_one(about);
        let first = self.index.partition_point(|(other, _)| *other < hash);
        let found = self.index[first..].iter();
        found
            .take_while(move |(other, _)| *other == hash)
            .map(|(_, begin)| self.read(*begin).map_err(ArchiveError::temporary))
    }

    /// How many texts there are.
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    fn read(&self, begin: u64) -> io::Result<Vec<u8>> {
        let mut length = [0; 4];
        self.file.read_exact_at(&mut length, begin)?;
        // What this process wrote into a file of its own.
        let mut text = vec![0; u32::from_le_bytes(length) as usize];
        self.file.read_exact_at(&mut text, begin + 4)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_by_what_they_are_about_in_the_order_they_came() -> Result<()> {
        let mut writer = SpillIndexWriter::create()?;
        let about = |number: usize| (number % 100, format!("{}", number % 100));
        for number in 0..1000 {
            writer.push(&about(number), "x".repeat(number).as_bytes())?;
        }
        let index = writer.finish()?;
        for number in 0..100 {
            let found: Vec<_> = index
                .find(&about(number))
                .map(|text| text.map(|text| text.len()))
                .collect::<Result<_>>()?;
            assert_eq!(found, (number..1000).step_by(100).collect::<Vec<_>>());
        }
        assert_eq!(index.find(&(100, "100")).count(), 0);
        assert_eq!((index.len(), index.is_empty()), (1000, false));
        Ok(())
    }
}
