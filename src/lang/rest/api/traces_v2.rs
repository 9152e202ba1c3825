//! Traces of MLflow 2.14 to 3.1, which live under API v2 and have ids of the server's.

use super::runs::{list, mark_filter};
use super::{Api, Result, TargetId, id, pairs};
use crate::lang::rest::routes;
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
        let answer = self.ask(routes::START_TRACE_V2, &body)?;
        trace(&answer["trace_info"])
    }

    /// Ends a trace; once more changes nothing.
    ///
    /// # Errors
    /// The call failed.
    pub fn end_trace(&self, id: &TargetId, timestamp_ms: i64, status: &str) -> Result<()> {
        let body = json!({"request_id": id, "timestamp_ms": timestamp_ms, "status": status});
        self.tell(routes::UPDATE_TRACE_V2.of(id.as_str()), &body)
    }

    /// Sets a tag of a trace, or metadata of one that has not ended.
    ///
    /// # Errors
    /// The call failed.
    pub fn set_trace_text(&self, id: &TargetId, is_metadata: bool, key: &str, value: &str) -> Result<()> {
        if is_metadata {
            let texts = [(key.to_owned(), value.to_owned())];
            let body = json!({"request_id": id, "status": "IN_PROGRESS", "request_metadata": list(&texts)});
            return self.tell(routes::UPDATE_TRACE_V2.of(id.as_str()), &body);
        }
        let body = json!({"request_id": id, "key": key, "value": value});
        self.tell(routes::TAG_TRACE_V2.of(id.as_str()), &body)
    }

    /// A trace.
    ///
    /// # Errors
    /// The call failed.
    pub fn trace_v2(&self, id: &TargetId) -> Result<Option<TargetTrace>> {
        let answer = self.find(routes::TRACE_V2.of(id.as_str()), &())?;
        answer.map(|answer| trace(&answer["trace_info"])).transpose()
    }

    /// The trace of an experiment that carries a mark; of several the one with the least id.
    ///
    /// # Errors
    /// The call failed.
    pub fn marked_trace(&self, experiment_id: &TargetId, mark: &str) -> Result<Option<TargetTrace>> {
        let asked = json!({"experiment_ids": [experiment_id], "filter": mark_filter("=", mark)});
        let found = self.all(routes::SEARCH_TRACES_V2, asked, trace)?;
        Ok(found.into_iter().min_by(|a, b| a.id.cmp(&b.id)))
    }
}

fn trace(value: &Value) -> Result<TargetTrace> {
    let mut tags = pairs(&value["tags"]);
    Ok(TargetTrace {
        id: id(value, "request_id")?,
        artifact_location: tags.remove("mlflow.artifactLocation").unwrap_or_default(),
    })
}
