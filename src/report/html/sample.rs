//! Few points in place of many: the least and the greatest of each stretch (min-max), and of these the ones that the shape of the
//! curve needs (LTTB, Steinarsson 2013).

use crate::model::Point;

/// Points that are held for each that is wanted, so that the second step has a choice.
const CANDIDATES: usize = 4;

/// A point of a curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Dot {
    /// Its number among all points that can be drawn.
    pub(super) place: u64,
    pub(super) step: i64,
    pub(super) time: i64,
    pub(super) value: f64,
}

/// Thins a series in one pass and in memory that does not grow with it.
#[derive(Debug, Default)]
pub(super) struct Thinner {
    most: usize,
    /// Points of a stretch; doubled whenever there are too many stretches.
    stretch: u64,
    in_stretch: u64,
    low: Option<Dot>,
    high: Option<Dot>,
    held: Vec<Dot>,
    first: Option<Dot>,
    last: Option<Dot>,
    drawn: u64,
    pub(super) facts: SeriesCounts,
}

/// What is known of all points.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct SeriesCounts {
    pub(super) points: u64,
    /// Those that are NaN or infinite.
    pub(super) not_finite: u64,
    /// Step of the first of these.
    pub(super) first_not_finite: Option<i64>,
    pub(super) min: Option<f64>,
    pub(super) max: Option<f64>,
}

impl Thinner {
    /// For at most so many points, at least 2.
    pub(super) fn new(most: usize) -> Self {
        Thinner {
            most: most.max(2),
            stretch: 1,
            ..Thinner::default()
        }
    }

    /// Takes the next point.
    pub(super) fn push(&mut self, point: &Point) {
        let value = point.value.0;
        self.facts.points += 1;
        if !value.is_finite() {
            self.facts.not_finite += 1;
            self.facts.first_not_finite.get_or_insert(point.step);
            return;
        }
        let dot = Dot {
            place: self.drawn,
            step: point.step,
            time: point.timestamp,
            value,
        };
        self.drawn += 1;
        self.first.get_or_insert(dot);
        self.last = Some(dot);
        self.facts.min = Some(self.facts.min.map_or(value, |min| min.min(value)));
        self.facts.max = Some(self.facts.max.map_or(value, |max| max.max(value)));
        if self.low.is_none_or(|low| value < low.value) {
            self.low = Some(dot);
        }
        if self.high.is_none_or(|high| value > high.value) {
            self.high = Some(dot);
        }
        self.in_stretch += 1;
        if self.in_stretch == self.stretch {
            self.end_stretch();
        }
    }

    fn end_stretch(&mut self) {
        let ends = (self.low.take(), self.high.take());
        push_in_order(&mut self.held, ends);
        self.in_stretch = 0;
        if self.held.len() > self.most * CANDIDATES {
            self.widen();
        }
    }

    /// Makes two stretches one.
    fn widen(&mut self) {
        self.stretch *= 2;
        let mut wider = Vec::with_capacity(self.held.len());
        let mut rest = self.held.as_slice();
        while let Some(first) = rest.first() {
            let stretch = first.place / self.stretch;
            let end = rest.partition_point(|dot| dot.place / self.stretch == stretch);
            let (of_it, others) = rest.split_at(end);
            let by_value = |a: &&Dot, b: &&Dot| a.value.total_cmp(&b.value).then(b.place.cmp(&a.place));
            let low = of_it.iter().min_by(|a, b| by_value(a, b)).copied();
            let high = of_it.iter().max_by(|a, b| by_value(a, b)).copied();
            push_in_order(&mut wider, (low, high));
            rest = others;
        }
        self.held = wider;
    }

    /// The points that stand for all, in their order.
    pub(super) fn finish(mut self) -> (Vec<Dot>, SeriesCounts) {
        self.end_stretch();
        let mut dots = self.held;
        if let (Some(first), Some(last)) = (self.first, self.last) {
            if dots.first().is_none_or(|dot| dot.place != first.place) {
                dots.insert(0, first);
            }
            if dots.last().is_none_or(|dot| dot.place != last.place) {
                dots.push(last);
            }
        }
        (thin(&dots, self.most), self.facts)
    }
}

