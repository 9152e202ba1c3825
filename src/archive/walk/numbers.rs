//! Lines of metrics in the form in which mlark writes them, read in one pass: most bytes of an archive of many runs are these numbers,
//! and a parser of any JSON takes three times as long for them.

use crate::model::Double;

/// Key, owner, steps, timestamps and values of a line.
type PlainLine = (String, String, Vec<i64>, Vec<i64>, Vec<Double>);

/// Reads a line without links. None where its form is another, which says nothing of whether it is right.
pub(super) fn of_plain_line(line: &[u8], owner: &str) -> Option<PlainLine> {
    let mut rest = Rest(std::str::from_utf8(line).ok()?);
    let key = rest.text("{", "key")?;
    let owner = rest.text(",", owner)?;
    let steps = rest.list("steps", 32, Rest::integer)?;
    let timestamps = rest.list("timestamps", steps.len(), Rest::integer)?;
    let values = rest.list("values", steps.len(), Rest::double)?;
    (rest.0 == "}").then_some((key, owner, steps, timestamps, values))
}

/// What was not read yet. Each function takes what it reads from the front.
struct Rest<'l>(&'l str);

impl Rest<'_> {
    fn skip(&mut self, text: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(text)?;
        Some(())
    }

    /// The name of a field, with what stands before its value.
    fn field(&mut self, before: &str, name: &str, after: &str) -> Option<()> {
        [before, "\"", name, "\":", after]
            .into_iter()
            .try_for_each(|text| self.skip(text))
    }

    /// A field with a string without escapes.
    fn text(&mut self, before: &str, name: &str) -> Option<String> {
        self.field(before, name, "\"")?;
        let end = memchr::memchr2(b'"', b'\\', self.0.as_bytes())?;
        let (text, rest) = self.0.split_at(end);
        if text.bytes().any(|byte| byte.is_ascii_control()) {
            return None;
        }
        self.0 = rest;
        self.skip("\"")?;
        Some(text.to_owned())
    }

    /// A field with a list; an empty one is not plain.
    fn list<T>(&mut self, name: &str, room: usize, item: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        self.field(",", name, "[")?;
        let mut items = Vec::with_capacity(room);
        loop {
            items.push(item(self)?);
            if self.skip("]").is_some() {
                return Some(items);
            }
            self.skip(",")?;
        }
    }

    /// An integer of at most 18 digits, which no `i64` is too small for.
    fn integer(&mut self) -> Option<i64> {
        let is_negative = self.skip("-").is_some();
        let (number, count) = digits(self.0.as_bytes());
        if count == 0 || count > 18 || (self.0.starts_with('0') && (count > 1 || is_negative)) {
            return None;
        }
        self.0 = &self.0[count..];
        let number = number as i64;
        Some(if is_negative { -number } else { number })
    }

    /// A double with a point, as finite ones have unless they have an exponent alone.
    fn double(&mut self) -> Option<Double> {
        let bytes = self.0.as_bytes();
        let sign = usize::from(bytes.first() == Some(&b'-'));
        let (_, whole) = digits(&bytes[sign..]);
        let point = sign + whole;
        if whole == 0 || (whole > 1 && bytes[sign] == b'0') || bytes.get(point) != Some(&b'.') {
            return None;
        }
        let (_, part) = digits(&bytes[point + 1..]);
        let (number, rest) = self.0.split_at(point + 1 + part);
        if part == 0 || rest.starts_with(['e', 'E']) {
            return None;
        }
        self.0 = rest;
        // Exact, as serde_json's own are.
        let number: f64 = number.parse().ok()?;
        number.is_finite().then_some(Double(number))
    }
}

/// The number that the digits at the front make, and how many they are; of more than 18, the number means nothing.
fn digits(bytes: &[u8]) -> (u64, usize) {
    let (mut number, mut count) = (0_u64, 0);
    while let Some(eight) = bytes[count..].first_chunk()
        && let Some(more) = eight_digits(*eight)
    {
        number = number.wrapping_mul(100_000_000).wrapping_add(more);
        count += 8;
    }
    while let Some(digit @ b'0'..=b'9') = bytes.get(count) {
        number = number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        count += 1;
    }
    (number, count)
}

/// The number that eight digits make, all at once: pairs of them, then fours, then all.
///
/// Source: Johnny Lee's and Daniel Lemire's way to parse eight digits, as in the crate `fast-float`.
fn eight_digits(bytes: [u8; 8]) -> Option<u64> {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const PAIRS: u64 = 0x0000_00ff_0000_00ff;
    let text = u64::from_le_bytes(bytes);
    let digits = text.wrapping_sub(u64::from(b'0') * EACH);
    // What is above `9` sets a high bit by the sum, what is below `0` by the difference.
    if (text.wrapping_add(0x46 * EACH) | digits) & (0x80 * EACH) != 0 {
        return None;
    }
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let high = (pairs & PAIRS).wrapping_mul(100 | 1_000_000 << 32);
    let low = ((pairs >> 16) & PAIRS).wrapping_mul(1 | 10_000 << 32);
    Some(high.wrapping_add(low) >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::walk::join::Slice as _;
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

    #[test]
    fn lines_as_they_are_written_are_plain() {
        let slice = slice_of("loss/é", &[(1_700_000_000_000, 0, 0.25), (-5, -1, -0.0)]);
        assert_eq!(MetricSlice::of_plain(&line_of(&slice)), Some(slice.clone()));
        let of_model = ModelMetricSlice::from_points("m-1", "loss", &slice.points().collect::<Vec<_>>());
        assert_eq!(ModelMetricSlice::of_plain(&line_of(&of_model)), Some(of_model));
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
            if let Some(plain) = MetricSlice::of_plain(text.as_bytes()) {
                let read: MetricSlice = serde_json::from_str(&text).unwrap();
                prop_assert_eq!(bits(&plain), bits(&read));
                prop_assert_eq!(plain, read);
            }
        }

        #[test]
        fn eight_digits_are_those_of_the_text(bytes in "[0-9]{8}|[-+./0-:;e \u{7f}]{8}") {
            let bytes: [u8; 8] = bytes.as_bytes().try_into().unwrap();
            let is_number = bytes.iter().all(u8::is_ascii_digit);
            let number = std::str::from_utf8(&bytes).unwrap().parse().ok().filter(|_| is_number);
            prop_assert_eq!(eight_digits(bytes), number);
        }

        #[test]
        fn numbers_are_what_serde_json_reads(text in "-?[0-9]{0,20}(\\.[0-9]{0,25})?(e[+-]?[0-9]{1,3})?") {
            let mut line = Rest(&text);
            if let Some(number) = line.double().filter(|_| line.0.is_empty()) {
                prop_assert_eq!(number.0.to_bits(), serde_json::from_str::<f64>(&text).unwrap().to_bits());
            }
            let mut line = Rest(&text);
            if let Some(number) = line.integer().filter(|_| line.0.is_empty()) {
                prop_assert_eq!(number, serde_json::from_str::<i64>(&text).unwrap());
            }
        }
    }
}
