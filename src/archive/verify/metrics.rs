//! Metric history: slices cut and ordered as the format says, owned by runs or logged models.

use super::check::Check;
use super::parts::PartLines;
use super::place::Place;
use super::references::Id;
use crate::archive::walk::Slice;
use crate::format::FindingCode as Code;
use crate::format::layout::SLICE_POINTS;
use crate::model::metric::Point;
use crate::model::{LatestMetric, Run};
use serde::Serialize;
use std::collections::BTreeMap;

/// The latest point of each metric of one owner, by its history.
pub(super) type Latest = BTreeMap<String, LatestMetric>;

/// The slices of one kind, read along with their owners.
pub(super) struct MetricSlices<'t, S> {
    lines: PartLines<'t>,
    /// A slice whose owner has not come yet.
    waiting: Option<(S, LatestMetric)>,
    series: Option<Series>,
}

/// The series that the last slice belongs to.
struct Series {
    owner: String,
    key: String,
    last: Point,
    is_full: bool,
}

impl<'t, S: Slice + Serialize> MetricSlices<'t, S> {
    pub(super) fn open(check: &mut Check<'t>) -> Self {
        MetricSlices {
            lines: PartLines::of_kind(check, S::KIND),
            waiting: None,
            series: None,
        }
    }

    /// Checks the slices of one owner, where they come next; its latest points.
    pub(super) fn of_owner(&mut self, check: &mut Check<'t>, owner: &str) -> Latest {
        let mut latest = Latest::new();
        while self.fill(check) {
            let Some((slice, point)) = self.waiting.take_if(|(slice, _)| slice.owner() == owner) else {
                break;
            };
            match latest.get_mut(slice.key()) {
                Some(current) if point.is_later_than(current) => *current = point,
                Some(_) => {}
                None => {
                    latest.insert(slice.key().to_owned(), point);
                }
            }
        }
        latest
    }

    /// Checks the slices that are left.
    pub(super) fn finish(&mut self, check: &mut Check<'t>) {
        while self.fill(check) {
            self.waiting = None;
        }
    }

    /// Reads the next slice where none waits.
    fn fill(&mut self, check: &mut Check<'t>) -> bool {
        while self.waiting.is_none() {
            let Some(place) = self.lines.next(check) else {
                return false;
            };
            let Some(slice) = check.parse_sorted::<S>(self.lines.line(), place) else {
                continue;
            };
            if let Some(latest) = self.check_slice(check, &slice, place) {
                self.waiting = Some((slice, latest));
            }
        }
        true
    }

    /// Checks one slice; its latest point.
    fn check_slice(&mut self, check: &mut Check<'t>, slice: &S, place: Place) -> Option<LatestMetric> {
        let points = slice.all_points();
        let mut wrong = |message: &str| check.findings.error(Code::Slice, place, message);
        if !slice.has_equal_columns() {
            wrong("its columns have different lengths");
        }
        if points.len() > SLICE_POINTS {
            wrong("it has more than 5,000 points");
        }
        let is_idle = |column: &&Option<Vec<Option<String>>>| {
            column
                .as_ref()
                .is_some_and(|column| column.iter().all(Option::is_none))
        };
        if slice.links().iter().any(is_idle) {
            wrong("it has a column without a value");
        }
        if !points.is_sorted_by(|a, b| a.archive_cmp(b).is_le()) {
            check.error(Code::Order, place, "its points are out of order");
        }
        let (Some(first), Some(last)) = (points.first(), points.last()) else {
            check.findings.error(Code::Slice, place, "it has no points");
            return None;
        };
        check.totals.metric_points += points.len() as u64;
        self.check_series(check, slice, first, place);
        self.series = Some(Series {
            owner: slice.owner().to_owned(),
            key: slice.key().to_owned(),
            last: last.clone(),
            is_full: points.len() == SLICE_POINTS,
        });
        latest_of(&points)
    }

    /// Checks a slice against the one before it.
    fn check_series(&self, check: &mut Check<'_>, slice: &S, first: &Point, place: Place) {
        let Some(series) = self
            .series
            .as_ref()
            .filter(|series| series.owner == slice.owner())
        else {
            check.follow(Id::new(S::OWNER_KIND, slice.owner()), S::KIND, place);
            return;
        };
        if series.key.as_str() > slice.key() {
            let message = format_args!("metric `{}` is out of order", slice.key());
            check.findings.error(Code::Order, place, message);
        }
        if series.key != slice.key() {
            return;
        }
        if !series.is_full {
            check.error(Code::Slice, place, "the slice before it is not full");
        }
        if series.last.archive_cmp(first).is_gt() {
            let message = "its points come before those of the slice before it";
            check.findings.error(Code::Order, place, message);
        }
    }
}

/// Checks all slices of a kind whose owners are not read along.
pub(super) fn check_rest<S: Slice + Serialize>(check: &mut Check<'_>) {
    MetricSlices::<S>::open(check).finish(check);
}

fn latest_of(points: &[Point]) -> Option<LatestMetric> {
    let mut latest = None;
    points
        .iter()
        .for_each(|point| LatestMetric::renew(&mut latest, point));
    latest
}

/// Compares a run's latest metrics with its history.
pub(super) fn check_latest(check: &mut Check<'_>, run: &Run, latest: &Latest, place: Place) {
    for (key, by_history) in latest {
        match run.metrics.get(key) {
            Some(stated) if stated == by_history => {}
            Some(_) => {
                let message = format_args!("metric `{key}` is not the latest point of its history");
                check.findings.warning(Code::LatestMetric, place, message);
            }
            None => {
                let message = format_args!("metric `{key}` has a history and is not listed");
                check.findings.warning(Code::LatestMetric, place, message);
            }
        }
    }
}
