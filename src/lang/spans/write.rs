//! Spans on their way into the artifact `traces.json`, whole, as MLflow's client of 3.5 and later writes them; `read` reads it.

use crate::model::pyjson::PyJson;
use crate::model::trace::{SpanEvent, SpanLink};
use crate::model::{Extra, Span};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::collections::BTreeMap;

/// Field of a span for an OpenTelemetry trace id that the trace's own id does not tell.
const OTEL_TRACE_ID: &str = "otel_trace_id";
/// Attribute that names the trace, as JSON text.
pub(crate) const REQUEST_ID: &str = "mlflow.traceRequestId";
/// Fields of a span that stand under another name in the file.
const STATUS: &str = "status";

/// The file of a trace's spans.
pub(crate) fn span_file(spans: &[Span]) -> PyJson {
    let spans = spans.iter().map(span_dict).collect();
    PyJson::Dict(vec![("spans".to_owned(), PyJson::List(spans))])
}

/// One span, as in that file and in the content of a database's row.
pub(crate) fn span_dict(span: &Span) -> PyJson {
    let mut extra: Extra = span.extra.clone();
    let told = extra.remove(OTEL_TRACE_ID);
    let told = told.as_ref().and_then(Value::as_str);
    let own = span.trace_id.strip_prefix("tr-").unwrap_or(&span.trace_id);
    let mut fields = vec![
        ("trace_id", id(told.unwrap_or(own))),
        ("span_id", id(&span.span_id)),
        (
            "parent_span_id",
            span.parent_span_id.as_deref().map_or(PyJson::Null, id),
        ),
        ("name", PyJson::from(span.name.as_str())),
        ("start_time_unix_nano", PyJson::from(span.start_time_unix_nano)),
        ("end_time_unix_nano", PyJson::from(span.end_time_unix_nano)),
        ("events", PyJson::List(span.events.iter().map(event).collect())),
    ];
    let status = status(span, extra.remove(STATUS));
    if let PyJson::Dict(entries) = &status
        && !entries.is_empty()
    {
        fields.push((STATUS, status));
    }
    fields.push(("attributes", own_keys(&span.attributes)));
    if let Some(kind) = &span.kind {
        fields.push(("kind", PyJson::from(kind.as_str())));
    }
    if !span.links.is_empty() {
        fields.push(("links", PyJson::List(span.links.iter().map(link).collect())));
    }
    with_rest(fields, &extra)
}

/// The file in the form of MLflow 2, whose readers pass over what is not theirs; `trace_id` is the trace's in the target.
pub(crate) fn span_file_v2(spans: &[Span], trace_id: &str) -> PyJson {
    let root = spans.iter().find(|span| span.parent_span_id.is_none());
    let of_root = |attribute: &str| {
        let text = root.and_then(|root| root.attributes.get(attribute)?.as_str());
        PyJson::from(text)
    };
    let dicts = spans.iter().map(|span| span_dict_v2(span, trace_id)).collect();
    let entries = [
        ("spans", PyJson::List(dicts)),
        ("request", of_root("mlflow.spanInputs")),
        ("response", of_root("mlflow.spanOutputs")),
    ];
    PyJson::Dict(entries.map(|(key, value)| (key.to_owned(), value)).into())
}

/// One span in that form.
pub(crate) fn span_dict_v2(span: &Span, trace_id: &str) -> PyJson {
    let mut extra: Extra = span.extra.clone();
    let told = extra.remove(OTEL_TRACE_ID);
    let told = told.as_ref().and_then(Value::as_str);
    let own = span.trace_id.strip_prefix("tr-").unwrap_or(&span.trace_id);
    let context = [
        ("span_id", PyJson::from(span.span_id.as_str())),
        ("trace_id", PyJson::from(told.unwrap_or(own))),
    ];
    let mut context = PyJson::Dict(context.map(|(key, value)| (key.to_owned(), value)).into());
    if let Some(Value::Object(rest)) = extra.remove("context")
        && let (PyJson::Dict(entries), PyJson::Dict(rest)) = (&mut context, PyJson::from_free_map(&rest))
    {
        entries.extend(rest);
    }
    let mut attributes = span.attributes.clone();
    attributes.insert(REQUEST_ID.to_owned(), Value::from(trace_id).to_string().into());
    let event = |event: &SpanEvent| {
        let fields = vec![
            ("name", PyJson::from(event.name.as_str())),
            ("timestamp", PyJson::from(event.time_unix_nano)),
            ("attributes", own_keys(&event.attributes)),
        ];
        with_rest(fields, &event.extra)
    };
    let mut fields = vec![
        ("name", PyJson::from(span.name.as_str())),
        ("context", context),
        ("parent_id", PyJson::from(span.parent_span_id.as_deref())),
        ("start_time", PyJson::from(span.start_time_unix_nano)),
        ("end_time", PyJson::from(span.end_time_unix_nano)),
        (
            "status_code",
            PyJson::from(span.status_code.as_deref().unwrap_or("UNSET")),
        ),
        (
            "status_message",
            PyJson::from(span.status_message.as_deref().unwrap_or_default()),
        ),
        ("attributes", own_keys(&attributes)),
        ("events", PyJson::List(span.events.iter().map(event).collect())),
    ];
    if let Some(kind) = &span.kind {
        fields.push(("kind", PyJson::from(kind.as_str())));
    }
    if !span.links.is_empty() {
        fields.push(("links", PyJson::List(span.links.iter().map(link).collect())));
    }
    with_rest(fields, &extra)
}

