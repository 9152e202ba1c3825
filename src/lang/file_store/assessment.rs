//! Assessments of a trace: `assessments/<id>.yaml`.

use super::meta::Meta;
use super::notes::Notes;
use super::yaml::Node;
use crate::format::Kind;
use crate::model::pyjson::PyJson;
use crate::model::{Assessment, Text};
use serde_json::{Map, Value, json};
use std::path::Path;

/// Parses the file of an assessment.
pub(super) fn parse(bytes: &[u8], trace_id: &str, path: &Path, notes: &mut Notes) -> Option<Assessment> {
    match Meta::at(path, bytes) {
        Ok(meta) => Some(read(meta, trace_id, path, notes)),
        Err(fault) => {
            notes.fault(Kind::Traces, trace_id, "assessments", fault);
            None
        }
    }
}

/// Reads the fields of an assessment.
pub(super) fn read(mut meta: Meta, trace_id: &str, path: &Path, notes: &mut Notes) -> Assessment {
    // The trace is the owner.
    meta.ignore(&["trace_id"]);
    let assessment = Assessment {
        assessment_id: meta.text("assessment_id").unwrap_or_default(),
        assessment_name: meta.text("assessment_name").unwrap_or_default(),
        span_id: meta.text("span_id"),
        source: meta
            .text_map("source")
            .into_iter()
            .map(|(key, value): (String, Text)| (key, value.to_display().into_owned()))
            .collect(),
        create_time: meta.time("create_time"),
        last_update_time: meta.time("last_update_time"),
        feedback: meta.take("feedback").map(|node| feedback(&node)),
        expectation: meta.take("expectation").map(|node| expectation(&node)),
        issue: meta.take("issue").map(|node| node.resolve().to_free_json()),
        rationale: meta.text("rationale"),
        metadata: meta.text_map("metadata"),
        overrides: meta.text("overrides"),
        valid: meta.bool("valid"),
        ..Assessment::default()
    };
    Assessment {
        extra: meta.finish(Kind::Traces, trace_id, path, notes),
        ..assessment
    }
}

/// `{value, error?}`; the value is the user's own.
fn feedback(node: &Node) -> Value {
    let resolved = node.resolve();
    let mut feedback = Map::new();
    for (key, value) in resolved.as_dict().unwrap_or_default() {
        if key == "value" || !value.is_null() {
            feedback.insert(key.clone(), value.to_free_json());
        }
    }
    Value::Object(feedback)
}

/// `{value}`; a value that stands as JSON text in `serialized_value` is taken out of it.
fn expectation(node: &Node) -> Value {
    let resolved = node.resolve();
    let serialized = resolved
        .get("serialized_value")
        .and_then(|value| value.get("value")?.as_str());
    let parsed = serialized.and_then(|text| PyJson::parse(text.as_bytes()).ok());
    match parsed.as_ref().or_else(|| resolved.get("value")) {
        Some(value) => json!({ "value": value.to_free_json() }),
        None => resolved.to_free_json(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(yaml: &str) -> Assessment {
        let mut notes = Notes::default();
        let assessment = parse(yaml.as_bytes(), "t", Path::new("a.yaml"), &mut notes).unwrap();
        assert_eq!(notes.problems(), []);
        assessment
    }

    #[test]
    fn values_keep_their_types() {
        let text = parsed("assessment_id: a-1\nassessment_name: y\nfeedback:\n  value: 1e3\nvalid: true\n");
        assert_eq!(text.feedback, Some(json!({"value": "1e3"})));
        assert_eq!((text.assessment_name.as_str(), text.valid), ("y", Some(true)));
        let number = parsed("feedback:\n  value: 3.0\n  error:\n    error_code: X\n");
        assert_eq!(
            number.feedback,
            Some(json!({"value": 3.0, "error": {"error_code": "X"}}))
        );
        let none = parsed("feedback:\n  value: null\n");
        assert_eq!(none.feedback, Some(json!({"value": null})));
    }

    #[test]
    fn serialized_expectations_are_taken_out() {
        let yaml = "expectation:\n  serialized_value:\n    serialization_format: JSON_FORMAT\n    value: '{\"f\": [4, 4.0]}'\n";
        assert_eq!(parsed(yaml).expectation, Some(json!({"value": {"f": [4, 4.0]}})));
        assert_eq!(
            parsed("expectation:\n  value: '4'\n").expectation,
            Some(json!({"value": "4"}))
        );
    }

    #[test]
    fn times_are_milliseconds() {
        let times = parsed("create_time: '2024-05-06T07:08:09.831Z'\nlast_update_time: 5\n");
        assert_eq!(
            (times.create_time, times.last_update_time),
            (Some(1_714_979_289_831), Some(5))
        );
    }
}
