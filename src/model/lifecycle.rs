//! Lifecycle stages of experiments, runs and logged models: what is deleted.
//!
//! MLflow marks what is deleted and keeps it until `mlflow gc`. In a selection an object is deleted as well where its
//! experiment is (`Closure::is_deleted`).

use super::{Experiment, LoggedModel, RunInfo};

/// What is not deleted.
pub(crate) const ACTIVE: &str = "active";
/// What is deleted, and can be restored.
pub(crate) const DELETED: &str = "deleted";

/// Whether a stage is that of what is deleted.
pub(crate) fn is_deleted(lifecycle_stage: &str) -> bool {
    lifecycle_stage == DELETED
}

/// The stage of what is deleted or not.
pub(crate) fn stage(is_deleted: bool) -> &'static str {
    if is_deleted { DELETED } else { ACTIVE }
}

macro_rules! staged {
    ($($kind:ty),*) => {
        $(impl $kind {
            /// Whether its stage says that it is deleted.
            pub fn is_deleted(&self) -> bool {
                is_deleted(&self.lifecycle_stage)
            }
        })*
    };
}

staged!(Experiment, RunInfo, LoggedModel);
