//! What places a line among the lines of its kind; everything else in the line is skipped without being parsed.

use crate::format::{Kind, SortKey, each_object};
use serde::Deserialize;
use serde::de::Error as _;
use serde_json::Value;

/// The fields that ids and sort keys are made of. They are values, since one of another type is not this module's
/// to judge.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Head {
    pub(crate) experiment_id: Value,
    pub(crate) run_id: Value,
    pub(crate) start_time: Value,
    pub(crate) name: Value,
    pub(crate) digest: Value,
    pub(crate) model_id: Value,
    pub(crate) creation_timestamp_ms: Value,
    pub(crate) workspace: Value,
    pub(crate) version: Value,
    pub(crate) trace_id: Value,
    pub(crate) request_time: Value,
    pub(crate) span_id: Value,
    pub(crate) start_time_unix_nano: Value,
    pub(crate) dataset_id: Value,
    pub(crate) dataset_record_id: Value,
    pub(crate) key: Value,
    pub(crate) owner_id: Value,
    pub(crate) owner_kind: Value,
}

#[derive(Deserialize)]
struct RunHead {
    info: Head,
}

/// A value's text, empty where it is none.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

impl Head {
    /// Reads the head of a line.
    ///
    /// # Errors
    /// It is not an object: a list would be read as the fields in their order.
    pub(crate) fn read(kind: Kind, line: &[u8]) -> serde_json::Result<Self> {
        if line.first() != Some(&b'{') {
            return Err(serde_json::Error::custom("it is not an object"));
        }
        match kind {
            Kind::Runs => serde_json::from_slice(line).map(|RunHead { info }| info),
            _ => serde_json::from_slice(line),
        }
    }

    /// The head of a line that was parsed.
    pub(crate) fn of_value(kind: Kind, line: &Value) -> Self {
        let head = if kind == Kind::Runs { &line["info"] } else { line };
        Head::deserialize(head).unwrap_or_default()
    }

    /// The id of the object that a line belongs to.
    pub(crate) fn owner(&self, kind: Kind) -> &Value {
        match kind {
            Kind::Metrics => &self.run_id,
            Kind::ModelMetrics => &self.model_id,
            Kind::Spans => &self.trace_id,
            Kind::DatasetRecords => &self.dataset_id,
            Kind::Artifacts => &self.owner_id,
            _ => &Value::Null,
        }
    }
}

/// A field of a key, where it is the time by which objects stand.
macro_rules! key_time {
    (optional_time $value:expr) => {
        $value.as_i64()
    };
    ($other:ident $value:expr) => {
        None
    };
}

/// A field as a part of a key.
macro_rules! key_part {
    (number $value:expr) => {
        $value.as_u64().unwrap_or(0)
    };
    (optional_time $value:expr) => {
        $value.as_i64()
    };
    (optional_text $value:expr) => {
        $value.as_str()
    };
    ($text:ident $value:expr) => {
        text(&$value)
    };
}

macro_rules! objects {
    ($($kind:ident $type:ident $(.$inside:ident)? [$($form:ident $id:ident),+] [$($part:ident $field:ident),+];)*) => {
        impl Head {
            /// The object's id as [`Object::id`](crate::format::Object::id) has it.
            pub(crate) fn id(&self, kind: Kind) -> String {
                match kind {
                    $(Kind::$kind => [$(key_part!($form self.$id).to_string()),+].join("/"),)*
                    Kind::Metrics => text(&self.run_id).to_owned(),
                    Kind::ModelMetrics => text(&self.model_id).to_owned(),
                    Kind::Spans => format!("{}/{}", text(&self.trace_id), text(&self.span_id)),
                    Kind::Artifacts => String::new(),
                }
            }

            /// The object's place as [`Object::sort_key`](crate::format::Object::sort_key) has it. Lines of metrics, spans
            /// and artifacts do not tell theirs.
            pub(crate) fn sort_key(&self, kind: Kind) -> SortKey {
                match kind {
                    $(Kind::$kind => SortKey::new()$(.$part(key_part!($part self.$field)))+,)*
                    Kind::Metrics | Kind::ModelMetrics | Kind::Spans | Kind::Artifacts => SortKey::new(),
                }
            }

            /// The time by which objects of an experiment stand, in epoch milliseconds.
            pub(crate) fn time(&self, kind: Kind) -> Option<i64> {
                match kind {
                    $(Kind::$kind => None$(.or(key_time!($part self.$field)))+,)*
                    Kind::Metrics | Kind::ModelMetrics | Kind::Spans | Kind::Artifacts => None,
                }
            }

        }
    };
}

each_object!(objects);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Object;
    use crate::format::line::{canonical, to_value};
    use crate::model::*;

    fn agrees<T: Object>(object: &T) {
        let line = canonical(&to_value(object));
        let head = Head::read(T::KIND, &line).unwrap();
        assert_eq!(head.id(T::KIND), object.id());
        assert_eq!(head.sort_key(T::KIND), object.sort_key(), "{}", object.id());
    }

    #[test]
    fn heads_agree_with_objects() {
        agrees(&Workspace {
            name: "w".into(),
            ..Workspace::default()
        });
        agrees(&Experiment {
            experiment_id: "12".into(),
            name: "n".into(),
            ..Experiment::default()
        });
        for start_time in [None, Some(-5), Some(7)] {
            agrees(&Run {
                info: RunInfo {
                    run_id: "r".into(),
                    experiment_id: "3".into(),
                    start_time,
                    ..RunInfo::default()
                },
                ..Run::default()
            });
        }
        agrees(&Dataset {
            experiment_id: "3".into(),
            name: "d".into(),
            digest: "x".into(),
            ..Dataset::default()
        });
        agrees(&LoggedModel {
            model_id: "m-1".into(),
            experiment_id: "3".into(),
            creation_timestamp_ms: Some(9),
            ..LoggedModel::default()
        });
        agrees(&RegisteredModel {
            name: "m".into(),
            workspace: Some("w".into()),
            ..RegisteredModel::default()
        });
        agrees(&ModelVersion {
            name: "m".into(),
            version: 12,
            ..ModelVersion::default()
        });
        agrees(&Trace {
            trace_id: "tr-1".into(),
            experiment_id: "3".into(),
            request_time: Some(4),
            ..Trace::default()
        });
        agrees(&EvaluationDataset {
            dataset_id: "d-1".into(),
            ..EvaluationDataset::default()
        });
        agrees(&DatasetRecord {
            dataset_id: "d-1".into(),
            dataset_record_id: "dr-1".into(),
            ..DatasetRecord::default()
        });
        agrees(&Scorer {
            experiment_id: "3".into(),
            name: "s".into(),
            version: 2,
            ..Scorer::default()
        });
    }
}
