//! Evaluation datasets with their records; only the newest layout has them.

use super::document::end;
use super::dump::{count, dict};
use super::scratch::Scratch;
use super::{Converter, Layout, Result};
use crate::archive::walk::JoinedObjects;
use crate::format::{Kind, Reason};
use crate::lang::exim::dict::Dict;
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
        dump.key("evaluation_dataset")?;
        dump.begin("{")?;
        dump.entries(&dataset_fields(dataset))?;
        dump.key("records")?;
        dump.begin("[")?;
        while let Some(record) = datasets.child()? {
            dump.item()?;
            dump.value(&record_dict(&record))?;
            self.wrote(RECORDS);
        }
        dump.end("]")?;
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
        dump.entry("total_datasets", &count(listed.count()))?;
        dump.entry("successful_exports", &count(listed.count()))?;
        dump.entry("failed_exports", &count(0))?;
        dump.list("datasets", listed)?;
        Ok(end(dump)?)
    }
}

fn dataset_fields(dataset: &EvaluationDataset) -> PyJson {
    let id = dataset.dataset_id.as_str();
    let source = dict([("dataset_id", id.into())]);
    let experiments = dataset.experiment_ids.iter().map(|id| id.as_str().into());
    let mut dict = Dict::default();
    dict.put("name", dataset.name.as_str());
    dict.put("digest", dataset.digest.as_deref());
    dict.put("source", source.to_dumps_text());
    dict.put("source_type", "mlflow_evaluation_dataset");
    dict.put("dataset_id", id);
    dict.put("tags", tags_dict(&dataset.tags));
    dict.put("schema", dataset.schema.as_deref());
    dict.put("profile", dataset.profile.as_deref());
    dict.put("created_time", dataset.created_time);
    dict.put("last_update_time", dataset.last_update_time);
    dict.put("created_by", dataset.created_by.as_deref());
    dict.put("last_updated_by", dataset.last_updated_by.as_deref());
    dict.put("experiment_ids", PyJson::List(experiments.collect()));
    dict.put_some("workspace", dataset.workspace.as_deref());
    dict.put_extra(&dataset.extra);
    dict.finish()
}

fn record_dict(record: &DatasetRecord) -> PyJson {
    let free = |value: &Option<Value>| value.as_ref().map(PyJson::from_free_json);
    let source = free(&record.source);
    let source_type = source
        .as_ref()
        .and_then(|source| source.get("source_type").cloned());
    let mut dict = Dict::default();
    dict.put("dataset_record_id", record.dataset_record_id.as_str());
    dict.put("dataset_id", record.dataset_id.as_str());
    dict.put_some("inputs", free(&record.inputs));
    dict.put_some("outputs", free(&record.outputs));
    dict.put_some("expectations", free(&record.expectations));
    dict.put_some("tags", free(&record.tags));
    dict.put_some("source", source);
    dict.put_some("source_type", source_type);
    dict.put_some("created_time", record.created_time);
    dict.put_some("last_update_time", record.last_update_time);
    dict.put_some("created_by", record.created_by.as_deref());
    dict.put_some("last_updated_by", record.last_updated_by.as_deref());
    dict.put_extra(&record.extra);
    dict.finish()
}
