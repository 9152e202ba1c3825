//! How differences look: one JSON object a line, columns in a pipe, groups by object on a terminal.

use crate::cli::Screen;
use crate::cli::table::{Form, HEADING};
use crate::report::diff::{Change, Difference, PointDifferences};
use crate::report::text::{json_text, printable, shortened};
use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};
use std::io::{self, Write};

/// Longer values are cut in text, and end with their length and digest.
const VALUE_CHARACTERS: usize = 1000;
/// The same on a terminal.
const TERMINAL_CHARACTERS: usize = 100;

/// Prints differences as they come.
pub(super) struct Printer<W: Write> {
    out: Screen<W>,
    form: Form,
    count: u64,
    object: Option<(String, String)>,
}

impl<W: Write> Printer<W> {
    pub(super) fn new(out: Screen<W>, form: Form) -> Self {
        Printer {
            out,
            form,
            count: 0,
            object: None,
        }
    }

    pub(super) fn print(&mut self, difference: &Difference) -> io::Result<()> {
        self.count += 1;
        match self.form {
            Form::Json => writeln!(self.out, "{}", json_text(difference)),
            Form::Piped => self.print_piped(difference),
            Form::Terminal => self.print_grouped(difference),
        }
    }

    pub(super) fn finish(mut self) -> io::Result<u64> {
        if self.form == Form::Terminal && self.count > 0 {
            writeln!(
                self.out,
                "\n{}",
                crate::cli::humanize::counted(self.count, "differences")
            )?;
        }
        self.out.flush()?;
        Ok(self.count)
    }

    fn print_piped(&mut self, difference: &Difference) -> io::Result<()> {
        let Difference { kind, id, .. } = difference;
        let key = difference.key_text();
        let (before, after) = match &difference.points {
            Some(points) => point_counts(points),
            None => (
                piped(difference, &difference.before),
                piped(difference, &difference.after),
            ),
        };
        let mut line = |change: Change, key: &str, before: &str, after: &str| {
            let [kind, id, key] = [kind, id, key].map(printable);
            writeln!(
                self.out,
                "{}\t{kind}\t{id}\t{key}\t{before}\t{after}",
                change.as_str()
            )
        };
        line(difference.change, &key, &before, &after)?;
        for point in difference.points.iter().flat_map(|points| &points.first) {
            let change = match (&point.before, &point.after) {
                (None, _) => Change::Added,
                (_, None) => Change::Removed,
                _ => Change::Changed,
            };
            let key = format!("{key}[{},{}]", point.timestamp, point.step);
            line(change, &key, &side(&point.before), &side(&point.after))?;
        }
        Ok(())
    }

    fn print_grouped(&mut self, difference: &Difference) -> io::Result<()> {
        let Difference { kind, id, change, .. } = difference;
        let style = style_of(*change);
        let sign = sign_of(*change);
        if difference.key.is_empty() {
            self.object = None;
            let heading = format!("{sign} {} {}", printable(kind), printable(id));
            self.out.styled(style, heading)?;
            return writeln!(self.out);
        }
        let object = (kind.clone(), id.clone());
        if self.object.as_ref() != Some(&object) {
            let heading = format!("~ {} {}", printable(kind), printable(id));
            self.out.styled(HEADING, heading)?;
            writeln!(self.out)?;
            self.object = Some(object);
        }
        let key = difference.key_text();
        let key = printable(&key);
        write!(self.out, "    ")?;
        self.out.styled(style, sign)?;
        write!(self.out, " {key}: ")?;
        match &difference.points {
            Some(points) => print_points(&mut self.out, points),
            None => writeln!(self.out, "{}", sides(&difference.before, &difference.after)),
        }
    }
}

fn print_points<W: Write>(out: &mut Screen<W>, points: &PointDifferences) -> io::Result<()> {
    let counts = [
        (points.added, "added"),
        (points.removed, "removed"),
        (points.changed, "changed"),
    ];
    let counts: Vec<_> = counts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{} {word}", crate::cli::humanize::grouped(count)))
        .collect();
    writeln!(out, "points {}", counts.join(", "))?;
    for point in &points.first {
        writeln!(
            out,
            "        step {} at {}: {}",
            point.step,
            crate::report::text::time_text(point.timestamp),
            sides(&point.before, &point.after)
        )?;
    }
    Ok(())
}

