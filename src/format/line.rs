//! One object, one line: canonical text, and the key that orders it.

use super::{Kind, SortKey, Typed, order};
use crate::model::{
    Dataset, DatasetRecord, EvaluationDataset, Experiment, LoggedModel, ModelVersion, RegisteredModel, Run,
    RunInfo, Scorer, Text, Trace, Workspace,
};
use serde::Serialize;
use serde_json::Value;
use std::io;

/// An object whose line alone tells its place in the archive's order.
pub trait Object: Typed {
    /// Which files it is a line of.
    const KIND: Kind;

    /// Its place among objects of its kind.
    fn sort_key(&self) -> SortKey;

    /// Its id, for people and loss lists.
    fn id(&self) -> String;
}

/// The canonical text of a value: sorted keys, no spaces, no line end.
pub fn canonical(value: &Value) -> Vec<u8> {
    // `serde_json::Map` is a BTreeMap here (its `preserve_order` feature is off), so keys are sorted by bytes.
    serde_json::to_vec(value).expect("a value can be written")
}

/// Whether a text is the canonical one of a value, which is written against it and not into memory.
pub(crate) fn is_text_of(value: &Value, text: &[u8]) -> bool {
    let mut rest = Rest(text);
    serde_json::to_writer(&mut rest, value).is_ok() && rest.0.is_empty()
}

/// What must be written next.
struct Rest<'t>(&'t [u8]);

impl io::Write for Rest<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.strip_prefix(bytes).ok_or(io::ErrorKind::InvalidData)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The value of an object, keys sorted.
pub fn to_value<T: Serialize>(object: &T) -> Value {
    serde_json::to_value(object).expect("objects have text keys and finite numbers")
}

/// The value of a run, which gives up its params and tags for it.
pub(crate) fn take_value(run: &mut Run) -> Value {
    let texts = [("params", &mut run.params), ("tags", &mut run.tags)];
    let texts = texts.map(|(field, texts)| (field, std::mem::take(texts)));
    let mut value = to_value(run);
    for (field, texts) in texts {
        let item = |text| match text {
            Text::Utf8(text) => Value::String(text),
            other => to_value(&other),
        };
        value[field] = texts.into_iter().map(|(key, text)| (key, item(text))).collect();
    }
    value
}

impl Object for Workspace {
    const KIND: Kind = Kind::Workspaces;

    fn sort_key(&self) -> SortKey {
        SortKey::new().text(&self.name)
    }

    fn id(&self) -> String {
        self.name.clone()
    }
}

impl Object for Experiment {
    const KIND: Kind = Kind::Experiments;

    fn sort_key(&self) -> SortKey {
        order::experiment(&self.experiment_id)
    }

    fn id(&self) -> String {
        self.experiment_id.clone()
    }
}

impl RunInfo {
    /// Place of the run, and of everything that belongs to it.
    pub fn sort_key(&self) -> SortKey {
        order::run(&self.experiment_id, self.start_time, &self.run_id)
    }
}

impl Object for Run {
    const KIND: Kind = Kind::Runs;

    fn sort_key(&self) -> SortKey {
        self.info.sort_key()
    }

    fn id(&self) -> String {
        self.info.run_id.clone()
    }
}

impl Object for Dataset {
    const KIND: Kind = Kind::Datasets;

    fn sort_key(&self) -> SortKey {
        order::experiment(&self.experiment_id)
            .text(&self.name)
            .text(&self.digest)
    }

    fn id(&self) -> String {
        format!("{}/{}/{}", self.experiment_id, self.name, self.digest)
    }
}

impl Object for LoggedModel {
    const KIND: Kind = Kind::LoggedModels;

    fn sort_key(&self) -> SortKey {
        order::logged_model(&self.experiment_id, self.creation_timestamp_ms, &self.model_id)
    }

    fn id(&self) -> String {
        self.model_id.clone()
    }
}

impl Object for RegisteredModel {
    const KIND: Kind = Kind::RegisteredModels;

    fn sort_key(&self) -> SortKey {
        order::registered_model(self.workspace.as_deref(), &self.name)
    }

    fn id(&self) -> String {
        self.name.clone()
    }
}

impl Object for ModelVersion {
    const KIND: Kind = Kind::ModelVersions;

    fn sort_key(&self) -> SortKey {
        order::model_version(self.workspace.as_deref(), &self.name, self.version)
    }

    fn id(&self) -> String {
        format!("{}/{}", self.name, self.version)
    }
}

impl Object for Trace {
    const KIND: Kind = Kind::Traces;

    fn sort_key(&self) -> SortKey {
        order::trace(&self.experiment_id, self.request_time, &self.trace_id)
    }

    fn id(&self) -> String {
        self.trace_id.clone()
    }
}

impl Object for EvaluationDataset {
    const KIND: Kind = Kind::EvaluationDatasets;

    fn sort_key(&self) -> SortKey {
        SortKey::new().text(&self.dataset_id)
    }

    fn id(&self) -> String {
        self.dataset_id.clone()
    }
}

impl Object for DatasetRecord {
    const KIND: Kind = Kind::DatasetRecords;

    fn sort_key(&self) -> SortKey {
        SortKey::new()
            .text(&self.dataset_id)
            .text(&self.dataset_record_id)
    }

    fn id(&self) -> String {
        format!("{}/{}", self.dataset_id, self.dataset_record_id)
    }
}

impl Object for Scorer {
    const KIND: Kind = Kind::Scorers;

    fn sort_key(&self) -> SortKey {
        order::experiment(&self.experiment_id)
            .text(&self.name)
            .number(self.version)
    }

    fn id(&self) -> String {
        format!("{}/{}/{}", self.experiment_id, self.name, self.version)
    }
}
