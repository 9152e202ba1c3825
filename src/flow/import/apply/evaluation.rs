//! Evaluation datasets with their records, and scorers.

use super::Apply;
use super::refusal::Whole;
use crate::archive::walk::JoinedObjects;
use crate::client::ClientError;
use crate::flow::import::Result;
use crate::flow::import::part::PartKind;
use crate::flow::import::plan::Action;
use crate::flow::import::plan::limits::Texts;
use crate::flow::import::report::Done;
use crate::flow::import::run_chunks::short_digest;
use crate::format::{Kind, Object, Reason, line};
use crate::lang::rest::api::TargetId;
use crate::lang::rest::mark;
use crate::lang::rest::routes::ADD_RECORDS;
use crate::lang::rest::version::Feature;
use crate::model::{DatasetRecord, EvaluationDataset, Scorer, plain_json};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

const KIND: Kind = Kind::EvaluationDatasets;

/// A record on its way out.
struct Record {
    id: String,
    text: String,
}

impl Apply<'_> {
    /// Makes the evaluation datasets, one after the other.
    pub(super) fn evaluation_datasets(&self) -> Result<()> {
        if !self.target.has(Feature::EvaluationDatasets) || self.archive.manifest().count(KIND) == 0 {
            return Ok(());
        }
        self.begin("evaluation datasets", KIND);
        let mut datasets = JoinedObjects::new(self.archive, &[Kind::DatasetRecords])?;
        while let Some(dataset) = datasets.next()? {
            if self.plan.chosen.dataset(&dataset) {
                self.attempt(KIND, &dataset.dataset_id, || {
                    self.evaluation_dataset(&dataset, &mut datasets)
                });
            }
            self.monitor.advance(1);
            if self.is_stopped() {
                break;
            }
        }
        self.end_of_phase()
    }

    fn evaluation_dataset(
        &self,
        dataset: &EvaluationDataset,
        datasets: &mut JoinedObjects<'_, EvaluationDataset>,
    ) -> Result<()> {
        let id = &dataset.dataset_id;
        let known = self.ledger.get(KIND, id);
        let whole = Whole::new(KIND, id);
        let (new_id, done) = match &known {
            Some(known) => {
                if known.state.done == 0 {
                    self.add_dataset_tags(whole, dataset, &known.id)?;
                }
                (known.id.clone(), Done::Completed)
            }
            None => (self.create_evaluation_dataset(dataset)?, Done::Created),
        };
        let mut hasher = Sha256::new_with_prefix(line::to_value(dataset).to_string());
        let mut call = Vec::new();
        let mut size_bytes = 0;
        // A server that has seen an output that is no object takes no more that are.
        let mut last = Vec::new();
        let is_old = known.as_ref().is_some_and(|known| known.state.done != 0);
        // A dataset that was whole is only hashed first: equal records need no call.
        let mut held = Vec::new();
        while let Some(record) = datasets.child()? {
            hasher.update(line::to_value(&record).to_string());
            if is_old {
                held.push(record);
                continue;
            }
            if has_plain_output(&record) {
                last.push(record)
            } else {
                self.add_record(whole, &new_id, &record, &mut call, &mut size_bytes)?
            }
        }
        let digest = short_digest(hasher);
        let Some(only) = self.take_up(KIND, id, digest) else {
            return Ok(());
        };
        let whole = Whole::of(KIND, id, only.as_deref());
        if only.is_some() {
            self.add_dataset_tags(whole, dataset, &new_id)?;
        }
        held.sort_by_key(has_plain_output);
        for record in held.iter().chain(&last) {
            self.add_record(whole, &new_id, record, &mut call, &mut size_bytes)?;
        }
        self.add_records(whole, &new_id, &call)?;
        self.count(done, KIND);
        self.done(KIND, id, digest)
    }

    fn add_record(
        &self,
        whole: Whole<'_>,
        new_id: &TargetId,
        record: &DatasetRecord,
        call: &mut Vec<Record>,
        size_bytes: &mut usize,
    ) -> Result<()> {
        let parts = [
            ("inputs", &record.inputs),
            ("outputs", &record.outputs),
            ("expectations", &record.expectations),
            ("tags", &record.tags),
            ("source", &record.source),
        ];
        let parts = parts.into_iter();
        let value = parts.filter_map(|(field, part)| Some((field.to_owned(), part.clone()?)));
        let value = plain_json::text(&value.collect());
        let added = value.len();
        let is_full = call.len() >= ADD_RECORDS.most || *size_bytes + added > ADD_RECORDS.bytes;
        if !call.is_empty() && is_full {
            self.add_records(whole, new_id, call)?;
            call.clear();
            *size_bytes = 0;
        }
        *size_bytes += added;
        call.push(Record {
            id: record.dataset_record_id.clone(),
            text: value,
        });
        Ok(())
    }

    fn add_records(&self, whole: Whole<'_>, new_id: &TargetId, call: &[Record]) -> Result<()> {
        let name = |record: &Record| format!("record {}", record.id);
        let send = |call: &[Record]| {
            let texts: Vec<_> = call.iter().map(|record| record.text.as_str()).collect();
            self.api.add_records(new_id, &texts)
        };
        self.in_parts(whole, call, &name, &send)
    }

    /// Tags with the mark, and with the creator, whom servers take from one.
    fn dataset_tags(&self, dataset: &EvaluationDataset) -> Texts {
        let id = &dataset.dataset_id;
        let limit = self.fitting.limits.model_tag;
        let (mut tags, _) = self.fitting.other(KIND, id, PartKind::Tag, &dataset.tags, limit);
        tags.push(self.fitting.mark(KIND, id));
        let has_user = tags.iter().any(|(key, _)| key == "mlflow.user");
        if let Some(user) = dataset.created_by.as_ref().filter(|_| !has_user) {
            tags.push(("mlflow.user".to_owned(), user.clone()));
        }
        tags
    }

    /// Adds the tags that a dataset lacks which is not whole.
    fn add_dataset_tags(
        &self,
        whole: Whole<'_>,
        dataset: &EvaluationDataset,
        new_id: &TargetId,
    ) -> Result<()> {
        if !whole.wants_any(PartKind::Tag) {
            return Ok(());
        }
        let found = self.api.datasets(&dataset.name)?;
        let Some(found) = found.into_iter().find(|found| found.id == *new_id) else {
            return Ok(());
        };
        let mut tags = self.dataset_tags(dataset);
        tags.retain(|(key, _)| !found.tags.contains_key(key));
        let send = |tags: &[_]| self.api.set_dataset_tags(new_id, tags);
        let name = |(key, _): &(String, String)| PartKind::Tag.of(key);
        self.in_parts(whole, &tags, &name, &send)
    }

    fn create_evaluation_dataset(&self, dataset: &EvaluationDataset) -> Result<TargetId> {
        let id = &dataset.dataset_id;
        let tags = self.dataset_tags(dataset);
        let mark = self.fitting.mark(KIND, id);
        let experiments: Vec<_> = dataset
            .experiment_ids
            .iter()
            .filter_map(|experiment| self.ledger.id(Kind::Experiments, experiment))
            .collect();
        self.ledger.intend(KIND, &[id])?;
        let find = || -> Result<Option<TargetId>, ClientError> {
            let found = self.api.datasets(&dataset.name)?;
            let ours = found
                .into_iter()
                .find(|found| found.tags.get(mark::KEY) == Some(&mark.1));
            Ok(ours.map(|found| found.id))
        };
        let create = || self.api.create_dataset(&dataset.name, &experiments, &tags);
        // Without a journal only the mark knows.
        let whole = Whole::new(KIND, id);
        let made = self.create_once(whole, self.is_continued(), find, create);
        let bare = [mark.clone()];
        let bare = || self.api.create_dataset(&dataset.name, &experiments, &bare);
        let (new_id, is_fresh) = self.or_bare(whole, made, bare)?;
        self.ledger.made(KIND, id, &new_id, is_fresh)?;
        if self.is_bare(KIND, id) {
            self.add_dataset_tags(whole, dataset, &new_id)?;
        }
        Ok(new_id)
    }

    /// Whether an earlier import of this origin may have been here.
    fn is_continued(&self) -> bool {
        let experiments = &self.plan.experiments;
        experiments.iter().any(|planned| planned.action != Action::Create)
    }

    /// Adds the versions of scorers that are not there, in the order of their numbers.
    pub(super) fn scorers(&self) -> Result<()> {
        if !self.target.has(Feature::EvaluationDatasets) || self.archive.manifest().count(Kind::Scorers) == 0
        {
            return Ok(());
        }
        for scorer in self.archive.objects::<Scorer>() {
            let scorer: Scorer = scorer?;
            let id = Object::id(&scorer);
            let chosen = &self.plan.chosen;
            if !chosen.in_experiment(Kind::Scorers, &scorer.experiment_id) {
                continue;
            }
            if self.ledger.get(Kind::Scorers, &id).is_some() {
                self.reused(Kind::Scorers, &id);
                continue;
            }
            self.attempt(Kind::Scorers, &id, || self.scorer(&scorer, &id));
            if self.is_stopped() {
                break;
            }
        }
        self.end_of_phase()
    }

    fn scorer(&self, scorer: &Scorer, id: &str) -> Result<()> {
        let experiment_id = self.need(Kind::Experiments, &scorer.experiment_id)?;
        let Some(text) = &scorer.serialized_scorer else {
            self.left_out(Kind::Scorers, id, "*", Reason::NoValue);
            return self.done(Kind::Scorers, id, 1);
        };
        self.ledger.intend(Kind::Scorers, &[id])?;
        let there = self.api.scorer_versions(&experiment_id, &scorer.name)?;
        let at = usize::try_from(scorer.version.saturating_sub(1)).unwrap_or(usize::MAX);
        match there.get(at) {
            Some(found) if same_json(found, text) => {}
            Some(_) => {
                self.kept(Kind::Scorers, id, "serialized_scorer", Reason::DiffersInTarget);
                return self.done(Kind::Scorers, id, 1);
            }
            None => {
                let registered = self.api.register_scorer(&experiment_id, &scorer.name, text);
                self.answered(Whole::new(Kind::Scorers, id), registered)?;
                if there.len() != at {
                    self.kept(Kind::Scorers, id, "version", Reason::VersionNumber);
                }
                self.count(Done::Created, Kind::Scorers);
            }
        }
        self.ledger.made(Kind::Scorers, id, &TargetId::new(id), true)?;
        self.done(Kind::Scorers, id, 1)
    }
}

fn has_plain_output(record: &DatasetRecord) -> bool {
    let outputs = record.outputs.as_ref();
    outputs.is_some_and(|outputs| !outputs.is_object())
}

fn same_json(a: &str, b: &str) -> bool {
    let parse = |text: &str| serde_json::from_str::<Value>(text).ok();
    a == b || (parse(a).is_some() && parse(a) == parse(b))
}
