//! Other names for objects; what refers to them by name follows.

mod experiment;
mod model;
mod names;
mod users;
mod workspace;

pub(super) use self::experiment::experiments;
pub(super) use self::model::models;
pub use self::names::{Rename, RenamePair};
pub(super) use self::users::UserNames;
pub use self::workspace::IntoWorkspace;
pub(super) use self::workspace::{into_workspace, workspaces};

/// Name of the edit that renames experiments.
pub(super) const EXPERIMENT: &str = "rename-experiment";
/// Name of the edit that renames registered models and prompts.
pub(super) const MODEL: &str = "rename-model";
/// Name of the edit that renames workspaces.
pub(super) const WORKSPACE: &str = "rename-workspace";
/// Name of the edit that puts everything into one workspace.
pub(super) const INTO_WORKSPACE: &str = "into-workspace";
