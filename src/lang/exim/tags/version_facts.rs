//! What the export of a model version says of other objects, collected in one pass over each kind.

use super::canonical::VersionContext;
use crate::archive::{Archive, Line, Result, parse_line_but};
use crate::format::Kind;
use crate::model::{Experiment, ModelVersion, RegisteredModel, RunInfo};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Contexts of all model versions of an archive.
#[derive(Debug, Default)]
pub(crate) struct VersionContexts {
    /// (workspace, name) → alias → version.
    aliases: HashMap<(Option<String>, String), BTreeMap<String, u64>>,
    /// Run id → (artifact URI, experiment id), of runs that a version names.
    runs: HashMap<String, (Option<String>, String)>,
    /// Experiment id → name, of experiments of those runs.
    experiments: HashMap<String, String>,
    /// Runs that versions name.
    wanted_runs: HashSet<String>,
}

impl VersionContexts {
    /// Reads what versions need of registered models, runs and experiments.
    pub(crate) fn collect(archive: &Archive) -> Result<Self> {
        let mut contexts = VersionContexts::default();
        for version in archive.objects::<ModelVersion>() {
            contexts.want(version?);
        }
        for model in archive.objects::<RegisteredModel>() {
            contexts.add_model(model?);
        }
        if contexts.wanted_runs.is_empty() {
            return Ok(contexts);
        }
        let mut runs = archive.lines(Kind::Runs);
        while let Some(line) = runs.next_line()? {
            contexts.add_run(&run_info(archive, &line)?);
        }
        for experiment in archive.objects::<Experiment>() {
            contexts.add_experiment(experiment?);
        }
        Ok(contexts)
    }

    /// Tells of a version; before its run.
    pub(crate) fn want(&mut self, version: ModelVersion) {
        self.wanted_runs
            .extend(version.run_id.filter(|run_id| !run_id.is_empty()));
    }

    /// Tells of a model.
    pub(crate) fn add_model(&mut self, model: RegisteredModel) {
        if !model.aliases.is_empty() {
            self.aliases.insert((model.workspace, model.name), model.aliases);
        }
    }

    /// Tells of a run.
    pub(crate) fn add_run(&mut self, info: &RunInfo) {
        if self.wanted_runs.contains(&info.run_id) {
            let facts = (info.artifact_uri.clone(), info.experiment_id.clone());
            self.runs.insert(info.run_id.clone(), facts);
        }
    }

    /// Tells of an experiment.
    pub(crate) fn add_experiment(&mut self, experiment: Experiment) {
        self.experiments.insert(experiment.experiment_id, experiment.name);
    }

    /// Whether a version names a run that the archive holds.
    pub(crate) fn names_run(&self, run_id: &str) -> bool {
        self.runs.contains_key(run_id)
    }

    /// The context of one version.
    pub(crate) fn of(&self, version: &ModelVersion) -> VersionContext {
        let model = (version.workspace.clone(), version.name.clone());
        let aliases = self.aliases.get(&model).unwrap_or(const { &BTreeMap::new() });
        self.with(version.run_id.as_deref(), version.version, aliases)
    }

    /// The context of the version of that number, of a run and a model with such aliases.
    pub(crate) fn with(
        &self,
        run_id: Option<&str>,
        number: u64,
        aliases: &BTreeMap<String, u64>,
    ) -> VersionContext {
        let run = run_id.and_then(|run_id| self.runs.get(run_id));
        let aliases = aliases.iter().filter(|(_, version)| **version == number);
        VersionContext {
            aliases: aliases.map(|(alias, _)| alias.clone()).collect(),
            run_artifact_uri: run.and_then(|(artifact_uri, _)| artifact_uri.clone()),
            experiment_name: run.and_then(|(_, experiment_id)| self.experiments.get(experiment_id).cloned()),
        }
    }
}

/// The info of a run's line, read without the rest, which can be much.
fn run_info(archive: &Archive, line: &Line<'_>) -> Result<RunInfo> {
    #[derive(serde::Deserialize)]
    struct InfoOnly {
        info: RunInfo,
    }
    if let Ok(run) = serde_json::from_slice::<InfoOnly>(line.bytes) {
        return Ok(run.info);
    }
    // A text of it may stand as a blob.
    let run = parse_line_but(archive, line, |path, _| path[0] != "info")?;
    match serde_json::from_value::<InfoOnly>(run) {
        Ok(run) => Ok(run.info),
        Err(error) => Err(archive.damaged(&line.place(), &error.to_string())),
    }
}
