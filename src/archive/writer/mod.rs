//! Writing an archive: objects in, a directory or a zip out, complete or absent.
//!
//! | module      | writes                                        |
//! |-------------|-----------------------------------------------|
//! | this one    | lines of objects, blobs, losses               |
//! | `metrics`   | metric history                                |
//! | `artifacts` | files of runs, models and traces              |
//! | `adopt`     | what another archive has already              |
//! | `dropped`   | nothing of lines that are refused at the end  |
//! | `finish`    | checksums and manifest, and the archive's name |

mod adopt;
mod artifacts;
mod dropped;
mod finish;
mod head;
mod metrics;
#[cfg(test)]
mod tests;

use self::artifacts::{OpenList, PendingFile};
use self::dropped::Dropped;
use super::blob::{ByteSource, GuardedReader, IngestError, Ingested};
use super::container::ContainerKind;
use super::error::{ArchiveError, Result};
use super::kind_writer::KindWriter;
use super::lines::blob_reference_of as blob_reference;
use super::long_text::LongTexts;
use super::loss_log::LossLog;
use super::metric_slices::PointSeries;
use super::parallel::{HeldJob, Pool, threads_or_default};
use super::reader::Archive;
use super::staging::Staging;
use crate::archive::container_writer::Output;
use crate::format::fit::Weighed;
use crate::format::layout::{STRING_BYTES, blob_path};
use crate::format::line::{canonical, to_value};
use crate::format::manifest::{FileDescriptor, Totals};
use crate::format::{Kind, Loss, Object, Reason, SortKey, markers};
use crate::model::{BlobRef, Digest};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use self::artifacts::{FileFailure, Owner};
pub(crate) use self::dropped::{add_totals, digests_in, points, totals_of};
pub use self::finish::Duplicates;
pub use self::head::ManifestHead;

/// How an archive is written.
#[derive(Debug, Clone, Default)]
pub struct WriterOptions {
    /// Directory or zip; where absent, the output's name decides.
    pub container: Option<ContainerKind>,
    /// Replaces an output that exists: a file, an empty directory or an archive, but no other directory.
    pub force: bool,
    /// Threads that read and hash; 0 for one per core.
    pub threads: usize,
    /// Skips the sync to disk before the rename.
    pub no_sync: bool,
}

/// Writes an archive; dropped before [`ArchiveWriter::finish`] it leaves nothing.
pub struct ArchiveWriter {
    output: Output,
    kinds: BTreeMap<Kind, KindWriter>,
    pool: Arc<Pool>,
    /// Jobs of the last of `pending`, which no thread knows of yet.
    held: Vec<HeldJob>,
    pending: VecDeque<PendingFile>,
    list: Option<OpenList>,
    blobs: BTreeSet<Digest>,
    losses: LossLog,
    totals: Totals,
    adopted: Vec<FileDescriptor>,
    long_texts: LongTexts,
    dropped: Dropped,
    /// The archive whose blobs are taken over at the end, and whether they are copied.
    late_blobs: Option<(Archive, bool)>,
    /// Whether of those only the blobs are taken that a line refers to.
    takes_only_referenced: bool,
    scratch: PathBuf,
    /// The line of a slice of points, whose memory is used again.
    line: Vec<u8>,
    options: WriterOptions,
    // Declared last: what lies below it is closed before it is removed.
    staging: Staging,
}

impl ArchiveWriter {
    /// Begins an archive that will be at `out`.
    ///
    /// # Errors
    /// The output exists (without `force`), or its directory cannot be written.
    pub fn create(out: &Path, options: WriterOptions) -> Result<Self> {
        let container = options.container.unwrap_or_else(|| ContainerKind::of_output(out));
        let staging = Staging::create_archive(out, container, options.force)?;
        let scratch = staging.scratch()?;
        let output = Output::create(container, &staging, &scratch)?;
        Ok(ArchiveWriter {
            output,
            kinds: BTreeMap::new(),
            pool: Arc::new(Pool::new(threads_or_default(options.threads))),
            held: Vec::new(),
            pending: VecDeque::new(),
            list: None,
            blobs: BTreeSet::new(),
            losses: LossLog::default(),
            totals: Totals::default(),
            adopted: Vec::new(),
            long_texts: LongTexts::new(&scratch),
            dropped: Dropped::default(),
            late_blobs: None,
            takes_only_referenced: false,
            scratch,
            line: Vec::new(),
            options,
            staging,
        })
    }

