//! Metric history: columns of points, in slices of bounded length.

use super::Double;
use schemars::JsonSchema;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::cmp::Ordering;
use std::fmt;
use std::marker::PhantomData;

/// One measured point of a metric, before it is laid out in columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// Epoch milliseconds.
    pub timestamp: i64,
    /// Step, any 64-bit integer.
    pub step: i64,
    /// The value.
    pub value: Double,
    /// What the point was measured on or for, where the source says.
    pub link: Option<Box<PointLink>>,
}

impl Point {
    /// Whether MLflow has a field of that name in a point; those of its owner are among them.
    pub(crate) fn has_field(name: &str) -> bool {
        let of_value = matches!(name, "key" | "timestamp" | "step" | "value");
        of_value || matches!(name, "run_id" | "model_id" | "dataset_name" | "dataset_digest")
    }
}

/// What a metric point belongs to beside its run.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PointLink {
    /// Dataset name.
    pub dataset_name: Option<String>,
    /// Dataset digest.
    pub dataset_digest: Option<String>,
    /// Logged model the point measures.
    pub model_id: Option<String>,
    /// Run that measured it; for the metrics of logged models.
    pub run_id: Option<String>,
}

impl PointLink {
    /// The link, or none where it says nothing.
    pub fn boxed(self) -> Option<Box<Self>> {
        (self != Self::default()).then(|| Box::new(self))
    }
}

impl Point {
    /// The archive's order: timestamp, step, value (NaN last), then the link.
    pub fn archive_cmp(&self, other: &Self) -> Ordering {
        self.timestamp
            .cmp(&other.timestamp)
            .then(self.step.cmp(&other.step))
            .then(self.value.archive_cmp(other.value))
            .then_with(|| self.link.cmp(&other.link))
    }
}

/// The latest point of one metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LatestMetric {
    /// Epoch milliseconds.
    pub timestamp: i64,
    /// Step, any 64-bit integer.
    pub step: i64,
    /// The value.
    pub value: Double,
}

impl LatestMetric {
    /// Whether a point takes the place of another by MLflow's rule: greatest (step, timestamp, value), NaN counted as 0.
    ///
    /// Source: `_update_latest_metrics_if_necessary` in MLflow's SQLAlchemy store.
    pub fn is_later_than(&self, other: &Self) -> bool {
        let value = |metric: &Self| {
            if metric.value.0.is_nan() {
                0.0
            } else {
                metric.value.0
            }
        };
        (self.step, self.timestamp)
            .cmp(&(other.step, other.timestamp))
            .then(value(self).total_cmp(&value(other)))
            // Equal but for NaN against 0: the number wins, whatever order the points came in.
            .then(other.value.0.is_nan().cmp(&self.value.0.is_nan()))
            .is_gt()
    }

    /// Puts a point in the place of the latest one so far, where it is later.
    pub fn renew(latest: &mut Option<Self>, point: &Point) {
        let candidate = LatestMetric {
            timestamp: point.timestamp,
            step: point.step,
            value: point.value,
        };
        if latest
            .as_ref()
            .is_none_or(|latest| candidate.is_later_than(latest))
        {
            *latest = Some(candidate);
        }
    }
}