fn push_in_order(dots: &mut Vec<Dot>, ends: (Option<Dot>, Option<Dot>)) {
    let (Some(low), Some(high)) = ends else { return };
    match low.place.cmp(&high.place) {
        std::cmp::Ordering::Less => dots.extend([low, high]),
        std::cmp::Ordering::Equal => dots.push(low),
        std::cmp::Ordering::Greater => dots.extend([high, low]),
    }
}

/// The points of a curve that its shape needs: of each bucket the one that spans the largest triangle with the point before and the
/// middle of the bucket behind. The first and the last stay.
pub(super) fn thin(dots: &[Dot], most: usize) -> Vec<Dot> {
    let most = most.max(2);
    if dots.len() <= most {
        return dots.to_vec();
    }
    let mut thinned = Vec::with_capacity(most);
    let inner = dots.len() - 2;
    let buckets = most - 2;
    let bucket = |number: usize| {
        let at = |number: usize| 1 + number * inner / buckets.max(1);
        at(number)..at(number + 1)
    };
    let mut before = dots[0];
    thinned.push(before);
    for number in 0..buckets {
        let behind = if number + 1 < buckets {
            bucket(number + 1)
        } else {
            dots.len() - 1..dots.len()
        };
        let (x, y) = middle(&dots[behind]);
        let area = |dot: &Dot| {
            let (ax, ay) = (before.place as f64, before.value);
            ((ax - x) * (dot.value - ay) - (ax - dot.place as f64) * (y - ay)).abs()
        };
        let best = dots[bucket(number)].iter().copied();
        // Of equal ones the first; an area that overflows is larger than all others.
        let best = best.reduce(|best, dot| if area(&dot) > area(&best) { dot } else { best });
        if let Some(best) = best {
            before = best;
            thinned.push(best);
        }
    }
    thinned.push(dots[dots.len() - 1]);
    thinned
}

fn middle(dots: &[Dot]) -> (f64, f64) {
    let count = dots.len() as f64;
    let x = dots.iter().map(|dot| dot.place as f64 / count).sum();
    let y = dots.iter().map(|dot| dot.value / count).sum();
    (x, y)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Double;

    fn thinned(values: impl IntoIterator<Item = f64>, most: usize) -> (Vec<Dot>, SeriesCounts) {
        let mut thinner = Thinner::new(most);
        for (step, value) in (0..).zip(values) {
            thinner.push(&Point {
                timestamp: step * 10,
                step,
                value: Double(value),
                link: None,
            });
        }
        thinner.finish()
    }

    #[test]
    fn a_short_series_stays_as_it_is() {
        let values = [3.0, 1.0, 1.0, -0.5, 9.0];
        let (dots, facts) = thinned(values, 5);
        assert_eq!(dots.iter().map(|dot| dot.value).collect::<Vec<_>>(), values);
        assert_eq!((facts.points, facts.min, facts.max), (5, Some(-0.5), Some(9.0)));
    }

    #[test]
    fn a_long_series_keeps_its_ends_and_its_spikes() {
        let count = 1_000_000;
        let values = (0..count).map(|step| match step {
            777_777 => 50.0,
            123_456 => -40.0,
            step => (f64::from(step) / 1e5).sin(),
        });
        let (dots, facts) = thinned(values, 200);
        assert_eq!(dots.len(), 200);
        assert_eq!(facts.points, 1_000_000);
        assert_eq!((dots[0].step, dots[199].step), (0, 999_999));
        assert!(dots.windows(2).all(|pair| pair[0].step < pair[1].step));
        for (step, value) in [(777_777, 50.0), (123_456, -40.0)] {
            assert!(dots.iter().any(|dot| dot.step == step && dot.value == value));
        }
    }

    #[test]
    fn values_that_cannot_be_drawn_are_counted() {
        let (dots, facts) = thinned([1.0, f64::NAN, f64::INFINITY, 2.0], 10);
        assert_eq!(dots.len(), 2);
        assert_eq!(
            (facts.points, facts.not_finite, facts.first_not_finite),
            (4, 2, Some(1))
        );
        assert_eq!(thinned([f64::NAN], 10).0, []);
        assert_eq!(thinned([f64::MAX, f64::MIN, f64::MAX, f64::MIN], 3).0.len(), 3);
    }
}
