//! An object for people: its fields, then what belongs to it.

use crate::cli::table::HEADING;
use crate::cli::{Screen, bytes, grouped};
use crate::format::Kind;
use crate::model::{ArtifactFile, Double};
use crate::report::object::{Found, Related};
use crate::report::text::{json_text, printable, time_text, value_text};
use crate::report::{Curve, SeriesFacts};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, Write};
use unicode_width::UnicodeWidthStr;

/// Longer values are cut, and end with their length and digest.
const VALUE_CHARACTERS: usize = 300;

/// Prints an object.
pub(super) fn describe<W: Write>(screen: &mut Screen<W>, found: &Found, related: &Related) -> io::Result<()> {
    section(screen, &format!("{} {}", found.kind.singular(), found.id))?;
    let mut sections = Sections::default();
    if let Value::Object(map) = &found.value {
        sections.take(map);
    }
    if found.kind == Kind::Experiments {
        sections.fields.push(("runs".to_owned(), grouped(related.runs)));
    }
    rows(screen, "", &sections.fields)?;
    for (name, rows_of_section) in &sections.maps {
        section(screen, name)?;
        rows(screen, "  ", rows_of_section)?;
    }
    series(screen, &related.series)?;
    artifacts(screen, related)?;
    match found.kind {
        Kind::Traces => spans(screen, &related.lines),
        Kind::RegisteredModels => versions(screen, &related.lines),
        _ => Ok(()),
    }
}

fn section<W: Write>(screen: &mut Screen<W>, name: &str) -> io::Result<()> {
    screen.styled(HEADING, printable(name))?;
    writeln!(screen)
}

type Row = (String, String);

/// Plain fields first, then a section per map or list.
#[derive(Default)]
struct Sections {
    fields: Vec<Row>,
    maps: Vec<(String, Vec<Row>)>,
}

impl Sections {
    fn take(&mut self, map: &Map<String, Value>) {
        for (name, value) in map {
            match value {
                // A run's `info` is what one asks for first.
                Value::Object(info) if name == "info" => self.take_info(info),
                Value::Object(map) if map.is_empty() => {}
                Value::Object(metrics) if name == "metrics" => {
                    self.maps
                        .push((name.clone(), metrics.iter().map(latest).collect()));
                }
                Value::Object(map) if !map.keys().any(|key| key.starts_with('$')) => {
                    self.maps.push((name.clone(), map.iter().map(row).collect()));
                }
                Value::Array(items) if items.is_empty() => {}
                Value::Array(items) => {
                    let rows = items.iter().enumerate();
                    let rows =
                        rows.map(|(index, item)| (format!("[{index}]"), value_text(item, VALUE_CHARACTERS)));
                    self.maps.push((name.clone(), rows.collect()));
                }
                value => self.fields.push(field(name, value)),
            }
        }
    }

    fn take_info(&mut self, info: &Map<String, Value>) {
        let rows: Vec<_> = info.iter().map(|(name, value)| field(name, value)).collect();
        self.fields.splice(0..0, rows);
    }
}

fn row((name, value): (&String, &Value)) -> Row {
    (printable(name).into_owned(), value_text(value, VALUE_CHARACTERS))
}

fn field(name: &str, value: &Value) -> Row {
    let is_time = (name.ends_with("time") || name.ends_with("timestamp") || name.ends_with("timestamp_ms"))
        && !name.ends_with("unix_nano");
    let shown = match value.as_i64() {
        Some(time) if is_time => time_text(time),
        _ => value_text(value, VALUE_CHARACTERS),
    };
    (printable(name).into_owned(), shown)
}

/// The latest point of a metric on one line.
fn latest((name, point): (&String, &Value)) -> Row {
    let time = point["timestamp"].as_i64().map(time_text).unwrap_or_default();
    let value = value_text(&point["value"], VALUE_CHARACTERS);
    (
        printable(name).into_owned(),
        format!("{value}  step {} at {time}", point["step"]),
    )
}

fn rows<W: Write>(screen: &mut Screen<W>, indent: &str, rows: &[Row]) -> io::Result<()> {
    let width = rows
        .iter()
        .map(|(name, _)| name.width().min(40))
        .max()
        .unwrap_or(0);
    for (name, value) in rows {
        let gap = " ".repeat(width.saturating_sub(name.width()));
        let row = format!("{indent}{name}{gap}  {value}");
        writeln!(screen, "{}", row.trim_end())?;
    }
    Ok(())
}

/// A small curve; `?` where no value is finite.
fn curve_text(curve: &Curve, is_utf8: bool) -> String {
    let signs: [char; 8] = match is_utf8 {
        true => ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
        false => ['_', '.', ',', '-', '~', '=', '*', '#'],
    };
    let levels = curve.levels(7).into_iter();
    levels
        .map(|level| level.map_or('?', |level| signs[usize::from(level.min(7))]))
        .collect()
}

