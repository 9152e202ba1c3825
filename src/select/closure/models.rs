//! Registered models and versions.

use super::Closure;
use crate::model::ModelVersion;
use crate::select::Verdict;

impl Closure {
    /// Whether a version of a model is taken, deleted or not.
    pub(crate) fn takes_version(&self, model: &str, run_id: Option<&str>) -> bool {
        let mut run_id = run_id.into_iter().filter(|id| !id.is_empty());
        self.takes_model(model)
            || (self.selection.models.is_empty() && run_id.any(|run_id| self.runs.contains(run_id)))
    }

    /// Judges a version of a model.
    pub(crate) fn version(&self, version: &ModelVersion) -> Verdict {
        let is_taken = self.takes_version(&version.name, version.run_id.as_deref());
        self.verdict(is_taken, version.is_deleted())
    }

    /// Whether a registered model is taken for its own sake.
    pub(crate) fn takes_model(&self, name: &str) -> bool {
        self.takes_all() || self.selection.models.matches(name)
    }
}
