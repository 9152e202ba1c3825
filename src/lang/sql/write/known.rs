//! The experiments of an archive as a target has them: their numbers, and names that no other has.

use super::{Result, StorePlace, WriteError};
use crate::model::DEFAULT_WORKSPACE;
use crate::model::Experiment;
use std::collections::{BTreeSet, HashMap, HashSet};

/// The experiment that MLflow makes when a server starts, unless it is there; no other may have its name.
const DEFAULT_EXPERIMENT: (i64, &str) = (0, "Default");

/// The experiments of the archive, as the target has them.
#[derive(Debug, Default)]
pub(super) struct KnownExperiments {
    by_id: HashMap<String, KnownExperiment>,
    /// Workspaces that experiments are in.
    pub(super) workspaces: BTreeSet<String>,
}

/// An experiment in the target.
#[derive(Debug, Clone)]
pub(crate) struct KnownExperiment {
    pub(crate) id: i64,
    /// None for the default one.
    workspace: Option<String>,
    /// The name, where it is another than in the archive.
    pub(crate) name: Option<String>,
}

impl KnownExperiment {
    /// Where it keeps artifacts.
    pub(crate) fn place(&self) -> StorePlace {
        StorePlace::of_experiment(self.id, self.workspace.as_deref())
    }
}

impl KnownExperiments {
    /// Gives each experiment a number and a name that no other has.
    ///
    /// # Errors
    /// Two active ones have one name, or one has the name that MLflow keeps for its own.
    pub(super) fn know(heads: &[Head], largest: i64) -> Result<Self> {
        let (numbers, mut names) = (numbers(heads, largest), new_names(heads)?);
        let has_default = numbers.contains(&DEFAULT_EXPERIMENT.0);
        let mut known = KnownExperiments::default();
        for (at, (head, id)) in heads.iter().zip(&numbers).enumerate() {
            let workspace = Some(&head.workspace).filter(|name| *name != DEFAULT_WORKSPACE);
            known.workspaces.insert(head.workspace.clone());
            let experiment = KnownExperiment {
                id: *id,
                workspace: workspace.cloned(),
                name: names.remove(&at),
            };
            known.by_id.insert(head.experiment_id.clone(), experiment);
        }
        let has_its_name =
            |head: &&Head| head.workspace == DEFAULT_WORKSPACE && head.name == DEFAULT_EXPERIMENT.1;
        if let (false, Some(head)) = (has_default, heads.iter().find(has_its_name)) {
            return Err(WriteError::Impossible(format!(
                "experiment `{}` is named `{}`, which MLflow reserves for experiment 0; no server would start with it: rename it first",
                head.experiment_id, head.name
            )));
        }
        Ok(known)
    }

    /// The experiment of that id in the archive.
    pub(super) fn get(&self, experiment_id: &str) -> Option<&KnownExperiment> {
        self.by_id.get(experiment_id)
    }
}

/// What of an experiment decides how it is known.
pub(super) struct Head {
    experiment_id: String,
    workspace: String,
    name: String,
    is_deleted: bool,
}

impl Head {
    /// That of an experiment, in the workspace that it has in the target.
    pub(super) fn of(experiment: Experiment, workspace: &str) -> Self {
        Head {
            workspace: workspace.to_owned(),
            is_deleted: experiment.is_deleted(),
            experiment_id: experiment.experiment_id,
            name: experiment.name,
        }
    }
}

/// The number that an id is, where it is nothing but that.
fn number_of(experiment_id: &str, largest: i64) -> Option<i64> {
    let number: i64 = experiment_id.parse().ok()?;
    let is_held = (0..=largest).contains(&number);
    (is_held && number.to_string() == experiment_id).then_some(number)
}

/// Numbers for all experiments: their own where columns hold that, and the first free ones for the others, in the archive's order.
fn numbers(heads: &[Head], largest: i64) -> Vec<i64> {
    let own: Vec<Option<i64>> = heads
        .iter()
        .map(|head| number_of(&head.experiment_id, largest))
        .collect();
    let mut taken: HashSet<i64> = own.iter().flatten().copied().collect();
    let mut next = 1;
    let given = own.into_iter().map(|number| {
        number.unwrap_or_else(|| {
            while !taken.insert(next) {
                next += 1;
            }
            next
        })
    });
    given.collect()
}

/// New names of deleted experiments whose name another has, by their place among the heads.
fn new_names(heads: &[Head]) -> Result<HashMap<usize, String>> {
    let mut taken: HashSet<(&str, String)> = HashSet::new();
    let mut twins = Vec::new();
    let (active, deleted): (Vec<_>, Vec<_>) = (0..heads.len()).partition(|&at| !heads[at].is_deleted);
    for at in active.into_iter().chain(deleted) {
        let head = &heads[at];
        if taken.insert((&head.workspace, head.name.clone())) {
            continue;
        }
        if !head.is_deleted {
            return Err(WriteError::Impossible(format!(
                "two experiments of workspace `{}` are named `{}`, but a database can hold only one: rename one of them",
                head.workspace, head.name
            )));
        }
        twins.push(at);
    }
    let mut names = HashMap::new();
    for at in twins {
        let head = &heads[at];
        let mut name = format!("{} ({})", head.name, head.experiment_id);
        while !taken.insert((&head.workspace, name.clone())) {
            name.push('\'');
        }
        names.insert(at, name);
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(experiment_id: &str, name: &str, is_deleted: bool) -> Head {
        Head {
            experiment_id: experiment_id.to_owned(),
            workspace: DEFAULT_WORKSPACE.to_owned(),
            name: name.to_owned(),
            is_deleted,
        }
    }

    #[test]
    fn ids_that_are_no_numbers_get_the_first_free_ones_in_order() {
        let ids = ["2", "913486234567891234", "007", "abc", "-1"];
        let heads: Vec<_> = ids.iter().map(|id| head(id, id, false)).collect();
        assert_eq!(numbers(&heads, i64::MAX), [2, 913_486_234_567_891_234, 1, 3, 4]);
        assert_eq!(numbers(&heads, i32::MAX.into()), [2, 1, 3, 4, 5]);
    }

    #[test]
    fn a_deleted_twin_gives_its_name_up_and_two_active_ones_are_refused() {
        let heads = [
            head("1", "a", true),
            head("2", "a", false),
            head("3", "a (1)", false),
        ];
        let names = new_names(&heads).unwrap();
        assert_eq!(names, HashMap::from([(0, "a (1)'".to_owned())]));
        let error = new_names(&[head("1", "a", false), head("2", "a", false)]).unwrap_err();
        assert!(error.to_string().contains("`a`"), "{error}");
    }
}
