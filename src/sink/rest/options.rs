//! What an import is asked to do.

use crate::format::Kind;
use crate::monitor::Interrupt;
use crate::source::Patterns;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// What to do where the target has an object of that name which no earlier import of this origin made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnConflict {
    /// Nothing is imported.
    #[default]
    Fail,
    /// What the archive holds goes into the object that is there; nothing in it is overwritten.
    Merge,
    /// A new object with another name.
    Rename,
}

/// What to do with values that exceed what the target holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LongValues {
    /// Nothing is imported.
    #[default]
    Error,
    /// The first characters arrive.
    Truncate,
    /// The value is left out.
    Skip,
}

/// Which objects to import; a choice brings what it needs.
#[derive(Debug, Clone, Default)]
pub struct Only {
    /// Kinds, all where empty.
    pub kinds: BTreeSet<Kind>,
    /// Experiments by name, id or glob.
    pub experiments: Patterns,
    /// Runs by id.
    pub runs: BTreeSet<String>,
    /// Registered models by name or glob.
    pub models: Patterns,
    /// Workspaces by name or glob.
    pub workspaces: Patterns,
}

/// How an archive is imported.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// Names that are taken.
    pub on_conflict: OnConflict,
    /// Values that are too long.
    pub long_values: LongValues,
    /// Which objects.
    pub only: Only,
    /// Name of the one experiment in the target.
    pub experiment_name: Option<String>,
    /// Experiments' names in the target, by their names in the archive.
    pub rename_experiments: BTreeMap<String, String>,
    /// Registered models' names in the target, by their names in the archive.
    pub rename_models: BTreeMap<String, String>,
    /// User of every run.
    pub user: Option<String>,
    /// Adds source tags to what is sent.
    pub source_tags: bool,
    /// Rewrites ids in `MLmodel` files.
    pub fix_mlmodel: bool,
    /// Requests under way at once.
    pub connections: usize,
    /// Where the journal is; beside the archive where absent.
    pub journal: Option<PathBuf>,
    /// Names each object in the plan.
    pub list_objects: bool,
    /// Ends the import after the requests under way.
    pub interrupt: Interrupt,
}

impl Default for ImportOptions {
    fn default() -> Self {
        ImportOptions {
            on_conflict: OnConflict::Fail,
            long_values: LongValues::Error,
            only: Only::default(),
            experiment_name: None,
            rename_experiments: BTreeMap::new(),
            rename_models: BTreeMap::new(),
            user: None,
            source_tags: false,
            fix_mlmodel: true,
            connections: DEFAULT_CONNECTIONS,
            journal: None,
            list_objects: false,
            interrupt: Interrupt::default(),
        }
    }
}

/// Requests under way at once, unless told otherwise: `mlflow server` starts four workers, and more of them writing to one SQLite file wait
/// for each other (`docs/speed.md`).
pub const DEFAULT_CONNECTIONS: usize = 4;

impl Only {
    /// Whether a kind is asked for.
    pub fn takes_kind(&self, kind: Kind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }

    /// Whether nothing is left out by name or id.
    pub fn takes_all_names(&self) -> bool {
        self.experiments.is_empty() && self.runs.is_empty() && self.models.is_empty()
    }
}
