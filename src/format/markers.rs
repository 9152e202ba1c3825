//! The archive's own objects in a line, `{"$blob": …}`, `{"$bytes": …}`, `{"$int": …}` and `{"$float": …}`: where
//! they may stand and what is in them. No IO.
//!
//! Keys of tags, parameters and metadata are as the user chose them, and may start with `$`. Everywhere else a key
//! that starts with one `$` is the archive's own, since a user's gets one more (`model::free_json`).

use super::Kind;
use crate::model::BlobRef;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::fmt;

/// What is wrong with a marker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MarkerFault {
    /// Where in the object, as `assessments[0].feedback`.
    path: String,
    reason: String,
}

impl fmt::Display for MarkerFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => formatter.write_str(&self.reason),
            path => write!(formatter, "in `{path}`, {}", self.reason),
        }
    }
}

type Result<T = ()> = std::result::Result<T, MarkerFault>;

/// What keys mean at a place of a line.
#[derive(Debug, Clone, Copy)]
enum Shape {
    /// A user's own JSON.
    Free,
    /// Fields by name; one that is not named is free JSON.
    Fields(&'static [(&'static str, Shape)]),
    /// A list of such objects.
    List(&'static [(&'static str, Shape)]),
    /// A user's own keys, a `$` doubled, with free JSON each.
    Names,
    /// A user's own keys as they are, with a text each.
    Texts,
    /// Its type says all, and has no place for a marker.
    Typed,
}

use Shape::{Fields, List, Names, Texts, Typed};

const TAGS: &[(&str, Shape)] = &[("tags", Texts)];
const ATTRIBUTES: &[(&str, Shape)] = &[("attributes", Names)];

/// The fields of a kind's lines that are not free JSON or a single value.
fn shape_of(kind: Kind) -> &'static [(&'static str, Shape)] {
    match kind {
        Kind::Experiments | Kind::ModelVersions | Kind::EvaluationDatasets => TAGS,
        Kind::Runs => &[
            ("info", Fields(&[])),
            (
                "inputs",
                Fields(&[("dataset_inputs", List(TAGS)), ("model_inputs", Typed)]),
            ),
            ("metrics", Typed),
            ("outputs", Typed),
            ("params", Texts),
            ("tags", Texts),
        ],
        Kind::LoggedModels => &[("params", Texts), ("tags", Texts)],
        Kind::RegisteredModels => &[("aliases", Typed), ("tags", Texts)],
        Kind::Traces => &[
            ("assessments", List(&[("metadata", Texts), ("source", Typed)])),
            ("tags", Texts),
            ("trace_metadata", Texts),
        ],
        Kind::Spans => &[
            ("attributes", Names),
            ("events", List(ATTRIBUTES)),
            ("links", List(ATTRIBUTES)),
        ],
        _ => &[],
    }
}

/// Checks the markers of a line of objects.
///
/// # Errors
/// The first that is not one of the format's.
pub(crate) fn check_line(kind: Kind, line: &Value) -> Result {
    check(Fields(shape_of(kind)), line)
}

/// Checks the markers among the old values of an undo record.
///
/// # Errors
/// The first that is not one of the format's.
pub(crate) fn check_undo<'v>(replaced: impl IntoIterator<Item = (&'v String, &'v Value)>) -> Result {
    replaced
        .into_iter()
        .try_for_each(|(key, value)| text(value).map_err(|fault| fault.within(key).within("replaced")))
}

fn check(shape: Shape, value: &Value) -> Result {
    match (shape, value) {
        (Shape::Free, _) => free(value),
        (Fields(fields), Value::Object(map)) => own_names(map)?.try_for_each(|(key, value)| {
            let known = fields.iter().find(|(name, _)| name == key);
            let shape = known.map_or(Shape::Free, |(_, shape)| *shape);
            check(shape, value).map_err(|fault| fault.within(key))
        }),
        (List(fields), Value::Array(items)) => items
            .iter()
            .zip(0..)
            .try_for_each(|(item, at)| check(Fields(fields), item).map_err(|fault| fault.at(at))),
        (Names, Value::Object(map)) => {
            own_names(map)?.try_for_each(|(key, value)| free(value).map_err(|fault| fault.within(key)))
        }
        (Texts, Value::Object(map)) => map
            .iter()
            .try_for_each(|(key, value)| text(value).map_err(|fault| fault.within(key))),
        // What is no object or list where one must be is for its type to say.
        _ => Ok(()),
    }
}

