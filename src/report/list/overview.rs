//! Experiments with what they hold, counted.

use super::{Chosen, Noun};
use crate::archive::Archive;
use crate::archive::walk::text;
use crate::archive::walk::{heads, line_values};
use crate::format::{Kind, SortKey, order};
use crate::report::error::ReportError;
use crate::report::error::Result;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// An experiment's row; one whose own line is not in the archive has no name.
#[derive(Default)]
struct Row {
    experiment_id: String,
    line: Option<Value>,
    counts: [u64; 3],
    last_start_time: Option<i64>,
}

pub(super) fn list<E: From<ReportError>>(
    archive: &Archive,
    chosen: &Chosen<'_>,
    sink: &mut dyn FnMut(Vec<Value>) -> Result<(), E>,
) -> Result<(), E> {
    let rows = rows(archive)?;
    let stage = |row: &Row| {
        row.line
            .as_ref()
            .map_or(Value::Null, |line| line["lifecycle_stage"].clone())
    };
    for row in rows.into_values() {
        let object = json!({"experiment_id": row.experiment_id, "lifecycle_stage": stage(&row)});
        if !chosen.takes(Noun::Overview, &object) {
            continue;
        }
        let name = row.line.as_ref().map_or(Value::Null, |line| line["name"].clone());
        sink(vec![
            json!(row.experiment_id),
            name,
            stage(&row),
            json!(row.counts[0]),
            json!(row.counts[1]),
            json!(row.counts[2]),
            json!(row.last_start_time),
        ])?;
    }
    Ok(())
}

/// A row per experiment: of all objects, experiments alone are held in memory.
fn rows(archive: &Archive) -> Result<BTreeMap<SortKey, Row>> {
    let mut rows: BTreeMap<SortKey, Row> = BTreeMap::new();
    let mut row_of = |id: &str, change: &mut dyn FnMut(&mut Row)| {
        let row = rows.entry(order::experiment(id)).or_default();
        if row.experiment_id.is_empty() {
            id.clone_into(&mut row.experiment_id);
        }
        change(row);
    };
    for line in line_values(archive, Kind::Experiments)? {
        let line = line?;
        let facts = json!({"name": line["name"], "lifecycle_stage": line["lifecycle_stage"]});
        row_of(text(&line["experiment_id"]), &mut |row| {
            row.line = Some(facts.clone())
        });
    }
    for (index, kind) in [Kind::Runs, Kind::LoggedModels, Kind::Traces]
        .into_iter()
        .enumerate()
    {
        for head in heads(archive, kind)? {
            let head = head?;
            row_of(text(&head.experiment_id), &mut |row| {
                row.counts[index] += 1;
                if kind == Kind::Runs {
                    row.last_start_time = row.last_start_time.max(head.start_time.as_i64());
                }
            });
        }
    }
    Ok(rows)
}
