//! Runs of an export, their metric histories apart.

use super::fields::{Fields, WrongType};
use crate::lang::exim::tags::canonical::{run_info_dict, tags_dict};
use crate::lang::exim::tags::rules::run_overlay;
use crate::model::field::FieldTable as _;
use crate::model::pyjson::PyJson;
use crate::model::run::{RunInputs, RunOutputs};
use crate::model::{Dataset, DatasetInput, ModelInput, ModelOutput, Run, RunInfo};

/// An exported run without its metrics.
pub(super) struct ExportedRun {
    pub(super) run: Run,
    /// The datasets it read.
    pub(super) datasets: Vec<Dataset>,
    pub(super) wrong: Vec<WrongType>,
}

/// The line of an exported run, from the body of its `run.json`.
pub(super) fn run(body: &PyJson) -> ExportedRun {
    let mut fields = Fields::new(body);
    let exported_info = fields.dict("info");
    let (info, mut wrong) = run_info(exported_info);
    let experiment_id = info.experiment_id.clone();
    let exported_inputs = inputs(&mut fields);
    let mut inputs = Fields::new(&exported_inputs);
    let (dataset_inputs, datasets) = dataset_inputs(&mut inputs, &experiment_id);
    let mut outputs = Fields::new(fields.dict("outputs"));
    let mut run = Run {
        info,
        params: fields.text_map("params"),
        tags: fields.text_map("tags"),
        inputs: RunInputs {
            dataset_inputs,
            model_inputs: model_inputs(&mut inputs),
        },
        outputs: RunOutputs {
            model_outputs: model_outputs(&mut outputs),
        },
        ..Run::default()
    };
    fields.absorb("inputs", inputs);
    fields.absorb("outputs", outputs);
    // Points were taken while the file was read, and left empty lists.
    for (_, points) in fields.dict("metrics").as_dict().unwrap_or_default() {
        if !matches!(points, PyJson::List(_)) {
            fields.note("metrics", "a list of points", points);
        }
    }
    // The ids of traces stand in the traces.
    fields.ignore(&["export_info", "traces"]);
    let exported_tags = fields.value("tags").unwrap_or(&PyJson::Null);
    wrong.extend(fields.finish(&mut run.extra));
    run.exim = exim_text(&run, exported_info, exported_tags);
    ExportedRun { run, datasets, wrong }
}

fn run_info(exported: &PyJson) -> (RunInfo, Vec<WrongType>) {
    let mut fields = Fields::new(exported);
    let old_id = fields.text("run_uuid");
    let run_id = match (fields.text("run_id"), old_id) {
        (Some(run_id), _) | (None, Some(run_id)) => run_id,
        (None, None) => fields.required_text("run_id"),
    };
    fields.ignore(&["run_id"]);
    let mut info = RunInfo {
        run_id,
        status: fields.required_text("status"),
        ..RunInfo::pick(&mut fields)
    };
    let wrong = fields.finish(&mut info.extra);
    (info, wrong)
}

/// The dicts that the source tags need, where the line alone would give others.
fn exim_text(run: &Run, info: &PyJson, tags: &PyJson) -> Option<String> {
    let exported = run_overlay(info, tags);
    let tags_of_line = tags_dict(&run.tags);
    // Without a name the line has none to tell from null.
    let is_named = run.info.run_name.is_some();
    if is_named && exported.has_tags_of(&run_overlay(&run_info_dict(run), &tags_of_line)) {
        return None;
    }
    let mut kept = vec![("info".to_owned(), info.clone())];
    if !exported.has_tags_of(&run_overlay(info, &tags_of_line)) {
        kept.push(("tags".to_owned(), tags.clone()));
    }
    Some(PyJson::Dict(kept).to_json_text())
}

/// What a run read; mlflow-migration writes the list of datasets in place of the object that holds it.
fn inputs(fields: &mut Fields<'_>) -> PyJson {
    match fields.value("inputs") {
        Some(list @ PyJson::List(_)) => PyJson::Dict(vec![("dataset_inputs".to_owned(), list.clone())]),
        _ => fields.dict("inputs").clone(),
    }
}

fn dataset_inputs(inputs: &mut Fields<'_>, experiment_id: &str) -> (Vec<DatasetInput>, Vec<Dataset>) {
    let mut pairs = Vec::new();
    for exported in inputs.dicts("dataset_inputs") {
        let mut input = Fields::new(exported);
        pairs.push(dataset_input(&mut input, experiment_id));
        inputs.absorb("dataset_inputs", input);
    }
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    pairs.dedup_by(|a, b| a.0 == b.0);
    pairs.into_iter().unzip()
}

fn dataset_input(input: &mut Fields<'_>, experiment_id: &str) -> (DatasetInput, Dataset) {
    let mut fields = Fields::new(input.dict("dataset"));
    let mut dataset = Dataset {
        experiment_id: experiment_id.to_owned(),
        name: fields.required_text("name"),
        digest: fields.required_text("digest"),
        source_type: fields.text("source_type"),
        source: fields.text("source"),
        schema: fields.text("schema"),
        profile: fields.text("profile"),
        ..Dataset::default()
    };
    dataset.extra = fields.take_left();
    input.absorb("dataset", fields);
    let link = DatasetInput {
        name: dataset.name.clone(),
        digest: dataset.digest.clone(),
        tags: input.text_map("tags"),
    };
    (link, dataset)
}

fn model_inputs(inputs: &mut Fields<'_>) -> Vec<ModelInput> {
    let mut models = Vec::new();
    for exported in inputs.dicts("model_inputs") {
        let mut input = Fields::new(exported);
        let model_id = input.required_text("model_id");
        models.push(ModelInput { model_id });
        inputs.absorb("model_inputs", input);
    }
    models.retain(|model| !model.model_id.is_empty());
    models.sort();
    models.dedup();
    models
}

fn model_outputs(outputs: &mut Fields<'_>) -> Vec<ModelOutput> {
    let mut models = Vec::new();
    for exported in outputs.dicts("model_outputs") {
        let mut output = Fields::new(exported);
        let step = output.int("step").unwrap_or(0);
        let model_id = output.required_text("model_id");
        models.push(ModelOutput { model_id, step });
        outputs.absorb("model_outputs", output);
    }
    models.retain(|model| !model.model_id.is_empty());
    models.sort();
    models.dedup();
    models
}
