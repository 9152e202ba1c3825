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
        (json!({"$": 1}), "`$` is not a marker of the format"),
        (json!({"$date": "1"}), "`$date` is not a marker of the format"),
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
            "`$int` holds an integer of 64 bits, which must be a number",
        ),
        (
            json!({"$int": "18446744073709551615"}),
            "`$int` holds an integer of 64 bits, which must be a number",
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
            "`$bytes` holds UTF-8, which must be a string",
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
        "in `tags.a`, an object is in the place of a text, but is not a marker of one"
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
