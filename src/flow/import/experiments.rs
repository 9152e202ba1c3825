//! The experiments of an archive, with those that only their contents name: an export of a model has runs without their experiments.

use crate::archive::{Archive, Result};
use crate::flow::import::target::DEFAULT_EXPERIMENT;
use crate::format::{Kind, order};
use crate::model::pyjson::PyJson;
use crate::model::{Experiment, ModelVersion};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// `exim` of an experiment that is made up: no dict was exported that could become source tags.
const NOTHING: &str = "{}";

/// What runs, logged models and traces say of their experiment.
#[derive(Deserialize)]
struct Member {
    #[serde(default)]
    experiment_id: String,
    info: Option<RunMember>,
}

#[derive(Deserialize)]
struct RunMember {
    experiment_id: String,
    run_id: String,
}

/// All experiments, in order.
///
/// # Errors
/// The archive cannot be read.
pub(super) fn experiments_of(archive: &Archive) -> Result<Vec<Experiment>> {
    let mut experiments: Vec<Experiment> = archive.objects::<Experiment>().collect::<Result<_>>()?;
    let known: BTreeSet<_> = experiments
        .iter()
        .map(|found| found.experiment_id.clone())
        .collect();
    // A missing experiment and a run of it.
    let mut missing: BTreeMap<String, Option<String>> = BTreeMap::new();
    for kind in [Kind::Runs, Kind::LoggedModels, Kind::Traces] {
        let mut lines = archive.lines(kind);
        while let Some(line) = lines.next_line()? {
            let member: Member = serde_json::from_slice(line.bytes)
                .map_err(|error| archive.damaged(&line.place(), &error.to_string()))?;
            let (id, run_id) = match member.info {
                Some(info) => (info.experiment_id, Some(info.run_id)),
                None => (member.experiment_id, None),
            };
            if !known.contains(&id) {
                missing.entry(id).or_insert(run_id);
            }
        }
    }
    if missing.is_empty() {
        return Ok(experiments);
    }
    let names = told_names(archive)?;
    let made = missing
        .into_iter()
        .map(|(id, run_id)| made_up(id, run_id, &names));
    experiments.extend(made);
    experiments.sort_by_key(|found| order::experiment(&found.experiment_id));
    Ok(experiments)
}

/// Whether an experiment is not in the archive itself.
pub(super) fn is_made_up(experiment: &Experiment) -> bool {
    experiment.exim.as_deref() == Some(NOTHING)
}

fn made_up(id: String, run_id: Option<String>, names: &HashMap<String, String>) -> Experiment {
    let told = run_id.and_then(|run_id| names.get(&run_id).cloned());
    let name = match told {
        Some(name) => name,
        None if id == DEFAULT_EXPERIMENT => "Default".to_owned(),
        None => format!("experiment {id}"),
    };
    Experiment {
        experiment_id: id,
        name,
        lifecycle_stage: "active".to_owned(),
        exim: Some(NOTHING.to_owned()),
        ..Experiment::default()
    }
}

/// Names of experiments that exported versions tell, by the versions' runs.
fn told_names(archive: &Archive) -> Result<HashMap<String, String>> {
    let mut names = HashMap::new();
    for version in archive.objects::<ModelVersion>() {
        let version = version?;
        let (Some(exim), Some(run_id)) = (version.exim, version.run_id) else {
            continue;
        };
        // Whether the text is JSON matters where its tags are made.
        let exported = PyJson::parse(exim.as_bytes()).ok();
        let name = exported.as_ref().and_then(|dict| dict.get("_experiment_name"));
        if let Some(name) = name.and_then(PyJson::as_str) {
            names.insert(run_id, name.to_owned());
        }
    }
    Ok(names)
}
