//! `traces.json`: the spans of a trace as MLflow's client writes them, in each of their forms.
//!
//! | written by | recognised by | ids | times | status |
//! |---|---|---|---|---|
//! | 2.14 to 2.22 | key `context` | hex, in 2.14 after `0x` | `start_time`, `end_time` | `status_code`, `status_message` |
//! | 3.0 to 3.4, 3.5.1 and later | ids in base64 | base64 of the bytes | `start_time_unix_nano`, … | `status: {code: STATUS_CODE_*, message}` |
//! | 3.5.0 | ids in hex | `tr-` and hex; hex | as above | `status: {code: OK, message}` |
//!
//! The spans become lines of the archive. The file says no more than they do, except where [`SpanFile::is_whole`] is false.

use crate::format::Typed;
use crate::model::free_json::escape_key;
use crate::model::pyjson::{PyJson, PyJsonReadError};
use crate::model::trace::{SpanEvent, SpanLink};
use crate::model::{Extra, Span};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read;

/// Name of the file below a trace's artifact root.
pub(crate) const SPAN_FILE: &str = "traces.json";

/// Field of a [`Span`]'s `extra` for an OpenTelemetry trace id that the trace's own id does not tell.
const OTEL_TRACE_ID: &str = "otel_trace_id";

/// The spans of one file.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct SpanFile {
    /// Ordered by (start time, span id).
    pub(crate) spans: Vec<Span>,
    /// Whether the spans say all that the file says.
    pub(crate) is_whole: bool,
}

impl SpanFile {
    /// Reads the file of a trace.
    ///
    /// # Errors
    /// It cannot be read or is not JSON.
    pub(crate) fn read(reader: impl Read, trace_id: &str) -> Result<Self, PyJsonReadError> {
        let root = PyJson::read(reader, &mut crate::model::pyjson::KeepAll)?;
        Ok(Self::of(root, trace_id))
    }

    fn of(root: PyJson, trace_id: &str) -> Self {
        let mut root = Fields::of(root);
        let (request, response) = (root.take("request"), root.take("response"));
        let spans = match root.take("spans") {
            Some(PyJson::List(spans)) => spans,
            _ => return SpanFile::default(),
        };
        let mut file = SpanFile {
            is_whole: root.is_empty(),
            ..SpanFile::default()
        };
        for exported in spans {
            match span(exported, trace_id) {
                Some(mut span) => {
                    let mut wrong = Vec::new();
                    span.take_misplaced("", &mut wrong);
                    file.is_whole &= wrong.is_empty();
                    file.spans.push(span);
                }
                None => file.is_whole = false,
            }
        }
        file.is_whole &= is_derived(request.as_ref(), &file.spans, "mlflow.spanInputs");
        file.is_whole &= is_derived(response.as_ref(), &file.spans, "mlflow.spanOutputs");
        file.spans
            .sort_by(|a, b| (a.start_time_unix_nano, &a.span_id).cmp(&(b.start_time_unix_nano, &b.span_id)));
        file
    }
}

/// Reads one span, as a database holds it; none where it has no id.
pub(crate) fn read_span(content: PyJson, trace_id: &str) -> Option<Span> {
    span(content, trace_id)
}

