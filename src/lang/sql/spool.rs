//! Rows put into the archive's order in bounded memory, whatever order a database gives them in.

use crate::archive::{ArchiveError, Merge, SpillSorter};
use crate::format::SortKey;
use crate::lang::session::ExportError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use std::iter::Peekable;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

type Result<T, E = ExportError> = std::result::Result<T, E>;

/// Bytes of values after which a batch ends.
const BATCH_BYTES: usize = 4 << 20;

/// Values on their way into order.
pub(super) struct Spool<T> {
    sorter: SpillSorter,
    scratch: PathBuf,
    values: PhantomData<T>,
}

impl<T: Serialize + DeserializeOwned> Spool<T> {
    /// An empty spool; `scratch` takes temporary files.
    pub(super) fn new(scratch: &Path) -> Self {
        Spool {
            sorter: SpillSorter::new(scratch),
            scratch: scratch.to_owned(),
            values: PhantomData,
        }
    }

    /// Adds a value.
    pub(super) fn push(&mut self, key: &SortKey, value: &T) -> Result<()> {
        let bytes = serde_json::to_vec(value).map_err(io::Error::other);
        let pushed = bytes.and_then(|bytes| self.sorter.push(key.as_bytes().to_vec(), bytes));
        pushed.map_err(|error| spool_error(&self.scratch, error))
    }

    /// The values in order; equal keys in the order they came.
    pub(super) fn finish(self) -> Result<Sorted<T>> {
        let merge = self.sorter.finish();
        Ok(Sorted {
            merge: merge
                .map_err(|error| spool_error(&self.scratch, error))?
                .peekable(),
            scratch: self.scratch,
            values: PhantomData,
        })
    }
}

/// Values in order.
pub(super) struct Sorted<T> {
    merge: Peekable<Merge>,
    scratch: PathBuf,
    values: PhantomData<T>,
}

impl<T: DeserializeOwned> Sorted<T> {
    /// The next values, at most `count`, and fewer where they are large; none at the end.
    pub(super) fn batch(&mut self, count: usize) -> Result<Vec<T>> {
        let mut batch = Vec::with_capacity(count);
        let mut held_bytes = 0;
        while batch.len() < count && held_bytes < BATCH_BYTES {
            let Some(record) = self.merge.next() else { break };
            held_bytes += record.as_ref().map_or(0, |(_, bytes)| bytes.len());
            batch.push(self.value(record)?);
        }
        Ok(batch)
    }

    /// The next value; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<T>> {
        let record = self.merge.next();
        record.map(|record| self.value(record)).transpose()
    }

    fn value(&self, record: io::Result<(Vec<u8>, Vec<u8>)>) -> Result<T> {
        let value = record.and_then(|(_, bytes)| serde_json::from_slice(&bytes).map_err(io::Error::other));
        value.map_err(|error| spool_error(&self.scratch, error))
    }

    /// The values of one key. Keys are asked for in order; values of keys in between are counted in `strays`.
    pub(super) fn of_key(&mut self, key: &SortKey, strays: &mut u64) -> Result<Vec<T>> {
        let mut values = Vec::new();
        loop {
            let is_due = |record: &io::Result<(Vec<u8>, Vec<u8>)>| match record {
                Ok((next, _)) => next.as_slice() <= key.as_bytes(),
                Err(_) => true,
            };
            let Some(record) = self.merge.next_if(is_due) else {
                return Ok(values);
            };
            match &record {
                Ok((next, _)) if next != key.as_bytes() => *strays += 1,
                _ => values.push(self.value(record)?),
            }
        }
    }

    /// How many values are left.
    pub(super) fn count_rest(self) -> u64 {
        self.merge.count() as u64
    }
}

fn spool_error(scratch: &Path, source: io::Error) -> ExportError {
    ExportError::Archive(ArchiveError::io("use a temporary file in", scratch)(source))
}
