//! Workspaces and experiments, which all else refers to.

use super::rows::Target;
use super::{DEFAULT_WORKSPACE, Edit, Place, Result, Subject, WriteError, Writer, uris};
use crate::format::{Kind, Reason};
use crate::lang::sql::database::Cell;
use crate::model::{Experiment, Text, TextMap, Workspace};
use std::collections::{BTreeSet, HashMap, HashSet};

/// What MLflow says of the workspace that it makes itself.
const DEFAULT_DESCRIPTION: &str = "Default workspace for legacy resources";
/// The experiment that MLflow makes when a server starts, unless it is there; no other may have its name.
const DEFAULT_EXPERIMENT: (i64, &str) = (0, "Default");

/// The experiments of the archive, as the target has them.
#[derive(Debug, Default)]
pub(super) struct KnownExperiments(HashMap<String, KnownExperiment>);

/// An experiment in the target.
#[derive(Debug, Clone)]
pub(super) struct KnownExperiment {
    pub(super) id: i64,
    /// None for the default one.
    pub(super) workspace: Option<String>,
    /// The name, where it is another than in the archive.
    name: Option<String>,
}

impl KnownExperiment {
    /// Where it keeps artifacts.
    pub(super) fn place(&self) -> Place {
        Place::of_experiment(self.id, self.workspace.as_deref())
    }
}

impl KnownExperiments {
    /// The experiment of that id in the archive.
    pub(super) fn get(&self, experiment_id: &str) -> Option<&KnownExperiment> {
        self.0.get(experiment_id)
    }
}

/// What of an experiment decides how it is known.
struct Head {
    experiment_id: String,
    workspace: String,
    name: String,
    is_deleted: bool,
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
                "two experiments of workspace `{}` are named `{}`, and a database holds one: rename one of them",
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

impl Writer<'_> {
    pub(super) fn workspaces_and_experiments(&mut self) -> Result<()> {
        let mut workspaces = BTreeSet::new();
        self.begin(Kind::Workspaces);
        for workspace in self.archive.objects::<Workspace>() {
            let workspace = workspace?;
            self.workspace(&workspace)?;
            workspaces.insert(workspace.name);
        }
        let heads = self.know_experiments()?;
        self.make_workspaces(&heads, &workspaces)?;
        self.begin(Kind::Experiments);
        for experiment in self.archive.objects::<Experiment>() {
            self.experiment(&experiment?)?;
            self.monitor.advance(1);
        }
        Ok(())
    }

    /// The workspace of an object, and whether it is another than the archive says.
    pub(super) fn workspace_of(&mut self, kind: Kind, stated: Option<&str>) -> String {
        match stated {
            Some(workspace) => workspace.to_owned(),
            None => {
                self.outcome.edit(Edit::Workspace, kind, "workspace");
                self.options.workspace.clone()
            }
        }
    }

    fn know_experiments(&mut self) -> Result<Vec<Head>> {
        let mut heads = Vec::new();
        for experiment in self.archive.objects::<Experiment>() {
            let experiment = experiment?;
            let workspace = experiment.workspace.as_ref().unwrap_or(&self.options.workspace);
            heads.push(Head {
                workspace: workspace.clone(),
                is_deleted: experiment.lifecycle_stage == "deleted",
                experiment_id: experiment.experiment_id,
                name: experiment.name,
            });
        }
        let (numbers, mut names) = (
            numbers(&heads, self.options.numbers.largest_experiment()),
            new_names(&heads)?,
        );
        for (at, (head, id)) in heads.iter().zip(&numbers).enumerate() {
            let workspace = Some(&head.workspace).filter(|name| *name != DEFAULT_WORKSPACE);
            self.outcome.has_workspaces |= workspace.is_some();
            let known = KnownExperiment {
                id: *id,
                workspace: workspace.cloned(),
                name: names.remove(&at),
            };
            self.experiments.0.insert(head.experiment_id.clone(), known);
        }
        self.outcome.has_default_experiment = numbers.contains(&DEFAULT_EXPERIMENT.0);
        let is_default =
            |head: &Head| head.workspace == DEFAULT_WORKSPACE && head.name == DEFAULT_EXPERIMENT.1;
        if let (false, Some(head)) = (
            numbers.contains(&DEFAULT_EXPERIMENT.0),
            heads.iter().find(|head| is_default(head)),
        ) {
            return Err(WriteError::Impossible(format!(
                "experiment `{}` is named `{}`, which MLflow keeps for experiment 0, and no server would start: rename it first",
                head.experiment_id, head.name
            )));
        }
        Ok(heads)
    }

