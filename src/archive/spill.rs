//! Sorting in bounded memory: records go to sorted temporary runs, which are merged at the end.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// Bytes of records held in memory before they are spilled.
const MEMORY_BYTES: usize = 8 << 20;
/// Runs merged at once, which bounds open buffers.
const FAN_IN: usize = 64;

/// Sorts (key, value) records by key, equal keys in the order they came.
pub(crate) struct SpillSorter {
    directory: PathBuf,
    records: Vec<(Vec<u8>, Vec<u8>)>,
    held_bytes: usize,
    memory_bytes: usize,
    runs: Vec<File>,
}

impl SpillSorter {
    /// A sorter that spills to unnamed files in `directory`.
    pub(crate) fn new(directory: &Path) -> Self {
        Self::with_memory(directory, MEMORY_BYTES)
    }

    /// The same, with a bound of its own for records held in memory; buffers of the merge are half of it.
    pub(crate) fn with_memory(directory: &Path, memory_bytes: usize) -> Self {
        SpillSorter {
            directory: directory.to_owned(),
            records: Vec::new(),
            held_bytes: 0,
            memory_bytes,
            runs: Vec::new(),
        }
    }

    /// Adds a record.
    pub(crate) fn push(&mut self, key: Vec<u8>, value: Vec<u8>) -> io::Result<()> {
        self.held_bytes += key.len() + value.len() + size_of::<(Vec<u8>, Vec<u8>)>();
        self.records.push((key, value));
        if self.held_bytes >= self.memory_bytes {
            self.spill()?;
        }
        Ok(())
    }

    fn spill(&mut self) -> io::Result<()> {
        self.records.sort_by(|a, b| a.0.cmp(&b.0));
        let records = self.records.drain(..).map(Ok);
        let run = write_run(&self.directory, records)?;
        self.runs.push(run);
        self.held_bytes = 0;
        if self.runs.len() == FAN_IN {
            let merged = Merge::new(std::mem::take(&mut self.runs), Vec::new(), self.memory_bytes / 2)?;
            self.runs.push(write_run(&self.directory, merged)?);
        }
        Ok(())
    }

    /// The records in order.
    pub(crate) fn finish(mut self) -> io::Result<Merge> {
        self.records.sort_by(|a, b| a.0.cmp(&b.0));
        Merge::new(self.runs, self.records, self.memory_bytes / 2)
    }
}

type Record = (Vec<u8>, Vec<u8>);

fn write_run(directory: &Path, records: impl Iterator<Item = io::Result<Record>>) -> io::Result<File> {
    let mut writer = BufWriter::with_capacity(256 << 10, tempfile::tempfile_in(directory)?);
    for record in records {
        let (key, value) = record?;
        for bytes in [&key, &value] {
            let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
            writer.write_all(&length.to_le_bytes())?;
            writer.write_all(bytes)?;
        }
    }
    let mut file = writer.into_inner().map_err(|error| error.into_error())?;
    file.rewind()?;
    Ok(file)
}

/// Records of several sorted runs, in order.
pub(crate) struct Merge {
    runs: Vec<Run>,
    heap: BinaryHeap<Reverse<Next>>,
}

/// The next record of a run: its key, which run, its value.
type Next = (Vec<u8>, usize, Vec<u8>);

enum Run {
    File(BufReader<File>),
    Memory(std::vec::IntoIter<Record>),
}

impl Merge {
    fn new(files: Vec<File>, memory: Vec<Record>, buffers_bytes: usize) -> io::Result<Self> {
        let buffer_bytes = buffers_bytes / (files.len() + 1);
        let mut runs: Vec<_> = files
            .into_iter()
            .map(|file| Run::File(BufReader::with_capacity(buffer_bytes, file)))
            .collect();
        runs.push(Run::Memory(memory.into_iter()));
        let mut merge = Merge {
            runs,
            heap: BinaryHeap::new(),
        };
        for index in 0..merge.runs.len() {
            merge.refill(index)?;
        }
        Ok(merge)
    }

    fn refill(&mut self, index: usize) -> io::Result<()> {
        if let Some((key, value)) = self.runs[index].next()? {
            self.heap.push(Reverse((key, index, value)));
        }
        Ok(())
    }
}

impl Iterator for Merge {
    type Item = io::Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        let Reverse((key, index, value)) = self.heap.pop()?;
        Some(self.refill(index).map(|()| (key, value)))
    }
}

impl Run {
    fn next(&mut self) -> io::Result<Option<Record>> {
        match self {
            Run::Memory(records) => Ok(records.next()),
            Run::File(reader) => {
                if reader.buffer().is_empty() && io::BufRead::fill_buf(reader)?.is_empty() {
                    return Ok(None);
                }
                Ok(Some((read_bytes(reader)?, read_bytes(reader)?)))
            }
        }
    }
}

fn read_bytes(reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    reader.read_exact(&mut length)?;
    // The length is one that `write_run` wrote into a file no other process can open.
    let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_out_sorted_and_equal_keys_stay_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let mut sorter = SpillSorter::new(directory.path());
        sorter.memory_bytes = 500;
        for number in 0..5_000u32 {
            let key = ((number * 7919) % 611).to_be_bytes();
            sorter.push(key.to_vec(), number.to_be_bytes().to_vec()).unwrap();
        }
        let records: Vec<_> = sorter.finish().unwrap().map(Result::unwrap).collect();
        assert_eq!(records.len(), 5_000);
        assert!(records.is_sorted(), "keys and, within a key, arrival");
    }
}
