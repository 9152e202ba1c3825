//! Which objects of the archive are chosen, and what they need.

use crate::archive::{Archive, Result};
use crate::flow::import::options::Only;
use crate::format::Kind;
use crate::model::{
    DEFAULT_WORKSPACE, EvaluationDataset, Experiment, LoggedModel, ModelVersion, RegisteredModel, Run,
};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

/// The choice, with names resolved to ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chosen {
    /// Kinds, all where empty.
    kinds: BTreeSet<Kind>,
    /// What is chosen by name or id; all where absent.
    names: Option<Names>,
    /// The workspace that all of it is in; any where absent.
    within: Option<Within>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Within {
    workspace: String,
    experiments: HashSet<String>,
}

impl Within {
    fn holds(&self, workspace: Option<&str>) -> bool {
        workspace.unwrap_or(DEFAULT_WORKSPACE) == self.workspace
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Names {
    /// Experiments with all that is in them.
    whole: HashSet<String>,
    /// Experiments that something chosen is in.
    needed: HashSet<String>,
    runs: HashSet<String>,
    models: HashSet<String>,
}

impl Names {
    /// Takes the parents of chosen runs, and notes the experiments that all of them are in.
    fn need(&mut self, archive: &Archive) -> Result<()> {
        if self.runs.is_empty() {
            return Ok(());
        }
        // An archive can have very many runs, and chains of them: they are held as hashes.
        let hasher = RandomState::new();
        let mut parents: HashMap<u64, u64> = HashMap::new();
        for run in archive.objects::<Run>() {
            let run = run?;
            if let Some(parent) = run.parent_id() {
                parents.insert(hasher.hash_one(&run.info.run_id), hasher.hash_one(parent));
            }
        }
        let mut taken: HashSet<u64> = HashSet::new();
        let mut open: Vec<u64> = self.runs.iter().map(|id| hasher.hash_one(id)).collect();
        while let Some(run) = open.pop() {
            if taken.insert(run) {
                open.extend(parents.get(&run));
            }
        }
        for run in archive.objects::<Run>() {
            let info = run?.info;
            if taken.contains(&hasher.hash_one(&info.run_id)) {
                self.needed.insert(info.experiment_id);
                self.runs.insert(info.run_id);
            }
        }
        Ok(())
    }
}

impl Chosen {
    /// Resolves a choice among an archive's experiments and what else is in it, which is read only where names are chosen.
    ///
    /// # Errors
    /// The archive cannot be read.
    pub fn resolve(archive: &Archive, experiments: &[Experiment], only: &Only) -> Result<Self> {
        let mut chosen = Chosen {
            kinds: only.kinds.clone(),
            names: None,
            within: None,
        };
        if only.takes_all_names() {
            return Ok(chosen);
        }
        let runs = if only.filter.is_some() {
            &only.met
        } else {
            &only.runs
        };
        let mut names = Names {
            runs: runs.iter().cloned().collect(),
            ..Names::default()
        };
        for experiment in experiments {
            // With a filter, an experiment comes with the runs that meet it.
            let is_named = only.experiments.matches(&experiment.name)
                || only.experiments.matches(&experiment.experiment_id);
            if is_named && only.filter.is_none() {
                names.whole.insert(experiment.experiment_id.clone());
            }
        }
        for model in archive.objects::<RegisteredModel>() {
            let model = model?;
            if only.models.matches(&model.name) {
                names.models.insert(model.name);
            }
        }
        for version in archive.objects::<ModelVersion>() {
            let version = version?;
            if names.models.contains(&version.name) {
                names
                    .runs
                    .extend(version.run_id.filter(|run_id| !run_id.is_empty()));
            }
        }
        names.need(archive)?;
        chosen.names = Some(names);
        Ok(chosen)
    }

    /// The part of it that is in a workspace, given the archive's experiments.
    pub fn within(mut self, experiments: &[Experiment], workspace: &str) -> Self {
        let mut within = Within {
            workspace: workspace.to_owned(),
            experiments: HashSet::new(),
        };
        for experiment in experiments {
            if within.holds(experiment.workspace.as_deref()) {
                within.experiments.insert(experiment.experiment_id.clone());
            }
        }
        self.within = Some(within);
        self
    }

    /// Whether an experiment is in the workspace that this is about.
    pub fn is_here(&self, experiment_id: &str) -> bool {
        let within = self.within.as_ref();
        within.is_none_or(|within| within.experiments.contains(experiment_id))
    }

    fn is_in_workspace(&self, workspace: Option<&str>) -> bool {
        self.within.as_ref().is_none_or(|within| within.holds(workspace))
    }

    /// Whether a kind is chosen.
    pub fn kind(&self, kind: Kind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }

    /// Whether an experiment is chosen, or needed by something that is.
    pub fn experiment(&self, id: &str) -> bool {
        let is_named = |names: &Names| names.whole.contains(id) || names.needed.contains(id);
        self.is_here(id) && self.names.as_ref().is_none_or(is_named)
    }

    /// Whether all of an experiment is chosen.
    pub fn whole_experiment(&self, id: &str) -> bool {
        self.is_here(id) && self.names.as_ref().is_none_or(|names| names.whole.contains(id))
    }

    /// Whether a run is chosen.
    pub fn run(&self, experiment_id: &str, run_id: &str) -> bool {
        self.of_run(Kind::Runs, experiment_id, run_id)
    }

    /// Whether a logged model is chosen.
    pub fn logged_model(&self, model: &LoggedModel) -> bool {
        let source = model.source_run_id.as_deref().unwrap_or_default();
        self.of_run(Kind::LoggedModels, &model.experiment_id, source)
    }

    fn of_run(&self, kind: Kind, experiment_id: &str, run_id: &str) -> bool {
        let is_named = |names: &Names| names.runs.contains(run_id);
        self.kind(kind)
            && self.is_here(experiment_id)
            && (self.whole_experiment(experiment_id) || self.names.as_ref().is_some_and(is_named))
    }

    /// Whether a registered model is chosen.
    pub fn model(&self, model: &RegisteredModel) -> bool {
        let is_named = |names: &Names| names.models.contains(&model.name);
        self.names.as_ref().is_none_or(is_named)
            && self.is_in_workspace(model.workspace.as_deref())
            && (self.kind(Kind::RegisteredModels) || self.kind(Kind::ModelVersions))
    }

    /// Whether a version is in the workspace that this is about; that its model is chosen is another question.
    pub fn has_version(&self, version: &ModelVersion) -> bool {
        self.is_in_workspace(version.workspace.as_deref())
    }

    /// Whether an evaluation dataset is chosen.
    pub fn dataset(&self, dataset: &EvaluationDataset) -> bool {
        let experiments = &dataset.experiment_ids;
        self.kind(Kind::EvaluationDatasets)
            && self.is_in_workspace(dataset.workspace.as_deref())
            && (experiments.iter().any(|id| self.whole_experiment(id))
                || experiments.is_empty() && self.names.is_none())
    }

    /// Whether something that belongs to an experiment, such as a trace, is chosen.
    pub fn in_experiment(&self, kind: Kind, experiment_id: &str) -> bool {
        self.kind(kind) && self.whole_experiment(experiment_id)
    }
}
