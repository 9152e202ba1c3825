//! Logged models with their params, tags, metrics and artifacts.

use super::rows::Target;
use super::runs::dataset_uuid;
use super::{Result, StorePlace, Subject, Writer};
use crate::archive::walk::JoinedObjects;
use crate::format::{Kind, Reason};
use crate::lang::sql::database::Cell;
use crate::lang::sql::logged_models::status_number;
use crate::model::{ArtifactList, LoggedModel, ModelMetricSlice, Point};
use std::collections::BTreeSet;

/// The time by which logged models are ordered.
pub(crate) const CREATED: &str = "creation_timestamp_ms";

impl Writer<'_> {
    pub(super) fn logged_models(&mut self) -> Result<()> {
        self.begin(Kind::LoggedModels);
        let children = [Kind::ModelMetrics, Kind::Artifacts];
        let mut models = JoinedObjects::<LoggedModel>::new(self.archive, &children)?;
        while let Some(model) = models.next()? {
            self.monitor.advance(1);
            let Some((experiment, place)) = self.logged_model(&model)? else {
                continue;
            };
            self.outcome.count(Kind::LoggedModels);
            let mut taken = Taken::default();
            while let Some(slice) = models.child::<ModelMetricSlice>()? {
                self.model_metrics(&model, experiment, &slice, &mut taken)?;
                self.outcome.count(Kind::ModelMetrics);
            }
            while let Some(list) = models.child::<ArtifactList>()? {
                self.artifacts(&place, &list, model.artifact_uri.as_deref())?;
            }
        }
        Ok(())
    }

    /// Writes a model; its experiment in the target and where it keeps artifacts.
    fn logged_model(&mut self, model: &LoggedModel) -> Result<Option<(i64, StorePlace)>> {
        let kind = Kind::LoggedModels;
        let subject = Subject::of(kind, &model.model_id);
        let Some(experiment) = self.rules.experiment(&model.experiment_id).cloned() else {
            self.lose(subject, "*", Reason::ExperimentNotInArchive);
            return Ok(None);
        };
        let place = experiment.place().logged_model(&model.model_id);
        let stated = model.artifact_uri.as_deref();
        let uri = self.set_place(kind, "artifact_uri", &place, stated);
        self.rules.learn_root(&model.model_id, stated, &uri);
        let status = status_number(&model.status).unwrap_or_else(|| {
            self.lose(subject, "status", Reason::BadField);
            0
        });
        let created = self.ordering(kind, CREATED, model.creation_timestamp_ms);
        let updated = self.required(
            subject,
            "last_updated_timestamp_ms",
            model.last_updated_timestamp_ms,
        );
        let row = [
            Cell::from(&model.model_id),
            Cell::Integer(experiment.id),
            self.required_text(subject, "name", model.name.as_deref()).into(),
            Cell::from(&uri),
            created.into(),
            updated.into(),
            status.into(),
            self.stage(subject, "lifecycle_stage", &model.lifecycle_stage)
                .into(),
            model.model_type.as_deref().into(),
            model.source_run_id.as_deref().into(),
            model.status_message.as_deref().into(),
        ];
        self.rows.insert(Target::LoggedModels, &row)?;
        self.lose_extra(subject, &model.extra, "");
        let (id, experiment_id) = (row[0], row[1]);
        self.map(subject, "params", &model.params, &mut |writer, key, value| {
            let row = [id, key.into(), value.into(), experiment_id];
            writer.rows.insert(Target::LoggedModelParams, &row)
        })?;
        self.tags(subject, &model.tags, &mut |writer, key, value| {
            let row = [id, key.into(), value.into(), experiment_id];
            writer.rows.insert(Target::LoggedModelTags, &row)
        })?;
        Ok(Some((experiment.id, place)))
    }

    fn model_metrics(
        &mut self,
        model: &LoggedModel,
        experiment: i64,
        slice: &ModelMetricSlice,
        taken: &mut Taken,
    ) -> Result<()> {
        let subject = Subject::of(Kind::ModelMetrics, &model.model_id);
        for mut point in slice.points() {
            point.value.0 = self.number(subject, &slice.key, point.value.0);
            if point.value.0.is_nan() {
                // The column has no flag for it, and MLflow itself writes this.
                self.lose(subject, &slice.key, Reason::NanAsZero);
                point.value.0 = 0.0;
            }
            let run_id = point.link.as_deref().and_then(|link| link.run_id.as_deref());
            if run_id.is_none() {
                self.lose(subject, &slice.key, Reason::AbsentAsDefault);
            }
            if taken.claim(&slice.key, &point, run_id.unwrap_or_default()) {
                self.model_metric(model, experiment, &slice.key, &point)?;
            } else {
                self.lose(subject, &slice.key, Reason::RepeatedPoint);
            }
        }
        Ok(())
    }

    fn model_metric(&mut self, model: &LoggedModel, experiment: i64, key: &str, point: &Point) -> Result<()> {
        let link = point.link.as_deref();
        let run_id = link.and_then(|link| link.run_id.as_deref()).unwrap_or_default();
        let name = link.and_then(|link| link.dataset_name.as_deref());
        let digest = link.and_then(|link| link.dataset_digest.as_deref());
        let dataset = name
            .zip(digest)
            .map(|(name, digest)| dataset_uuid(&model.experiment_id, name, digest));
        let dataset = dataset.filter(|uuid| self.datasets.contains(uuid));
        self.outcome.metric_points += 1;
        let row = [
            Cell::from(&model.model_id),
            key.into(),
            point.value.0.into(),
            point.timestamp.into(),
            point.step.into(),
            run_id.into(),
            name.into(),
            digest.into(),
            experiment.into(),
            dataset.as_deref().into(),
        ];
        self.rows.insert(Target::LoggedModelMetrics, &row)
    }
}

/// The runs that measured a metric at the current time and step: the table holds one point of each.
#[derive(Default)]
struct Taken {
    key: String,
    at: (i64, i64),
    runs: BTreeSet<String>,
}

impl Taken {
    /// Takes the row of a point; false where another has it.
    fn claim(&mut self, key: &str, point: &Point, run_id: &str) -> bool {
        let at = (point.timestamp, point.step);
        if self.key != key || self.at != at {
            key.clone_into(&mut self.key);
            self.at = at;
            self.runs.clear();
        }
        self.runs.insert(run_id.to_owned())
    }
}
