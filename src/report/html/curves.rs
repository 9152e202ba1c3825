//! Curves of metrics: for each run that the page has, the points that stand for all.
//!
//! A curve is `[key, points, not finite, step of the first of these, min, max, [steps], [times], [values]]`; steps and times are the first
//! one and then how much more each is. Values have the seven digits that a drawing needs; the latest value stands whole in the run's row.

use super::sample::{Dot, SeriesCounts, Thinner, thin};
use super::spool::Spool;
use super::text::{inert, integer, name};
use crate::archive::walk::{Child as _, Cursor, OwnerCursor, OwnerHead, each_line, text};
use crate::archive::{Archive, Result};
use crate::format::Kind;
use crate::model::{Double, MetricSlice};
use serde_json::{Value, json};
use std::path::Path;

/// Points of a curve, where the page has room.
const MOST_DOTS: usize = 500;
/// Points of a curve that is worth its place.
const LEAST_DOTS: usize = 40;
/// Metrics of a run that are drawn.
const MOST_CURVES: usize = 300;
/// Bytes of a point, about.
const DOT_BYTES: u64 = 18;

/// A run that has curves: its row, and when it began.
#[derive(Default)]
pub(super) struct Drawn {
    pub(super) row: u32,
    pub(super) time: Option<i64>,
}

/// The curves of all runs of the page.
pub(super) struct Curves {
    pub(super) spool: Spool,
    /// The rows of the runs, in the order of the spool.
    pub(super) runs: Vec<Drawn>,
    /// Metrics beyond those that are drawn.
    pub(super) left_out: u64,
    pub(super) points: u64,
    pub(super) dots: u64,
}

/// How many points a curve may have at most, given how many curves there are about.
pub(super) fn most_dots(room_bytes: u64, curves: u64) -> usize {
    let dots = 4 * room_bytes / (curves.max(1) * DOT_BYTES);
    usize::try_from(dots).map_or(MOST_DOTS, |dots| dots.clamp(LEAST_DOTS, MOST_DOTS))
}

/// Reads the curves of the runs whose row `row_of` knows, by their number in the archive.
pub(super) fn curves(
    archive: &Archive,
    scratch: &Path,
    most: usize,
    row_of: &dyn Fn(usize) -> Option<u32>,
) -> Result<Curves> {
    let mut curves = Curves {
        spool: Spool::new(scratch)?,
        runs: Vec::new(),
        left_out: 0,
        points: 0,
        dots: 0,
    };
    let begin = |owner: &OwnerHead| {
        let (row, time) = (row_of(owner.number)?, owner.head.start_time.as_i64());
        Some(OpenRun {
            drawn: Drawn { row, time },
            ..OpenRun::default()
        })
    };
    let add = |run: &mut OpenRun, cursor: &Cursor<'_>| {
        run.take(&MetricSlice::read(cursor)?, most);
        Ok(())
    };
    each_owner(archive, [Kind::Runs, Kind::Metrics], begin, add, |run| {
        curves.take(run)
    })?;
    Ok(curves)
}

