//! Traces as clocks and users make them, out of a number: the same number, the same trace.

use mlark::model::{Span, SpanEvent, SpanLink, Text, TextMap, Trace};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const HOUR: u64 = 3_600_000_000_000;
const BASE_NANOS: i64 = 1_790_000_000_123_456_789;

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Dice(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// Once in so many times.
    fn is_one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize].clone()
    }
}

const TEXTS: [&str; 6] = [
    "f",
    "",
    "größe 漢字",
    "\u{1F600} \"quoted\" \\",
    "line\nline\t",
    "a.b/c",
];

/// A trace and its spans, in their order.
pub(crate) fn make(seed: u64) -> (Trace, Vec<Span>) {
    let dice = &mut Dice::new(seed);
    let trace_id = format!("tr-{:016x}{:016x}", dice.next(), dice.next());
    let start = BASE_NANOS + dice.below(HOUR) as i64;
    let mut spans: Vec<Span> = Vec::new();
    for number in 0..dice.below(6) {
        // Mostly one root and a tree below it; at times none, or several.
        let is_root = if number == 0 {
            !dice.is_one_in(12)
        } else {
            dice.is_one_in(12)
        };
        let parent = match spans.is_empty() {
            true => format!("{:016x}", dice.next() | 1),
            false => dice.of(&spans).span_id,
        };
        let span = span(dice, &trace_id, start, (!is_root).then_some(parent));
        spans.push(span);
    }
    spans.sort_by_key(|span| (span.start_time_unix_nano, span.span_id.clone()));
    (trace(dice, trace_id, start, &spans), spans)
}

