//! Metrics of logged models, and records of evaluation datasets.

use super::Filler;
use super::curves::{Drawn, each_owner};
use super::objects::{Collected, Maker};
use super::spool::Spool;
use super::text::{Row, inert, integer, name};
use crate::archive::walk::{Cursor, OwnerHead};
use crate::archive::{Archive, Result};
use crate::format::Kind;
use crate::model::{DatasetRecord, LatestMetric, ModelMetricSlice};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::path::Path;

/// Metrics of a model that the page has, each for one dataset and run.
const MOST_METRICS: usize = 500;

/// What was measured: the metric, and on which dataset in which run.
type Series = (String, Option<String>, Option<String>);

/// The logged model whose metrics are being read.
type OpenModel = (Drawn, BTreeMap<Series, Points>);

/// The points of a series.
struct Points {
    count: u64,
    least: f64,
    greatest: f64,
    /// The point that MLflow takes for the latest.
    latest: LatestMetric,
}

/// The metrics of all logged models of the page.
pub(super) struct ModelMetrics {
    pub(super) spool: Spool,
    /// The rows of the models, in the order of the spool.
    pub(super) models: Vec<Drawn>,
    /// Metrics beyond those that the page has.
    pub(super) left_out: u64,
}

impl ModelMetrics {
    fn take(&mut self, (drawn, series): OpenModel) -> Result<()> {
        self.left_out += series.len().saturating_sub(MOST_METRICS) as u64;
        let rows = series.iter().take(MOST_METRICS).map(row);
        self.spool
            .push(drawn.time, &inert(&Value::Array(rows.collect())))?;
        self.models.push(drawn);
        Ok(())
    }
}

/// `[key, dataset, run, points, least, greatest, latest value, its step]`
fn row(((key, dataset, run), points): (&Series, &Points)) -> Value {
    let linked = |text: &Option<String>| text.as_deref().map_or(Value::Null, name);
    let finite = |value: f64| {
        if value.is_finite() {
            json!(value)
        } else {
            Value::Null
        }
    };
    let LatestMetric {
        step, value: latest, ..
    } = points.latest;
    json!([
        name(key),
        linked(dataset),
        linked(run),
        points.count,
        finite(points.least),
        finite(points.greatest),
        latest,
        integer(step)
    ])
}

/// Reads the metrics of the models whose row `row_of` knows, by their number in the archive.
pub(super) fn model_metrics(
    archive: &Archive,
    scratch: &Path,
    row_of: &dyn Fn(usize) -> Option<u32>,
) -> Result<ModelMetrics> {
    let mut metrics = ModelMetrics {
        spool: Spool::new(scratch)?,
        models: Vec::new(),
        left_out: 0,
    };
    let begin = |owner: &OwnerHead| {
        let (row, time) = (row_of(owner.number)?, owner.head.creation_timestamp_ms.as_i64());
        Some((Drawn { row, time }, BTreeMap::new()))
    };
    let mut left_out = 0;
    let add = |(_, series): &mut OpenModel, cursor: &Cursor<'_>| {
        add(series, &cursor.parse()?, &mut left_out);
        Ok(())
    };
    let kinds = [Kind::LoggedModels, Kind::ModelMetrics];
    each_owner(archive, kinds, begin, add, |model| metrics.take(model))?;
    metrics.left_out += left_out;
    Ok(metrics)
}

/// Adds the points of a line. A model with very many series has the first; points of further ones are counted.
fn add(series: &mut BTreeMap<Series, Points>, slice: &ModelMetricSlice, left_out: &mut u64) {
    let link = |column: &Option<Vec<Option<String>>>, place: usize| column.as_ref()?.get(place)?.clone();
    let points = slice.steps.iter().zip(&slice.timestamps).zip(&slice.values);
    for (place, ((&step, &timestamp), &value)) in points.enumerate() {
        let point = LatestMetric {
            timestamp,
            step,
            value,
        };
        let name = (
            slice.key.clone(),
            link(&slice.dataset_names, place),
            link(&slice.run_ids, place),
        );
        if series.len() > MOST_METRICS && !series.contains_key(&name) {
            *left_out += 1;
            continue;
        }
        let points = series.entry(name).or_insert(Points {
            count: 0,
            least: f64::INFINITY,
            greatest: f64::NEG_INFINITY,
            latest: point.clone(),
        });
        points.count += 1;
        if value.0.is_finite() {
            points.least = points.least.min(value.0);
            points.greatest = points.greatest.max(value.0);
        }
        if point.is_later_than(&points.latest) {
            points.latest = point;
        }
    }
}

impl<W: Write> Filler<'_, W> {
    /// Metrics of the logged models that the page has.
    pub(super) fn model_metrics(&mut self, owners: &super::Owners) -> Result<()> {
        let room = self.room(20);
        let row_of = |number| owners.logged_models.row(number);
        let metrics = model_metrics(self.maker.archive, self.maker.scratch, &row_of)?;
        let element = |number: usize| format!("m{}", metrics.models[number].row);
        self.blocks("logged models with metrics", metrics.spool, room, &element)?;
        self.share("further metrics of logged models", 0, metrics.left_out);
        Ok(())
    }
}

impl Maker<'_> {
    /// The records of these evaluation datasets.
    pub(super) fn records(&mut self, datasets: &HashSet<String>) -> Result<Collected> {
        self.collect(Kind::DatasetRecords, |maker, record: DatasetRecord| {
            if !datasets.contains(&record.dataset_id) {
                return None;
            }
            let mut row = Row::default();
            row.put_name("i", Some(&record.dataset_record_id));
            row.put_name("g", Some(&record.dataset_id));
            let parts = [
                ("in", &record.inputs),
                ("out", &record.outputs),
                ("ex", &record.expectations),
                ("t", &record.tags),
                ("so", &record.source),
            ];
            for (key, value) in parts {
                let value = value
                    .as_ref()
                    .map_or(Value::Null, |value| maker.texts.free(value));
                row.put(key, value);
            }
            row.put_integer("a", record.created_time);
            row.put_name("u", record.created_by.as_deref());
            Some((record.last_update_time.or(record.created_time), row))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Double;

    #[test]
    fn the_latest_point_is_the_one_that_mlflow_takes() {
        let slice = ModelMetricSlice {
            key: "auc".to_owned(),
            steps: vec![1, 2, 2, 2],
            timestamps: vec![9, 5, 5, 5],
            values: [0.5, 0.25, f64::NAN, -1.0].map(Double).into(),
            ..ModelMetricSlice::default()
        };
        let (mut series, mut left_out) = (BTreeMap::new(), 0);
        add(&mut series, &slice, &mut left_out);
        let points = series.values().next().unwrap();
        assert_eq!((points.latest.step, points.latest.value), (2, Double(0.25)));
        assert_eq!((points.count, left_out), (4, 0));
    }
}
