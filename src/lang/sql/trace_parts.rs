//! What belongs to traces: assessments, and the values that MLflow 3.17 moved into columns.

use super::columns::ASSESSMENTS;
use super::exporter::Result;
use super::fields::{Fields, pick};
use super::tables::Tables;
use super::traces::FoundTrace;
use crate::model::pyjson::{PyJson, py_float_repr};
use crate::model::trace::{COST_KEYS, TRACE_COST, TRACE_USAGE, USAGE_KEYS};
use crate::model::{Assessment, Text, Trace};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub(super) const NAME_TAG: &str = "mlflow.traceName";
pub(super) const SESSION: &str = "mlflow.trace.session";
/// Metadata key of the run that made an assessment.
pub(super) const ASSESSMENT_RUN: &str = "mlflow.assessment.sourceRunId";

/// Values of a trace that MLflow 3.17 keeps in columns.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Promoted {
    pub(super) name: Option<Text>,
    pub(super) session: Option<Text>,
    pub(super) tokens: [Option<i64>; 6],
    pub(super) costs: [Option<f64>; 3],
}

impl Promoted {
    /// The values that MLflow takes out of a trace's tags and metadata when it writes the trace.
    pub(super) fn of(trace: &Trace) -> Self {
        let dict = |key: &str| PyJson::parse(trace.trace_metadata.get(key)?.as_str()?.as_bytes()).ok();
        let (usage, cost) = (dict(TRACE_USAGE), dict(TRACE_COST));
        Promoted {
            name: trace.tags.get(NAME_TAG).cloned(),
            session: trace.trace_metadata.get(SESSION).cloned(),
            tokens: USAGE_KEYS.map(|key| usage.as_ref().and_then(|usage| whole(usage.get(key)?))),
            costs: COST_KEYS.map(|key| cost.as_ref().and_then(|cost| finite_double(cost.get(key)?))),
        }
    }
}

/// A count of tokens, where a value is a whole number or says one.
fn whole(value: &PyJson) -> Option<i64> {
    match value {
        PyJson::Float(number) if number.fract() == 0.0 => format!("{number:.0}").parse().ok(),
        PyJson::Str(text) => text.trim().parse().ok(),
        other => other.as_i64(),
    }
}

/// A finite number, where a value is one or says one.
pub(super) fn finite_double(value: &PyJson) -> Option<f64> {
    let number = match value {
        PyJson::Float(number) => *number,
        PyJson::Int(number) => number.to_string().parse().ok()?,
        PyJson::Str(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    number.is_finite().then_some(number)
}

/// Reads the columns from the first on.
pub(super) fn promoted(row: &Fields<'_>, first: usize) -> Promoted {
    Promoted {
        name: row.any_text(first),
        session: row.any_text(first + 1),
        tokens: std::array::from_fn(|index| row.int(first + 2 + index)),
        costs: std::array::from_fn(|index| row.double(first + 8 + index)),
    }
}

/// Puts the values where they were before 3.17, as MLflow does itself: rows of those keys are ignored.
pub(super) fn rebuild(trace: &mut Trace, promoted: &Promoted) {
    let tokens = promoted.tokens.map(|count| count.map(|count| count.to_string()));
    let costs = promoted.costs.map(|cost| cost.map(py_float_repr));
    set(&mut trace.tags, NAME_TAG, promoted.name.clone());
    set(&mut trace.trace_metadata, SESSION, promoted.session.clone());
    set(
        &mut trace.trace_metadata,
        TRACE_USAGE,
        json_text(&USAGE_KEYS, &tokens),
    );
    set(
        &mut trace.trace_metadata,
        TRACE_COST,
        json_text(&COST_KEYS, &costs),
    );
}

fn set(map: &mut crate::model::TextMap, key: &str, value: Option<Text>) {
    match value {
        Some(value) => map.insert(key.to_owned(), value),
        None => map.remove(key),
    };
}

/// The dict that Python's `json.dumps` writes of the values that are there.
fn json_text(keys: &[&str], values: &[Option<String>]) -> Option<Text> {
    let pairs = keys.iter().zip(values);
    let entries: Vec<_> = pairs
        .filter_map(|(key, value)| Some(format!("\"{key}\": {}", value.as_ref()?)))
        .collect();
    (!entries.is_empty()).then(|| Text::Utf8(format!("{{{}}}", entries.join(", "))))
}

/// Reads the assessments of a batch of traces.
pub(super) fn read_assessments(tables: &Tables, ids: &[&str], batch: &mut [FoundTrace]) -> Result<()> {
    tables.of_owners(ASSESSMENTS, "", ids, |place, row| {
        batch[place].trace.assessments.push(assessment(row));
        Ok(())
    })?;
    for found in batch {
        found
            .trace
            .assessments
            .sort_by(|a, b| (a.create_time, &a.assessment_id).cmp(&(b.create_time, &b.assessment_id)));
    }
    Ok(())
}

fn assessment(row: &Fields<'_>) -> Assessment {
    let sources = [("source_type", row.text(8)), ("source_id", row.text(9))];
    let mut assessment = Assessment {
        source: sources
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value?)))
            .collect(),
        valid: row.bool(14),
        ..pick(row)
    };
    let value = row.json(4).unwrap_or(Value::Null);
    match row.text(3).as_deref() {
        Some("feedback") => assessment.feedback = Some(feedback(row, value)),
        Some("expectation") => assessment.expectation = Some(json!({ "value": value })),
        Some("issue") => assessment.issue = Some(value),
        other => {
            let kind = other.unwrap_or_default();
            assessment.extra.insert("assessment_type".to_owned(), kind.into());
            assessment.extra.insert("value".to_owned(), value);
        }
    }
    metadata(row, &mut assessment);
    assessment
}

