//! What is taken over from another archive as it is.

use super::ArchiveWriter;
use crate::archive::error::Result;
use crate::archive::reader::Archive;
use crate::format::layout::MANIFEST;
use crate::format::manifest::FileDescriptor;
use crate::model::Digest;
use std::collections::BTreeSet;

impl ArchiveWriter {
    /// Takes over all blobs of another archive but those of `except` without reading them: linked, or copied by
    /// the kernel (`copy` rules out links).
    ///
    /// # Errors
    /// They cannot be linked or copied.
    pub fn adopt_blobs(&mut self, archive: &Archive, copy: bool, except: &BTreeSet<Digest>) -> Result<()> {
        let mut taken = self.output.adopt_blobs(archive, copy, except)?;
        self.totals.blobs += taken.blobs;
        self.totals.blob_bytes += taken.bytes;
        for digest in except {
            taken.blobs += 1;
            taken.bytes += archive.stored_blob(digest)?.size_bytes();
        }
        let stated = &archive.manifest().totals;
        if (stated.blobs, stated.blob_bytes) == (taken.blobs, taken.bytes) {
            return Ok(());
        }
        let reason = format!(
            "totals say {} blobs of {} bytes, there are {} of {}",
            stated.blobs, stated.blob_bytes, taken.blobs, taken.bytes
        );
        Err(archive.damaged(MANIFEST, &reason))
    }

    /// Takes over object files, or other listed files, of another archive as they are; their bytes are checked.
    ///
    /// # Errors
    /// The bytes are not what the other archive says, or cannot be written.
    pub fn adopt_file(&mut self, archive: &Archive, file: &FileDescriptor) -> Result<()> {
        self.output.adopt_file(archive, file)?;
        self.adopted.push(file.clone());
        Ok(())
    }

    /// Takes over the counts of what objects alone do not tell.
    pub fn adopt_totals(&mut self, archive: &Archive) {
        let totals = archive.manifest().totals;
        self.totals.metric_points += totals.metric_points;
        self.totals.artifact_files += totals.artifact_files;
        self.totals.artifact_bytes += totals.artifact_bytes;
        self.losses.adopt(&archive.manifest().losses);
    }

    /// Blobs that were stored and not taken over.
    pub fn own_blobs(&self) -> &BTreeSet<Digest> {
        &self.blobs
    }

    /// Adds a file that a transform wrote below [`ArchiveWriter::root`], such as an undo record.
    pub fn add_files(&mut self, files: Vec<FileDescriptor>) {
        self.adopted.extend(files);
    }
}
