//! Lists of what an archive holds: one row per object, in the archive's order.

mod columns;
mod metrics;
mod overview;
mod runs;

use super::error::ReportError;
use crate::archive::Archive;
use crate::archive::walk::{ArtifactEntry, for_each_artifact};
use crate::archive::walk::{heads, line_values};
use crate::format::Kind;
use crate::model::registry::PROMPT_TAG;
use crate::report::error::Result;
use crate::select::{Names, Patterns};
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub use columns::Noun;
pub(crate) use columns::{ColumnForm, Heading, ListColumn};
pub(crate) use runs::{RunShape, list_runs};

/// Which rows to list; what is empty admits every row.
#[derive(Debug, Clone, Default)]
pub struct ListFilter {
    /// Of these experiments, runs (by whole id) and models: registered ones and prompts by name, logged ones by id or name.
    pub names: Names,
    /// Status, stage or state, in any case.
    pub status: Vec<String>,
    /// Artifacts whose path matches.
    pub artifact_include: Patterns,
    /// Artifacts whose path does not match.
    pub artifact_exclude: Patterns,
}

/// A filter that a list has no use for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`{}` cannot be listed by {filter}", noun.as_str())]
pub struct FilterMismatch {
    /// What was to be listed.
    pub noun: Noun,
    /// Name of the filter.
    pub filter: &'static str,
}

impl ListFilter {
    /// Whether any row may be left out.
    pub fn is_given(&self) -> bool {
        !self.names.is_empty() || !self.status.is_empty() || self.has_artifact_globs()
    }

    fn has_artifact_globs(&self) -> bool {
        !self.artifact_include.is_empty() || !self.artifact_exclude.is_empty()
    }

    /// Checks that every filter given has a meaning for what is listed.
    ///
    /// # Errors
    /// The first that has none.
    pub fn check(&self, noun: Noun) -> Result<(), FilterMismatch> {
        let fields = noun.fields();
        let is_artifacts = noun == Noun::Artifacts;
        let is_of_runs = is_artifacts || noun == Noun::Metrics;
        let checks = [
            (
                "experiment",
                !self.names.experiments.is_empty(),
                is_of_runs || !fields.experiment.is_empty(),
            ),
            (
                "run",
                !self.names.runs.is_empty(),
                is_of_runs || !fields.run.is_empty(),
            ),
            (
                "a filter of runs",
                self.names.filter.is_some(),
                is_of_runs || !fields.run.is_empty(),
            ),
            (
                "model",
                !self.names.models.is_empty(),
                is_artifacts || !fields.model.is_empty(),
            ),
            ("status", !self.status.is_empty(), !fields.status.is_empty()),
            ("the paths of artifacts", self.has_artifact_globs(), is_artifacts),
        ];
        let wrong = checks.into_iter().find(|(_, given, usable)| *given && !usable);
        wrong.map_or(Ok(()), |(filter, ..)| Err(FilterMismatch { noun, filter }))
    }
}

/// Hands one row per object to `sink`: values in the order of the noun's columns, null where there is none.
///
/// # Errors
/// The archive cannot be read, or `sink` fails.
pub fn list<E: From<ReportError>>(
    archive: &Archive,
    noun: Noun,
    filter: &ListFilter,
    sink: &mut dyn FnMut(Vec<Value>) -> Result<(), E>,
) -> Result<(), E> {
    let chosen = Chosen::new(archive, filter)?;
    match noun {
        Noun::Overview => overview::list(archive, &chosen, sink),
        Noun::Locations => super::locations::list(archive, sink),
        Noun::Metrics => metrics::list(archive, &chosen, sink),
        Noun::Artifacts => for_each_artifact(archive, &mut |entry| {
            if chosen.takes_artifact(&entry) {
                sink(artifact_row(&entry)).map_err(Either::Sink)
            } else {
                Ok(())
            }
        })
        .map_err(Either::into_sink),
        _ => list_objects(archive, noun, &chosen, sink),
    }
}

/// An error of reading that becomes one of the sink's.
enum Either<E> {
    Archive(crate::archive::ArchiveError),
    Sink(E),
}

impl<E> From<crate::archive::ArchiveError> for Either<E> {
    fn from(error: crate::archive::ArchiveError) -> Self {
        Either::Archive(error)
    }
}

