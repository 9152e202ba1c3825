//! What the target is and what of the archive it already has, asked before anything is planned.

use crate::client::Client;
use crate::flow::import::origins::TargetOrigins;
use crate::format::Kind;
use crate::lang::rest::api::{Api, Result, TargetExperiment, TargetId, TargetModel};
use crate::lang::rest::limits::Limits;
use crate::lang::rest::mark;
use crate::lang::rest::version::{Feature, Version, is_databricks};
use crate::model::Workspace;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// The target as the plan sees it.
#[derive(Debug, Clone, Default)]
pub struct TargetState {
    /// URL without credentials, with the workspace where one was chosen.
    pub url: String,
    /// Origins of what is imported, as marks say them.
    pub origins: TargetOrigins,
    /// The workspace of the archive that is imported, where it knows workspaces.
    pub workspace: Option<String>,
    /// A workspace that is to be made first; it holds nothing yet.
    pub missing: Option<Workspace>,
    /// Whether the workspace has no counterpart in the target.
    pub is_flat: bool,
    /// What the server says of its version.
    pub version_text: Option<String>,
    /// Whether it is a Databricks workspace.
    pub is_databricks: bool,
    /// Experiments found, by id.
    pub experiments: BTreeMap<TargetId, TargetExperiment>,
    /// Experiments that carry this origin's mark: id in the archive → id in the target.
    pub marked: BTreeMap<String, TargetId>,
    /// Registered models and prompts found, by name.
    pub models: BTreeMap<String, TargetModel>,
}

/// Names to ask for.
#[derive(Debug, Default)]
pub struct NamesInTarget {
    /// Experiments: names in the target.
    pub experiments: Vec<String>,
    /// Ids of experiments in the target that a journal knows.
    pub experiment_ids: Vec<TargetId>,
    /// Registered models and prompts: names in the target.
    pub models: Vec<String>,
    /// Whether taken names are to be given another number until one is free.
    pub rename: bool,
}

impl NamesInTarget {
    /// A name, and the names that are tried where it is taken, as far as others are.
    fn names(&self, name: &str) -> impl Iterator<Item = String> {
        let most = if self.rename { usize::MAX } else { 1 };
        (1..).map(move |number| numbered(name, number)).take(most)
    }
}

/// Id of the experiment that every server has.
pub(crate) const DEFAULT_EXPERIMENT: &str = "0";

impl TargetState {
    /// The version that the server tells.
    pub fn told_version(&self) -> Option<Version> {
        self.version_text.as_deref().and_then(Version::parse)
    }

    /// The version, the oldest one where the server tells none.
    pub fn version(&self) -> Version {
        self.told_version().unwrap_or(Version::untold(self.is_databricks))
    }

    /// What it can hold.
    pub fn limits(&self) -> Limits {
        Limits::of(self.version())
    }

    /// Whether it has a feature.
    pub fn has(&self, feature: Feature) -> bool {
        self.version() >= feature.since()
    }

    /// Whether traces go through API v2: the target knows no other.
    pub fn has_only_old_traces(&self) -> bool {
        self.has(Feature::TracesV2) && !self.has(Feature::Traces)
    }

    /// The experiment of a name.
    pub fn experiment_of_name(&self, name: &str) -> Option<&TargetExperiment> {
        self.experiments
            .values()
            .find(|experiment| experiment.name == name)
    }

    /// Asks who the target is, outside of its workspaces.
    ///
    /// # Errors
    /// It cannot be reached, or is no tracking server.
    pub fn greet(client: &Client) -> Result<Self> {
        let version_text = Api::new(client.in_workspace(None)?).version()?;
        let is_databricks = version_text.is_none() && is_databricks(&client.base().to_string());
        Ok(TargetState {
            version_text,
            is_databricks,
            ..TargetState::default()
        })
    }

    /// Asks for what carries the origin's mark or a wanted name.
    ///
    /// # Errors
    /// A call failed.
    pub fn survey(&mut self, api: &Api, wanted: &NamesInTarget) -> Result<()> {
        let origins = self.origins.clone();
        for prefix in origins.prefixes(Kind::Experiments) {
            for experiment in api.marked_experiments(&prefix)? {
                let mark = experiment.tags.get(mark::KEY);
                if let Some(id) = mark.and_then(|mark| origins.id_of(mark, Kind::Experiments)) {
                    // Of several, made by two imports at once, all take the least.
                    let least = self
                        .marked
                        .get(&id)
                        .is_none_or(|found| is_before(&experiment.id, found));
                    if least {
                        self.marked.insert(id, experiment.id.clone());
                    }
                }
                self.experiments.insert(experiment.id.clone(), experiment);
            }
        }
        self.add(api.experiment(&TargetId::new(DEFAULT_EXPERIMENT))?);
        for id in &wanted.experiment_ids {
            if !self.experiments.contains_key(id) {
                self.add(api.experiment(id)?);
            }
        }
        for name in &wanted.experiments {
            for name in wanted.names(name) {
                if self.experiment_of_name(&name).is_none() && !self.add(api.experiment_by_name(&name)?) {
                    break;
                }
            }
        }
        for name in &wanted.models {
            for name in wanted.names(name) {
                if let Entry::Vacant(place) = self.models.entry(name) {
                    let Some(model) = api.model(place.key())? else {
                        break;
                    };
                    place.insert(model);
                }
            }
        }
        Ok(())
    }

    /// Takes note of an experiment; whether there is one.
    fn add(&mut self, experiment: Option<TargetExperiment>) -> bool {
        let is_there = experiment.is_some();
        let found = experiment.map(|experiment| (experiment.id.clone(), experiment));
        self.experiments.extend(found);
        is_there
    }
}

/// Whether an id was given before another: a shorter or lesser number.
fn is_before(a: &TargetId, b: &TargetId) -> bool {
    let (a, b) = (a.as_str(), b.as_str());
    (a.len(), a) < (b.len(), b)
}

/// The n-th name tried where names are taken: `name`, `name-2`, `name-3`, …
pub(crate) fn numbered(name: &str, number: u32) -> String {
    match number {
        1 => name.to_owned(),
        number => format!("{name}-{number}"),
    }
}
