//! Artifacts: read on other threads, listed in the order in which they came.

use super::ArchiveWriter;
use crate::archive::blob::{ByteSource, IngestError, Ingested};
use crate::archive::error::{ArchiveError, Result};
use crate::archive::parallel::{HeldJob, Pending};
use crate::format::layout::{ARTIFACT_FILES, LINE_BYTES};
use crate::format::{Kind, Object, Reason, SortKey, order};
use crate::model::{Absent, ArtifactFile, ArtifactList, OwnerKind};
use serde::Serialize;
use std::io;

/// Artifacts under way at once; with [`crate::archive::blob::SMALL_BYTES`] this bounds memory.
const WINDOW: usize = 32;

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

impl Owner {
    /// An object as an owner.
    pub(crate) fn of<T: Object>(kind: OwnerKind, object: &T) -> Self {
        Owner {
            kind,
            id: object.id(),
            sort_key: object.sort_key(),
        }
    }
}

pub(super) struct PendingFile {
    owner: Owner,
    path: String,
    content: Content,
}

type PendingBytes = Pending<Result<Ingested, IngestError>>;

enum Content {
    Bytes(PendingBytes),
    /// Neither bytes nor a reason, but the size: where nothing is to be kept.
    Listed(Option<u64>),
    Absent(Absent, Option<u64>),
}

/// The artifact line that is being filled.
pub(super) struct OpenList {
    owner: Owner,
    files: Vec<ArtifactFile>,
    /// Length of the line so far, its line end included.
    line_bytes: usize,
}

/// A file that could not be read, or that no list can hold.
#[derive(Debug)]
pub struct FileFailure {
    /// Whose file.
    pub owner: Owner,
    /// Which file.
    pub path: String,
    /// Stable code of the reason (docs/losses.md).
    pub reason: Reason,
    /// Why not.
    pub error: io::Error,
}

/// What is told of a file that cannot be read or listed.
pub(crate) type OnFailure<'f> = dyn FnMut(&mut ArchiveWriter, FileFailure) -> Result<()> + 'f;

