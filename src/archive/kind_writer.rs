//! One kind's object files being written, in the archive's order whatever order the objects come in.

use super::error::{ArchiveError, Result};
use super::part::PartWriter;
use super::spill::SpillSorter;
use crate::format::layout::LINE_BYTES;
use crate::format::manifest::FileDescriptor;
use crate::format::{ArchivePath, Kind, SortKey};
use std::fmt;
use std::path::{Path, PathBuf};

/// Memory in which a kind is sorted; a source may sort all of them at once.
const SORTED_BYTES: usize = 2 << 20;

/// Writes the lines of one kind.
pub(crate) struct KindWriter {
    kind: Kind,
    parts: PartWriter,
    last_key: Option<SortKey>,
    sorter: Option<SpillSorter>,
    scratch: PathBuf,
    /// Lines written so far.
    pub(crate) count: u64,
}

impl KindWriter {
    /// Writes below `root`; `scratch` takes temporary files.
    pub(crate) fn new(kind: Kind, root: &Path, scratch: &Path) -> Self {
        KindWriter {
            kind,
            parts: PartWriter::new(root, move |part| ArchivePath::objects(kind, part)),
            last_key: None,
            sorter: None,
            scratch: scratch.to_owned(),
            count: 0,
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Lets objects come in any order: they are sorted in bounded memory at the end.
    pub(crate) fn sort_at_end(&mut self) {
        debug_assert!(self.last_key.is_none(), "decided before the first line");
        self.sorter = Some(SpillSorter::with_memory(&self.scratch, SORTED_BYTES));
    }

    /// Adds a line. Objects that come in order go straight to the file.
    pub(crate) fn write(&mut self, key: SortKey, id: &dyn fmt::Display, line: &[u8]) -> Result<()> {
        if line.len() >= LINE_BYTES {
            return Err(self.refuse(id, "its line would exceed 16 MiB"));
        }
        match &mut self.sorter {
            Some(sorter) => {
                let key = key.as_bytes().to_vec();
                sorter
                    .push(key, line.to_vec())
                    .map_err(ArchiveError::io("write a temporary file in", &self.scratch))?;
            }
            None => self.write_in_order(key, id, line)?,
        }
        self.count += 1;
        Ok(())
    }

    /// Refuses an object that cannot come next, where objects come in order.
    pub(crate) fn check(&self, key: &SortKey, id: &dyn fmt::Display) -> Result<()> {
        match &self.last_key {
            Some(last) if last == key => Err(self.refuse(id, "it appears twice")),
            Some(last) if last > key => Err(self.refuse(id, "it comes out of order")),
            _ => Ok(()),
        }
    }

    fn write_in_order(&mut self, key: SortKey, id: &dyn fmt::Display, line: &[u8]) -> Result<()> {
        self.check(&key, id)?;
        self.parts.write_line(line)?;
        self.last_key = Some(key);
        Ok(())
    }

    fn refuse(&self, id: &dyn fmt::Display, reason: &str) -> ArchiveError {
        ArchiveError::object(self.kind.name(), id.to_string(), reason)
    }

    /// Completes the files. `on_duplicate` is told of a line whose key is there twice; the first stays, in the
    /// order in which they came.
    pub(crate) fn finish(
        mut self,
        mut on_duplicate: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<Vec<FileDescriptor>> {
        if let Some(sorter) = self.sorter.take() {
            let read_error = || ArchiveError::io("read a temporary file in", self.scratch.clone());
            for record in sorter.finish().map_err(read_error())? {
                let (key, line) = record.map_err(read_error())?;
                let key = SortKey::from(key);
                if self.last_key.as_ref() == Some(&key) {
                    on_duplicate(&line)?;
                    continue;
                }
                self.parts.write_line(&line)?;
                self.last_key = Some(key);
            }
        }
        self.parts.finish()
    }
}
