//! Metric histories of an export, taken from the file while it is read, in bounded memory.

use super::fields::Fields;
use crate::archive::{PointSeries, decode_point, encode_point};
use crate::model::Extra;
use crate::model::metric::PointLink;
use crate::model::pyjson::{ListSink, PyJson};
use crate::model::{Double, LatestMetric, Point};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Points of all metrics held in memory before they go to a temporary file (32 bytes each).
const MEMORY_POINTS: usize = 100_000;

/// Takes the lists below `metrics` of a `run.json`, of either format.
pub(super) struct MetricsSink {
    scratch: PathBuf,
    metrics: BTreeMap<String, Metric>,
    current: String,
    held: usize,
    limit: usize,
    spool: Option<BufWriter<File>>,
    spooled_bytes: u64,
    /// Points with fields that are not known.
    saying_more: u64,
    error: Option<io::Error>,
}

/// The points of one metric: first those in the temporary file, then those in memory.
#[derive(Default)]
struct Metric {
    /// Where in the temporary file, and how many.
    segments: Vec<(u64, usize)>,
    memory: Vec<Point>,
    latest: Option<LatestMetric>,
    bad_points: u64,
}

impl MetricsSink {
    /// An empty sink; `scratch` takes long histories.
    pub(super) fn new(scratch: &Path) -> Self {
        MetricsSink {
            scratch: scratch.to_owned(),
            metrics: BTreeMap::new(),
            current: String::new(),
            held: 0,
            limit: MEMORY_POINTS,
            spool: None,
            spooled_bytes: 0,
            saying_more: 0,
            error: None,
        }
    }

    /// What was taken.
    pub(super) fn finish(mut self) -> io::Result<Metrics> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        let spool = match self.spool.take() {
            Some(spool) => Some(spool.into_inner().map_err(io::IntoInnerError::into_error)?),
            None => None,
        };
        Ok(Metrics {
            scratch: self.scratch,
            metrics: self.metrics,
            spool,
            saying_more: self.saying_more,
        })
    }

    fn push(&mut self, point: Point) -> io::Result<()> {
        let metric = self.metrics.entry(self.current.clone()).or_default();
        LatestMetric::renew(&mut metric.latest, &point);
        metric.memory.push(point);
        self.held += 1;
        if self.held < self.limit {
            Ok(())
        } else {
            self.spill()
        }
    }

    fn spill(&mut self) -> io::Result<()> {
        let spool = match &mut self.spool {
            Some(spool) => spool,
            none => none.insert(BufWriter::new(tempfile::tempfile_in(&self.scratch)?)),
        };
        for metric in self
            .metrics
            .values_mut()
            .filter(|metric| !metric.memory.is_empty())
        {
            metric.segments.push((self.spooled_bytes, metric.memory.len()));
            for point in std::mem::take(&mut metric.memory) {
                let mut bytes = encode_point(&point);
                bytes.push(b'\n');
                spool.write_all(&bytes)?;
                self.spooled_bytes += bytes.len() as u64;
            }
        }
        self.held = 0;
        Ok(())
    }
}

impl ListSink for MetricsSink {
    fn begin(&mut self, path: &[String]) -> bool {
        let keys: Vec<_> = path.iter().map(String::as_str).collect();
        let (["mlflow", "metrics", metric] | ["metrics", metric]) = keys[..] else {
            return false;
        };
        self.current = metric.to_owned();
        self.metrics.insert(metric.to_owned(), Metric::default());
        true
    }

    fn item(&mut self, item: PyJson) {
        self.saying_more += u64::from(says_more(&item));
        let Some(point) = point(&item) else {
            self.metrics.entry(self.current.clone()).or_default().bad_points += 1;
            return;
        };
        if let Err(error) = self.push(without(point, |link| &mut link.run_id)) {
            self.error.get_or_insert(error);
        }
    }
}

/// The metrics of a run.
pub(super) struct Metrics {
    scratch: PathBuf,
    metrics: BTreeMap<String, Metric>,
    spool: Option<File>,
    pub(super) saying_more: u64,
}

