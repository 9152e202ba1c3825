//! A part of an archive: what is chosen with all that it needs, or all but what is excluded.

use super::sought::names;
use super::view::View;
use crate::archive::walk::text;
use crate::format::Kind;
use crate::select::{AskedNames, Patterns, RunFilter, Selection, TimeRange};
use std::collections::HashSet;

mod choose;
mod exclude;
mod facts;
mod only;
mod taken;
mod versions;

pub(super) use self::choose::choose;
pub(super) use self::exclude::exclude;
pub(super) use self::facts::{DatasetName, RunFacts};
use super::error::{Result, TransformError};
use super::step::Fate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is chosen; runs must be all that is said of runs. Empty fields choose all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Select {
    /// Experiments by name, id or glob.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub experiments: Vec<String>,
    /// Runs by id, or the start of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<String>,
    /// Registered models and prompts by name or glob.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Of those models, this version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Of those models, the versions in this stage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// Of those models, the version that has this alias.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// Runs that began then or later, in epoch milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<i64>,
    /// Runs that began before, in epoch milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
    /// Runs that meet this filter, in MLflow's search syntax.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Runs that ended before, in epoch milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_before: Option<i64>,
    /// Of each experiment, so many of the runs that meet the filter and the times, those that began last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest: Option<u64>,
    /// Of all that, objects of these kinds alone, with the experiments or registered models that they are in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<Kind>,
    /// Of all that, what is in these workspaces, by name or glob.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub workspaces: Vec<String>,
}

impl Select {
    /// As the other commands select.
    fn selection(&self, edit: &'static str) -> Result<Selection> {
        Ok(Selection {
            experiments: names(edit, &self.experiments)?,
            runs: self.runs.clone(),
            models: names(edit, &self.models)?,
            time: TimeRange {
                since: self.since,
                until: self.until,
            },
            narrows_runs: self.narrows_runs(),
            ..Selection::default()
        })
    }

    /// Whether runs are chosen by what only their lines tell.
    fn narrows_runs(&self) -> bool {
        self.ended_before.is_some() || self.latest.is_some() || self.filter.is_some()
    }

    fn run_filter(&self, edit: &'static str) -> Result<Option<RunFilter>> {
        let parse =
            |text: &String| RunFilter::parse(text).map_err(|error| TransformError::because(edit, error));
        self.filter.as_ref().map(parse).transpose()
    }

    /// What narrows the choice of runs, as it is told where no run is left.
    fn narrowings(&self) -> Vec<String> {
        let filter = self.filter.as_ref().map(|filter| format!("--filter `{filter}`"));
        let ended = self.ended_before.map(|_| "--ended-before".to_owned());
        let latest = self.latest.map(|count| format!("--latest {count}"));
        [filter, ended, latest].into_iter().flatten().collect()
    }

    /// The times by which is chosen, as they are told where nothing is left.
    fn times(&self) -> impl Iterator<Item = String> {
        let times = [(self.since, "--since"), (self.until, "--until")];
        times
            .into_iter()
            .filter_map(|(time, option)| time.map(|_| option.to_owned()))
    }

    /// Whether not all versions of the models are chosen.
    fn narrows_versions(&self) -> bool {
        self.version.is_some() || self.stage.is_some() || self.alias.is_some()
    }
}

/// What is excluded: each object that one of the fields names, and what belongs to it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Exclude {
    /// Experiments by name, id or glob, with all that is in them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub experiments: Vec<String>,
    /// Runs by id, or the start of it, with the logged models that they made and their traces.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<String>,
    /// Registered models and prompts by name or glob, with their versions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
}

/// Sees which experiments and runs are there; the ids of the experiments that patterns match.
pub(super) fn see_experiments_and_runs(
    view: &View<'_>,
    asked: &mut AskedNames,
    patterns: &Patterns,
) -> Result<HashSet<String>> {
    let mut matched = HashSet::new();
    view.for_each_head(Kind::Experiments, |head| {
        let called = [text(&head.experiment_id), text(&head.name)];
        asked.experiments.see(&called);
        if called.iter().any(|name| patterns.matches(name)) {
            matched.insert(called[0].to_owned());
        }
        Ok(())
    })?;
    view.for_each_head(Kind::Runs, |head| {
        asked.runs.see(&[text(&head.run_id)]);
        Ok(())
    })?;
    Ok(matched)
}

/// Whether lines of a kind tell what becomes of them; all others follow their owners, and workspaces stay.
pub(crate) fn is_chosen_by_line(kind: Kind) -> bool {
    kind.owners().is_empty() && kind != Kind::Workspaces
}

fn kept(is_kept: bool) -> Fate {
    if is_kept { Fate::Kept } else { Fate::Dropped }
}
