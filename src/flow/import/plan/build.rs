//! Makes a plan from an archive and what is known of the target.

use super::chosen::Chosen;
use super::{Action, Item, Plan};
use crate::archive::Archive;
use crate::archive::walk::{JoinedObjects, Wanted, newer_fields, newer_kinds};
use crate::flow::import::deviations::{Deviation, Outcome};
use crate::flow::import::id_map::IdMap;
use crate::flow::import::identity::Identity;
use crate::flow::import::options::ImportOptions;
use crate::flow::import::part::PartKind;
use crate::flow::import::plan::limits::{Fitting, PARENT_TAG};
use crate::flow::import::plan::named_objects::Named;
use crate::flow::import::target::TargetState;
use crate::flow::import::{ImportError, artifacts};
use crate::format::{Kind, Object, Reason};
use crate::lang::rest::api::TargetId;
use crate::lang::rest::file_names::path_fault;
use crate::lang::rest::version::Feature;
use crate::model::{
    ArtifactList, DEFAULT_WORKSPACE, EvaluationDataset, LoggedModel, MetricSlice, Run, Scorer,
};
use std::collections::HashSet;

type Result<T, E = ImportError> = std::result::Result<T, E>;

impl Plan {
    /// Plans an import.
    ///
    /// # Errors
    /// The archive cannot be read, the choice cannot be, or the target lacks what the journal says it has.
    pub fn make(
        archive: &Archive,
        chosen: Chosen,
        named: Named,
        target: &TargetState,
        mapping: &IdMap,
        options: &ImportOptions,
    ) -> Result<Plan> {
        let plan = Plan {
            target: target.url.clone(),
            target_version: target.version_text.clone(),
            origins: target.origins.clone(),
            workspace: target.workspace.clone(),
            chosen,
            ..Plan::default()
        };
        let mut builder = Builder {
            archive,
            target,
            mapping,
            options,
            fitting: Fitting::new(target.limits(), target.is_databricks, &target.origins, options),
            plan,
            others: Vec::new(),
        };
        builder.workspace();
        builder.too_old();
        builder.names(&named)?;
        builder.runs()?;
        builder.logged_models()?;
        builder.plan.named = named;
        builder.registry()?;
        builder.genai()?;
        builder.newer()?;
        if !builder.others.is_empty() {
            return Err(ImportError::OtherObjects {
                count: builder.others.len(),
                names: builder.others[..builder.others.len().min(5)].join(", "),
            });
        }
        Ok(builder.plan)
    }
}

/// What a target must have to take objects of a kind at all; none of those that each target has.
fn feature_of(kind: Kind) -> Option<Feature> {
    match kind {
        Kind::LoggedModels | Kind::ModelMetrics => Some(Feature::LoggedModels),
        Kind::Traces | Kind::Spans => Some(Feature::TracesV2),
        Kind::EvaluationDatasets | Kind::DatasetRecords | Kind::Scorers => Some(Feature::EvaluationDatasets),
        Kind::Workspaces | Kind::Experiments | Kind::Runs | Kind::Metrics | Kind::Datasets => None,
        Kind::RegisteredModels | Kind::ModelVersions | Kind::Artifacts => None,
    }
}

pub(super) struct Builder<'a> {
    pub(super) archive: &'a Archive,
    pub(super) target: &'a TargetState,
    pub(super) mapping: &'a IdMap,
    pub(super) options: &'a ImportOptions,
    pub(super) fitting: Fitting,
    pub(super) plan: Plan,
    /// Objects that are not those which came under their ids.
    pub(super) others: Vec<String>,
}

