//! What an import was asked for by name, sought in the archive before the target is asked for anything.

use super::options::ImportOptions;
use super::workspaces::workspaces_of;
use super::{ImportError, Result};
use crate::archive::Archive;
use crate::model::{Experiment, RegisteredModel};
use crate::select::{Asked, Matched, Names, Patterns, Sought};
use std::collections::BTreeMap;

/// Finds what was asked for, and makes ids of runs whole; the options with globs that match nothing.
///
/// # Errors
/// A name or id that nothing has, the start of several ids, or the archive cannot be read.
pub(super) fn find(
    archive: &Archive,
    experiments: &[Experiment],
    options: &mut ImportOptions,
) -> Result<Vec<String>> {
    let names = Names {
        experiments: options.only.experiments.clone(),
        runs: options.only.runs.clone(),
        models: options.only.models.clone(),
        filter: options.only.filter.clone(),
    };
    let Matched { runs, mut silent } = names.find(archive, Sought::Registered)?;
    let runs = runs.into_iter().collect();
    if options.only.filter.is_some() {
        options.only.met = runs;
    } else {
        options.only.runs = runs;
    }
    let mut renamed = old_names("--rename-experiment", &options.rename_experiments);
    for experiment in experiments {
        renamed.see(&[&experiment.name]);
    }
    renamed.silent()?;
    let mut renamed = old_names("--rename-model", &options.rename_models);
    if !renamed.is_empty() {
        for model in archive.objects::<RegisteredModel>() {
            renamed.see(&[&model?.name]);
        }
    }
    renamed.silent()?;
    silent.extend(find_workspaces(archive, experiments, options)?);
    Ok(silent)
}

fn old_names(option: &'static str, renames: &BTreeMap<String, String>) -> Asked {
    Asked::exact(option, renames.keys().cloned().collect())
}

fn find_workspaces(
    archive: &Archive,
    experiments: &[Experiment],
    options: &ImportOptions,
) -> Result<Vec<String>> {
    let mut asked = Asked::names("--only workspace", &options.only.workspaces);
    if !asked.is_empty() {
        for name in workspaces_of(archive, experiments, &Patterns::default())?.keys() {
            asked.see(&[name]);
        }
    }
    Ok(asked.silent()?)
}

impl From<crate::select::SeekError> for ImportError {
    fn from(error: crate::select::SeekError) -> Self {
        match error {
            crate::select::SeekError::Archive(error) => error.into(),
            crate::select::SeekError::NoMatch(error) => error.into(),
        }
    }
}
