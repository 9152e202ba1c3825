//! Evaluation datasets with their records, from `evaluation_dataset.json`.

use super::fields::{Fields, WrongType};
use crate::format::order;
use crate::model::field::FieldTable as _;
use crate::model::pyjson::PyJson;
use crate::model::{DatasetRecord, EvaluationDataset};

/// The lines of an exported evaluation dataset.
pub(super) fn evaluation_dataset(
    exported: &PyJson,
) -> (EvaluationDataset, Vec<DatasetRecord>, Vec<WrongType>) {
    let mut fields = Fields::new(exported);
    let mut experiment_ids = fields.texts("experiment_ids");
    experiment_ids.sort_by_key(|id| order::experiment(id));
    experiment_ids.dedup();
    let mut dataset = EvaluationDataset {
        experiment_ids,
        created_time: fields.int("created_time").or_else(|| fields.int("create_time")),
        ..EvaluationDataset::pick(&mut fields)
    };
    let exported_records = fields.list("records");
    // Made up by the client: where the records are, which is in the dataset itself.
    fields.ignore(&["source", "source_type"]);
    let mut wrong = fields.finish(&mut dataset.extra);
    let mut records = Vec::new();
    for exported in exported_records {
        let (record, more_wrong) = record(exported, &dataset.dataset_id);
        records.push(record);
        wrong.extend(more_wrong);
    }
    (dataset, records, wrong)
}

fn record(exported: &PyJson, dataset_id: &str) -> (DatasetRecord, Vec<WrongType>) {
    let mut fields = Fields::new(exported);
    let dataset_id = fields.text("dataset_id").unwrap_or_else(|| dataset_id.to_owned());
    fields.ignore(&["dataset_id"]);
    let mut record = DatasetRecord {
        dataset_id,
        ..DatasetRecord::pick(&mut fields)
    };
    if record.source.is_some() {
        // Copies of what the source says.
        fields.ignore(&["source_type", "source_id"]);
    }
    let wrong = fields.finish(&mut record.extra);
    (record, wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn records_keep_free_json_and_experiments_are_in_order() {
        let text = r#"{"dataset_id": "d-1", "name": "n", "experiment_ids": ["10", "9"], "tags": {"a": "b"},
            "source_type": "mlflow", "records": [{"dataset_record_id": "dr-1", "dataset_id": "d-1", "inputs": {"$q": NaN},
            "source": {"source_type": "HUMAN", "source_data": {}}, "source_type": "HUMAN", "source_id": "x"}]}"#;
        let exported = PyJson::parse(text.as_bytes()).expect("the text parses");
        let (dataset, records, wrong) = evaluation_dataset(&exported);
        assert_eq!(
            (dataset.experiment_ids, wrong),
            (vec!["9".to_owned(), "10".to_owned()], vec![])
        );
        assert_eq!(records[0].inputs, Some(json!({"$$q": {"$float": "NaN"}})));
        assert!(dataset.extra.is_empty() && records[0].extra.is_empty());
    }
}
