//! Runs as `runs/search` and `runs/get` give them.

use super::fields::{Fields, as_double, as_int};
use super::kept::Key;
use crate::model::run::{RunInputs, RunOutputs};
use crate::model::{Dataset, DatasetInput, LatestMetric, ModelInput, ModelOutput, Run, RunInfo};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A run, and the bodies of the datasets it read.
#[derive(Debug, Clone)]
pub(super) struct FoundRun {
    pub(super) run: Run,
    pub(super) datasets: Vec<Dataset>,
    /// The run as the search showed it.
    pub(super) key: Key,
    /// Metrics whose latest point names a dataset or a model, which only histories of one run tell.
    pub(super) linked: BTreeSet<String>,
    /// Fields that changed while the parts of the run were read.
    pub(super) changed: BTreeSet<&'static str>,
}

/// The id of a run's JSON.
pub(super) fn id_of(run: &Value) -> Option<String> {
    let info = &run["info"];
    let id = info["run_id"].as_str().or_else(|| info["run_uuid"].as_str());
    id.map(str::to_owned)
}

/// Reads a run's JSON.
pub(super) fn read(value: Value) -> FoundRun {
    let mut fields = Fields::of(value);
    let info = info(fields.object("info"));
    let mut data = fields.object("data");
    let mut datasets = Vec::new();
    let mut inputs = fields.object("inputs");
    let dataset_inputs = inputs.list("dataset_inputs");
    let mut dataset_inputs: Vec<_> = dataset_inputs
        .into_iter()
        .map(|input| dataset_input(input, &info.experiment_id, &mut datasets))
        .collect();
    dataset_inputs.sort_by(|a, b| (&a.name, &a.digest).cmp(&(&b.name, &b.digest)));
    let mut outputs = fields.object("outputs");
    let metrics = data.list("metrics");
    let linked = metrics.iter().filter(|metric| is_linked(metric));
    let linked = linked.filter_map(|metric| Some(metric["key"].as_str()?.to_owned()));
    let linked = linked.collect();
    let run = Run {
        info,
        params: data.text_map("params"),
        tags: data.text_map("tags"),
        metrics: metrics
            .into_iter()
            .filter_map(latest_metric)
            .collect::<BTreeMap<_, _>>(),
        inputs: RunInputs {
            dataset_inputs,
            model_inputs: model_inputs(inputs.list("model_inputs")),
        },
        outputs: RunOutputs {
            model_outputs: model_outputs(outputs.list("model_outputs")),
        },
        exim: None,
        extra: fields.finish(),
    };
    FoundRun {
        key: Key::of_run(&run),
        run,
        datasets,
        linked,
        changed: BTreeSet::new(),
    }
}

fn info(mut fields: Fields) -> RunInfo {
    let uuid = fields.text("run_uuid");
    RunInfo {
        run_id: fields.text("run_id").or(uuid).unwrap_or_default(),
        experiment_id: fields.text("experiment_id").unwrap_or_default(),
        run_name: fields.text("run_name"),
        user_id: fields.text("user_id"),
        status: fields.text("status").unwrap_or_else(|| "RUNNING".to_owned()),
        start_time: fields.int("start_time"),
        end_time: fields.int("end_time"),
        lifecycle_stage: fields
            .text("lifecycle_stage")
            .unwrap_or_else(|| "active".to_owned()),
        artifact_uri: fields.text("artifact_uri"),
        extra: fields.finish(),
        ..RunInfo::default()
    }
}

/// Whether a point of a run says more than key, value, time and step.
fn is_linked(point: &Value) -> bool {
    let names = ["dataset_name", "dataset_digest", "model_id"];
    names
        .iter()
        .any(|name| point[*name].as_str().is_some_and(|text| !text.is_empty()))
}

fn latest_metric(value: Value) -> Option<(String, LatestMetric)> {
    let mut fields = Fields::of(value);
    let latest = LatestMetric {
        timestamp: fields.int("timestamp").unwrap_or(0),
        step: fields.int("step").unwrap_or(0),
        value: as_double(&fields.take("value").unwrap_or_else(|| 0.into()))?,
    };
    Some((fields.text("key")?, latest))
}

fn dataset_input(value: Value, experiment_id: &str, datasets: &mut Vec<Dataset>) -> DatasetInput {
    let mut fields = Fields::of(value);
    let mut dataset = fields.object("dataset");
    let input = DatasetInput {
        name: dataset.text("name").unwrap_or_default(),
        digest: dataset.text("digest").unwrap_or_default(),
        tags: fields.text_map("tags"),
    };
    datasets.push(Dataset {
        experiment_id: experiment_id.to_owned(),
        name: input.name.clone(),
        digest: input.digest.clone(),
        source_type: dataset.text("source_type"),
        source: dataset.text("source"),
        schema: dataset.text("schema"),
        profile: dataset.text("profile"),
        extra: dataset.finish(),
    });
    input
}

/// Reads `inputs.model_inputs`.
pub(super) fn model_inputs(items: Vec<Value>) -> Vec<ModelInput> {
    let ids = items
        .into_iter()
        .filter_map(|item| Fields::of(item).text("model_id"));
    let mut inputs: Vec<_> = ids.map(|model_id| ModelInput { model_id }).collect();
    inputs.sort();
    inputs
}

fn model_outputs(items: Vec<Value>) -> Vec<ModelOutput> {
    let mut outputs: Vec<_> = items
        .into_iter()
        .filter_map(|item| {
            let model_id = item["model_id"].as_str()?.to_owned();
            let step = as_int(&item["step"]).unwrap_or(0);
            Some(ModelOutput { model_id, step })
        })
        .collect();
    outputs.sort();
    outputs
}
