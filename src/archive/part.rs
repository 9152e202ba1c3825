//! Object files being written: parts of bounded size, hashed in the same pass.

use super::error::{ArchiveError, Result};
use super::staging::create_parents_below;
use crate::format::ArchivePath;
use crate::format::layout::{JSONL_MEDIA_TYPE, PART_BYTES};
use crate::format::manifest::FileDescriptor;
use crate::model::Digest;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Finishes a hash.
pub(crate) fn finish_digest(hasher: Sha256) -> Digest {
    Digest(hasher.finalize().into())
}

/// Writes lines into files `<root>/<path of the part>`, a new one after the line that reaches 64 MiB.
pub(crate) struct PartWriter {
    root: PathBuf,
    path_of: Box<dyn Fn(u32) -> ArchivePath + Send>,
    part_bytes: u64,
    open: Option<OpenPart>,
    done: Vec<FileDescriptor>,
}

struct OpenPart {
    path: ArchivePath,
    file: BufWriter<File>,
    hasher: Sha256,
    size_bytes: u64,
    count: u64,
}

impl PartWriter {
    /// A writer below `root` whose parts have the paths that `path_of` gives.
    pub(crate) fn new(root: &Path, path_of: impl Fn(u32) -> ArchivePath + Send + 'static) -> Self {
        PartWriter {
            root: root.to_owned(),
            path_of: Box::new(path_of),
            part_bytes: PART_BYTES,
            open: None,
            done: Vec::new(),
        }
    }

    /// A writer of one file of any size.
    pub(crate) fn single(root: &Path, path: ArchivePath) -> Self {
        PartWriter {
            part_bytes: u64::MAX,
            ..PartWriter::new(root, move |_| path.clone())
        }
    }

    /// Appends a line; `line` has no line end.
    pub(crate) fn write_line(&mut self, line: &[u8]) -> Result<()> {
        let part = match &mut self.open {
            Some(part) => part,
            None => {
                let number = u32::try_from(self.done.len()).expect("parts are few");
                let part = OpenPart::create(&self.root, (self.path_of)(number))?;
                self.open.insert(part)
            }
        };
        if let Err(error) = part.write_line(line) {
            return Err(ArchiveError::io("write", part.path.below(&self.root))(error));
        }
        if part.size_bytes >= self.part_bytes {
            self.close()?;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        if let Some(part) = self.open.take() {
            self.done.push(part.finish(&self.root)?);
        }
        Ok(())
    }

    /// Completes the last part; the parts in order.
    pub(crate) fn finish(mut self) -> Result<Vec<FileDescriptor>> {
        self.close()?;
        Ok(std::mem::take(&mut self.done))
    }
}

impl OpenPart {
    fn create(root: &Path, path: ArchivePath) -> Result<Self> {
        let full = path.below(root);
        create_parents_below(root, &full)?;
        let file = File::create_new(&full).map_err(ArchiveError::io("create", &full))?;
        Ok(OpenPart {
            path,
            file: BufWriter::with_capacity(64 << 10, file),
            hasher: Sha256::new(),
            size_bytes: 0,
            count: 0,
        })
    }

    fn write_line(&mut self, line: &[u8]) -> std::io::Result<()> {
        self.hasher.update(line);
        self.hasher.update(b"\n");
        self.size_bytes += line.len() as u64 + 1;
        self.count += 1;
        self.file.write_all(line)?;
        self.file.write_all(b"\n")
    }

    fn finish(mut self, root: &Path) -> Result<FileDescriptor> {
        self.file
            .flush()
            .map_err(ArchiveError::io("write", self.path.below(root)))?;
        Ok(FileDescriptor {
            path: self.path,
            media_type: JSONL_MEDIA_TYPE.to_owned(),
            sha256: finish_digest(self.hasher),
            size_bytes: self.size_bytes,
            count: self.count,
        })
    }
}
