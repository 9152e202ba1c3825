//! What both sides of a comparison leave out, and how ids are said in the archive's.

use crate::format::{Kind, SortKey};
use crate::model::{Assessment, Double, LoggedModel, Run, Trace};
use crate::sink::rest::mapping::Mapping;
use serde_json::Value;
use std::collections::HashMap;

/// Ids of the target → ids of the archive.
#[derive(Debug, Default)]
pub(in crate::sink::rest) struct Reverse {
    ids: HashMap<(Kind, String), String>,
}

impl Reverse {
    /// Reverses a mapping; a version's id in the target is `name/number`.
    pub(super) fn of(mapping: &Mapping) -> Self {
        let mut ids = HashMap::new();
        for (kind, id, known) in mapping.entries() {
            let new_id = match kind {
                Kind::ModelVersions => {
                    let name = id.rsplit_once('/').map_or("", |(name, _)| name);
                    let name = mapping.id(Kind::RegisteredModels, name).unwrap_or_default();
                    format!("{name}/{}", known.id)
                }
                _ => known.id,
            };
            ids.insert((kind, new_id), id);
        }
        Reverse { ids }
    }

    /// The archive's id, where the object came from there.
    pub(super) fn get(&self, kind: Kind, new_id: &str) -> Option<String> {
        self.ids.get(&(kind, new_id.to_owned())).cloned()
    }

    /// The archive's id, or the text as it is.
    pub(super) fn or_same(&self, kind: Kind, new_id: &str) -> String {
        self.get(kind, new_id).unwrap_or_else(|| new_id.to_owned())
    }
}

/// A value as SQL stores keep it: no infinities, and no sign on a zero.
pub(super) fn stored(value: Double) -> Double {
    Double(match value.0 {
        f64::INFINITY => f64::MAX,
        f64::NEG_INFINITY => f64::MIN,
        value => value + 0.0,
    })
}

/// Leaves out of a run what servers choose.
pub(super) fn plain_run(run: &mut Run) {
    run.exim = None;
    run.extra.clear();
    run.metrics.clear();
    let info = &mut run.info;
    info.extra.clear();
    info.artifact_uri = None;
    info.deleted_time = None;
    info.source_type = None;
    info.source_name = None;
    info.source_version = None;
    info.entry_point_name = None;
    info.start_time = Some(info.start_time.unwrap_or(0));
    info.end_time = info.end_time.filter(|time| *time != 0);
    info.user_id = info.user_id.take().filter(|user| !user.is_empty());
    info.run_name = info.run_name.take().filter(|name| !name.is_empty());
}

/// Leaves out of a logged model what servers choose.
pub(super) fn plain_logged_model(model: &mut LoggedModel) {
    model.extra.clear();
    model.artifact_uri = None;
    model.creation_timestamp_ms = None;
    model.last_updated_timestamp_ms = None;
    model.status_message = None;
    model.tags.remove("mlflow.modelVersions");
    model.source_run_id = model.source_run_id.take().filter(|run| !run.is_empty());
    model.model_type = model.model_type.take().filter(|text| !text.is_empty());
}

/// Leaves out of a trace what servers choose.
pub(super) fn plain_trace(trace: &mut Trace) {
    trace.extra.clear();
    trace.trace_metadata.remove("mlflow.trace.infoFinalized");
    for key in [
        "mlflow.artifactLocation",
        "mlflow.trace.spansLocation",
        "mlflow.trace.archiveLocation",
        "mlflow.trace.archivalFailure",
        crate::sink::rest::mark::KEY,
    ] {
        trace.tags.remove(key);
    }
    for text in [
        &mut trace.client_request_id,
        &mut trace.request_preview,
        &mut trace.response_preview,
    ] {
        *text = text.take().filter(|text| !text.is_empty());
    }
    trace.assessments.iter_mut().for_each(plain_assessment);
    trace
        .assessments
        .sort_by(|a, b| (a.create_time, &a.assessment_id).cmp(&(b.create_time, &b.assessment_id)));
}

fn plain_assessment(assessment: &mut Assessment) {
    assessment.extra.clear();
    assessment.valid = Some(assessment.valid.unwrap_or(true));
    assessment.rationale = assessment.rationale.take().filter(|text| !text.is_empty());
    assessment.overrides = assessment.overrides.take().filter(|text| !text.is_empty());
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

/// The place of an owner's files.
pub(super) fn artifact_key(kind: crate::model::OwnerKind, owner: &SortKey, number: u64) -> SortKey {
    SortKey::new().number(kind as u64).key(owner).number(number)
}
