//! Workspaces and experiments, which all else refers to.

use super::rows::Target;
use super::{NewId, Result, StoreEdit, Subject, WriteError, Writer};
use crate::format::{Kind, Reason};
use crate::lang::sql::database::Cell;
use crate::model::DEFAULT_WORKSPACE;
use crate::model::lifecycle::{ACTIVE, DELETED};
use crate::model::{Experiment, Text, TextMap, Workspace};
use std::collections::BTreeSet;

impl Writer<'_> {
    pub(super) fn workspaces_and_experiments(&mut self) -> Result<()> {
        let mut workspaces = BTreeSet::new();
        self.begin(Kind::Workspaces);
        for workspace in self.archive.objects::<Workspace>() {
            let workspace = workspace?;
            if self.layout.has(Target::Workspaces) {
                self.workspace(&workspace)?;
            } else {
                let (kind, id) = (Kind::Workspaces, workspace.name.as_str());
                self.lose(Subject::of(kind, id), "*", Reason::NotHeld);
            }
            workspaces.insert(workspace.name);
        }
        let experiments = self.archive.objects::<Experiment>();
        let experiments = experiments.map(|experiment| experiment.map_err(WriteError::from));
        self.rules.learn_experiments(experiments)?;
        for workspace in self.rules.missing_workspaces(&workspaces) {
            self.outcome
                .edit(StoreEdit::MadeWorkspace, Kind::Workspaces, "name");
            self.workspace_row(&workspace, [None; 3])?;
        }
        self.begin(Kind::Experiments);
        for experiment in self.archive.objects::<Experiment>() {
            self.experiment(&experiment?)?;
            self.monitor.advance(1);
        }
        Ok(())
    }

    /// The workspace of an object; noted where it is another than the archive says.
    pub(super) fn workspace_of(&mut self, kind: Kind, stated: Option<&str>) -> Option<String> {
        let workspace = self.rules.workspace(stated);
        if workspace != stated {
            self.outcome.edit(StoreEdit::Workspace, kind, "workspace");
        }
        workspace.map(str::to_owned)
    }

    fn workspace(&mut self, workspace: &Workspace) -> Result<()> {
        let kind = Kind::Workspaces;
        let subject = Subject::of(kind, &workspace.name);
        let mut extra = workspace.extra.clone();
        let mut taken = |name: &str| {
            let text = extra.get(name)?.as_str()?.to_owned();
            extra.remove(name);
            Some(text)
        };
        let (archival, retention) = (
            taken("trace_archival_location"),
            taken("trace_archival_retention"),
        );
        let root = self
            .rules
            .root_of_workspace(workspace.default_artifact_root.as_deref());
        let archival = self.rules.root_of_workspace(archival.as_deref());
        self.outcome.edit(root.1, kind, "default_artifact_root");
        self.outcome.edit(archival.1, kind, "trace_archival_location");
        self.lose_extra(subject, &extra, "");
        self.outcome.count(kind);
        self.workspace_row(workspace, [root.0, archival.0, retention.as_deref()])
    }

    fn workspace_row(&mut self, workspace: &Workspace, places: [Option<&str>; 3]) -> Result<()> {
        self.outcome.has_workspaces |= workspace.name != DEFAULT_WORKSPACE;
        let [root, archival, retention] = places.map(Cell::from);
        let row = [
            Cell::from(&workspace.name),
            workspace.description.as_deref().into(),
            root,
            archival,
            retention,
        ];
        self.rows.insert(Target::Workspaces, &row)
    }

    fn experiment(&mut self, experiment: &Experiment) -> Result<()> {
        let (kind, id) = (Kind::Experiments, experiment.experiment_id.as_str());
        let subject = Subject::of(kind, id);
        let known = self.rules.experiment(id).cloned();
        let known = known.expect("all experiments were looked at before");
        if known.id.to_string() != id {
            self.outcome.edit(StoreEdit::NewId, kind, "experiment_id");
            let (experiment_id, target_id) = (id.to_owned(), known.id);
            self.outcome.new_ids.push(NewId {
                experiment_id,
                target_id,
            });
        }
        if known.name.is_some() {
            self.outcome.edit(StoreEdit::Renamed, kind, "name");
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
            workspace.as_deref().into(),
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
            ACTIVE => ACTIVE,
            DELETED => DELETED,
            _ => {
                self.lose(subject, field, Reason::BadField);
                ACTIVE
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
