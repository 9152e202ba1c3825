//! What was asked for by name, sought within an archive.

use super::{AskedNames, Matched, NoMatch, Patterns, RunFilter};
use crate::archive::walk::{Head, OwnerFacts, each_line, heads, text};
use crate::archive::{Archive, ArchiveError};
use crate::format::Kind;
use crate::model::{OwnerKind, Run};
use std::collections::{BTreeSet, HashSet};

/// Objects by name or id, as options give them; empty means all.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// Experiments by name, id or glob.
    pub experiments: Patterns,
    /// Runs by id or the start of it.
    pub runs: BTreeSet<String>,
    /// Models by name or glob.
    pub models: Patterns,
    /// Runs by what they are. What is found are ids, which then stand in `runs`.
    pub filter: Option<RunFilter>,
}

/// Where `--model` looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sought {
    /// Among registered models.
    Registered,
    /// Among logged models too, by id or name.
    AllModels,
}

/// Names that cannot be sought, or lead nowhere.
#[derive(Debug, thiserror::Error)]
pub enum SeekError {
    /// The archive cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A name or id that nothing has.
    #[error(transparent)]
    NoMatch(#[from] NoMatch),
}

impl Names {
    /// Whether nothing was asked for.
    pub fn is_empty(&self) -> bool {
        self.experiments.is_empty() && !self.asks_runs() && self.models.is_empty()
    }

    /// Whether runs were asked for, by id or by a filter.
    pub fn asks_runs(&self) -> bool {
        !self.runs.is_empty() || self.filter.is_some()
    }

    /// Whether the owner of artifacts is among the runs, by whole id, and the models; its experiment is not looked at.
    pub(crate) fn take_owner(&self, owner: &OwnerFacts) -> bool {
        let is_run = || owner.kind == OwnerKind::Run && self.runs.contains(&owner.id);
        let is_model = || {
            let mut called = [Some(owner.id.as_str()), owner.name.as_deref()]
                .into_iter()
                .flatten();
            matches!(owner.kind, OwnerKind::LoggedModel | OwnerKind::ModelVersion)
                && called.any(|name| self.models.matches(name))
        };
        (!self.asks_runs() || is_run()) && (self.models.is_empty() || is_model())
    }

    /// Finds what was asked for in an archive; shortened ids of runs become whole, and are those that meet the filter.
    ///
    /// # Errors
    /// A name that nothing has, the start of several ids, or the archive cannot be read.
    pub fn find(&self, archive: &Archive, sought: Sought) -> Result<Matched, SeekError> {
        let runs: Vec<_> = self.runs.iter().cloned().collect();
        let mut asked = AskedNames::new(&self.experiments, &runs, &self.models);
        for kind in [Kind::Experiments, Kind::Runs, Kind::LoggedModels, Kind::Traces] {
            // Where an experiment's own line is missing, what is in it tells its id.
            if !asked.experiments.is_settled() {
                each(archive, kind, |head| {
                    let name = if kind == Kind::Experiments {
                        text(&head.name)
                    } else {
                        ""
                    };
                    asked.experiments.see(&[text(&head.experiment_id), name]);
                })?;
            }
        }
        if !asked.runs.is_settled() {
            each(archive, Kind::Runs, |head| {
                asked.runs.see(&[&head.id(Kind::Runs)])
            })?;
        }
        let kinds: &[Kind] = match sought {
            Sought::Registered => &[Kind::RegisteredModels, Kind::ModelVersions],
            Sought::AllModels => &[Kind::RegisteredModels, Kind::ModelVersions, Kind::LoggedModels],
        };
        for &kind in kinds {
            if !asked.models.is_settled() {
                each(archive, kind, |head| match kind {
                    Kind::LoggedModels => asked.models.see(&[text(&head.name), text(&head.model_id)]),
                    _ => asked.models.see(&[text(&head.name)]),
                })?;
            }
        }
        let mut matched = asked.finish()?;
        if let Some(filter) = &self.filter {
            matched.runs = self.filtered(archive, filter, &matched.runs)?;
            if matched.runs.is_empty() {
                matched.silent.push(filter.told());
            }
        }
        Ok(matched)
    }

    /// The runs of an archive that meet a filter, of these ids if there are any, in the experiments that were asked for.
    ///
    /// # Errors
    /// The archive cannot be read.
    pub(crate) fn filtered(
        &self,
        archive: &Archive,
        filter: &RunFilter,
        ids: &[String],
    ) -> Result<Vec<String>, ArchiveError> {
        let ids: HashSet<&str> = ids.iter().map(String::as_str).collect();
        let mut experiments = HashSet::new();
        if !self.experiments.is_empty() {
            each(archive, Kind::Experiments, |head| {
                if self.experiments.matches(text(&head.name)) {
                    experiments.insert(text(&head.experiment_id).to_owned());
                }
            })?;
        }
        let is_asked = |run: &Run| {
            let (id, experiment) = (run.info.run_id.as_str(), &run.info.experiment_id);
            (ids.is_empty() || ids.contains(id))
                && (self.experiments.is_empty()
                    || experiments.contains(experiment)
                    || self.experiments.matches(experiment))
        };
        let mut found = Vec::new();
        each_line(archive, Kind::Runs, |cursor| {
            // Long texts stay in their blobs: no filter looks into them.
            let run: Run = cursor.parse().or_else(|_| cursor.object())?;
            if is_asked(&run) && filter.takes(&run) {
                found.push(run.info.run_id);
            }
            Ok(())
        })?;
        Ok(found)
    }
}

fn each(archive: &Archive, kind: Kind, mut see: impl FnMut(&Head)) -> Result<(), ArchiveError> {
    heads(archive, kind)?.try_for_each(|head| head.map(|head| see(&head)))
}
