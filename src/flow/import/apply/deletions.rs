//! What is deleted in the archive is deleted in the target, last of all.

use super::Apply;
use crate::flow::import::Result;
use crate::format::Kind;
use crate::lang::rest::api::TargetId;
use crate::model::Run;

impl Apply<'_> {
    pub(super) fn delete_runs(&self) -> Result<()> {
        let feed = |send: &mut dyn FnMut((String, TargetId)) -> bool| -> Result<()> {
            for run in self.archive.objects::<Run>() {
                let info = run?.info;
                let is_deleted = info.is_deleted();
                if !is_deleted || !self.plan.chosen.run(&info.experiment_id, &info.run_id) {
                    continue;
                }
                if let Some(new_id) = self.ledger.id(Kind::Runs, &info.run_id)
                    && !send((info.run_id, new_id))
                {
                    break;
                }
            }
            Ok(())
        };
        self.in_parallel(feed, |(id, new_id)| {
            self.attempt(Kind::Runs, &id, || Ok(self.api.delete_run(&new_id)?));
        })
    }

    /// Deletes experiments, and with them what is in them.
    pub(super) fn delete_experiments(&self) -> Result<()> {
        for planned in self.plan.experiments.iter().filter(|planned| planned.delete) {
            if let Some(new_id) = self.ledger.id(Kind::Experiments, &planned.id) {
                self.attempt(Kind::Experiments, &planned.id, || {
                    Ok(self.api.delete_experiment(&new_id)?)
                });
            }
        }
        self.end_of_phase()
    }
}
