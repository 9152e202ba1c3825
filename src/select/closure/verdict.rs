//! What a selection says of an object, and what deleted means.

use super::Closure;
use crate::format::Reason;
use crate::model::lifecycle;

/// Whether an object is taken, and if not, why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Kept,
    LeftOut(Reason),
}

impl Verdict {
    pub(crate) const NOT_SELECTED: Verdict = Verdict::LeftOut(Reason::NotSelected);
    pub(crate) const DELETED: Verdict = Verdict::LeftOut(Reason::Deleted);
}

impl Closure {
    /// What deleted means: an object's own stage says so, or its experiment is.
    pub(crate) fn is_deleted(&self, lifecycle_stage: &str, experiment_id: &str) -> bool {
        let told = self.told.get(experiment_id);
        lifecycle::is_deleted(lifecycle_stage) || told.is_some_and(|experiment| experiment.is_deleted)
    }

    /// Judges an object by whether it is chosen or needed, and whether it is deleted.
    pub(crate) fn verdict(&self, is_taken: bool, is_deleted: bool) -> Verdict {
        match (is_taken, is_deleted && !self.include_deleted) {
            (false, _) => Verdict::NOT_SELECTED,
            (true, true) => Verdict::DELETED,
            (true, false) => Verdict::Kept,
        }
    }
}
