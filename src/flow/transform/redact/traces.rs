//! What went into traces and came out of them.

use super::artifacts::leave_out;
use crate::flow::transform::error::Result;
use crate::flow::transform::step::{EditedLine, Fate, Step};
use crate::flow::transform::tags::{Erasure, MASK};
use crate::format::Kind;
use serde_json::{Map, Value};

/// What of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum TracePart {
    Inputs,
    Outputs,
}

impl TracePart {
    fn preview(self) -> &'static str {
        match self {
            TracePart::Inputs => "request_preview",
            TracePart::Outputs => "response_preview",
        }
    }

    fn metadata(self) -> &'static str {
        match self {
            TracePart::Inputs => "mlflow.traceInputs",
            TracePart::Outputs => "mlflow.traceOutputs",
        }
    }

    /// Attributes of spans: MLflow's own, those of OpenTelemetry for generative models, and those of the two libraries whose spans
    /// MLflow takes most.
    fn attributes(self) -> &'static [&'static str] {
        match self {
            TracePart::Inputs => &[
                "mlflow.spanInputs",
                "mlflow.chat.messages",
                "gen_ai.input.messages",
                "gen_ai.prompt",
                "gen_ai.system_instructions",
                "gen_ai.tool.call.arguments",
                "input.value",
                "traceloop.entity.input",
            ],
            TracePart::Outputs => &[
                "mlflow.spanOutputs",
                "gen_ai.output.messages",
                "gen_ai.completion",
                "gen_ai.tool.call.result",
                "output.value",
                "traceloop.entity.output",
            ],
        }
    }

    /// Beginnings of such attributes, where each message has its own.
    fn attribute_starts(self) -> &'static [&'static str] {
        match self {
            TracePart::Inputs => &["gen_ai.prompt.", "llm.input_messages."],
            TracePart::Outputs => &["gen_ai.completion.", "llm.output_messages."],
        }
    }
}

/// The artifact that holds the spans of a trace.
const SPANS_FILE: &str = "traces.json";

struct Erase {
    part: TracePart,
    erasure: Erasure,
}

/// Drops or masks what went into traces, or came out.
pub(in super::super) fn erase_traces(part: TracePart, erasure: Erasure) -> Box<dyn Step> {
    Box::new(Erase { part, erasure })
}

impl Erase {
    /// Erases a text of a map, where it is there; whether it is another one now.
    fn erase(&self, map: &mut Map<String, Value>, key: &str) -> bool {
        match (self.erasure, map.get_mut(key)) {
            (_, None) => false,
            (Erasure::Drop, Some(_)) => map.remove(key).is_some(),
            (Erasure::Mask, Some(value)) => {
                let is_new = value != MASK;
                *value = MASK.into();
                is_new
            }
        }
    }

    fn erase_within(&self, line: &mut Map<String, Value>, field: &str, key: &str) -> bool {
        let map = line.get_mut(field).and_then(Value::as_object_mut);
        map.is_some_and(|map| self.erase(map, key))
    }

    fn trace(&self, line: &mut Map<String, Value>) -> bool {
        let mut is_changed = self.erase(line, self.part.preview());
        is_changed |= self.erase_within(line, "trace_metadata", self.part.metadata());
        is_changed | self.erase_within(line, "tags", self.part.metadata())
    }

    fn span(&self, line: &mut Map<String, Value>) -> bool {
        let Some(attributes) = line.get_mut("attributes").and_then(Value::as_object_mut) else {
            return false;
        };
        let (known, starts) = (self.part.attributes(), self.part.attribute_starts());
        let is_meant = |key: &&String| {
            known.contains(&key.as_str()) || starts.iter().any(|start| key.starts_with(start))
        };
        let keys: Vec<String> = attributes.keys().filter(is_meant).cloned().collect();
        keys.iter()
            .fold(false, |is_changed, key| self.erase(attributes, key) | is_changed)
    }

    /// The file with a trace's spans goes as a whole: its lines have what stays.
    fn files(line: &mut Map<String, Value>) -> bool {
        if line.get("owner_kind").and_then(Value::as_str) != Some("trace") {
            return false;
        }
        let files = line.get_mut("files").and_then(Value::as_array_mut);
        let files = files.into_iter().flatten().filter_map(Value::as_object_mut);
        let spans = files.filter(|file| file.get("path").and_then(Value::as_str) == Some(SPANS_FILE));
        spans.fold(false, |is_changed, file| leave_out(file) | is_changed)
    }
}

impl Step for Erase {
    fn kinds(&self) -> &[Kind] {
        &[Kind::Traces, Kind::Spans, Kind::Artifacts]
    }

    fn redacts(&self) -> bool {
        true
    }

    fn apply(&self, line: &mut EditedLine) -> Result<Fate> {
        let kind = line.kind();
        line.rewrite(|line| {
            line.as_object_mut().is_some_and(|line| match kind {
                Kind::Traces => self.trace(line),
                Kind::Spans => self.span(line),
                _ => Self::files(line),
            })
        });
        Ok(Fate::Kept)
    }
}
