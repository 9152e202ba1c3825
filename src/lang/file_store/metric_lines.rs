//! Lines of metric files.
//!
//! | fields | meaning | written by |
//! |---|---|---|
//! | 2 | timestamp, value; the step is 0 | MLflow before 1.0, whose timestamps are seconds |
//! | 3 | timestamp, value, step | 1.0 and later |
//! | 5 or more | timestamp, value, step, dataset name, dataset digest | 3.0 and later; a name may hold spaces |
//! | 4, 6 or more | timestamp, value, step, run id[, dataset name, dataset digest] | logged models, 3.0 and later |
//!
//! MLflow 1.0 brought steps and milliseconds together, so a line of two fields counts seconds. Some tools append such lines with
//! milliseconds, though: a timestamp of 10^11 or more (the year 5138 in seconds) is taken as it stands.

use crate::model::Double;
use crate::model::metric::{Point, PointLink};
use std::io::{self, BufRead};

/// Longest line that is read.
const METRIC_LINE_BYTES: u64 = 64 << 10;
/// Timestamps from here on are milliseconds even on lines of two fields.
const FIRST_MILLISECONDS: i64 = 100_000_000_000;

/// Whose metric lines are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineOwner {
    /// A run's.
    Run,
    /// A logged model's, which name the run that measured.
    LoggedModel,
}

/// A line that is no metric point.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub(super) struct BadLine {
    /// From 1.
    pub(super) line: u64,
    /// What is wrong.
    pub(super) reason: &'static str,
}

/// What a metric file held beside its points.
#[derive(Debug, Default)]
pub(super) struct LinesReport {
    /// Lines that are no points.
    pub(super) bad: Vec<BadLine>,
    /// More bad lines than are listed.
    pub(super) more_bad: u64,
    /// Whether the last line has no line end, so that it may be cut.
    pub(super) is_unterminated: bool,
}

impl LinesReport {
    /// At most this many bad lines of one file are listed one by one.
    const LISTED: usize = 20;

    fn bad(&mut self, line: u64, reason: &'static str) {
        if self.bad.len() < Self::LISTED {
            self.bad.push(BadLine { line, reason });
        } else {
            self.more_bad += 1;
        }
    }
}

/// Parses the lines of a file in memory.
pub(super) fn parse_bytes(
    mut bytes: &[u8],
    owner: LineOwner,
    sink: &mut dyn FnMut(Point) -> io::Result<()>,
) -> io::Result<LinesReport> {
    let mut report = LinesReport::default();
    let mut number = 0;
    while !bytes.is_empty() {
        number += 1;
        let line = match bytes.iter().position(|&byte| byte == b'\n') {
            Some(end) => {
                let line = &bytes[..end];
                bytes = &bytes[end + 1..];
                line
            }
            None => {
                report.is_unterminated = true;
                std::mem::take(&mut bytes)
            }
        };
        match parse_line(line, owner) {
            Ok(point) => sink(point)?,
            Err(reason) => report.bad(number, reason),
        }
    }
    Ok(report)
}

/// How many points a run's lines have.
pub(super) fn count(bytes: &[u8]) -> u64 {
    let mut points = 0;
    let mut sink = |_| {
        points += 1;
        Ok(())
    };
    parse_bytes(bytes, LineOwner::Run, &mut sink).expect("the sink takes every point");
    points
}

/// Parses the lines of a stream, in memory bounded by one line.
pub(super) fn parse_stream(
    mut reader: impl BufRead,
    owner: LineOwner,
    sink: &mut dyn FnMut(Point) -> io::Result<()>,
) -> io::Result<LinesReport> {
    let mut report = LinesReport::default();
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        let read = io::Read::take(&mut reader, METRIC_LINE_BYTES).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(report);
        }
        number += 1;
        if line.last() == Some(&b'\n') {
            line.pop();
        } else if read as u64 == METRIC_LINE_BYTES {
            report.bad(number, "it is longer than 64 KiB");
            reader.skip_until(b'\n')?;
            continue;
        } else {
            report.is_unterminated = true;
        }
        match parse_line(&line, owner) {
            Ok(point) => sink(point)?,
            Err(reason) => report.bad(number, reason),
        }
    }
}

fn parse_line(line: &[u8], owner: LineOwner) -> Result<Point, &'static str> {
    match plain_point(line) {
        Some(point) if owner == LineOwner::Run => Ok(point),
        _ => parse_any_line(line, owner),
    }
}

/// A line of three fields as MLflow writes nearly all; any other is read at length.
fn plain_point(line: &[u8]) -> Option<Point> {
    let (timestamp, rest) = plain_int(line)?;
    let rest = rest.strip_prefix(b" ")?;
    let end = rest.iter().position(|&byte| byte == b' ')?;
    let value = std::str::from_utf8(&rest[..end]).ok()?.parse().ok()?;
    let (step, rest) = plain_int(&rest[end + 1..])?;
    rest.is_empty().then_some(Point {
        timestamp,
        step,
        value: Double(value),
        link: None,
    })
}

/// Up to 18 digits, and what follows them.
fn plain_int(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let count = bytes
        .iter()
        .take(19)
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if !(1..=18).contains(&count) {
        return None;
    }
    let (digits, rest) = bytes.split_at(count);
    let number = digits
        .iter()
        .fold(0, |number, digit| number * 10 + i64::from(digit - b'0'));
    Some((number, rest))
}

