//! Runs and what is in them.

use super::{Api, Result, TargetId, id, integer, pairs, text};
use crate::lang::rest::routes;
use crate::model::Double;
use crate::model::lifecycle;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A run of the target, as far as an import looks.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TargetRun {
    /// Id.
    pub id: TargetId,
    /// Status.
    pub status: String,
    /// User.
    pub user_id: String,
    /// Name.
    pub run_name: String,
    /// Epoch milliseconds.
    pub start_time: Option<i64>,
    /// Epoch milliseconds.
    pub end_time: Option<i64>,
    /// Whether it is deleted.
    pub is_deleted: bool,
    /// Where its artifacts are.
    pub artifact_uri: String,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Params.
    pub params: BTreeMap<String, String>,
    /// Latest point of each metric: value, timestamp, step.
    pub metrics: BTreeMap<String, (Double, i64, i64)>,
    /// Models it made, with steps.
    pub model_outputs: Vec<(TargetId, i64)>,
    /// Models it read.
    pub model_inputs: Vec<TargetId>,
}

/// A key and a text on their way out.
#[derive(Debug, Serialize)]
pub struct Pair<'a> {
    /// Key.
    pub key: &'a str,
    /// Text.
    pub value: &'a str,
}

/// Texts as a call takes them.
pub(super) fn list(texts: &[(String, String)]) -> Vec<Pair<'_>> {
    texts.iter().map(|(key, value)| Pair { key, value }).collect()
}

/// A metric point on its way out; non-finite values go as texts.
#[derive(Debug, Serialize)]
pub struct MetricOut<'a> {
    /// Name.
    pub key: &'a str,
    /// Value.
    pub value: Double,
    /// Epoch milliseconds.
    pub timestamp: i64,
    /// Step.
    pub step: i64,
    /// Logged model it measures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_id: Option<TargetId>,
    /// Dataset it was measured on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset_name: Option<&'a str>,
    /// The dataset's digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset_digest: Option<&'a str>,
}

/// A run to be created.
#[derive(Debug, Serialize)]
pub struct NewRun<'a> {
    /// The experiment.
    pub experiment_id: &'a TargetId,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_name: Option<&'a str>,
    /// User.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<&'a str>,
    /// Epoch milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<i64>,
    /// Tags.
    pub tags: Vec<Pair<'a>>,
}

impl Api {
    /// Creates a run.
    ///
    /// # Errors
    /// The call failed.
    pub fn create_run(&self, new: &NewRun<'_>) -> Result<TargetRun> {
        let answer = self.ask(routes::CREATE_RUN, new)?;
        run(&answer["run"])
    }

    /// A run.
    ///
    /// # Errors
    /// The call failed.
    pub fn run(&self, id: &TargetId) -> Result<Option<TargetRun>> {
        let answer = self.find(routes::RUN, &json!({"run_id": id}))?;
        answer.map(|answer| run(&answer["run"])).transpose()
    }

    /// The run of an experiment that carries a mark; of several the one with the least id.
    ///
    /// # Errors
    /// The call failed.
    pub fn marked_run(&self, experiment_id: &TargetId, mark: &str) -> Result<Option<TargetRun>> {
        let mut least: Option<TargetRun> = None;
        self.each_run(experiment_id, &mark_filter("=", mark), |run| {
            if least.as_ref().is_none_or(|least| run.id < least.id) {
                least = Some(run);
            }
        })?;
        Ok(least)
    }

    /// Calls with every run of an experiment, deleted ones included, that a filter takes.
    ///
    /// # Errors
    /// A call failed.
    pub fn each_run(
        &self,
        experiment_id: &TargetId,
        filter: &str,
        mut each: impl FnMut(TargetRun),
    ) -> Result<()> {
        let asked = json!({"experiment_ids": [experiment_id], "filter": filter, "run_view_type": "ALL"});
        self.each(routes::SEARCH_RUNS, asked, |row| {
            each(run(&row)?);
            Ok(())
        })
    }

