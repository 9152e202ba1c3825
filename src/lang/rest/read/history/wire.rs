//! Answers of the routes of metric history, as they are written on the wire.

use super::super::fields::{as_double, as_int};
use super::{HistoryRows, Points, RunHistory};
use crate::client::{Client, ClientError};
use crate::lang::rest::routes::{self, Call};
use crate::model::metric::{Point, PointLink};
use crate::model::number::Double;
use serde::Deserialize;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

/// A bulk answer.
pub(super) struct Bulk {
    /// In the order of the answer, the last one possibly cut.
    pub(super) runs: Vec<RunHistory>,
    pub(super) last_run: String,
    pub(super) points: usize,
    /// Points of the run that has most.
    pub(super) densest: usize,
    /// Whether points have fields that are not known.
    pub(super) says_more: bool,
}

/// The points of a list. Whether they have more fields than are known is asked of the first, as all are alike.
struct Listed<P> {
    points: Vec<P>,
    says_more: bool,
}

impl<P> Listed<P> {
    fn none() -> Self {
        Listed {
            points: Vec::new(),
            says_more: false,
        }
    }
}

impl<'de, P: Deserialize<'de>> Deserialize<'de> for Listed<P> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Listed::none())
    }
}

impl<'de, P: Deserialize<'de>> Visitor<'de> for Listed<P> {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of points")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Self, A::Error> {
        if let Some(first) = list.next_element::<Map<String, Value>>()? {
            self.says_more = !first.keys().all(|name| Point::has_field(name));
            let point = P::deserialize(Value::Object(first)).map_err(A::Error::custom)?;
            self.points.push(point);
        }
        while let Some(point) = list.next_element()? {
            self.points.push(point);
        }
        Ok(self)
    }
}

#[derive(Deserialize)]
struct BulkAnswer<'a> {
    #[serde(borrow, default = "Listed::none")]
    metrics: Listed<BulkPoint<'a>>,
}

#[derive(Deserialize)]
struct BulkPoint<'a> {
    #[serde(borrow)]
    run_id: Cow<'a, str>,
    timestamp: i64,
    step: i64,
    #[serde(deserialize_with = "wire_double")]
    value: Double,
}

fn wire_double<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Double, D::Error> {
    let value = Value::deserialize(deserializer)?;
    as_double(&value).ok_or_else(|| serde::de::Error::custom(format!("`{value}` is not a number")))
}

/// Takes a bulk answer apart by run.
pub(super) fn parse_bulk(body: &[u8], scratch: &std::path::Path) -> serde_json::Result<Bulk> {
    let quoted;
    let answer: BulkAnswer<'_> = match serde_json::from_slice(body) {
        Ok(answer) => answer,
        Err(_) => {
            quoted = quote_non_finite(body);
            serde_json::from_slice(&quoted)?
        }
    };
    let mut bulk = Bulk {
        runs: Vec::new(),
        last_run: String::new(),
        points: answer.metrics.points.len(),
        densest: 0,
        says_more: answer.metrics.says_more,
    };
    let mut seen = HashSet::new();
    let mut series = Points::new(scratch);
    for point in &answer.metrics.points {
        if point.run_id != bulk.last_run {
            bulk.close(&mut series, scratch);
            bulk.last_run = point.run_id.clone().into_owned();
            if !seen.insert(&point.run_id) {
                return Err(serde::de::Error::custom(
                    "the points of a run do not come together",
                ));
            }
        }
        let pushed = series.push(Point {
            timestamp: point.timestamp,
            step: point.step,
            value: point.value,
            link: None,
        });
        pushed.map_err(serde::de::Error::custom)?;
    }
    bulk.close(&mut series, scratch);
    Ok(bulk)
}

impl Bulk {
    fn close(&mut self, points: &mut Points, scratch: &std::path::Path) {
        if points.series.is_empty() {
            return;
        }
        let points = std::mem::replace(points, Points::new(scratch));
        let count = usize::try_from(points.series.len()).unwrap_or(usize::MAX);
        self.densest = self.densest.max(count);
        self.runs.push((self.last_run.clone(), Ok(points)));
    }
}

