//! Evaluation datasets with their records, and scorers (MLflow 3.4 and later).

mod scorers;

use super::exporter::Exporter;
use super::fields::{Fields, as_int};
use super::server::{Server, told};
use crate::archive::parallel::map_ordered;
use crate::client::{ClientError, Page};
use crate::format::{Kind, Reason, order};
use crate::lang::rest::paging::Pages;
use crate::lang::rest::resume::Key;
use crate::lang::rest::routes;
use crate::lang::session::ExportError;
use crate::model::field::FieldTable as _;
use crate::model::free_json::escape_key;
use crate::model::pyjson::PyJson;
use crate::model::{DatasetRecord, EvaluationDataset, Text, TextMap};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashSet;

impl Exporter<'_, '_> {
    /// Writes evaluation datasets.
    pub(super) fn evaluation_datasets(&mut self) -> Result<(), ExportError> {
        let found = {
            let server = &self.server;
            server.optional(routes::SEARCH_DATASETS, |_| search_datasets(server, None).all())
        };
        let rows = match found {
            Ok(None) => return Ok(()),
            // Readers may ask only for those of experiments that they may read.
            Err(error) if error.is_denied() => self.datasets_by_experiment()?,
            Ok(Some(found)) => self.listed(Kind::EvaluationDatasets, Ok(found))?,
            Err(error) => self.listed(Kind::EvaluationDatasets, Err(error))?,
        };
        for row in rows {
            let mut dataset = self.dataset(row);
            let key = Key::new("evaluation-dataset", &dataset.dataset_id, &dataset);
            let kept = self.server.kept.clone();
            match kept.answer(&key, "experiments", || self.experiments_of(&dataset.dataset_id)) {
                Ok(ids) => dataset.experiment_ids = ids,
                Err(error) => {
                    let (kind, detail) = (Kind::EvaluationDatasets.name(), told(&error));
                    self.export.failure(
                        kind,
                        &dataset.dataset_id,
                        "experiment_ids",
                        Reason::Unreadable,
                        &detail,
                    )?;
                }
            }
            self.write_dataset(&dataset, &key)?;
        }
        Ok(())
    }

    /// Datasets asked for experiment by experiment, each once; those that belong to no experiment stay unseen.
    fn datasets_by_experiment(&mut self) -> Result<Vec<Value>, ExportError> {
        let kind = Kind::EvaluationDatasets;
        self.limit(kind, "*", Reason::AskedByExperiment, 1);
        let (server, pool) = (self.server.clone(), self.pool.clone());
        let ids: Vec<String> = self.experiments.keys().cloned().collect();
        let work = move |id: String| (search_datasets(&server, Some(&id)).all(), id);
        let (mut rows, mut seen) = (Vec::new(), HashSet::new());
        map_ordered(&pool, pool.threads() * 2, ids, work, |(found, id)| {
            match found {
                Ok((found, is_unstable)) => {
                    let is_new = |row: &Value| seen.insert(row["dataset_id"].to_string());
                    rows.extend(found.into_iter().filter(is_new));
                    if is_unstable {
                        let detail = format!("datasets of experiment {id} came and went");
                        self.fail(kind, &id, Reason::UnstableListing, &detail)?;
                    }
                }
                Err(error) if error.is_denied() => self.limit(kind, "*", Reason::NotReadable, 1),
                Err(error) => self.fail(kind, &id, Reason::Unreadable, &told(&error))?,
            }
            Ok::<_, ExportError>(())
        })?;
        Ok(rows)
    }

    fn write_dataset(&mut self, dataset: &EvaluationDataset, key: &Key) -> Result<(), ExportError> {
        let is_taken = self
            .closure
            .borrow()
            .takes_of_experiments(&dataset.experiment_ids);
        if !is_taken {
            self.export
                .left_out(Kind::EvaluationDatasets, Reason::NotSelected, 1);
            return Ok(());
        }
        self.export.write(dataset)?;
        if !self.export.looks_at(&[Kind::DatasetRecords]) {
            return Ok(());
        }
        let call = routes::RECORDS.of(&dataset.dataset_id);
        let mut walk = call.walk();
        for page in 0.. {
            let records = self.server.kept.answer(key, &format!("records:{page}"), || {
                let token = walk.token().map(str::to_owned);
                let client = &self.server.client;
                let answer = walk.ask(|rows| call.page(client, &json!({}), token.as_deref(), rows).parse());
                record_page(answer.map_err(|error| told(&error))?, &dataset.dataset_id)
            });
            let advanced = records.and_then(|(records, next)| {
                let count = records.len();
                let advanced = walk.advance(next, count).map_err(|error| told(&error));
                Ok((records, advanced?))
            });
            let (records, is_more) = match advanced {
                Ok(advanced) => advanced,
                Err(detail) => {
                    let kind = Kind::DatasetRecords;
                    return self.fail(kind, &dataset.dataset_id, Reason::Unreadable, &detail);
                }
            };
            records.iter().try_for_each(|record| self.export.write(record))?;
            if !is_more {
                break;
            }
        }
        Ok(())
    }

