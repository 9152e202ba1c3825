//! What must wait for a later file, on disk instead of in memory.

use crate::archive::{ArchiveError, Result};
use crate::model::pyjson::PyJson;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Values in a temporary file: read again one after the other, or from their place.
pub(super) struct Scratch {
    folder: PathBuf,
    file: BufWriter<File>,
    size_bytes: u64,
    count: u64,
}

/// Where a value lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    offset: u64,
    length: u64,
}

impl Scratch {
    /// An empty file in a folder.
    pub(super) fn create(folder: &Path) -> Result<Self> {
        let file = tempfile::tempfile_in(folder).map_err(error_in(folder))?;
        Ok(Scratch {
            folder: folder.to_owned(),
            file: BufWriter::new(file),
            size_bytes: 0,
            count: 0,
        })
    }

    /// How many values there are.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Adds a value.
    pub(super) fn push(&mut self, value: &PyJson) -> Result<Place> {
        // Compact JSON has no line end.
        let text = format!("{}\n", value.to_json_text());
        self.file
            .write_all(text.as_bytes())
            .map_err(error_in(&self.folder))?;
        let place = Place {
            offset: self.size_bytes,
            length: text.len() as u64,
        };
        self.size_bytes += place.length;
        self.count += 1;
        Ok(place)
    }

    /// The value at a place.
    pub(super) fn get(&mut self, place: Place) -> Result<PyJson> {
        let folder = self.folder.clone();
        let read = |file: &mut BufWriter<File>| -> io::Result<Vec<u8>> {
            file.flush()?;
            file.get_mut().seek(SeekFrom::Start(place.offset))?;
            let mut text = Vec::new();
            file.get_mut().take(place.length).read_to_end(&mut text)?;
            file.get_mut().seek(SeekFrom::End(0))?;
            Ok(text)
        };
        let text = read(&mut self.file).map_err(error_in(&folder))?;
        parsed(&text).map_err(error_in(&folder))
    }

    /// Hands out all values, in the order they came.
    pub(super) fn for_each(&mut self, mut visit: impl FnMut(PyJson) -> Result<()>) -> Result<()> {
        self.rewind()?;
        let mut reader = BufReader::new(self.file.get_mut());
        let mut text = Vec::new();
        loop {
            text.clear();
            let read = reader.read_until(b'\n', &mut text);
            if read.map_err(error_in(&self.folder))? == 0 {
                return Ok(());
            }
            visit(parsed(&text).map_err(error_in(&self.folder))?)?;
        }
    }

    /// Forgets all values.
    pub(super) fn clear(&mut self) -> Result<()> {
        self.rewind()?;
        self.file.get_mut().set_len(0).map_err(error_in(&self.folder))?;
        (self.size_bytes, self.count) = (0, 0);
        Ok(())
    }

    fn rewind(&mut self) -> Result<()> {
        self.file.flush().map_err(error_in(&self.folder))?;
        self.file.get_mut().rewind().map_err(error_in(&self.folder))
    }
}

fn parsed(text: &[u8]) -> io::Result<PyJson> {
    PyJson::parse(text).map_err(io::Error::other)
}

fn error_in(folder: &Path) -> impl FnOnce(io::Error) -> ArchiveError + '_ {
    ArchiveError::io("use a temporary file in", folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_in_order_and_from_their_places() {
        let folder = tempfile::tempdir().unwrap();
        let mut scratch = Scratch::create(folder.path()).unwrap();
        for round in 0..2 {
            let places: Vec<_> = (0..100)
                .map(|number| scratch.push(&PyJson::from(format!("{number}\n"))).unwrap())
                .collect();
            assert_eq!(scratch.get(places[70]).unwrap(), PyJson::from("70\n"));
            scratch.push(&PyJson::from(round)).unwrap();
            let mut found = Vec::new();
            scratch
                .for_each(|value| {
                    found.push(value);
                    Ok(())
                })
                .unwrap();
            assert_eq!((found.len(), scratch.count()), (101, 101));
            assert_eq!(
                (&found[3], &found[100]),
                (&PyJson::from("3\n"), &PyJson::from(round))
            );
            scratch.clear().unwrap();
        }
    }
}
