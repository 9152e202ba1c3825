//! Logged models (MLflow 3): `<experiment>/models/<model id>/`.

use super::artifacts::{FoundArtifacts, find};
use super::index::{Described, Indexed, Place, open};
use super::key_files::{KeyOwner, read_values};
use super::meta::Meta;
use super::metric_lines::LineOwner;
use super::metrics::{self, FoundMetric, MetricOwner};
use super::notes::{Fault, Notes};
use super::store::{META, Store};
use crate::format::Kind;
use crate::lang::artifacts::local_roots::OwnerRef;
use crate::model::lifecycle;
use crate::model::{LoggedModel, OwnerKind};
use std::path::Path;

impl Described for LoggedModel {
    const KIND: Kind = Kind::LoggedModels;
    const FILE: &'static str = META;

    fn parse(bytes: &[u8], id: &str, place: &Place, path: &Path, notes: &mut Notes) -> Result<Self, Fault> {
        let mut meta = Meta::at(path, bytes)?;
        let model_id = meta.told_by(path, "model_id", id)?;
        let experiment_id = meta.told_by(path, "experiment_id", &place.experiment_id)?;
        for name in ["tags", "params", "metrics"] {
            meta.ignore_empty(name);
        }
        Ok(LoggedModel {
            model_id,
            experiment_id,
            name: meta.text("name"),
            artifact_uri: meta.text("artifact_location"),
            creation_timestamp_ms: meta.int("creation_timestamp"),
            last_updated_timestamp_ms: meta.int("last_updated_timestamp"),
            status: status(meta.text("status")),
            status_message: meta.text("status_message"),
            // Finalizing a model drops the key.
            lifecycle_stage: place.stage(meta.text("lifecycle_stage")),
            model_type: meta.text("model_type"),
            source_run_id: meta.text("source_run_id"),
            extra: meta.finish(Kind::LoggedModels, id, path, notes),
            ..LoggedModel::default()
        })
    }

    fn time(&self) -> Option<i64> {
        self.creation_timestamp_ms
    }

    fn is_deleted(&self) -> bool {
        lifecycle::is_deleted(&self.lifecycle_stage)
    }
}

/// The name of a status, which the file has as a number.
fn status(text: Option<String>) -> String {
    let name = match text.as_deref() {
        None | Some("0") => "LOGGED_MODEL_STATUS_UNSPECIFIED",
        Some("1") => "LOGGED_MODEL_PENDING",
        Some("2") => "LOGGED_MODEL_READY",
        Some("3") => "LOGGED_MODEL_UPLOAD_FAILED",
        Some(other) => other,
    };
    name.to_owned()
}

/// A logged model as a worker thread found it.
pub(super) struct FoundModel {
    /// The model.
    pub(super) model: LoggedModel,
    pub(super) metrics: Vec<FoundMetric>,
    pub(super) artifacts: FoundArtifacts,
}

/// Reads a logged model; none where its file cannot be read.
pub(super) fn read(
    store: &Store,
    folder: &Path,
    place: &Place,
    found: Indexed<LoggedModel>,
) -> (Option<FoundModel>, Notes) {
    let mut notes = Notes::default();
    let id = found.id;
    let mut buffer = Vec::new();
    let opened = open(store, folder, place, &id, found.held, &mut buffer, &mut notes);
    let Some((mut model, own)) = opened else {
        return (None, notes);
    };
    let values = |field: &'static str| KeyOwner::of(Kind::LoggedModels, &id, field);
    model.params = read_values(store, &own, "params", values("params"), &mut buffer, &mut notes);
    model.tags = read_values(store, &own, "tags", values("tags"), &mut buffer, &mut notes);
    let metrics = metrics::read(store, &own, metric_owner(&id), &mut buffer, &mut notes);
    let own_artifacts = own.path_of(b"artifacts");
    let owner = OwnerRef {
        kind: OwnerKind::LoggedModel,
        id: &id,
    };
    let uri = model.artifact_uri.as_deref();
    let artifacts = find(store, owner, uri, &own_artifacts, &mut notes);
    let found = FoundModel {
        model,
        metrics,
        artifacts,
    };
    (Some(found), notes)
}

/// The owner of a logged model's metric files.
pub(super) fn metric_owner(model_id: &str) -> MetricOwner<'_> {
    MetricOwner {
        kind: Kind::LoggedModels,
        id: model_id,
        lines: LineOwner::LoggedModel,
    }
}
