//! Makes a plan from an archive and what is known of the target.

use super::chosen::Chosen;
use super::named::Named;
use super::{Action, Item, Plan};
use crate::archive::Archive;
use crate::format::{Kind, Object};
use crate::model::{ArtifactList, EvaluationDataset, LoggedModel, MetricSlice, Run, Scorer, Trace};
use crate::sink::rest::ImportError;
use crate::sink::rest::changes::{Change, Outcome};
use crate::sink::rest::limits::Feature;
use crate::sink::rest::mapping::Mapping;
use crate::sink::rest::options::ImportOptions;
use crate::sink::rest::rewrite::{Fitting, PARENT_TAG};
use crate::sink::rest::target::TargetState;
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
        named: &Named,
        target: &TargetState,
        mapping: &Mapping,
        options: &ImportOptions,
    ) -> Result<Plan> {
        let origin = &archive.manifest().origin;
        let plan = Plan {
            target: target.url.clone(),
            target_version: target.version_text.clone(),
            origin: origin.clone(),
            chosen,
            ..Plan::default()
        };
        let mut builder = Builder {
            archive,
            target,
            mapping,
            options,
            fitting: Fitting::new(target.limits(), target.is_databricks, origin, options),
            plan,
        };
        builder.names(named)?;
        builder.runs()?;
        builder.contents()?;
        builder.logged_models()?;
        builder.registry(named)?;
        builder.genai()?;
        Ok(builder.plan)
    }
}

pub(super) struct Builder<'a> {
    pub(super) archive: &'a Archive,
    pub(super) target: &'a TargetState,
    pub(super) mapping: &'a Mapping,
    pub(super) options: &'a ImportOptions,
    pub(super) fitting: Fitting,
    pub(super) plan: Plan,
}

