//! The original's rules, as pure functions over the exported dicts.
//!
//! | object | tags, later wins |
//! |---|---|
//! | experiment | own < `mlflow_exim.mlflow_tag.*` < `mlflow_exim.field.*` < creation_time, last_update_time |
//! | run | own < `mlflow_exim.mlflow_tag.*` < `mlflow_exim.run_info.*` |
//! | model version | own < `mlflow_exim.field.*` < creation_timestamp, last_updated_timestamp |
//!
//! A replaced tag keeps its place, as in a Python dict. What an importing user adds (`mlflow.user`, the destination's
//! `mlflow.parentRunId`) belongs to a replay and is not here.

use super::overlay::{Notice, TagDict, TimeFault};
use super::times::format_millis;
use crate::model::pyjson::PyJson;
use crate::model::{Text, TextMap};

/// The prefix of all source tags.
pub(crate) const PREFIX_ROOT: &str = "mlflow_exim";
/// The prefix, with its dot, of the tags made from an object's fields.
pub(crate) const PREFIX_FIELD: &str = "mlflow_exim.field.";
/// The prefix, with its dot, of the tags made from a run's info.
pub(crate) const PREFIX_RUN_INFO: &str = "mlflow_exim.run_info.";
/// The prefix, with its dot, of the tags made from system tags.
pub(crate) const PREFIX_MLFLOW_TAG: &str = "mlflow_exim.mlflow_tag.";

const SYSTEM_PREFIX: &str = "mlflow.";
const TAGS: &str = "tags";
const EXPERIMENT_TIMES: [&str; 2] = ["creation_time", "last_update_time"];
const VERSION_TIMES: [&str; 2] = ["creation_timestamp", "last_updated_timestamp"];

/// The source tags of an experiment, without its own tags.
pub(crate) fn experiment_overlay(experiment: &PyJson) -> Overlay {
    Overlay::of_tags(exported_texts(experiment.get(TAGS))).with_fields(experiment, EXPERIMENT_TIMES)
}

/// The source tags of a run, without its own tags.
pub(crate) fn run_overlay(info: &PyJson, tags: &PyJson) -> Overlay {
    Overlay::of_tags(exported_texts(Some(tags))).with_run_info(info)
}

/// As [`experiment_overlay`], with the tags of a line.
pub(super) fn experiment_line_overlay(experiment: &PyJson, tags: &TextMap) -> Overlay {
    Overlay::of_tags(line_texts(tags)).with_fields(experiment, EXPERIMENT_TIMES)
}

/// As [`run_overlay`], with the tags of a line.
pub(super) fn run_line_overlay(info: &PyJson, tags: &TextMap) -> Overlay {
    Overlay::of_tags(line_texts(tags)).with_run_info(info)
}

/// The source tags of a model version, without its own tags; its system tags get none.
pub(crate) fn version_overlay(version: &PyJson) -> Overlay {
    Overlay::default().with_fields(version, VERSION_TIMES)
}

/// Source tags that are still to be laid over the own tags of an object.
#[derive(Debug, Default)]
pub struct Overlay {
    tags: TagDict<Text>,
    notices: Vec<Notice>,
}

impl Overlay {
    /// The source tags, in the order in which the original makes them.
    pub(crate) fn tags(&self) -> &[(String, Text)] {
        self.tags.entries()
    }

    /// Whether another has the same tags, in whatever order.
    pub(crate) fn has_tags_of(&self, other: &Self) -> bool {
        self.tags.equals(&other.tags)
    }

    /// Where the original would have failed.
    pub(crate) fn notices(&self) -> &[Notice] {
        &self.notices
    }

    fn insert(&mut self, prefix: &str, key: &str, value: impl Into<Text>) {
        self.tags.insert(format!("{prefix}{key}"), value.into());
    }

    fn with_run_info(mut self, info: &PyJson) -> Self {
        for (key, value) in info.as_dict().unwrap_or_default() {
            self.insert(PREFIX_RUN_INFO, key, value.py_str());
        }
        self
    }

    /// A source tag for every tag whose key starts with `mlflow.`; all occurrences of that text are dropped from the key.
    fn of_tags<'a>(tags: impl Iterator<Item = (&'a str, Text)>) -> Self {
        let mut overlay = Self::default();
        for (key, value) in tags {
            overlay.insert(PREFIX_MLFLOW_TAG, &key.replace(SYSTEM_PREFIX, ""), value);
        }
        overlay
    }

    /// A source tag for every field but `tags`, and the formatted copies of the times.
    fn with_fields(mut self, object: &PyJson, times: [&str; 2]) -> Self {
        for (key, value) in object.as_dict().unwrap_or_default() {
            if key != TAGS {
                self.insert(PREFIX_FIELD, key, value.py_str());
            }
        }
        for time in times {
            self.time(object, time);
        }
        self
    }

    fn time(&mut self, object: &PyJson, field: &str) {
        let millis = object.get(field).ok_or(TimeFault::Missing);
        match millis.and_then(|millis| Ok((millis, format_millis(millis)?))) {
            Ok((millis, text)) => {
                self.insert(PREFIX_FIELD, field, millis.py_str());
                self.insert(PREFIX_FIELD, &format!("_{field}"), text);
            }
            Err(fault) => {
                self.notices.push(Notice {
                    field: field.to_owned(),
                    fault,
                });
            }
        }
    }
}

/// The system tags of an export.
fn exported_texts(tags: Option<&PyJson>) -> impl Iterator<Item = (&str, Text)> {
    let entries = tag_entries(tags).into_iter();
    let system = entries.filter(|(key, _)| key.starts_with(SYSTEM_PREFIX));
    system.map(|(key, value)| (key, value.py_str().into()))
}

/// The system tags of a line; one that stands as a blob is the same blob in its source tag.
fn line_texts(tags: &TextMap) -> impl Iterator<Item = (&str, Text)> {
    let system = tags.iter().filter(|(key, _)| key.starts_with(SYSTEM_PREFIX));
    system.map(|(key, text)| {
        let text = match text {
            Text::Long(long) if long.is_utf8 => text.clone(),
            _ => text.to_display().into_owned().into(),
        };
        (key.as_str(), text)
    })
}

/// The tags as (key, value), whether they are an object or a list of `{key, value}`.
fn tag_entries(tags: Option<&PyJson>) -> Vec<(&str, &PyJson)> {
    match tags {
        Some(PyJson::Dict(entries)) => entries.iter().map(|(key, value)| (key.as_str(), value)).collect(),
        Some(PyJson::List(items)) => items
            .iter()
            .filter_map(|item| Some((item.get("key")?.as_str()?, item.get("value")?)))
            .collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
