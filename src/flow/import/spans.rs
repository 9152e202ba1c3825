//! Which way a trace's spans go, and what a server makes of the trace when they arrive by OpenTelemetry.
//!
//! A server takes spans for news of a trace: it widens its times to theirs, in whole milliseconds each, lets the root decide its state,
//! and adds what it reads in their attributes where the trace has nothing of the kind: previews, session, user, tokens, cost. Times and
//! state are said once more afterwards; what cannot be taken back so, or changes a span, makes all of them go as a file.

use super::Result;
use crate::archive::{Archive, Line, parse_object};
use crate::lang::spans::otlp;
use crate::model::pyjson::PyJson;
use crate::model::trace::{COST_KEYS, TRACE_COST, TRACE_USAGE, USAGE_KEYS};
use crate::model::{Span, Text, Trace};
use serde_json::Value;

/// Kind that servers give to a span without one; MLflow reads such spans so too.
pub(crate) const DEFAULT_KIND: &str = "SPAN_KIND_INTERNAL";

const INPUTS: &str = "mlflow.spanInputs";
const OUTPUTS: &str = "mlflow.spanOutputs";
const SPAN_TYPE: &str = "mlflow.spanType";
const USAGE: &str = "mlflow.chat.tokenUsage";
const COST: &str = "mlflow.llm.cost";
const MODEL: &str = "mlflow.llm.model";
const PROVIDER: &str = "mlflow.llm.provider";
const FORMAT: &str = "mlflow.message.format";
const TOOLS: &str = "mlflow.chat.tools";
const TRACE_TAG: &str = "mlflow.traceTag.";
const TRACE_SESSION: &str = "mlflow.trace.session";
const TRACE_USER: &str = "mlflow.trace.user";

/// Spans as they are sent to a tracking store that keeps them.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    /// In OpenTelemetry JSON.
    pub spans: Vec<Value>,
    /// Whether the trace is to be told once more afterwards.
    pub changes_trace: bool,
}

/// The spans of a trace as they are sent to a tracking store; nothing where it would not keep all of them, or of the trace: then they go
/// as a file.
pub fn sent(trace: &Trace, spans: &[Span]) -> Option<Sent> {
    if spans.iter().any(is_translated) || !is_left(trace, spans) {
        return None;
    }
    let sent: Option<Vec<_>> = spans.iter().map(otlp::span).collect();
    Some(Sent {
        spans: sent?,
        changes_trace: told_by(trace, spans) != Told::of(trace),
    })
}

/// Spans out of their lines.
///
/// # Errors
/// A line is none.
pub(crate) fn parsed(archive: &Archive, lines: &[Vec<u8>]) -> Result<Vec<Span>> {
    let parsed = lines.iter().map(|bytes| {
        let line = Line {
            bytes,
            file: "objects/spans",
            number: 0,
        };
        Ok(parse_object(archive, &line)?)
    });
    parsed.collect()
}

/// Spans without a kind among those that a server gets by OpenTelemetry, and to which it gives one.
///
/// # Errors
/// A line is no span.
pub(crate) fn without_kind(archive: &Archive, trace: &Trace, lines: &[Vec<u8>]) -> Result<Vec<Span>> {
    // Quotes within texts are escaped, so this is a key; nearly every line has it.
    let has_kind =
        |line: &Vec<u8>| std::str::from_utf8(line).is_ok_and(|line| line.contains("\"kind\":\"SPAN_KIND_"));
    if lines.iter().all(has_kind) {
        return Ok(Vec::new());
    }
    let mut spans = parsed(archive, lines)?;
    match sent(trace, &spans) {
        Some(_) => spans.retain(|span| span.kind.is_none()),
        None => spans.clear(),
    }
    Ok(spans)
}

/// What servers take from spans over what a trace says, until it is said once more.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    request_time: Option<i64>,
    execution_duration: Option<i64>,
    state: String,
}

impl Told {
    fn of(trace: &Trace) -> Self {
        Told {
            request_time: trace.request_time,
            execution_duration: trace.execution_duration,
            state: trace.state.clone(),
        }
    }
}