fn feedback(row: &Fields<'_>, value: Value) -> Value {
    let mut feedback = Map::from_iter([("value".to_owned(), value)]);
    match row.py_json(5) {
        Some(PyJson::Dict(entries)) => {
            let entries = entries.into_iter().filter(|(_, value)| !value.is_null());
            let error = PyJson::Dict(entries.collect()).to_free_json();
            feedback.insert("error".to_owned(), error);
        }
        Some(PyJson::Null) | None => {}
        // Not what MLflow writes there, but not to be lost.
        Some(other) => _ = feedback.insert("error".to_owned(), other.to_free_json()),
    }
    Value::Object(feedback)
}

fn metadata(row: &Fields<'_>, assessment: &mut Assessment) {
    match row.py_json(15) {
        Some(PyJson::Dict(entries)) => {
            for (key, value) in entries {
                let text = match value {
                    PyJson::Str(text) => text,
                    other => other.to_json_text(),
                };
                assessment.metadata.insert(key, Text::Utf8(text));
            }
        }
        Some(PyJson::Null) | None => {}
        Some(other) => {
            assessment
                .extra
                .insert("metadata".to_owned(), other.to_free_json());
        }
    }
    // The column repeats what the metadata says, where that says it.
    let told = assessment
        .metadata
        .get(ASSESSMENT_RUN)
        .and_then(|run| run.as_str());
    if let Some(run_id) = row.text(10).filter(|run_id| Some(run_id.as_str()) != told) {
        assessment.extra.insert("run_id".to_owned(), run_id.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promoted_values_come_back_as_mlflow_writes_them() {
        let mut trace = Trace::default();
        trace.trace_metadata.insert(SESSION.to_owned(), "stale".into());
        trace.trace_metadata.insert("kept".to_owned(), "x".into());
        let promoted = Promoted {
            name: Some("answer".into()),
            session: None,
            tokens: [Some(10), Some(4), Some(14), None, None, None],
            costs: [Some(1e-5), None, Some(3.0)],
        };
        rebuild(&mut trace, &promoted);
        assert_eq!(trace.tags[NAME_TAG], "answer".into());
        assert!(!trace.trace_metadata.contains_key(SESSION) && trace.trace_metadata.contains_key("kept"));
        assert_eq!(
            trace.trace_metadata[TRACE_USAGE],
            r#"{"input_tokens": 10, "output_tokens": 4, "total_tokens": 14}"#.into()
        );
        assert_eq!(
            trace.trace_metadata[TRACE_COST],
            r#"{"input_cost": 1e-05, "total_cost": 3.0}"#.into()
        );
    }
}
