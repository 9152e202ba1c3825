//! Runs: `<experiment>/<run id>/`, read whole by a worker thread.

use super::artifacts::{FoundArtifacts, find};
use super::dataset::{self, DatasetIndex};
use super::folder::{Entry, EntryKind, Folder};
use super::index::{Described, Indexed, Place, describe, id_mismatch};
use super::key_files::{KeyOwner, read_values};
use super::meta::Meta;
use super::metric_lines::LineOwner;
use super::metrics::{self, FoundMetric, MetricOwner};
use super::notes::{Fault, Notes};
use super::store::{META, Store};
use crate::format::{Kind, Reason};
use crate::lang::artifacts::local_roots::OwnerRef;
use crate::model::field::FieldTable as _;
use crate::model::lifecycle;
use crate::model::{OwnerKind, Run, RunInfo, TextMap};
use std::path::{Path, PathBuf};

/// Folders of a run; anything else in it is not MLflow's.
const FOLDERS: [&str; 6] = ["artifacts", "inputs", "metrics", "outputs", "params", "tags"];

impl Described for RunInfo {
    const KIND: Kind = Kind::Runs;
    const FILE: &'static str = META;

    fn parse(bytes: &[u8], id: &str, place: &Place, path: &Path, notes: &mut Notes) -> Result<Self, Fault> {
        let mut meta = Meta::at(path, bytes)?;
        // `run_uuid` is the older name of `run_id`, and a copy of it since 1.0.
        let run_uuid = meta.text("run_uuid");
        let run_id = meta.text("run_id").or(run_uuid).unwrap_or_default();
        if run_id != id {
            return Err(id_mismatch(path, "run_id", &run_id, id));
        }
        let experiment_id = meta.told_by(path, "experiment_id", &place.experiment_id)?;
        meta.ignore_empty("tags");
        let run_name = meta.text("run_name").or_else(|| {
            // Before MLflow 1.30 the field was `name`, nearly always empty.
            let name = meta.text("name");
            name.filter(|name| !name.is_empty())
        });
        let status = status(meta.text("status"));
        let lifecycle_stage = place.stage(meta.text("lifecycle_stage"));
        let info = RunInfo::pick(&mut meta);
        Ok(RunInfo {
            run_id,
            experiment_id,
            run_name,
            status,
            lifecycle_stage,
            source_type: info.source_type.map(source_type),
            extra: meta.finish(Kind::Runs, id, path, notes),
            ..info
        })
    }

    fn time(&self) -> Option<i64> {
        self.start_time
    }

    fn is_deleted(&self) -> bool {
        lifecycle::is_deleted(&self.lifecycle_stage)
    }
}

/// The name of a status, which the file has as a number; a run without one is running.
fn status(text: Option<String>) -> String {
    let name = match text.as_deref() {
        None | Some("1") => "RUNNING",
        Some("2") => "SCHEDULED",
        Some("3") => "FINISHED",
        Some("4") => "FAILED",
        Some("5") => "KILLED",
        Some(other) => other,
    };
    name.to_owned()
}

/// The name of a source type, which the file has as a number.
fn source_type(text: String) -> String {
    let name = match text.as_str() {
        "1" => "NOTEBOOK",
        "2" => "JOB",
        "3" => "PROJECT",
        "4" => "LOCAL",
        "5" | "1000" => "UNKNOWN",
        _ => return text,
    };
    name.to_owned()
}

/// A run as a worker thread found it.
pub(super) struct FoundRun {
    /// The run, less its metrics.
    pub(super) run: Run,
    pub(super) metrics: Vec<FoundMetric>,
    pub(super) artifacts: FoundArtifacts,
    /// Folders of the datasets it read.
    pub(super) datasets: Vec<String>,
}

/// Where the runs of an experiment are, and what they refer to.
pub(super) struct RunFolder {
    /// The experiment.
    pub(super) place: std::sync::Arc<Place>,
    /// Its folder.
    pub(super) path: PathBuf,
    pub(super) datasets: DatasetIndex,
}