/// Puts Python's bare `NaN`, `Infinity` and `-Infinity` in quotes; text in strings stays.
fn quote_non_finite(body: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(body.len() + 64);
    let (mut is_string, mut is_escaped) = (false, false);
    let mut rest = body;
    while let [first, tail @ ..] = rest {
        if !is_string {
            let words: [&[u8]; 3] = [b"NaN", b"Infinity", b"-Infinity"];
            if let Some(word) = words.iter().find(|word| rest.starts_with(word)) {
                quoted.push(b'"');
                quoted.extend_from_slice(word);
                quoted.push(b'"');
                rest = &rest[word.len()..];
                continue;
            }
        }
        match first {
            b'"' if !is_escaped => is_string = !is_string,
            _ => {}
        }
        is_escaped = is_string && *first == b'\\' && !is_escaped;
        quoted.push(*first);
        rest = tail;
    }
    quoted
}

#[derive(Deserialize)]
struct HistoryPage {
    #[serde(default = "Listed::none")]
    metrics: Listed<HistoryPoint>,
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
struct HistoryPoint {
    #[serde(default)]
    timestamp: WireInt,
    #[serde(default)]
    step: WireInt,
    #[serde(default = "zero", deserialize_with = "wire_double")]
    value: Double,
    model_id: Option<String>,
    dataset_name: Option<String>,
    dataset_digest: Option<String>,
}

fn zero() -> Double {
    Double(0.0)
}

/// An integer, or its decimal text.
#[derive(Default)]
struct WireInt(i64);

impl<'de> Deserialize<'de> for WireInt {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let number = as_int(&value);
        number
            .map(WireInt)
            .ok_or_else(|| serde::de::Error::custom(format!("`{value}` is not an integer")))
    }
}

/// Asks for one page of the history of one metric of one run, and whether its points say more than is known.
pub(super) fn ask_page(
    client: &Client,
    run_id: &str,
    key: &str,
    token: Option<&str>,
    points: usize,
) -> Result<(HistoryRows, bool), ClientError> {
    // Servers from 3.1 to 3.13 answer with nothing at all where the number of points is not said.
    let asked = json!({"run_id": run_id, "metric_key": key});
    let request = Call::from(routes::HISTORY).page(client, &asked, token, points);
    let page = request.parse::<HistoryPage>()?;
    let points = page.metrics.points.into_iter().map(HistoryPoint::into_point);
    let next = page.next_page_token.filter(|next| !next.is_empty());
    Ok(((points.collect(), next), page.metrics.says_more))
}

impl HistoryPoint {
    fn into_point(self) -> Point {
        let link = PointLink {
            dataset_name: self.dataset_name,
            dataset_digest: self.dataset_digest,
            model_id: self.model_id,
            run_id: None,
        };
        Point {
            timestamp: self.timestamp.0,
            step: self.step.0,
            value: self.value,
            link: link.boxed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_words_are_quoted_outside_strings_only() {
        let body = br#"{"a\"NaN": [NaN, -Infinity, Infinity, "NaN", "x\\"], "b": -1}"#;
        let expected = r#"{"a\"NaN": ["NaN", "-Infinity", "Infinity", "NaN", "x\\"], "b": -1}"#;
        assert_eq!(String::from_utf8(quote_non_finite(body)).unwrap(), expected);
    }

    #[test]
    fn a_bulk_answer_is_taken_apart_by_run() {
        let body = br#"{"metrics":[{"key":"m","run_id":"a","step":0,"timestamp":1,"value":NaN},
            {"key":"m","run_id":"a","step":1,"timestamp":2,"value":3},{"key":"m","run_id":"b","step":0,"timestamp":1,"value":1e400}]}"#;
        let directory = tempfile::tempdir().unwrap();
        assert!(
            parse_bulk(body, directory.path()).is_err(),
            "1e400 is out of range"
        );
        let body = String::from_utf8(body.to_vec()).unwrap().replace("1e400", "-0.5");
        let bulk = parse_bulk(body.as_bytes(), directory.path()).unwrap();
        let sizes: Vec<_> = bulk
            .runs
            .iter()
            .map(|(id, series)| (id.as_str(), series.as_ref().unwrap().series.len()))
            .collect();
        assert_eq!(
            (sizes, bulk.points, bulk.densest),
            (vec![("a", 2), ("b", 1)], 3, 2)
        );
    }
}
