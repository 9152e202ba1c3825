//! Traces, their assessments and spans, under the names of MLflow's trace API v3.

use super::{Extra, TextMap};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
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

/// A line of `objects/traces-*.jsonl`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Trace {
    /// `tr-` and 32 hex digits; 32 hex digits for traces of API v2 (`request_id` there).
    pub trace_id: String,
    /// The experiment it belongs to.
    pub experiment_id: String,
    /// Id the client gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_request_id: Option<String>,
    /// Epoch milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_time: Option<i64>,
    /// Milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_duration: Option<i64>,
    /// OK, ERROR, IN_PROGRESS or STATE_UNSPECIFIED.
    pub state: String,
    /// Start of the request, for lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_preview: Option<String>,
    /// Start of the response, for lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_preview: Option<String>,
    /// Immutable metadata (`request_metadata` in v2).
    #[serde(default)]
    pub trace_metadata: TextMap,
    /// Tags.
    #[serde(default)]
    pub tags: TextMap,
    /// Ordered by (create_time, assessment_id).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assessments: Vec<Assessment>,
    /// Runs the trace is linked to beside `mlflow.sourceRun`, ordered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub linked_runs: Vec<String>,
    /// Prompt versions the trace is linked to, as `name/version`, ordered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub linked_prompts: Vec<String>,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A judgement of a trace or of one of its spans.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Assessment {
    /// `a-` and 32 hex digits.
    pub assessment_id: String,
    /// Name of what was judged.
    pub assessment_name: String,
    /// The span, as 16 hex digits, where it is not the whole trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span_id: Option<String>,
    /// HUMAN, LLM_JUDGE or CODE, and who or what.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub source: BTreeMap<String, String>,
    /// Epoch milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create_time: Option<i64>,
    /// Epoch milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_update_time: Option<i64>,
    /// `{value, error?}`; the value is the user's own JSON (see "free JSON" in docs/format.md).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feedback: Option<Value>,
    /// `{value}`; the value is the user's own JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expectation: Option<Value>,
    /// `{issue_name}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issue: Option<Value>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rationale: Option<String>,
    /// Metadata.
    #[serde(default)]
    pub metadata: TextMap,
    /// Id of the assessment this one replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overrides: Option<String>,
    /// False once another one overrides it; absent where the source does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid: Option<bool>,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A line of `objects/spans-*.jsonl`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Span {
    /// The trace, as in `objects/traces-*.jsonl`.
    pub trace_id: String,
    /// 16 hex digits.
    pub span_id: String,
    /// 16 hex digits; absent for a root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_span_id: Option<String>,
    /// Name.
    pub name: String,
    /// `SPAN_KIND_*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Epoch nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time_unix_nano: Option<i64>,
    /// Epoch nanoseconds; absent while the span is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time_unix_nano: Option<i64>,
    /// OK, ERROR or UNSET.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_code: Option<String>,
    /// Message of the status, where it is not empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_message: Option<String>,
    /// Values are MLflow's own JSON texts of attributes, as strings; others as free JSON.
    #[serde(default)]
    pub attributes: BTreeMap<String, Value>,
    /// In the order of the trace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<SpanEvent>,
    /// In the order of the trace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<SpanLink>,
    /// Fields this version does not know, as free JSON.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Something that happened within a span.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SpanEvent {
    /// Name.
    pub name: String,
    /// Epoch nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_unix_nano: Option<i64>,
    /// Free JSON.
    #[serde(default)]
    pub attributes: BTreeMap<String, Value>,
    /// Fields this version does not know, as free JSON.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A link from a span to a span of another trace.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SpanLink {
    /// The other trace, `tr-` and 32 hex digits.
    pub trace_id: String,
    /// The other span, 16 hex digits.
    pub span_id: String,
    /// Free JSON.
    #[serde(default)]
    pub attributes: BTreeMap<String, Value>,
    /// Fields this version does not know, as free JSON.
    #[serde(flatten)]
    pub extra: Extra,
}