    /// Makes the default workspace, and those that are named alone.
    fn make_workspaces(&mut self, heads: &[Head], known: &BTreeSet<String>) -> Result<()> {
        let named = heads.iter().map(|head| head.workspace.as_str());
        let mut names: BTreeSet<&str> = named
            .chain([DEFAULT_WORKSPACE, &*self.options.workspace])
            .collect();
        names.retain(|name| !known.contains(*name));
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        for name in names {
            self.outcome.has_workspaces |= name != DEFAULT_WORKSPACE;
            let description = (name == DEFAULT_WORKSPACE).then_some(DEFAULT_DESCRIPTION);
            self.outcome.edit(Edit::MadeWorkspace, Kind::Workspaces, "name");
            let row = [
                Cell::from(&name),
                description.into(),
                Cell::Null,
                Cell::Null,
                Cell::Null,
            ];
            self.rows.insert(Target::Workspaces, &row)?;
        }
        Ok(())
    }

    fn workspace(&mut self, workspace: &Workspace) -> Result<()> {
        let subject = Subject {
            kind: Kind::Workspaces,
            id: &workspace.name,
        };
        self.outcome.has_workspaces |= workspace.name != DEFAULT_WORKSPACE;
        let root = workspace.default_artifact_root.as_deref();
        let root = self.root_of_workspace("default_artifact_root", root);
        let mut extra = workspace.extra.clone();
        let mut taken = |name: &str| {
            extra
                .remove(name)
                .and_then(|value| Some(value.as_str()?.to_owned()))
        };
        let (archival, retention) = (
            taken("trace_archival_location"),
            taken("trace_archival_retention"),
        );
        let archival = self.root_of_workspace("trace_archival_location", archival.as_deref());
        self.lose_extra(subject, &extra, "");
        self.outcome.count(Kind::Workspaces);
        let row = [
            Cell::from(&workspace.name),
            workspace.description.as_deref().into(),
            root.as_deref().into(),
            archival.as_deref().into(),
            retention.as_deref().into(),
        ];
        self.rows.insert(Target::Workspaces, &row)
    }

    /// Where a workspace writes: none means where the server does.
    fn root_of_workspace(&mut self, field: &'static str, stated: Option<&str>) -> Option<String> {
        let stated = stated?;
        if self.stays(stated) {
            return Some(stated.to_owned());
        }
        let is_local = !uris::is_remote(stated) && !uris::is_proxied(stated);
        let edit = if is_local { Edit::LocalPlace } else { Edit::Place };
        self.outcome.edit(edit, Kind::Workspaces, field);
        None
    }

    fn experiment(&mut self, experiment: &Experiment) -> Result<()> {
        let (kind, id) = (Kind::Experiments, experiment.experiment_id.as_str());
        let subject = Subject { kind, id };
        let known = self.experiments.get(id).cloned();
        let known = known.expect("all experiments were looked at before");
        if known.id.to_string() != id {
            self.outcome.edit(Edit::NewId, kind, "experiment_id");
            self.outcome.new_ids.push((id.to_owned(), known.id));
        }
        if known.name.is_some() {
            self.outcome.edit(Edit::Renamed, kind, "name");
        }
        let location = experiment.artifact_location.as_deref();
        let location = self.set_place(kind, "artifact_location", &known.place(), location);
        let workspace = self.workspace_of(kind, experiment.workspace.as_deref());
        if experiment.exim.is_some() {
            self.lose(subject, "exim", Reason::NotHeld);
        }
        self.lose_extra(subject, &experiment.extra, "");
        let stage = self.stage(subject, "lifecycle_stage", &experiment.lifecycle_stage);
        self.outcome.count(kind);
        let row = [
            Cell::Integer(known.id),
            Cell::from(&workspace),
            known.name.as_ref().unwrap_or(&experiment.name).into(),
            Cell::from(&location),
            stage.into(),
            experiment.creation_time.into(),
            experiment.last_update_time.into(),
        ];
        self.rows.insert(Target::Experiments, &row)?;
        self.tags(subject, &experiment.tags, &mut |writer, key, value| {
            let row = [Cell::Integer(known.id), key.into(), value.into()];
            writer.rows.insert(Target::ExperimentTags, &row)
        })
    }

    /// A stage that a check of the tables takes.
    pub(super) fn stage(&mut self, subject: Subject<'_>, field: &str, stage: &str) -> &'static str {
        match stage {
            "active" => "active",
            "deleted" => "deleted",
            _ => {
                self.lose(subject, field, Reason::BadField);
                "active"
            }
        }
    }

    /// Writes the tags of an object, each by `insert`.
    pub(super) fn tags(
        &mut self,
        subject: Subject<'_>,
        tags: &TextMap,
        insert: &mut dyn FnMut(&mut Self, &str, &str) -> Result<()>,
    ) -> Result<()> {
        self.map(subject, "tags", tags, insert)
    }

    /// Writes a map of an object, each entry by `insert`.
    pub(super) fn map(
        &mut self,
        subject: Subject<'_>,
        field: &str,
        map: &TextMap,
        insert: &mut dyn FnMut(&mut Self, &str, &str) -> Result<()>,
    ) -> Result<()> {
        for (key, value) in map {
            match value {
                Text::Utf8(text) => insert(self, key, text)?,
                other => {
                    let text = self.text(subject, field, key, other);
                    insert(self, key, &text)?;
                }
            }
        }
        Ok(())
    }
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
