//! What belongs to runs, read for a batch of them: params, tags, latest metrics, inputs and outputs.

use super::exporter::Result;
use super::metrics::value_of;
use super::tables::{Table, Tables};
use crate::model::{DatasetInput, LatestMetric, ModelInput, ModelOutput, Run, Text, TextMap};
use std::collections::HashMap;

const PARAMS: Table = Table {
    kind: "runs",
    name: "params",
    columns: &["run_uuid", "key", "value", "long value"],
};

const TAGS: Table = Table {
    kind: "runs",
    name: "tags",
    columns: &["run_uuid", "key", "value", "long value"],
};

const LATEST: Table = Table {
    kind: "runs",
    name: "latest_metrics",
    columns: &["run_uuid", "key", "value", "timestamp", "step", "is_nan"],
};

/// Links from datasets to runs, the dataset joined.
pub(super) const INPUTS: Table = Table {
    kind: "runs",
    name: "inputs",
    columns: &["destination_id", "source_id", "input_uuid", "name", "digest"],
};

const INPUT_TAGS: Table = Table {
    kind: "runs",
    name: "input_tags",
    columns: &["destination_id", "input_uuid", "name", "value"],
};

/// Links from runs to logged models.
pub(super) const MODEL_LINKS: Table = Table {
    kind: "runs",
    name: "inputs",
    columns: &["source_id", "destination_type", "destination_id", "step"],
};

/// The parts of a batch of runs, in the order of the batch.
pub(super) struct RunParts {
    /// Runs without their info.
    pub(super) runs: Vec<Run>,
    /// Uuids of the datasets they read.
    pub(super) datasets: Vec<String>,
    /// Uuids of datasets that are not there.
    pub(super) dangling: Vec<Vec<String>>,
}

impl RunParts {
    /// Reads the parts of these runs.
    pub(super) fn read(tables: &Tables, run_ids: &[&str]) -> Result<Self> {
        let mut parts = RunParts {
            runs: run_ids.iter().map(|_| Run::default()).collect(),
            datasets: Vec::new(),
            dangling: vec![Vec::new(); run_ids.len()],
        };
        let runs = &mut parts.runs;
        read_map(tables, PARAMS, run_ids, |place, key, value| {
            runs[place].params.insert(key, value);
        })?;
        read_map(tables, TAGS, run_ids, |place, key, value| {
            runs[place].tags.insert(key, value);
        })?;
        tables.of_owners(LATEST, "", run_ids, |place, row| {
            let Some(value) = value_of(row, 2, 5) else {
                return Ok(());
            };
            let latest = LatestMetric {
                timestamp: row.int(3).unwrap_or(0),
                step: row.int(4).unwrap_or(0),
                value,
            };
            runs[place].metrics.insert(row.required_text(1), latest);
            Ok(())
        })?;
        parts.read_datasets(tables, run_ids)?;
        parts.read_models(tables, run_ids)?;
        Ok(parts)
    }

    fn read_datasets(&mut self, tables: &Tables, run_ids: &[&str]) -> Result<()> {
        if !tables.has(INPUTS)? || !tables.schema.has("datasets") {
            return Ok(());
        }
        let mut tags = read_input_tags(tables, run_ids)?;
        let sql = "SELECT i.destination_id, i.source_id, i.input_uuid, d.name, d.digest FROM inputs i \
             LEFT JOIN datasets d ON d.dataset_uuid = i.source_id \
             WHERE i.source_type = 'DATASET' AND i.destination_type = 'RUN' AND i.destination_id IN";
        tables.rows_of_owners(sql, "", run_ids, INPUTS, |place, row| {
            let uuid = row.required_text(1);
            match (row.text(3), row.text(4)) {
                (Some(name), Some(digest)) => self.runs[place].inputs.dataset_inputs.push(DatasetInput {
                    name,
                    digest,
                    tags: tags.remove(&row.required_text(2)).unwrap_or_default(),
                }),
                _ => self.dangling[place].push(uuid.clone()),
            }
            self.datasets.push(uuid);
            Ok(())
        })?;
        for run in &mut self.runs {
            run.inputs.dataset_inputs.sort();
        }
        Ok(())
    }

    fn read_models(&mut self, tables: &Tables, run_ids: &[&str]) -> Result<()> {
        // Each pair of types, so that the primary key finds the rows.
        let kinds = [("RUN_INPUT", "MODEL_INPUT"), ("RUN_OUTPUT", "MODEL_OUTPUT")];
        for (source, destination) in kinds {
            let condition = format!("source_type = '{source}' AND destination_type = '{destination}' AND");
            tables.of_owners(MODEL_LINKS, &condition, run_ids, |place, row| {
                let model_id = row.required_text(2);
                let run = &mut self.runs[place];
                if source == "RUN_INPUT" {
                    run.inputs.model_inputs.push(ModelInput { model_id });
                } else {
                    let step = row.int(3).unwrap_or(0);
                    run.outputs.model_outputs.push(ModelOutput { model_id, step });
                }
                Ok(())
            })?;
        }
        for run in &mut self.runs {
            run.inputs.model_inputs.sort();
            run.outputs.model_outputs.sort();
        }
        Ok(())
    }
}

/// Hands over the rows of a table of (owner, key, value).
pub(super) fn read_map(
    tables: &Tables,
    table: Table,
    owners: &[&str],
    mut insert: impl FnMut(usize, String, Text),
) -> Result<()> {
    tables.of_owners(table, "", owners, |place, row| {
        if let Some(value) = tables.text(table, row, 2, owners[place])? {
            insert(place, row.required_text(1), value);
        }
        Ok(())
    })
}

fn read_input_tags(tables: &Tables, run_ids: &[&str]) -> Result<HashMap<String, TextMap>> {
    let mut tags: HashMap<String, TextMap> = HashMap::new();
    if !tables.has(INPUT_TAGS)? {
        return Ok(tags);
    }
    let sql = "SELECT i.destination_id, t.input_uuid, t.name, t.value FROM inputs i \
         JOIN input_tags t ON t.input_uuid = i.input_uuid \
         WHERE i.source_type = 'DATASET' AND i.destination_type = 'RUN' AND i.destination_id IN";
    tables.rows_of_owners(sql, "", run_ids, INPUT_TAGS, |_, row| {
        let value = row.any_text(3).unwrap_or_else(|| Text::Utf8(String::new()));
        let of_input = tags.entry(row.required_text(1)).or_default();
        of_input.insert(row.required_text(2), value);
        Ok(())
    })?;
    Ok(tags)
}
