//! What is chosen, as asked for: by `export`, `import`, `ls` and edits alike.

use super::{AskedNames, Patterns, RunFilter, Share};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Which objects to export; empty means all.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Experiments by name, id or glob of the name.
    pub experiments: Patterns,
    /// Runs by id, or the start of it.
    pub runs: Vec<String>,
    /// Registered models by name or glob.
    pub models: Patterns,
    /// Runs by start time.
    pub time: TimeRange,
    /// Runs by what they are, in MLflow's search syntax.
    pub filter: Option<RunFilter>,
    /// Lists artifacts without taking their bytes.
    pub no_artifacts: bool,
    /// Artifacts whose path matches are taken; empty means all.
    pub artifact_include: Patterns,
    /// Artifacts whose path matches are not taken.
    pub artifact_exclude: Patterns,
    /// Whether runs are chosen by more than is said here, as edits can.
    pub narrows_runs: bool,
    /// What of all that is one shard's own.
    pub share: Option<Share>,
}

impl Selection {
    /// Whether nothing is chosen, so that everything is exported.
    pub fn takes_all_objects(&self) -> bool {
        self.experiments.is_empty()
            && self.runs.is_empty()
            && self.models.is_empty()
            && !self.chooses_by_run()
    }

    /// Whether experiments or runs are chosen; registered models then come only with a chosen run.
    pub fn chooses_runs(&self) -> bool {
        !self.experiments.is_empty() || !self.runs.is_empty() || self.chooses_by_run()
    }

    /// Whether each run is looked at to tell whether it is chosen.
    fn chooses_by_run(&self) -> bool {
        self.time != TimeRange::default() || self.filter.is_some() || self.narrows_runs
    }

    /// What was asked for by name, before anything was seen.
    pub(crate) fn asked(&self) -> AskedNames {
        AskedNames::new(&self.experiments, &self.runs, &self.models)
    }

    /// Whether experiments are taken with all that is in them.
    pub(crate) fn takes_whole_experiments(&self) -> bool {
        !self.experiments.is_empty() && self.runs.is_empty() && !self.chooses_by_run()
    }

    /// Whether something may be chosen that no run made; what is no run meets no filter.
    pub(crate) fn chooses_without_runs(&self) -> bool {
        self.chooses_runs() && self.runs.is_empty() && self.filter.is_none() && !self.narrows_runs
    }

    /// Whether something that no run made is chosen by its own time.
    pub(crate) fn chooses_alone(&self, run_id: Option<&str>, time: Option<i64>) -> bool {
        self.chooses_without_runs() && run_id.is_none_or(str::is_empty) && self.time.contains(time)
    }

    /// Whether the bytes of an artifact are taken.
    pub fn takes_artifact(&self, path: &str) -> bool {
        !self.no_artifacts
            && (self.artifact_include.is_empty() || self.artifact_include.matches(path))
            && !self.artifact_exclude.matches(path)
    }

    /// Which objects are chosen, by option name.
    pub fn choices(&self) -> BTreeMap<String, Value> {
        told([
            ("experiment", list(self.experiments.texts())),
            ("model", list(self.models.texts())),
            ("run", list(&self.runs)),
            ("filter", self.filter.as_ref().map(|filter| json!(filter.text()))),
            ("since", self.time.since.map(Value::from)),
            ("until", self.time.until.map(Value::from)),
        ])
    }

    /// The choices as the manifest lists them, by option name.
    pub fn to_manifest(&self, include_deleted: bool) -> BTreeMap<String, Value> {
        let mut options = self.choices();
        options.extend(told([
            ("artifact-include", list(self.artifact_include.texts())),
            ("artifact-exclude", list(self.artifact_exclude.texts())),
            ("include-deleted", include_deleted.then_some(Value::Bool(true))),
            ("no-artifacts", self.no_artifacts.then_some(Value::Bool(true))),
        ]));
        options
    }
}

/// Options that are given.
fn told<const N: usize>(options: [(&str, Option<Value>); N]) -> BTreeMap<String, Value> {
    let given = options.into_iter();
    given
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}

fn list(texts: &[String]) -> Option<Value> {
    (!texts.is_empty()).then(|| json!(texts))
}

/// A span of time in epoch milliseconds, start included, end not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TimeRange {
    /// First moment taken.
    pub since: Option<i64>,
    /// First moment no longer taken.
    pub until: Option<i64>,
}

impl TimeRange {
    /// Whether a start time is in the range; a missing one is only where nothing is asked for.
    pub fn contains(&self, start_time: Option<i64>) -> bool {
        match start_time {
            None => *self == TimeRange::default(),
            Some(time) => {
                self.since.is_none_or(|since| since <= time) && self.until.is_none_or(|until| time < until)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_includes_its_start_only() {
        let range = TimeRange {
            since: Some(10),
            until: Some(20),
        };
        assert!(range.contains(Some(10)) && range.contains(Some(19)));
        assert!(!range.contains(Some(20)) && !range.contains(None));
        assert!(TimeRange::default().contains(None));
    }
}
