//! Datasets that runs read, evaluation datasets with their records, and scorers.

use super::rows::Target;
use super::runs::{dataset_uuid, made_id};
use super::{Result, Subject, Unique, Writer};
use crate::archive::walk::JoinedObjects;
use crate::format::{Kind, Reason};
use crate::lang::sql::database::Cell;
use crate::lang::sql::evaluation::WRAPPED;
use crate::model::pyjson::PyJson;
use crate::model::{Dataset, DatasetRecord, Digest, EvaluationDataset, Scorer};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// JSON as MLflow's columns have it.
fn json_text(value: &Value) -> String {
    PyJson::from_free_json(value).to_dumps_text()
}

impl Writer<'_> {
    pub(super) fn datasets(&mut self) -> Result<()> {
        self.begin(Kind::Datasets);
        for dataset in self.archive.objects::<Dataset>() {
            self.dataset(&dataset?)?;
            self.monitor.advance(1);
        }
        Ok(())
    }

    fn dataset(&mut self, dataset: &Dataset) -> Result<()> {
        let Dataset {
            experiment_id,
            name,
            digest,
            ..
        } = dataset;
        let id = format!("{experiment_id}/{name}/{digest}");
        let subject = Subject::of(Kind::Datasets, &id);
        let Some(experiment) = self.rules.experiment(experiment_id).map(|known| known.id) else {
            self.lose(subject, "*", Reason::ExperimentNotInArchive);
            return Ok(());
        };
        let uuid = dataset_uuid(experiment_id, name, digest);
        self.lose_extra(subject, &dataset.extra, "");
        self.outcome.count(Kind::Datasets);
        let row = [
            Cell::from(&uuid),
            experiment.into(),
            name.into(),
            digest.into(),
            self.required_text(subject, "source_type", dataset.source_type.as_deref())
                .into(),
            self.required_text(subject, "source", dataset.source.as_deref())
                .into(),
            dataset.schema.as_deref().into(),
            dataset.profile.as_deref().into(),
        ];
        self.rows.insert(Target::Datasets, &row)?;
        self.datasets.insert(uuid);
        Ok(())
    }

    pub(super) fn evaluation_datasets(&mut self) -> Result<()> {
        self.begin(Kind::EvaluationDatasets);
        self.unique = Unique::default();
        let mut datasets = JoinedObjects::<EvaluationDataset>::new(self.archive, &[Kind::DatasetRecords])?;
        while let Some(dataset) = datasets.next()? {
            self.evaluation_dataset(&dataset)?;
            let mut hashes = BTreeMap::new();
            while let Some(record) = datasets.child::<DatasetRecord>()? {
                self.record(&record, &mut hashes)?;
            }
            self.monitor.advance(1);
        }
        Ok(())
    }

    fn evaluation_dataset(&mut self, dataset: &EvaluationDataset) -> Result<()> {
        let kind = Kind::EvaluationDatasets;
        let subject = Subject::of(kind, &dataset.dataset_id);
        let workspace = self.workspace_of(kind, dataset.workspace.as_deref());
        self.lose_extra(subject, &dataset.extra, "");
        self.outcome.count(kind);
        let row = [
            Cell::from(&dataset.dataset_id),
            workspace.as_deref().into(),
            Cell::from(&dataset.name),
            dataset.digest.as_deref().into(),
            dataset.schema.as_deref().into(),
            dataset.profile.as_deref().into(),
            dataset.created_time.into(),
            dataset.last_update_time.into(),
            dataset.created_by.as_deref().into(),
            dataset.last_updated_by.as_deref().into(),
        ];
        self.rows.insert(Target::EvaluationDatasets, &row)?;
        self.tags(subject, &dataset.tags, &mut |writer, key, value| {
            let row = [Cell::from(subject.id), key.into(), value.into()];
            writer.rows.insert(Target::EvaluationDatasetTags, &row)
        })?;
        for experiment in &dataset.experiment_ids {
            let id = self
                .rules
                .experiment(experiment)
                .map(|known| known.id.to_string());
            let id = id.as_ref().unwrap_or(experiment);
            let link = ["evaluation_dataset", subject.id, "experiment", id];
            self.associate(link, dataset.created_time)?;
        }
        Ok(())
    }

    /// Writes that one object belongs with another.
    pub(super) fn associate(&mut self, link: [&str; 4], time: Option<i64>) -> Result<()> {
        let id = made_id(&link);
        let [a, b, c, d] = link.map(Cell::from);
        let row = [Cell::from(&id), a, b, c, d, time.into()];
        self.rows.insert(Target::Associations, &row)
    }

    fn record(&mut self, record: &DatasetRecord, hashes: &mut BTreeMap<[u8; 32], u64>) -> Result<()> {
        let id = format!("{}/{}", record.dataset_id, record.dataset_record_id);
        let subject = Subject::of(Kind::DatasetRecords, &id);
        if !self.unique.claim(&record.dataset_record_id) {
            self.lose(subject, "*", Reason::Duplicate);
            return Ok(());
        }
        self.lose_extra(subject, &record.extra, "");
        self.outcome.count(Kind::DatasetRecords);
        let text = |value: &Option<Value>| value.as_ref().map(json_text);
        let inputs = text(&record.inputs).unwrap_or_else(|| "null".to_owned());
        let outputs = record.outputs.as_ref().map(|outputs| {
            let outputs = PyJson::from_free_json(outputs);
            PyJson::Dict(vec![(WRAPPED.to_owned(), outputs)]).to_dumps_text()
        });
        let digest: [u8; 32] = Sha256::digest(&inputs).into();
        let twins = hashes.entry(digest).or_default();
        *twins += 1;
        let mut hash = Digest(digest).hex().as_str().to_owned();
        if *twins > 1 {
            // The table holds one record of the same inputs; another hash keeps the others too.
            hash = Digest(Sha256::digest(format!("{id}\0{inputs}")).into())
                .hex()
                .as_str()
                .to_owned();
        }
        let (expectations, tags, source) = (
            text(&record.expectations),
            text(&record.tags),
            text(&record.source),
        );
        let (source_id, source_type) = source_of(record.source.as_ref());
        let row = [
            Cell::from(&record.dataset_record_id),
            Cell::from(&record.dataset_id),
            Cell::from(&inputs),
            outputs.as_deref().into(),
            expectations.as_deref().into(),
            tags.as_deref().into(),
            source.as_deref().into(),
            record.created_time.into(),
            record.last_update_time.into(),
            record.created_by.as_deref().into(),
            record.last_updated_by.as_deref().into(),
            source_id.into(),
            source_type.into(),
            Cell::from(&hash),
        ];
        self.rows.insert(Target::DatasetRecords, &row)
    }

    pub(super) fn scorers(&mut self) -> Result<()> {
        self.begin(Kind::Scorers);
        let mut open: Option<(String, String, String)> = None;
        for scorer in self.archive.objects::<Scorer>() {
            let scorer = scorer?;
            let id = format!("{}/{}/{}", scorer.experiment_id, scorer.name, scorer.version);
            let subject = Subject::of(Kind::Scorers, &id);
            self.monitor.advance(1);
            let Some(experiment) = self.rules.experiment(&scorer.experiment_id).map(|known| known.id) else {
                self.lose(subject, "*", Reason::ExperimentNotInArchive);
                continue;
            };
            let is_open = open
                .as_ref()
                .is_some_and(|(of, name, _)| *of == scorer.experiment_id && *name == scorer.name);
            if !is_open {
                let made = || made_id(&["scorer", &scorer.experiment_id, &scorer.name]);
                let scorer_id = scorer.scorer_id.clone().unwrap_or_else(made);
                let row = [
                    Cell::from(&scorer_id),
                    experiment.into(),
                    Cell::from(&scorer.name),
                ];
                self.rows.insert(Target::Scorers, &row)?;
                open = Some((scorer.experiment_id.clone(), scorer.name.clone(), scorer_id));
            }
            let scorer_id = open.as_ref().map(|(_, _, id)| id.clone()).unwrap_or_default();
            if scorer.scorer_id.as_ref() != Some(&scorer_id) {
                self.lose(subject, "scorer_id", Reason::AbsentAsDefault);
            }
            self.lose_extra(subject, &scorer.extra, "");
            self.outcome.count(Kind::Scorers);
            let text = self.required_text(subject, "serialized_scorer", scorer.serialized_scorer.as_deref());
            let version = i64::try_from(scorer.version).unwrap_or(i64::MAX);
            let row = [
                Cell::from(&scorer_id),
                version.into(),
                text.into(),
                scorer.creation_time.into(),
            ];
            self.rows.insert(Target::ScorerVersions, &row)?;
        }
        Ok(())
    }
}

/// Id and type of the source of a record, as its columns repeat them.
fn source_of(source: Option<&Value>) -> (Option<&str>, Option<&str>) {
    let data = |key: &str| source?.get("source_data")?.get(key)?.as_str();
    let kind = source.and_then(|source| source.get("source_type")?.as_str());
    (data("trace_id").or_else(|| data("source_id")), kind)
}
