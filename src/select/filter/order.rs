//! In which order runs are listed: MLflow's `order_by`.
//!
//! Values come first, then NaN, then runs without a value, whichever way the values go. Runs that are equal come by start, the newest
//! first, then by id.

use super::clause::{Attribute, Subject};
use super::error::{FilterError, cut};
use super::group::GroupKind;
use super::identifier::identifier;
use super::matching::{AttributeValue, value_of};
use super::parse::groups;
use super::quoted::shell_words;
use crate::format::SortKey;
use crate::model::Run;

/// One key to order by, such as `metrics.auc DESC`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct OrderKey {
    subject: Subject,
    is_descending: bool,
}

/// Keys to order runs by, the most important first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrderBy {
    keys: Vec<OrderKey>,
}

impl OrderBy {
    /// Keys as MLflow's `order_by` takes them, one text each.
    ///
    /// # Errors
    /// The first that MLflow refuses.
    pub fn parse(texts: &[String]) -> Result<Self, FilterError> {
        let keys = texts.iter().map(|text| OrderKey::parse(text));
        Ok(OrderBy {
            keys: keys.collect::<Result<_, _>>()?,
        })
    }

    /// Whether nothing is to be ordered.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Bytes that compare as the runs do.
    pub fn sort_key(&self, run: &Run) -> Vec<u8> {
        let mut bytes = Vec::new();
        for key in &self.keys {
            key.push(run, &mut bytes);
        }
        // Without a start it comes last.
        bytes.push(u8::from(run.info.start_time.is_none()));
        bytes.extend(integer(run.info.start_time.unwrap_or(0)).map(|byte| !byte));
        bytes.extend(run.info.run_id.as_bytes());
        bytes
    }
}

enum Value<'r> {
    Text(&'r str),
    Integer(i64),
    Float(f64),
}

impl OrderKey {
    fn parse(text: &str) -> Result<Self, FilterError> {
        let error = |reason: String| FilterError::new(reason, text, 0);
        let unclear = || {
            error(format!(
                "Invalid order_by clause '{}'. Could not be parsed.",
                cut(text)
            ))
        };
        let groups = groups(text, "order_by clause", |_, _| Ok(()))?;
        let [group] = groups.as_slice() else {
            return Err(unclear());
        };
        let is_key = matches!(group.kind, GroupKind::Identifier | GroupKind::Alias);
        if !is_key || group.text(text) != text {
            return Err(unclear());
        }
        let words = shell_words(&text.replace('`', "\"")).ok_or_else(unclear)?;
        let (name, is_descending) = match words.as_slice() {
            [_, _, _, ..] => return Err(unclear()),
            [name, order] => match order.to_lowercase().as_str() {
                "asc" => (name.as_str(), false),
                "desc" => (name.as_str(), true),
                _ => {
                    let reason = format!("Invalid ordering key in order_by clause '{}'.", cut(text));
                    return Err(error(reason));
                }
            },
            _ => (text, false),
        };
        let subject = identifier(name.trim(), Attribute::of_order).map_err(error)?;
        if let Subject::Dataset(_) = subject {
            return Err(error("Invalid order_by entity type 'dataset'".to_owned()));
        }
        Ok(OrderKey {
            subject,
            is_descending,
        })
    }

    fn value<'r>(&self, run: &'r Run) -> Option<Value<'r>> {
        match &self.subject {
            Subject::Metric(key) => run.metrics.get(key).map(|metric| Value::Float(metric.value.0)),
            Subject::Param(key) => run.params.get(key).and_then(value_of).map(Value::Text),
            Subject::Tag(key) => run.tags.get(key).and_then(value_of).map(Value::Text),
            Subject::Attribute(attribute) => attribute.value(run).map(|value| match value {
                AttributeValue::Text(text) => Value::Text(text),
                AttributeValue::Time(time) => Value::Integer(time),
            }),
            Subject::Dataset(_) => None,
        }
    }

    fn push(&self, run: &Run, bytes: &mut Vec<u8>) {
        match self.value(run) {
            None => bytes.push(2),
            Some(Value::Float(float)) if float.is_nan() => bytes.push(1),
            Some(value) => {
                bytes.push(0);
                let start = bytes.len();
                value.push(bytes);
                if self.is_descending {
                    bytes[start..].iter_mut().for_each(|byte| *byte = !*byte);
                }
            }
        }
    }
}

impl Value<'_> {
    /// Bytes that compare as the values do, none of which begins another.
    fn push(&self, bytes: &mut Vec<u8>) {
        match *self {
            Value::Integer(number) => bytes.extend(integer(number)),
            Value::Float(number) => {
                // Both zeros are one value.
                let bits = (number + 0.0).to_bits();
                let is_negative = bits >> 63 == 1;
                let ordered = if is_negative { !bits } else { bits | 1 << 63 };
                bytes.extend(ordered.to_be_bytes());
            }
            Value::Text(text) => bytes.extend(SortKey::new().text(text).as_bytes()),
        }
    }
}

fn integer(number: i64) -> [u8; 8] {
    (number.cast_unsigned() ^ 1 << 63).to_be_bytes()
}
