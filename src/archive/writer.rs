//! Writing an archive: objects in, a directory or a zip out, complete or absent.

use super::blob::{ByteSource, GuardedReader, IngestError, Ingested};
use super::container::ContainerKind;
use super::error::{ArchiveError, Result};
use super::kind_writer::KindWriter;
use super::loss_log::LossLog;
use super::output::Output;
use super::parallel::{Pending, Pool};
use super::points::PointSeries;
use super::reader::Archive;
use super::staging::Staging;
use crate::format::Loss;
use crate::format::layout::object_kind_name;
use crate::format::layout::{ARTIFACT_FILES, STRING_BYTES, blob_path};
use crate::format::line::{canonical, replace_long_strings, to_value};
use crate::format::manifest::{FileDescriptor, HistoryEntry, Manifest, Selection, SourceInfo, Totals};
use crate::format::manifest::{Format, Tool};
use crate::format::{Kind, Object, SortKey};
use crate::model::{
    Absent, ArtifactFile, ArtifactList, BlobRef, Digest, Extra, MetricSlice, ModelMetricSlice, OwnerKind,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Artifacts under way at once; with [`super::blob::SMALL_BYTES`] this bounds memory.
const WINDOW: usize = 16;

/// How an archive is written.
#[derive(Debug, Clone, Default)]
pub struct WriterOptions {
    /// Directory or zip; where absent, the output's name decides.
    pub container: Option<ContainerKind>,
    /// Replaces an output that exists.
    pub force: bool,
    /// Threads that read and hash; 0 for one per core.
    pub threads: usize,
    /// Skips the sync to disk before the rename.
    pub no_sync: bool,
}

/// What the manifest says beside what the writer counts.
#[derive(Debug, Clone, Default)]
pub struct ManifestHead {
    /// Stable name of where the data came from.
    pub origin: String,
    /// What was read.
    pub source: SourceInfo,
    /// What was chosen.
    pub selection: Selection,
    /// Transforms so far.
    pub history: Vec<HistoryEntry>,
    /// Fields of a parent's manifest that this version does not know.
    pub extra: Extra,
    /// The parent's format, where that is a newer minor version.
    pub format: Option<Format>,
    /// The content id that must come out.
    pub expected_content_id: Option<Digest>,
}

impl ManifestHead {
    /// The head of an archive that is made from another.
    pub fn of_parent(parent: &Manifest) -> Self {
        ManifestHead {
            origin: parent.origin.clone(),
            source: parent.source.clone(),
            selection: parent.selection.clone(),
            history: parent.history.clone(),
            extra: parent.extra.clone(),
            format: Some(parent.format.clone()),
            expected_content_id: None,
        }
    }
}

/// Writes an archive; dropped before [`ArchiveWriter::finish`] it leaves nothing.
pub struct ArchiveWriter {
    output: Output,
    kinds: BTreeMap<Kind, KindWriter>,
    pool: Arc<Pool>,
    pending: VecDeque<PendingFile>,
    list: Option<OpenList>,
    blobs: BTreeSet<Digest>,
    losses: LossLog,
    totals: Totals,
    adopted: Vec<FileDescriptor>,
    scratch: PathBuf,
    options: WriterOptions,
    // Declared last: what lies below it is closed before it is removed.
    staging: Staging,
}

/// Who an artifact belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Kind of the owner.
    pub kind: OwnerKind,
    /// Its id.
    pub id: String,
    /// Its place among owners of its kind.
    pub sort_key: SortKey,
}

struct PendingFile {
    owner: Owner,
    path: String,
    content: Content,
}

enum Content {
    Bytes(Pending<Result<Ingested, IngestError>>),
    /// Neither bytes nor a reason, but the size: where nothing is to be kept.
    Listed(Option<u64>),
    Absent(Absent, Option<u64>),
}

/// The artifact line that is being filled.
struct OpenList {
    owner: Owner,
    files: Vec<ArtifactFile>,
}

/// A file that could not be read.
#[derive(Debug)]
pub struct FileFailure {
    /// Whose file.
    pub owner: Owner,
    /// Which file.
    pub path: String,
    /// Why not.
    pub error: std::io::Error,
}