fn told_by(trace: &Trace, spans: &[Span]) -> Told {
    let millis = |nanos: i64| nanos.div_euclid(1_000_000);
    let mut told = Told::of(trace);
    let first = spans.iter().filter_map(|span| span.start_time_unix_nano).min();
    let last = spans.iter().filter_map(|span| span.end_time_unix_nano).max();
    if let (Some(first), Some(last)) = (first.map(millis), last.map(millis)) {
        let own_end = trace.request_time.zip(trace.execution_duration);
        let own_end = own_end.map(|(start, duration)| start.saturating_add(duration));
        let start = trace.request_time.map_or(first, |start| start.min(first));
        let end = own_end.map_or(last, |end| end.max(last));
        told.request_time = Some(start);
        told.execution_duration = Some(end.saturating_sub(start));
    }
    let is_open = matches!(trace.state.as_str(), "IN_PROGRESS" | "STATE_UNSPECIFIED");
    if let Some(root) = root(spans).filter(|_| is_open) {
        told.state = match root.status_code.as_deref() {
            Some("ERROR") => "ERROR".to_owned(),
            _ => "OK".to_owned(),
        };
    }
    told
}

fn root(spans: &[Span]) -> Option<&Span> {
    spans.iter().find(|span| span.parent_span_id.is_none())
}

/// Whether servers add nothing to a trace that no call takes back.
fn is_left(trace: &Trace, spans: &[Span]) -> bool {
    let lacks = |key: &str| !trace.trace_metadata.contains_key(key);
    let lacks_numbers = |key| {
        let text = trace.trace_metadata.get(key);
        text.is_none_or(|text| known_numbers(key, text).is_none())
    };
    let has = |keys: &[&str]| spans.iter().any(|span| keys.iter().any(|key| is_told(span, key)));
    let roots = || spans.iter().filter(|span| span.parent_span_id.is_none());
    let has_root_with = |key| roots().any(|root| is_told(root, key));
    let is_tagged_otherwise = |span: &Span| {
        let mut tags = span.attributes.keys();
        tags.any(|key| key.starts_with(TRACE_TAG))
    };
    !(trace.request_preview.is_none() && has_root_with(INPUTS)
        || trace.response_preview.is_none() && has_root_with(OUTPUTS)
        || lacks(TRACE_SESSION) && has(&["session.id", "gen_ai.conversation.id"])
        || lacks(TRACE_USER) && has(&["user.id"])
        || lacks_numbers(TRACE_USAGE) && has(&[USAGE])
        || lacks_numbers(TRACE_COST) && has(&[COST])
        || roots().any(is_tagged_otherwise))
}

/// Whether an attribute is there.
fn is_told(span: &Span, key: &str) -> bool {
    span.attributes.contains_key(key)
}

/// Attributes that servers add, and from which of other conventions they take them; what ends in `*` begins so.
const TRANSLATIONS: [(&str, &[&str]); 9] = [
    (
        SPAN_TYPE,
        &[
            "gen_ai.operation.name",
            "openinference.span.kind",
            "traceloop.span.kind",
            "lmnr.span.type",
            "langfuse.observation.type",
            "ai.operationId",
            "span.type",
            "entity.type",
        ],
    ),
    (
        INPUTS,
        &[
            "gen_ai.input.*",
            "gen_ai.tool.call.*",
            "gen_ai.prompt*",
            "gen_ai.completion.*",
            "gcp.vertex.agent.*",
            "lmnr.span.input",
            "langfuse.observation.input",
            "lk.*",
            "input.value",
            "traceloop.entity.input",
            "ai.prompt*",
            "ai.toolCall.*",
            "ai.value*",
            "agent.messages",
            "llm.messages",
            "input",
            "span.type",
        ],
    ),
    (
        OUTPUTS,
        &[
            "gen_ai.output.*",
            "gen_ai.tool.call.*",
            "gen_ai.completion.*",
            "gcp.vertex.agent.*",
            "lmnr.span.output",
            "langfuse.observation.output",
            "lk.*",
            "output.value",
            "traceloop.entity.output",
            "ai.response.*",
            "ai.toolCall.*",
            "ai.embedding*",
            "output",
            "span.type",
        ],
    ),
    (
        USAGE,
        &[
            "gen_ai.usage.*",
            "llm.token_count.*",
            "llm.usage.*",
            "usage.*",
            "span.type",
        ],
    ),
    (
        FORMAT,
        &["gen_ai.agent.name", "lmnr.*", "lk.*", "voltagent.*", "span.type"],
    ),
    (TOOLS, &["gen_ai.tool.definitions"]),
    (
        MODEL,
        &[
            "gen_ai.response.model",
            "gen_ai.request.model",
            "llm.response.model_name",
            "llm.model_name",
            "llm.request.model_name",
            "embedding.model_name",
        ],
    ),
    (
        PROVIDER,
        &["gen_ai.provider.name", "gen_ai.system", "llm.provider"],
    ),
    // The price depends on a list that each version of the server brings.
    (COST, &[USAGE]),
];

