//! Lines of metrics in the form in which mlark writes them, read in one pass: most bytes of an archive of many runs are these numbers,
//! and a parser of any JSON takes three times as long for them.

use crate::model::Double;

/// Key, owner, steps, timestamps and values of a line.
type PlainLine = (String, String, Vec<i64>, Vec<i64>, Vec<Double>);

/// Reads a line without links. None where its form is another, which says nothing of whether it is right.
pub(super) fn of_plain_line(line: &[u8], owner: &str) -> Option<PlainLine> {
    let mut rest = Rest(line);
    let key = rest.text("{", "key")?;
    let owner = rest.text(",", owner)?;
    let steps = rest.list("steps", 32, Rest::integer)?;
    let timestamps = rest.list("timestamps", steps.len(), Rest::integer)?;
    let values = rest.list("values", steps.len(), Rest::double)?;
    (rest.0 == b"}").then_some((key, owner, steps, timestamps, values))
}

/// What was not read yet. Each function takes what it reads from the front.
struct Rest<'l>(&'l [u8]);

impl Rest<'_> {
    fn skip(&mut self, text: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(text.as_bytes())?;
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
        let (text, rest) = self.0.split_at_checked(memchr::memchr2(b'"', b'\\', self.0)?)?;
        if text.iter().any(u8::is_ascii_control) {
            return None;
        }
        self.0 = rest;
        self.skip("\"")?;
        Some(std::str::from_utf8(text).ok()?.to_owned())
    }

    /// A field with a list; an empty one is not plain.
    fn list<T>(&mut self, name: &str, room: usize, item: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        self.field(",", name, "[")?;
        let mut items = Vec::with_capacity(room);
        loop {
            items.push(item(self)?);
            let (end, rest) = self.0.split_first()?;
            self.0 = rest;
            match end {
                b',' => {}
                b']' => return Some(items),
                _ => return None,
            }
        }
    }

    /// An integer of at most 18 digits, which no `i64` is too small for.
    fn integer(&mut self) -> Option<i64> {
        let is_negative = self.skip("-").is_some();
        let (digits, zeros) = (count_digits(self.0), self.0.first() == Some(&b'0'));
        if digits == 0 || digits > 18 || (zeros && (digits > 1 || is_negative)) {
            return None;
        }
        let (digits, rest) = self.0.split_at(digits);
        self.0 = rest;
        let number = digits
            .iter()
            .fold(0, |number, digit| number * 10 + i64::from(digit - b'0'));
        Some(if is_negative { -number } else { number })
    }

    /// A double with a point, as finite ones have unless they have an exponent alone.
    fn double(&mut self) -> Option<Double> {
        let sign = usize::from(self.0.first() == Some(&b'-'));
        let whole = count_digits(&self.0[sign..]);
        if whole == 0 || (whole > 1 && self.0[sign] == b'0') || self.0.get(sign + whole) != Some(&b'.') {
            return None;
        }
        let part = count_digits(&self.0[sign + whole + 1..]);
        let (number, rest) = self.0.split_at(sign + whole + 1 + part);
        if part == 0 || matches!(rest.first(), Some(b'e' | b'E')) {
            return None;
        }
        self.0 = rest;
        // Exact, as serde_json's own are.
        let number: f64 = std::str::from_utf8(number).ok()?.parse().ok()?;
        number.is_finite().then_some(Double(number))
    }
}

fn count_digits(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| byte.is_ascii_digit()).count()
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
