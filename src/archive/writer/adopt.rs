//! What is taken over from another archive as it is.

use super::ArchiveWriter;
use crate::archive::container_writer::Adopted;
use crate::archive::error::Result;
use crate::archive::reader::Archive;
use crate::format::layout::MANIFEST;
use crate::format::manifest::{FileDescriptor, Losses};
use crate::model::Digest;
use std::collections::BTreeSet;

impl ArchiveWriter {
    /// Takes over all blobs of another archive but those of `except`, and those that are here already, without reading
    /// them: linked, or copied by the kernel (`copy` rules out links). Of several archives, one after the other.
    ///
    /// # Errors
    /// They cannot be linked or copied.
    pub fn adopt_blobs(&mut self, archive: &Archive, copy: bool, except: &BTreeSet<Digest>) -> Result<()> {
        let Adopted { found, taken } = self.output.adopt_blobs(archive, copy, except, &self.blobs)?;
        self.totals.blobs += taken.blobs;
        self.totals.blob_bytes += taken.bytes;
        let stated = &archive.manifest().totals;
        if (stated.blobs, stated.blob_bytes) == (found.blobs, found.bytes) {
            return Ok(());
        }
        let reason = format!(
            "totals say {} blobs of {} bytes, but there are {} of {}",
            stated.blobs, stated.blob_bytes, found.blobs, found.bytes
        );
        Err(archive.damaged(MANIFEST, &reason))
    }

    /// As [`adopt_blobs`](Self::adopt_blobs), but at the end, when it is known which blobs only dropped lines referred to: those stay
    /// behind.
    pub fn adopt_blobs_at_end(&mut self, archive: &Archive, copy: bool) {
        self.late_blobs = Some((archive.clone(), copy));
    }

    /// Takes over these blobs of another archive and no other.
    ///
    /// # Errors
    /// As [`ArchiveWriter::adopt_blobs`].
    pub(crate) fn adopt_only(&mut self, archive: &Archive, copy: bool, only: BTreeSet<Digest>) -> Result<()> {
        self.output.adopt_only(only);
        self.adopt_blobs(archive, copy, &BTreeSet::new())
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

    /// Takes over what another archive says of where its objects come from.
    ///
    /// # Errors
    /// As [`ArchiveWriter::adopt_file`].
    pub fn adopt_origins(&mut self, archive: &Archive) -> Result<()> {
        let file = archive.manifest().origins_file();
        file.map_or(Ok(()), |file| self.output.adopt_file(archive, file))
    }

    /// Takes over the counts of what objects alone do not tell, and of losses.
    pub fn adopt_totals(&mut self, archive: &Archive) {
        self.adopt_sums(archive);
        self.losses.adopt(&archive.manifest().losses);
    }

    /// Takes over the counts of points and artifacts.
    pub(crate) fn adopt_sums(&mut self, archive: &Archive) {
        let totals = archive.manifest().totals;
        self.totals.metric_points += totals.metric_points;
        self.totals.artifact_files += totals.artifact_files;
        self.totals.artifact_bytes += totals.artifact_bytes;
    }

    /// Counts artifacts that a line of another archive lists, and their bytes.
    pub(crate) fn count_artifacts(&mut self, files: u64, bytes: u64) {
        self.totals.artifact_files = self.totals.artifact_files.saturating_add(files);
        self.totals.artifact_bytes = self.totals.artifact_bytes.saturating_add(bytes);
    }

    /// Takes over counts of losses, whose failures come as lines.
    pub(crate) fn adopt_losses(&mut self, losses: &Losses) {
        self.losses.adopt(losses);
    }

    /// Takes over a line of the list of failures; it is counted already.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn adopt_failure(&mut self, line: &[u8]) -> Result<()> {
        self.losses.adopt_line(self.output.root(), line)
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