fn status(span: &Span, rest: Option<Value>) -> PyJson {
    let mut entries = Vec::new();
    if let Some(code) = &span.status_code {
        entries.push(("code".to_owned(), PyJson::from(format!("STATUS_CODE_{code}"))));
        let message = span.status_message.as_deref().unwrap_or_default();
        entries.push(("message".to_owned(), PyJson::from(message)));
    } else if let Some(message) = &span.status_message {
        entries.push(("message".to_owned(), PyJson::from(message.as_str())));
    }
    if let Some(Value::Object(rest)) = rest
        && let PyJson::Dict(rest) = PyJson::from_free_map(&rest)
    {
        entries.extend(rest);
    }
    PyJson::Dict(entries)
}

fn event(event: &SpanEvent) -> PyJson {
    let fields = vec![
        ("name", PyJson::from(event.name.as_str())),
        ("time_unix_nano", PyJson::from(event.time_unix_nano)),
        ("attributes", own_keys(&event.attributes)),
    ];
    with_rest(fields, &event.extra)
}

fn link(link: &SpanLink) -> PyJson {
    let fields = vec![
        ("trace_id", PyJson::from(link.trace_id.as_str())),
        ("span_id", PyJson::from(link.span_id.as_str())),
        ("attributes", own_keys(&link.attributes)),
    ];
    with_rest(fields, &link.extra)
}

fn own_keys(attributes: &BTreeMap<String, Value>) -> PyJson {
    PyJson::from_free_map(attributes)
}

/// Known fields, then those that mlark does not know; their names are the user's own.
fn with_rest(fields: Vec<(&str, PyJson)>, rest: &Extra) -> PyJson {
    let mut entries: Vec<_> = fields
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    if let PyJson::Dict(rest) = PyJson::from_free_map(rest) {
        entries.extend(rest);
    }
    PyJson::Dict(entries)
}

/// An id of 8 or 16 bytes in base64; another as it is.
fn id(hex: &str) -> PyJson {
    let is_hex = hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if !is_hex || !matches!(hex.len(), 16 | 32) {
        return PyJson::from(hex);
    }
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16);
    let bytes: Result<Vec<u8>, _> = (0..hex.len()).step_by(2).map(byte).collect();
    PyJson::from(bytes.map_or_else(|_| hex.to_owned(), |bytes| STANDARD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::spans::read::SpanFile;
    use serde_json::json;

    #[test]
    fn spans_come_back_as_they_were() {
        let trace_id = "tr-1413d01897f56cb65dadaf719700cec9";
        let root = Span {
            trace_id: trace_id.to_owned(),
            span_id: "0000000000000001".to_owned(),
            name: "root".to_owned(),
            start_time_unix_nano: Some(5),
            ..Span::default()
        };
        let child = Span {
            span_id: "00000000000000ff".to_owned(),
            parent_span_id: Some(root.span_id.clone()),
            kind: Some("SPAN_KIND_INTERNAL".to_owned()),
            end_time_unix_nano: Some(7),
            start_time_unix_nano: Some(6),
            status_code: Some("ERROR".to_owned()),
            status_message: Some("m".to_owned()),
            attributes: [
                ("$$k".to_owned(), json!("\"v\"")),
                ("n".to_owned(), json!({"$float": "NaN"})),
            ]
            .into(),
            events: vec![SpanEvent {
                name: "e".to_owned(),
                time_unix_nano: Some(6),
                attributes: [("a".to_owned(), json!([1, {"$$x": null}]))].into(),
                extra: Extra::from([("dropped".to_owned(), json!(2))]),
            }],
            links: vec![SpanLink {
                trace_id: "tr-ab".to_owned(),
                span_id: "00000000000000aa".to_owned(),
                ..SpanLink::default()
            }],
            extra: Extra::from([
                (
                    OTEL_TRACE_ID.to_owned(),
                    json!("30a5f94df81c996d879c93954d6b41a3"),
                ),
                ("status".to_owned(), json!({"more": 1.0})),
                ("$$new".to_owned(), json!([1.0])),
            ]),
            ..root.clone()
        };
        let spans = vec![root, child];
        let text = span_file(&spans).to_dumps_text();
        let file = SpanFile::read(text.as_bytes(), trace_id).unwrap();
        assert!(file.is_whole);
        assert_eq!(file.spans, spans);

        // In the form of MLflow 2 too, but for the trace's id there and a status, which every span has.
        let text = span_file_v2(&spans, "new").to_dumps_text();
        let mut file = SpanFile::read(text.as_bytes(), trace_id).unwrap();
        assert!(file.is_whole);
        for (found, span) in file.spans.iter_mut().zip(&spans) {
            assert_eq!(found.attributes.remove(REQUEST_ID), Some(json!("\"new\"")));
            if span.status_code.is_none() {
                assert_eq!(found.status_code.take().as_deref(), Some("UNSET"));
            }
        }
        assert_eq!(file.spans, spans);
    }
}
