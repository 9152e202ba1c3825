//! Assessments as trace infos hold them.

use super::fields::{Fields, as_time};
use crate::model::Assessment;
use crate::model::free_json::escape;
use crate::model::pyjson::PyJson;
use serde_json::{Map, Value, json};

/// Reads the assessments of a trace.
pub(super) fn read_all(trace: &mut Fields) -> Vec<Assessment> {
    let mut assessments = trace.items("assessments", |item| Some(read(std::mem::take(item))));
    assessments.sort_by(|a, b| (a.create_time, &a.assessment_id).cmp(&(b.create_time, &b.assessment_id)));
    assessments
}

fn read(mut fields: Fields) -> Assessment {
    fields.ignore(&["trace_id"]);
    let source = fields.text_map("source").into_iter();
    Assessment {
        assessment_id: fields.text("assessment_id").unwrap_or_default(),
        assessment_name: fields.text("assessment_name").unwrap_or_default(),
        span_id: fields.text("span_id").filter(|id| !id.is_empty()),
        source: source
            .map(|(key, value)| (key, value.to_display().into_owned()))
            .collect(),
        create_time: fields.parsed(&["create_time"], "create_time", as_time),
        last_update_time: fields.parsed(&["last_update_time"], "last_update_time", as_time),
        feedback: fields.take("feedback").map(feedback),
        expectation: fields.take("expectation").map(expectation),
        issue: fields.take("issue").map(escape),
        rationale: fields.text("rationale"),
        metadata: fields.text_map("metadata"),
        overrides: fields.text("overrides").filter(|id| !id.is_empty()),
        valid: fields.bool("valid"),
        extra: fields.finish(),
    }
}

/// `{value, error?}`; the value is the user's own.
fn feedback(value: Value) -> Value {
    let Value::Object(fields) = value else {
        return escape(value);
    };
    let kept = fields
        .into_iter()
        .filter(|(key, value)| key == "value" || !value.is_null());
    Value::Object(
        kept.map(|(key, value)| (key, escape(value)))
            .collect::<Map<_, _>>(),
    )
}

/// `{value}`; a value that stands as JSON text in `serialized_value` is taken out of it.
fn expectation(value: Value) -> Value {
    let serialized = value["serialized_value"]["value"].as_str();
    match serialized.and_then(|text| PyJson::parse(text.as_bytes()).ok()) {
        Some(parsed) => json!({ "value": parsed.to_free_json() }),
        None => feedback(value),
    }
}

/// Numbers without fraction in values: an integer may have been given, and the server tells a double.
pub(super) fn whole_doubles(assessment: &Assessment) -> u64 {
    fn count(value: &Value) -> u64 {
        match value {
            Value::Number(number) => {
                u64::from(number.is_f64() && number.as_f64().is_some_and(|it| it.fract() == 0.0))
            }
            Value::Array(items) => items.iter().map(count).sum(),
            Value::Object(map) => map.values().map(count).sum(),
            _ => 0,
        }
    }
    let values = [&assessment.feedback, &assessment.expectation];
    values.into_iter().flatten().map(count).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_types() {
        let read = read(Fields::of(json!({
            "assessment_id": "a-1", "assessment_name": "n", "trace_id": "t", "create_time": "2024-05-06T07:08:50.123Z",
            "source": {"source_type": "HUMAN", "source_id": "ana"}, "feedback": {"value": null, "error": null}, "valid": false
        })));
        assert_eq!(read.feedback, Some(json!({"value": null})));
        assert_eq!(
            (read.create_time, read.valid),
            (Some(1_714_979_330_123), Some(false))
        );
        let structured = json!({"serialized_value": {"serialization_format": "JSON_FORMAT", "value": "{\"$f\": [4, 4.0]}"}});
        assert_eq!(expectation(structured), json!({"value": {"$$f": [4, 4.0]}}));
    }
}
