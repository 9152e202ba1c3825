//! Artifacts of local URIs: where they are now, and which files are there.
//!
//! The stored URI decides, not the layout. Where its path is gone the tree was moved, and the files are looked for below the
//! tree: in the owner's own `artifacts` folder, then under the tail of the path. A remote URI is a limit, unless the
//! owner's own folder holds files.

use super::notes::Notes;
use super::store::Store;
use crate::format::Kind;
use crate::model::uri::local_path;
use crate::source::artifact_walk::{self, FoundFile, moved_folder, served_folder};
use std::path::{Path, PathBuf};

/// Files that a worker thread lists; a folder of more is walked by the thread that writes.
const LISTED_FILES: usize = 500;

/// Artifacts of one owner.
pub(super) enum FoundArtifacts {
    /// There are none.
    None,
    /// These are all.
    Listed(Vec<FoundFile>),
    /// There are many below this folder.
    Many(PathBuf),
}

/// Finds the artifacts of an owner whose own folder would be `own`.
pub(super) fn find(
    store: &Store,
    uri: Option<&str>,
    own: &Path,
    own_exists: bool,
    notes: &mut Notes,
) -> FoundArtifacts {
    let Some(folder) = locate(store, uri, own, own_exists, notes) else {
        return FoundArtifacts::None;
    };
    let mut files = Vec::new();
    let walked = walk(store, &folder, &mut |file| {
        files.push(file);
        if files.len() > LISTED_FILES {
            Err(())
        } else {
            Ok(())
        }
    });
    match walked {
        Err(()) => FoundArtifacts::Many(folder),
        Ok(()) if files.is_empty() => FoundArtifacts::None,
        Ok(()) => FoundArtifacts::Listed(files),
    }
}

/// The folder that holds the artifacts of a URI today.
fn locate(
    store: &Store,
    uri: Option<&str>,
    own: &Path,
    own_exists: bool,
    notes: &mut Notes,
) -> Option<PathBuf> {
    let own_folder = || own_exists.then(|| own.to_owned());
    let Some(uri) = uri else {
        return own_folder();
    };
    let (found, reason) = match local_path(uri) {
        // The usual case, which asks nothing of the file system.
        Some(path) if Path::new(&path) == own => (own_folder(), "missing-directory"),
        Some(path) => {
            let there = Some(PathBuf::from(&path)).filter(|path| path.is_absolute() && path.is_dir());
            let moved = || own_folder().or_else(|| moved_folder(store.root(), &path));
            (there.or_else(moved), "missing-directory")
        }
        None => {
            let served = || served_folder(store.artifacts_destination()?, uri);
            (served().or_else(own_folder), "remote-uri")
        }
    };
    if found.is_none() {
        notes.limit(Kind::Artifacts, "*", reason);
    }
    found
}

/// Visits what lies below an artifact root of the store.
pub(super) fn walk<E>(
    store: &Store,
    root: &Path,
    visit: &mut dyn FnMut(FoundFile) -> Result<(), E>,
) -> Result<(), E> {
    artifact_walk::walk(root, Some(store.tree()), visit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn store(root: &Path) -> Store {
        Store::new(root, root, crate::archive::LongTexts::new(root), None).unwrap()
    }

    fn names(store: &Store, root: &Path) -> Vec<String> {
        let mut names = Vec::new();
        walk(store, root, &mut |file| {
            names.push(match file {
                FoundFile::File(path, _) => path,
                FoundFile::Failed(path, reason, _) => format!("{} {reason}", path.unwrap_or_default()),
                FoundFile::EmptyFolder => "empty".to_owned(),
            });
            Ok::<(), ()>(())
        })
        .unwrap();
        names
    }

    #[test]
    fn files_come_by_path_bytes_and_empty_folders_are_seen() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        for folder in ["a", "b/c", "z"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        for file in ["a/x", "a.txt", "a-b", "b/d"] {
            fs::write(root.join(file), file).unwrap();
        }
        assert_eq!(
            names(&store(root), root),
            ["a-b", "a.txt", "a/x", "empty", "b/d", "empty"]
        );
    }

    #[test]
    fn links_that_loop_or_escape_are_failures() {
        let directory = tempfile::tempdir().unwrap();
        let tree = directory.path().join("mlruns");
        let root = tree.join("artifacts");
        fs::create_dir_all(root.join("sub")).unwrap();
        fs::write(root.join("sub/file"), "x").unwrap();
        fs::write(tree.join("other"), "x").unwrap();
        fs::write(directory.path().join("secret"), "x").unwrap();
        symlink("sub", root.join("inside")).unwrap();
        symlink("../../other", root.join("sub/in-tree")).unwrap();
        symlink("../../secret", root.join("outside")).unwrap();
        symlink("..", root.join("sub/up")).unwrap();
        symlink("gone", root.join("broken")).unwrap();
        assert_eq!(
            names(&store(&tree), &root),
            [
                "broken link-broken",
                "inside/file",
                "inside/in-tree",
                "inside/up link-loop",
                "outside link-outside",
                "sub/file",
                "sub/in-tree",
                "sub/up link-loop",
            ]
        );
    }

    #[test]
    fn a_moved_tree_is_found_by_the_tail_of_the_uri() {
        let directory = tempfile::tempdir().unwrap();
        let tree = directory.path().join("mlruns");
        fs::create_dir_all(tree.join("7/r/artifacts")).unwrap();
        fs::create_dir_all(tree.join("elsewhere/r/artifacts")).unwrap();
        let store = store(&tree);
        let place = |uri: &str, own: &str, own_exists| {
            let found = locate(
                &store,
                Some(uri),
                &tree.join(own),
                own_exists,
                &mut Notes::default(),
            );
            found.map(|path| path.strip_prefix(&tree).unwrap().to_str().unwrap().to_owned())
        };
        assert_eq!(
            place("/gone/mlruns/7/r/artifacts", "7/r/artifacts", true).unwrap(),
            "7/r/artifacts"
        );
        assert_eq!(
            place("file:///gone/mlruns/7/r/artifacts", "8/r/artifacts", false).unwrap(),
            "7/r/artifacts"
        );
        assert_eq!(
            place("/gone/elsewhere/r/artifacts", "8/r/artifacts", false).unwrap(),
            "elsewhere/r/artifacts"
        );
        assert_eq!(
            place("s3://bucket/7/r/artifacts", "7/r/artifacts", true).unwrap(),
            "7/r/artifacts"
        );
        assert_eq!(place("s3://bucket/7/r/artifacts", "7/r/artifacts", false), None);
        assert_eq!(place("/gone/../etc/r", "8/r/artifacts", false), None);
    }
}
