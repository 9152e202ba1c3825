//! Source tags injected into an archive; the rules are those of [`crate::lang::exim::tags`].

mod beyond;
mod inject;
mod limits;
mod lineage;

pub use self::beyond::{Beyond, SourceTagsBeyond};
use self::inject::SourceTagsStep;
pub use self::lineage::LineageTags;
use super::error::Result;
use super::step::{EditedLine, Step};
use super::view::View;
use super::{Edit, Recipe, TransformOptions, TransformReport, apply};
use crate::archive::{Archive, blob_reference};
use crate::format::line::to_value;
use crate::model::{Digest, Text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
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

/// Lays tags over those of a line; own tags of the same keys are overwritten, and remembered.
fn lay(archive: &Archive, line: &mut EditedLine, tags: &[(String, Text)]) -> Result<()> {
    let kind = line.kind();
    if line.tags().is_none() {
        let is_missing = line.value().get("tags").is_none();
        let has_room = line.borrow_mut().as_object_mut().filter(|_| is_missing);
        match has_room {
            Some(fields) => {
                fields.insert("tags".to_owned(), Map::new().into());
            }
            None => {
                let entry = format!("{kind} `{}`", line.id());
                return Err(archive.damaged(&entry, "its tags are not an object").into());
            }
        }
    }
    for (key, new) in tags {
        let old = line.tags().and_then(|tags| tags.get(key));
        if !old.is_some_and(|old| is_same(old, new)) {
            line.set_tag(key, to_value(new));
        }
    }
    let exceeded = limits::exceeded(kind, tags).into_iter();
    exceeded.for_each(|notice| line.notice(notice));
    Ok(())
}

/// Whether a tag of a line has this value, which the line may hold as a blob.
fn is_same(old: &Value, new: &Text) -> bool {
    match (blob_reference(old), new) {
        (Some(blob), Text::Long(long)) => long.is_utf8 && long.blob == blob,
        (Some(blob), Text::Utf8(text)) => {
            blob.size_bytes == text.len() as u64 && blob.sha256 == Digest(Sha256::digest(text).into())
        }
        _ => old.as_str().is_some_and(|old| new.as_str() == Some(old)),
    }
}
