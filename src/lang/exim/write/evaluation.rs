//! Evaluation datasets with their records; only the newest layout has them.

use super::document::end;
use super::dump::{count, dict};
use super::scratch::Scratch;
use super::{Converter, Layout, Result, fields};
use crate::archive::walk::JoinedObjects;
use crate::format::{Kind, Reason};
use crate::lang::exim::tags::canonical::tags_dict;
use crate::model::pyjson::PyJson;
use crate::model::{DatasetRecord, EvaluationDataset};
use serde_json::Value;

const KIND: Kind = Kind::EvaluationDatasets;
const RECORDS: Kind = Kind::DatasetRecords;

impl Converter<'_> {
    /// Writes the evaluation datasets, and the list of them.
    pub(super) fn evaluation_datasets(&mut self) -> Result<()> {
        let manifest = self.archive.manifest();
        if self.layout == Layout::Old {
            for kind in [KIND, RECORDS] {
                self.limit(kind, "*", Reason::NotInOldLayout, manifest.count(kind));
            }
            return Ok(());
        }
        let mut datasets = JoinedObjects::new(self.archive, &[RECORDS])?;
        let mut listed = Scratch::create(&self.scratch)?;
        while let Some(dataset) = datasets.next()? {
            if self.evaluation_dataset(&dataset, &mut datasets)? {
                listed.push(&dict([
                    ("name", PyJson::from(dataset.name.as_str())),
                    ("dataset_id", PyJson::from(dataset.dataset_id.as_str())),
                ]))?;
            }
        }
        self.evaluation_dataset_list(&mut listed)
    }

    /// Writes a dataset with its records; false where its name cannot be made.
    fn evaluation_dataset(
        &mut self,
        dataset: &EvaluationDataset,
        datasets: &mut JoinedObjects<'_, EvaluationDataset>,
    ) -> Result<bool> {
        let id = &dataset.dataset_id;
        let name = format!("{}_{id}", dataset.name);
        let parent = self.root.join("evaluation_datasets");
        let Some(folder) = self.folder(&parent, &name, KIND, id)? else {
            self.limit(KIND, "*", Reason::NotHeld, 1);
            while datasets.child::<DatasetRecord>()?.is_some() {
                self.limit(RECORDS, "*", Reason::NotHeld, 1);
            }
            return Ok(false);
        };
        self.count_not_utf8(KIND, "tags", &dataset.tags);
        let path = folder.join("evaluation_dataset.json");
        let mut dump = self.begin(&path, "export_evaluation_dataset.py", None)?;
        dump.begin("{")?;
        dump.key("evaluation_dataset")?;
        dump.begin("{")?;
        for (key, value) in dataset_fields(dataset) {
            dump.entry(&key, &value)?;
        }
        dump.key("records")?;
        dump.begin("[")?;
        while let Some(record) = datasets.child()? {
            dump.item()?;
            dump.value(&record_dict(&record))?;
            self.wrote(RECORDS);
        }
        dump.end("]")?;
        dump.end("}")?;
        dump.end("}")?;
        end(dump)?;
        self.wrote(KIND);
        Ok(true)
    }

    fn evaluation_dataset_list(&mut self, listed: &mut Scratch) -> Result<()> {
        if listed.count() == 0 {
            return Ok(());
        }
        let path = self
            .root
            .join("evaluation_datasets/evaluation_datasets_summary.json");
        let mut dump = self.begin(&path, "export_evaluation_datasets.py", None)?;
        dump.begin("{")?;
        dump.entry("total_datasets", &count(listed.count()))?;
        dump.entry("successful_exports", &count(listed.count()))?;
        dump.entry("failed_exports", &count(0))?;
        dump.list("datasets", listed)?;
        dump.end("}")?;
        Ok(end(dump)?)
    }
}

fn dataset_fields(dataset: &EvaluationDataset) -> Vec<(String, PyJson)> {
    let text = |text: &Option<String>| PyJson::from(text.as_deref());
    let id = PyJson::from(dataset.dataset_id.as_str());
    let experiments = dataset.experiment_ids.iter();
    let fields = [
        ("name", PyJson::from(dataset.name.as_str())),
        ("digest", text(&dataset.digest)),
        (
            "source",
            PyJson::from(dict([("dataset_id", id.clone())]).to_dumps_text()),
        ),
        ("source_type", PyJson::from("mlflow_evaluation_dataset")),
        ("dataset_id", id),
        ("tags", tags_dict(&dataset.tags)),
        ("schema", text(&dataset.schema)),
        ("profile", text(&dataset.profile)),
        ("created_time", PyJson::from(dataset.created_time)),
        ("last_update_time", PyJson::from(dataset.last_update_time)),
        ("created_by", text(&dataset.created_by)),
        ("last_updated_by", text(&dataset.last_updated_by)),
        (
            "experiment_ids",
            PyJson::List(experiments.map(|id| PyJson::from(id.as_str())).collect()),
        ),
    ];
    let mut fields: Vec<_> = fields.map(|(key, value)| (key.to_owned(), value)).into();
    if let Some(workspace) = &dataset.workspace {
        fields.push(("workspace".to_owned(), PyJson::from(workspace.as_str())));
    }
    fields.extend(fields::extra(&dataset.extra));
    fields
}

fn record_dict(record: &DatasetRecord) -> PyJson {
    let free = |value: &Option<Value>| value.as_ref().map_or(PyJson::Null, PyJson::from_free_json);
    let text = |text: &Option<String>| PyJson::from(text.as_deref());
    let source = free(&record.source);
    let source_type = source.get("source_type").cloned().unwrap_or(PyJson::Null);
    let fields = [
        (
            "dataset_record_id",
            PyJson::from(record.dataset_record_id.as_str()),
        ),
        ("dataset_id", PyJson::from(record.dataset_id.as_str())),
        ("inputs", free(&record.inputs)),
        ("outputs", free(&record.outputs)),
        ("expectations", free(&record.expectations)),
        ("tags", free(&record.tags)),
        ("source", source),
        ("source_type", source_type),
        ("created_time", PyJson::from(record.created_time)),
        ("last_update_time", PyJson::from(record.last_update_time)),
        ("created_by", text(&record.created_by)),
        ("last_updated_by", text(&record.last_updated_by)),
    ];
    let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
    let mut entries: Vec<_> = fields.map(|(key, value)| (key.to_owned(), value)).collect();
    entries.extend(fields::extra(&record.extra));
    PyJson::Dict(entries)
}
