//! What both sides of a comparison leave out: what servers choose themselves.

use crate::format::line::canonical;
use crate::model::field::FieldTable;
use crate::model::*;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// An empty text is none.
fn drop_empty(text: &mut Option<String>) {
    text.take_if(|text| text.is_empty());
}

/// Leaves out of a run what servers choose.
pub(crate) fn plain_run(run: &mut Run) {
    run.keep_what_targets_take();
    run.metrics.clear();
    let info = &mut run.info;
    info.keep_what_targets_take();
    info.start_time = Some(info.start_time.unwrap_or(0));
    info.end_time = info.end_time.filter(|time| *time != 0);
    drop_empty(&mut info.user_id);
    drop_empty(&mut info.run_name);
}

/// Leaves out of a logged model what servers choose.
pub(crate) fn plain_logged_model(model: &mut LoggedModel) {
    model.keep_what_targets_take();
    model.tags.remove("mlflow.modelVersions");
    drop_empty(&mut model.source_run_id);
    drop_empty(&mut model.model_type);
}

/// Leaves out of a trace what servers choose.
pub(crate) fn plain_trace(trace: &mut Trace) {
    trace.keep_what_targets_take();
    trace.trace_metadata.remove("mlflow.trace.infoFinalized");
    for key in [
        "mlflow.artifactLocation",
        "mlflow.trace.spansLocation",
        "mlflow.trace.archiveLocation",
        "mlflow.trace.archivalFailure",
        crate::lang::rest::mark::KEY,
    ] {
        trace.tags.remove(key);
    }
    [
        &mut trace.client_request_id,
        &mut trace.request_preview,
        &mut trace.response_preview,
    ]
    .into_iter()
    .for_each(drop_empty);
    trace.assessments.iter_mut().for_each(plain_assessment);
    trace
        .assessments
        .sort_by(|a, b| (a.create_time, &a.assessment_id).cmp(&(b.create_time, &b.assessment_id)));
}

/// Leaves out of a trace what API v2 cannot hold; the plan has said so.
pub(crate) fn plain_old_trace(trace: &mut Trace) {
    trace.client_request_id = None;
    trace.request_preview = None;
    trace.response_preview = None;
    trace.assessments.clear();
    trace.linked_runs.clear();
    trace.linked_prompts.clear();
    trace.trace_metadata.remove("mlflow.trace_schema.version");
    // These servers say 0 of a trace that has not ended.
    trace.execution_duration = trace.execution_duration.filter(|duration| *duration != 0);
    if trace.state == "TRACE_STATUS_UNSPECIFIED" {
        "STATE_UNSPECIFIED".clone_into(&mut trace.state);
    }
}

/// Leaves out of a span what the form of MLflow 2 does not hold.
pub(crate) fn plain_old_span(span: &mut Span) {
    // It has the id that the trace has in the target; and every span there has a status.
    span.attributes.remove("mlflow.traceRequestId");
    span.status_code.get_or_insert_with(|| "UNSET".to_owned());
    let told = span.extra.get("otel_trace_id").and_then(Value::as_str);
    if told == span.trace_id.strip_prefix("tr-") {
        span.extra.remove("otel_trace_id");
    }
}

fn plain_assessment(assessment: &mut Assessment) {
    assessment.keep_what_targets_take();
    assessment.valid = Some(assessment.valid.unwrap_or(true));
    drop_empty(&mut assessment.rationale);
    drop_empty(&mut assessment.overrides);
    for value in [&mut assessment.feedback, &mut assessment.expectation]
        .into_iter()
        .flatten()
    {
        *value = doubles(value.take());
        if let Some(map) = value.as_object_mut() {
            map.retain(|_, value| !value.is_null());
        }
    }
}

/// Numbers as doubles: over REST an assessment's value has no integers.
fn doubles(value: Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().map_or(Value::Number(number), Value::from),
        Value::Array(items) => items.into_iter().map(doubles).collect(),
        Value::Object(map) => Value::Object(
            map.into_iter()
                .map(|(key, value)| (key, doubles(value)))
                .collect(),
        ),
        other => other,
    }
}

pub(crate) fn plain_experiment(experiment: &mut Experiment) {
    experiment.keep_what_targets_take();
}

pub(crate) fn plain_registered_model(model: &mut RegisteredModel) {
    model.keep_what_targets_take();
    drop_empty(&mut model.description);
}

pub(crate) fn plain_version(version: &mut ModelVersion) {
    version.keep_what_targets_take();
    version.current_stage = version
        .current_stage
        .take()
        .filter(|stage| !matches!(stage.as_str(), "" | "None"));
    [
        &mut version.description,
        &mut version.run_link,
        &mut version.run_id,
    ]
    .into_iter()
    .for_each(drop_empty);
}

pub(crate) fn plain_dataset(dataset: &mut EvaluationDataset) {
    dataset.keep_what_targets_take();
    dataset.tags.remove("mlflow.user");
}

/// A record goes by its inputs, which are unique within a dataset.
pub(crate) fn plain_record(record: &mut DatasetRecord) {
    record.keep_what_targets_take();
    for part in [
        &mut record.outputs,
        &mut record.expectations,
        &mut record.tags,
        &mut record.source,
    ] {
        *part = part
            .take()
            .filter(|part| !part.is_null() && *part != Value::Object(serde_json::Map::new()));
    }
    let inputs = record.inputs.clone().unwrap_or_default();
    record.dataset_record_id = Digest(Sha256::digest(canonical(&inputs)).into()).to_string();
}

pub(crate) fn plain_scorer(scorer: &mut Scorer) {
    scorer.keep_what_targets_take();
    let parsed = scorer
        .serialized_scorer
        .as_deref()
        .and_then(|text| serde_json::from_str::<Value>(text).ok());
    if let Some(value) = parsed {
        scorer.serialized_scorer = Some(value.to_string());
    }
}
