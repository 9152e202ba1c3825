//! What an import is asked to do.

use crate::format::Kind;
use crate::model::named::named;
use crate::monitor::Interrupt;
use crate::select::{Patterns, RunFilter};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

named! {
    /// What to do where the target has an object of that name which no earlier import of this origin made.
    #[derive(Default)]
    pub enum OnConflict {
        /// Nothing is imported.
        #[default]
        Fail = "fail",
        /// What the archive holds goes into the object that is there; nothing in it is overwritten.
        Merge = "merge",
        /// A new object with another name.
        Rename = "rename",
    }
}

named! {
    /// What to do with values that exceed what the target holds.
    #[derive(Default)]
    pub enum LongValues {
        /// Nothing is imported.
        #[default]
        Error = "error",
        /// The first characters arrive.
        Truncate = "truncate",
        /// The value is left out.
        Skip = "skip",
    }
}

/// Which objects to import; a choice brings what it needs.
#[derive(Debug, Clone, Default)]
pub struct Only {
    /// Kinds, all where empty.
    pub kinds: BTreeSet<Kind>,
    /// Experiments by name, id or glob.
    pub experiments: Patterns,
    /// Runs by id or the start of it.
    pub runs: BTreeSet<String>,
    /// Runs by what they are, in MLflow's search syntax.
    pub filter: Option<RunFilter>,
    /// The runs that meet it and are all else that was asked for, by id; found when the import is prepared.
    pub(crate) met: BTreeSet<String>,
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
    /// Origin of the archive, in place of what it says itself.
    pub origin: Option<String>,
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
            origin: None,
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

/// Options that decide what arrives, as they are given: what is not here was not given.
pub(crate) type ToldOptions = BTreeMap<String, String>;

impl ImportOptions {
    /// The options that decide what arrives.
    pub fn told(&self) -> ToldOptions {
        let list = |texts: &mut dyn Iterator<Item = String>| {
            let texts: Vec<_> = texts.collect();
            (!texts.is_empty()).then(|| texts.join(", "))
        };
        let renames = |names: &BTreeMap<String, String>| {
            list(&mut names.iter().map(|(old, new)| format!("{old}={new}")))
        };
        let on_conflict = match self.on_conflict {
            OnConflict::Fail => None,
            OnConflict::Merge => Some("merge"),
            OnConflict::Rename => Some("rename"),
        };
        let long_values = match self.long_values {
            LongValues::Error => None,
            LongValues::Truncate => Some("truncate"),
            LongValues::Skip => Some("skip"),
        };
        let given = [
            ("--on-conflict", on_conflict.map(str::to_owned)),
            ("--long-values", long_values.map(str::to_owned)),
            ("--only", list(&mut self.only.texts())),
            ("--experiment-name", self.experiment_name.clone()),
            ("--rename-experiment", renames(&self.rename_experiments)),
            ("--rename-model", renames(&self.rename_models)),
            ("--user", self.user.clone()),
            ("--source-tags", self.source_tags.then(|| "true".to_owned())),
            ("--fix-mlmodel", (!self.fix_mlmodel).then(|| "false".to_owned())),
        ];
        let given = given.into_iter();
        given
            .filter_map(|(option, value)| Some((option.to_owned(), value?)))
            .collect()
    }
}

/// How options differ from those of an earlier import, one text for each.
pub(crate) fn differences(before: &ToldOptions, now: &ToldOptions) -> Vec<String> {
    let options: BTreeSet<_> = before.keys().chain(now.keys()).collect();
    let differing = options
        .into_iter()
        .filter(|option| before.get(*option) != now.get(*option));
    let side = |value: Option<&String>| value.map_or("not given".to_owned(), |value| format!("`{value}`"));
    differing
        .map(|option| {
            format!(
                "{option} was {}, is {}",
                side(before.get(option)),
                side(now.get(option))
            )
        })
        .collect()
}

/// Requests under way at once, unless told otherwise: `mlflow server` starts four workers, and more of them writing to one SQLite file wait
/// for each other (`docs/speed.md`).
pub(crate) const DEFAULT_CONNECTIONS: usize = 4;

impl Only {
    /// The choice as options say it.
    fn texts(&self) -> impl Iterator<Item = String> {
        let kinds = self.kinds.iter().map(|kind| kind.name().to_owned());
        let named = [
            ("experiment", self.experiments.texts()),
            ("model", self.models.texts()),
            ("workspace", self.workspaces.texts()),
        ];
        let named = named
            .into_iter()
            .flat_map(|(word, texts)| texts.iter().map(move |text| format!("{word}={text}")));
        let runs = self.runs.iter().map(|id| format!("run={id}"));
        let filter = self.filter.iter().map(|filter| format!("filter={filter}"));
        kinds.chain(named).chain(runs).chain(filter)
    }

    /// Whether nothing is left out by name or id.
    pub fn takes_all_names(&self) -> bool {
        self.experiments.is_empty() && self.runs.is_empty() && self.models.is_empty() && self.filter.is_none()
    }
}
