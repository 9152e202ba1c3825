//! Rows laid aside in a temporary file until it is known which of them the page has room for.

use crate::archive::{ArchiveError, Result};
use std::cmp::Reverse;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

/// Bytes that a page needs for each row beside the row itself.
const BESIDE_BYTES: u64 = 64;

/// Rows in the order in which they came; of each only its time and its size are held.
pub(super) struct Spool {
    folder: PathBuf,
    file: BufWriter<File>,
    rows: Vec<RowSize>,
}

#[derive(Debug, Clone, Copy)]
struct RowSize {
    /// When it was made; what is newest is kept first.
    time: i64,
    bytes: u32,
}

impl Spool {
    /// An empty one, with an unnamed file in `folder`.
    pub(super) fn new(folder: &Path) -> Result<Self> {
        let file = tempfile::tempfile_in(folder).map_err(ArchiveError::io("create a file in", folder))?;
        Ok(Spool {
            folder: folder.to_owned(),
            file: BufWriter::with_capacity(128 << 10, file),
            rows: Vec::new(),
        })
    }

    /// Adds a row.
    pub(super) fn push(&mut self, time: Option<i64>, row: &[u8]) -> Result<()> {
        let too_long = |_| ArchiveError::io("write", &self.folder)(std::io::Error::other("a row over 4 GiB"));
        let bytes = u32::try_from(row.len()).map_err(too_long)?;
        let written = self.file.write_all(row);
        written.map_err(ArchiveError::io("write a file in", &self.folder))?;
        self.rows.push(RowSize {
            time: time.unwrap_or(i64::MIN),
            bytes,
        });
        Ok(())
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Bytes of the page for all rows.
    pub(super) fn size_bytes(&self) -> u64 {
        self.rows.iter().map(RowSize::cost).sum()
    }

    /// Which rows there is room for: the newest, and of those of one time the first.
    pub(super) fn keep(&self, room_bytes: u64) -> Vec<bool> {
        if self.size_bytes() <= room_bytes {
            return vec![true; self.rows.len()];
        }
        let mut newest: Vec<usize> = (0..self.rows.len()).collect();
        newest.sort_by_key(|&row| Reverse(self.rows[row].time));
        let mut kept = vec![false; self.rows.len()];
        let mut room_bytes = room_bytes;
        for row in newest {
            // An old row does not come in place of a newer one that is larger.
            match room_bytes.checked_sub(self.rows[row].cost()) {
                Some(rest) => (kept[row], room_bytes) = (true, rest),
                None => break,
            }
        }
        kept
    }

    /// Hands the rows to `sink`, each with its number, those that are not kept left out.
    pub(super) fn for_each(
        self,
        kept: &[bool],
        sink: &mut dyn FnMut(usize, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let failed = |error| ArchiveError::io("read a file in", &self.folder)(error);
        let mut file = self
            .file
            .into_inner()
            .map_err(|error| failed(error.into_error()))?;
        file.rewind().map_err(failed)?;
        let mut reader = BufReader::with_capacity(128 << 10, file);
        let mut row = Vec::new();
        for (number, size) in self.rows.iter().enumerate() {
            // Sizes are those of rows that were in memory.
            row.resize(size.bytes as usize, 0);
            reader.read_exact(&mut row).map_err(failed)?;
            if kept.get(number).copied().unwrap_or(false) {
                sink(number, &row)?;
            }
        }
        Ok(())
    }
}

impl RowSize {
    fn cost(&self) -> u64 {
        u64::from(self.bytes) + BESIDE_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_rows_are_kept_in_the_order_in_which_they_came() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(folder.path()).unwrap();
        for time in [Some(5), None, Some(9), Some(7)] {
            spool.push(time, format!("{time:?}").as_bytes()).unwrap();
        }
        assert_eq!(spool.keep(u64::MAX), [true; 4]);
        let kept = spool.keep(2 * (BESIDE_BYTES + 7));
        assert_eq!(kept, [false, false, true, true]);
        let mut rows = Vec::new();
        spool
            .for_each(&kept, &mut |number, row| {
                rows.push((number, String::from_utf8(row.to_vec()).unwrap()));
                Ok(())
            })
            .unwrap();
        assert_eq!(rows, [(2, "Some(9)".to_owned()), (3, "Some(7)".to_owned())]);
    }
}
