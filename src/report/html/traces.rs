//! Traces and their spans.
//!
//! A row has, beside what every row has, `du` milliseconds, `rq` and `rs` the previews, `r` run, `m` logged model, `md` metadata, `as`
//! assessments, `lr` and `lp` further runs and prompts. The spans of a trace are `[[span …], how many there are]`; a span has `i`, `p`
//! parent, `n`, `k` kind, `a` and `e` nanoseconds since the first span began, `st` and `ms` status, `in` and `out`, `at` attributes, `ev` events.

use super::curves::{Drawn, each_owner};
use super::objects::{Collected, Maker};
use super::spool::Spool;
use super::text::{Row, Texts, name};
use crate::archive::walk::{Cursor, OwnerHead};
use crate::archive::{Archive, Result};
use crate::format::Kind;
use crate::model::{Assessment, Span, Trace};
use serde_json::{Map, Value, json};
use std::path::Path;

/// Bytes of the spans of one trace.
const TRACE_BYTES: usize = 1 << 20;
/// Spans of one trace.
const MOST_SPANS: usize = 2_000;
/// Assessments, attributes, events and links of one trace or span.
const MOST_ENTRIES: usize = 100;
const INPUTS: &str = "mlflow.spanInputs";
const OUTPUTS: &str = "mlflow.spanOutputs";

impl Maker<'_> {
    pub(super) fn traces(&mut self) -> Result<Collected> {
        self.collect(Kind::Traces, |maker, trace: Trace| {
            let is_taken = maker.closure.has_trace(&trace.trace_id);
            is_taken.then(|| (trace.request_time, row(&mut maker.texts, &trace)))
        })
    }
}

fn row(texts: &mut Texts, trace: &Trace) -> Row {
    let mut row = Row::default();
    row.put_name("i", Some(&trace.trace_id));
    row.put_name("x", Some(&trace.experiment_id));
    row.put_integer("a", trace.request_time);
    row.put_integer("du", trace.execution_duration);
    row.put_name("s", Some(&trace.state));
    for (key, preview) in [("rq", &trace.request_preview), ("rs", &trace.response_preview)] {
        row.put(key, texts.some(preview.as_deref()));
    }
    let metadata = |key: &str| trace.trace_metadata.get(key).and_then(|text| text.as_str());
    row.put_name("r", metadata("mlflow.sourceRun"));
    row.put_name("m", metadata("mlflow.modelId"));
    row.put("t", texts.map(&trace.tags));
    row.put("md", texts.map(&trace.trace_metadata));
    let assessments = trace.assessments.iter().take(MOST_ENTRIES);
    row.put("as", assessments.map(|one| assessment(texts, one)).collect());
    for (key, ids) in [("lr", &trace.linked_runs), ("lp", &trace.linked_prompts)] {
        row.put(key, ids.iter().take(MOST_ENTRIES).map(|id| name(id)).collect());
    }
    row
}

fn assessment(texts: &mut Texts, assessment: &Assessment) -> Value {
    let value = [&assessment.feedback, &assessment.expectation, &assessment.issue];
    let value = value.into_iter().flatten().next();
    let value = value.map(|value| texts.free(value.get("value").unwrap_or(value)));
    let what = if assessment.expectation.is_some() {
        "expected"
    } else {
        "feedback"
    };
    let source = assessment
        .source
        .values()
        .take(4)
        .map(|text| name(text))
        .collect::<Vec<_>>();
    let rationale = assessment.rationale.as_deref().map(|text| texts.note(text));
    json!([
        name(&assessment.assessment_name),
        what,
        value,
        source,
        rationale,
        assessment.valid
    ])
}

/// The spans of the page's traces.
pub(super) struct Spans {
    pub(super) spool: Spool,
    /// The rows of the traces, in the order of the spool.
    pub(super) rows: Vec<u32>,
    /// Spans beyond those that a trace shows.
    pub(super) left_out: u64,
}

/// Reads the spans of the traces whose row `row_of` knows, by their number in the archive.
pub(super) fn spans(
    archive: &Archive,
    scratch: &Path,
    texts: &mut Texts,
    row_of: &dyn Fn(usize) -> Option<u32>,
) -> Result<Spans> {
    let mut spans = Spans {
        spool: Spool::new(scratch)?,
        rows: Vec::new(),
        left_out: 0,
    };
    let begin = |owner: &OwnerHead| {
        let (row, time) = (row_of(owner.number)?, owner.head.request_time.as_i64());
        Some(OpenTrace {
            drawn: Drawn { row, time },
            ..OpenTrace::default()
        })
    };
    let add = |trace: &mut OpenTrace, cursor: &Cursor<'_>| {
        trace.take(&cursor.parse().or_else(|_| cursor.object())?, texts);
        Ok(())
    };
    each_owner(archive, [Kind::Traces, Kind::Spans], begin, add, |trace| {
        spans.take(trace)
    })?;
    Ok(spans)
}