/// Whether servers may add attributes of MLflow's own to a span, out of those of other conventions.
fn is_translated(span: &Span) -> bool {
    let is_fed = |keys: &[&str]| {
        keys.iter().any(|key| match key.strip_suffix('*') {
            Some(start) => span.attributes.keys().any(|found| found.starts_with(start)),
            None => is_told(span, key),
        })
    };
    let has_events = || span.events.iter().any(|event| event.name.starts_with("gen_ai."));
    let is_typed = || span.attributes.get(SPAN_TYPE).and_then(Value::as_str) != Some(r#""UNKNOWN""#);
    TRANSLATIONS.iter().any(|&(key, sources)| match key {
        SPAN_TYPE => !(is_told(span, key) && is_typed()) && is_fed(sources),
        INPUTS | OUTPUTS => !is_told(span, key) && (is_fed(sources) || has_events()),
        MODEL => !is_told(span, key) && (is_fed(sources) || names_model(span)),
        COST => !is_told(span, key) && is_told(span, MODEL) && is_fed(sources),
        _ => !is_told(span, key) && is_fed(sources),
    })
}

/// Whether inputs or outputs are a dict that names a model.
fn names_model(span: &Span) -> bool {
    [INPUTS, OUTPUTS].iter().any(|key| {
        let text = span.attributes.get(*key).and_then(Value::as_str);
        let text = text.filter(|text| text.contains("\"model\""));
        let dict = text.and_then(|text| PyJson::parse(text.as_bytes()).ok());
        dict.is_some_and(|dict| dict.get("model").and_then(PyJson::as_str).is_some())
    })
}

/// Whether a server since MLflow 3.17 gives a trace's metadata back as another text: it keeps tokens and costs as the numbers that it knows.
pub(crate) fn is_rewritten(key: &str, text: &Text) -> bool {
    matches!(key, TRACE_USAGE | TRACE_COST)
        && known_numbers(key, text).is_none_or(|known| Text::Utf8(known) != *text)
}

/// Tokens or costs as servers write them; nothing where they know none of them.
fn known_numbers(key: &str, text: &Text) -> Option<String> {
    let names: &[&str] = match key {
        TRACE_USAGE => &USAGE_KEYS,
        _ => &COST_KEYS,
    };
    let Text::Utf8(text) = text else { return None };
    let told = PyJson::parse(text.as_bytes()).ok()?;
    let is_number = |value: &PyJson| match key {
        TRACE_USAGE => value.as_i64().is_some(),
        _ => matches!(value, PyJson::Float(number) if number.is_finite()),
    };
    let known = names.iter().filter_map(|name| {
        let value = told.get(name).filter(|value| is_number(value))?;
        Some(((*name).to_owned(), value.clone()))
    });
    let known: Vec<_> = known.collect();
    (!known.is_empty()).then(|| PyJson::Dict(known).to_dumps_text())
}
