//! Metric points of one series, sorted in bounded memory and cut into slices.

use super::spill::{Merge, SpillSorter};
use crate::format::layout::SLICE_POINTS;
use crate::model::metric::{Point, PointLink};
use crate::model::{Double, LatestMetric};
use std::io;
use std::path::{Path, PathBuf};

/// Points held in memory before a series goes to disk (32 bytes each).
const MEMORY_POINTS: usize = 100_000;

/// Collects the points of one metric, in any order.
pub struct PointSeries {
    points: Vec<Point>,
    sorter: Option<SpillSorter>,
    scratch: PathBuf,
    latest: Option<LatestMetric>,
    count: u64,
}

impl PointSeries {
    /// An empty series; `scratch` takes temporary files if it grows large.
    pub fn new(scratch: &Path) -> Self {
        PointSeries {
            points: Vec::new(),
            sorter: None,
            scratch: scratch.to_owned(),
            latest: None,
            count: 0,
        }
    }

    /// Makes room for points that are about to come, as far as memory holds them.
    pub fn reserve(&mut self, points: usize) {
        self.points.reserve(points.min(MEMORY_POINTS));
    }

    /// Adds a point.
    ///
    /// # Errors
    /// A temporary file cannot be written.
    pub fn push(&mut self, point: Point) -> io::Result<()> {
        LatestMetric::renew(&mut self.latest, &point);
        self.count += 1;
        self.points.push(point);
        if self.points.len() >= MEMORY_POINTS {
            self.spill()?;
        }
        Ok(())
    }

    fn spill(&mut self) -> io::Result<()> {
        let sorter = self.sorter.get_or_insert_with(|| SpillSorter::new(&self.scratch));
        for point in self.points.drain(..) {
            sorter.push(sort_bytes(&point), encode_point(&point))?;
        }
        Ok(())
    }

    /// The latest point by MLflow's rule.
    pub fn latest(&self) -> Option<&LatestMetric> {
        self.latest.as_ref()
    }

    /// The points so far, in the order in which they came; none where some of them are on disk.
    pub fn in_memory(&self) -> Option<&[Point]> {
        self.sorter.is_none().then_some(&self.points[..])
    }

    /// Number of points.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Whether there is no point.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Hands the points to `sink` in slices of 5,000, in the archive's order.
    ///
    /// # Errors
    /// A temporary file cannot be read, or `sink` fails.
    pub fn for_each_slice<E: From<io::Error>>(
        mut self,
        mut sink: impl FnMut(u64, &[Point]) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.sorter.is_some() {
            self.spill()?;
        }
        let Some(sorter) = self.sorter.take() else {
            self.points.sort_by(Point::archive_cmp);
            let slices = self.points.chunks(SLICE_POINTS).zip(0..);
            return slices
                .into_iter()
                .try_for_each(|(slice, number)| sink(number, slice));
        };
        let mut slice = Vec::with_capacity(SLICE_POINTS);
        let mut number = 0;
        for point in decode_all(sorter.finish()?) {
            slice.push(point?);
            if slice.len() == SLICE_POINTS {
                sink(number, &slice)?;
                slice.clear();
                number += 1;
            }
        }
        if slice.is_empty() {
            Ok(())
        } else {
            sink(number, &slice)
        }
    }
}

fn decode_all(records: Merge) -> impl Iterator<Item = io::Result<Point>> {
    records.map(|record| {
        let (_, value) = record?;
        decode_point(&value)
    })
}

/// Bytes that compare as [`Point::archive_cmp`] orders.
fn sort_bytes(point: &Point) -> Vec<u8> {
    let sign = 1_u64 << 63;
    let bits = point.value.0.to_bits();
    let value = match point.value.0.is_nan() {
        true => u64::MAX,
        false if bits & sign != 0 => !bits,
        false => bits | sign,
    };
    let mut bytes = Vec::with_capacity(25);
    bytes.extend((point.timestamp.cast_unsigned() ^ sign).to_be_bytes());
    bytes.extend((point.step.cast_unsigned() ^ sign).to_be_bytes());
    bytes.extend(value.to_be_bytes());
    bytes.push(u8::from(point.link.is_some()));
    let link = point.link.as_deref();
    for text in link.into_iter().flat_map(|link| {
        [
            &link.dataset_name,
            &link.dataset_digest,
            &link.model_id,
            &link.run_id,
        ]
    }) {
        bytes.push(u8::from(text.is_some()));
        // Names hold no NUL, since MLflow's rules for keys forbid it; equal keys only keep their arrival order.
        bytes.extend(text.iter().flat_map(|text| text.bytes()));
        bytes.push(0);
    }
    bytes
}

/// A point in a temporary file: timestamp, step, bits of the value, link.
#[derive(serde::Serialize, serde::Deserialize)]
struct Spilled(i64, i64, u64, Option<[Option<String>; 4]>);

/// A point for a temporary file, without a line break.
pub(crate) fn encode_point(point: &Point) -> Vec<u8> {
    let link = point.link.as_deref().cloned();
    let link = link.map(|link| [link.dataset_name, link.dataset_digest, link.model_id, link.run_id]);
    let spilled = Spilled(point.timestamp, point.step, point.value.0.to_bits(), link);
    serde_json::to_vec(&spilled).expect("a tuple of numbers and strings can be written")
}

/// The point that [`encode_point`] wrote.
///
/// # Errors
/// It wrote other bytes.
pub(crate) fn decode_point(bytes: &[u8]) -> io::Result<Point> {
    let Spilled(timestamp, step, bits, link) = serde_json::from_slice(bytes)?;
    let link = link.map(|[dataset_name, dataset_digest, model_id, run_id]| {
        Box::new(PointLink {
            dataset_name,
            dataset_digest,
            model_id,
            run_id,
        })
    });
    Ok(Point {
        timestamp,
        step,
        value: Double(f64::from_bits(bits)),
        link,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slices(points: &[Point]) -> Vec<Vec<Point>> {
        let directory = tempfile::tempdir().unwrap();
        let mut series = PointSeries::new(directory.path());
        for point in points {
            series.push(point.clone()).unwrap();
        }
        let mut slices = Vec::new();
        series
            .for_each_slice(|_, slice| {
                slices.push(slice.to_vec());
                io::Result::Ok(())
            })
            .unwrap();
        slices
    }

    fn scattered(count: i64) -> Vec<Point> {
        let values = [
            f64::NAN,
            f64::NEG_INFINITY,
            -0.0,
            0.0,
            1e-300,
            f64::INFINITY,
            -3.5,
        ];
        let link = |number: i64| {
            let dataset_name = (number % 5 == 0).then(|| format!("d{}", number % 3));
            PointLink {
                dataset_name,
                ..PointLink::default()
            }
            .boxed()
        };
        (0..count)
            .map(|number| Point {
                timestamp: (number * 7919) % 101 - 50,
                step: (number * 104_729) % 13 - 6,
                value: Double(values[usize::try_from(number).unwrap() % values.len()]),
                link: link(number),
            })
            .collect()
    }

    #[test]
    fn a_spilled_series_is_cut_as_one_in_memory_would_be() {
        let points = scattered(250_000);
        let mut expected = points.clone();
        expected.sort_by(Point::archive_cmp);
        let found = slices(&points);
        assert!(
            found[..found.len() - 1]
                .iter()
                .all(|slice| slice.len() == SLICE_POINTS)
        );
        assert_eq!(found.concat(), expected);
    }

    #[test]
    fn repeated_points_are_kept() {
        let point = scattered(1).remove(0);
        assert_eq!(slices(&[point.clone(), point.clone()]), [[point.clone(), point]]);
    }
}
