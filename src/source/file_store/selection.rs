//! Which objects a selection takes, with what they need.

use super::notes::Notes;

/// The objects that are exported.
#[derive(Debug)]
pub(super) enum Chosen {
    /// All.
    All,
}

impl Chosen {
    /// Whether an experiment is exported.
    pub(super) fn takes_experiment(&self, _id: &str) -> bool {
        true
    }

    /// Whether an experiment is exported with all that is in it.
    pub(super) fn takes_whole(&self, _id: &str) -> bool {
        true
    }

    /// Whether a run is exported.
    pub(super) fn takes_run(&self, _id: &str) -> bool {
        true
    }

    /// Whether a trace is exported.
    pub(super) fn takes_trace(&self, _id: &str) -> bool {
        true
    }

    /// Whether a logged model is exported.
    pub(super) fn takes_logged_model(&self, _id: &str) -> bool {
        true
    }

    /// Whether a registered model is exported.
    pub(super) fn takes_registered_model(&self, _name: &str) -> bool {
        true
    }

    /// Whether a model version is exported.
    pub(super) fn takes_version(&self, _name: &str, _version: u64) -> bool {
        true
    }

    /// The notes about objects that may be exported.
    pub(super) fn relevant(&self, notes: Notes, _experiment_id: &str) -> Notes {
        notes
    }
}
