//! Metric files of a run or a logged model.
//!
//! Small files are read with the run, on a worker thread. What exceeds a budget is left to the thread that writes, which reads
//! one such file after the other, so that memory does not grow with the length of a history.

use super::folder::Folder;
use super::key_files::{KeyOwner, unreadable, walk};
use super::metric_lines::{LineOwner, LinesReport, parse_bytes, parse_stream};
use super::notes::{self, Notes};
use super::store::Store;
use crate::archive::PointSeries;
use crate::format::{Kind, Reason};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

/// Bytes of metric files that one run brings along.
const BUDGET_BYTES: usize = 512 << 10;
/// Bytes of a typical line, for a guess at their number.
const USUAL_LINE_BYTES: usize = 30;

/// A metric that was found.
pub(super) struct FoundMetric {
    pub(super) key: String,
    points: Points,
}

enum Points {
    Read(PointSeries),
    Later(PathBuf),
}

/// Whose metrics are read.
#[derive(Clone, Copy)]
pub(super) struct MetricOwner<'a> {
    /// Kind of the owner.
    pub(super) kind: Kind,
    pub(super) id: &'a str,
    /// Which lines it has.
    pub(super) lines: LineOwner,
}

impl<'a> MetricOwner<'a> {
    fn keys(self) -> KeyOwner<'a> {
        KeyOwner::of(self.kind, self.id, "metrics")
    }
}

/// Reads the metrics of a run or logged model, ordered by key.
pub(super) fn read(
    store: &Store,
    parent: &Folder,
    owner: MetricOwner<'_>,
    buffer: &mut Vec<u8>,
    notes: &mut Notes,
) -> Vec<FoundMetric> {
    let mut metrics = Vec::new();
    let mut budget = BUDGET_BYTES;
    walk(
        parent,
        "metrics",
        owner.keys(),
        notes,
        &mut |key, folder, file, notes| {
            let points = match folder.read_up_to(file, budget, buffer) {
                Ok(Some(bytes)) => {
                    budget = budget.saturating_sub(bytes.len());
                    let mut series = PointSeries::new(store.scratch());
                    series.reserve(bytes.len() / USUAL_LINE_BYTES + 1);
                    let parsed = parse_bytes(bytes, owner.lines, &mut |point| series.push(point));
                    note_lines(parsed, &folder.path_of(file), owner, &series, notes);
                    Points::Read(series)
                }
                Ok(None) => Points::Later(folder.path_of(file)),
                Err(error) => return unreadable(owner.keys(), folder, file, &error, notes),
            };
            metrics.push(FoundMetric { key, points });
        },
    );
    // A folder's keys come after those of files that its name begins, not in the order of whole keys.
    metrics.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    metrics
}

impl FoundMetric {
    /// The points; one series of a long history is in memory, or spilled, at a time.
    pub(super) fn series(self, store: &Store, owner: MetricOwner<'_>, notes: &mut Notes) -> PointSeries {
        let path = match self.points {
            Points::Read(series) => return series,
            Points::Later(path) => path,
        };
        let mut series = PointSeries::new(store.scratch());
        let parsed = store.roots().open(&path).and_then(|file| {
            let reader = BufReader::with_capacity(64 << 10, file);
            parse_stream(reader, owner.lines, &mut |point| series.push(point))
        });
        note_lines(parsed, &path, owner, &series, notes);
        series
    }
}

fn note_lines(
    parsed: io::Result<LinesReport>,
    path: &Path,
    owner: MetricOwner<'_>,
    series: &PointSeries,
    notes: &mut Notes,
) {
    let mut fault = |fault| notes.fault(owner.kind, owner.id, "metrics", fault);
    let report = match parsed {
        Ok(report) => report,
        Err(error) => return fault(notes::unreadable(path, &error)),
    };
    for bad in &report.bad {
        fault((Reason::NotAPoint, format!("{}, {bad}", path.display())));
    }
    if report.more_bad > 0 {
        let detail = format!(
            "{}: {} more lines are not metric points",
            path.display(),
            report.more_bad
        );
        fault((Reason::NotAPoint, detail));
    }
    if series.is_empty() && report.bad.is_empty() {
        fault((Reason::NotAPoint, format!("{} holds no line", path.display())));
    }
    if report.is_unterminated {
        let kind = match owner.lines {
            LineOwner::Run => Kind::Metrics,
            LineOwner::LoggedModel => Kind::ModelMetrics,
        };
        notes.limit(kind, "*", Reason::UnterminatedLine);
    }
}
