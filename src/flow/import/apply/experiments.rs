//! Experiments: made, found again, or merged into.

use super::refusal::Whole;
use super::{Apply, lock};
use crate::client::ClientError;
use crate::flow::import::identity::{self, Identity};
use crate::flow::import::part::PartKind;
use crate::flow::import::plan::limits::Texts;
use crate::flow::import::plan::{Action, PlannedExperiment};
use crate::flow::import::report::Done;
use crate::flow::import::run_chunks::short_digest;
use crate::flow::import::{ImportError, Result};
use crate::format::{Kind, Reason};
use crate::lang::rest::api::{TargetExperiment, TargetId};
use crate::lang::rest::mark;
use crate::model::Experiment;
use sha2::{Digest as _, Sha256};

const KIND: Kind = Kind::Experiments;

impl Apply<'_> {
    /// Makes the experiments of the plan, one after the other: there are few.
    pub(super) fn experiments(&self) -> Result<()> {
        self.monitor
            .begin("experiments", Some(self.plan.experiments.len() as u64));
        let new: Vec<_> = self
            .plan
            .experiments
            .iter()
            .filter(|planned| planned.action == Action::Create)
            .map(|planned| planned.id.as_str())
            .collect();
        self.ledger.intend(KIND, &new)?;
        for experiment in &self.plan.named.experiments {
            let Some(planned) = self.plan.experiment(&experiment.experiment_id) else {
                continue;
            };
            self.attempt(KIND, &planned.id, || self.experiment(experiment, planned));
            self.monitor.advance(1);
            if self.is_stopped() {
                break;
            }
        }
        self.end_of_phase()
    }

    fn experiment(&self, experiment: &Experiment, planned: &PlannedExperiment) -> Result<()> {
        let fitted = self.fitting.experiment(experiment);
        let (tags, _) = fitted.map_err(ImportError::exim(KIND, &planned.id))?;
        let identity = Identity::of_experiment(experiment);
        let found = planned.target_id.as_ref();
        let found = found.and_then(|id| self.target.experiments.get(id)).cloned();
        let is_closed = !planned.delete && found.as_ref().is_some_and(|found| found.is_deleted);
        let digest = short_digest(Sha256::new_with_prefix(format!("{tags:?} {is_closed}")));
        let is_done = self.is_done(KIND, &planned.id, digest);
        let (target, done) = match (&planned.target_id, planned.action) {
            (None, Action::Create) => {
                let id = self.create_experiment(planned, &tags, identity)?;
                let made = self.api.experiment(&id)?;
                if let Some(made) = made.as_ref().filter(|_| self.is_bare(KIND, &planned.id)) {
                    self.add_experiment_tags(planned, made, &tags)?;
                }
                (made, Done::Created)
            }
            (Some(id), _) => {
                if self.ledger.get(KIND, &planned.id).is_none() {
                    self.ledger.made_as(KIND, &planned.id, id, false, identity)?;
                }
                if !is_done && let Some(found) = &found {
                    self.add_experiment_tags(planned, found, &tags)?;
                }
                (found, Done::Completed)
            }
            _ => return Ok(()),
        };
        let target = target.ok_or_else(|| ImportError::needs(KIND, &planned.id))?;
        if target.is_deleted && planned.delete {
            // It takes nothing in while it is deleted; it will be again at the end.
            self.api.restore_experiment(&target.id)?;
        }
        lock(&self.seen.locations).insert(target.id, target.artifact_location);
        if is_done {
            self.reused(KIND, &planned.id);
            return Ok(());
        }
        if is_closed {
            self.kept(KIND, &planned.id, "lifecycle_stage", Reason::DeletedInTarget);
        }
        self.count(done, KIND);
        self.done(KIND, &planned.id, digest)
    }

    fn create_experiment(
        &self,
        planned: &PlannedExperiment,
        tags: &Texts,
        identity: Identity,
    ) -> Result<TargetId> {
        let mark = self.fitting.mark(KIND, &planned.id).1;
        let find = || -> Result<Option<TargetId>, ClientError> {
            let found = self.api.experiment_by_name(&planned.target_name)?;
            Ok(found
                .filter(|found| found.tags.get(mark::KEY) == Some(&mark))
                .map(|found| found.id))
        };
        let maybe_there = self.ledger.is_intended(KIND, &planned.id);
        let create = || self.api.create_experiment(&planned.target_name, tags);
        let whole = Whole::new(KIND, &planned.id);
        let created = self.create_once(whole, maybe_there, find, create);
        let bare = [(mark::KEY.to_owned(), mark.clone())];
        let bare = || self.api.create_experiment(&planned.target_name, &bare);
        let created = self.or_bare(whole, created, bare);
        let (id, is_fresh) = match created {
            // Another import of the same origin was faster.
            Err(ImportError::Client(error)) if error.is_already_there() => match find()? {
                Some(id) => (id, false),
                None => return Err(error.into()),
            },
            other => other?,
        };
        self.ledger.made_as(KIND, &planned.id, &id, is_fresh, identity)?;
        Ok(id)
    }

    /// Adds tags that are missing; what is there stays.
    fn add_experiment_tags(
        &self,
        planned: &PlannedExperiment,
        found: &TargetExperiment,
        tags: &Texts,
    ) -> Result<()> {
        if found.is_deleted {
            return Ok(());
        }
        let whole = Whole::new(KIND, &planned.id);
        for tag in tags {
            let (key, value) = tag;
            // An experiment that was there before is not ours to mark.
            let is_ours = key != mark::KEY && key != identity::KEY;
            if self.lacks(whole, PartKind::Tag, tag, &found.tags) && is_ours {
                let set = || self.api.set_experiment_tag(&found.id, key, value);
                self.alone(whole, &PartKind::Tag.of(key), set)?;
            }
        }
        Ok(())
    }

    /// The URI below which a run of the target keeps its artifacts.
    pub(super) fn artifact_uri(&self, experiment_id: &TargetId, run_id: &TargetId) -> Option<String> {
        let location = lock(&self.seen.locations).get(experiment_id).cloned();
        let location = location.filter(|location| !location.is_empty() && !location.contains(['?', '#']))?;
        Some(format!("{}/{run_id}/artifacts", location.trim_end_matches('/')))
    }
}
