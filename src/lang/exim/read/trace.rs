//! Traces, from `trace.json`: a dump of the client's own objects, of MLflow 2 or 3.
//!
//! Spans are there by name and id only; all else of them is in the artifact `traces.json`, where the export has one.

use super::fields::{Fields, WrongType};
use crate::model::free_json::escape_key;
use crate::model::pyjson::PyJson;
use crate::model::{Assessment, Extra, Span, Trace};
use serde_json::{Map, Value, json};

/// The line of an exported trace, from the `info` of its file.
pub(super) fn trace(info: &PyJson) -> (Trace, Vec<WrongType>) {
    let mut fields = Fields::new(info);
    let location = fields.dict("trace_location");
    let assessments = fields.list("assessments");
    let mut trace = Trace {
        trace_id: fields
            .either(["trace_id", "request_id"], Fields::text)
            .unwrap_or_default(),
        experiment_id: experiment_id(location)
            .or_else(|| fields.text("experiment_id"))
            .unwrap_or_default(),
        client_request_id: fields.text("client_request_id"),
        request_time: fields.either(["request_time", "timestamp_ms"], Fields::int),
        execution_duration: fields.either(["execution_duration", "execution_time_ms"], Fields::int),
        state: state(fields.either(["state", "status"], Fields::text)),
        request_preview: fields.text("request_preview"),
        response_preview: fields.text("response_preview"),
        trace_metadata: fields.text_map("trace_metadata"),
        tags: fields.text_map("tags"),
        ..Trace::default()
    };
    if trace.trace_metadata.is_empty() {
        trace.trace_metadata = fields.text_map("request_metadata");
    }
    for required in [
        ("trace_id", trace.trace_id.is_empty()),
        ("experiment_id", trace.experiment_id.is_empty()),
    ] {
        if let (field, true) = required {
            fields.note(field, "a string", &PyJson::Null);
        }
    }
    if !is_plain_location(location) {
        trace
            .extra
            .insert("trace_location".to_owned(), location.to_free_json());
    }
    let mut wrong = fields.finish(&mut trace.extra);
    let (assessments, more_wrong) = all_assessments(assessments);
    trace.assessments = assessments;
    wrong.extend(more_wrong);
    (trace, wrong)
}

fn all_assessments(exported: &[PyJson]) -> (Vec<Assessment>, Vec<WrongType>) {
    let (mut assessments, wrong): (Vec<_>, Vec<_>) = exported.iter().map(assessment).unzip();
    assessments.sort_by_key(|found| (found.create_time, found.assessment_id.clone()));
    (assessments, wrong.into_iter().flatten().collect())
}

/// The state, by its name in MLflow 3.
fn state(exported: Option<String>) -> String {
    exported
        .filter(|state| state != "TRACE_STATUS_UNSPECIFIED")
        .unwrap_or_else(|| "STATE_UNSPECIFIED".to_owned())
}

fn experiment_id(location: &PyJson) -> Option<String> {
    Fields::new(Fields::new(location).dict("mlflow_experiment")).text("experiment_id")
}

/// Whether a location says no more than the experiment.
fn is_plain_location(location: &PyJson) -> bool {
    let entries = location.as_dict().unwrap_or_default();
    entries.iter().all(|(key, value)| match key.as_str() {
        "mlflow_experiment" => {
            let mut fields = value.as_dict().unwrap_or_default().iter();
            fields.all(|(key, value)| key == "experiment_id" || value.is_null())
        }
        "type" => value.as_str() == Some("MLFLOW_EXPERIMENT"),
        _ => value.is_null(),
    })
}

fn assessment(exported: &PyJson) -> (Assessment, Vec<WrongType>) {
    let mut fields = Fields::new(exported);
    let kind = fields.text("assessment_type").unwrap_or_default();
    let source = fields.text_map("source").into_iter();
    let mut assessment = Assessment {
        assessment_id: fields.required_text("assessment_id"),
        assessment_name: fields
            .either(["name", "assessment_name"], Fields::text)
            .unwrap_or_default(),
        span_id: fields.text("span_id"),
        source: source
            .map(|(key, value)| (key, value.to_display().into_owned()))
            .collect(),
        create_time: fields.either(["create_time_ms", "create_time"], Fields::time),
        last_update_time: fields.either(["last_update_time_ms", "last_update_time"], Fields::time),
        feedback: feedback(fields.dict("feedback"), exported.get("error")),
        expectation: expectation(&mut fields, &kind),
        issue: fields.value("issue").map(PyJson::to_free_json),
        rationale: fields.text("rationale"),
        metadata: fields.text_map("metadata"),
        overrides: fields.text("overrides"),
        valid: fields.bool("valid"),
        ..Assessment::default()
    };
    // The trace is the owner; the error stands within the feedback.
    fields.ignore(&["trace_id", "error"]);
    let wrong = fields.finish(&mut assessment.extra);
    (assessment, wrong)
}

/// `{value, error?}`; the value is the user's own.
fn feedback(exported: &PyJson, error: Option<&PyJson>) -> Option<Value> {
    let told = exported.as_dict()?.iter();
    let told = told.filter(|(key, value)| key == "value" || !value.is_null());
    let mut feedback: Map<_, _> = told
        .map(|(key, value)| (escape_key(key), value.to_free_json()))
        .collect();
    let error = error.filter(|error| !error.is_null() && !feedback.contains_key("error"));
    if let Some(error) = error {
        feedback.insert("error".to_owned(), error.to_free_json());
    }
    Some(Value::Object(feedback))
}

