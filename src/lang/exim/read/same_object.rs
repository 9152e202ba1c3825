//! Whether two copies of an object in one export are the same, to the byte of their artifacts.

use super::artifacts::files_below;
use super::document::Document;
use super::layout::ARTIFACTS;
use crate::archive::{digest_of, open_input};
use crate::lang::artifacts::local_roots::LocalRoots;
use crate::lang::artifacts::walk::FoundFile;
use crate::model::pyjson::{ListSink, PyJson};
use sha2::{Digest, Sha256};
use std::io;
use std::path::Path;

/// What differs between two folders of an object, if anything; `file` is the object's own.
pub(super) fn difference(roots: &LocalRoots, first: &Path, again: &Path, file: &str) -> Option<String> {
    match (
        body_digest(roots, &first.join(file)),
        body_digest(roots, &again.join(file)),
    ) {
        (Some(a), Some(b)) if a == b => {}
        _ => return Some(file.to_owned()),
    }
    match tree_difference(roots, &first.join(ARTIFACTS), &again.join(ARTIFACTS)) {
        Ok(difference) => difference,
        Err(error) => Some(format!("{ARTIFACTS}: {error}")),
    }
}

/// A digest of what an object's file says of it, less the ids of traces, which only one of two exporters adds to a run.
fn body_digest(roots: &LocalRoots, file: &Path) -> Option<[u8; 32]> {
    let mut hasher = HashMetrics(Sha256::new());
    let document = Document::read_with(roots, file, &mut hasher).ok()?;
    for (key, value) in document.body().as_dict()? {
        if !["traces", "export_info"].contains(&key.as_str()) {
            hasher.0.update(format!("{key}\n{}\n", value.to_json_text()));
        }
    }
    Some(hasher.0.finalize().into())
}

/// Hashes the points of metrics instead of holding them.
struct HashMetrics(Sha256);

impl ListSink for HashMetrics {
    fn begin(&mut self, path: &[String]) -> bool {
        let is_metric = path.len() >= 2 && path[path.len() - 2] == "metrics";
        if is_metric {
            self.0.update(format!("{}\n", path[path.len() - 1]));
        }
        is_metric
    }

    fn item(&mut self, item: PyJson) {
        self.0.update(item.to_json_text());
    }
}

fn tree_difference(roots: &LocalRoots, first: &Path, again: &Path) -> io::Result<Option<String>> {
    let is_kept = |found: &FoundFile| !matches!(found, FoundFile::EmptyFolder);
    let mut first = files_below(roots, first, String::new())?.filter(is_kept);
    let mut again = files_below(roots, again, String::new())?.filter(is_kept);
    loop {
        match (first.next(), again.next()) {
            (None, None) => return Ok(None),
            (Some(a), Some(b)) if is_same(&a, &b)? => {}
            (Some(found), _) | (None, Some(found)) => {
                return Ok(Some(format!("artifact {}", path_of(&found).unwrap_or_default())));
            }
        }
    }
}

fn path_of(found: &FoundFile) -> Option<&str> {
    match found {
        FoundFile::File(path, _) => Some(path),
        FoundFile::Failed(path, ..) => path.as_deref(),
        FoundFile::EmptyFolder => None,
    }
}

fn is_same(a: &FoundFile, b: &FoundFile) -> io::Result<bool> {
    match (a, b) {
        _ if path_of(a) != path_of(b) => Ok(false),
        (FoundFile::File(_, at), FoundFile::File(_, other)) => Ok(at.metadata()?.len()
            == other.metadata()?.len()
            && digest_of(open_input(at)?)? == digest_of(open_input(other)?)?),
        (FoundFile::Failed(..), FoundFile::Failed(..)) => Ok(true),
        _ => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::artifacts::local_roots::Door;
    use crate::lang::exim::read::layout::RUN;
    use crate::lang::session::ExportOptions;
    use std::fs;

    fn run(root: &Path, name: &str, body: &str, artifact: &str) -> std::path::PathBuf {
        let folder = root.join(name);
        fs::create_dir_all(folder.join(ARTIFACTS)).expect("made");
        fs::write(
            folder.join(RUN),
            format!(r#"{{"system": {{}}, "mlflow": {body}}}"#),
        )
        .expect("written");
        fs::write(folder.join(ARTIFACTS).join("a"), artifact).expect("written");
        folder
    }

    #[test]
    fn copies_differ_in_what_they_say_of_the_run_only() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let body = r#"{"info": {"run_id": "r"}, "metrics": {"m": [{"value": NaN}]}}"#;
        let roots = LocalRoots::new(Door::Tree(root.path()), &ExportOptions::default()).expect("a folder");
        let first = run(root.path(), "first", body, "bytes");
        let traces = body.replace(r#"{"info""#, r#"{"traces": ["t"], "info""#);
        assert_eq!(
            difference(&roots, &first, &run(root.path(), "same", &traces, "bytes"), RUN),
            None
        );
        let points = body.replace("NaN", "1.0");
        let other = run(root.path(), "points", &points, "bytes");
        assert_eq!(
            difference(&roots, &first, &other, RUN).as_deref(),
            Some("run.json")
        );
        let other = run(root.path(), "artifact", body, "byteS");
        assert_eq!(
            difference(&roots, &first, &other, RUN).as_deref(),
            Some("artifact a")
        );
    }
}
