//! Metric histories of an export, taken from the file while it is read.

use super::fields::Fields;
use crate::archive::PointSeries;
use crate::model::metric::PointLink;
use crate::model::pyjson::{ListSink, PyJson};
use crate::model::{Double, Point};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Takes the lists below `metrics` of a `run.json`, of either format.
pub(super) struct MetricsSink {
    scratch: PathBuf,
    series: BTreeMap<String, PointSeries>,
    current: String,
    bad_points: BTreeMap<String, u64>,
    error: Option<io::Error>,
}

impl MetricsSink {
    /// An empty sink; `scratch` takes long series.
    pub(super) fn new(scratch: &Path) -> Self {
        MetricsSink {
            scratch: scratch.to_owned(),
            series: BTreeMap::new(),
            current: String::new(),
            bad_points: BTreeMap::new(),
            error: None,
        }
    }

    /// The series by metric, and how many points of each were none.
    pub(super) fn finish(self) -> io::Result<Taken> {
        match self.error {
            Some(error) => Err(error),
            None => Ok(Taken {
                series: self.series,
                bad_points: self.bad_points,
            }),
        }
    }
}

/// The metrics of a run.
pub(super) struct Taken {
    pub(super) series: BTreeMap<String, PointSeries>,
    pub(super) bad_points: BTreeMap<String, u64>,
}

impl ListSink for MetricsSink {
    fn begin(&mut self, path: &[String]) -> bool {
        let keys: Vec<_> = path.iter().map(String::as_str).collect();
        let (["mlflow", "metrics", metric] | ["metrics", metric]) = keys[..] else {
            return false;
        };
        self.current = metric.to_owned();
        self.bad_points.remove(metric);
        self.series
            .insert(metric.to_owned(), PointSeries::new(&self.scratch));
        true
    }

    fn item(&mut self, item: PyJson) {
        let Some(point) = point(&item) else {
            *self.bad_points.entry(self.current.clone()).or_default() += 1;
            return;
        };
        // The run is the owner of the series.
        let point = without_run(point);
        let Some(series) = self.series.get_mut(&self.current) else {
            return;
        };
        if let Err(error) = series.push(point) {
            self.error.get_or_insert(error);
        }
    }
}

fn without_run(mut point: Point) -> Point {
    let link = point.link.take().map(|link| PointLink {
        run_id: None,
        ..*link
    });
    Point {
        link: link.and_then(PointLink::boxed),
        ..point
    }
}

/// One exported point; none where value, time or step are not numbers.
pub(super) fn point(exported: &PyJson) -> Option<Point> {
    let mut fields = Fields::new(exported);
    let value = double(fields.value("value")?)?;
    let timestamp = fields.int("timestamp")?;
    // Exports of the oldest servers have no step.
    let step = match fields.value("step") {
        Some(_) => fields.int("step")?,
        None => 0,
    };
    let link = PointLink {
        dataset_name: fields.text("dataset_name"),
        dataset_digest: fields.text("dataset_digest"),
        model_id: fields.text("model_id"),
        run_id: fields.text("run_id"),
    };
    let (_, wrong) = fields.finish();
    let point = Point {
        timestamp,
        step,
        value: Double(value),
        link: link.boxed(),
    };
    wrong.is_empty().then_some(point)
}

fn double(value: &PyJson) -> Option<f64> {
    match value {
        PyJson::Float(value) => Some(*value),
        PyJson::Int(value) => value.to_string().parse().ok(),
        PyJson::Str(text) => text.parse().ok(),
        _ => None,
    }
}
