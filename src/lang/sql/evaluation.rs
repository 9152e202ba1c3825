//! Datasets that runs read, evaluation datasets with their records, and scorers.

use super::columns::{
    DATASET_EXPERIMENTS, DATASETS, EVALUATION_DATASET_TAGS, EVALUATION_DATASETS, RECORDS, SCORER_VERSIONS,
    SCORERS,
};
use super::exporter::{Exporter, Result};
use super::fields::{Fields, pick};
use super::tables::Tables;
use crate::format::{Kind, Reason, order};
use crate::model::{Dataset, DatasetRecord, EvaluationDataset, Scorer};
use crate::select::Verdict;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// Key under which MLflow wraps outputs, so that any JSON value can stand in the column.
pub(super) const WRAPPED: &str = "mlflow_wrapped";

/// Outputs as they are, where they are wrapped.
fn unwrapped(stored: Value) -> Option<Value> {
    match stored {
        Value::Object(mut map) if map.len() == 1 && map.contains_key(WRAPPED) => map.remove(WRAPPED),
        other => Some(other),
    }
}

fn record(row: &Fields<'_>) -> DatasetRecord {
    let record: DatasetRecord = pick(row);
    DatasetRecord {
        outputs: record.outputs.and_then(unwrapped),
        ..record
    }
}

fn evaluation_datasets(tables: &Tables) -> Result<BTreeMap<String, EvaluationDataset>> {
    let mut datasets = BTreeMap::new();
    tables.scan(EVALUATION_DATASETS, |row| {
        let dataset: EvaluationDataset = pick(row);
        datasets.insert(dataset.dataset_id.clone(), dataset);
        Ok(())
    })?;
    tables.scan(EVALUATION_DATASET_TAGS, |row| {
        if let Some(dataset) = datasets.get_mut(&row.required_text(0))
            && let Some(value) = row.value(2)
        {
            dataset.tags.insert(row.required_text(1), value);
        }
        Ok(())
    })?;
    let condition = "WHERE source_type = 'evaluation_dataset' AND destination_type = 'experiment'";
    tables.scan_where(DATASET_EXPERIMENTS, condition, &[], |row| {
        if let Some(dataset) = datasets.get_mut(&row.required_text(0)) {
            dataset.experiment_ids.push(row.required_text(1));
        }
        Ok(())
    })?;
    for dataset in datasets.values_mut() {
        dataset
            .experiment_ids
            .sort_by_cached_key(|id| order::experiment(id));
    }
    Ok(datasets)
}

impl Exporter<'_> {
    /// Writes the datasets of experiments that are taken whole, and those that chosen runs read.
    pub(super) fn datasets(&mut self) -> Result<()> {
        self.export.writer.sort_at_end(Kind::Datasets);
        self.tables.scan(DATASETS, |row| {
            let place = row.bytes(1).unwrap_or_default();
            let place = String::from_utf8_lossy(&place);
            if self.closure.is_all_elsewhere(&place) {
                return Ok(());
            }
            let is_led_elsewhere = self.closure.is_led_elsewhere(&place);
            let odd = is_led_elsewhere.then(|| self.tables.oddities.take());
            self.export.count_elsewhere(is_led_elsewhere);
            let dataset: Dataset = pick(row);
            let id = &dataset.experiment_id;
            let is_used = self.used_datasets.contains(&row.required_text(0));
            let is_taken = is_used || self.closure.takes_whole(id);
            match self.closure.with_experiment(id, is_taken) {
                Verdict::LeftOut(reason) => self.export.left_out(Kind::Datasets, reason, 1),
                Verdict::Kept => self.export.write(&dataset)?,
            }
            self.export.count_elsewhere(false);
            odd.into_iter().for_each(|odd| self.tables.oddities.put(odd));
            Ok(())
        })
    }

    /// Writes the evaluation datasets with their records.
    pub(super) fn evaluation_datasets(&mut self) -> Result<()> {
        let mut datasets = evaluation_datasets(&self.tables)?;
        let all = datasets.len();
        datasets.retain(|_, dataset| self.closure.takes_of_experiments(&dataset.experiment_ids));
        let left_out = (all - datasets.len()) as u64;
        self.export
            .left_out(Kind::EvaluationDatasets, Reason::NotSelected, left_out);
        for dataset in datasets.values() {
            self.export.write(dataset)?;
        }
        self.export.writer.sort_at_end(Kind::DatasetRecords);
        self.tables.scan(RECORDS, |row| {
            let record = record(row);
            if datasets.contains_key(&record.dataset_id) {
                self.export.write(&record)?;
            } else {
                self.export.left_out(Kind::DatasetRecords, Reason::NotSelected, 1);
            }
            Ok(())
        })
    }

    /// Writes the scorers, one line a version.
    pub(super) fn scorers(&mut self) -> Result<()> {
        let mut scorers = HashMap::new();
        self.tables.scan(SCORERS, |row| {
            scorers.insert(row.required_text(0), (row.required_text(1), row.required_text(2)));
            Ok(())
        })?;
        self.export.writer.sort_at_end(Kind::Scorers);
        let mut orphans = 0;
        self.tables.scan(SCORER_VERSIONS, |row| {
            let scorer_id = row.required_text(0);
            let Some((experiment_id, name)) = scorers.get(&scorer_id) else {
                orphans += u64::from(!self.closure.is_rest_elsewhere());
                return Ok(());
            };
            if self.closure.is_led_elsewhere(experiment_id) {
                return Ok(());
            }
            if let Verdict::LeftOut(reason) = self.closure.of_experiment(experiment_id) {
                self.export.left_out(Kind::Scorers, reason, 1);
                return Ok(());
            }
            self.export.write(&Scorer {
                experiment_id: experiment_id.clone(),
                name: name.clone(),
                version: row.unsigned(1),
                scorer_id: Some(scorer_id),
                serialized_scorer: row.text(2),
                creation_time: row.int(3),
                ..Scorer::default()
            })
        })?;
        self.export.limit(Kind::Scorers, "*", Reason::Orphan, orphans);
        Ok(())
    }
}