/// Whether the locale's texts are UTF-8: the first of these variables that says anything decides.
fn is_utf8_wanted(variable: impl Fn(&str) -> Option<OsString>) -> bool {
    let variables = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter();
    let locale = variables.filter_map(variable).find(|locale| !locale.is_empty());
    let locale = locale.unwrap_or_default().to_string_lossy().to_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

fn series<W: Write>(screen: &mut Screen<W>, series: &[SeriesFacts]) -> io::Result<()> {
    if series.is_empty() {
        return Ok(());
    }
    section(screen, "metric history")?;
    let is_utf8 = is_utf8_wanted(|name| std::env::var_os(name));
    let number = |value: &Double| json_text(value).trim_matches('"').to_owned();
    let row = |facts: &SeriesFacts| {
        let points = if facts.points == 1 { "point" } else { "points" };
        let mut shown = format!(
            "{} {points}, {} to {}",
            grouped(facts.points),
            number(&facts.first),
            number(&facts.last)
        );
        if let (Some(min), Some(max)) = (&facts.min, &facts.max) {
            let _ = write!(shown, ", min {}, max {}", number(min), number(max));
        }
        let curve = curve_text(&facts.curve, is_utf8);
        if !curve.is_empty() {
            let _ = write!(shown, "  {curve}");
        }
        (printable(&facts.key).into_owned(), shown)
    };
    rows(screen, "  ", &series.iter().map(row).collect::<Vec<_>>())
}

fn artifacts<W: Write>(screen: &mut Screen<W>, related: &Related) -> io::Result<()> {
    if related.artifact_files == 0 {
        return Ok(());
    }
    let (files, size) = (grouped(related.artifact_files), bytes(related.artifact_bytes));
    section(screen, &format!("artifacts: {files}, {size}"))?;
    let row = |file: &ArtifactFile| {
        let size = file.size_bytes.map(bytes).unwrap_or_default();
        let absent = file
            .absent
            .map(|absent| format!("absent: {}", json_text(&absent).trim_matches('"')));
        (printable(&file.path).into_owned(), absent.unwrap_or(size))
    };
    rows(
        screen,
        "  ",
        &related.artifacts.iter().map(row).collect::<Vec<_>>(),
    )?;
    let more = related.artifact_files - related.artifacts.len() as u64;
    if more > 0 {
        writeln!(screen, "  … {} more", grouped(more))?;
    }
    Ok(())
}

fn versions<W: Write>(screen: &mut Screen<W>, lines: &[Value]) -> io::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    section(screen, "versions")?;
    let row = |line: &Value| {
        let parts = ["current_stage", "status", "run_id", "description"].map(|field| &line[field]);
        let shown: Vec<_> = parts
            .into_iter()
            .filter(|value| !value.is_null())
            .map(|value| value_text(value, 80))
            .collect();
        (line["version"].to_string(), shown.join("  "))
    };
    rows(screen, "  ", &lines.iter().map(row).collect::<Vec<_>>())
}

/// The spans of a trace as a tree; one whose parent is not there, or that is its own ancestor, stands at the top.
fn spans<W: Write>(screen: &mut Screen<W>, lines: &[Value]) -> io::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    section(screen, &format!("spans: {}", grouped(lines.len() as u64)))?;
    let id = |line: &Value, field: &str| line[field].as_str().map(str::to_owned);
    let ids: BTreeSet<_> = lines.iter().filter_map(|line| id(line, "span_id")).collect();
    let mut children: BTreeMap<Option<String>, Vec<usize>> = BTreeMap::new();
    for (index, line) in lines.iter().enumerate() {
        let parent = id(line, "parent_span_id").filter(|parent| ids.contains(parent));
        children.entry(parent).or_default().push(index);
    }
    let mut shown = vec![false; lines.len()];
    let mut pending: Vec<(usize, usize)> = Vec::new();
    let roots = children.get(&None).cloned().unwrap_or_default();
    let all = roots.into_iter().chain(0..lines.len());
    for root in all {
        pending.push((root, 0));
        while let Some((index, depth)) = pending.pop() {
            if std::mem::replace(&mut shown[index], true) {
                continue;
            }
            span(screen, &lines[index], depth)?;
            let below = children.get(&id(&lines[index], "span_id")).into_iter().flatten();
            pending.extend(below.rev().map(|&child| (child, depth + 1)));
        }
    }
    Ok(())
}

fn span<W: Write>(screen: &mut Screen<W>, line: &Value, depth: usize) -> io::Result<()> {
    let indent = "  ".repeat(depth.min(40) + 1);
    let mut shown = value_text(&line["name"], 80);
    for field in ["kind", "status_code", "status_message"] {
        if let Some(value) = line[field].as_str() {
            let value = value.strip_prefix("SPAN_KIND_").unwrap_or(value);
            let _ = write!(shown, "  {}", printable(value));
        }
    }
    let [start, end] = ["start_time_unix_nano", "end_time_unix_nano"].map(|field| line[field].as_i64());
    if let Some(nanoseconds) = start.zip(end).and_then(|(start, end)| end.checked_sub(start)) {
        let _ = write!(shown, "  {:.3} ms", nanoseconds as f64 / 1e6);
    }
    writeln!(screen, "{indent}{shown}")
}
