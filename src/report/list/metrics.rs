//! Metrics of runs, one row a series.

use super::Chosen;
use crate::archive::walk::{heads, text};
use crate::archive::{Archive, Result};
use crate::format::Kind;
use crate::report::error::ReportError;
use crate::report::series::{SeriesFacts, for_each_series};
use serde_json::{Value, json};
use std::collections::HashSet;

/// The runs of the experiments that a filter names; none where it names none.
fn runs_of_experiments(archive: &Archive, chosen: &Chosen<'_>) -> Result<Option<HashSet<String>>> {
    if chosen.filter.names.experiments.is_empty() {
        return Ok(None);
    }
    let mut runs = HashSet::new();
    for head in heads(archive, Kind::Runs)? {
        let head = head?;
        if chosen.takes_experiment(text(&head.experiment_id)) {
            runs.insert(head.id(Kind::Runs));
        }
    }
    Ok(Some(runs))
}

/// Hands one row a metric to `sink`.
pub(super) fn list<E: From<ReportError>>(
    archive: &Archive,
    chosen: &Chosen<'_>,
    sink: &mut dyn FnMut(Vec<Value>) -> Result<(), E>,
) -> Result<(), E> {
    let names = &chosen.filter.names;
    let among = runs_of_experiments(archive, chosen).map_err(ReportError::from)?;
    let is_taken = |id: &String| {
        among.as_ref().is_none_or(|runs| runs.contains(id)) && (!names.asks_runs() || names.runs.contains(id))
    };
    for_each_series(archive, Kind::Metrics, None, &mut |series: SeriesFacts| {
        if is_taken(&series.owner_id) {
            sink(row(&series)).map_err(super::Either::Sink)
        } else {
            Ok(())
        }
    })
    .map_err(super::Either::into_sink)
}

fn row(series: &SeriesFacts) -> Vec<Value> {
    vec![
        json!(series.owner_id),
        json!(series.key),
        json!(series.points),
        json!(series.last),
        json!(series.min),
        json!(series.max),
        json!(series.first),
        json!(series.first_step),
        json!(series.last_step),
    ]
}