/// `{value}`; the value is the user's own.
///
/// A dump of the client's objects has the value itself in place of the object that holds it; REST's form has
/// `{value}` or `{serialized_value: {value: <JSON text>}}`. Only the dump names its times in milliseconds.
fn expectation(fields: &mut Fields<'_>, kind: &str) -> Option<Value> {
    let is_dump = fields.value("create_time_ms").is_some();
    let value = match fields.value("expectation") {
        None => (kind == "expectation").then_some(Value::Null)?,
        Some(exported) if is_dump => exported.to_free_json(),
        Some(exported) => {
            let mut form = Fields::new(exported);
            form.ignore(&["value", "serialized_value"]);
            fields.absorb("expectation", form);
            rest_value(exported)
        }
    };
    Some(json!({ "value": value }))
}

fn rest_value(expectation: &PyJson) -> Value {
    let text = expectation
        .get("serialized_value")
        .and_then(|value| value.get("value")?.as_str());
    let parsed = text.and_then(|text| PyJson::parse(text.as_bytes()).ok());
    let value = parsed.as_ref().or_else(|| expectation.get("value"));
    value.unwrap_or(expectation).to_free_json()
}

/// The spans of an exported trace, as far as `trace.json` tells of them: name, ids, parents.
pub(super) fn spans(trace_id: &str, body: &PyJson) -> (Vec<Span>, Vec<WrongType>) {
    let mut fields = Fields::new(body);
    let mut spans = Vec::new();
    for exported in fields.dicts("data") {
        let mut span = Fields::new(exported);
        span.ignore(&["trace_id"]);
        spans.push(Span {
            trace_id: trace_id.to_owned(),
            span_id: span.required_text("span_id"),
            parent_span_id: span.text("parent_id"),
            name: span.text("name").unwrap_or_default(),
            ..Span::default()
        });
        fields.absorb("data", span);
    }
    spans.retain(|span| !span.span_id.is_empty());
    (spans, fields.finish(&mut Extra::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> PyJson {
        PyJson::parse(text.as_bytes()).expect("the text parses")
    }

    #[test]
    fn a_trace_of_mlflow_3_keeps_its_assessments_in_order() {
        let (trace, wrong) = trace(&parse(
            r#"{"trace_id": "tr-1", "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment":
                {"experiment_id": "1"}, "inference_table": null}, "request_time": 5, "state": "OK",
                "request_preview": "q", "response_preview": null, "client_request_id": null, "execution_duration": 7,
                "trace_metadata": {"mlflow.sourceRun": "r"}, "tags": {"a": "b"}, "assessments": [
                {"assessment_type": "expectation", "name": "e", "source": {"source_type": "HUMAN", "source_id": "me"},
                 "trace_id": "tr-1", "create_time_ms": 9, "last_update_time_ms": 9, "assessment_id": "a-2",
                 "expectation": [1, NaN], "feedback": null, "valid": null},
                {"assessment_type": "feedback", "name": "f", "source": {"source_type": "CODE", "source_id": "x"},
                 "create_time_ms": 8, "last_update_time_ms": 8, "assessment_id": "a-1",
                 "feedback": {"value": true, "error": null}, "error": null, "valid": true}]}"#,
        ));
        assert_eq!((wrong, trace.extra.len()), (vec![], 0));
        assert_eq!(
            (trace.experiment_id.as_str(), trace.execution_duration),
            ("1", Some(7))
        );
        let ids: Vec<_> = trace
            .assessments
            .iter()
            .map(|a| a.assessment_id.as_str())
            .collect();
        assert_eq!(ids, ["a-1", "a-2"]);
        assert_eq!(trace.assessments[0].feedback, Some(json!({"value": true})));
        assert_eq!(
            trace.assessments[1].expectation,
            Some(json!({"value": [1, {"$float": "NaN"}]}))
        );
    }

    #[test]
    fn an_assessment_in_the_form_of_rest_is_read_too() {
        let text = r#"{"assessment_id": "a-1", "assessment_name": "n", "create_time": "2024-05-06T07:08:50.123Z",
            "expectation": {"serialized_value": {"serialization_format": "JSON_FORMAT", "value": "{\"x\": 4.0}"}}}"#;
        let (assessment, wrong) = assessment(&parse(text));
        assert_eq!((wrong, assessment.create_time), (vec![], Some(1_714_979_330_123)));
        assert_eq!(assessment.expectation, Some(json!({"value": {"x": 4.0}})));
    }

    #[test]
    fn a_trace_of_mlflow_2_gets_the_names_of_mlflow_3() {
        let (trace, wrong) = trace(&parse(
            r#"{"request_id": "abc", "experiment_id": "0", "timestamp_ms": 5, "execution_time_ms": 6, "status": "ERROR",
                "request_metadata": {"k": "v"}, "tags": {}}"#,
        ));
        assert_eq!((wrong, trace.extra.len()), (vec![], 0));
        assert_eq!(
            (trace.trace_id.as_str(), trace.request_time, trace.state.as_str()),
            ("abc", Some(5), "ERROR")
        );
        assert_eq!(trace.trace_metadata.len(), 1);
    }

    #[test]
    fn spans_have_names_and_ids() {
        let body = r#"{"data": [{"name": "root", "trace_id": "tr-1", "span_id": "00aa", "parent_id": null}, {"name": "x"}, 7]}"#;
        let (spans, wrong) = spans("tr-1", &parse(body));
        assert_eq!(
            (spans[0].name.as_str(), &spans[0].parent_span_id),
            ("root", &None)
        );
        assert_eq!((spans.len(), wrong.len()), (1, 2));
    }
}
