//! Logged models (MLflow 3), with params, tags and metrics.

use super::batches::stretches;
use super::columns::{LOGGED_MODEL_METRICS, LOGGED_MODEL_PARAMS, LOGGED_MODEL_TAGS, LOGGED_MODELS};
use super::exporter::{Exporter, Result};
use super::fields::{Fields, pick};
use super::metrics::may_be_infinite;
use super::run_parts::read_map;
use super::spool::Spool;
use super::tables::{BATCH, Tables};
use crate::archive::{ArchiveError, Owner, PointSeries};
use crate::format::{Kind, Object, Reason};
use crate::model::metric::PointLink;
use crate::model::{Double, LoggedModel, OwnerKind, Point};
use crate::select::{Catalogue, Verdict};
use std::collections::BTreeMap;

fn logged_model(row: &Fields<'_>) -> LoggedModel {
    LoggedModel {
        status: status_name(row.int(6)),
        ..pick(row)
    }
}

/// Statuses by the number that the column has.
const STATUSES: [&str; 4] = [
    "LOGGED_MODEL_STATUS_UNSPECIFIED",
    "LOGGED_MODEL_PENDING",
    "LOGGED_MODEL_READY",
    "LOGGED_MODEL_UPLOAD_FAILED",
];

fn status_name(number: Option<i64>) -> String {
    let number = number.unwrap_or(0);
    let known = usize::try_from(number).ok().and_then(|at| STATUSES.get(at));
    known.map_or_else(|| number.to_string(), |name| (*name).to_owned())
}

/// The number of a status; of one that MLflow does not know yet, the text is the number.
pub(super) fn status_number(status: &str) -> Option<i64> {
    let known = STATUSES.iter().position(|name| *name == status);
    known
        .and_then(|at| i64::try_from(at).ok())
        .or_else(|| status.parse().ok())
}

fn point_of(row: &Fields<'_>) -> Option<Point> {
    let link = PointLink {
        dataset_name: row.text(6),
        dataset_digest: row.text(7),
        model_id: None,
        run_id: row.text(5),
    };
    Some(Point {
        timestamp: row.int(3)?,
        step: row.int(4).unwrap_or(0),
        value: Double(row.double(2)?),
        link: link.boxed(),
    })
}

/// Tells of all logged models.
pub(super) fn tell(tables: &Tables, catalogue: &mut Catalogue) -> Result<()> {
    tables.scan(LOGGED_MODELS, |row| {
        catalogue.logged_model(&logged_model(row));
        Ok(())
    })
}

impl Exporter<'_> {
    /// Writes the logged models with their metrics and artifacts.
    pub(super) fn logged_models(&mut self) -> Result<()> {
        let mut spool = Spool::new(self.export.writer.scratch());
        self.tables.scan(LOGGED_MODELS, |row| {
            if row.is_elsewhere(&self.closure, 1, 4) {
                return Ok(());
            }
            let model = logged_model(row);
            match self.closure.logged_model(&model) {
                Verdict::LeftOut(reason) => self.export.left_out(Kind::LoggedModels, reason, 1),
                Verdict::Kept => spool.push(&model.sort_key(), &model)?,
            }
            Ok(())
        })?;
        let mut sorted = spool.finish()?;
        loop {
            let batch: Vec<LoggedModel> = sorted.batch(BATCH)?;
            if batch.is_empty() {
                return Ok(());
            }
            let ids: Vec<&str> = batch.iter().map(|model| model.model_id.as_str()).collect();
            let parts = [LOGGED_MODEL_PARAMS, LOGGED_MODEL_TAGS];
            let stretches = stretches(&self.tables, &parts, &ids)?;
            let mut batch = batch.into_iter();
            for length in stretches {
                self.logged_model_batch(batch.by_ref().take(length).collect())?;
            }
        }
    }

    fn logged_model_batch(&mut self, mut models: Vec<LoggedModel>) -> Result<()> {
        let ids: Vec<String> = models.iter().map(|model| model.model_id.clone()).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        read_map(&self.tables, LOGGED_MODEL_PARAMS, &ids, |place, key, value| {
            models[place].params.insert(key, value);
        })?;
        read_map(&self.tables, LOGGED_MODEL_TAGS, &ids, |place, key, value| {
            models[place].tags.insert(key, value);
        })?;
        self.list_ahead(models.iter().map(|model| model.artifact_uri.as_deref()))?;
        for model in models {
            self.export.write(&model)?;
            self.model_metrics(&model)?;
            let owner = Owner::of(OwnerKind::LoggedModel, &model);
            self.artifacts(&owner, &model.experiment_id, model.artifact_uri.as_deref())?;
        }
        Ok(())
    }

    fn model_metrics(&mut self, model: &LoggedModel) -> Result<()> {
        let scratch = self.export.writer.scratch().to_owned();
        let mut series: BTreeMap<String, PointSeries> = BTreeMap::new();
        self.tables
            .of_owners(LOGGED_MODEL_METRICS, "", &[&model.model_id], |_, row| {
                let Some(point) = point_of(row) else { return Ok(()) };
                if may_be_infinite(point.value) {
                    self.tables
                        .oddities
                        .count("model-metrics", "value", Reason::SqlInfinity);
                }
                let series = series
                    .entry(row.required_text(1))
                    .or_insert_with(|| PointSeries::new(&scratch));
                series
                    .push(point)
                    .map_err(|error| ArchiveError::io("use a temporary file in", &scratch)(error).into())
            })?;
        for (key, series) in series {
            let sort_key = model.sort_key();
            self.export
                .write_points(Kind::LoggedModels, &sort_key, &model.model_id, &key, series)?;
        }
        Ok(())
    }
}