/// Whether a text of MLflow 2's file is the root span's attribute, or missing as that is.
fn is_derived(text: Option<&PyJson>, spans: &[Span], attribute: &str) -> bool {
    let Some(text) = text else { return true };
    let mut roots = spans.iter().filter(|span| span.parent_span_id.is_none());
    let of_root = |span: &Span| {
        span.attributes
            .get(attribute)
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    roots.any(|span| of_root(span).as_deref() == text.as_str())
}

fn span(exported: PyJson, trace_id: &str) -> Option<Span> {
    let mut fields = Fields::of(exported);
    let mut context = Fields::of(fields.take("context").unwrap_or(PyJson::Null));
    let own_trace_id = context.text("trace_id").or_else(|| fields.text("trace_id"));
    let span_id = context.text("span_id").or_else(|| fields.text("span_id"));
    let span_id = span_id.filter(|id| !id.is_empty())?;
    let parent = fields.text("parent_id").or_else(|| fields.text("parent_span_id"));
    let mut status = Fields::of(fields.take("status").unwrap_or(PyJson::Null));
    let status_code = fields.text("status_code").or_else(|| status.text("code"));
    let message = fields.text("status_message").or_else(|| status.text("message"));
    let mut span = Span {
        trace_id: trace_id.to_owned(),
        span_id: hex_id(&span_id),
        parent_span_id: parent.filter(|id| !id.is_empty()).map(|id| hex_id(&id)),
        name: fields.text("name").unwrap_or_default(),
        kind: fields.text("kind"),
        start_time_unix_nano: fields.int(["start_time_unix_nano", "start_time"]),
        end_time_unix_nano: fields.int(["end_time_unix_nano", "end_time"]),
        status_code: status_code.map(|code| code.trim_start_matches("STATUS_CODE_").to_owned()),
        status_message: message.filter(|message| !message.is_empty()),
        attributes: fields.attributes(),
        events: fields.list("events").into_iter().map(event).collect(),
        links: fields.list("links").into_iter().map(link).collect(),
        extra: Extra::new(),
    };
    if let Some(own) = own_trace_id
        .map(|id| hex_id(&id))
        .filter(|own| !tells(trace_id, own))
    {
        span.extra.insert(OTEL_TRACE_ID.to_owned(), own.into());
    }
    span.extra.extend(fields.finish());
    keep_rest(&mut span.extra, "context", context);
    keep_rest(&mut span.extra, "status", status);
    Some(span)
}

/// Keeps what nobody took of an inner dict under its own key.
fn keep_rest(extra: &mut Extra, key: &str, rest: Fields) {
    if !rest.is_empty() {
        let rest = rest.finish().into_iter().collect();
        extra.insert(key.to_owned(), Value::Object(rest));
    }
}

/// Whether a trace's id ends in an OpenTelemetry trace id.
fn tells(trace_id: &str, hex: &str) -> bool {
    trace_id.strip_prefix("tr-").unwrap_or(trace_id) == hex
}

fn event(exported: PyJson) -> SpanEvent {
    let mut fields = Fields::of(exported);
    SpanEvent {
        name: fields.text("name").unwrap_or_default(),
        time_unix_nano: fields.int(["time_unix_nano", "timestamp"]),
        attributes: fields.attributes(),
        extra: fields.finish(),
    }
}

fn link(exported: PyJson) -> SpanLink {
    let mut fields = Fields::of(exported);
    SpanLink {
        trace_id: fields.text("trace_id").unwrap_or_default(),
        span_id: fields.text("span_id").map(|id| hex_id(&id)).unwrap_or_default(),
        attributes: fields.attributes(),
        extra: fields.finish(),
    }
}

/// An id as hex digits: of base64 (8 bytes are 12 characters, 16 are 24), or hex after `0x` or `tr-` or nothing.
/// Anything else stays as it is.
fn hex_id(id: &str) -> String {
    if matches!((id.len(), id.ends_with('=')), (12 | 24, true))
        && let Ok(bytes) = STANDARD.decode(id)
    {
        return bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    }
    id.strip_prefix("0x")
        .or_else(|| id.strip_prefix("tr-"))
        .unwrap_or(id)
        .to_owned()
}

/// The entries of a dict, from which known ones are taken.
struct Fields(Vec<(String, PyJson)>);

impl Fields {
    fn of(dict: PyJson) -> Self {
        match dict {
            PyJson::Dict(entries) => Fields(entries),
            PyJson::Null => Fields(Vec::new()),
            // Not what MLflow writes there, but not to be lost.
            other => Fields(vec![("value".to_owned(), other)]),
        }
    }

    fn take(&mut self, key: &str) -> Option<PyJson> {
        let index = self.0.iter().position(|(name, _)| name == key)?;
        Some(self.0.remove(index).1)
    }

    fn take_if(&mut self, key: &str, fits: impl Fn(&PyJson) -> bool) -> Option<PyJson> {
        let index = self
            .0
            .iter()
            .position(|(name, value)| name == key && fits(value))?;
        Some(self.0.remove(index).1)
    }

    fn text(&mut self, key: &str) -> Option<String> {
        match self.take_if(key, |value| value.as_str().is_some())? {
            PyJson::Str(text) => Some(text),
            _ => None,
        }
    }

    /// An integer, or its decimal text, under the first of two names that has one.
    fn int(&mut self, keys: [&str; 2]) -> Option<i64> {
        let number = |value: &PyJson| match value {
            PyJson::Str(text) => text.parse().ok(),
            other => other.as_i64(),
        };
        let mut found = keys
            .into_iter()
            .filter_map(|key| self.take_if(key, |value| number(value).is_some()));
        found.next().as_ref().and_then(number)
    }

    fn list(&mut self, key: &str) -> Vec<PyJson> {
        match self.take_if(key, |value| value.as_list().is_some()) {
            Some(PyJson::List(items)) => items,
            _ => Vec::new(),
        }
    }

    fn attributes(&mut self) -> BTreeMap<String, Value> {
        match self.take_if("attributes", |value| value.as_dict().is_some()) {
            Some(PyJson::Dict(entries)) => free_entries(entries),
            _ => BTreeMap::new(),
        }
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|(_, value)| value.is_null())
    }

    /// What nobody took, less nulls.
    fn finish(self) -> Extra {
        free_entries(self.0.into_iter().filter(|(_, value)| !value.is_null()))
    }
}

