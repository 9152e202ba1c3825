//! Source tags injected into an archive; the rules are those of [`crate::lang::exim::tags`].

mod inject;
mod limits;

use self::inject::SourceTagsStep;
use super::error::Result;
use super::step::Step;
use super::view::View;
use super::{Edit, Recipe, TransformOptions, TransformReport, apply};
use crate::archive::Archive;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Name of the transform in an archive's history.
pub const NAME: &str = "source-tags";
/// The profile whose tags equal those of mlflow-export-import.
pub const DEFAULT_PROFILE: &str = "mlflow-export-import";

/// Which source tags are injected.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceTags {}

impl SourceTags {
    pub(super) fn plan(&self, view: &View<'_>) -> Result<Box<dyn Step>> {
        Ok(Box::new(SourceTagsStep::plan(view)?))
    }
}

/// Injects source tags into a copy of an archive; blobs and all other object files are taken over as they are.
///
/// # Errors
/// The archive cannot be read, an `exim` text in it cannot, or the result cannot be written.
pub fn inject(archive: &Archive, out: &Path, options: &TransformOptions) -> Result<TransformReport> {
    let recipe = Recipe {
        edits: vec![Edit::SourceTags(SourceTags::default())],
    };
    apply(archive, &recipe, out, options)
}
