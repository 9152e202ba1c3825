//! Assessments of traces; they come once runs are deleted, which deletes those that name the run.

use super::refusal::Whole;
use super::{Apply, lock};
use crate::flow::import::part::PartKind;
use crate::flow::import::{ImportError, Result};
use crate::format::{Kind, Reason};
use crate::lang::rest::api::TargetId;
use crate::lang::rest::limits::exceeds;
use crate::lang::spans::otlp;
use crate::model::{Assessment, Trace, plain_json};
use serde_json::{Map, Value, json};
use std::collections::HashSet;

const KIND: Kind = Kind::Traces;
/// Metadata that names a run of an assessment.
pub(super) const ASSESSED_RUN: &str = "mlflow.assessment.sourceRunId";

impl Apply<'_> {
    /// Adds the assessments of the traces that this process made or completed.
    pub(super) fn assessments(&self) -> Result<()> {
        if lock(&self.seen.assessed).is_empty() {
            return Ok(());
        }
        let feed = |send: &mut dyn FnMut((Trace, u64)) -> bool| -> Result<()> {
            for trace in self.archive.objects::<Trace>() {
                let trace: Trace = trace?;
                let digest = lock(&self.seen.assessed).get(&trace.trace_id).copied();
                if let Some(digest) = digest
                    && !send((trace, digest))
                {
                    break;
                }
            }
            Ok(())
        };
        self.in_parallel(feed, |(trace, digest)| {
            self.attempt(KIND, &trace.trace_id, || self.assess(&trace, digest));
        })
    }

    fn assess(&self, trace: &Trace, digest: u64) -> Result<()> {
        let id = &trace.trace_id;
        let known = self.ledger.get(KIND, id);
        let mut there = match known.is_some_and(|known| known.state.is_fresh) {
            true => HashSet::new(),
            false => self.assessment_ids(id)?,
        };
        // Those that are overridden come before those that override them.
        let mut left: Vec<_> = trace.assessments.iter().collect();
        while !left.is_empty() {
            let before = left.len();
            let mut later = Vec::new();
            for assessment in left {
                let waits = assessment.overrides.as_ref().is_some_and(|overridden| {
                    !there.contains(overridden)
                        && trace
                            .assessments
                            .iter()
                            .any(|other| other.assessment_id == *overridden)
                });
                if waits {
                    later.push(assessment);
                } else if there.insert(assessment.assessment_id.clone()) {
                    let body = self.assessment(id, assessment);
                    let part = PartKind::Assessment.of(&assessment.assessment_id);
                    let make = || self.api.create_assessment(&TargetId::kept(id), &body);
                    self.alone(Whole::new(KIND, id), &part, make)?;
                }
            }
            if later.len() == before {
                self.left_out(KIND, id, "assessments", Reason::OverrideEachOther);
                break;
            }
            left = later;
        }
        self.done(KIND, id, digest)
    }

    fn assessment_ids(&self, trace_id: &str) -> Result<HashSet<String>> {
        let found = self
            .api
            .trace(&TargetId::kept(trace_id))?
            .ok_or_else(|| ImportError::needs(KIND, trace_id))?;
        let assessments = found["trace"]["trace_info"]["assessments"].as_array().cloned();
        let ids = assessments.into_iter().flatten();
        Ok(ids
            .filter_map(|one| one["assessment_id"].as_str().map(str::to_owned))
            .collect())
    }

    fn assessment(&self, trace_id: &str, assessment: &Assessment) -> Value {
        let metadata: Map<String, Value> = assessment
            .metadata
            .iter()
            .map(|(key, text)| (key.clone(), self.new_metadata(key, otlp::plain_text(text)).into()))
            .collect();
        let mut value = json!({
            "assessment_id": assessment.assessment_id,
            "assessment_name": assessment.assessment_name,
            "trace_id": trace_id,
            "source": assessment.source,
            "metadata": metadata,
        });

        let text = |text: &Option<String>| text.as_deref().map(Value::from);
        let time = |time: Option<i64>| time.and_then(otlp::time_text).map(Value::from);
        let optional = [
            ("span_id", text(&assessment.span_id)),
            ("create_time", time(assessment.create_time)),
            ("last_update_time", time(assessment.last_update_time)),
            ("feedback", assessment.feedback.as_ref().map(plain_json::plain)),
            ("expectation", assessment.expectation.as_ref().map(expectation)),
            ("issue", assessment.issue.as_ref().map(plain_json::plain)),
            ("rationale", text(&assessment.rationale)),
            ("overrides", text(&assessment.overrides)),
            ("valid", assessment.valid.map(Value::from)),
        ];
        for (field, part) in optional {
            if let Some(part) = part {
                value[field] = part;
            }
        }
        if exceeds(&assessment.assessment_name, 250) {
            let part = PartKind::Assessment.of(&assessment.assessment_id);
            self.left_out(KIND, trace_id, part, Reason::NameTooLong);
        }
        value
    }
}

/// Lists and objects go as their JSON text, in which integers stay integers.
fn expectation(expectation: &Value) -> Value {
    let inner = &expectation["value"];
    if inner.is_array() || inner.is_object() {
        let text = plain_json::text(inner);
        return json!({"serialized_value": {"serialization_format": "JSON_FORMAT", "value": text}});
    }
    plain_json::plain(expectation)
}