    /// Logs params, tags and metric points; none of them twice has another effect.
    ///
    /// # Errors
    /// The call failed.
    pub fn log_batch(
        &self,
        run_id: &TargetId,
        params: &[(String, String)],
        tags: &[(String, String)],
        metrics: &[MetricOut<'_>],
    ) -> Result<()> {
        let body = LogBatch {
            run_id,
            params: list(params),
            tags: list(tags),
            metrics,
        };
        self.tell(routes::LOG_BATCH, &body)
    }

    /// Points (timestamp, step) at which a run's metric is not a number.
    ///
    /// # Errors
    /// A call failed.
    pub fn nan_points(&self, run_id: &TargetId, key: &str) -> Result<Vec<(i64, i64)>> {
        let mut found = Vec::new();
        let asked = json!({"run_id": run_id, "metric_key": key});
        self.each(routes::HISTORY, asked, |metric| {
            if metric["value"] == "NaN" {
                let number = |field: &str| integer(&metric[field]).unwrap_or(0);
                found.push((number("timestamp"), number("step")));
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Links a run to what it read.
    ///
    /// # Errors
    /// The call failed.
    pub fn log_inputs(&self, run_id: &TargetId, datasets: &[Value], models: &[TargetId]) -> Result<()> {
        let models: Vec<_> = models.iter().map(|id| json!({"model_id": id})).collect();
        let mut body = json!({"run_id": run_id, "datasets": datasets});
        if !models.is_empty() {
            body["models"] = models.into();
        }
        self.tell(routes::LOG_INPUTS, &body)
    }

    /// Links a run to models it made; a link that is there already is an error.
    ///
    /// # Errors
    /// The call failed.
    pub fn log_outputs(&self, run_id: &TargetId, models: &[(TargetId, i64)]) -> Result<()> {
        let models: Vec<_> = models
            .iter()
            .map(|(id, step)| json!({"model_id": id, "step": step}))
            .collect();
        let body = json!({"run_id": run_id, "models": models});
        self.tell(routes::LOG_OUTPUTS, &body)
    }

    /// Sets a run's status and end.
    ///
    /// # Errors
    /// The call failed.
    pub fn update_run(&self, run_id: &TargetId, status: &str, end_time: Option<i64>) -> Result<()> {
        let mut body = json!({"run_id": run_id, "status": status});
        if let Some(end_time) = end_time {
            body["end_time"] = end_time.into();
        }
        self.tell(routes::UPDATE_RUN, &body)
    }

    /// Deletes a run.
    ///
    /// # Errors
    /// The call failed.
    pub fn delete_run(&self, run_id: &TargetId) -> Result<()> {
        self.tell(routes::DELETE_RUN, &json!({"run_id": run_id}))
    }

    /// Takes a tag off a run.
    ///
    /// # Errors
    /// The call failed.
    pub fn delete_run_tag(&self, run_id: &TargetId, key: &str) -> Result<()> {
        let body = json!({"run_id": run_id, "key": key});
        self.tell(routes::UNTAG_RUN, &body)
    }

    /// Restores a deleted run.
    ///
    /// # Errors
    /// The call failed.
    pub fn restore_run(&self, run_id: &TargetId) -> Result<()> {
        self.tell(routes::RESTORE_RUN, &json!({"run_id": run_id}))
    }
}

#[derive(Serialize)]
struct LogBatch<'a> {
    run_id: &'a TargetId,
    metrics: &'a [MetricOut<'a>],
    params: Vec<Pair<'a>>,
    tags: Vec<Pair<'a>>,
}

/// A filter on mlark's mark.
pub(super) fn mark_filter(operator: &str, value: &str) -> String {
    format!("tags.`{}` {operator} '{value}'", crate::lang::rest::mark::KEY)
}

fn run(value: &Value) -> Result<TargetRun> {
    let (info, data) = (&value["info"], &value["data"]);
    let metrics = data["metrics"].as_array().into_iter().flatten().map(|metric| {
        let value = serde_json::from_value(metric["value"].clone()).unwrap_or(Double(0.0));
        let timestamp = integer(&metric["timestamp"]).unwrap_or(0);
        let step = integer(&metric["step"]).unwrap_or(0);
        (text(metric, "key"), (value, timestamp, step))
    });
    let outputs = value["outputs"]["model_outputs"].as_array().into_iter().flatten();
    let outputs = outputs.map(|output| Ok((id(output, "model_id")?, integer(&output["step"]).unwrap_or(0))));
    let inputs = value["inputs"]["model_inputs"].as_array().into_iter().flatten();
    Ok(TargetRun {
        id: id(info, "run_id")?,
        status: text(info, "status"),
        user_id: text(info, "user_id"),
        run_name: text(info, "run_name"),
        start_time: integer(&info["start_time"]),
        end_time: integer(&info["end_time"]),
        is_deleted: info["lifecycle_stage"] == lifecycle::DELETED,
        artifact_uri: text(info, "artifact_uri"),
        tags: pairs(&data["tags"]),
        params: pairs(&data["params"]),
        metrics: metrics.collect(),
        model_outputs: outputs.collect::<Result<_>>()?,
        model_inputs: inputs.map(|input| id(input, "model_id")).collect::<Result<_>>()?,
    })
}
