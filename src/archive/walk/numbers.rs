//! Lines of metrics in the form in which mlark writes them, read in one pass: most bytes of an archive of many runs are these numbers,
//! and a parser of any JSON takes three times as long for them.

use crate::model::Double;

/// Reads a line without links into texts and lists whose room is there from a line before: key, owner, steps, timestamps and values.
/// None where its form is another, which says nothing of whether it is right; what was read of it means nothing then.
pub(super) fn of_plain_line(
    line: &[u8],
    (owner_name, owner): (&str, &mut String),
    key: &mut String,
    [steps, timestamps]: [&mut Vec<i64>; 2],
    values: &mut Vec<Double>,
) -> Option<()> {
    let mut rest = Rest(line);
    rest.text(b"{", "key", key)?;
    rest.text(b",", owner_name, owner)?;
    rest.list("steps", steps, Rest::integer)?;
    rest.list("timestamps", timestamps, Rest::integer)?;
    rest.list("values", values, Rest::double)?;
    (rest.0 == b"}").then_some(())
}

/// What was not read yet. Each function takes what it reads from the front.
struct Rest<'l>(&'l [u8]);

impl Rest<'_> {
    fn skip(&mut self, text: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(text)?;
        Some(())
    }

    /// The name of a field, with what stands before its value.
    fn field(&mut self, before: &[u8], name: &str, after: &[u8]) -> Option<()> {
        [before, b"\"", name.as_bytes(), b"\":", after]
            .into_iter()
            .try_for_each(|text| self.skip(text))
    }

    /// A field with a string without escapes.
    fn text(&mut self, before: &[u8], name: &str, text: &mut String) -> Option<()> {
        self.field(before, name, b"\"")?;
        let (bytes, rest) = self.0.split_at(memchr::memchr2(b'"', b'\\', self.0)?);
        if bytes.iter().any(u8::is_ascii_control) {
            return None;
        }
        text.clear();
        text.push_str(std::str::from_utf8(bytes).ok()?);
        self.0 = rest;
        self.skip(b"\"")
    }

    /// A field with a list; an empty one is not plain.
    fn list<T>(
        &mut self,
        name: &str,
        items: &mut Vec<T>,
        item: impl Fn(&mut Self) -> Option<T>,
    ) -> Option<()> {
        self.field(b",", name, b"[")?;
        items.clear();
        // Growing from nothing takes as long as reading.
        items.reserve(32);
        loop {
            items.push(item(self)?);
            let (next, rest) = self.0.split_first()?;
            self.0 = rest;
            match next {
                b',' => {}
                b']' => return Some(()),
                _ => return None,
            }
        }
    }

    /// Digits without a zero that could go: the number, and how many they are.
    fn whole(&mut self) -> Option<(u64, usize)> {
        let (number, count) = digits(self.0);
        if count == 0 || (count > 1 && self.0[0] == b'0') {
            return None;
        }
        self.0 = &self.0[count..];
        Some((number, count))
    }

    /// An integer of at most 18 digits, which no `i64` is too small for.
    fn integer(&mut self) -> Option<i64> {
        let is_negative = self.skip(b"-").is_some();
        let (number, count) = self.whole()?;
        if count > EXACT || (number == 0 && is_negative) {
            return None;
        }
        let number = number as i64;
        Some(if is_negative { -number } else { number })
    }

    /// A double with a point, as finite ones have unless they have an exponent alone.
    fn double(&mut self) -> Option<Double> {
        let all = self.0;
        let is_negative = self.skip(b"-").is_some();
        let (whole, count) = self.whole()?;
        self.skip(b".")?;
        let (part, places) = digits(self.0);
        self.0 = &self.0[places..];
        if places == 0 || matches!(self.0.first(), Some(b'e' | b'E')) {
            return None;
        }
        let number = if count + places <= EXACT {
            let number = quotient(whole * POWERS[places] + part, POWERS[places]);
            if is_negative { -number } else { number }
        } else {
            // Exact too, as serde_json's own are.
            let text = std::str::from_utf8(&all[..all.len() - self.0.len()]).ok()?;
            text.parse().ok()?
        };
        number.is_finite().then_some(Double(number))
    }
}

