//! The course of a metric in a few levels, in the order of its points.

/// Stretches at most; there are half as many at least, once there were as many points.
const MOST: usize = 32;

/// The means of a series, over stretches of equally many points.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Curve {
    stretches: Vec<Stretch>,
    /// Points of a stretch that is full, as a power of two.
    doublings: u32,
}

/// Points one after the other.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Stretch {
    points: u64,
    /// Those that are finite, and their mean.
    finite: u64,
    mean: f64,
}

impl Stretch {
    fn join(self, next: Stretch) -> Stretch {
        let finite = self.finite + next.finite;
        let share = |part: Stretch| part.mean * (part.finite as f64 / finite.max(1) as f64);
        Stretch {
            points: self.points + next.points,
            finite,
            mean: share(self) + share(next),
        }
    }
}

impl Curve {
    /// Adds the next point.
    pub(super) fn push(&mut self, value: f64) {
        let is_finite = value.is_finite();
        let point = Stretch {
            points: 1,
            finite: u64::from(is_finite),
            mean: if is_finite { value } else { 0.0 },
        };
        let full = 1_u64 << self.doublings.min(63);
        match self.stretches.last_mut() {
            Some(last) if last.points < full => *last = last.join(point),
            _ => {
                if self.stretches.len() == MOST {
                    let pairs = self.stretches.chunks(2);
                    self.stretches = pairs
                        .map(|pair| pair.iter().copied().reduce(Stretch::join).unwrap_or_default())
                        .collect();
                    self.doublings += 1;
                }
                self.stretches.push(point);
            }
        }
    }

    /// A level from 0 to `most` for each stretch, none where no value of it is finite. A series of one point, or without any
    /// finite value, has no course.
    pub fn levels(&self, most: u8) -> Vec<Option<u8>> {
        let means = self.stretches.iter().filter(|stretch| stretch.finite > 0);
        // Halves, since the distance of two doubles may be none.
        let halves = means.map(|stretch| stretch.mean / 2.0);
        let ends = halves.fold(None, |ends, half| match ends {
            None => Some((half, half)),
            Some((least, greatest)) => Some((half.min(least), half.max(greatest))),
        });
        let Some((least, greatest)) = ends.filter(|_| self.stretches.len() > 1) else {
            return Vec::new();
        };
        let level = |stretch: &Stretch| {
            if stretch.finite == 0 {
                return None;
            }
            if greatest <= least {
                return Some(most / 2);
            }
            let part = (stretch.mean / 2.0 - least) / (greatest - least);
            Some((part * f64::from(most)).round().clamp(0.0, f64::from(most)) as u8)
        };
        self.stretches.iter().map(level).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(values: impl IntoIterator<Item = f64>) -> String {
        let mut curve = Curve::default();
        values.into_iter().for_each(|value| curve.push(value));
        let levels = curve.levels(7);
        let shown = levels
            .iter()
            .map(|level| level.map_or('?', |level| char::from(b'0' + level)));
        shown.collect()
    }

    #[test]
    fn a_curve_shows_the_course_of_any_number_of_points() {
        assert_eq!(levels([1.0, 2.0, 3.0, 8.0]), "0127");
        assert_eq!(levels([0.5; 4]), "3333");
        assert_eq!(
            levels([0.5]) + &levels([]) + &levels([f64::NAN, f64::INFINITY]),
            ""
        );
        assert_eq!(levels([0.0, f64::NAN, f64::NEG_INFINITY, 1.0]), "0??7");
        assert_eq!(levels([f64::MAX, 0.0, f64::MIN]), "740");
        for count in [32_i32, 33, 1_000, 40_000] {
            let shown = levels((0..count).map(f64::from));
            assert!((17..=32).contains(&shown.len()), "{count}: {shown}");
            assert!(shown.starts_with('0') && shown.ends_with('7'), "{count}: {shown}");
            let levels: Vec<_> = shown.bytes().collect();
            assert!(levels.is_sorted(), "{count}: {shown}");
        }
    }
}
