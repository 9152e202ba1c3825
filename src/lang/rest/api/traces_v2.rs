//! Traces of MLflow 2.14 to 3.1, which live under API v2 and have ids of the server's.

use super::runs::{list, mark_filter};
use super::{Api, Result, TargetId, id, if_found, pairs, sent};
use crate::client::{Path, Repeat};
use serde_json::{Value, json};

/// A trace of the target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TargetTrace {
    /// Id.
    pub id: TargetId,
    /// Where its files go.
    pub artifact_location: String,
}

impl Api {
    /// Begins a trace.
    ///
    /// # Errors
    /// The call failed.
    pub fn start_trace(
        &self,
        experiment_id: &TargetId,
        timestamp_ms: i64,
        metadata: &[(String, String)],
        tags: &[(String, String)],
    ) -> Result<TargetTrace> {
        let body = json!({
            "experiment_id": experiment_id, "timestamp_ms": timestamp_ms,
            "request_metadata": list(metadata), "tags": list(tags),
        });
        let answer = self.post("traces", Repeat::Unsafe, &body)?;
        Ok(trace(&answer["trace_info"]))
    }

    /// Ends a trace; once more changes nothing.
    ///
    /// # Errors
    /// The call failed.
    pub fn end_trace(&self, id: &TargetId, timestamp_ms: i64, status: &str) -> Result<()> {
        let path = Path::api2("traces").segment(id.as_str());
        let body = json!({"request_id": id, "timestamp_ms": timestamp_ms, "status": status});
        sent(self.client.patch(path, Repeat::Safe).json(&body))
    }

    /// Sets a tag of a trace, or metadata of one that has not ended.
    ///
    /// # Errors
    /// The call failed.
    pub fn set_trace_text(&self, id: &TargetId, is_metadata: bool, key: &str, value: &str) -> Result<()> {
        let path = Path::api2("traces").segment(id.as_str());
        let (path, body) = if is_metadata {
            let texts = [(key.to_owned(), value.to_owned())];
            (
                path,
                json!({"request_id": id, "status": "IN_PROGRESS", "request_metadata": list(&texts)}),
            )
        } else {
            (
                path.segment("tags"),
                json!({"request_id": id, "key": key, "value": value}),
            )
        };
        sent(self.client.patch(path, Repeat::Safe).json(&body))
    }

    /// A trace.
    ///
    /// # Errors
    /// The call failed.
    pub fn trace_v2(&self, id: &TargetId) -> Result<Option<TargetTrace>> {
        let path = Path::api2("traces").segment(id.as_str()).segment("info");
        let answer: Option<Value> = if_found(self.client.get(path).parse())?;
        Ok(answer.map(|answer| trace(&answer["trace_info"])))
    }

    /// The trace of an experiment that carries a mark; of several the one with the least id.
    ///
    /// # Errors
    /// The call failed.
    pub fn marked_trace(&self, experiment_id: &TargetId, mark: &str) -> Result<Option<TargetTrace>> {
        let request = self.client.get(Path::api2("traces"));
        let request = request.query("experiment_ids", experiment_id.as_str());
        let request = request.query("filter", mark_filter("=", mark));
        let answer: Value = request.query("max_results", "100").parse()?;
        let found = answer["traces"].as_array().into_iter().flatten().map(trace);
        Ok(found.min_by(|a, b| a.id.cmp(&b.id)))
    }
}

fn trace(value: &Value) -> TargetTrace {
    let mut tags = pairs(&value["tags"]);
    TargetTrace {
        id: id(value, "request_id"),
        artifact_location: tags.remove("mlflow.artifactLocation").unwrap_or_default(),
    }
}