impl Builder<'_> {
    /// The workspace: made, found, or left behind.
    fn workspace(&mut self) {
        let Some(name) = self.target.workspace.clone() else {
            return;
        };
        if self.target.is_flat {
            let reason = Reason::NoWorkspacesInTarget;
            self.limit(Kind::Workspaces, &name, "*", reason, Outcome::LeftOut);
        } else if name != DEFAULT_WORKSPACE {
            let action = match self.target.missing {
                Some(_) => Action::Create,
                None => Action::Reuse,
            };
            let id = TargetId::new(name.as_str());
            self.count(Kind::Workspaces, &name, action, Some(id), None);
        }
    }

    /// What a newer minor version of the format brought, which this build brings nowhere.
    fn newer(&mut self) -> Result<()> {
        for ((kind, field), found) in newer_fields(self.archive, Kind::ALL, Wanted::All)? {
            self.limit(kind, "*", &field, Reason::NewerVersion, Outcome::LeftOut);
            let changes = &mut self.plan.changes;
            changes.count(kind, Reason::NewerVersion, Outcome::LeftOut, found.count - 1);
        }
        self.plan.changes.leave_out_newer_kinds(newer_kinds(self.archive));
        Ok(())
    }

    fn runs(&mut self) -> Result<()> {
        let mut parents = HashSet::new();
        let mut runs = JoinedObjects::<Run>::new(self.archive, &[Kind::Metrics, Kind::Artifacts])?;
        while let Some(run) = runs.next()? {
            let info = &run.info;
            if !self.plan.chosen.run(&info.experiment_id, &info.run_id) {
                if self.plan.chosen.is_here(&info.experiment_id) {
                    self.count(Kind::Runs, &info.run_id, Action::Skip, None, None);
                }
                continue;
            }
            while let Some(slice) = runs.child()? {
                self.points(&slice);
            }
            self.files(&mut runs)?;
            let known = self.mapping.id(Kind::Runs, &info.run_id);
            let action = Self::action(&known);
            self.identify(Kind::Runs, &info.run_id, Identity::of_run(&run), "");
            self.count(Kind::Runs, &info.run_id, action, known, info.run_name.clone());
            if let Some(parent) = run.parent_id() {
                parents.insert(parent.to_owned());
            }
            let fitted = self.fitting.run(&run);
            let fitted = fitted.map_err(ImportError::exim(Kind::Runs, &info.run_id))?;
            self.plan.changes.extend(fitted.changes);
            if !self.target.has(Feature::DatasetInputs) {
                let inputs = run.inputs.dataset_inputs.len() as u64;
                let changes = &mut self.plan.changes;
                changes.count(Kind::Datasets, Reason::TargetTooOld, Outcome::LeftOut, inputs);
            }
        }
        self.parents(parents)
    }

    /// Which parents come with their children, and children whose parents do not.
    fn parents(&mut self, mut parents: HashSet<String>) -> Result<()> {
        // Parents that the archive does not have cannot be waited for.
        if !parents.is_empty() {
            for run in self.archive.objects::<Run>() {
                let info = run?.info;
                if self.plan.chosen.run(&info.experiment_id, &info.run_id) && parents.remove(&info.run_id) {
                    self.plan.parents.insert(info.run_id);
                }
            }
        }
        parents.retain(|parent| self.mapping.get(Kind::Runs, parent).is_none());
        if parents.is_empty() {
            return Ok(());
        }
        for run in self.archive.objects::<Run>() {
            let run = run?;
            let parent = run.parent_id();
            let is_orphan = parent.is_some_and(|parent| parents.contains(parent));
            if is_orphan && self.plan.chosen.run(&run.info.experiment_id, &run.info.run_id) {
                let field = PartKind::Tag.of(PARENT_TAG);
                let id = &run.info.run_id;
                self.limit(Kind::Runs, id, &field, Reason::ParentNotInArchive, Outcome::Kept);
            }
        }
        Ok(())
    }

    /// Metric points that the target cannot hold as they are.
    fn points(&mut self, slice: &MetricSlice) {
        let changes = &mut self.plan.changes;
        if let Some(fault) = self.fitting.limits.key_fault(&slice.key) {
            let points = slice.values.len() as u64;
            changes.count(Kind::Metrics, fault, Outcome::LeftOut, points);
            return;
        }
        let infinite = slice.values.iter().filter(|value| value.0.is_infinite()).count() as u64;
        let negative = slice.timestamps.iter().filter(|time| **time < 0).count() as u64;
        changes.count(Kind::Metrics, Reason::Infinity, Outcome::Replaced, infinite);
        let reason = Reason::NegativeTimestamp;
        changes.count(Kind::Metrics, reason, Outcome::LeftOut, negative);
    }

    /// Files of the object that was taken last that the target cannot hold.
    pub(super) fn files<T: Object>(&mut self, owners: &mut JoinedObjects<'_, T>) -> Result<()> {
        while let Some(list) = owners.child::<ArtifactList>()? {
            for file in &list.files {
                let (owner, path) = (&list.owner_id, &file.path);
                if let Some(fault) = artifacts::fault(file, &self.fitting.limits) {
                    self.limit(Kind::Artifacts, owner, path, fault, Outcome::LeftOut);
                } else if let Some(fault) = path_fault(path, self.fitting.limits.paths_are_urls) {
                    self.limit(Kind::Artifacts, owner, path, fault.reason(), Outcome::Unlisted);
                }
            }
        }
        Ok(())
    }

    fn logged_models(&mut self) -> Result<()> {
        let kind = Kind::LoggedModels;
        if !self.target.has(Feature::LoggedModels) {
            return Ok(());
        }
        // Points are only passed over here: what belongs to no model is damage, to be found before the first write.
        let kinds = [Kind::ModelMetrics, Kind::Artifacts];
        let mut models = JoinedObjects::<LoggedModel>::new(self.archive, &kinds)?;
        while let Some(model) = models.next()? {
            if !self.plan.chosen.is_here(&model.experiment_id) {
                continue;
            }
            if !self.plan.chosen.logged_model(&model) {
                self.count(kind, &model.model_id, Action::Skip, None, None);
                continue;
            }
            let known = self.mapping.id(kind, &model.model_id);
            let action = Self::action(&known);
            self.count(kind, &model.model_id, action, known, model.name.clone());
            self.files(&mut models)?;
            let (_, _, changes) = self.fitting.logged_model(&model);
            self.plan.changes.extend(changes);
        }
        Ok(())
    }

    fn genai(&mut self) -> Result<()> {
        self.traces()?;
        if !self.target.has(Feature::EvaluationDatasets) {
            return Ok(());
        }
        // As with points of models, so with records.
        let kinds = [Kind::DatasetRecords];
        let mut datasets = JoinedObjects::<EvaluationDataset>::new(self.archive, &kinds)?;
        while let Some(dataset) = datasets.next()? {
            let kind = Kind::EvaluationDatasets;
            let known = self.mapping.id(kind, &dataset.dataset_id);
            let is_chosen = self.plan.chosen.dataset(&dataset);
            let (id, limit) = (&dataset.dataset_id, self.fitting.limits.model_tag);
            let mut action = Action::Skip;
            if is_chosen {
                action = Self::action(&known);
                let (_, changes) = self.fitting.other(kind, id, PartKind::Tag, &dataset.tags, limit);
                self.plan.changes.extend(changes);
            }
            self.count(kind, id, action, known, Some(dataset.name));
        }
        for scorer in self.archive.objects::<Scorer>() {
            let scorer = scorer?;
            if !self.plan.chosen.is_here(&scorer.experiment_id) {
                continue;
            }
            let id = Object::id(&scorer);
            let action = self.by_experiment(Kind::Scorers, &scorer.experiment_id, &id);
            self.count(Kind::Scorers, &id, action, None, None);
        }
        Ok(())
    }

    /// What happens to an object that is chosen.
    pub(super) fn action(known: &Option<TargetId>) -> Action {
        match known {
            Some(_) => Action::Reuse,
            None => Action::Create,
        }
    }

    pub(super) fn by_experiment(&self, kind: Kind, experiment_id: &str, id: &str) -> Action {
        match self.plan.chosen.in_experiment(kind, experiment_id) {
            false => Action::Skip,
            true if self.mapping.get(kind, id).is_some() => Action::Reuse,
            true => Action::Create,
        }
    }

    /// Remembers an object whose id an earlier import brought as another object's.
    pub(super) fn identify(&mut self, kind: Kind, id: &str, identity: Identity, names: &str) {
        let known = self.mapping.get(kind, id);
        if known.is_some_and(|known| known.state.identity.is_other(identity)) {
            self.others.push(format!("{kind} {id}{names}"));
        }
    }

    /// Counts the objects of kinds that the target is too old for.
    fn too_old(&mut self) {
        let target = self.target;
        let is_missing = |kind: &Kind| feature_of(*kind).is_some_and(|feature| !target.has(feature));
        for &kind in Kind::ALL.iter().filter(|kind| is_missing(kind)) {
            let count = self.archive.manifest().count(kind);
            let changes = &mut self.plan.changes;
            changes.count(kind, Reason::TargetTooOld, Outcome::LeftOut, count);
        }
    }

    pub(super) fn limit(&mut self, kind: Kind, id: &str, field: &str, reason: Reason, outcome: Outcome) {
        let change = Deviation::new(kind, id, field, reason, outcome);
        self.plan.changes.add(change);
    }

    pub(super) fn count(
        &mut self,
        kind: Kind,
        id: &str,
        action: Action,
        target_id: Option<TargetId>,
        name: Option<String>,
    ) {
        let action = match action {
            Action::Create if self.mapping.is_refused(kind, id) => Action::Refuse,
            action => action,
        };
        if matches!(action, Action::Reuse | Action::Merge | Action::Refuse)
            && let Some(noted) = self.mapping.noted(kind, id)
        {
            self.plan.noted.note(noted);
        }
        self.plan.tallies.entry(kind).or_default().add(action);
        if self.options.list_objects || action == Action::Conflict {
            self.plan.items.push(Item {
                kind,
                id: id.to_owned(),
                action,
                target_id,
                name,
            });
        }
    }
}
