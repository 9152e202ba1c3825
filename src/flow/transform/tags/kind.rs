//! Kinds of objects that have tags, as people name them.

use crate::format::Kind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A kind of object that has tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TagKind {
    /// Experiments.
    Experiment,
    /// Runs; of an edit that drops or masks, also the datasets that they read.
    Run,
    /// Logged models.
    LoggedModel,
    /// Registered models and prompts.
    Model,
    /// Versions of registered models and prompts.
    Version,
    /// Traces.
    Trace,
    /// Evaluation datasets.
    Dataset,
}

impl TagKind {
    /// Every one, with its name and the kind of its lines.
    const ALL: [(TagKind, &'static str, Kind); 7] = [
        (TagKind::Experiment, "experiment", Kind::Experiments),
        (TagKind::Run, "run", Kind::Runs),
        (TagKind::LoggedModel, "logged-model", Kind::LoggedModels),
        (TagKind::Model, "model", Kind::RegisteredModels),
        (TagKind::Version, "version", Kind::ModelVersions),
        (TagKind::Trace, "trace", Kind::Traces),
        (TagKind::Dataset, "dataset", Kind::EvaluationDatasets),
    ];

    /// The kind of its lines.
    pub(super) fn kind(self) -> Kind {
        let found = Self::ALL.iter().find(|(one, ..)| *one == self);
        found.map_or(Kind::Runs, |(.., kind)| *kind)
    }

    /// Parts `KIND:KEY`; a text that begins with no kind is a key alone.
    pub fn split(text: &str) -> (Option<Self>, &str) {
        split_kind(&Self::ALL, text)
    }
}

/// Parts `KIND:REST` by the names of kinds; a text that begins with none is all rest.
pub(in super::super) fn split_kind<'t, K: Copy>(
    kinds: &[(K, &str, Kind)],
    text: &'t str,
) -> (Option<K>, &'t str) {
    let parted = text.split_once(':').and_then(|(name, rest)| {
        let (kind, ..) = kinds.iter().find(|(_, one, _)| *one == name)?;
        Some((Some(*kind), rest))
    });
    parted.unwrap_or((None, text))
}

/// The kinds of lines that an edit of tags looks at: one, or all that have tags.
pub(super) fn kinds_of(kind: Option<TagKind>) -> Vec<Kind> {
    match kind {
        Some(kind) => vec![kind.kind()],
        None => TagKind::ALL.iter().map(|(.., kind)| *kind).collect(),
    }
}