fn style_of(change: Change) -> Style {
    let color = match change {
        Change::Added => AnsiColor::Green,
        Change::Removed => AnsiColor::Red,
        Change::Changed => AnsiColor::Yellow,
    };
    color.on_default()
}

fn sign_of(change: Change) -> char {
    match change {
        Change::Added => '+',
        Change::Removed => '-',
        Change::Changed => '~',
    }
}

/// Both values, or the one there is.
fn sides(before: &Option<Value>, after: &Option<Value>) -> String {
    let shown = |value: &Value| shortened(&json_text(value), TERMINAL_CHARACTERS).into_owned();
    match (before, after) {
        (Some(before), Some(after)) => format!("{} → {}", shown(before), shown(after)),
        (Some(value), None) | (None, Some(value)) => shown(value),
        (None, None) => String::new(),
    }
}

fn side(value: &Option<Value>) -> String {
    match value {
        None => "absent".to_owned(),
        Some(Value::String(text)) => json_text(&shortened(text, VALUE_CHARACTERS)),
        Some(value) => shortened(&json_text(value), VALUE_CHARACTERS).into_owned(),
    }
}

fn piped(difference: &Difference, value: &Option<Value>) -> String {
    match (difference.key.is_empty(), value) {
        (true, Some(_)) => "present".to_owned(),
        _ => side(value),
    }
}

/// Points of a metric that differ, as each side has them.
fn point_counts(points: &PointDifferences) -> (String, String) {
    let PointDifferences {
        added,
        removed,
        changed,
        ..
    } = points;
    (
        json!({"changed": changed, "only_here": removed}).to_string(),
        json!({"changed": changed, "only_here": added}).to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::diff::PointDifference;

    fn difference(
        change: Change,
        kind: &str,
        id: &str,
        key: &[&str],
        sides: [Option<Value>; 2],
    ) -> Difference {
        let [before, after] = sides;
        Difference {
            change,
            kind: kind.to_owned(),
            id: id.to_owned(),
            owner_kind: None,
            key: key.iter().map(|part| (*part).to_owned()).collect(),
            before,
            after,
            points: None,
        }
    }

    fn printed(form: Form) -> String {
        let some = |value: Value| Some(value);
        let mut metric = difference(Change::Changed, "metrics", "r1", &["loss"], [None, None]);
        metric.points = Some(PointDifferences {
            added: 1200,
            removed: 0,
            changed: 1,
            first: vec![
                PointDifference {
                    timestamp: 1_670_836_055_960,
                    step: 3,
                    before: some(json!(0.5)),
                    after: some(json!("NaN")),
                },
                PointDifference {
                    timestamp: 1_670_836_055_961,
                    step: 4,
                    before: None,
                    after: some(json!(1.0)),
                },
            ],
        });
        let differences = [
            difference(
                Change::Removed,
                "experiments",
                "7",
                &[],
                [some(json!({"name": "x"})), None],
            ),
            difference(
                Change::Added,
                "runs",
                "r1",
                &["tags", "a\u{1b}b"],
                [None, some(json!("v\u{9b}\n"))],
            ),
            difference(
                Change::Changed,
                "runs",
                "r1",
                &["info", "status"],
                [some(json!("RUNNING")), some(json!("FAILED"))],
            ),
            difference(
                Change::Removed,
                "runs",
                "r1",
                &["params", "long"],
                [some(json!("x".repeat(2000))), None],
            ),
            metric,
        ];
        let mut out = Vec::new();
        let mut printer = Printer::new(Screen::text(&mut out), form);
        differences
            .iter()
            .for_each(|difference| printer.print(difference).unwrap());
        printer.finish().unwrap();
        String::from_utf8(anstream::adapter::strip_bytes(&out).into_vec()).unwrap()
    }

    #[test]
    fn a_terminal_gets_differences_by_object() {
        insta::assert_snapshot!(printed(Form::Terminal));
    }

    #[test]
    fn a_pipe_gets_a_line_per_key() {
        let text = printed(Form::Piped);
        assert!(text.lines().all(|line| line.split('\t').count() == 6), "{text}");
        insta::assert_snapshot!(text.replace(&"x".repeat(1000), "x…x"));
    }
}