/// The entries of an object that is not a marker.
fn own_names(map: &Map<String, Value>) -> Result<impl Iterator<Item = (&String, &Value)>> {
    match map.keys().find(|key| is_marker(key)) {
        Some(key) => Err(MarkerFault::new(format!(
            "a field is named `{key}`, with one `$`"
        ))),
        None => Ok(map.iter()),
    }
}

/// Whether a key is the archive's own; a user's that starts with `$` starts with two.
fn is_marker(key: &str) -> bool {
    key.starts_with('$') && !key.starts_with("$$")
}

fn free(value: &Value) -> Result {
    match value {
        Value::Array(items) => items
            .iter()
            .zip(0..)
            .try_for_each(|(item, at)| free(item).map_err(|fault| fault.at(at))),
        Value::Object(map) => match map.iter().find(|(key, _)| is_marker(key)) {
            Some((key, value)) => marker(map, key, value),
            None => map
                .iter()
                .try_for_each(|(key, value)| free(value).map_err(|fault| fault.within(key))),
        },
        _ => Ok(()),
    }
}

/// A value of tags, parameters or metadata: a string, or one of the two markers that stand for texts.
fn text(value: &Value) -> Result {
    let Value::Object(map) = value else {
        return Ok(());
    };
    match map
        .iter()
        .find(|(key, _)| matches!(key.as_str(), "$blob" | "$bytes"))
    {
        Some((key, value)) => marker(map, key, value),
        None => Err(MarkerFault::new(
            "an object is in the place of a text, but is not a marker of one",
        )),
    }
}

fn marker(map: &Map<String, Value>, key: &str, value: &Value) -> Result {
    let wrong = match key {
        "$blob" => blob(value),
        "$bytes" => bytes(value),
        "$int" => integer(value),
        "$float" => float(value),
        _ => Some("is not a marker of the format"),
    };
    match wrong {
        Some(wrong) => Err(MarkerFault::new(format!("`{key}` {wrong}"))),
        None if map.len() > 1 => Err(MarkerFault::new(format!("`{key}` has other keys beside it"))),
        None => Ok(()),
    }
}

fn blob(value: &Value) -> Option<&'static str> {
    let is_blob = BlobRef::deserialize(value).is_ok();
    (!is_blob).then_some("is not `{sha256, size_bytes}`")
}

fn bytes(value: &Value) -> Option<&'static str> {
    let text = match value {
        Value::String(text) => text,
        Value::Object(map) if map.len() == 1 => return map.get("$blob").map_or(Some("holds no text"), blob),
        _ => return Some("holds no text"),
    };
    match STANDARD.decode(text) {
        Err(_) => Some("is not base64"),
        Ok(bytes) if std::str::from_utf8(&bytes).is_ok() => Some("holds UTF-8, which must be a string"),
        Ok(_) => None,
    }
}

fn integer(value: &Value) -> Option<&'static str> {
    let Value::String(text) = value else {
        return Some("holds no text");
    };
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_decimal = !digits.starts_with('0') && digits.bytes().all(|digit| digit.is_ascii_digit());
    let is_plain = text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok();
    if digits.is_empty() || !is_decimal {
        Some("is not an integer's decimal digits")
    } else {
        is_plain.then_some("holds an integer of 64 bits, which must be a number")
    }
}

fn float(value: &Value) -> Option<&'static str> {
    let is_known = matches!(value.as_str(), Some("NaN" | "Infinity" | "-Infinity"));
    (!is_known).then_some("is none of \"NaN\", \"Infinity\" and \"-Infinity\"")
}

impl MarkerFault {
    fn new(reason: impl Into<String>) -> Self {
        let (path, reason) = (String::new(), reason.into());
        MarkerFault { path, reason }
    }

    /// The fault as seen from the object whose field `name` has it.
    fn within(mut self, name: &str) -> Self {
        let dot = match self.path.starts_with('[') || self.path.is_empty() {
            true => "",
            false => ".",
        };
        self.path = format!("{name}{dot}{}", self.path);
        self
    }

    /// The fault as seen from the list whose item `at` has it.
    fn at(self, at: usize) -> Self {
        self.within(&format!("[{at}]"))
    }
}

#[cfg(test)]
mod tests;
