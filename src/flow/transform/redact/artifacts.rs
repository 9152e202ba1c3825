//! Artifacts that stay listed, without their bytes.

use super::DropArtifacts;
use crate::flow::transform::error::{Result, TransformError};
use crate::flow::transform::step::{EditedLine, Fate, Step};
use crate::format::Kind;
use crate::select::Patterns;
use serde_json::{Map, Value, json};
use std::sync::atomic::{AtomicBool, Ordering};

struct Drop {
    edit: &'static str,
    globs: Patterns,
    found: AtomicBool,
}

/// Drops the bytes of artifacts whose path matches.
pub(in super::super) fn drop_artifacts(edit: &'static str, drop: &DropArtifacts) -> Result<Box<dyn Step>> {
    let globs = Patterns::paths(vec![drop.glob.clone()]).map_err(|error| TransformError::Edit {
        edit,
        reason: error.to_string(),
    })?;
    Ok(Box::new(Drop {
        edit,
        globs,
        found: AtomicBool::new(false),
    }))
}

/// Leaves the bytes of a listed file out; false where they are not there.
pub(super) fn leave_out(file: &mut Map<String, Value>) -> bool {
    if file.remove("sha256").is_none() {
        return false;
    }
    file.insert("absent".to_owned(), json!("not-selected"));
    true
}

impl Step for Drop {
    fn kinds(&self) -> &[Kind] {
        &[Kind::Artifacts]
    }

    fn redacts(&self) -> bool {
        true
    }

    fn apply(&self, line: &mut EditedLine) -> Result<Fate> {
        line.rewrite(|line| {
            let files = line.get_mut("files").and_then(Value::as_array_mut);
            let files = files.into_iter().flatten().filter_map(Value::as_object_mut);
            let mut is_changed = false;
            for file in files {
                if file
                    .get("path")
                    .and_then(Value::as_str)
                    .is_some_and(|path| self.globs.matches(path))
                {
                    self.found.store(true, Ordering::Relaxed);
                    is_changed |= leave_out(file);
                }
            }
            is_changed
        });
        Ok(Fate::Kept)
    }

    fn finish(&self) -> Result<Vec<String>> {
        let is_silent = !self.found.load(Ordering::Relaxed);
        let globs = self.globs.texts().iter().filter(|_| is_silent);
        Ok(globs.map(|glob| format!("--{} `{glob}`", self.edit)).collect())
    }
}
