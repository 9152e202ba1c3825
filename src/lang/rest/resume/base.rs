//! An older archive of the same server, whose parts are used where nothing says that they changed.
//!
//! Taken are metric histories of runs and the bytes of artifacts; of objects that were final when the archive was made
//! (a run that ended, a logged model that is not pending, a trace that is not in progress) and of which the server
//! says the same, byte for byte, as the archive does.

use super::folder::{Folder, is_blob};
use super::key::{Freshness, Key};
use super::log::PartLog;
use super::points::encode;
use super::{file_part, payload_of};
use crate::archive::{Archive, ArchiveError, IngestError, StoredFile};
use crate::format::{ArchivePath, Kind};
use crate::lang::rest::routes::HISTORY;
use crate::lang::session::ExportError;
use crate::model::metric::Point;
use crate::model::{ArtifactList, BlobRef, LoggedModel, MetricSlice, OwnerKind, Run, Trace};
use crate::monitor::Monitor;
use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

/// An archive, its parts by object.
pub(crate) struct Base {
    archive: Archive,
    pub(crate) log: PartLog,
}

/// The objects of one kind that are final, by id.
type Final = HashMap<String, Freshness>;

impl Base {
    /// Opens an archive and takes note of what can be used of it; `scratch` takes the notes.
    pub(crate) fn open(path: &Path, scratch: &Path, monitor: &dyn Monitor) -> Result<Self, ExportError> {
        let archive = Archive::open(path)?;
        if let Some(transform) = archive.manifest().history.last() {
            // What a transform changed need not show in the lines that are compared.
            return Err(ExportError::Resume {
                path: path.to_owned(),
                detail: format!(
                    "it was changed by `{}` after its export: give the export itself to --base",
                    transform.name
                ),
            });
        }
        let notes = scratch.join("base-parts");
        let base = Base {
            log: PartLog::create(&notes).map_err(ArchiveError::io("create", &notes))?,
            archive,
        };
        monitor.begin("base", None);
        base.note_histories(&base.final_runs()?)
            .and_then(|()| base.note_artifacts())?;
        Ok(base)
    }

    fn final_runs(&self) -> Result<Final, ArchiveError> {
        self.finals(|run: &Run| {
            let has_ended = matches!(run.info.status.as_str(), "FINISHED" | "FAILED" | "KILLED");
            has_ended.then(|| Key::of_run(run))
        })
    }

    fn finals<T: crate::format::Object>(
        &self,
        key: impl Fn(&T) -> Option<Key>,
    ) -> Result<Final, ArchiveError> {
        let mut finals = Final::new();
        for object in self.archive.objects::<T>() {
            if let Some(Key { id, freshness, .. }) = key(&object?) {
                finals.insert(id, freshness);
            }
        }
        Ok(finals)
    }

    fn note(&self, key: &Key, part: &str, payload: &[u8]) -> Result<(), ArchiveError> {
        let noted = self.log.append(key, part, payload);
        noted.map_err(ArchiveError::io("write notes of", self.archive.path()))
    }

    fn note_histories(&self, runs: &Final) -> Result<(), ArchiveError> {
        let mut series = Series::default();
        let mut lines = self.archive.lines(Kind::Metrics);
        while let Some(line) = lines.next_line()? {
            let slice: MetricSlice = parse(&self.archive, line.file, line.bytes)?;
            if series.run_id != slice.run_id || series.metric != slice.key {
                self.note_series(&mut series, runs, true)?;
                series = Series {
                    run_id: slice.run_id.clone(),
                    metric: slice.key.clone(),
                    ..Series::default()
                };
            } else if series.points.len() >= HISTORY.rows {
                self.note_series(&mut series, runs, false)?;
            }
            series.points.extend(slice.points());
        }
        self.note_series(&mut series, runs, true)
    }

    /// Takes note of a series, or of a page of one.
    fn note_series(&self, series: &mut Series, runs: &Final, is_last: bool) -> Result<(), ArchiveError> {
        let points = std::mem::take(&mut series.points);
        let Some(&freshness) = runs.get(&series.run_id).filter(|_| !points.is_empty()) else {
            return Ok(());
        };
        let key = Key {
            kind: "run",
            id: series.run_id.clone(),
            freshness,
        };
        let part = match (series.pages, is_last) {
            (0, true) => history_part(&series.metric),
            (page, _) => page_part(&series.metric, page),
        };
        series.pages += 1;
        // Pages of an archive follow each other, whatever the token.
        let next = (!is_last).then_some("base");
        self.note(&key, &part, &encode(&points, next))
    }

    fn note_artifacts(&self) -> Result<(), ArchiveError> {
        let runs = self.final_runs()?;
        let models = self.finals(|model: &LoggedModel| {
            (model.status != "LOGGED_MODEL_PENDING").then(|| Key::of_model(model))
        })?;
        let traces =
            self.finals(|trace: &Trace| (trace.state != "IN_PROGRESS").then(|| Key::of_trace(trace)))?;
        let mut lines = self.archive.lines(Kind::Artifacts);
        while let Some(line) = lines.next_line()? {
            let list: ArtifactList = parse(&self.archive, line.file, line.bytes)?;
            let (kind, finals) = match list.owner_kind {
                OwnerKind::Run => ("run", &runs),
                OwnerKind::LoggedModel => ("logged-model", &models),
                OwnerKind::Trace => ("trace", &traces),
                OwnerKind::ModelVersion => continue,
            };
            let Some(&freshness) = finals.get(&list.owner_id) else {
                continue;
            };
            let key = Key {
                kind,
                id: list.owner_id,
                freshness,
            };
            for file in list.files {
                if let Some(blob) = file.blob() {
                    let part = file_part(&file.path, Some(blob.size_bytes));
                    self.note(&key, &part, &payload_of(&blob))?;
                }
            }
        }
        Ok(())
    }

    /// The bytes of a blob, checked; none where the archive does not hold them any more.
    pub(crate) fn stored(&self, blob: BlobRef, folder: &Folder) -> Result<Option<StoredFile>, IngestError> {
        if self.archive.zip().is_none() {
            let path = ArchivePath::blob(&blob.sha256).below(self.archive.path());
            return Ok(is_blob(&path, &blob).then_some(StoredFile { path, blob }));
        }
        let archive = self.archive.clone();
        let stored = folder.store(Box::new(move || {
            let mut file = tempfile::tempfile()?;
            let mut reader = archive.blob(&blob).map_err(std::io::Error::other)?;
            std::io::copy(&mut reader, &mut file)?;
            std::io::Seek::rewind(&mut file)?;
            Ok(Box::new(file) as Box<dyn Read + Send>)
        }));
        match stored {
            Ok(stored) if stored.blob == blob => Ok(Some(stored)),
            // Damage in the older archive is no reason not to make a new one.
            Ok(_) | Err(IngestError::Read(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A series whose slices are coming.
#[derive(Default)]
struct Series {
    run_id: String,
    metric: String,
    points: Vec<Point>,
    pages: usize,
}

/// The name of the part that a metric's whole history is.
pub(crate) fn history_part(metric: &str) -> String {
    format!("history:{metric}")
}

/// The name of the part that a page of a metric's history is.
pub(crate) fn page_part(metric: &str, page: usize) -> String {
    format!("page:{page}:{metric}")
}

fn parse<T: serde::de::DeserializeOwned>(
    archive: &Archive,
    entry: &str,
    bytes: &[u8],
) -> Result<T, ArchiveError> {
    serde_json::from_slice(bytes).map_err(|error| archive.damaged(entry, &error.to_string()))
}
