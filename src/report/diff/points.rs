//! Metric histories, compared point by point: slices may be cut differently, series are the same.

use super::merge::{Merged, Parser, Side};
use super::objects::equal_line;
use super::{Difference, Pair, PointDifference, PointDifferences, WHOLE};
use crate::archive::walk::{Cursor, OwnerCursor};
use crate::archive::{Archive, ArchiveError, Result as ArchiveResult};
use crate::format::line::to_value;
use crate::format::{Kind, SortKey};
use crate::model::{MetricSlice, ModelMetricSlice, Point};
use serde_json::{Value, json};
use std::cmp::Ordering;
use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;

/// Points shown of a metric.
const FIRST_POINTS: usize = 5;

/// A metric of a run or of a logged model.
#[derive(Debug)]
struct Series {
    place: SortKey,
    owner_id: String,
    metric: String,
}

struct SeriesPoint {
    series: Rc<Series>,
    point: Point,
}

struct PointParser<'a> {
    kind: Kind,
    owners: OwnerCursor<'a>,
    last: Option<SeriesPoint>,
}

impl<'a> PointParser<'a> {
    fn side(archive: &'a Archive, kind: Kind) -> ArchiveResult<Side<'a, Self>> {
        let owner_kind = match kind {
            Kind::ModelMetrics => Kind::LoggedModels,
            _ => Kind::Runs,
        };
        let owners = OwnerCursor::new(archive, owner_kind)?;
        let parser = PointParser {
            kind,
            owners,
            last: None,
        };
        Side::new(archive, kind, parser)
    }

    fn slice(&self, cursor: &Cursor<'_>) -> ArchiveResult<(String, String, Vec<Point>)> {
        if self.kind == Kind::ModelMetrics {
            let slice: ModelMetricSlice = cursor.parse()?;
            let points = slice.points().collect();
            return Ok((slice.model_id, slice.key, points));
        }
        let slice: MetricSlice = cursor.parse()?;
        let points = slice.points().collect();
        Ok((slice.run_id, slice.key, points))
    }
}

impl Parser for PointParser<'_> {
    type Item = SeriesPoint;

    fn parse(&mut self, cursor: &Cursor<'_>, items: &mut VecDeque<SeriesPoint>) -> ArchiveResult<()> {
        let (owner_id, metric, points) = self.slice(cursor)?;
        let owner = self.owners.owner(&owner_id, cursor)?;
        let series = Rc::new(Series {
            place: owner.key.clone().text(&metric),
            owner_id,
            metric,
        });
        for point in points {
            let item = SeriesPoint {
                series: series.clone(),
                point,
            };
            if self
                .last
                .as_ref()
                .is_some_and(|last| Self::order(last, &item).is_gt())
            {
                return Err(cursor.damaged("it is out of order"));
            }
            self.last = Some(SeriesPoint {
                series: series.clone(),
                point: item.point.clone(),
            });
            items.push_back(item);
        }
        Ok(())
    }

    fn order(first: &SeriesPoint, second: &SeriesPoint) -> Ordering {
        let by_series = if Rc::ptr_eq(&first.series, &second.series) {
            Ordering::Equal
        } else {
            first.series.place.cmp(&second.series.place)
        };
        by_series.then_with(|| first.point.archive_cmp(&second.point))
    }
}

/// What is known so far about the series that is being compared.
struct OpenSeries {
    series: Rc<Series>,
    /// Whether each archive has points of it.
    is_in: [bool; 2],
    found: PointDifferences,
    /// A point of one side whose counterpart of the same time and step may come next.
    unpaired: Option<(usize, Point)>,
    fields: BTreeSet<&'static str>,
}

impl OpenSeries {
    fn new(series: Rc<Series>, is_in_both: bool) -> Self {
        OpenSeries {
            series,
            is_in: [is_in_both; 2],
            found: PointDifferences::default(),
            unpaired: None,
            fields: BTreeSet::new(),
        }
    }

    /// A point that one side has and the other does not.
    fn differ(&mut self, side: usize, point: Point) {
        self.is_in[side] = true;
        match self.unpaired.take() {
            Some((other, earlier))
                if other != side && (earlier.timestamp, earlier.step) == (point.timestamp, point.step) =>
            {
                let (before, after) = match side {
                    0 => (point, earlier),
                    _ => (earlier, point),
                };
                self.fields.extend(changed_columns(&before, &after));
                self.found.changed += 1;
                self.show(Some(&before), Some(&after));
            }
            earlier => {
                self.count_alone(earlier);
                self.unpaired = Some((side, point));
            }
        }
    }