impl Builder<'_> {
    fn runs(&mut self) -> Result<()> {
        let mut parents = HashSet::new();
        for run in self.archive.objects::<Run>() {
            let run = run?;
            let info = &run.info;
            if !self.plan.chosen.run(&info.experiment_id, &info.run_id) {
                self.count(Kind::Runs, &info.run_id, Action::Skip, None, None);
                continue;
            }
            let known = self.mapping.id(Kind::Runs, &info.run_id);
            let action = if known.is_some() {
                Action::Reuse
            } else {
                Action::Create
            };
            self.count(Kind::Runs, &info.run_id, action, known, info.run_name.clone());
            if let Some(parent) = run.tags.get(PARENT_TAG).and_then(|text| text.as_str()) {
                parents.insert(parent.to_owned());
            }
            let fitted = self.fitting.run(&run).map_err(exim(Kind::Runs, &info.run_id))?;
            self.plan.changes.extend(fitted.changes);
            if !self.target.has(Feature::DatasetInputs) {
                let inputs = run.inputs.dataset_inputs.len() as u64;
                self.plan
                    .changes
                    .count(Kind::Datasets, TOO_OLD, Outcome::LeftOut, inputs);
            }
        }
        // Parents that the archive does not have cannot be waited for.
        if !parents.is_empty() {
            for run in self.archive.objects::<Run>() {
                let info = run?.info;
                if parents.contains(&info.run_id) && self.plan.chosen.run(&info.experiment_id, &info.run_id) {
                    self.plan.parents.insert(info.run_id);
                }
            }
        }
        Ok(())
    }

    /// Metric points and files that the target cannot hold as they are.
    fn contents(&mut self) -> Result<()> {
        let mut lines = self.archive.lines(Kind::Metrics);
        while let Some(line) = lines.next_line()? {
            let slice: MetricSlice = serde_json::from_slice(line.bytes)
                .map_err(|error| self.archive.damaged(&line.place(), &error.to_string()))?;
            let infinite = slice.values.iter().filter(|value| value.0.is_infinite()).count() as u64;
            let negative = slice.timestamps.iter().filter(|time| **time < 0).count() as u64;
            self.plan
                .changes
                .count(Kind::Metrics, "infinity", Outcome::Replaced, infinite);
            self.plan
                .changes
                .count(Kind::Metrics, "negative-timestamp", Outcome::LeftOut, negative);
            if let Some(fault) = self.fitting.limits.key_fault(&slice.key) {
                let points = slice.values.len() as u64;
                self.plan
                    .changes
                    .count(Kind::Metrics, fault, Outcome::LeftOut, points);
            }
        }
        let mut lines = self.archive.lines(Kind::Artifacts);
        while let Some(line) = lines.next_line()? {
            let list: ArtifactList = serde_json::from_slice(line.bytes)
                .map_err(|error| self.archive.damaged(&line.place(), &error.to_string()))?;
            for file in &list.files {
                let fault = crate::sink::rest::artifacts::fault(file);
                if let Some(fault) = fault {
                    self.limit(
                        Kind::Artifacts,
                        &list.owner_id,
                        &file.path,
                        fault,
                        Outcome::LeftOut,
                    );
                }
            }
        }
        Ok(())
    }

    fn logged_models(&mut self) -> Result<()> {
        let kind = Kind::LoggedModels;
        if !self.target.has(Feature::LoggedModels) {
            self.too_old(&[Kind::LoggedModels, Kind::ModelMetrics]);
            return Ok(());
        }
        for model in self.archive.objects::<LoggedModel>() {
            let model = model?;
            if !self.plan.chosen.logged_model(&model) {
                self.count(kind, &model.model_id, Action::Skip, None, None);
                continue;
            }
            let known = self.mapping.id(kind, &model.model_id);
            let action = if known.is_some() {
                Action::Reuse
            } else {
                Action::Create
            };
            self.count(kind, &model.model_id, action, known, model.name.clone());
            let (_, _, changes) = self.fitting.logged_model(&model);
            self.plan.changes.extend(changes);
        }
        Ok(())
    }

    fn genai(&mut self) -> Result<()> {
        if self.target.has(Feature::Traces) {
            for trace in self.archive.objects::<Trace>() {
                let trace = trace?;
                let action = self.by_experiment(Kind::Traces, &trace.experiment_id, &trace.trace_id);
                self.count(Kind::Traces, &trace.trace_id, action, None, None);
            }
        } else {
            self.too_old(&[Kind::Traces, Kind::Spans]);
        }
        if !self.target.has(Feature::EvaluationDatasets) {
            self.too_old(&[Kind::EvaluationDatasets, Kind::DatasetRecords, Kind::Scorers]);
            return Ok(());
        }
        for dataset in self.archive.objects::<EvaluationDataset>() {
            let dataset = dataset?;
            let kind = Kind::EvaluationDatasets;
            let known = self.mapping.id(kind, &dataset.dataset_id);
            let is_chosen = self.plan.chosen.kind(kind)
                && (dataset.experiment_ids.is_empty() && self.plan.chosen.whole_experiment("")
                    || dataset
                        .experiment_ids
                        .iter()
                        .any(|id| self.plan.chosen.whole_experiment(id)));
            let action = match (is_chosen, &known) {
                (false, _) => Action::Skip,
                (true, Some(_)) => Action::Reuse,
                (true, None) => Action::Create,
            };
            self.count(kind, &dataset.dataset_id, action, known, Some(dataset.name));
        }
        for scorer in self.archive.objects::<Scorer>() {
            let scorer = scorer?;
            let id = Object::id(&scorer);
            let action = self.by_experiment(Kind::Scorers, &scorer.experiment_id, &id);
            self.count(Kind::Scorers, &id, action, None, None);
        }
        Ok(())
    }

    fn by_experiment(&self, kind: Kind, experiment_id: &str, id: &str) -> Action {
        match self.plan.chosen.in_experiment(kind, experiment_id) {
            false => Action::Skip,
            true if self.mapping.get(kind, id).is_some() => Action::Reuse,
            true => Action::Create,
        }
    }

    fn too_old(&mut self, kinds: &[Kind]) {
        for &kind in kinds {
            let count = self.archive.manifest().count(kind);
            self.plan.changes.count(kind, TOO_OLD, Outcome::LeftOut, count);
        }
    }

    pub(super) fn limit(
        &mut self,
        kind: Kind,
        id: &str,
        field: &str,
        reason: &'static str,
        outcome: Outcome,
    ) {
        self.plan.changes.add(Change {
            kind,
            id: id.to_owned(),
            field: field.to_owned(),
            reason,
            outcome,
        });
    }

    pub(super) fn count(
        &mut self,
        kind: Kind,
        id: &str,
        action: Action,
        target_id: Option<String>,
        name: Option<String>,
    ) {
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

/// Reason of what a newer server would hold.
pub(in crate::sink::rest) const TOO_OLD: &str = "target-too-old";

pub(super) fn exim(kind: Kind, id: &str) -> impl FnOnce(crate::model::pyjson::PyJsonError) -> ImportError {
    let id = id.to_owned();
    move |source| ImportError::Exim { kind, id, source }
}
