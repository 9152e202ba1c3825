//! Traces as either API gives them, and searches for them.

use super::assessment;
use super::fields::{Fields, as_duration_ms, as_time};
use super::server::Server;
use crate::lang::rest::limits::{SHOWN_METADATA, SHOWN_TAG};
use crate::lang::rest::paging::Pages;
use crate::lang::rest::routes::{self, Route};
use crate::lang::session::ExportError;
use crate::model::{Text, Trace};
use serde_json::{Value, json};

/// Which API tells of traces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Api {
    /// `/api/3.0`, MLflow 3.2 and later.
    V3,
    /// `/api/2.0`, MLflow 2.14 and later.
    V2,
}

impl Api {
    /// The API that a server has, if any.
    pub(super) fn of(server: &Server, experiment_id: &str) -> Result<Option<Self>, ExportError> {
        let ids = [experiment_id.to_owned()];
        for api in [Api::V3, Api::V2] {
            let search = api.search(server, &ids, None);
            if server.finds_any(api.route(), search)?.is_some() {
                return Ok(Some(api));
            }
        }
        Ok(None)
    }

    fn route(self) -> Route {
        match self {
            Api::V3 => routes::SEARCH_TRACES,
            Api::V2 => routes::SEARCH_TRACES_V2,
        }
    }

    /// All traces of some experiments, oldest first.
    pub(super) fn search(
        self,
        server: &Server,
        experiments: &[String],
        filter: Option<&str>,
    ) -> Pages<'static> {
        let asked = match self {
            Api::V3 => {
                let location =
                    |id| json!({"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": id}});
                let locations: Vec<_> = experiments.iter().map(location).collect();
                json!({"locations": locations, "order_by": ["timestamp_ms ASC"], "filter": filter})
            }
            Api::V2 => {
                json!({"experiment_ids": experiments, "order_by": "timestamp_ms ASC", "filter": filter})
            }
        };
        Pages::of(&server.client, self.route(), asked, None)
    }
}

/// Reads a trace's JSON.
pub(super) fn read(value: Value) -> Trace {
    let mut fields = Fields::of(value);
    let request_id = fields.text("request_id");
    let mut location = fields.object("trace_location");
    let mut experiment = location.object("mlflow_experiment");
    let experiment_id = experiment
        .text("experiment_id")
        .or_else(|| fields.text("experiment_id"));
    // The type says that it is an experiment.
    location.ignore_if("type", "MLFLOW_EXPERIMENT");
    location.keep_rest("mlflow_experiment", experiment, &[]);
    fields.keep_rest("trace_location", location, &[]);
    let request_time = fields.parsed(&["request_time", "timestamp_ms"], "request_time", as_time);
    let durations = ["execution_duration", "execution_time_ms"];
    let execution_duration = fields.parsed(&durations, durations[0], as_duration_ms);
    let state = fields.parsed(&["state", "status"], "state", |state| {
        Some(state.as_str()?.to_owned())
    });
    let state = state.unwrap_or_else(|| "STATE_UNSPECIFIED".to_owned());
    // API v2 has no way to say that a trace has not ended, and says 0.
    let has_ended = request_id.is_none() || state != "IN_PROGRESS" || execution_duration != Some(0);
    let metadata = fields.text_map("trace_metadata");
    Trace {
        trace_id: fields.text("trace_id").or(request_id).unwrap_or_default(),
        experiment_id: experiment_id.unwrap_or_default(),
        client_request_id: fields.text("client_request_id"),
        request_time,
        execution_duration: execution_duration.filter(|_| has_ended),
        state,
        request_preview: fields.text("request_preview"),
        response_preview: fields.text("response_preview"),
        trace_metadata: if metadata.is_empty() {
            fields.text_map("request_metadata")
        } else {
            metadata
        },
        tags: fields.text_map("tags"),
        assessments: assessment::read_all(&mut fields),
        linked_runs: Vec::new(),
        linked_prompts: Vec::new(),
        extra: fields.finish(),
    }
}

/// Values that fill the space servers show of them, and so may be cut: of metadata, of tags.
pub(super) fn full_values(trace: &Trace) -> (u64, u64) {
    let count = |texts: &crate::model::TextMap, chars: usize| {
        let is_full = |text: &&Text| text.as_str().is_some_and(|text| text.chars().count() == chars);
        texts.values().filter(is_full).count() as u64
    };
    (
        count(&trace.trace_metadata, SHOWN_METADATA),
        count(&trace.tags, SHOWN_TAG),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_that_never_ended_has_no_duration() {
        let v2 = |status: &str| {
            let trace = read(json!({"request_id": "t", "execution_time_ms": 0, "status": status}));
            trace.execution_duration
        };
        assert_eq!((v2("IN_PROGRESS"), v2("OK")), (None, Some(0)));
        let v3 = json!({"trace_id": "t", "execution_duration": "0s", "state": "IN_PROGRESS"});
        assert_eq!(read(v3).execution_duration, Some(0));
    }

    #[test]
    fn both_apis_give_the_same_trace() {
        let v3 = read(json!({
            "trace_id": "t", "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "1"}},
            "request_time": "2024-05-06T07:09:10.123Z", "execution_duration": "1.5s", "state": "OK",
            "trace_metadata": {"a": "b"}, "tags": {"c": "d"}
        }));
        let v2 = read(json!({
            "request_id": "t", "experiment_id": "1", "timestamp_ms": 1_714_979_350_123_i64, "execution_time_ms": 1500,
            "status": "OK", "request_metadata": [{"key": "a", "value": "b"}], "tags": [{"key": "c", "value": "d"}]
        }));
        assert_eq!(v2, v3);
        assert_eq!(
            (v3.request_time, v3.execution_duration),
            (Some(1_714_979_350_123), Some(1500))
        );
    }
}
