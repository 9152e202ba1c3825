//! Artifacts that stay listed, without their bytes.

use super::DropArtifacts;
use crate::flow::transform::error::{Result, TransformError};
use crate::flow::transform::sought::Sought;
use crate::flow::transform::step::{EditedLine, Fate, Step};
use crate::format::Kind;
use crate::select::Patterns;
use serde_json::{Value, json};

struct Drop {
    sought: Sought,
    globs: Patterns,
}

/// Drops the bytes of artifacts whose path matches.
pub(in super::super) fn drop_artifacts(edit: &'static str, drop: &DropArtifacts) -> Result<Box<dyn Step>> {
    let globs =
        Patterns::paths(vec![drop.glob.clone()]).map_err(|error| TransformError::because(edit, error))?;
    let sought = Sought::new(edit, &drop.glob);
    Ok(Box::new(Drop { sought, globs }))
}

/// Leaves the bytes of listed files out; whether any were there.
pub(super) fn leave_out(line: &mut Value, is_meant: impl Fn(&str) -> bool) -> bool {
    let files = line.get_mut("files").and_then(Value::as_array_mut);
    let mut is_changed = false;
    for file in files.into_iter().flatten().filter_map(Value::as_object_mut) {
        let is_it = file.get("path").and_then(Value::as_str).is_some_and(&is_meant);
        if is_it && file.remove("sha256").is_some() {
            file.insert("absent".to_owned(), json!("not-selected"));
            is_changed = true;
        }
    }
    is_changed
}

impl Step for Drop {
    fn looks_at(&self, kind: Kind) -> bool {
        kind == Kind::Artifacts
    }

    fn redacts(&self) -> bool {
        true
    }

    fn apply(&self, line: &mut EditedLine) -> Result<Fate> {
        line.rewrite(|line| leave_out(line, |path| self.sought.see(self.globs.matches(path))));
        Ok(Fate::Kept)
    }

    fn finish(&self) -> Result<Vec<String>> {
        Ok(self.sought.silent())
    }
}
