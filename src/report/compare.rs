//! Runs of an archive side by side: params, latest metrics, tags, what they read; what differs comes first.

use super::error::ReportError;
use super::long_text::with_starts;
use super::object::{Found, find};
use crate::archive::Archive;
use crate::format::Kind;
use crate::model::named::named;
use crate::report::error::Result;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Runs and what they have, row by row.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Comparison {
    /// The runs, in the order they were asked for.
    pub runs: Vec<ComparedRun>,
    /// What differs, then what is the same in all.
    pub rows: Vec<ComparedRow>,
}

/// A run that is compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct ComparedRun {
    /// Its id.
    pub run_id: String,
    /// Its experiment.
    pub experiment_id: String,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Something that at least one of the runs has.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct ComparedRow {
    /// What it is.
    pub part: Part,
    /// Its field, key or name.
    pub key: String,
    /// Whether it is not the same in all runs.
    pub differs: bool,
    /// The value in each run, null where a run has none; the start of a text over 1 MiB.
    pub values: Vec<Value>,
}

named! {
    serialized
    /// Parts of a run.
    pub(crate) enum Part {
        /// Params.
        Params = "params",
        /// Metrics: the value of the latest point.
        Metrics = "metrics",
        /// Datasets that were read: digests by name.
        Datasets = "datasets",
        /// Tags.
        Tags = "tags",
        /// Status, times, user and what else describes a run.
        Info = "info",
    }
}

/// Compares runs, each by id, the start of it, or name.
///
/// # Errors
/// A run is not there or not one alone, one is named twice, or the archive cannot be read.
pub(crate) fn compare(archive: &Archive, runs: &[String]) -> Result<Comparison> {
    let mut found: Vec<Found> = Vec::new();
    for query in runs {
        let run = find(archive, query, Some(Kind::Runs))?;
        if found.iter().any(|other| other.id == run.id) {
            return Err(ReportError::Twice {
                query: query.clone(),
                id: run.id,
            });
        }
        found.push(run);
    }
    let mut rows: BTreeMap<(Part, String), Vec<Value>> = BTreeMap::new();
    for (place, run) in found.iter().enumerate() {
        each_part(&run.value, &mut |part, key, value| {
            let values = rows
                .entry((part, key))
                .or_insert_with(|| vec![Value::Null; found.len()]);
            values[place] = value;
        });
    }
    let mut rows: Vec<_> = rows
        .into_iter()
        .map(|((part, key), values)| ComparedRow {
            part,
            key,
            // As texts, for −0.0 is not 0.0.
            differs: {
                let texts: Vec<_> = values.iter().map(Value::to_string).collect();
                texts.iter().any(|text| *text != texts[0])
            },
            values,
        })
        .collect();
    rows.sort_by_key(|row| !row.differs);
    let values = rows.iter_mut().flat_map(|row| &mut row.values);
    values
        .into_iter()
        .try_for_each(|value| with_starts(archive, value))?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let named = |run: &Found| ComparedRun {
        run_id: run.id.clone(),
        experiment_id: text(&run.value["info"]["experiment_id"]),
        name: super::object::run_name(&run.value).map(str::to_owned),
    };
    Ok(Comparison {
        runs: found.iter().map(named).collect(),
        rows,
    })
}

fn each_part(run: &Value, put: &mut dyn FnMut(Part, String, Value)) {
    let entries = |name: &str| run[name].as_object().into_iter().flatten();
    entries("params").for_each(|(key, value)| put(Part::Params, key.clone(), value.clone()));
    entries("metrics").for_each(|(key, point)| put(Part::Metrics, key.clone(), point["value"].clone()));
    entries("tags").for_each(|(key, value)| put(Part::Tags, key.clone(), value.clone()));
    let skipped = ["run_id", "artifact_uri"];
    let info = entries("info").filter(|(key, _)| !skipped.contains(&key.as_str()));
    info.for_each(|(key, value)| put(Part::Info, key.clone(), value.clone()));
    let mut datasets: Map<String, Value> = Map::new();
    for input in run["inputs"]["dataset_inputs"].as_array().into_iter().flatten() {
        if let (Some(name), Some(digest)) = (input["name"].as_str(), input["digest"].as_str()) {
            // A run may read two datasets of one name.
            let digests = datasets.entry(name).or_insert_with(|| "".into());
            let all = digests.as_str().unwrap_or_default();
            *digests = match all {
                "" => digest.into(),
                all => format!("{all}, {digest}").into(),
            };
        }
    }
    datasets
        .into_iter()
        .for_each(|(name, digests)| put(Part::Datasets, name, digests));
}
