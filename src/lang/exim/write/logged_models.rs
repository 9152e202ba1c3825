//! Logged models with their metrics and artifacts; only the newest layout has them.

use super::artifacts::Destination;
use super::dicts::point_dict;
use super::document::end;
use super::experiments::Current;
use super::runs::Runs;
use super::scratch::Scratch;
use super::{Converter, Result, fields};
use crate::archive::walk::JoinedObjects;
use crate::archive::{Archive, Result as ArchiveResult};
use crate::format::{Kind, Reason};
use crate::lang::exim::dict::Dict;
use crate::lang::exim::tags::canonical::tags_dict;
use crate::model::pyjson::PyJson;
use crate::model::{LoggedModel, ModelMetricSlice};
use std::path::Path;

const KIND: Kind = Kind::LoggedModels;

/// The logged models of an archive, in step with what belongs to them.
pub(super) struct LoggedModels<'a> {
    models: JoinedObjects<'a, LoggedModel>,
    source_runs: Vec<String>,
    /// Ids of the current experiment's models that were written.
    pub(super) written: Scratch,
}

impl<'a> LoggedModels<'a> {
    pub(super) fn new(archive: &'a Archive, scratch: &Path) -> ArchiveResult<Self> {
        let mut source_runs = Vec::new();
        for model in archive.objects::<LoggedModel>() {
            source_runs.extend(model?.source_run_id);
        }
        Ok(LoggedModels {
            models: JoinedObjects::new(archive, &[Kind::ModelMetrics, Kind::Artifacts])?,
            source_runs,
            written: Scratch::create(scratch)?,
        })
    }

    /// The runs that made the models of the archive.
    pub(super) fn source_runs(&self) -> impl Iterator<Item = &str> {
        self.source_runs.iter().map(String::as_str)
    }

    /// The experiment of the next model.
    pub(super) fn next_experiment(&mut self) -> ArchiveResult<Option<String>> {
        Ok(self.models.peek()?.map(|model| model.experiment_id.clone()))
    }

    /// Writes the models of an experiment, or counts them.
    pub(super) fn write(
        &mut self,
        converter: &mut Converter<'_>,
        current: &Current<'_>,
        runs: &mut Runs<'_>,
    ) -> Result<()> {
        self.written.clear()?;
        while let Some(model) = self
            .models
            .next_if(|model| model.experiment_id == current.experiment_id)?
        {
            let id = &model.model_id;
            match current.member(converter, KIND, id, &model.lifecycle_stage)? {
                Ok(folder) => self.model(converter, &model, &folder, runs)?,
                Err(why) => self.leave_out(converter, why)?,
            }
        }
        Ok(())
    }

    fn leave_out(&mut self, converter: &mut Converter<'_>, why: Reason) -> Result<()> {
        converter.limit(KIND, "*", why, 1);
        while let Some(slice) = self.models.child::<ModelMetricSlice>()? {
            converter.limit(Kind::ModelMetrics, "*", why, slice.values.len() as u64);
        }
        converter.artifacts(&mut self.models, &Destination::Nowhere(why), None)?;
        Ok(())
    }

    fn model(
        &mut self,
        converter: &mut Converter<'_>,
        model: &LoggedModel,
        folder: &Path,
        runs: &mut Runs<'_>,
    ) -> Result<()> {
        let id = &model.model_id;
        converter.count_not_utf8(KIND, "params", &model.params);
        converter.count_not_utf8(KIND, "tags", &model.tags);
        let path = folder.join("logged_model.json");
        let mut dump = converter.begin(&path, "export_logged_model.py", None)?;
        dump.entries(&model_fields(model))?;
        dump.key("metrics")?;
        dump.begin("[")?;
        while let Some(slice) = self.models.child::<ModelMetricSlice>()? {
            for point in slice.points() {
                dump.item()?;
                dump.value(&metric(&slice.key, id, point_dict(&point)))?;
            }
            converter.report.metric_points += slice.values.len() as u64;
        }
        dump.end("]")?;
        dump.entry("model_uri", &PyJson::from(format!("models:/{id}")))?;
        let source_run = model.source_run_id.as_deref().unwrap_or_default();
        dump.entry("dataset_inputs", &runs.dataset_inputs_of(source_run)?)?;
        let mut extra = Dict::default();
        extra.put_extra(&model.extra);
        dump.entries(&extra.finish())?;
        end(dump)?;
        let artifacts = folder.join("artifacts");
        converter.artifacts(&mut self.models, &Destination::Folder(&artifacts), None)?;
        converter.wrote(KIND);
        Ok(self.written.push(&PyJson::from(id.as_str())).map(drop)?)
    }
}

/// A point of a model's metric: the metric's name first, and the model.
fn metric(key: &str, model_id: &str, point: PyJson) -> PyJson {
    let point = fields::with(point, "model_id", PyJson::from(model_id));
    let PyJson::Dict(mut entries) = point else {
        unreachable!("a point is a dict")
    };
    entries.insert(0, ("key".to_owned(), PyJson::from(key)));
    PyJson::Dict(entries)
}

fn model_fields(model: &LoggedModel) -> PyJson {
    let mut dict = Dict::default();
    dict.put("experiment_id", model.experiment_id.as_str());
    dict.put("model_id", model.model_id.as_str());
    dict.put("name", model.name.as_deref());
    dict.put("artifact_location", model.artifact_uri.as_deref());
    dict.put("creation_time", model.creation_timestamp_ms);
    dict.put("last_updated_timestamp", model.last_updated_timestamp_ms);
    dict.put("model_type", model.model_type.as_deref());
    dict.put("source_run_id", model.source_run_id.as_deref());
    dict.put("status", status(&model.status));
    dict.put("status_message", model.status_message.as_deref());
    dict.put("tags", tags_dict(&model.tags));
    dict.put("params", tags_dict(&model.params));
    dict.finish()
}

/// The client's name of a status.
fn status(of_rest: &str) -> &str {
    match of_rest {
        "LOGGED_MODEL_UPLOAD_FAILED" => "FAILED",
        "LOGGED_MODEL_STATUS_UNSPECIFIED" => "UNSPECIFIED",
        other => other.strip_prefix("LOGGED_MODEL_").unwrap_or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_has_the_clients_name() {
        let names = ["PENDING", "READY", "UPLOAD_FAILED", "STATUS_UNSPECIFIED"];
        let found = names.map(|name| status(&format!("LOGGED_MODEL_{name}")).to_owned());
        assert_eq!(found, ["PENDING", "READY", "FAILED", "UNSPECIFIED"]);
        assert_eq!(status("NEW"), "NEW");
    }
}