/// So many digits make a number that 64 bits hold.
const EXACT: usize = 18;

const POWERS: [u64; EXACT + 1] = {
    let mut powers = [1; EXACT + 1];
    let mut places = 1;
    while places <= EXACT {
        powers[places] = 10 * powers[places - 1];
        places += 1;
    }
    powers
};

/// The double next to a number divided by a power of ten: at least 62 bits of the quotient, and one that says whether something was
/// left, are rounded to 53 once.
fn quotient(number: u64, divisor: u64) -> f64 {
    if number == 0 {
        return 0.0;
    }
    // With its highest bit set, the divisor is above the upper half of the number, and the quotient is below 2^64.
    let (up, below) = (number.leading_zeros(), divisor.leading_zeros());
    let (number, divisor) = (u128::from(number << up) << 63, u128::from(divisor << below));
    let quotient = (number / divisor) as u64;
    let is_more = number != u128::from(quotient) * divisor;
    let power = f64::from_bits(u64::from(1023 - 63 + below - up) << 52);
    (quotient | u64::from(is_more)) as f64 * power
}

/// The number that the digits at the front make, and how many they are; of more than 18, the number means nothing.
fn digits(bytes: &[u8]) -> (u64, usize) {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let (mut number, mut count) = (0_u64, 0);
    while let Some(eight) = bytes[count..].first_chunk() {
        let text = u64::from_le_bytes(*eight);
        let digits = text.wrapping_sub(u64::from(b'0') * EACH);
        // Of what is above `9` the sum has a high bit, of what is below `0` the difference. The first in the text is the lowest.
        let others = (text.wrapping_add(0x46 * EACH) | digits) & (0x80 * EACH);
        if others != 0 {
            let last = others.trailing_zeros() / 8;
            let more = eight_digits(digits.unbounded_shl(u64::BITS - 8 * last));
            number = number.wrapping_mul(POWERS[last as usize]).wrapping_add(more);
            return (number, count + last as usize);
        }
        number = number
            .wrapping_mul(100_000_000)
            .wrapping_add(eight_digits(digits));
        count += 8;
    }
    while let Some(digit @ b'0'..=b'9') = bytes.get(count) {
        number = number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        count += 1;
    }
    (number, count)
}