    /// A directory for temporary files that goes when the writer does.
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// Where a source lays texts aside that no line holds.
    pub(crate) fn long_texts(&self) -> LongTexts {
        self.long_texts.clone()
    }

    /// The threads that read and hash, for a source's own work beside artifacts.
    pub fn pool(&self) -> Arc<Pool> {
        self.pool.clone()
    }

    /// An empty series of metric points.
    pub fn point_series(&self) -> PointSeries {
        PointSeries::new(&self.scratch)
    }

    /// Lets the objects of a kind come in any order; to be said before the first one.
    pub fn sort_at_end(&mut self, kind: Kind) {
        self.kind_writer(kind).sort_at_end();
    }

    fn kind_writer(&mut self, kind: Kind) -> &mut KindWriter {
        let root = self.output.root();
        self.kinds
            .entry(kind)
            .or_insert_with(|| KindWriter::new(kind, root, &self.scratch))
    }

    /// Writes an object.
    ///
    /// # Errors
    /// [`ArchiveError::Object`] where the format cannot hold it or where it is there twice (nothing is
    /// written then, and the writer goes on); others end the writing.
    pub fn write<T: Object>(&mut self, object: &T) -> Result<()> {
        self.write_weighed(object, Weighed::new(to_value(object)))
    }

    /// Writes an object whose value was made and weighed already.
    ///
    /// # Errors
    /// As [`ArchiveWriter::write`].
    pub(crate) fn write_weighed<T: Object>(&mut self, object: &T, value: Weighed) -> Result<()> {
        self.write_keyed(T::KIND, object.sort_key(), &object.id(), value)
    }

    /// Writes an object whose place is not its own, such as a span's.
    ///
    /// # Errors
    /// As [`ArchiveWriter::write`].
    pub(crate) fn write_keyed(&mut self, kind: Kind, key: SortKey, id: &str, value: Weighed) -> Result<()> {
        let refused = |reason| ArchiveError::Object {
            kind: kind.name(),
            id: id.to_owned(),
            reason,
        };
        // Before its long strings are stored, which nothing would refer to.
        self.kind_writer(kind).check(&key, &id)?;
        let value = value.fitting().map_err(|misfit| refused(misfit.reason))?;
        markers::check_line(kind, &value).map_err(|fault| refused(fault.to_string()))?;
        if self.long_texts.has_any() && self.long_texts.is_misplaced(&value) {
            return Err(refused(
                "it has a text of more than 1 MiB in a place where no blob is allowed".to_owned(),
            ));
        }
        let line = self.line_of(value)?;
        self.write_line(kind, key, id, &line)
    }

    /// Writes a canonical line of an object whose key is known, such as one taken from another archive.
    ///
    /// # Errors
    /// As [`ArchiveWriter::write`].
    pub fn write_line(&mut self, kind: Kind, key: SortKey, id: &str, line: &[u8]) -> Result<()> {
        self.kind_writer(kind).write(key, &id, line)
    }

    /// The canonical line of a value, its long strings stored as blobs.
    ///
    /// # Errors
    /// A blob cannot be written.
    pub fn line_of(&mut self, mut value: Value) -> Result<Vec<u8>> {
        let line = canonical(&value);
        if line.len() <= STRING_BYTES && !self.long_texts.has_any() {
            return Ok(line);
        }
        drop(line);
        self.store_long(&mut value)?;
        Ok(canonical(&value))
    }

