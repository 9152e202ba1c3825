//! Whether a run meets a clause, as MLflow's file store has it.
//!
//! A key that a run does not have makes every clause false but `IS NULL`. Each clause about datasets may be met by another of them. Texts
//! of more than 1 MiB and such that are not UTF-8 differ from every text and are like none, whatever source they come from.

use super::clause::{Attribute, Clause, DatasetField, Number, NumberOperator, Subject, Test, TextOperator};
use super::like::is_like;
use crate::format::layout::STRING_BYTES;
use crate::model::{Run, Text};
use std::cmp::Ordering;

/// The tag of an input that says what the dataset was read for.
const CONTEXT_TAG: &str = "mlflow.data.context";
/// The tag that named a run before MLflow 1.30.
const NAME_TAG: &str = "mlflow.runName";

impl Clause {
    pub(super) fn is_met(&self, run: &Run) -> bool {
        match &self.subject {
            Subject::Metric(key) => {
                let value = run.metrics.get(key);
                value.is_some_and(|value| self.test.takes_number(Number::Float(value.value.0)))
            }
            Subject::Param(key) => self.test.takes(run.params.get(key).map(value_of)),
            Subject::Tag(key) => self.test.takes(run.tags.get(key).map(value_of)),
            Subject::Attribute(attribute) => match attribute.value(run) {
                Some(AttributeValue::Time(time)) => self.test.takes_number(Number::Integer(time)),
                Some(AttributeValue::Text(text)) => self.test.takes(Some(Some(text))),
                None => false,
            },
            Subject::Dataset(field) => run.inputs.dataset_inputs.iter().any(|input| {
                let value = match field {
                    DatasetField::Name => Some(Some(input.name.as_str())),
                    DatasetField::Digest => Some(Some(input.digest.as_str())),
                    DatasetField::Context => input.tags.get(CONTEXT_TAG).map(value_of),
                };
                value.is_some() && self.test.takes(value)
            }),
        }
    }
}

/// The value of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AttributeValue<'r> {
    Text(&'r str),
    /// Epoch milliseconds.
    Time(i64),
}

impl Attribute {
    pub(super) fn value(self, run: &Run) -> Option<AttributeValue<'_>> {
        let info = &run.info;
        let text = match self {
            Attribute::RunId => Some(&info.run_id),
            Attribute::RunName => return run_name(run).map(AttributeValue::Text),
            Attribute::UserId => info.user_id.as_ref(),
            Attribute::Status => Some(&info.status),
            Attribute::ArtifactUri => info.artifact_uri.as_ref(),
            Attribute::ExperimentId => Some(&info.experiment_id),
            Attribute::LifecycleStage => Some(&info.lifecycle_stage),
            Attribute::StartTime => return info.start_time.map(AttributeValue::Time),
            Attribute::EndTime => return info.end_time.map(AttributeValue::Time),
        };
        text.map(|text| AttributeValue::Text(text))
    }
}

fn run_name(run: &Run) -> Option<&str> {
    let name = run.info.run_name.as_deref().filter(|name| !name.is_empty());
    let tag = || run.tags.get(NAME_TAG).and_then(Text::as_str);
    name.or_else(tag).or(run.info.run_name.as_deref())
}

/// A text that is looked into; inside, none where it is too long or not UTF-8.
pub(super) fn value_of(text: &Text) -> Option<&str> {
    text.as_str().filter(|text| text.len() <= STRING_BYTES)
}

impl Test {
    /// Whether a value passes: none where there is none, and inside, none where it is not looked into.
    fn takes(&self, value: Option<Option<&str>>) -> bool {
        let Some(value) = value else {
            return *self == Test::IsNull;
        };
        match (self, value) {
            (Test::IsNull | Test::Number(..), _) => false,
            (Test::IsNotNull | Test::Text(TextOperator::NotEqual, _) | Test::NotIn(_), None) => true,
            (_, None) => false,
            (Test::IsNotNull, Some(_)) => true,
            (Test::Text(operator, wanted), Some(text)) => match operator {
                TextOperator::Equal => text == wanted,
                TextOperator::NotEqual => text != wanted,
                TextOperator::Like => is_like(text, wanted, false),
                TextOperator::Ilike => is_like(text, wanted, true),
            },
            (Test::In(texts), Some(text)) => texts.iter().any(|wanted| wanted == text),
            (Test::NotIn(texts), Some(text)) => !texts.iter().any(|wanted| wanted == text),
        }
    }

    fn takes_number(&self, value: Number) -> bool {
        let Test::Number(operator, wanted) = self else {
            return false;
        };
        // What cannot be compared is NaN, which only differs.
        let order = compare(value, *wanted);
        match operator {
            NumberOperator::Greater => order == Some(Ordering::Greater),
            NumberOperator::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
            NumberOperator::Equal => order == Some(Ordering::Equal),
            NumberOperator::NotEqual => order != Some(Ordering::Equal),
            NumberOperator::LessOrEqual => order.is_some_and(Ordering::is_le),
            NumberOperator::Less => order == Some(Ordering::Less),
        }
    }
}

/// Compares numbers exactly.
fn compare(a: Number, b: Number) -> Option<Ordering> {
    match (a, b) {
        (Number::Integer(a), Number::Integer(b)) => Some(a.cmp(&b)),
        (Number::Float(a), Number::Float(b)) => a.partial_cmp(&b),
        (Number::Integer(a), Number::Float(b)) => compare_mixed(a, b),
        (Number::Float(a), Number::Integer(b)) => compare_mixed(b, a).map(Ordering::reverse),
    }
}

fn compare_mixed(integer: i64, float: f64) -> Option<Ordering> {
    if float.is_nan() {
        return None;
    }
    // Within this range whole floats are integers.
    let limit = 2f64.powi(63);
    if float >= limit {
        return Some(Ordering::Less);
    }
    if float < -limit {
        return Some(Ordering::Greater);
    }
    let whole = float.floor();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it is whole and within the range of an i64"
    )]
    let order = integer.cmp(&(whole as i64));
    Some(if order.is_eq() && float > whole {
        Ordering::Less
    } else {
        order
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_and_floats_compare_exactly() {
        let big = (1i64 << 53) + 1;
        assert_eq!(compare_mixed(big, 2f64.powi(53)), Some(Ordering::Greater));
        assert_eq!(compare_mixed(-1, -0.5), Some(Ordering::Less));
        assert_eq!(compare_mixed(-1, -1.5), Some(Ordering::Greater));
        assert_eq!(compare_mixed(i64::MAX, 1e300), Some(Ordering::Less));
        assert_eq!(
            compare_mixed(i64::MIN, f64::NEG_INFINITY),
            Some(Ordering::Greater)
        );
        assert_eq!(compare_mixed(0, f64::NAN), None);
    }
}
