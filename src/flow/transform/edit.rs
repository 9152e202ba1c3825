//! What all transforms share: blobs and untouched object files are taken over, some lines are edited, and what
//! was there before is recorded for `--undo`.

use crate::archive::parallel::map_ordered;
use crate::archive::{
    Archive, ArchiveError, ArchiveWriter, ErrorKind, ManifestHead, WriterOptions, blob_reference,
};
use crate::format::layout::STRING_BYTES;
use crate::format::line::{canonical, to_value};
use crate::format::manifest::{FileDescriptor, Manifest};
use crate::format::{ArchivePath, Kind, SortKey};
use crate::model::{Digest, Run, Text, TextMap};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Lines edited by one job.
const BATCH_LINES: usize = 64;
/// Bytes of lines in one job, at the most (one line may be longer).
const BATCH_BYTES: usize = 1 << 20;
/// Jobs under way at once.
const WINDOW: usize = 6;

/// How a transform writes its result.
#[derive(Debug, Clone, Default)]
pub struct TransformOptions {
    /// How the archive is written.
    pub writer: WriterOptions,
    /// Copies blobs instead of linking them to the input's.
    pub copy: bool,
}

/// What a transform did.
#[derive(Debug, Clone)]
pub struct TransformReport {
    /// The manifest of the result.
    pub manifest: Manifest,
    /// What was done, counted.
    pub counts: BTreeMap<String, u64>,
    /// What a person should know, counted by text.
    pub notices: BTreeMap<String, u64>,
}

/// A transform that cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransformError {
    /// An archive cannot be read or written.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// An object's `exim` text cannot be read.
    #[error("{kind} `{id}` has an `exim` text that is not JSON")]
    Exim {
        /// Kind of the object.
        kind: &'static str,
        /// Its id.
        id: String,
        /// Why not.
        #[source]
        source: crate::model::pyjson::PyJsonError,
    },
    /// There is nothing to undo.
    #[error("`{path}` has no transform to undo")]
    NothingToUndo {
        /// The archive.
        path: String,
    },
    /// The last transform keeps no record of what was before.
    #[error("the last transform of `{path}` is a {name}, which cannot be undone: {reason}")]
    NoUndo {
        /// The archive.
        path: String,
        /// Name of the transform.
        name: String,
        /// Why not.
        reason: &'static str,
    },
    /// The record of what was there before does not fit the archive.
    #[error("the undo record of `{path}` does not fit its objects: {detail}")]
    UndoMismatch {
        /// The archive.
        path: String,
        /// What does not fit.
        detail: String,
    },
}

impl TransformError {
    /// The kind of error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            TransformError::Archive(error) => error.kind(),
            TransformError::Exim { .. } | TransformError::UndoMismatch { .. } => ErrorKind::Damaged,
            TransformError::NothingToUndo { .. } | TransformError::NoUndo { .. } => ErrorKind::Usage,
        }
    }
}

/// Result of a transform's step.
pub(super) type Result<T, E = TransformError> = std::result::Result<T, E>;

pub(super) use crate::format::undo::{BLOBS_LINE, UndoLine};

/// A line after its edit.
pub(super) struct Edited {
    pub key: SortKey,
    pub id: String,
    pub value: Value,
    pub undo: Option<UndoLine>,
    pub counts: Vec<(&'static str, u64)>,
    pub notices: Vec<String>,
}

/// An archive being made from another.
pub(super) struct Edit<'a> {
    pub archive: &'a Archive,
    pub writer: ArchiveWriter,
    pub counts: BTreeMap<String, u64>,
    pub notices: BTreeMap<String, u64>,
    undo: Option<crate::archive::PartWriter>,
}

/// An edited line on its way to the writer.
struct Ready {
    edited: Edited,
    line: Vec<u8>,
}

impl<'a> Edit<'a> {
    /// Begins, takes over the blobs but `except`, and every file for which `keep` says so.
    pub(super) fn begin(
        archive: &'a Archive,
        out: &Path,
        options: &TransformOptions,
        except: &BTreeSet<Digest>,
        keep: impl Fn(&FileDescriptor) -> bool,
    ) -> Result<Self> {
        let mut writer = ArchiveWriter::create(out, options.writer.clone())?;
        writer.adopt_blobs(archive, options.copy, except)?;
        for file in archive.manifest().files.iter().filter(|file| keep(file)) {
            writer.adopt_file(archive, file)?;
        }
        writer.adopt_origins(archive)?;
        writer.adopt_totals(archive);
        Ok(Edit {
            archive,
            writer,
            counts: BTreeMap::new(),
            notices: BTreeMap::new(),
            undo: None,
        })
    }

    /// Records what was there before in the undo file of a history entry.
    pub(super) fn record_undo(&mut self, entry: usize) {
        let root = self.writer.root().to_owned();
        self.undo = Some(crate::archive::PartWriter::new(&root, move |part| {
            ArchivePath::undo(entry, part)
        }));
    }