impl ArchiveWriter {
    /// Begins an archive that will be at `out`.
    ///
    /// # Errors
    /// The output exists (without `force`), or its directory cannot be written.
    pub fn create(out: &Path, options: WriterOptions) -> Result<Self> {
        let container = options.container.unwrap_or_else(|| ContainerKind::of_output(out));
        let staging = Staging::create(out, options.force)?;
        let scratch = staging.scratch()?;
        let output = Output::create(container, &staging, &scratch)?;
        let threads = match options.threads {
            0 => super::parallel::default_threads(),
            threads => threads,
        };
        Ok(ArchiveWriter {
            output,
            kinds: BTreeMap::new(),
            pool: Arc::new(Pool::new(threads)),
            pending: VecDeque::new(),
            list: None,
            blobs: BTreeSet::new(),
            losses: LossLog::default(),
            totals: Totals::default(),
            adopted: Vec::new(),
            scratch,
            options,
            staging,
        })
    }

    /// A directory for temporary files that goes when the writer does.
    pub fn scratch(&self) -> &Path {
        &self.scratch
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
        self.write_value(object, to_value(object))
    }

    /// Writes an object whose value was made already.
    ///
    /// # Errors
    /// As [`ArchiveWriter::write`].
    pub fn write_value<T: Object>(&mut self, object: &T, value: Value) -> Result<()> {
        let line = self.line_of(value)?;
        self.write_line(T::KIND, object.sort_key(), &object.id(), &line)
    }

    /// Writes a canonical line of an object whose key is known, such as one taken from another archive.
    ///
    /// # Errors
    /// As [`ArchiveWriter::write`].
    pub fn write_line(&mut self, kind: Kind, key: SortKey, id: &str, line: &[u8]) -> Result<()> {
        self.kind_writer(kind).write(key, id, line)
    }

    /// The canonical line of a value, its long strings stored as blobs.
    ///
    /// # Errors
    /// A blob cannot be written.
    pub fn line_of(&mut self, mut value: Value) -> Result<Vec<u8>> {
        let line = canonical(&value);
        if line.len() <= STRING_BYTES {
            return Ok(line);
        }
        replace_long_strings(&mut value, &mut |text| {
            let blob = self.add_bytes(text.as_bytes().to_vec())?;
            Ok::<_, ArchiveError>(json!({ "$blob": blob }))
        })?;
        Ok(canonical(&value))
    }

