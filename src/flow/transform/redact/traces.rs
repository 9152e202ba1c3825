//! What went into traces and came out of them.

use super::artifacts::leave_out;
use crate::flow::transform::error::Result;
use crate::flow::transform::step::{EditedLine, Fate, Step};
use crate::flow::transform::tags::{Erasure, MASK};
use crate::format::Kind;
use serde_json::{Map, Value};

/// What of a trace, and where it stands.
pub(in super::super) struct TracePart {
    preview: &'static str,
    metadata: &'static str,
    /// Attributes of spans: MLflow's own, those of OpenTelemetry for generative models, and those of the two libraries whose spans
    /// MLflow takes most.
    attributes: &'static [&'static str],
    /// Beginnings of such attributes, where each message has its own.
    attribute_starts: [&'static str; 2],
}

impl TracePart {
    pub(in super::super) const INPUTS: &TracePart = &TracePart {
        preview: "request_preview",
        metadata: "mlflow.traceInputs",
        attributes: &[
            "mlflow.spanInputs",
            "mlflow.chat.messages",
            "gen_ai.input.messages",
            "gen_ai.prompt",
            "gen_ai.system_instructions",
            "gen_ai.tool.call.arguments",
            "input.value",
            "traceloop.entity.input",
        ],
        attribute_starts: ["gen_ai.prompt.", "llm.input_messages."],
    };
    pub(in super::super) const OUTPUTS: &TracePart = &TracePart {
        preview: "response_preview",
        metadata: "mlflow.traceOutputs",
        attributes: &[
            "mlflow.spanOutputs",
            "gen_ai.output.messages",
            "gen_ai.completion",
            "gen_ai.tool.call.result",
            "output.value",
            "traceloop.entity.output",
        ],
        attribute_starts: ["gen_ai.completion.", "llm.output_messages."],
    };
}

/// The artifact that holds the spans of a trace.
const SPANS_FILE: &str = "traces.json";

struct Erase {
    part: &'static TracePart,
    erasure: Erasure,
}

/// Drops or masks what went into traces, or came out.
pub(in super::super) fn erase_traces(part: &'static TracePart, erasure: Erasure) -> Box<dyn Step> {
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
        let mut is_changed = self.erase(line, self.part.preview);
        is_changed |= self.erase_within(line, "trace_metadata", self.part.metadata);
        is_changed | self.erase_within(line, "tags", self.part.metadata)
    }

    fn span(&self, line: &mut Map<String, Value>) -> bool {
        let Some(attributes) = line.get_mut("attributes").and_then(Value::as_object_mut) else {
            return false;
        };
        let part = self.part;
        let begins = |key: &str| part.attribute_starts.iter().any(|start| key.starts_with(start));
        let is_meant = |key: &&String| part.attributes.contains(&key.as_str()) || begins(key);
        let keys: Vec<String> = attributes.keys().filter(is_meant).cloned().collect();
        keys.iter()
            .fold(false, |is_changed, key| self.erase(attributes, key) | is_changed)
    }
}

impl Step for Erase {
    fn looks_at(&self, kind: Kind) -> bool {
        matches!(kind, Kind::Traces | Kind::Spans | Kind::Artifacts)
    }

    fn redacts(&self) -> bool {
        true
    }

    fn apply(&self, line: &mut EditedLine) -> Result<Fate> {
        let kind = line.kind();
        line.rewrite(|line| match kind {
            Kind::Traces => line.as_object_mut().is_some_and(|line| self.trace(line)),
            Kind::Spans => line.as_object_mut().is_some_and(|line| self.span(line)),
            // The file with a trace's spans goes as a whole: its lines have what stays.
            _ => line["owner_kind"] == "trace" && leave_out(line, |path| path == SPANS_FILE),
        });
        Ok(Fate::Kept)
    }
}