/// Reads a run; none where its file cannot be read.
pub(super) fn read(store: &Store, folder: &RunFolder, found: Indexed<RunInfo>) -> (Option<FoundRun>, Notes) {
    let mut notes = Notes::default();
    let run = read_noting(store, folder, found, &mut notes);
    (run, notes)
}

/// Reads what a filter asks of a run: latest points of those metrics alone that it asks of. What cannot be read is found again when
/// the run's turn comes.
pub(super) fn read_for_filter(
    store: &Store,
    folder: &RunFolder,
    found: Indexed<RunInfo>,
    asks_of_metric: impl Fn(&str) -> bool,
) -> Option<Run> {
    let mut ignored = Notes::default();
    let (parts, info) = open(store, folder, found, &mut ignored)?;
    let mut found = parts.read_without_artifacts(info, &mut ignored);
    for metric in found.metrics {
        if asks_of_metric(&metric.key) {
            let key = metric.key.clone();
            let series = metric.series(store, metric_owner(&parts.id), &mut ignored);
            found
                .run
                .metrics
                .extend(series.latest().cloned().map(|latest| (key, latest)));
        }
    }
    Some(found.run)
}

fn read_noting(
    store: &Store,
    folder: &RunFolder,
    found: Indexed<RunInfo>,
    notes: &mut Notes,
) -> Option<FoundRun> {
    let (parts, info) = open(store, folder, found, notes)?;
    note_strays(&parts.run, &parts.entries, &parts.id, notes);
    Some(parts.read(info, notes))
}

/// Opens the folder of a run, and takes or reads what its file says.
fn open<'a>(
    store: &'a Store,
    folder: &'a RunFolder,
    found: Indexed<RunInfo>,
    notes: &mut Notes,
) -> Option<(Parts<'a>, RunInfo)> {
    let id = found.id;
    let path = folder.path.join(&id);
    let opened = store.open(&path).and_then(Folder::listed);
    let (run, entries) = notes.of_path(Kind::Runs, &id, "*", &path, opened)?;
    let info = match found.held {
        Some(info) => info,
        // What is wrong with it was noted when it was read for the index.
        None => {
            let parent = store.open(&folder.path).ok()?;
            describe(
                &parent,
                &id,
                &folder.place,
                &mut Vec::new(),
                &mut Notes::default(),
            )?
        }
    };
    let parts = Parts {
        store,
        folder,
        run,
        entries,
        id,
    };
    Some((parts, info))
}

/// The folder of a run, listed.
struct Parts<'a> {
    store: &'a Store,
    folder: &'a RunFolder,
    run: Folder,
    entries: Vec<Entry>,
    id: String,
}

impl Parts<'_> {
    /// Whether a folder of that name is there, so that nothing is asked for in vain.
    fn has(&self, name: &str) -> bool {
        let is_it = |entry: &Entry| entry.name == name.as_bytes() && entry.kind == EntryKind::Folder;
        self.entries.iter().any(is_it)
    }

    fn values(&self, field: &'static str, buffer: &mut Vec<u8>, notes: &mut Notes) -> TextMap {
        let owner = KeyOwner::of(Kind::Runs, &self.id, field);
        if self.has(field) {
            read_values(self.store, &self.run, field, owner, buffer, notes)
        } else {
            TextMap::new()
        }
    }

    fn read(&self, info: RunInfo, notes: &mut Notes) -> FoundRun {
        let own = self.run.path_of(b"artifacts");
        let owner = OwnerRef {
            kind: OwnerKind::Run,
            id: &self.id,
        };
        let artifacts = find(self.store, owner, info.artifact_uri.as_deref(), &own, notes);
        FoundRun {
            artifacts,
            ..self.read_without_artifacts(info, notes)
        }
    }

    fn read_without_artifacts(&self, info: RunInfo, notes: &mut Notes) -> FoundRun {
        let (store, run, id) = (self.store, &self.run, self.id.as_str());
        let mut buffer = Vec::new();
        let mut found = FoundRun {
            artifacts: FoundArtifacts::None,
            run: Run {
                info,
                params: self.values("params", &mut buffer, notes),
                tags: self.values("tags", &mut buffer, notes),
                ..Run::default()
            },
            metrics: Vec::new(),
            datasets: Vec::new(),
        };
        if self.has("metrics") {
            found.metrics = metrics::read(store, run, metric_owner(id), &mut buffer, notes);
        }
        if self.has("inputs") {
            let datasets = &self.folder.datasets;
            found.run.inputs = dataset::inputs(run, id, datasets, &mut found.datasets, notes);
        }
        if self.has("outputs") {
            found.run.outputs = dataset::outputs(run, id, notes);
        }
        found
    }
}

