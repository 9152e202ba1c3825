//! Spans on their way out as OpenTelemetry JSON, where a server keeps every byte of them; else they go as MLflow's `traces.json`.
//!
//! A server reads an attribute's text as JSON and writes it anew. Objects, lists and strings that are sent as their own JSON text
//! come through unread; numbers and truth values go as themselves, which is safe where Python writes them as they are.

use crate::model::plain_json;
use crate::model::pyjson::PyJson;
use crate::model::trace::{SpanEvent, SpanLink};
use crate::model::{Span, Text};
use serde_json::{Value, json};

/// Attribute that names the trace; servers set it.
const REQUEST_ID: &str = "mlflow.traceRequestId";

/// Kinds that servers keep; without one they set a span's to the first.
const KINDS: [&str; 5] = [
    "SPAN_KIND_INTERNAL",
    "SPAN_KIND_SERVER",
    "SPAN_KIND_CLIENT",
    "SPAN_KIND_PRODUCER",
    "SPAN_KIND_CONSUMER",
];

/// The OpenTelemetry id of a trace, where it has one.
pub(crate) fn otel_trace_id(trace_id: &str) -> Option<&str> {
    let hex = trace_id.strip_prefix("tr-")?;
    is_hex(hex, 32).then_some(hex)
}

/// A request that holds spans.
pub(crate) fn request(spans: Vec<Value>) -> Value {
    json!({"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [{"spans": spans}]}]})
}

/// A span in OpenTelemetry JSON, where a server keeps all of it.
pub(crate) fn span(span: &Span) -> Option<Value> {
    let trace_id = otel_trace_id(&span.trace_id)?;
    let is_known_kind = |kind: &String| KINDS.contains(&kind.as_str());
    let is_plain = span.extra.is_empty()
        && is_hex(&span.span_id, 16)
        && span.kind.as_ref().is_none_or(is_known_kind)
        && span.start_time_unix_nano.is_some_and(|start| start >= 0);
    let has_message = span
        .status_message
        .as_deref()
        .is_some_and(|message| !message.is_empty());
    if !is_plain || (has_message && span.status_code.as_deref() != Some("ERROR")) {
        return None;
    }
    let own_id = json!(span.trace_id).to_string();
    if span.attributes.get(REQUEST_ID).and_then(Value::as_str) != Some(own_id.as_str()) {
        return None;
    }
    let attributes: Option<Vec<_>> = span
        .attributes
        .iter()
        .map(|(key, text)| attribute(key, text))
        .collect();
    let events: Option<Vec<_>> = span.events.iter().map(event).collect();
    let links: Option<Vec<_>> = span.links.iter().map(link).collect();
    let mut value = json!({
        "traceId": trace_id,
        "spanId": span.span_id,
        "name": span.name,
        "startTimeUnixNano": span.start_time_unix_nano?.to_string(),
        "endTimeUnixNano": span.end_time_unix_nano?.to_string(),
        "attributes": attributes?,
        "events": events?,
        "links": links?,
        "status": {"code": status_code(span)?},
    });
    if let Some(message) = span.status_message.as_deref() {
        value["status"]["message"] = message.into();
    }
    if let Some(parent) = &span.parent_span_id {
        if !is_hex(parent, 16) {
            return None;
        }
        value["parentSpanId"] = parent.as_str().into();
    }
    if let Some(kind) = &span.kind {
        value["kind"] = kind.as_str().into();
    }
    Some(value)
}

/// The status, which every span that came so has.
fn status_code(span: &Span) -> Option<String> {
    let code = span.status_code.as_deref()?;
    matches!(code, "UNSET" | "OK" | "ERROR").then(|| format!("STATUS_CODE_{code}"))
}

fn is_hex(text: &str, len: usize) -> bool {
    text.len() == len && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// An attribute whose JSON text comes out as it went in.
fn attribute(key: &str, text: &Value) -> Option<Value> {
    let text = text.as_str()?;
    let value = match PyJson::parse(text.as_bytes()).ok()? {
        PyJson::Dict(_) | PyJson::List(_) | PyJson::Str(_) => json!({"stringValue": text}),
        PyJson::Bool(value) => json!({"boolValue": value}),
        PyJson::Null => json!({}),
        PyJson::Int(value) => json!({"intValue": value.as_i64()?.to_string()}),
        number @ PyJson::Float(_) => {
            // Python's `repr` and its JSON differ for numbers that are not finite; those have no text of their own here.
            let is_same = number.py_str() == text;
            let value: f64 = text.parse().ok().filter(|_| is_same)?;
            json!({"doubleValue": value})
        }
    };
    let is_canonical = match value.get("intValue") {
        Some(number) => number.as_str() == Some(text),
        None => true,
    };
    is_canonical.then(|| json!({"key": key, "value": value}))
}

fn event(event: &SpanEvent) -> Option<Value> {
    let attributes: Option<Vec<_>> = event
        .attributes
        .iter()
        .map(|(key, value)| typed(key, value))
        .collect();
    event.extra.is_empty().then_some(())?;
    Some(json!({
        "name": event.name,
        "timeUnixNano": event.time_unix_nano?.to_string(),
        "attributes": attributes?,
    }))
}

fn link(link: &SpanLink) -> Option<Value> {
    let trace_id = link.trace_id.strip_prefix("tr-").unwrap_or(&link.trace_id);
    let attributes: Option<Vec<_>> = link
        .attributes
        .iter()
        .map(|(key, value)| typed(key, value))
        .collect();
    (link.extra.is_empty() && is_hex(trace_id, 32) && is_hex(&link.span_id, 16)).then_some(())?;
    Some(json!({"traceId": trace_id, "spanId": link.span_id, "attributes": attributes?}))
}

/// An attribute of an event or a link, whose value is itself.
fn typed(key: &str, value: &Value) -> Option<Value> {
    Some(json!({"key": key, "value": any_value(&unescaped(value)?)?}))
}

/// A user's own JSON, where plain JSON holds it.
fn unescaped(value: &Value) -> Option<Value> {
    let has_marker = |value: &Value| {
        value.as_object().is_some_and(|map| {
            map.keys()
                .any(|key| matches!(key.as_str(), "$int" | "$float" | "$bytes" | "$blob"))
        })
    };
    (!holds(value, &has_marker)).then(|| plain_json::plain(value))
}

fn holds(value: &Value, test: &dyn Fn(&Value) -> bool) -> bool {
    test(value)
        || match value {
            Value::Array(items) => items.iter().any(|item| holds(item, test)),
            Value::Object(map) => map.values().any(|item| holds(item, test)),
            _ => false,
        }
}

fn any_value(value: &Value) -> Option<Value> {
    Some(match value {
        Value::Null => json!({}),
        Value::Bool(value) => json!({"boolValue": value}),
        Value::String(text) => json!({"stringValue": text}),
        Value::Number(number) => match number.as_i64() {
            Some(number) => json!({"intValue": number.to_string()}),
            None if number.is_f64() => json!({"doubleValue": number}),
            None => return None,
        },
        Value::Array(items) => {
            let values: Option<Vec<_>> = items.iter().map(any_value).collect();
            json!({"arrayValue": {"values": values?}})
        }
        Value::Object(map) => {
            let values: Option<Vec<_>> = map
                .iter()
                .map(|(key, value)| Some(json!({"key": key, "value": any_value(value)?})))
                .collect();
            json!({"kvlistValue": {"values": values?}})
        }
    })
}

/// The text of a time in epoch milliseconds, RFC 3339 in UTC.
pub(crate) fn time_text(millis: i64) -> Option<String> {
    let timestamp = jiff::Timestamp::from_millisecond(millis).ok()?;
    Some(format!("{timestamp:.3}"))
}

/// Milliseconds as the text of a duration in seconds.
pub(crate) fn duration_text(millis: i64) -> String {
    let sign = if millis < 0 { "-" } else { "" };
    let millis = millis.unsigned_abs();
    format!("{sign}{}.{:03}s", millis / 1000, millis % 1000)
}

/// A text as it can be sent.
pub(crate) fn plain_text(text: &Text) -> String {
    text.to_display().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(attributes: &[(&str, &str)]) -> Span {
        let id = format!("tr-{}", "ab".repeat(16));
        let mut all: std::collections::BTreeMap<String, Value> = attributes
            .iter()
            .map(|(key, text)| ((*key).to_owned(), json!(text)))
            .collect();
        all.insert(REQUEST_ID.to_owned(), json!(json!(id).to_string()));
        Span {
            trace_id: id,
            span_id: "00".repeat(8),
            name: "n".to_owned(),
            start_time_unix_nano: Some(1),
            end_time_unix_nano: Some(2),
            status_code: Some("UNSET".to_owned()),
            attributes: all,
            ..Span::default()
        }
    }

    #[test]
    fn attributes_go_so_that_their_text_comes_back() {
        for (text, expected) in [
            (
                r#"{"b": 1, "a": 2.0}"#,
                json!({"stringValue": r#"{"b": 1, "a": 2.0}"#}),
            ),
            (r#""CHAIN""#, json!({"stringValue": r#""CHAIN""#})),
            ("5", json!({"intValue": "5"})),
            ("1.5", json!({"doubleValue": 1.5})),
            ("true", json!({"boolValue": true})),
            ("null", json!({})),
        ] {
            let sent = span(&one(&[("k", text)])).unwrap();
            assert_eq!(
                sent["attributes"][0],
                json!({"key": "k", "value": expected}),
                "{text}"
            );
        }
        for lossy in ["1.50", "NaN", "007", "not JSON", "123456789012345678901234567890"] {
            assert_eq!(span(&one(&[("k", lossy)])), None, "{lossy}");
        }
    }

    #[test]
    fn spans_that_servers_would_change_do_not_go_so() {
        let mut open = one(&[]);
        open.end_time_unix_nano = None;
        assert_eq!(span(&open), None);
    }

    #[test]
    fn times_have_the_texts_of_protobuf() {
        assert_eq!(
            time_text(1_670_836_055_960).as_deref(),
            Some("2022-12-12T09:07:35.960Z")
        );
        assert_eq!(duration_text(-1_234), "-1.234s");
    }
}
