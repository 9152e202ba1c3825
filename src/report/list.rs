//! Lists of what an archive holds: one row per object, in the archive's order.

mod columns;
mod overview;

use super::error::ReportError;
use crate::archive::Archive;
use crate::archive::walk::Cursor;
use crate::archive::walk::{ArtifactEntry, for_each_artifact};
use crate::format::Kind;
use crate::model::registry::PROMPT_TAG;
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub use columns::{Column, ColumnForm, Noun};

/// A test of a text, such as a glob.
pub type TextTest = Box<dyn Fn(&str) -> bool>;

/// Which rows to list; what is absent admits every row.
#[derive(Default)]
pub struct ListFilter {
    /// Name or id of the experiment.
    pub experiment: Option<TextTest>,
    /// Id of the run, or its start.
    pub run: Option<String>,
    /// Name of the registered model or prompt; id or name of the logged model.
    pub model: Option<TextTest>,
    /// Status, stage or state, in any case.
    pub status: Vec<String>,
    /// Path of the artifact.
    pub path: Option<TextTest>,
}

/// A filter that a list has no use for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`{}` cannot be listed by {filter}", noun.name())]
pub struct FilterMismatch {
    /// What was to be listed.
    pub noun: Noun,
    /// Name of the filter.
    pub filter: &'static str,
}

impl ListFilter {
    /// Checks that every filter given has a meaning for what is listed.
    ///
    /// # Errors
    /// The first that has none.
    pub fn check(&self, noun: Noun) -> Result<(), FilterMismatch> {
        let fields = noun.fields();
        let is_artifacts = noun == Noun::Artifacts;
        let checks = [
            (
                "experiment",
                self.experiment.is_some(),
                is_artifacts || !fields.experiment.is_empty(),
            ),
            ("run", self.run.is_some(), is_artifacts || !fields.run.is_empty()),
            (
                "model",
                self.model.is_some(),
                is_artifacts || !fields.model.is_empty(),
            ),
            ("status", !self.status.is_empty(), !fields.status.is_empty()),
            ("path", self.path.is_some(), is_artifacts),
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
    let experiments = chosen_experiments(archive, filter)?;
    let chosen = Chosen { filter, experiments };
    match noun {
        Noun::Overview => overview::list(archive, &chosen, sink),
        Noun::Artifacts => for_each_artifact(archive, &mut |entry| match chosen.takes_artifact(&entry) {
            true => sink(artifact_row(&entry)).map_err(Either::Sink),
            false => Ok(()),
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
    let mut cursor = Cursor::new(archive, noun.kind()).map_err(ReportError::from)?;
    while cursor.line().is_some() {
        let object = cursor.value().map_err(ReportError::from)?;
        if chosen.takes(noun, &object) {
            sink(
                noun.columns()
                    .iter()
                    .map(|column| column.value(&object))
                    .collect(),
            )?;
        }
        cursor.advance().map_err(ReportError::from)?;
    }
    Ok(())
}

/// Experiments that a filter names, by id.
fn chosen_experiments(archive: &Archive, filter: &ListFilter) -> Result<BTreeSet<String>, ReportError> {
    let mut ids = BTreeSet::new();
    let Some(test) = &filter.experiment else {
        return Ok(ids);
    };
    let mut cursor = Cursor::new(archive, Kind::Experiments)?;
    while cursor.line().is_some() {
        let head = cursor.head(Kind::Experiments)?;
        if head.name.as_str().is_some_and(test) {
            ids.insert(head.id(Kind::Experiments));
        }
        cursor.advance()?;
    }
    Ok(ids)
}

/// A filter whose experiments are looked up.
struct Chosen<'f> {
    filter: &'f ListFilter,
    experiments: BTreeSet<String>,
}

impl Chosen<'_> {
    fn takes_experiment(&self, id: &str) -> bool {
        let test = self.filter.experiment.as_ref();
        test.is_none_or(|test| self.experiments.contains(id) || test(id))
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
        is_of_noun(noun, object)
            && (filter.experiment.is_none() || any(fields.experiment, &|id| self.takes_experiment(id)))
            && filter
                .run
                .as_ref()
                .is_none_or(|run| any(fields.run, &|id| id.starts_with(run.as_str())))
            && filter.model.as_ref().is_none_or(|test| any(fields.model, test))
            && (filter.status.is_empty() || any(fields.status, &is_status))
    }

    fn takes_artifact(&self, entry: &ArtifactEntry<'_>) -> bool {
        let ArtifactEntry { owner, file } = entry;
        let filter = self.filter;
        let is_run =
            |id: &String| owner.kind == crate::model::OwnerKind::Run && owner.id.starts_with(id.as_str());
        let is_model = |test: &TextTest| {
            let is_model = matches!(
                owner.kind,
                crate::model::OwnerKind::LoggedModel | crate::model::OwnerKind::ModelVersion
            );
            is_model && (test(&owner.id) || owner.name.as_deref().is_some_and(test))
        };
        let experiment = owner.experiment_id.as_deref();
        (filter.experiment.is_none() || experiment.is_some_and(|id| self.takes_experiment(id)))
            && filter.run.as_ref().is_none_or(is_run)
            && filter.model.as_ref().is_none_or(is_model)
            && filter.path.as_ref().is_none_or(|test| test(&file.path))
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
