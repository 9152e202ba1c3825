//! Metric history: series of points, cut into slices.

use super::ArchiveWriter;
use crate::archive::error::{ArchiveError, Result};
use crate::archive::metric_slices::PointSeries;
use crate::format::{Kind, SortKey};
use crate::model::{MetricSlice, ModelMetricSlice, Point};
use std::fmt;

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
        let series_key = run.clone().text(key);
        let id = &format_args!("{run_id}/{key}");
        self.write_slices(Kind::Metrics, &series_key, id, series, |slice, line| {
            serde_json::to_writer(line, &MetricSlice::from_points(run_id, key, slice))
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
        let series_key = model.clone().text(key);
        let id = &format_args!("{model_id}/{key}");
        self.write_slices(Kind::ModelMetrics, &series_key, id, series, |slice, line| {
            serde_json::to_writer(line, &ModelMetricSlice::from_points(model_id, key, slice))
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
        id: &dyn fmt::Display,
        series: PointSeries,
        line_of: impl Fn(&[Point], &mut Vec<u8>) -> serde_json::Result<()>,
    ) -> Result<()> {
        let mut line = std::mem::take(&mut self.line);
        let writer = self.kind_writer(kind);
        let mut points = 0;
        let written = series.for_each_slice(|number, slice| {
            line.clear();
            line_of(slice, &mut line).expect("columns of numbers and strings can be written");
            writer
                .write(key.clone().number(number), id, &line)
                .map_err(SliceError::Archive)?;
            points += slice.len() as u64;
            Ok(())
        });
        self.line = line;
        // What was refused is not there.
        self.totals.metric_points += points;
        written.map_err(|error| match error {
            SliceError::Archive(error) => error,
            SliceError::Io(error) => ArchiveError::io("use a temporary file in", &self.scratch)(error),
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