/// The number that eight digits make, the first in the lowest byte, all at once: pairs of them, then fours, then all.
///
/// Source: Johnny Lee's and Daniel Lemire's way to parse eight digits, as in the crate `fast-float`.
fn eight_digits(digits: u64) -> u64 {
    const PAIRS: u64 = 0x0000_00ff_0000_00ff;
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let high = (pairs & PAIRS).wrapping_mul(100 | 1_000_000 << 32);
    let low = ((pairs >> 16) & PAIRS).wrapping_mul(1 | 10_000 << 32);
    high.wrapping_add(low) >> 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::walk::Slice;
    use crate::format::line::{canonical, to_value};
    use crate::model::{MetricSlice, ModelMetricSlice, Point};
    use proptest::prelude::*;

    fn line_of(slice: &impl serde::Serialize) -> Vec<u8> {
        let mut line = canonical(&to_value(slice));
        line.pop_if(|last| *last == b'\n');
        line
    }

    fn slice_of(key: &str, points: &[(i64, i64, f64)]) -> MetricSlice {
        let points = points.iter().map(|&(timestamp, step, value)| Point {
            timestamp,
            step,
            value: Double(value),
            link: None,
        });
        MetricSlice::from_points("r", key, &points.collect::<Vec<_>>())
    }

    /// What is read where another line was before.
    fn plain<S: Slice>(line: &[u8]) -> Option<S> {
        let mut slice = S::default();
        let before =
            r#"{"key":"before","OWNER":"another","steps":[7,8],"timestamps":[9,9],"values":[0.5,1.5]}"#;
        let before = ["run_id", "model_id"].map(|owner| before.replace("OWNER", owner));
        assert!(
            before
                .iter()
                .any(|line| slice.take_plain(line.as_bytes()).is_some())
        );
        slice.take_plain(line).map(|()| slice)
    }

    #[test]
    fn lines_as_they_are_written_are_plain() {
        let slice = slice_of("loss/é", &[(1_700_000_000_000, 0, 0.25), (-5, -1, -0.0)]);
        assert_eq!(plain(&line_of(&slice)), Some(slice.clone()));
        let of_model = ModelMetricSlice::from_points("m-1", "loss", &slice.points().collect::<Vec<_>>());
        assert_eq!(plain(&line_of(&of_model)), Some(of_model));
    }

    proptest! {
        /// Whatever is read here is what `serde_json` reads, bit for bit; what it refuses is not read here.
        #[test]
        fn what_is_plain_is_what_serde_json_reads(
            key in "[a-z\"\\\\\u{1}é]{0,6}",
            bits in proptest::collection::vec((any::<i64>(), 0..20i64, any::<u64>()), 0..5),
            change in proptest::option::of((any::<prop::sample::Index>(), "[-+0-9.eE,\\[\\]\"{} NaI]{0,3}")),
        ) {
            let points: Vec<_> = bits.iter().map(|(time, step, bits)| (*time, *step, f64::from_bits(*bits))).collect();
            let mut text = String::from_utf8(line_of(&slice_of(&key, &points))).unwrap();
            if let Some((place, other)) = change {
                let at = text.floor_char_boundary(place.index(text.len()));
                let end = text.ceil_char_boundary((at + 1).min(text.len()));
                text.replace_range(at..end, &other);
            }
            let bits = |slice: &MetricSlice| slice.values.iter().map(|value| value.0.to_bits()).collect::<Vec<_>>();
            if let Some(plain) = plain::<MetricSlice>(text.as_bytes()) {
                let read: MetricSlice = serde_json::from_str(&text).unwrap();
                prop_assert_eq!(bits(&plain), bits(&read));
                prop_assert_eq!(plain, read);
            }
        }

        #[test]
        fn digits_are_those_at_the_front(text in "[0-9]{0,18}", after in "|[-+./:;e \u{7f}é,\\]][0-9]{0,9}") {
            let (number, count) = digits(format!("{text}{after}").as_bytes());
            prop_assert_eq!(count, text.len());
            prop_assert_eq!(number, text.parse::<u64>().unwrap_or_default());
        }

        #[test]
        fn quotients_are_the_next_doubles(number in 0..1_000_000_000_000_000_000_u64, places in 0..=EXACT) {
            let expected: f64 = format!("{number}e-{places}").parse().unwrap();
            prop_assert_eq!(quotient(number, POWERS[places]).to_bits(), expected.to_bits());
        }

        /// An odd number of 54 bits, halved any number of times, lies half-way between two doubles: there, and next to it, rounding
        /// goes wrong.
        #[test]
        fn quotients_are_rounded_once(bits in any::<u64>(), halvings in 0..=4_usize, away in 0..3u64) {
            let half = (bits | 1 << 63) >> 10 | 1;
            let number = half * 5_u64.pow(halvings as u32) + away - 1;
            let expected: f64 = format!("{number}e-{halvings}").parse().unwrap();
            prop_assert_eq!(quotient(number, POWERS[halvings]).to_bits(), expected.to_bits());
        }

        #[test]
        fn numbers_are_what_serde_json_reads(text in "-?[0-9]{0,20}(\\.[0-9]{0,25})?(e[+-]?[0-9]{1,3})?") {
            let mut line = Rest(text.as_bytes());
            if let Some(number) = line.double().filter(|_| line.0.is_empty()) {
                prop_assert_eq!(number.0.to_bits(), serde_json::from_str::<f64>(&text).unwrap().to_bits());
            }
            let mut line = Rest(text.as_bytes());
            if let Some(number) = line.integer().filter(|_| line.0.is_empty()) {
                prop_assert_eq!(number, serde_json::from_str::<i64>(&text).unwrap());
            }
        }
    }
}