/// Defines a line of points of one metric: whose they are, and what else each may be linked to.
macro_rules! slice {
    ($(#[$about:meta])* $vis:vis struct $name:ident of $owner:ident linked by $ids:ident to $link:ident { $($fields:tt)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
        $vis struct $name {
            /// Digest of the dataset each point was measured on.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub dataset_digests: Option<Vec<Option<String>>>,
            /// Name of the dataset each point was measured on.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub dataset_names: Option<Vec<Option<String>>>,
            /// Metric name.
            pub key: String,
            $($fields)*
            /// Steps.
            #[serde(deserialize_with = "roomy")]
            pub steps: Vec<i64>,
            /// Epoch milliseconds.
            #[serde(deserialize_with = "roomy")]
            pub timestamps: Vec<i64>,
            /// Values.
            #[serde(deserialize_with = "roomy")]
            pub values: Vec<Double>,
        }

        impl $name {
            /// Lays out points that are already in the archive's order.
            pub fn from_points($owner: &str, key: &str, points: &[Point]) -> Self {
                $name {
                    dataset_digests: column(points, |link| &link.dataset_digest),
                    dataset_names: column(points, |link| &link.dataset_name),
                    key: key.to_owned(),
                    $owner: $owner.to_owned(),
                    $ids: column(points, |link| &link.$link),
                    steps: points.iter().map(|point| point.step).collect(),
                    timestamps: points.iter().map(|point| point.timestamp).collect(),
                    values: points.iter().map(|point| point.value).collect(),
                }
            }

            /// The points, in the order of the line; a short column reads as absent values.
            pub fn points(&self) -> impl Iterator<Item = Point> + '_ {
                let rows = self.timestamps.iter().zip(&self.steps).zip(&self.values).enumerate();
                rows.map(|(row, ((&timestamp, &step), &value))| {
                    let link = PointLink {
                        dataset_name: cell(&self.dataset_names, row),
                        dataset_digest: cell(&self.dataset_digests, row),
                        $link: cell(&self.$ids, row),
                        ..PointLink::default()
                    };
                    let link = link.boxed();
                    Point { timestamp, step, value, link }
                })
            }
        }
    };
}

slice! {
    /// A line of `objects/metrics-*.jsonl`: up to 5,000 points of one metric of one run.
    ///
    /// The columns have equal length; a column of links stands only where a point has one, `null` elsewhere.
    pub struct MetricSlice of run_id linked by model_ids to model_id {
        /// Logged model each point measures.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub model_ids: Option<Vec<Option<String>>>,
        /// The run.
        pub run_id: String,
    }
}

slice! {
    /// A line of `objects/model-metrics-*.jsonl`: up to 5,000 points of one metric of one logged model.
    pub struct ModelMetricSlice of model_id linked by run_ids to run_id {
        /// The logged model.
        pub model_id: String,
        /// Run that measured each point.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub run_ids: Option<Vec<Option<String>>>,
    }
}

/// A list read into room for a common number of points: JSON does not say how many there are, and growing from nothing takes as
/// long as reading.
fn roomy<'de, D: Deserializer<'de>, T: Deserialize<'de>>(list: D) -> Result<Vec<T>, D::Error> {
    struct Items<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Items<T> {
        type Value = Vec<T>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a sequence")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
            let mut items = Vec::with_capacity(32);
            while let Some(item) = list.next_element()? {
                items.push(item);
            }
            Ok(items)
        }
    }

    list.deserialize_seq(Items(PhantomData))
}

/// A column of links, or none where no point has one.
fn column(points: &[Point], pick: impl Fn(&PointLink) -> &Option<String>) -> Option<Vec<Option<String>>> {
    if points.iter().all(|point| point.link.is_none()) {
        return None;
    }
    let column: Vec<_> = points
        .iter()
        .map(|point| point.link.as_deref().and_then(|link| pick(link).clone()))
        .collect();
    column.iter().any(Option::is_some).then_some(column)
}

/// The link of a point; none where the column has none for it.
fn cell(column: &Option<Vec<Option<String>>>, row: usize) -> Option<String> {
    column.as_ref()?.get(row).cloned().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(step: i64, timestamp: i64, value: f64) -> LatestMetric {
        LatestMetric {
            timestamp,
            step,
            value: Double(value),
        }
    }

    #[test]
    fn step_beats_timestamp_beats_value() {
        assert!(point(2, 0, 0.0).is_later_than(&point(1, 9, 9.0)));
        assert!(point(1, 2, 0.0).is_later_than(&point(1, 1, 9.0)));
        assert!(point(1, 1, 2.0).is_later_than(&point(1, 1, 1.0)));
        assert!(!point(1, 1, 1.0).is_later_than(&point(1, 1, 1.0)));
    }

    #[test]
    fn nan_counts_as_zero() {
        assert!(point(1, 1, 1.0).is_later_than(&point(1, 1, f64::NAN)));
        assert!(point(1, 1, f64::NAN).is_later_than(&point(1, 1, -1.0)));
        assert!(point(1, 1, 0.0).is_later_than(&point(1, 1, f64::NAN)));
        assert!(!point(1, 1, f64::NAN).is_later_than(&point(1, 1, 0.0)));
    }
}
