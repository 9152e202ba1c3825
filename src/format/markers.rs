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
        Kind::Workspaces
        | Kind::Metrics
        | Kind::Datasets
        | Kind::ModelMetrics
        | Kind::DatasetRecords
        | Kind::Scorers
        | Kind::Artifacts => &[],
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
            "an object stands for a text, but is not a marker of one",
        )),
    }
}

fn marker(map: &Map<String, Value>, key: &str, value: &Value) -> Result {
    let wrong = match key {
        "$blob" => blob(value),
        "$bytes" => bytes(value),
        "$int" => integer(value),
        "$float" => float(value),
        _ => Some("is not one of the format's"),
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
        Ok(bytes) if std::str::from_utf8(&bytes).is_ok() => Some("holds UTF-8, which stands as a string"),
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
        is_plain.then_some("holds an integer of 64 bits, which stands as a number")
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
        let dot = if self.path.is_empty() || self.path.starts_with('[') {
            ""
        } else {
            "."
        };
        self.path = format!("{name}{dot}{}", self.path);
        self
    }

    /// The fault as seen from the list whose item `at` has it.
    fn at(mut self, at: usize) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') {
            ""
        } else {
            "."
        };
        self.path = format!("[{at}]{dot}{}", self.path);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::schema;
    use serde_json::json;

    fn fault(kind: Kind, line: &Value) -> String {
        check_line(kind, line).unwrap_err().to_string()
    }

    fn free_fault(value: Value) -> String {
        fault(Kind::DatasetRecords, &json!({"inputs": [1, {"q": value}]}))
    }

    #[test]
    fn each_marker_that_is_right_passes() {
        let blob = json!({"$blob": {"sha256": "0".repeat(64), "size_bytes": 1_048_577}});
        let free = json!([
            blob, {"$bytes": "/w=="}, {"$bytes": blob}, {"$int": "18446744073709551616"},
            {"$int": "-9223372036854775809"}, {"$float": "NaN"}, {"$$blob": 1, "$$": {"$$$int": null}},
        ]);
        assert_eq!(
            check_line(Kind::DatasetRecords, &json!({"inputs": free, "$$x": 1})),
            Ok(())
        );
        let texts = json!({"$blob": "a user's key", "$x": {"$bytes": "/w=="}, "long": blob});
        let run = json!({"tags": texts, "params": texts, "metrics": {"$int": {"step": 1}},
            "inputs": {"dataset_inputs": [{"name": blob, "tags": texts}]}});
        assert_eq!(check_line(Kind::Runs, &run), Ok(()));
        assert_eq!(check_undo(texts.as_object().unwrap()), Ok(()));
    }

    #[test]
    fn each_marker_that_is_wrong_is_named_with_its_place() {
        for (value, reason) in [
            (json!({"$": 1}), "`$` is not one of the format's"),
            (json!({"$date": "1"}), "`$date` is not one of the format's"),
            (
                json!({"$float": "NaN", "x": 1}),
                "`$float` has other keys beside it",
            ),
            (
                json!({"$float": "nan"}),
                "`$float` is none of \"NaN\", \"Infinity\" and \"-Infinity\"",
            ),
            (
                json!({"$float": 1.0}),
                "`$float` is none of \"NaN\", \"Infinity\" and \"-Infinity\"",
            ),
            (json!({"$int": 1}), "`$int` holds no text"),
            (
                json!({"$int": "1"}),
                "`$int` holds an integer of 64 bits, which stands as a number",
            ),
            (
                json!({"$int": "18446744073709551615"}),
                "`$int` holds an integer of 64 bits, which stands as a number",
            ),
            (
                json!({"$int": "018446744073709551616"}),
                "`$int` is not an integer's decimal digits",
            ),
            (
                json!({"$int": "+18446744073709551616"}),
                "`$int` is not an integer's decimal digits",
            ),
            (json!({"$int": "-"}), "`$int` is not an integer's decimal digits"),
            (json!({"$bytes": "/w="}), "`$bytes` is not base64"),
            (
                json!({"$bytes": "YQ=="}),
                "`$bytes` holds UTF-8, which stands as a string",
            ),
            (json!({"$bytes": {"$int": "1"}}), "`$bytes` holds no text"),
            (
                json!({"$blob": {"sha256": "00", "size_bytes": 1}}),
                "`$blob` is not `{sha256, size_bytes}`",
            ),
        ] {
            assert_eq!(free_fault(value), format!("in `inputs[1].q`, {reason}"));
        }
        let text = json!({"tags": {"a": {"$int": "18446744073709551616"}}});
        assert_eq!(
            fault(Kind::Runs, &text),
            "in `tags.a`, an object stands for a text, but is not a marker of one"
        );
        let spans = json!({"events": [{"attributes": {}}, {"attributes": {"$float": "NaN"}}]});
        assert_eq!(
            fault(Kind::Spans, &spans),
            "in `events[1].attributes`, a field is named `$float`, with one `$`"
        );
        assert_eq!(
            fault(Kind::Runs, &json!({"info": {"$x": 1}})),
            "in `info`, a field is named `$x`, with one `$`"
        );
    }

    /// A new map or group of a type must be told to `shape_of`, or users' keys in it would be taken for markers.
    #[test]
    fn shapes_are_those_of_the_types() {
        for &kind in Kind::ALL {
            if !matches!(kind, Kind::Metrics | Kind::ModelMetrics | Kind::Artifacts) {
                let schema = schema::of_kind(kind);
                compare(&schema, &schema, shape_of(kind), kind.name());
            }
        }
    }

    fn compare(root: &Value, schema: &Value, fields: &[(&str, Shape)], place: &str) {
        let properties = schema["properties"].as_object().unwrap();
        assert!(
            fields.iter().all(|(name, _)| properties.contains_key(*name)),
            "{place}"
        );
        for (name, property) in properties {
            let place = format!("{place}.{name}");
            let known = fields.iter().find(|(known, _)| known == name);
            let shape = known.map_or(Shape::Free, |(_, shape)| *shape);
            let group = resolved(root, property);
            let item = resolved(root, &property["items"]);
            let is_text = |value: &Map<_, _>| value.get("$ref") == Some(&json!("#/$defs/Text"));
            match (&property["additionalProperties"], shape) {
                (Value::Object(text), Texts) => assert!(is_text(text), "{place}"),
                (Value::Object(text), Typed) => assert!(!is_text(text), "{place}"),
                (Value::Bool(true), Names) => {}
                (Value::Null, Fields(fields)) => compare(root, group, fields, &place),
                (Value::Null, List(fields)) => compare(root, item, fields, &place),
                (Value::Null, Typed) => {
                    let is_open = |schema: &Value| schema["additionalProperties"] == true;
                    assert!(!is_open(group) && !is_open(item), "{place}");
                }
                (Value::Null, Shape::Free) => {
                    assert!(
                        group["properties"].is_null() && item["properties"].is_null(),
                        "{place}"
                    );
                }
                (keys, shape) => panic!("{place} has keys {keys}, not {shape:?}"),
            }
        }
    }

    fn resolved<'s>(root: &'s Value, schema: &'s Value) -> &'s Value {
        let name = schema["$ref"]
            .as_str()
            .and_then(|text| text.strip_prefix("#/$defs/"));
        name.map_or(schema, |name| &root["$defs"][name])
    }
}