/// The owner of a run's metric files.
pub(super) fn metric_owner(run_id: &str) -> MetricOwner<'_> {
    MetricOwner {
        kind: Kind::Runs,
        id: run_id,
        lines: LineOwner::Run,
    }
}

/// Notes what is in a run's folder and is not MLflow's.
fn note_strays(run: &Folder, entries: &[Entry], id: &str, notes: &mut Notes) {
    for entry in entries {
        let is_known = match entry.name() {
            Some(META) => true,
            Some(name) => FOLDERS.contains(&name) && entry.kind == EntryKind::Folder,
            None => false,
        };
        match entry.kind {
            _ if is_known => {}
            // A link to a folder outside is judged where artifacts are looked for.
            EntryKind::Refused(..) if entry.name == b"artifacts" && run.has("artifacts") => {}
            EntryKind::Refused(reason, why) => {
                let detail = format!("cannot read {}: {why}", run.path_of(&entry.name).display());
                notes.failure(Kind::Runs, id, &entry.shown(), reason, detail);
            }
            _ => notes.limit(Kind::Runs, "*", Reason::Stray),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(yaml: &str, is_deleted: bool) -> Result<RunInfo, Fault> {
        let place = Place {
            experiment_id: "1".to_owned(),
            is_deleted,
        };
        let mut notes = Notes::default();
        let info = RunInfo::parse(yaml.as_bytes(), "r", &place, Path::new("meta.yaml"), &mut notes);
        assert_eq!(notes.problems(), []);
        info
    }

    #[test]
    fn statuses_and_source_types_are_names() {
        let info = parse(
            "run_id: r\nexperiment_id: '1'\nstatus: 4\nsource_type: 4\nend_time: null\n",
            false,
        )
        .unwrap();
        assert_eq!(
            (info.status.as_str(), info.source_type.as_deref()),
            ("FAILED", Some("LOCAL"))
        );
        assert_eq!((info.end_time, info.lifecycle_stage.as_str()), (None, "active"));
    }

    #[test]
    fn the_oldest_files_are_read() {
        let info = parse("run_uuid: r\nexperiment_id: 1\nname: 'old'\ntags: []\n", false).unwrap();
        assert_eq!((info.run_id.as_str(), info.status.as_str()), ("r", "RUNNING"));
        assert_eq!(
            (info.run_name.as_deref(), info.experiment_id.as_str()),
            (Some("old"), "1")
        );
        assert!(info.extra.is_empty());
    }

    #[test]
    fn a_run_in_the_trash_is_deleted_whatever_its_file_says() {
        let info = parse("run_id: r\nexperiment_id: '1'\nlifecycle_stage: active\n", true).unwrap();
        assert!(info.is_deleted());
    }

    #[test]
    fn ids_that_differ_from_the_folders_are_faults() {
        assert_eq!(
            parse("run_id: s\nexperiment_id: '1'\n", false).unwrap_err().0,
            Reason::IdMismatch
        );
        assert_eq!(
            parse("run_id: r\nexperiment_id: '2'\n", false).unwrap_err().0,
            Reason::IdMismatch
        );
        assert_eq!(parse("", false).unwrap_err().0, Reason::NotYaml);
    }
}