    fn experiments_of(&self, dataset_id: &str) -> Result<Vec<String>, ClientError> {
        /// An id that is no text makes the answer none of MLflow's.
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default)]
            experiment_ids: Vec<String>,
        }
        let Answer {
            experiment_ids: mut ids,
        } = routes::EXPERIMENTS_OF_DATASET
            .of(dataset_id)
            .on(&self.server.client)
            .parse()?;
        ids.sort_by_cached_key(|id| order::experiment(id));
        Ok(ids)
    }

    fn dataset(&self, value: Value) -> EvaluationDataset {
        let mut fields = Fields::of(value);
        fields.ignore(&["experiment_ids"]);
        // They stand as a text, which is no map of texts yet.
        let tags = fields.take("tags");
        let dataset = EvaluationDataset::pick(&mut fields);
        tags.into_iter().for_each(|tags| fields.put("tags", tags));
        let tags = fields.parsed(&["tags"], "tags", parse_tags);
        EvaluationDataset {
            tags: tags.unwrap_or_default(),
            workspace: dataset.workspace.or_else(|| self.workspace.clone()),
            extra: fields.finish(),
            ..dataset
        }
    }
}

fn search_datasets(server: &Server, experiment: Option<&str>) -> Pages<'static> {
    let experiments = experiment.map(|id| [id]);
    let asked = json!({"order_by": ["created_time ASC"], "experiment_ids": experiments});
    Pages::of(&server.client, routes::SEARCH_DATASETS, asked, None)
}

/// Tags stand as the text of a JSON object.
fn parse_tags(tags: &Value) -> Option<TextMap> {
    let text = tags.as_str()?;
    let entries = match PyJson::parse(text.as_bytes()) {
        Ok(PyJson::Dict(entries)) => entries,
        // What has no tags says so with an empty text.
        _ => return text.is_empty().then(TextMap::new),
    };
    let text_of = |value: PyJson| match value {
        PyJson::Str(text) => Text::Utf8(text),
        other => Text::Utf8(other.to_free_json().to_string()),
    };
    let tags = entries.into_iter().map(|(key, value)| (key, text_of(value)));
    Some(tags.collect())
}

type RecordPage = (Vec<DatasetRecord>, Option<String>);

fn record_page(answer: Value, dataset_id: &str) -> Result<RecordPage, String> {
    let text = match &answer["records"] {
        Value::Null => "[]",
        Value::String(text) => text,
        _ => return Err(format!("records of `{dataset_id}` are not text")),
    };
    let records =
        PyJson::parse(text.as_bytes()).map_err(|error| format!("records of `{dataset_id}`: {error}"))?;
    let PyJson::List(records) = records else {
        return Err(format!("records of `{dataset_id}` are not a list"));
    };
    let next = Page::next_of(&answer).map_err(|error| told(&error))?;
    let records = records.into_iter().map(|found| record(found, dataset_id));
    Ok((records.collect(), next))
}

fn record(found: PyJson, dataset_id: &str) -> DatasetRecord {
    let mut record = DatasetRecord {
        dataset_id: dataset_id.to_owned(),
        ..DatasetRecord::default()
    };
    let PyJson::Dict(entries) = found else {
        return record;
    };
    for (key, value) in entries {
        if value.is_null() {
            continue;
        }
        let value = value.to_free_json();
        let text = value.as_str().map(str::to_owned);
        match (key.as_str(), text, as_int(&value)) {
            ("dataset_record_id", Some(id), _) => record.dataset_record_id = id,
            ("inputs", ..) => record.inputs = Some(value),
            ("outputs", ..) => record.outputs = Some(value),
            ("expectations", ..) => record.expectations = Some(value),
            ("tags", ..) => record.tags = Some(value),
            ("source", ..) => record.source = Some(value),
            ("created_time", _, Some(time)) => record.created_time = Some(time),
            ("last_update_time", _, Some(time)) => record.last_update_time = Some(time),
            ("created_by", Some(user), _) => record.created_by = Some(user),
            ("last_updated_by", Some(user), _) => record.last_updated_by = Some(user),
            // Parts of `source`, and the owner.
            ("source_id" | "source_type" | "dataset_id", ..) => {}
            _ => {
                record.extra.insert(escape_key(&key), value);
            }
        }
    }
    record
}