/// The trace whose spans are being read.
#[derive(Default)]
struct OpenTrace {
    drawn: Drawn,
    /// When its first span began.
    start: Option<i64>,
    spans: Vec<u8>,
    shown: usize,
    count: u64,
}

impl OpenTrace {
    fn take(&mut self, span: &Span, texts: &mut Texts) {
        self.count += 1;
        self.start = self.start.or(span.start_time_unix_nano);
        if self.shown >= MOST_SPANS || self.spans.len() > TRACE_BYTES {
            return;
        }
        if !self.spans.is_empty() {
            self.spans.push(b',');
        }
        self.spans.extend(span_row(span, self.start, texts).into_bytes());
        self.shown += 1;
    }
}

impl Spans {
    fn take(&mut self, trace: OpenTrace) -> Result<()> {
        let shown = trace.shown as u64;
        self.left_out += trace.count - shown;
        self.rows.push(trace.drawn.row);
        let mut block = b"[[".to_vec();
        block.extend(trace.spans);
        block.extend(format!("],{}]", trace.count).bytes());
        self.spool.push(trace.drawn.time, &block)
    }
}

fn span_row(span: &Span, start: Option<i64>, texts: &mut Texts) -> Row {
    let mut row = Row::default();
    row.put_name("i", Some(&span.span_id));
    row.put_name("p", span.parent_span_id.as_deref());
    row.put_name("n", Some(&span.name));
    let kind = span.kind.as_deref();
    row.put_name(
        "k",
        kind.map(|kind| kind.strip_prefix("SPAN_KIND_").unwrap_or(kind)),
    );
    let since = |time: Option<i64>| time.zip(start).map(|(time, start)| time.saturating_sub(start));
    row.put_integer("a", since(span.start_time_unix_nano));
    row.put_integer("e", since(span.end_time_unix_nano));
    row.put_name("st", span.status_code.as_deref());
    row.put("ms", texts.some_note(span.status_message.as_deref()));
    for (key, attribute) in [("in", INPUTS), ("out", OUTPUTS)] {
        let value = span.attributes.get(attribute);
        row.put(key, value.map_or(Value::Null, |value| texts.free(value)));
    }
    let others = span
        .attributes
        .iter()
        .filter(|(key, _)| ![INPUTS, OUTPUTS].contains(&key.as_str()));
    let others = others
        .take(MOST_ENTRIES)
        .flat_map(|(key, value)| [name(key), texts.free(value)]);
    row.put("at", others.collect());
    let events = span.events.iter().take(MOST_ENTRIES).map(|event| {
        let attributes: Map<String, Value> =
            event.attributes.clone().into_iter().take(MOST_ENTRIES).collect();
        json!([
            name(&event.name),
            since(event.time_unix_nano),
            texts.free(&Value::Object(attributes))
        ])
    });
    row.put("ev", events.collect());
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_make_inert_json_and_say_how_many_there_are() {
        let mut trace = OpenTrace {
            drawn: Drawn { row: 3, time: None },
            ..OpenTrace::default()
        };
        let mut texts = Texts::default();
        for number in 0..MOST_SPANS + 5 {
            let span = Span {
                span_id: number.to_string(),
                name: "</script><img src=x onerror=alert(1)>".to_owned(),
                ..Span::default()
            };
            trace.take(&span, &mut texts);
        }
        let folder = tempfile::tempdir().unwrap();
        let mut spans = Spans {
            spool: Spool::new(folder.path()).unwrap(),
            rows: Vec::new(),
            left_out: 0,
        };
        spans.take(trace).unwrap();
        assert!(spans.left_out > 0 && spans.rows == [3]);
        spans
            .spool
            .for_each(&[true], &mut |_, block| {
                assert!(!block.contains(&b'<'));
                let value: Value = serde_json::from_slice(block).unwrap();
                assert_eq!(value[1], json!(MOST_SPANS + 5));
                Ok(())
            })
            .unwrap();
    }
}