impl Metrics {
    /// The latest point of each metric.
    pub(super) fn latest(&self) -> impl Iterator<Item = (String, LatestMetric)> + '_ {
        let latest = |(key, metric): (&String, &Metric)| Some((key.clone(), metric.latest.clone()?));
        self.metrics.iter().filter_map(latest)
    }

    /// The series of the metric that comes next by name, and how many of its points were none.
    pub(super) fn take_next(&mut self) -> io::Result<Option<(String, PointSeries, u64)>> {
        let Some((key, metric)) = self.metrics.pop_first() else {
            return Ok(None);
        };
        let mut series = PointSeries::new(&self.scratch);
        let mut line = Vec::new();
        if let Some(file) = &mut self.spool {
            for (offset, count) in metric.segments {
                file.seek(SeekFrom::Start(offset))?;
                let mut reader = BufReader::new(&mut *file);
                for _ in 0..count {
                    line.clear();
                    reader.read_until(b'\n', &mut line)?;
                    series.push(decode_point(&line)?)?;
                }
            }
        }
        for point in metric.memory {
            series.push(point)?;
        }
        Ok(Some((key, series, metric.bad_points)))
    }
}

/// A point of a series, without the id of what owns that.
pub(super) fn without(mut point: Point, owner: fn(&mut PointLink) -> &mut Option<String>) -> Point {
    point.link = point.link.and_then(|mut link| {
        *owner(&mut link) = None;
        link.boxed()
    });
    point
}

/// Whether a point has fields that are not known.
pub(super) fn says_more(exported: &PyJson) -> bool {
    let mut fields = exported.as_dict().unwrap_or_default().iter();
    fields.any(|(name, value)| !Point::has_field(name) && !name.starts_with('_') && !value.is_null())
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
    let wrong = fields.finish(&mut Extra::new());
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

#[cfg(test)]
mod tests {
    use super::*;

    /// All points by metric, read with room for `limit` points in memory.
    fn taken(text: &str, limit: usize) -> Vec<(String, Vec<Point>, u64)> {
        let scratch = tempfile::tempdir().expect("a temporary folder");
        let mut sink = MetricsSink::new(scratch.path());
        sink.limit = limit;
        PyJson::read(text.as_bytes(), &mut sink).expect("the text parses");
        let mut metrics = sink.finish().expect("points are held");
        let mut found = Vec::new();
        while let Some((key, series, bad)) = metrics.take_next().expect("points come back") {
            let mut points = Vec::new();
            let mut keep = |_, slice: &[Point]| {
                points.extend_from_slice(slice);
                io::Result::Ok(())
            };
            series.for_each_slice(&mut keep).expect("points are in memory");
            found.push((key, points, bad));
        }
        found
    }

    #[test]
    fn points_that_went_to_a_file_come_back_as_they_were() {
        let point = |number: i64| {
            let value = if number % 3 == 0 {
                "NaN".to_owned()
            } else {
                format!("{number}.5")
            };
            format!(
                r#"{{"value": {value}, "timestamp": {number}, "step": -{number}, "model_id": "m-{}"}}"#,
                number % 2
            )
        };
        let list = |from: i64| (from..from + 10).map(point).collect::<Vec<_>>().join(",");
        let text = format!(
            r#"{{"metrics": {{"b": [{}, null], "a": [{}], "c": []}}}}"#,
            list(0),
            list(50)
        );
        let all = taken(&text, 1_000);
        assert_eq!(
            all.iter()
                .map(|(_, points, bad)| (points.len(), *bad))
                .collect::<Vec<_>>(),
            [(10, 0), (10, 1), (0, 0)]
        );
        assert_eq!(taken(&text, 3), all);
    }

    #[test]
    fn a_metric_that_is_repeated_counts_as_its_last() {
        let text = r#"{"metrics": {"a": [{"value": 1.0, "timestamp": 1, "step": 0}], "a": [{"value": 2, "timestamp": 1}]}}"#;
        let found = taken(text, 1);
        assert_eq!((found.len(), found[0].1[0].value), (1, Double(2.0)));
    }
}
