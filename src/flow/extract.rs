//! Artifacts as a tree of files: no name leads out of it, nothing is overwritten, and it is whole or not there.
//!
//! ```text
//! <run_id>/<path>    <model_id>/<path>    <trace_id>/<path>    models/<name>/<version>/<path>
//! ```

use crate::archive::walk::{ArtifactEntry, OwnerFacts, for_each_artifact};
use crate::archive::{Archive, ArchiveError, ErrorKind, Replace, StagedTree};
use crate::lang::artifacts::tree::{NameOwners, Paths, check_name, folds_case, write_artifact};
use crate::lang::session::refuse;
use crate::model::{Absent, OwnerKind};
use crate::monitor::Monitor;
use schemars::JsonSchema;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Folder of model versions.
const MODELS: &str = "models";

/// What to extract, and how.
pub struct ExtractOptions<'t> {
    /// Which artifacts.
    pub takes: &'t dyn Fn(&ArtifactEntry<'_>) -> bool,
    /// Leaves out artifacts whose names cannot be made here, and says so, instead of making nothing.
    pub keep_going: bool,
}

/// What was extracted, and what was not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ExtractReport {
    /// Files written.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Artifacts that a choice on export left out.
    pub not_selected: u64,
    /// Artifacts that could not be read on export, as `owner/path`.
    pub failed: Vec<String>,
    /// Artifacts whose names cannot be made here, with the reason.
    pub refused: Vec<String>,
}

/// Why artifacts cannot be extracted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExtractError {
    /// The archive cannot be read, or the tree cannot be written.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A name that must not or cannot become a file's.
    #[error("artifact `{}` of {} `{}` cannot be written as a file: {reason}", shown(.path), .owner_kind.as_str(), shown(.owner_id))]
    Name {
        /// Kind of the owner.
        owner_kind: OwnerKind,
        /// Id of the owner.
        owner_id: String,
        /// The artifact's path.
        path: String,
        /// Why not.
        reason: String,
    },
}

fn shown(text: &str) -> std::borrow::Cow<'_, str> {
    crate::model::printable::printable(text)
}

impl ExtractError {
    /// The kind of error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            ExtractError::Archive(error) => error.kind(),
            ExtractError::Name { .. } => ErrorKind::Usage,
        }
    }
}

/// Writes artifacts below the new directory `out`.
///
/// # Errors
/// `out` exists, a name is not safe (without `keep_going`), a blob is damaged, or a file cannot be written;
/// nothing is left under the name `out` then.
///
/// ```
/// use mlark::Archive;
/// use mlark::flow::extract::{ExtractOptions, extract};
/// use mlark::monitor::Silent;
///
/// let archive = Archive::open("fixtures/golden/v1.0/archive.zip".as_ref())?;
/// let options = ExtractOptions { takes: &|_| true, keep_going: false };
/// let folder = tempfile::tempdir()?;
/// let report = extract(&archive, &folder.path().join("files"), &options, &Silent)?;
/// assert_eq!(report.files, archive.manifest().totals.artifact_files);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn extract(
    archive: &Archive,
    out: &Path,
    options: &ExtractOptions<'_>,
    monitor: &dyn Monitor,
) -> Result<ExtractReport, ExtractError> {
    let staged = StagedTree::create(out, Replace::Nothing)?;
    monitor.begin("extract", Some(archive.manifest().totals.artifact_files));
    let mut tree = Tree::new(archive, staged)?;
    for_each_artifact(archive, &mut |entry| {
        if (options.takes)(&entry) {
            tree.take(&entry, options.keep_going)?;
        }
        monitor.advance(1);
        Ok::<_, ExtractError>(())
    })?;
    tree.staged.publish(true)?;
    Ok(tree.report)
}

/// The tree that is being written, in a fresh directory of our own.
struct Tree<'a> {
    archive: &'a Archive,
    staged: StagedTree,
    names: Names,
    report: ExtractReport,
}

impl<'a> Tree<'a> {
    fn new(archive: &'a Archive, staged: StagedTree) -> Result<Self, ArchiveError> {
        let folds_case = folds_case(staged.root())?;
        Ok(Tree {
            archive,
            staged,
            names: Names::new(folds_case),
            report: ExtractReport::default(),
        })
    }