    /// Whether [`ArchiveWriter::line_of`] would store a string of a value as a blob.
    pub(crate) fn has_long(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => text.len() > STRING_BYTES,
            Value::Array(items) => items.iter().any(|item| self.has_long(item)),
            Value::Object(map) => {
                let is_laid_aside = self.long_texts.has_any() && blob_reference(map).is_some();
                is_laid_aside || map.values().any(|item| self.has_long(item))
            }
            _ => false,
        }
    }

    /// Stores the long strings of a value and those that were laid aside, in the order of the line.
    fn store_long(&mut self, value: &mut Value) -> Result<()> {
        match value {
            Value::String(text) if text.len() > STRING_BYTES => {
                let blob = self.add_bytes(std::mem::take(text).into_bytes())?;
                *value = json!({ "$blob": blob });
            }
            Value::String(text) => {
                if let Some(blob) = self.long_texts.behind(text) {
                    self.store_laid_aside(&blob)?;
                    *value = json!({ "$blob": blob });
                }
            }
            Value::Array(items) => items.iter_mut().try_for_each(|item| self.store_long(item))?,
            Value::Object(map) => {
                if let Some(blob) = blob_reference(map) {
                    return self.store_laid_aside(&blob);
                }
                map.values_mut().try_for_each(|item| self.store_long(item))?;
            }
            _ => {}
        }
        Ok(())
    }

    fn store_laid_aside(&mut self, blob: &BlobRef) -> Result<()> {
        // What another archive refers to is adopted from there.
        let Some(path) = self.long_texts.file_of(blob) else {
            return Ok(());
        };
        if !self.holds(&blob.sha256) {
            self.add(ByteSource::File(path.clone()))?;
        }
        std::fs::remove_file(&path).map_err(ArchiveError::io("remove", &path))
    }

    /// Stores bytes.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn add_bytes(&mut self, bytes: Vec<u8>) -> Result<BlobRef> {
        self.add(ByteSource::Bytes(bytes))
    }

    fn add(&mut self, source: ByteSource) -> Result<BlobRef> {
        let ingested = self.output.ingest().run(source);
        match ingested.and_then(|ingested| self.commit(ingested)) {
            Ok(blob) => Ok(blob),
            Err(IngestError::Write(error)) => Err(error),
            Err(IngestError::Read(error)) => Err(ArchiveError::io("read", "a long text")(error)),
        }
    }

    /// Where files of the archive are laid before it is complete.
    pub fn root(&self) -> &Path {
        self.output.root()
    }

    /// Stores what a worker thread has read.
    fn commit(&mut self, ingested: Ingested) -> Result<BlobRef, IngestError> {
        let blob = match ingested {
            Ingested::Stored(blob) => blob,
            Ingested::Small(blob, bytes) => {
                if !self.holds(&blob.sha256) {
                    self.output
                        .zip_small(&blob_path(&blob.sha256), bytes)
                        .map_err(IngestError::Write)?;
                }
                blob
            }
            Ingested::Large(reader) => self.stream_to_zip(reader)?,
        };
        if !self.output.has_adopted(&blob.sha256) && self.blobs.insert(blob.sha256) {
            self.totals.blobs += 1;
            self.totals.blob_bytes += blob.size_bytes;
        }
        Ok(blob)
    }

    fn holds(&self, digest: &Digest) -> bool {
        self.blobs.contains(digest) || self.output.has_adopted(digest)
    }

    fn stream_to_zip(&mut self, reader: GuardedReader) -> Result<BlobRef, IngestError> {
        let (blobs, output) = (&self.blobs, &mut self.output);
        output.zip_large(reader, |digest| blobs.contains(digest))
    }

    /// Counts what cannot be held.
    pub fn limit(&mut self, kind: &str, field: &str, reason: Reason, count: u64) {
        self.losses.limit(kind, field, reason, count);
    }

    /// Lists and counts something that could not be read.
    ///
    /// # Errors
    /// `losses.jsonl` cannot be written.
    pub fn failure(&mut self, loss: &Loss) -> Result<()> {
        self.losses.failure(self.output.root(), loss)
    }

    /// Objects of a kind that are lost as a whole, so far.
    pub(crate) fn lost(&self, kind: Kind) -> u64 {
        self.losses.lost(kind)
    }
}