fn parse_any_line(line: &[u8], owner: LineOwner) -> Result<Point, &'static str> {
    let line = std::str::from_utf8(line).map_err(|_| "it is not UTF-8")?.trim();
    let mut rest = line;
    let mut next = || {
        let (field, after) = rest.split_once(' ').unwrap_or((rest, ""));
        rest = after;
        field
    };
    let timestamp: i64 = next()
        .parse()
        .map_err(|_| "its timestamp is not a 64-bit integer")?;
    let value: f64 = match next() {
        "" => return Err("it has no value"),
        value => value.parse().map_err(|_| "its value is not a number")?,
    };
    let step = next();
    let (timestamp, step) = match step {
        "" if owner == LineOwner::LoggedModel => return Err("it has too few fields"),
        "" => (seconds_to_ms(timestamp), 0),
        step => (
            timestamp,
            step.parse().map_err(|_| "its step is not a 64-bit integer")?,
        ),
    };
    let link = match owner {
        LineOwner::Run => dataset_link(rest, PointLink::default())?,
        LineOwner::LoggedModel => {
            let (run_id, dataset) = rest.split_once(' ').unwrap_or((rest, ""));
            if run_id.is_empty() {
                return Err("it has no run id");
            }
            let run_id = Some(run_id.to_owned());
            dataset_link(
                dataset,
                PointLink {
                    run_id,
                    ..PointLink::default()
                },
            )?
        }
    };
    Ok(Point {
        timestamp,
        step,
        value: Double(value),
        link: link.boxed(),
    })
}

/// The digest is the last field, the name all before it.
fn dataset_link(text: &str, link: PointLink) -> Result<PointLink, &'static str> {
    if text.is_empty() {
        return Ok(link);
    }
    let (name, digest) = text
        .rsplit_once(' ')
        .ok_or("it has a dataset name without a digest")?;
    Ok(PointLink {
        dataset_name: Some(name.to_owned()),
        dataset_digest: Some(digest.to_owned()),
        ..link
    })
}

fn seconds_to_ms(timestamp: i64) -> i64 {
    if timestamp.abs() < FIRST_MILLISECONDS {
        timestamp * 1000
    } else {
        timestamp
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(line: &str) -> Result<Point, &'static str> {
        parse_line(line.as_bytes(), LineOwner::Run)
    }

    fn plain(timestamp: i64, value: f64, step: i64) -> Point {
        Point {
            timestamp,
            step,
            value: Double(value),
            link: None,
        }
    }

    #[test]
    fn lines_of_each_length_are_read() {
        assert_eq!(
            point("1714979290123 0.5 -7").unwrap(),
            plain(1_714_979_290_123, 0.5, -7)
        );
        assert_eq!(point("1530000000 3").unwrap(), plain(1_530_000_000_000, 3.0, 0));
        assert_eq!(
            point("1530000000123 3").unwrap(),
            plain(1_530_000_000_123, 3.0, 0)
        );
        let linked = point("1 2.0 3 my data set 1e3").unwrap().link.unwrap();
        assert_eq!(linked.dataset_name.as_deref(), Some("my data set"));
        assert_eq!(linked.dataset_digest.as_deref(), Some("1e3"));
        let of_model = parse_line(b"1 2.0 3 run wine 1e3", LineOwner::LoggedModel).unwrap();
        let link = of_model.link.unwrap();
        assert_eq!(link.run_id.as_deref(), Some("run"));
        assert_eq!(link.dataset_name.as_deref(), Some("wine"));
    }

    #[test]
    fn values_are_pythons() {
        for (text, expected) in [
            ("nan", f64::NAN),
            ("inf", f64::INFINITY),
            ("-inf", f64::NEG_INFINITY),
            ("-0.0", -0.0),
            ("1e-07", 1e-7),
            ("1e+22", 1e22),
            ("5e-324", 5e-324),
            ("3", 3.0),
        ] {
            assert_eq!(
                point(&format!("1 {text} 0")).unwrap(),
                plain(1, expected, 0),
                "{text}"
            );
        }
    }

    #[test]
    fn malformed_lines_are_named_and_the_others_read() {
        let text = b"1 1.0 0\n\nx 1.0 0\n2 y 0\n3 1.0 z\n4 1.0 0 name\n5\n6 1.0 1\n7 1.0 2";
        let mut streamed = Vec::new();
        let mut points = Vec::new();
        let report = parse_bytes(text, LineOwner::Run, &mut |point| {
            points.push(point.timestamp);
            Ok(())
        })
        .unwrap();
        let again = parse_stream(&text[..], LineOwner::Run, &mut |point| {
            streamed.push(point.timestamp);
            Ok(())
        })
        .unwrap();
        assert_eq!(points, [1, 6, 7]);
        assert_eq!(streamed, points);
        assert_eq!(report.bad, again.bad);
        assert_eq!(
            report.bad.iter().map(|bad| bad.line).collect::<Vec<_>>(),
            [2, 3, 4, 5, 6, 7]
        );
        assert!(report.is_unterminated && again.is_unterminated);
    }

    proptest::proptest! {
        #[test]
        fn plain_points_read_alike_either_way(line in "[0-9]{1,20} (-?[0-9]{1,3}(\\.[0-9]{1,20})?(e[+-]?[0-9]{1,3})?|nan|-inf) [0-9]{1,20}") {
            if let Some(point) = plain_point(line.as_bytes()) {
                proptest::prop_assert_eq!(Ok(point), parse_any_line(line.as_bytes(), LineOwner::Run));
            }
        }

        #[test]
        fn any_bytes_give_points_or_bad_lines(bytes: Vec<u8>) {
            let mut count = 0;
            let report = parse_bytes(&bytes, LineOwner::LoggedModel, &mut |_| { count += 1; Ok(()) }).unwrap();
            let lines = bytes.split_inclusive(|&byte| byte == b'\n').count() as u64;
            proptest::prop_assert_eq!(count + report.bad.len() as u64 + report.more_bad, lines);
        }
    }
}
