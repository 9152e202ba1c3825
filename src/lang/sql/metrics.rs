//! Metric history of runs, in bounded memory: several runs in one query as long as their points are few, one metric
//! after the other where a run has very many.

use super::columns::METRICS;
use super::exporter::{Exporter, Result};
use super::fields::{Fields, Oddities};
use super::tables::Tables;
use crate::archive::{ArchiveError, PointSeries};
use crate::format::{Kind, Reason, SortKey};
use crate::lang::session::Export;
use crate::model::{Double, Point, Run};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Points that are read into memory at once.
const HELD_POINTS: u64 = 100_000;

/// The value of a metric row; SQL stores keep NaN as 0 with a flag.
pub(super) fn value_of(row: &Fields<'_>, value: usize, is_nan: usize) -> Option<Double> {
    match row.int(is_nan) {
        Some(flag) if flag != 0 => Some(Double(f64::NAN)),
        _ => row.double(value).map(Double),
    }
}

/// Whether a value may have been infinite: SQL stores keep ±Infinity as the largest double.
pub(super) fn may_be_infinite(value: Double) -> bool {
    value.0.abs() == f64::MAX
}

/// Points by metric.
type Series = BTreeMap<String, Vec<Point>>;

/// The metrics of a batch of runs; those of the next runs are read when they are due.
pub(super) struct OpenMetrics {
    counts: Vec<u64>,
    held: Vec<Series>,
    /// The first place that is not read yet.
    next: usize,
}

impl OpenMetrics {
    /// Counts the points of these runs, which asks only the index.
    pub(super) fn count(tables: &Tables, run_ids: &[&str]) -> Result<Self> {
        let mut counts = vec![0; run_ids.len()];
        tables.sums_of_owners(METRICS, "0", run_ids, |place, sums| counts[place] += sums.rows)?;
        Ok(OpenMetrics {
            held: counts.iter().map(|_| Series::new()).collect(),
            counts,
            next: 0,
        })
    }

    /// Reads the run at `place` and as many after it as memory allows.
    fn read(&mut self, tables: &Tables, place: usize, run_ids: &[&str]) -> Result<()> {
        let mut points = 0;
        let count = self.counts[place..]
            .iter()
            .take_while(|&&count| {
                points += count;
                points <= HELD_POINTS
            })
            .count();
        let held = &mut self.held[place..place + count];
        tables.of_owners(METRICS, "", &run_ids[place..place + count], |run, row| {
            if let Some(point) = point_of(row) {
                let key = row.required_text(1);
                held[run].entry(key).or_default().push(point);
            }
            Ok(())
        })?;
        self.next = place + count;
        Ok(())
    }
}

fn point_of(row: &Fields<'_>) -> Option<Point> {
    Some(Point {
        timestamp: row.int(3)?,
        step: row.int(4).unwrap_or(0),
        value: value_of(row, 2, 5)?,
        link: None,
    })
}

impl Exporter<'_> {
    /// Writes the metrics of the run at `place` of a batch; latest points that the database lacks come from the history.
    pub(super) fn write_metrics(
        &mut self,
        metrics: &mut OpenMetrics,
        place: usize,
        run: &mut Run,
        run_ids: &[&str],
    ) -> Result<()> {
        let is_told = !run.metrics.is_empty() || metrics.counts[place] == 0;
        if self.export.is_survey() && is_told {
            metrics.next = metrics.next.max(place + 1);
            self.export.writer.count_points(metrics.counts[place]);
            return Ok(());
        }
        let mut writer = SeriesWriter {
            scratch: self.export.writer.scratch().to_owned(),
            export: &mut self.export,
            oddities: &self.tables.oddities,
            sort_key: run.info.sort_key(),
            run,
            open: None,
        };
        if metrics.counts[place] > HELD_POINTS {
            metrics.next = place + 1;
            return writer.write_many(&self.tables);
        }
        if place >= metrics.next {
            metrics.read(&self.tables, place, run_ids)?;
        }
        for (key, points) in std::mem::take(&mut metrics.held[place]) {
            writer.begin(key)?;
            points.into_iter().try_for_each(|point| writer.push(point))?;
        }
        writer.finish()
    }
}

/// Writes the series of one run.
struct SeriesWriter<'a, 'm> {
    export: &'a mut Export<'m>,
    oddities: &'a Oddities,
    scratch: PathBuf,
    sort_key: SortKey,
    run: &'a mut Run,
    open: Option<(String, PointSeries)>,
}

impl SeriesWriter<'_, '_> {
    /// A run with very many points: the database sorts them by metric.
    fn write_many(mut self, tables: &Tables) -> Result<()> {
        let dialect = tables.dialect();
        let order = dialect.by_bytes(&dialect.quote("key"));
        let rest = format!("WHERE run_uuid = ? ORDER BY {order}");
        let run_id = self.run.info.run_id.clone();
        let mut rows = 0;
        tables.scan_where(METRICS, &rest, &[&run_id], |row| {
            rows += 1;
            let Some(point) = point_of(row) else { return Ok(()) };
            let key = row.required_text(1);
            if self.open.as_ref().is_none_or(|(current, _)| *current != key) {
                self.begin(key)?;
            }
            self.push(point)
        })?;
        tables.add_rows_read(METRICS, rows);
        self.finish()
    }

    /// Ends the series before and begins one.
    fn begin(&mut self, key: String) -> Result<()> {
        let before = self.open.replace((key, PointSeries::new(&self.scratch)));
        before.map_or(Ok(()), |(key, series)| self.write(&key, series))
    }

    fn push(&mut self, point: Point) -> Result<()> {
        if may_be_infinite(point.value) {
            self.oddities.count("metrics", "value", Reason::SqlInfinity);
        }
        let Some((_, series)) = &mut self.open else {
            return Ok(());
        };
        let pushed = series.push(point);
        pushed.map_err(|error| ArchiveError::io("use a temporary file in", &self.scratch)(error).into())
    }

    fn write(&mut self, key: &str, series: PointSeries) -> Result<()> {
        if let (false, Some(latest)) = (self.run.metrics.contains_key(key), series.latest()) {
            self.run.metrics.insert(key.to_owned(), latest.clone());
        }
        let run_id = &self.run.info.run_id;
        self.export
            .write_points(Kind::Runs, &self.sort_key, run_id, key, series)
    }

    fn finish(mut self) -> Result<()> {
        match self.open.take() {
            Some((key, series)) => self.write(&key, series),
            None => Ok(()),
        }
    }
}
