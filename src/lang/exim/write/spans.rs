//! Spans by name and id, as a trace's own file has them.

use super::dump::dict;
use crate::model::Span;
use crate::model::pyjson::PyJson;

/// Name and ids of spans.
pub(super) fn names(spans: &[Span]) -> PyJson {
    let name = |span: &Span| {
        dict([
            ("name", PyJson::from(span.name.as_str())),
            ("trace_id", PyJson::from(span.trace_id.as_str())),
            ("span_id", PyJson::from(span.span_id.as_str())),
            ("parent_id", PyJson::from(span.parent_span_id.as_deref())),
        ])
    };
    PyJson::List(spans.iter().map(name).collect())
}

/// Whether nothing more is known of the spans, as where they came from such an export.
pub(super) fn has_only_names(spans: &[Span]) -> bool {
    spans.iter().all(|span| {
        let bare = Span {
            trace_id: span.trace_id.clone(),
            span_id: span.span_id.clone(),
            parent_span_id: span.parent_span_id.clone(),
            name: span.name.clone(),
            ..Span::default()
        };
        *span == bare
    })
}