    /// Stores bytes.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn add_bytes(&mut self, bytes: Vec<u8>) -> Result<BlobRef> {
        let ingested = self.output.ingest().run(ByteSource::Bytes(bytes));
        match ingested.and_then(|ingested| self.commit(ingested)) {
            Ok(blob) => Ok(blob),
            Err(IngestError::Write(error)) => Err(error),
            Err(IngestError::Read(error)) => Err(ArchiveError::io("read", "bytes in memory")(error)),
        }
    }

    /// Writes the points of one metric of a run.
    ///
    /// # Errors
    /// As [`ArchiveWriter::write`].
    pub fn write_metric(
        &mut self,
        run: &SortKey,
        run_id: &str,
        key: &str,
        series: PointSeries,
    ) -> Result<()> {
        self.totals.metric_points += series.len();
        let series_key = run.clone().text(key);
        let id = format!("{run_id}/{key}");
        self.write_slices(Kind::Metrics, &series_key, &id, series, |slice| {
            serde_json::to_vec(&MetricSlice::from_points(run_id, key, slice))
        })
    }

    /// Writes the points of one metric of a logged model.
    ///
    /// # Errors
    /// As [`ArchiveWriter::write`].
    pub fn write_model_metric(
        &mut self,
        model: &SortKey,
        model_id: &str,
        key: &str,
        series: PointSeries,
    ) -> Result<()> {
        self.totals.metric_points += series.len();
        let series_key = model.clone().text(key);
        let id = format!("{model_id}/{key}");
        self.write_slices(Kind::ModelMetrics, &series_key, &id, series, |slice| {
            serde_json::to_vec(&ModelMetricSlice::from_points(model_id, key, slice))
        })
    }

    fn write_slices(
        &mut self,
        kind: Kind,
        key: &SortKey,
        id: &str,
        series: PointSeries,
        line_of: impl Fn(&[crate::model::Point]) -> serde_json::Result<Vec<u8>>,
    ) -> Result<()> {
        let scratch = self.scratch.clone();
        let writer = self.kind_writer(kind);
        let written = series.for_each_slice(|number, slice| {
            let line = line_of(slice).expect("columns of numbers and strings can be written");
            writer
                .write(key.clone().number(number), id, &line)
                .map_err(SliceError::Archive)
        });
        written.map_err(|error| match error {
            SliceError::Archive(error) => error,
            SliceError::Io(error) => ArchiveError::io("use temporary file in", scratch)(error),
        })
    }

    /// Queues an artifact; files of one owner come together, ordered by path bytes. It is read on another
    /// thread, and failures come back from a later call.
    ///
    /// # Errors
    /// The archive cannot be written. `on_failure` decides about files that cannot be read.
    pub fn artifact(
        &mut self,
        owner: &Owner,
        path: String,
        source: ByteSource,
        on_failure: &mut dyn FnMut(&mut Self, FileFailure) -> Result<()>,
    ) -> Result<()> {
        let ingest = self.output.ingest();
        let content = Content::Bytes(self.pool.submit(move || ingest.run(source)));
        self.queue(owner, path, content, on_failure)
    }

    /// Lists an artifact whose bytes are not taken.
    ///
    /// # Errors
    /// As [`ArchiveWriter::artifact`].
    pub fn absent_artifact(
        &mut self,
        owner: &Owner,
        path: String,
        absent: Absent,
        size_bytes: Option<u64>,
        on_failure: &mut dyn FnMut(&mut Self, FileFailure) -> Result<()>,
    ) -> Result<()> {
        self.queue(owner, path, Content::Absent(absent, size_bytes), on_failure)
    }

    /// Lists an artifact by its size alone, for a survey: such an archive is for listing, and none that `verify` accepts.
    ///
    /// # Errors
    /// As [`ArchiveWriter::artifact`].
    pub fn listed_artifact(
        &mut self,
        owner: &Owner,
        path: String,
        size_bytes: Option<u64>,
        on_failure: &mut dyn FnMut(&mut Self, FileFailure) -> Result<()>,
    ) -> Result<()> {
        self.queue(owner, path, Content::Listed(size_bytes), on_failure)
    }

    /// Counts points that are not written.
    pub fn count_points(&mut self, count: u64) {
        self.totals.metric_points += count;
    }

    fn queue(
        &mut self,
        owner: &Owner,
        path: String,
        content: Content,
        on_failure: &mut dyn FnMut(&mut Self, FileFailure) -> Result<()>,
    ) -> Result<()> {
        self.pending.push_back(PendingFile {
            owner: owner.clone(),
            path,
            content,
        });
        while self.pending.len() > WINDOW {
            self.take_pending(on_failure)?;
        }
        Ok(())
    }

    /// Waits for all queued artifacts.
    ///
    /// # Errors
    /// As [`ArchiveWriter::artifact`].
    pub fn drain_artifacts(
        &mut self,
        on_failure: &mut dyn FnMut(&mut Self, FileFailure) -> Result<()>,
    ) -> Result<()> {
        while !self.pending.is_empty() {
            self.take_pending(on_failure)?;
        }
        self.close_list()
    }

    fn take_pending(
        &mut self,
        on_failure: &mut dyn FnMut(&mut Self, FileFailure) -> Result<()>,
    ) -> Result<()> {
        let Some(PendingFile { owner, path, content }) = self.pending.pop_front() else {
            return Ok(());
        };
        let mut file = ArtifactFile {
            absent: None,
            path,
            sha256: None,
            size_bytes: None,
        };
        match content {
            Content::Absent(absent, size_bytes) => {
                file.absent = Some(absent);
                file.size_bytes = size_bytes;
            }
            Content::Listed(size_bytes) => {
                file.size_bytes = size_bytes;
                self.totals.artifact_bytes += size_bytes.unwrap_or(0);
            }
            Content::Bytes(pending) => match pending.wait().and_then(|ingested| self.commit(ingested)) {
                Ok(blob) => {
                    file.sha256 = Some(blob.sha256);
                    file.size_bytes = Some(blob.size_bytes);
                    self.totals.artifact_bytes += blob.size_bytes;
                }
                Err(IngestError::Write(error)) => return Err(error),
                Err(IngestError::Read(error)) => {
                    file.absent = Some(Absent::Failed);
                    let failure = FileFailure {
                        owner: owner.clone(),
                        path: file.path.clone(),
                        error,
                    };
                    on_failure(self, failure)?;
                }
            },
        }
        self.totals.artifact_files += 1;
        self.list_file(owner, file)
    }

    fn list_file(&mut self, owner: Owner, file: ArtifactFile) -> Result<()> {
        let is_full = |list: &OpenList| list.owner != owner || list.files.len() == ARTIFACT_FILES;
        if self.list.as_ref().is_some_and(is_full) {
            self.close_list()?;
        }
        let list = self.list.get_or_insert_with(|| OpenList {
            owner,
            files: Vec::new(),
        });
        list.files.push(file);
        Ok(())
    }

    fn close_list(&mut self) -> Result<()> {
        let Some(OpenList { owner, files }) = self.list.take() else {
            return Ok(());
        };
        let key = artifact_key(&owner, files.first().map_or("", |file| &file.path));
        let list = ArtifactList {
            files,
            owner_id: owner.id,
            owner_kind: owner.kind,
        };
        let line = serde_json::to_vec(&list).expect("a list of files can be written");
        self.write_line(Kind::Artifacts, key, &list.owner_id, &line)
    }

    /// Stores what a worker thread has read.
    fn commit(&mut self, ingested: Ingested) -> Result<BlobRef, IngestError> {
        let blob = match ingested {
            Ingested::Stored(blob) => blob,
            Ingested::Small(blob, bytes) => {
                if !self.holds(&blob.sha256) {
                    self.output
                        .zip_small(&blob_path(&blob.sha256), &bytes)
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
    pub fn limit(&mut self, kind: &str, field: &str, reason: &str, count: u64) {
        self.losses.limit(kind, field, reason, count);
    }

    /// Lists and counts something that could not be read.
    ///
    /// # Errors
    /// `losses.jsonl` cannot be written.
    pub fn failure(&mut self, loss: &Loss) -> Result<()> {
        self.losses.failure(self.output.root(), loss)
    }

    /// Number of failures so far.
    pub fn failures(&self) -> u64 {
        self.losses.failures()
    }

    /// Takes over all blobs of another archive but those of `except` without reading them: linked, or copied by
    /// the kernel (`copy` rules out links).
    ///
    /// # Errors
    /// They cannot be linked or copied.
    pub fn adopt_blobs(&mut self, archive: &Archive, copy: bool, except: &BTreeSet<Digest>) -> Result<()> {
        self.output.adopt_blobs(archive, copy, except)?;
        let totals = &archive.manifest().totals;
        self.totals.blobs += totals.blobs - except.len() as u64;
        self.totals.blob_bytes += totals.blob_bytes;
        for digest in except {
            self.totals.blob_bytes -= archive.blob(digest)?.size_bytes();
        }
        Ok(())
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

    /// Where files of the archive are laid before it is complete.
    pub fn root(&self) -> &Path {
        self.output.root()
    }

    /// Completes the archive and gives it its name.
    ///
    /// # Errors
    /// It cannot be written; nothing is left under its name then.
    pub fn finish(mut self, head: ManifestHead, duplicates: Duplicates) -> Result<Manifest> {
        debug_assert!(
            self.pending.is_empty() && self.list.is_none(),
            "drain_artifacts comes first"
        );
        let mut files = std::mem::take(&mut self.adopted);
        let mut counts = BTreeMap::new();
        for (_, writer) in std::mem::take(&mut self.kinds) {
            let (kind, losses, root) = (writer.kind(), &mut self.losses, self.output.root());
            files.extend(writer.finish(|line| match duplicates {
                Duplicates::Refuse => Err(ArchiveError::Object {
                    kind: kind.name(),
                    id: LossLog::id_of(line),
                    reason: "it is there twice".to_owned(),
                }),
                Duplicates::KeepFirst => losses.duplicate(root, kind, line),
            })?);
        }
        files.extend(self.losses.finish_file()?);
        files.sort_by(|a, b| a.path.as_bytes().cmp(b.path.as_bytes()));
        for file in &files {
            if let Some(kind) = object_kind_name(&file.path) {
                *counts.entry(kind.to_owned()).or_insert(0) += file.count;
            }
        }
        let content_id = self.output.write_checksums(&self.blobs, &files)?;
        if let Some(expected) = head
            .expected_content_id
            .filter(|expected| *expected != content_id)
        {
            return Err(ArchiveError::DigestMismatch {
                path: self.output.root().to_owned(),
                entry: "SHA256SUMS".to_owned(),
                expected,
                found: content_id,
            });
        }
        let manifest = Manifest {
            format: head.format.unwrap_or_else(Format::current),
            tool: Tool::current(),
            created: super::clock::now_text(),
            origin: head.origin,
            source: head.source,
            selection: head.selection,
            counts,
            totals: self.totals,
            files,
            content_id,
            history: head.history,
            losses: self.losses.counts(),
            extra: head.extra,
        };
        let name = self.output.seal(&manifest)?;
        drop(self.output);
        self.staging.publish(&name, !self.options.no_sync)?;
        Ok(manifest)
    }
}

/// What to do about an object that came twice, where objects are sorted at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicates {
    /// End with an error; nothing is made.
    Refuse,
    /// Keep the first that came and list the other as a failure.
    KeepFirst,
}

enum SliceError {
    Archive(ArchiveError),
    Io(std::io::Error),
}

impl From<std::io::Error> for SliceError {
    fn from(error: std::io::Error) -> Self {
        SliceError::Io(error)
    }
}

/// Place of an artifact line: kind of owner, owner, first path.
fn artifact_key(owner: &Owner, first_path: &str) -> SortKey {
    SortKey::new()
        .number(owner.kind as u64)
        .key(&owner.sort_key)
        .text(first_path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::Archive;
    use crate::model::{Double, Experiment, Point, Run, RunInfo};
    use std::io::Read;

    fn fill(out: &Path) -> Manifest {
        let mut writer = ArchiveWriter::create(out, WriterOptions::default()).unwrap();
        let experiment = Experiment {
            experiment_id: "1".into(),
            name: "é\u{2028}\0".into(),
            lifecycle_stage: "active".into(),
            ..Experiment::default()
        };
        writer.write(&experiment).unwrap();
        writer.sort_at_end(Kind::Runs);
        for run_id in ["b", "a"] {
            let info = RunInfo {
                run_id: run_id.into(),
                experiment_id: "1".into(),
                status: "FINISHED".into(),
                lifecycle_stage: "active".into(),
                ..RunInfo::default()
            };
            let mut run = Run {
                info,
                ..Run::default()
            };
            run.tags
                .insert("long".into(), "x".repeat(STRING_BYTES + 1).as_str().into());
            writer.write(&run).unwrap();
        }
        let run = crate::format::order::run("1", None, "a");
        let mut series = writer.point_series();
        for step in 0..12_000 {
            let point = Point {
                timestamp: 5,
                step,
                value: Double(0.1),
                link: None,
            };
            series.push(point).unwrap();
        }
        writer.write_metric(&run, "a", "loss", series).unwrap();
        let owner = Owner {
            kind: OwnerKind::Run,
            id: "a".into(),
            sort_key: run,
        };
        let large = vec![7; 3 << 20];
        for (path, bytes) in [
            ("large", large.clone()),
            ("same", large),
            ("small", b"text".to_vec()),
        ] {
            let source = ByteSource::Open(Box::new(move || Ok(Box::new(std::io::Cursor::new(bytes)))));
            let source = if path == "small" {
                ByteSource::Bytes(b"text".to_vec())
            } else {
                source
            };
            writer
                .artifact(&owner, path.into(), source, &mut |_, _| unreachable!())
                .unwrap();
        }
        writer.drain_artifacts(&mut |_, _| unreachable!()).unwrap();
        let head = ManifestHead {
            origin: "test".into(),
            ..ManifestHead::default()
        };
        writer.finish(head, Duplicates::Refuse).unwrap()
    }

    #[test]
    fn both_containers_hold_the_same_content() {
        let directory = tempfile::tempdir().unwrap();
        let manifests = ["a", "a.zip"].map(|name| fill(&directory.path().join(name)));
        assert_eq!(manifests[0].content_id, manifests[1].content_id);
        assert_eq!(manifests[0].totals, manifests[1].totals);
        assert_eq!(
            manifests[0].totals.blobs, 3,
            "the long tag, the large file and the small one"
        );
        assert_eq!(manifests[0].count(Kind::Metrics), 3);
        for name in ["a", "a.zip"] {
            let archive = Archive::open(&directory.path().join(name)).unwrap();
            let runs: Vec<Run> = archive.objects().map(Result::unwrap).collect();
            assert_eq!(
                runs.iter()
                    .map(|run| run.info.run_id.as_str())
                    .collect::<Vec<_>>(),
                ["a", "b"]
            );
            assert_eq!(runs[0].tags["long"].as_str().unwrap().len(), STRING_BYTES + 1);
            let digest = &Digest(<sha2::Sha256 as sha2::Digest>::digest(b"text").into());
            let mut text = String::new();
            archive.blob(digest).unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "text");
        }
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2);
    }
}
