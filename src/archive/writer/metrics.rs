//! Metric history: series of points, cut into slices.

use super::ArchiveWriter;
use crate::archive::error::{ArchiveError, Result};
use crate::archive::points::PointSeries;
use crate::format::{Kind, SortKey};
use crate::model::{MetricSlice, ModelMetricSlice, Point};

impl ArchiveWriter {
    /// Writes the points of one metric of a run.
    ///
    /// # Errors
    /// As [`ArchiveWriter::write`].
    pub fn write_metric(
        &mut self,
        run: &SortKey,
        run_id: &str,
        key: &str,
        series: PointSeries,
    ) -> Result<()> {
        self.totals.metric_points += series.len();
        let series_key = run.clone().text(key);
        let id = format!("{run_id}/{key}");
        self.write_slices(Kind::Metrics, &series_key, &id, series, |slice| {
            serde_json::to_vec(&MetricSlice::from_points(run_id, key, slice))
        })
    }

    /// Writes the points of one metric of a logged model.
    ///
    /// # Errors
    /// As [`ArchiveWriter::write`].
    pub fn write_model_metric(
        &mut self,
        model: &SortKey,
        model_id: &str,
        key: &str,
        series: PointSeries,
    ) -> Result<()> {
        self.totals.metric_points += series.len();
        let series_key = model.clone().text(key);
        let id = format!("{model_id}/{key}");
        self.write_slices(Kind::ModelMetrics, &series_key, &id, series, |slice| {
            serde_json::to_vec(&ModelMetricSlice::from_points(model_id, key, slice))
        })
    }

    /// Counts points that are not written.
    pub fn count_points(&mut self, count: u64) {
        self.totals.metric_points += count;
    }

    fn write_slices(
        &mut self,
        kind: Kind,
        key: &SortKey,
        id: &str,
        series: PointSeries,
        line_of: impl Fn(&[Point]) -> serde_json::Result<Vec<u8>>,
    ) -> Result<()> {
        let scratch = self.scratch.clone();
        let writer = self.kind_writer(kind);
        let written = series.for_each_slice(|number, slice| {
            let line = line_of(slice).expect("columns of numbers and strings can be written");
            writer
                .write(key.clone().number(number), id, &line)
                .map_err(SliceError::Archive)
        });
        written.map_err(|error| match error {
            SliceError::Archive(error) => error,
            SliceError::Io(error) => ArchiveError::io("use temporary file in", scratch)(error),
        })
    }
}

enum SliceError {
    Archive(ArchiveError),
    Io(std::io::Error),
}

impl From<std::io::Error> for SliceError {
    fn from(error: std::io::Error) -> Self {
        SliceError::Io(error)
    }
}