    /// Edits each line of a kind on the writer's threads.
    pub(super) fn edit_lines(
        &mut self,
        kind: Kind,
        edit: impl Fn(Value) -> Result<Edited> + Send + Sync + 'static,
    ) -> Result<()> {
        let archive = self.archive.clone();
        let pool = self.writer.pool();
        let batches = Batches {
            lines: self.archive.lines(kind),
        };
        let work = move |batch: Result<Vec<NumberedLine>>| -> Result<Vec<Ready>> {
            batch?
                .into_iter()
                .map(|line| edit_line(&archive, line, &edit))
                .collect()
        };
        map_ordered(&pool, WINDOW, batches, work, |ready| {
            ready?.into_iter().try_for_each(|ready| self.write(kind, ready))
        })
    }

    fn write(&mut self, kind: Kind, ready: Ready) -> Result<()> {
        let Ready { edited, mut line } = ready;
        if line.len() > STRING_BYTES {
            drop(line);
            line = self.writer.line_of(edited.value)?;
        }
        self.writer.write_line(kind, edited.key, &edited.id, &line)?;
        for (name, count) in edited.counts {
            *self.counts.entry(name.to_owned()).or_insert(0) += count;
        }
        for notice in edited.notices {
            *self.notices.entry(notice).or_insert(0) += 1;
        }
        match (edited.undo, &mut self.undo) {
            (Some(undo), Some(file)) => Ok(file.write_line(&canonical(&to_value(&undo)))?),
            _ => Ok(()),
        }
    }

    /// Completes the undo file.
    pub(super) fn finish_undo(&mut self) -> Result<()> {
        let Some(mut file) = self.undo.take() else {
            return Ok(());
        };
        let added_blobs: Vec<_> = self.writer.own_blobs().iter().copied().collect();
        if !added_blobs.is_empty() {
            let line = UndoLine {
                added_blobs,
                kind: BLOBS_LINE.to_owned(),
                ..UndoLine::default()
            };
            file.write_line(&canonical(&to_value(&line)))?;
        }
        self.writer.add_files(file.finish()?);
        Ok(())
    }

    /// Completes the archive.
    pub(super) fn finish(self, head: ManifestHead) -> Result<TransformReport> {
        let manifest = self.writer.finish(head, crate::archive::Duplicates::Refuse)?;
        Ok(TransformReport {
            manifest,
            counts: self.counts,
            notices: self.notices,
        })
    }
}

/// A line taken out of its file.
struct NumberedLine {
    bytes: Vec<u8>,
    file: String,
    number: u64,
}

struct Batches<'a> {
    lines: crate::archive::Lines<'a>,
}

impl Iterator for Batches<'_> {
    type Item = Result<Vec<NumberedLine>>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut batch = Vec::with_capacity(BATCH_LINES);
        let mut size_bytes = 0;
        while batch.len() < BATCH_LINES && size_bytes < BATCH_BYTES {
            match self.lines.next_line() {
                Ok(None) => break,
                Err(error) => return Some(Err(error.into())),
                Ok(Some(line)) => {
                    size_bytes += line.bytes.len();
                    let (file, number) = (line.file.to_owned(), line.number);
                    let bytes = self.lines.take_line();
                    batch.push(NumberedLine { bytes, file, number });
                }
            }
        }
        (!batch.is_empty()).then_some(Ok(batch))
    }
}

fn edit_line(archive: &Archive, line: NumberedLine, edit: impl Fn(Value) -> Result<Edited>) -> Result<Ready> {
    let place = crate::archive::Line {
        bytes: &line.bytes,
        file: &line.file,
        number: line.number,
    };
    let value = crate::archive::parse_line_but(archive, &place, is_left)?;
    let edited = edit(value)?;
    drop(line.bytes);
    let line = canonical(&edited.value);
    Ok(Ready { edited, line })
}

/// Texts that no transform reads: what their blobs hold stays there.
fn is_left(path: &[&str], text: &Value) -> bool {
    match path {
        ["params", _] => true,
        // The name of a run, where its info has none.
        ["tags", "mlflow.runName"] => false,
        // Rules copy the tags of MLflow: a reference as it is, bytes that are not UTF-8 as what people are shown.
        ["tags", key] => !key.starts_with("mlflow.") || blob_reference(text).is_some(),
        _ => false,
    }
}

/// Whether a listed file holds objects of one of these kinds.
pub(super) fn is_of(file: &FileDescriptor, kinds: &[Kind]) -> bool {
    file.path.kind().is_some_and(|kind| kinds.contains(&kind))
}

/// A typed view of a line, for reading.
pub(super) fn typed<T: serde::de::DeserializeOwned>(archive: &Archive, value: &Value) -> Result<T> {
    T::deserialize(value).map_err(|error| {
        ArchiveError::Damaged {
            path: archive.path().to_owned(),
            entry: "objects".to_owned(),
            reason: error.to_string(),
        }
        .into()
    })
}

/// A typed view of a run's line without its params, which no transform reads and which can be many.
pub(super) fn typed_run(archive: &Archive, value: &mut Value) -> Result<Run> {
    let params = value.as_object_mut().and_then(|line| line.remove("params"));
    let run = typed(archive, value)?;
    if let Some(params) = params {
        match &params {
            Value::Object(texts) => texts
                .values()
                .try_for_each(|text| typed::<Text>(archive, text).map(drop))?,
            other => typed::<TextMap>(archive, other).map(drop)?,
        }
        value["params"] = params;
    }
    Ok(run)
}
