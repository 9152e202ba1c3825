//! Doubles in typed positions: finite ones as JSON numbers, the three others as strings.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

/// A 64-bit float that survives JSON: `NaN`, `Infinity` and `-Infinity` are written as strings, the
/// way MLflow's REST API prints them.
#[derive(Debug, Clone, Copy)]
pub struct Double(pub f64);

impl Double {
    /// The archive's order of values: numeric, `-0.0` before `0.0`, every NaN equal and last.
    pub fn archive_cmp(self, other: Self) -> Ordering {
        match (self.0.is_nan(), other.0.is_nan()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => self.0.total_cmp(&other.0),
        }
    }

    /// One that is no number of JSON.
    pub(crate) fn of_text(text: &str) -> Option<Self> {
        Some(Double(match text {
            "NaN" => f64::NAN,
            "Infinity" => f64::INFINITY,
            "-Infinity" => f64::NEG_INFINITY,
            _ => return None,
        }))
    }

    /// The value as MLflow's SQL stores keep it: no infinities, and no sign on a zero.
    pub(crate) fn as_stored(self) -> Self {
        Double(match self.0 {
            f64::INFINITY => f64::MAX,
            f64::NEG_INFINITY => f64::MIN,
            value => value + 0.0,
        })
    }
}

impl PartialEq for Double {
    fn eq(&self, other: &Self) -> bool {
        self.archive_cmp(*other) == Ordering::Equal
    }
}

impl Eq for Double {}

impl Serialize for Double {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            value if value.is_nan() => serializer.serialize_str("NaN"),
            f64::INFINITY => serializer.serialize_str("Infinity"),
            f64::NEG_INFINITY => serializer.serialize_str("-Infinity"),
            value => serializer.serialize_f64(value),
        }
    }
}

impl<'de> Deserialize<'de> for Double {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DoubleVisitor)
    }
}

struct DoubleVisitor;

impl de::Visitor<'_> for DoubleVisitor {
    type Value = Double;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number, \"NaN\", \"Infinity\" or \"-Infinity\"")
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Double, E> {
        Ok(Double(value))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Double, E> {
        Double::of_text(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

impl JsonSchema for Double {
    fn schema_name() -> Cow<'static, str> {
        "Double".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A 64-bit float; a finite one always has a point or an exponent",
            "anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: f64) -> String {
        serde_json::to_string(&Double(value)).unwrap()
    }

    #[test]
    fn doubles_follow_the_documented_text_rule() {
        // docs/format.md: plain from 1e-5 up to below 1e16, else an exponent with its sign.
        let cases = [
            (3.0, "3.0"),
            (-0.0, "-0.0"),
            (0.1, "0.1"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e16, "1.5e+16"),
            (123456789012345680.0, "1.2345678901234568e+17"),
            (1e-5, "0.00001"),
            (1.25e-6, "1.25e-6"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
        ];
        for (value, expected) in cases {
            assert_eq!(text(value), expected);
        }
    }

    #[test]
    fn non_finite_doubles_are_strings_both_ways() {
        for (value, expected) in [
            (f64::NAN, "\"NaN\""),
            (f64::INFINITY, "\"Infinity\""),
            (f64::NEG_INFINITY, "\"-Infinity\""),
        ] {
            assert_eq!(text(value), expected);
            assert_eq!(serde_json::from_str::<Double>(expected).unwrap(), Double(value));
        }
        assert!(serde_json::from_str::<Double>("\"nan\"").is_err());
    }

    proptest::proptest! {
        #[test]
        fn every_finite_double_survives_bit_for_bit(bits: u64) {
            let value = f64::from_bits(bits);
            if value.is_finite() {
                let back: Double = serde_json::from_str(&text(value)).unwrap();
                proptest::prop_assert_eq!(back.0.to_bits(), bits);
            }
        }
    }
}
