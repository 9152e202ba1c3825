//! What belongs to runs, read for a batch of them: params, tags, latest metrics, inputs and outputs.

use super::columns::{DATASET_NAMES, INPUT_TAGS, INPUTS, LATEST, MODEL_LINKS, PARAMS, TAGS, Table};
use super::exporter::Result;
use super::metrics::value_of;
use super::tables::{BATCH, Tables};
use crate::model::{DatasetInput, LatestMetric, ModelInput, ModelOutput, Run, Text, TextMap};
use std::collections::HashMap;

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
        if !tables.schema.has("datasets") {
            return Ok(());
        }
        let mut inputs = Vec::new();
        let condition = "source_type = 'DATASET' AND destination_type = 'RUN' AND";
        tables.of_owners(INPUTS, condition, run_ids, |place, row| {
            inputs.push((place, row.required_text(1), row.required_text(2)));
            Ok(())
        })?;
        let (mut names, mut tags) = (HashMap::new(), HashMap::new());
        for batch in inputs.chunks(BATCH) {
            let uuids: Vec<&str> = batch.iter().map(|(_, uuid, _)| uuid.as_str()).collect();
            tables.of_owners(DATASET_NAMES, "", &uuids, |place, row| {
                if let (Some(name), Some(digest)) = (row.text(1), row.text(2)) {
                    names.insert(uuids[place].to_owned(), (name, digest));
                }
                Ok(())
            })?;
            let input_uuids: Vec<&str> = batch.iter().map(|(_, _, input)| input.as_str()).collect();
            read_map(tables, INPUT_TAGS, &input_uuids, |place, key, value| {
                let of_input: &mut TextMap = tags.entry(input_uuids[place].to_owned()).or_default();
                of_input.insert(key, value);
            })?;
        }
        for (place, uuid, input_uuid) in inputs {
            match names.get(&uuid) {
                Some((name, digest)) => self.runs[place].inputs.dataset_inputs.push(DatasetInput {
                    name: name.clone(),
                    digest: digest.clone(),
                    tags: tags.remove(&input_uuid).unwrap_or_default(),
                }),
                None => self.dangling[place].push(uuid.clone()),
            }
            self.datasets.push(uuid);
        }
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
        if let Some(value) = row.value(2) {
            insert(place, row.required_text(1), value);
        }
        Ok(())
    })
}