    fn take(&mut self, entry: &ArtifactEntry<'_>, keep_going: bool) -> Result<(), ExtractError> {
        let ArtifactEntry { owner, file } = entry;
        let place = format!("{}/{}", owner.id, file.path);
        match file.absent {
            Some(Absent::NotSelected) => {
                self.report.not_selected += 1;
                return Ok(());
            }
            Some(Absent::Failed) => {
                self.report.failed.push(place);
                return Ok(());
            }
            None => {}
        }
        let named = components(owner, &file.path).and_then(|parts| self.names.claim(&parts).map(|()| parts));
        match named {
            Ok(parts) => Ok(self.write(&parts, entry)?),
            Err(reason) => {
                let told = format!("{place}: {reason}");
                let error = ExtractError::Name {
                    owner_kind: owner.kind,
                    owner_id: owner.id.clone(),
                    path: file.path.clone(),
                    reason,
                };
                refuse(keep_going, &mut self.report.refused, told, error)
            }
        }
    }

    fn write(&mut self, parts: &[&str], entry: &ArtifactEntry<'_>) -> Result<(), ArchiveError> {
        let path: PathBuf = std::iter::once(self.staged.root().as_os_str())
            .chain(parts.iter().map(|part| part.as_ref()))
            .collect();
        self.report.bytes += write_artifact(self.archive, entry.file, &path)?;
        self.report.files += 1;
        self.staged.made(&path)?;
        Ok(())
    }
}

/// The names of an artifact in the tree, from its root down; none where it cannot be in one.
pub(crate) fn names_of(entry: &ArtifactEntry<'_>) -> Option<Vec<String>> {
    let names = components(entry.owner, &entry.file.path).ok()?;
    Some(names.into_iter().map(str::to_owned).collect())
}

/// Names from the root down; an error says what is wrong with one.
fn components<'n>(owner: &'n OwnerFacts, path: &'n str) -> Result<Vec<&'n str>, String> {
    let mut parts = Vec::new();
    if owner.kind == OwnerKind::ModelVersion {
        let Some((name, version)) = owner.id.rsplit_once('/') else {
            return Err("its owner has no version".to_owned());
        };
        parts.extend([MODELS, name, version]);
    } else {
        if owner.id.eq_ignore_ascii_case(MODELS) {
            return Err(format!("`{MODELS}` is the folder of model versions"));
        }
        parts.push(owner.id.as_str());
    }
    parts.extend(path.split('/'));
    parts.iter().try_for_each(|part| check_name(part)).map(|()| parts)
}

/// Names taken so far, of the current owner and of all owners: what would clash is found before it is written.
struct Names {
    owners: NameOwners,
    owner: String,
    paths: Paths,
}

impl Names {
    fn new(folds_case: bool) -> Self {
        Names {
            owners: NameOwners::new(folds_case),
            owner: String::new(),
            paths: Paths::new(folds_case),
        }
    }

    /// Takes a path for a file.
    fn claim(&mut self, parts: &[&str]) -> Result<(), String> {
        let owner_parts = if parts[0] == MODELS { 3 } else { 1 };
        let (owner, path) = parts.split_at(owner_parts.min(parts.len()));
        let owner = owner.join("/");
        if owner != self.owner {
            self.owners.claim(&owner)?;
            self.owner = owner;
            self.paths.clear();
        }
        self.paths.claim(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(folds_case: bool, paths: &[&str]) -> Vec<bool> {
        let mut names = Names::new(folds_case);
        let parts = |path: &str| path.split('/').map(str::to_owned).collect::<Vec<_>>();
        let claim = |path: &&str| {
            let parts = parts(path);
            names
                .claim(&parts.iter().map(String::as_str).collect::<Vec<_>>())
                .is_ok()
        };
        paths.iter().map(claim).collect()
    }

    #[test]
    fn names_that_differ_by_case_alone_clash_where_case_is_folded() {
        for (folds_case, expected) in [(false, true), (true, false)] {
            assert_eq!(claims(folds_case, &["run/a.txt", "run/A.txt"]), [true, expected]);
            assert_eq!(claims(folds_case, &["run/É/x", "run/é/y"]), [true, expected]);
            assert_eq!(claims(folds_case, &["run/x", "RUN/y"]), [true, expected]);
            assert_eq!(
                claims(folds_case, &["models/M/1/x", "models/m/1/y", "models/m/2/y"]),
                [true, expected, true]
            );
        }
        assert_eq!(claims(true, &["run/a/x", "run/a/y", "other/A/x"]), [true; 3]);
    }

    #[test]
    fn a_path_is_taken_once_and_is_a_file_or_a_folder() {
        assert_eq!(
            claims(false, &["r/a", "r/a", "r/a/b", "r/b/c", "r/b"]),
            [true, false, false, true, false]
        );
    }
}