    fn count_alone(&mut self, unpaired: Option<(usize, Point)>) {
        let Some((side, point)) = unpaired else { return };
        self.fields.insert("points");
        if side == 0 {
            self.found.removed += 1;
            self.show(Some(&point), None);
        } else {
            self.found.added += 1;
            self.show(None, Some(&point));
        }
    }

    fn show(&mut self, before: Option<&Point>, after: Option<&Point>) {
        let Some(point) = before.or(after) else { return };
        if self.found.first.len() < FIRST_POINTS {
            self.found.first.push(PointDifference {
                timestamp: point.timestamp,
                step: point.step,
                before: before.map(point_value),
                after: after.map(point_value),
            });
        }
    }
}

/// Columns of the line in which two points of one time and step differ.
fn changed_columns(before: &Point, after: &Point) -> Vec<&'static str> {
    let link = |point: &Point| point.link.as_deref().cloned().unwrap_or_default();
    let (first, second) = (link(before), link(after));
    let columns = [
        ("values", before.value != after.value),
        ("dataset_names", first.dataset_name != second.dataset_name),
        ("dataset_digests", first.dataset_digest != second.dataset_digest),
        ("model_ids", first.model_id != second.model_id),
        ("run_ids", first.run_id != second.run_id),
    ];
    columns
        .into_iter()
        .filter_map(|(name, differs)| differs.then_some(name))
        .collect()
}

/// A point's value; with its links where it has any.
fn point_value(point: &Point) -> Value {
    let value = to_value(&point.value);
    let Some(link) = &point.link else { return value };
    let mut map = serde_json::Map::new();
    map.insert("value".to_owned(), value);
    for (name, text) in [
        ("dataset_name", &link.dataset_name),
        ("dataset_digest", &link.dataset_digest),
        ("model_id", &link.model_id),
        ("run_id", &link.run_id),
    ] {
        if let Some(text) = text {
            map.insert(name.to_owned(), json!(text));
        }
    }
    Value::Object(map)
}

impl<E: From<ArchiveError>> Pair<'_, E> {
    pub(super) fn compare_points(&mut self, kind: Kind) -> Result<(), E> {
        let before = PointParser::side(self.before, kind)?;
        let after = PointParser::side(self.after, kind)?;
        let mut open: Option<OpenSeries> = None;
        self.merge(before, after, |pair, merged, equal| {
            let series = match &merged {
                Merged::Before(item) | Merged::After(item) | Merged::Both(item, _) => &item.series,
            };
            if open.as_ref().is_none_or(|open| open.series.place != series.place) {
                let next = OpenSeries::new(series.clone(), is_slice_of(kind, equal, series));
                if let Some(done) = open.replace(next) {
                    pair.tell_series(kind, done)?;
                }
            }
            let Some(open) = &mut open else { return Ok(()) };
            match merged {
                Merged::Before(item) => open.differ(0, item.point),
                Merged::After(item) => open.differ(1, item.point),
                Merged::Both(..) => open.is_in = [true; 2],
            }
            Ok(())
        })?;
        match open {
            Some(done) => self.tell_series(kind, done),
            None => Ok(()),
        }
    }

    fn tell_series(&mut self, kind: Kind, mut open: OpenSeries) -> Result<(), E> {
        let unpaired = open.unpaired.take();
        open.count_alone(unpaired);
        let OpenSeries {
            series,
            is_in,
            found,
            fields,
            ..
        } = open;
        let count = |is_in: bool, points: u64| is_in.then(|| json!({"points": points}));
        let is_in_both = is_in[0] && is_in[1];
        let (before, after) = if is_in_both {
            (None, None)
        } else {
            (count(is_in[0], found.removed), count(is_in[1], found.added))
        };
        let key = vec![series.metric.clone()];
        let mut difference = Difference::new(kind.name(), &series.owner_id, key, before, after);
        if !is_in_both {
            return self.tell(&[&[WHOLE]], difference);
        }
        if found == PointDifferences::default() {
            return Ok(());
        }
        difference.points = Some(found);
        let fields: Vec<[&str; 1]> = fields.into_iter().map(|field| [field]).collect();
        let fields: Vec<&[&str]> = fields.iter().map(|field| &field[..]).collect();
        self.tell(&fields, difference)
    }
}

/// Whether a line passed over as equal belongs to the series, which then is in both archives.
fn is_slice_of(kind: Kind, line: &[u8], series: &Series) -> bool {
    let owner = match kind {
        Kind::ModelMetrics => "model_id",
        _ => "run_id",
    };
    equal_line(line, |value| {
        value[owner] == series.owner_id.as_str() && value["key"] == series.metric.as_str()
    })
}
