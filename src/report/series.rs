//! Metric histories in a few numbers each.

use super::Curve;
use crate::archive::walk::text;
use crate::archive::walk::{Child as _, Cursor, each_line};
use crate::archive::{Archive, ArchiveError, Result};
use crate::format::Kind;
use crate::model::{Double, MetricSlice, ModelMetricSlice, Point};
use serde::Serialize;

/// One metric of one run or logged model, summarised.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SeriesFacts {
    /// Id of the run or logged model.
    pub owner_id: String,
    /// Name of the metric.
    pub key: String,
    /// Number of points.
    pub points: u64,
    /// The first value in the archive's order.
    pub first: Double,
    /// The last value.
    pub last: Double,
    /// The least value, NaN aside.
    pub min: Option<Double>,
    /// The greatest value, NaN aside.
    pub max: Option<Double>,
    /// The least step.
    pub first_step: i64,
    /// The greatest step.
    pub last_step: i64,
    /// The course of the values.
    #[serde(skip)]
    pub curve: Curve,
}

impl SeriesFacts {
    fn new(owner_id: String, key: String, point: &Point) -> Self {
        SeriesFacts {
            owner_id,
            key,
            points: 0,
            first: point.value,
            last: point.value,
            min: None,
            max: None,
            first_step: point.step,
            last_step: point.step,
            curve: Curve::default(),
        }
    }

    fn take(&mut self, point: &Point) {
        self.points += 1;
        self.curve.push(point.value.0);
        self.last = point.value;
        self.first_step = self.first_step.min(point.step);
        self.last_step = self.last_step.max(point.step);
        if point.value.0.is_nan() {
            return;
        }
        let value = point.value;
        if self.min.is_none_or(|min| value.archive_cmp(min).is_lt()) {
            self.min = Some(value);
        }
        if self.max.is_none_or(|max| value.archive_cmp(max).is_gt()) {
            self.max = Some(value);
        }
    }
}

/// Hands a summary of each metric to `sink`, of one owner or of all; `kind` is that of the lines.
pub(super) fn for_each_series<E: From<ArchiveError>>(
    archive: &Archive,
    kind: Kind,
    owner_id: Option<&str>,
    sink: &mut dyn FnMut(SeriesFacts) -> Result<(), E>,
) -> Result<(), E> {
    let mut open: Option<SeriesFacts> = None;
    each_line::<E>(archive, kind, |cursor| {
        let head = cursor.head(kind)?;
        let owner = head.id(kind);
        if owner_id.is_none_or(|wanted| wanted == owner) {
            let key = text(&head.key);
            for point in slice_points(cursor, kind)? {
                if open
                    .as_ref()
                    .is_none_or(|open| open.owner_id != owner || open.key != key)
                {
                    let next = SeriesFacts::new(owner.clone(), key.to_owned(), &point);
                    if let Some(done) = open.replace(next) {
                        sink(done)?;
                    }
                }
                if let Some(open) = &mut open {
                    open.take(&point);
                }
            }
        }
        Ok(())
    })?;
    open.map_or(Ok(()), sink)
}

fn slice_points(cursor: &Cursor<'_>, kind: Kind) -> Result<Vec<Point>> {
    Ok(match kind {
        Kind::ModelMetrics => ModelMetricSlice::read(cursor)?.points().collect(),
        _ => MetricSlice::read(cursor)?.points().collect(),
    })
}