impl<E: From<ReportError>> Either<E> {
    fn into_sink(self) -> E {
        match self {
            Either::Archive(error) => ReportError::from(error).into(),
            Either::Sink(error) => error,
        }
    }
}

fn list_objects<E: From<ReportError>>(
    archive: &Archive,
    noun: Noun,
    chosen: &Chosen<'_>,
    sink: &mut dyn FnMut(Vec<Value>) -> Result<(), E>,
) -> Result<(), E> {
    for object in line_values(archive, noun.kind()).map_err(ReportError::from)? {
        let object = object.map_err(ReportError::from)?;
        if chosen.takes(noun, &object) {
            let columns = noun.columns().iter();
            sink(columns.map(|column| column.value(&object)).collect())?;
        }
    }
    Ok(())
}

/// Experiments that a filter names, by id.
fn chosen_experiments(archive: &Archive, filter: &ListFilter) -> Result<BTreeSet<String>> {
    let mut ids = BTreeSet::new();
    let patterns = &filter.names.experiments;
    if patterns.is_empty() {
        return Ok(ids);
    }
    for head in heads(archive, Kind::Experiments)? {
        let head = head?;
        if head.name.as_str().is_some_and(|name| patterns.matches(name)) {
            ids.insert(head.id(Kind::Experiments));
        }
    }
    Ok(ids)
}

/// A filter whose experiments are looked up.
struct Chosen<'f> {
    filter: &'f ListFilter,
    experiments: BTreeSet<String>,
}

impl<'f> Chosen<'f> {
    fn new(archive: &Archive, filter: &'f ListFilter) -> Result<Self> {
        let experiments = chosen_experiments(archive, filter)?;
        Ok(Chosen { filter, experiments })
    }

    fn takes_experiment(&self, id: &str) -> bool {
        let patterns = &self.filter.names.experiments;
        patterns.is_empty() || self.experiments.contains(id) || patterns.matches(id)
    }

    fn takes(&self, noun: Noun, object: &Value) -> bool {
        let fields = noun.fields();
        let any = |pointers: &[&str], test: &dyn Fn(&str) -> bool| {
            pointers.iter().any(|pointer| match object.pointer(pointer) {
                Some(Value::String(text)) => test(text),
                Some(Value::Array(texts)) => texts.iter().filter_map(Value::as_str).any(test),
                _ => false,
            })
        };
        let filter = self.filter;
        let is_status = |text: &str| {
            filter
                .status
                .iter()
                .any(|status| status.eq_ignore_ascii_case(text))
        };
        let names = &filter.names;
        let is_run = |id: &str| names.runs.contains(id);
        is_of_noun(noun, object)
            && (names.experiments.is_empty() || any(fields.experiment, &|id| self.takes_experiment(id)))
            && (!names.asks_runs() || any(fields.run, &is_run))
            && (names.models.is_empty() || any(fields.model, &|name| names.models.matches(name)))
            && (filter.status.is_empty() || any(fields.status, &is_status))
    }

    fn takes_artifact(&self, entry: &ArtifactEntry<'_>) -> bool {
        let ArtifactEntry { owner, file } = entry;
        let filter = self.filter;
        let experiment = owner.experiment_id.as_deref();
        (filter.names.experiments.is_empty() || experiment.is_some_and(|id| self.takes_experiment(id)))
            && filter.names.take_owner(owner)
            && (filter.artifact_include.is_empty() || filter.artifact_include.matches(&file.path))
            && !filter.artifact_exclude.matches(&file.path)
    }
}

/// Prompts are registered models with a tag.
fn is_of_noun(noun: Noun, object: &Value) -> bool {
    let is_prompt = || {
        let tag = object["tags"][PROMPT_TAG].as_str();
        tag.is_some_and(|value| value.eq_ignore_ascii_case("true"))
    };
    match noun {
        Noun::Models => !is_prompt(),
        Noun::Prompts => is_prompt(),
        _ => true,
    }
}

fn artifact_row(entry: &ArtifactEntry<'_>) -> Vec<Value> {
    let ArtifactEntry { owner, file } = entry;
    vec![
        json!(owner.kind),
        json!(owner.id),
        json!(file.path),
        json!(file.size_bytes),
        json!(file.sha256),
        json!(file.absent),
    ]
}