/// Entries of a user's own dict as the archive keeps them: a key that starts with `$` gets one more.
fn free_entries(entries: impl IntoIterator<Item = (String, PyJson)>) -> BTreeMap<String, Value> {
    let entries = entries.into_iter();
    entries
        .map(|(key, value)| (escape_key(&key), value.to_free_json()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &str, trace_id: &str) -> SpanFile {
        SpanFile::read(text.as_bytes(), trace_id).unwrap()
    }

    #[test]
    fn spans_of_mlflow_2_are_read() {
        for prefix in ["", "0x"] {
            let file = read(
                &format!(
                    r#"{{"spans": [{{"name": "s", "context": {{"span_id": "{prefix}04cf3db7ecd83c0e",
                    "trace_id": "{prefix}30a5f94df81c996d879c93954d6b41a3"}}, "parent_id": null, "start_time": 5,
                    "end_time": null, "status_code": "OK", "status_message": "", "attributes":
                    {{"mlflow.spanInputs": "1"}}, "events": [{{"name": "e", "timestamp": 6, "attributes": {{"$n": NaN}}}}]}}],
                    "request": "1", "response": null}}"#
                ),
                "0a1b",
            );
            let span = &file.spans[0];
            assert!(file.is_whole);
            assert_eq!(
                (span.span_id.as_str(), span.start_time_unix_nano),
                ("04cf3db7ecd83c0e", Some(5))
            );
            assert_eq!(
                (span.end_time_unix_nano, span.status_code.as_deref()),
                (None, Some("OK"))
            );
            assert_eq!(
                span.extra["otel_trace_id"],
                json!("30a5f94df81c996d879c93954d6b41a3")
            );
            assert_eq!(span.events[0].attributes["$$n"], json!({"$float": "NaN"}));
            assert_eq!(span.events[0].time_unix_nano, Some(6));
        }
    }

    #[test]
    fn spans_of_mlflow_3_are_read() {
        let file = read(
            r#"{"spans": [{"trace_id": "FBPQGJf1bLZdra9xlwDOyQ==", "span_id": "zsDZmrA5LQ0=",
            "parent_span_id": "Tokt7XufQsw=", "name": "s", "kind": "SPAN_KIND_INTERNAL", "start_time_unix_nano": 9,
            "end_time_unix_nano": "10", "events": [], "status": {"code": "STATUS_CODE_ERROR", "message": "m"},
            "attributes": {"n": "5"}, "links": [{"trace_id": "tr-ab", "span_id": "cd", "attributes": {"a": 1}}],
            "new": [1.0]}]}"#,
            "tr-1413d01897f56cb65dadaf719700cec9",
        );
        let span = &file.spans[0];
        assert!(file.is_whole);
        assert_eq!(span.span_id, "cec0d99ab0392d0d");
        assert_eq!(span.parent_span_id.as_deref(), Some("4e892ded7b9f42cc"));
        assert_eq!(
            (span.status_code.as_deref(), span.status_message.as_deref()),
            (Some("ERROR"), Some("m"))
        );
        assert_eq!(
            (span.end_time_unix_nano, span.links[0].trace_id.as_str()),
            (Some(10), "tr-ab")
        );
        assert_eq!(span.extra, Extra::from([("new".to_owned(), json!([1.0]))]));
    }

    #[test]
    fn spans_of_mlflow_3_5_0_are_read() {
        let file = read(
            r#"{"spans": [{"trace_id": "tr-1413d01897f56cb65dadaf719700cec9", "span_id": "cec0d99ab0392d0d",
            "parent_span_id": null, "name": "s", "status": {"code": "OK", "message": ""}}]}"#,
            "tr-1413d01897f56cb65dadaf719700cec9",
        );
        assert_eq!(file.spans[0].span_id, "cec0d99ab0392d0d");
        assert_eq!(file.spans[0].status_code.as_deref(), Some("OK"));
        assert!(file.is_whole && file.spans[0].extra.is_empty());
    }

    #[test]
    fn a_file_that_says_more_than_its_spans_is_not_whole() {
        for text in [
            r#"{"spans": [], "more": 1}"#,
            r#"{"spans": [1]}"#,
            r#"{"spans": [{"span_id": "a", "attributes": [1]}]}"#,
            r#"{"spans": [{"span_id": "a", "events": [{"name": {}}]}]}"#,
            r#"{"spans": [], "request": "text"}"#,
            r#"{"other": []}"#,
            "[]",
        ] {
            assert!(!read(text, "t").is_whole, "{text}");
        }
        assert!(SpanFile::read(&b"{\"spans\": ["[..], "t").is_err());
    }
}
