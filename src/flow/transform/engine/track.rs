//! What became of all objects of a kind, in their order, in a temporary file: lines that belong to them follow the same order, so that
//! neither the objects have to be held nor their lines read again.

use super::super::error::Result;
use super::places::Place;
use crate::archive::ArchiveError;
use crate::format::SortKey;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// A track being written.
pub(super) struct TrackWriter {
    file: BufWriter<NamedTempFile>,
    scratch: PathBuf,
    has_dropped: bool,
    has_moved: bool,
}

/// A track that is whole; its file goes with it.
#[derive(Debug)]
pub(super) struct Track {
    file: NamedTempFile,
    scratch: PathBuf,
    /// Whether some object has another place than before.
    pub(super) has_moved: bool,
    /// Whether some object is gone.
    pub(super) has_dropped: bool,
}

impl TrackWriter {
    pub(super) fn create(scratch: &Path) -> Result<Self> {
        let file = NamedTempFile::new_in(scratch).map_err(failed(scratch))?;
        Ok(TrackWriter {
            file: BufWriter::new(file),
            scratch: scratch.to_owned(),
            has_dropped: false,
            has_moved: false,
        })
    }

    /// The object that comes next is gone.
    pub(super) fn dropped(&mut self, id: &str) -> Result<()> {
        self.has_dropped = true;
        self.put(id, &[])
    }

    /// The object that comes next stays.
    pub(super) fn at(&mut self, id: &str, key: &SortKey, is_moved: bool) -> Result<()> {
        self.has_moved |= is_moved;
        self.put(id, key.as_bytes())
    }

    /// An empty place is that of a dropped object: no key is empty.
    fn put(&mut self, id: &str, place: &[u8]) -> Result<()> {
        let mut put = || {
            for bytes in [id.as_bytes(), place] {
                let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
                self.file.write_all(&length.to_le_bytes())?;
                self.file.write_all(bytes)?;
            }
            Ok(())
        };
        Ok(put().map_err(failed(&self.scratch))?)
    }

    pub(super) fn finish(self) -> Result<Track> {
        let file = self.file.into_inner().map_err(|error| error.into_error());
        Ok(Track {
            file: file.map_err(failed(&self.scratch))?,
            scratch: self.scratch,
            has_moved: self.has_moved,
            has_dropped: self.has_dropped,
        })
    }
}

fn failed(scratch: &Path) -> impl FnOnce(io::Error) -> ArchiveError {
    ArchiveError::io("use a temporary file in", scratch)
}

impl Track {
    /// Before the first object.
    pub(super) fn read(&self) -> Result<TrackReader> {
        let file = self.file.reopen().map_err(failed(&self.scratch))?;
        Ok(TrackReader {
            file: BufReader::with_capacity(32 << 10, file),
            scratch: self.scratch.clone(),
            current: None,
        })
    }
}

/// Walks along a track.
pub(super) struct TrackReader {
    file: BufReader<File>,
    scratch: PathBuf,
    current: Option<(String, Place)>,
}

impl TrackReader {
    /// Goes on to an object; none where it is not among those that follow.
    pub(super) fn find(&mut self, id: &str) -> Result<Option<&Place>> {
        while self.current.as_ref().is_none_or(|(current, _)| current != id) {
            if !self.advance()? {
                return Ok(None);
            }
        }
        Ok(self.current.as_ref().map(|(_, place)| place))
    }

    /// The next object, and what became of it.
    pub(super) fn next_place(&mut self) -> Result<Option<(String, Place)>> {
        Ok(self.next().map_err(failed(&self.scratch))?)
    }

    fn advance(&mut self) -> Result<bool> {
        let next = self.next_place()?;
        let is_there = next.is_some();
        self.current = next.or(self.current.take());
        Ok(is_there)
    }

    fn next(&mut self) -> io::Result<Option<(String, Place)>> {
        if self.file.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let mut bytes = || {
            let mut length = [0; 4];
            self.file.read_exact(&mut length)?;
            // What this process wrote into a file of its own.
            let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
            self.file.read_exact(&mut bytes)?;
            io::Result::Ok(bytes)
        };
        let (id, key) = (bytes()?, bytes()?);
        let place = match key.is_empty() {
            true => Place::Dropped,
            false => Place::At(SortKey::from(key)),
        };
        Ok(Some((String::from_utf8(id).map_err(io::Error::other)?, place)))
    }
}