/// Reads lines owner by owner: `begin` makes what those of an owner are added to, none where the page does not have it.
pub(super) fn each_owner<O>(
    archive: &Archive,
    [owners, lines]: [Kind; 2],
    begin: impl Fn(&OwnerHead) -> Option<O>,
    mut add: impl FnMut(&mut O, &Cursor<'_>) -> Result<()>,
    mut end: impl FnMut(O) -> Result<()>,
) -> Result<()> {
    let mut owners = OwnerCursor::new(archive, owners)?;
    let (mut id, mut open) = (None, None);
    each_line(archive, lines, |cursor| -> Result<()> {
        let head = cursor.head(lines)?;
        let of = text(head.owner(lines));
        if id.as_deref() != Some(of) {
            open.take().map_or(Ok(()), &mut end)?;
            open = begin(owners.owner(of, cursor)?);
            id = Some(of.to_owned());
        }
        if let Some(open) = &mut open {
            add(open, cursor)?;
        }
        Ok(())
    })?;
    open.map_or(Ok(()), end)
}

/// The run whose metrics are being read.
#[derive(Default)]
struct OpenRun {
    drawn: Drawn,
    curves: Vec<Value>,
    open: Option<(String, Thinner)>,
    left_out: u64,
    points: u64,
    dots: u64,
}

impl OpenRun {
    fn take(&mut self, slice: &MetricSlice, most: usize) {
        if self.open.as_ref().is_none_or(|(key, _)| *key != slice.key) {
            self.close();
            self.open = Some((slice.key.clone(), Thinner::new(most)));
        }
        if let Some((_, thinner)) = &mut self.open {
            slice.points().for_each(|point| thinner.push(&point));
        }
    }

    fn close(&mut self) {
        let Some((key, thinner)) = self.open.take() else {
            return;
        };
        if self.curves.len() >= MOST_CURVES {
            self.left_out += 1;
            return;
        }
        let (dots, facts) = thinner.finish();
        self.points += facts.points - facts.not_finite;
        self.dots += dots.len() as u64;
        self.curves.push(curve(&name(&key), &facts, &dots));
    }
}

impl Curves {
    fn take(&mut self, mut run: OpenRun) -> Result<()> {
        run.close();
        if run.curves.is_empty() {
            return Ok(());
        }
        self.left_out += run.left_out;
        self.points += run.points;
        self.dots += run.dots;
        self.spool.push(run.drawn.time, &inert(&run.curves))?;
        self.runs.push(run.drawn);
        Ok(())
    }

    /// The same curves with fewer points, so that all have room, or nearly all.
    pub(super) fn within(self, room_bytes: u64, scratch: &Path, most: usize) -> Result<Self> {
        let size_bytes = self.spool.size_bytes();
        if size_bytes <= room_bytes {
            return Ok(self);
        }
        let share = usize::try_from(most as u64 * room_bytes / size_bytes).unwrap_or(most);
        let most = share.clamp(LEAST_DOTS, most);
        let all = vec![true; self.spool.len()];
        let mut spool = Spool::new(scratch)?;
        let (runs, mut dots) = (&self.runs, 0);
        self.spool.for_each(&all, &mut |number, line| {
            let curves: Vec<Value> = serde_json::from_slice(line).unwrap_or_default();
            let thinned: Vec<Value> = curves.iter().map(|curve| thinner_curve(curve, most)).collect();
            let of_run = thinned
                .iter()
                .map(|curve| curve[8].as_array().map_or(0, Vec::len) as u64);
            dots += of_run.sum::<u64>();
            spool.push(runs[number].time, &inert(&thinned))
        })?;
        Ok(Curves {
            spool,
            runs: self.runs,
            left_out: self.left_out,
            points: self.points,
            dots,
        })
    }
}

fn curve(key: &Value, facts: &SeriesCounts, dots: &[Dot]) -> Value {
    json!([
        key,
        facts.points,
        facts.not_finite,
        facts.first_not_finite.map(integer),
        facts.min.map(Double),
        facts.max.map(Double),
        differences(dots.iter().map(|dot| dot.step)),
        differences(dots.iter().map(|dot| dot.time)),
        dots.iter().map(|dot| drawn(dot.value)).collect::<Vec<_>>(),
    ])
}

/// A value to seven digits.
fn drawn(value: f64) -> Value {
    let text = format!("{value:.6e}");
    text.parse::<f64>()
        .map_or(Value::Null, |value| json!(Double(value)))
}

/// The first number, and then how much greater each is than the one before; beyond what a double holds, as texts.
fn differences(numbers: impl Iterator<Item = i64>) -> Value {
    let mut before = 0_i128;
    let all = numbers.map(|number| {
        let difference = i128::from(number) - before;
        before = i128::from(number);
        i64::try_from(difference).map_or_else(|_| json!(difference.to_string()), integer)
    });
    Value::Array(all.collect())
}

fn sums(differences: &Value) -> Vec<i64> {
    let mut sum = 0_i128;
    let differences = differences.as_array().into_iter().flatten();
    let sums = differences.map(|difference| {
        let difference = match difference {
            Value::String(text) => text.parse().unwrap_or(0),
            other => other.as_i64().map_or(0, i128::from),
        };
        sum += difference;
        i64::try_from(sum).unwrap_or(0)
    });
    sums.collect()
}

/// A curve, read back and thinned further.
fn thinner_curve(curve: &Value, most: usize) -> Value {
    let values = curve[8].as_array().map_or(&[] as &[Value], Vec::as_slice);
    if values.len() <= most {
        return curve.clone();
    }
    let (steps, times) = (sums(&curve[6]), sums(&curve[7]));
    let dots = (0..).zip(values).zip(steps.iter().zip(&times));
    let dots = dots.map(|((place, value), (&step, &time))| Dot {
        place,
        step,
        time,
        value: value.as_f64().unwrap_or(0.0),
    });
    let dots = thin(&dots.collect::<Vec<_>>(), most);
    let mut thinned = curve.clone();
    thinned[6] = differences(dots.iter().map(|dot| dot.step));
    thinned[7] = differences(dots.iter().map(|dot| dot.time));
    thinned[8] = dots.iter().map(|dot| json!(Double(dot.value))).collect();
    thinned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_and_times_come_back_from_their_differences() {
        for numbers in [vec![], vec![5, 6, 8], vec![i64::MIN, i64::MAX, 0, -1]] {
            assert_eq!(sums(&differences(numbers.iter().copied())), numbers);
        }
    }

    #[test]
    fn curves_share_the_room() {
        assert_eq!(most_dots(50 << 20, 10), MOST_DOTS);
        assert_eq!(most_dots(1 << 20, 1_000_000), LEAST_DOTS);
    }
}