fn span(dice: &mut Dice, trace_id: &str, start: i64, parent_span_id: Option<String>) -> Span {
    let lengths = [0, 1, 999_999, 1_000_000, 1_000_001, 7_654_321, 3_600_000_000_000];
    let start = start + dice.of(&lengths[..6]);
    let is_open = dice.is_one_in(40);
    let status = dice.of(&["OK", "OK", "UNSET", "ERROR"]);
    let has_message = status == "ERROR" || dice.is_one_in(60);
    let kinds = ["INTERNAL", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"];
    let kind = (!dice.is_one_in(4)).then(|| format!("SPAN_KIND_{}", dice.of(&kinds)));
    Span {
        trace_id: trace_id.to_owned(),
        span_id: format!("{:016x}", dice.next() | 1),
        parent_span_id,
        name: dice.of(&TEXTS).to_owned(),
        kind,
        start_time_unix_nano: Some(start),
        end_time_unix_nano: (!is_open).then_some(start + dice.of(&lengths)),
        status_code: Some(status.to_owned()),
        status_message: has_message.then(|| "it broke: 漢".to_owned()),
        attributes: attributes(dice, trace_id),
        events: events(dice, start),
        links: match dice.is_one_in(10) {
            true => vec![SpanLink {
                trace_id: format!("tr-{:032x}", u128::from(dice.next())),
                span_id: format!("{:016x}", dice.next() | 1),
                ..SpanLink::default()
            }],
            false => Vec::new(),
        },
        ..Span::default()
    }
}

fn attributes(dice: &mut Dice, trace_id: &str) -> BTreeMap<String, Value> {
    let mut attributes = BTreeMap::from([(
        "mlflow.traceRequestId".to_owned(),
        json!(format!("\"{trace_id}\"")),
    )]);
    let usual = [
        ("mlflow.spanType", r#""UNKNOWN""#),
        ("mlflow.spanInputs", r#"{"x": 1, "text": "größe"}"#),
        ("mlflow.spanOutputs", r#""漢字""#),
        ("mlflow.spanFunctionName", r#""f""#),
        ("temperature", "0.5"),
        ("count", "12345678901"),
        ("list", r#"[1, 2.5, null, {"deep": true}]"#),
        (
            "mlflow.chat.tokenUsage",
            r#"{"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}"#,
        ),
    ];
    let rare = [
        ("lossy", "1.50"),
        ("nan", "NaN"),
        ("gen_ai.request.model", r#""gpt-4""#),
        ("gen_ai.input.messages", r#"[{"role": "user", "content": "hi"}]"#),
        ("openinference.span.kind", r#""LLM""#),
        ("session.id", r#""s-1""#),
        ("user.id", r#""ana""#),
        ("mlflow.traceTag.team", r#""red""#),
        ("mlflow.llm.model", r#""gpt-4o""#),
        ("mlflow.spanInputs", r#"{"model": "gpt-4", "messages": []}"#),
    ];
    for (key, text) in usual {
        let times = if key == "mlflow.chat.tokenUsage" { 12 } else { 3 };
        if dice.is_one_in(times) {
            attributes.insert(key.to_owned(), text.into());
        }
    }
    if dice.is_one_in(20) {
        let (key, text) = dice.of(&rare);
        attributes.insert(key.to_owned(), text.into());
    }
    attributes
}

fn events(dice: &mut Dice, start: i64) -> Vec<SpanEvent> {
    let mut events = Vec::new();
    for number in 0..dice.below(4).saturating_sub(1) {
        let attributes = [
            ("text", json!("größe")),
            ("int", json!(3)),
            ("list", json!(["a", "b"])),
        ];
        events.push(SpanEvent {
            name: dice
                .of(&["exception", "event", "event", "gen_ai.choice"])
                .to_owned(),
            time_unix_nano: Some(start + number as i64),
            attributes: attributes.map(|(key, value)| (key.to_owned(), value)).into(),
            ..SpanEvent::default()
        });
    }
    events
}

fn trace(dice: &mut Dice, trace_id: String, start: i64, spans: &[Span]) -> Trace {
    let millis = |nanos: i64| nanos.div_euclid(1_000_000);
    let first = spans
        .iter()
        .filter_map(|span| span.start_time_unix_nano)
        .min()
        .unwrap_or(start);
    let last = spans
        .iter()
        .filter_map(|span| span.end_time_unix_nano)
        .max()
        .unwrap_or(first);
    // The client floors the difference of the nanoseconds, servers take that of whole milliseconds; some traces never ended.
    let duration = match dice.below(8) {
        0 => None,
        1 => Some(0),
        2 => Some(millis(last) - millis(first)),
        _ => Some(millis(last - first)),
    };
    let preview = |dice: &mut Dice| match dice.below(20) {
        0 => None,
        1 => Some(String::new()),
        _ => Some("größe \u{1F600}".to_owned()),
    };
    Trace {
        trace_id,
        experiment_id: "1".to_owned(),
        client_request_id: dice.is_one_in(3).then(|| "client-1".to_owned()),
        request_time: Some(millis(first) + if dice.is_one_in(6) { 5 } else { 0 }),
        execution_duration: duration,
        state: dice
            .of(&["OK", "OK", "ERROR", "IN_PROGRESS", "STATE_UNSPECIFIED"])
            .to_owned(),
        request_preview: preview(dice),
        response_preview: preview(dice),
        trace_metadata: metadata(dice),
        tags: TextMap::from([("mlflow.traceName".to_owned(), Text::from(dice.of(&TEXTS)))]),
        ..Trace::default()
    }
}

fn metadata(dice: &mut Dice) -> TextMap {
    let choices = [
        ("mlflow.trace_schema.version", "3"),
        ("mlflow.user", "ana"),
        ("own key", "größe\n漢"),
        ("mlflow.trace.session", "s-0"),
        ("mlflow.trace.user", "ben"),
        (
            "mlflow.trace.tokenUsage",
            r#"{"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}"#,
        ),
        ("mlflow.trace.tokenUsage", r#"{"input_tokens":3,"own":1}"#),
        (
            "mlflow.trace.cost",
            r#"{"input_cost": 0.5, "output_cost": 1e-07, "total_cost": 0.5000001}"#,
        ),
    ];
    let mut metadata = TextMap::new();
    for (key, text) in choices {
        if dice.is_one_in(2) {
            metadata.insert(key.to_owned(), Text::from(text));
        }
    }
    metadata
}
