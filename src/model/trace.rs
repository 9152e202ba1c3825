//! Traces, their assessments and spans, under the names of MLflow's trace API v3.

use super::TextMap;
use super::field::{Millis, Nanos, object};
use serde_json::Value;
use std::collections::BTreeMap;

/// Metadata key of the tokens that a trace used: JSON of [`USAGE_KEYS`].
pub(crate) const TRACE_USAGE: &str = "mlflow.trace.tokenUsage";
/// Metadata key of what a trace cost: JSON of [`COST_KEYS`].
pub(crate) const TRACE_COST: &str = "mlflow.trace.cost";
/// Counts of tokens that MLflow 3.17 and later know, in their order.
pub(crate) const USAGE_KEYS: [&str; 6] = [
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "cache_creation_input_tokens_above_1hr",
];
/// Costs that they know, in their order.
pub(crate) const COST_KEYS: [&str; 3] = ["input_cost", "output_cost", "total_cost"];

object! {
    /// A line of `objects/traces-*.jsonl`.
    Trace {
        /// `tr-` and 32 hex digits; 32 hex digits for traces of API v2 (`request_id` there).
        trace_id: String as request_id,
        /// The experiment it belongs to.
        experiment_id: String,
        /// Id the client gave.
        client_request_id: Option<String>,
        /// Epoch milliseconds.
        request_time: Option<Millis> as timestamp_ms,
        /// Milliseconds.
        execution_duration: Option<i64> as execution_time_ms,
        /// OK, ERROR, IN_PROGRESS or STATE_UNSPECIFIED.
        state: String as status = "STATE_UNSPECIFIED",
        /// Start of the request, for lists.
        request_preview: Option<String>,
        /// Start of the response, for lists.
        response_preview: Option<String>,
        /// Immutable metadata (`request_metadata` in v2).
        trace_metadata: TextMap,
        /// Tags.
        tags: TextMap,
        /// Ordered by (create_time, assessment_id).
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        assessments: Vec<Assessment>,
        /// Runs the trace is linked to beside `mlflow.sourceRun`, ordered.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        linked_runs: Vec<String>,
        /// Prompt versions the trace is linked to, as `name/version`, ordered.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        linked_prompts: Vec<String>,
    }
}

object! {
    /// A judgement of a trace or of one of its spans.
    Assessment {
        /// `a-` and 32 hex digits.
        assessment_id: String,
        /// Name of what was judged.
        assessment_name: String as name,
        /// The span, as 16 hex digits, where it is not the whole trace.
        span_id: Option<String>,
        /// HUMAN, LLM_JUDGE or CODE, and who or what.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        source: BTreeMap<String, String>,
        /// Epoch milliseconds.
        create_time: Option<Millis> as created_timestamp,
        /// Epoch milliseconds.
        last_update_time: Option<Millis> as last_updated_timestamp,
        /// `{value, error?}`; the value is the user's own JSON (see "free JSON" in docs/format.md).
        feedback: Option<Value>,
        /// `{value}`; the value is the user's own JSON.
        expectation: Option<Value>,
        /// `{issue_name}`.
        issue: Option<Value>,
        /// Why.
        rationale: Option<String>,
        /// Metadata.
        metadata: TextMap,
        /// Id of the assessment this one replaces.
        overrides: Option<String>,
        /// False once another one overrides it; absent where the source does not say.
        valid: Option<bool>,
    }
}

object! {
    /// A line of `objects/spans-*.jsonl`.
    Span {
        /// The trace, as in `objects/traces-*.jsonl`.
        trace_id: String,
        /// 16 hex digits.
        span_id: String,
        /// 16 hex digits; absent for a root.
        parent_span_id: Option<String>,
        /// Name.
        name: String,
        /// `SPAN_KIND_*`.
        kind: Option<String>,
        /// Epoch nanoseconds.
        start_time_unix_nano: Option<Nanos>,
        /// Epoch nanoseconds; absent while the span is open.
        end_time_unix_nano: Option<Nanos>,
        /// OK, ERROR or UNSET.
        status_code: Option<String>,
        /// Message of the status, where it is not empty.
        status_message: Option<String>,
        /// Values are MLflow's own JSON texts of attributes, as strings; others as free JSON.
        #[serde(default)]
        attributes: BTreeMap<String, Value>,
        /// In the order of the trace.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        events: Vec<SpanEvent>,
        /// In the order of the trace.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        links: Vec<SpanLink>,
    }
}

object! {
    /// Something that happened within a span.
    SpanEvent {
        /// Name.
        name: String,
        /// Epoch nanoseconds.
        time_unix_nano: Option<Nanos>,
        /// Free JSON.
        #[serde(default)]
        attributes: BTreeMap<String, Value>,
    }
}

object! {
    /// A link from a span to a span of another trace.
    SpanLink {
        /// The other trace, `tr-` and 32 hex digits.
        trace_id: String,
        /// The other span, 16 hex digits.
        span_id: String,
        /// Free JSON.
        #[serde(default)]
        attributes: BTreeMap<String, Value>,
    }
}
