//! Runs as `runs/search` and `runs/get` give them.

use super::fields::{Fields, as_double};
use crate::lang::rest::resume::Key;
use crate::model::field::FieldTable as _;
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

/// Reads a run's JSON.
pub(super) fn read(value: Value) -> FoundRun {
    let mut fields = Fields::of(value);
    let info = info(fields.object("info"));
    let mut data = fields.object_of("data", "params");
    let mut datasets = Vec::new();
    let mut inputs = fields.object("inputs");
    let mut dataset_inputs = inputs.items("dataset_inputs", |input| {
        dataset_input(input, &info.experiment_id, &mut datasets)
    });
    dataset_inputs.sort_by(|a, b| (&a.name, &a.digest).cmp(&(&b.name, &b.digest)));
    let mut outputs = fields.object("outputs");
    let mut linked = BTreeSet::new();
    let metrics = data.items("metrics", |metric| {
        let is_linked = is_linked(metric);
        let metric = latest_metric(metric)?;
        if is_linked {
            linked.insert(metric.0.clone());
        }
        Some(metric)
    });
    let run = Run {
        info,
        params: data.text_map("params"),
        tags: data.text_map("tags"),
        metrics: metrics.into_iter().collect::<BTreeMap<_, _>>(),
        inputs: RunInputs {
            dataset_inputs,
            model_inputs: model_inputs(&mut inputs),
        },
        outputs: RunOutputs {
            model_outputs: model_outputs(&mut outputs),
        },
        exim: None,
        extra: {
            let of_data = ["metrics", "params", "tags"].map(|name| (name, name));
            fields.keep_rest("data", data, &of_data);
            let of_inputs = ["dataset_inputs", "model_inputs"].map(|name| (name, "inputs"));
            fields.keep_rest("inputs", inputs, &of_inputs);
            fields.keep_rest("outputs", outputs, &[("model_outputs", "outputs")]);
            fields.finish()
        },
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
    let run_id = fields.text("run_id").or(uuid).unwrap_or_default();
    let info = RunInfo::pick(&mut fields);
    RunInfo {
        run_id,
        extra: fields.finish(),
        ..info
    }
}

/// Whether a point of a run says more than key, value, time and step.
fn is_linked(point: &mut Fields) -> bool {
    let links = ["dataset_name", "dataset_digest", "model_id"].map(|name| point.text(name));
    // The run that it is of.
    point.text("run_id");
    links.into_iter().flatten().any(|text| !text.is_empty())
}

fn latest_metric(fields: &mut Fields) -> Option<(String, LatestMetric)> {
    let latest = LatestMetric {
        timestamp: fields.int_or_zero("timestamp")?,
        step: fields.int_or_zero("step")?,
        value: as_double(&fields.take("value").unwrap_or_else(|| 0.into()))?,
    };
    Some((fields.text("key")?, latest))
}

fn dataset_input(
    fields: &mut Fields,
    experiment_id: &str,
    datasets: &mut Vec<Dataset>,
) -> Option<DatasetInput> {
    let mut dataset = fields.object("dataset");
    let input = DatasetInput {
        name: dataset.text("name")?,
        digest: dataset.text("digest")?,
        tags: fields.text_map("tags"),
    };
    if fields.take("tags").is_some() {
        return None;
    }
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
    Some(input)
}

/// Takes `model_inputs`.
pub(super) fn model_inputs(inputs: &mut Fields) -> Vec<ModelInput> {
    let mut inputs = inputs.items("model_inputs", |item| {
        let model_id = item.text("model_id")?;
        Some(ModelInput { model_id })
    });
    inputs.sort();
    inputs
}

fn model_outputs(outputs: &mut Fields) -> Vec<ModelOutput> {
    let mut outputs = outputs.items("model_outputs", |item| {
        let (model_id, step) = (item.text("model_id")?, item.int_or_zero("step")?);
        Some(ModelOutput { model_id, step })
    });
    outputs.sort();
    outputs
}
