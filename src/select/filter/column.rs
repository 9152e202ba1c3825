//! Columns of a list of runs, such as `params.lr`.

use super::clause::{Attribute, Subject};
use super::error::FilterError;
use super::identifier::identifier;
use super::matching::AttributeValue;
use crate::model::Run;
use serde_json::{Value, json};

/// A param, metric, tag or attribute of runs, named as in a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunColumn {
    name: String,
    subject: Subject,
}

impl RunColumn {
    /// Columns parted by commas; a key with a comma stands in quotes.
    ///
    /// # Errors
    /// A column that no run can have.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, FilterError> {
        let (mut columns, mut start, mut quote) = (Vec::new(), 0, None);
        let mut end_column = |start: usize, end: usize| {
            let name = text[start..end].trim();
            let subject = identifier(name, attribute).and_then(|subject| match subject {
                Subject::Dataset(_) => Err("A dataset is not a column of a run".to_owned()),
                subject => Ok(subject),
            });
            columns.push(RunColumn {
                name: name.to_owned(),
                subject: subject.map_err(|reason| FilterError::new(reason, text, start))?,
            });
            Ok(())
        };
        for (at, c) in text.char_indices() {
            match (c, quote) {
                (',', None) => {
                    end_column(start, at)?;
                    start = at + 1;
                }
                ('\'' | '"' | '`', None) => quote = Some(c),
                (c, Some(open)) if c == open => quote = None,
                _ => {}
            }
        }
        end_column(start, text.len())?;
        Ok(columns)
    }

    /// Its name, as it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is a time in epoch milliseconds.
    pub fn is_time(&self) -> bool {
        matches!(&self.subject, Subject::Attribute(attribute) if attribute.is_time())
    }

    /// Its value of a run, as an archive's lines have it; null where there is none.
    pub fn value(&self, run: &Run) -> Value {
        let value = match &self.subject {
            Subject::Metric(key) => run.metrics.get(key).map(|metric| json!(metric.value)),
            Subject::Param(key) => run.params.get(key).map(|text| json!(text.to_display())),
            Subject::Tag(key) => run.tags.get(key).map(|text| json!(text.to_display())),
            Subject::Attribute(attribute) => attribute.value(run).map(|value| match value {
                AttributeValue::Text(text) => json!(text),
                AttributeValue::Time(time) => json!(time),
            }),
            Subject::Dataset(_) => None,
        };
        value.unwrap_or(Value::Null)
    }
}

fn attribute(name: &str) -> Option<Attribute> {
    match name {
        "experiment_id" => Some(Attribute::ExperimentId),
        "lifecycle_stage" => Some(Attribute::LifecycleStage),
        name => Attribute::of(name),
    }
}