impl ArchiveWriter {
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
        on_failure: &mut OnFailure<'_>,
    ) -> Result<()> {
        let ingest = self.output.ingest();
        // A download is worth a thread's waking; local files are read a dozen at a time.
        let is_local = matches!(source, ByteSource::File(_) | ByteSource::Stored(_));
        let (job, pending) = HeldJob::new(move || ingest.run(source));
        self.held.push(job);
        if !is_local || self.held.len() == WINDOW / 2 {
            self.start_held();
        }
        self.queue(owner, path, Content::Bytes(pending), on_failure)
    }

    fn start_held(&mut self) {
        self.pool.start(self.held.drain(..));
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
        on_failure: &mut OnFailure<'_>,
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
        on_failure: &mut OnFailure<'_>,
    ) -> Result<()> {
        self.queue(owner, path, Content::Listed(size_bytes), on_failure)
    }

    fn queue(
        &mut self,
        owner: &Owner,
        path: String,
        content: Content,
        on_failure: &mut OnFailure<'_>,
    ) -> Result<()> {
        self.pending.push_back(PendingFile {
            owner: owner.clone(),
            path,
            content,
        });
        if self.pending.len() == WINDOW {
            self.start_held();
            // Waiting once for many files: to sleep and wake for each costs more than reading a small one.
            if let Content::Bytes(last) = &mut self.pending[WINDOW / 2 - 1].content {
                last.settle();
            }
            for _ in 0..WINDOW / 2 {
                self.take_pending(on_failure)?;
            }
        }
        Ok(())
    }

    /// Waits for all queued artifacts.
    ///
    /// # Errors
    /// As [`ArchiveWriter::artifact`].
    pub fn drain_artifacts(&mut self, on_failure: &mut OnFailure<'_>) -> Result<()> {
        self.start_held();
        while !self.pending.is_empty() {
            self.take_pending(on_failure)?;
        }
        self.close_list(on_failure)
    }

    fn take_pending(&mut self, on_failure: &mut OnFailure<'_>) -> Result<()> {
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
            Content::Bytes(pending) => {
                if let Some(error) = self.take_bytes(pending, &mut file)? {
                    let (owner, path, reason) = (owner.clone(), file.path.clone(), Reason::Unreadable);
                    let failure = FileFailure {
                        owner,
                        path,
                        reason,
                        error,
                    };
                    on_failure(self, failure)?;
                }
            }
        }
        self.totals.artifact_files += 1;
        self.list_file(owner, file, on_failure)
    }

    /// Stores what was read; the error where it could not be.
    fn take_bytes(&mut self, pending: PendingBytes, file: &mut ArtifactFile) -> Result<Option<io::Error>> {
        match pending.wait().and_then(|ingested| self.commit(ingested)) {
            Ok(blob) => {
                file.sha256 = Some(blob.sha256);
                file.size_bytes = Some(blob.size_bytes);
                self.totals.artifact_bytes += blob.size_bytes;
                Ok(None)
            }
            Err(IngestError::Write(error)) => Err(error),
            Err(IngestError::Read(error)) => {
                file.absent = Some(Absent::Failed);
                Ok(Some(error))
            }
        }
    }

    fn list_file(&mut self, owner: Owner, file: ArtifactFile, on_failure: &mut OnFailure<'_>) -> Result<()> {
        let is_full = |list: &OpenList| list.owner != owner || list.files.len() == ARTIFACT_FILES;
        if self.list.as_ref().is_some_and(is_full) {
            self.close_list(on_failure)?;
        }
        let list = self.list.get_or_insert_with(|| OpenList {
            line_bytes: length_of(&ArtifactList {
                files: Vec::new(),
                owner_id: owner.id.clone(),
                owner_kind: owner.kind,
            }),
            owner: owner.clone(),
            files: Vec::new(),
        });
        // With the comma after it; that of the last file makes room for the line end.
        let line_bytes = list.line_bytes + length_of(&file) + 1;
        if line_bytes <= LINE_BYTES {
            list.line_bytes = line_bytes;
            list.files.push(file);
            return Ok(());
        }
        let why = format!("the line that lists it would have more than {LINE_BYTES} bytes");
        self.refuse_file(owner, file, why, on_failure)
    }

    fn close_list(&mut self, on_failure: &mut OnFailure<'_>) -> Result<()> {
        let Some(OpenList { owner, files, .. }) = self.list.take() else {
            return Ok(());
        };
        if files.is_empty() {
            return Ok(());
        }
        let key = order::artifacts(
            owner.kind,
            &owner.sort_key,
            files.first().map_or("", |file| &file.path),
        );
        let list = ArtifactList {
            files,
            owner_id: owner.id.clone(),
            owner_kind: owner.kind,
        };
        let line = serde_json::to_vec(&list).expect("a list of files can be written");
        match self.write_line(Kind::Artifacts, key, &list.owner_id, &line) {
            Err(ArchiveError::Object { reason, .. }) => {
                let files = list.files.into_iter();
                files
                    .map(|file| (owner.clone(), file))
                    .try_for_each(|(owner, file)| {
                        self.refuse_file(owner, file, format!("its list: {reason}"), on_failure)
                    })
            }
            written => written,
        }
    }

    /// Tells of a file that no list holds.
    fn refuse_file(
        &mut self,
        owner: Owner,
        file: ArtifactFile,
        why: String,
        on_failure: &mut OnFailure<'_>,
    ) -> Result<()> {
        self.dropped.file(&file);
        let failure = FileFailure {
            owner,
            path: file.path,
            reason: Reason::Unwritable,
            error: io::Error::other(why),
        };
        on_failure(self, failure)
    }
}

fn length_of(value: &impl Serialize) -> usize {
    serde_json::to_vec(value).map_or(usize::MAX / 4, |text| text.len())
}
