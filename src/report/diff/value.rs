//! How two JSON values differ, key by key.

pub(super) use crate::archive::walk::joined;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// One key whose value differs.
#[derive(Debug, PartialEq)]
pub(super) struct ValueChange {
    pub(super) key: Vec<String>,
    pub(super) before: Option<Value>,
    pub(super) after: Option<Value>,
}

/// Fields that tell elements of a list apart, the most telling first.
const ELEMENT_IDS: [&[&str]; 4] = [
    &["assessment_id"],
    &["model_id", "step"],
    &["model_id"],
    &["name", "digest"],
];

/// The keys in which two values differ, in order.
pub(super) fn changes(before: &Value, after: &Value) -> Vec<ValueChange> {
    let mut changes = Vec::new();
    compare(before, after, &mut Vec::new(), &mut changes);
    changes
}

/// The parts of a key as limits name them: without elements of lists.
pub(super) fn field(key: &[String]) -> Vec<&str> {
    let parts = key.iter().map(String::as_str);
    parts.filter(|part| !part.starts_with('[')).collect()
}

fn compare(before: &Value, after: &Value, key: &mut Vec<String>, changes: &mut Vec<ValueChange>) {
    if before == after && !differ_in_sign(before, after) {
        return;
    }
    match (before, after) {
        (Value::Object(first), Value::Object(second)) if !is_marker(before) && !is_marker(after) => {
            let keys: BTreeSet<&String> = first.keys().chain(second.keys()).collect();
            for name in keys {
                compare_at(name.clone(), first.get(name), second.get(name), key, changes);
            }
        }
        (Value::Array(first), Value::Array(second)) => compare_lists(first, second, key, changes),
        _ => changes.push(ValueChange {
            key: key.clone(),
            before: Some(before.clone()),
            after: Some(after.clone()),
        }),
    }
}

/// `-0.0 == 0.0` as numbers, and yet they are two values.
fn differ_in_sign(before: &Value, after: &Value) -> bool {
    match (before, after) {
        (Value::Number(first), Value::Number(second)) => first.to_string() != second.to_string(),
        (Value::Array(first), Value::Array(second)) => first
            .iter()
            .zip(second)
            .any(|(first, second)| differ_in_sign(first, second)),
        (Value::Object(first), Value::Object(second)) => first
            .values()
            .zip(second.values())
            .any(|(first, second)| differ_in_sign(first, second)),
        _ => false,
    }
}

/// `{"$bytes": …}` and the like are values, not maps.
fn is_marker(value: &Value) -> bool {
    let Some(map) = value.as_object() else {
        return false;
    };
    map.len() == 1
        && map
            .keys()
            .all(|key| key.starts_with('$') && !key.starts_with("$$"))
}

fn compare_at(
    part: String,
    before: Option<&Value>,
    after: Option<&Value>,
    key: &mut Vec<String>,
    changes: &mut Vec<ValueChange>,
) {
    key.push(part);
    match (before, after) {
        (Some(before), Some(after)) => compare(before, after, key, changes),
        (before, after) => changes.push(ValueChange {
            key: key.clone(),
            before: before.cloned(),
            after: after.cloned(),
        }),
    }
    key.pop();
}

fn compare_lists(first: &[Value], second: &[Value], key: &mut Vec<String>, changes: &mut Vec<ValueChange>) {
    let names = element_names(first).zip(element_names(second));
    let Some((first_names, second_names)) = names else {
        for index in 0..first.len().max(second.len()) {
            compare_at(
                format!("[{index}]"),
                first.get(index),
                second.get(index),
                key,
                changes,
            );
        }
        return;
    };
    let mut pairs: BTreeMap<String, [Option<&Value>; 2]> = BTreeMap::new();
    for (name, value) in first_names.into_iter().zip(first) {
        pairs.entry(name).or_default()[0] = Some(value);
    }
    for (name, value) in second_names.into_iter().zip(second) {
        pairs.entry(name).or_default()[1] = Some(value);
    }
    for (name, [before, after]) in pairs {
        compare_at(name, before, after, key, changes);
    }
}

/// What tells the elements of a list apart, where something does.
fn element_names(list: &[Value]) -> Option<Vec<String>> {
    let by_fields = |fields: &[&str]| -> Option<Vec<String>> {
        let name = |value: &Value| {
            let parts: Option<Vec<_>> = fields
                .iter()
                .map(|field| value.get(field).map(scalar_text))
                .collect();
            parts.map(|parts| format!("[{}]", parts.join("/")))
        };
        list.iter().map(name).collect()
    };
    let by_value = || -> Option<Vec<String>> {
        let names = list
            .iter()
            .map(|value| value.as_str().map(|text| format!("[{text}]")));
        names.collect()
    };
    let mut candidates = ELEMENT_IDS
        .iter()
        .filter_map(|fields| by_fields(fields))
        .chain(by_value());
    candidates.find(|names| names.iter().collect::<BTreeSet<_>>().len() == names.len())
}

fn scalar_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(before: Value, after: Value) -> Vec<String> {
        let side = |value: Option<Value>| value.map_or("absent".to_owned(), |value| value.to_string());
        changes(&before, &after)
            .into_iter()
            .map(|change| {
                format!(
                    "{}: {} -> {}",
                    joined(&change.key),
                    side(change.before),
                    side(change.after)
                )
            })
            .collect()
    }

    #[test]
    fn each_changed_key_is_named() {
        let before = json!({"tags": {"a.b": "1", "c": "2"}, "n": null, "same": [1]});
        let after = json!({"tags": {"a.b": "x", "d": ""}, "same": [1]});
        assert_eq!(
            shown(before, after),
            [
                "n: null -> absent",
                "tags.a.b: \"1\" -> \"x\"",
                "tags.c: \"2\" -> absent",
                "tags.d: absent -> \"\"",
            ]
        );
    }

    #[test]
    fn elements_of_lists_are_paired_by_what_tells_them_apart() {
        let assessment = |id: &str, text: &str| json!({"assessment_id": id, "rationale": text});
        let before =
            json!({"assessments": [assessment("a", "x"), assessment("b", "y")], "linked_runs": ["r", "s"]});
        let after = json!({"assessments": [assessment("b", "z")], "linked_runs": ["s"]});
        assert_eq!(
            shown(before, after),
            [
                r#"assessments[a]: {"assessment_id":"a","rationale":"x"} -> absent"#,
                r#"assessments[b].rationale: "y" -> "z""#,
                r#"linked_runs[r]: "r" -> absent"#,
            ]
        );
        assert_eq!(
            shown(json!({"l": [1, 2]}), json!({"l": [2]})),
            ["l[0]: 1 -> 2", "l[1]: 2 -> absent"]
        );
    }

    #[test]
    fn markers_are_values_and_a_zero_has_a_sign() {
        let before = json!({"p": {"$bytes": "AA=="}, "z": -0.0, "u": {"$$x": 1}});
        let after = json!({"p": {"$bytes": "AQ=="}, "z": 0.0, "u": {"$$x": 2}});
        assert_eq!(
            shown(before, after),
            [
                r#"p: {"$bytes":"AA=="} -> {"$bytes":"AQ=="}"#,
                "u.$$x: 1 -> 2",
                "z: -0.0 -> 0.0"
            ]
        );
    }

    #[test]
    fn a_field_leaves_out_elements() {
        let key = ["assessments", "[a-1]", "metadata", "k.x"].map(str::to_owned);
        assert_eq!(
            [joined(&key), field(&key).join(".")],
            ["assessments[a-1].metadata.k.x", "assessments.metadata.k.x"]
        );
    }
}
