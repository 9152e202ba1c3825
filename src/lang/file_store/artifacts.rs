//! Artifacts of local URIs: where they are now, and which files are there.
//!
//! The stored URI decides, not the layout. Where its path is gone the tree was moved, and the files are looked for below the
//! tree: in the owner's own `artifacts` folder, then under the tail of the path. Of a tree that came from elsewhere the tree
//! comes first, since its paths are those of another machine. A remote URI is a limit, unless the owner's own folder
//! holds files. Which folders may be read is decided by [`LocalRoots`].

use super::notes::Notes;
use super::store::Store;
use crate::format::{Kind, Reason};
use crate::lang::artifacts::local_roots::{ArtifactRoot, FolderPlace, LocalRoots, OwnerRef, refusal};
use crate::lang::artifacts::walk::{self, FoundFile, moved_folder};
use crate::model::uri::local_path;
use std::path::Path;

/// Files that a worker thread lists; a folder of more is walked by the thread that writes.
const LISTED_FILES: usize = 500;

/// Artifacts of one owner.
pub(super) enum FoundArtifacts {
    /// There are none.
    None,
    /// These are all.
    Listed(Vec<FoundFile>),
    /// There are many below this folder.
    Many(ArtifactRoot),
}

/// Finds the artifacts of an owner whose own folder would be `own`.
pub(super) fn find(
    store: &Store,
    owner: OwnerRef<'_>,
    uri: Option<&str>,
    own: &Path,
    notes: &mut Notes,
) -> FoundArtifacts {
    let folder = match locate(store, owner, uri, own) {
        FolderPlace::Root(folder) => folder,
        FolderPlace::Outside(path) => {
            notes.failure(
                Kind::Artifacts,
                owner.id,
                "*",
                Reason::OutsideSource,
                refusal(&path, owner),
            );
            return FoundArtifacts::None;
        }
        FolderPlace::Missing => {
            if let Some(uri) = uri {
                let is_local = local_path(uri).is_some();
                let reason = if is_local {
                    Reason::MissingDirectory
                } else {
                    Reason::RemoteUri
                };
                notes.limit(Kind::Artifacts, "*", reason);
            }
            return FoundArtifacts::None;
        }
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
fn locate(store: &Store, owner: OwnerRef<'_>, uri: Option<&str>, own: &Path) -> FolderPlace {
    let roots = store.roots();
    let Some(uri) = uri else {
        return own_folder(roots, own);
    };
    match local_path(uri) {
        // The usual case, which asks the file system little.
        Some(path) if Path::new(&path) == own => own_folder(roots, own),
        Some(path) => {
            let moved = || own_folder(roots, own).or_else(|| moved_to(store, &path));
            let there = || {
                if Path::new(&path).is_absolute() {
                    roots.stated(Path::new(&path), owner)
                } else {
                    FolderPlace::Missing
                }
            };
            if roots.takes_mlflow_folders() {
                there().or_else(moved)
            } else {
                moved().or_else(there)
            }
        }
        // MLflow makes that folder for every run, wherever its artifacts go.
        None => roots.served(uri, owner).or_else(|| match is_empty(own) {
            true => FolderPlace::Missing,
            false => own_folder(roots, own),
        }),
    }
}

fn is_empty(folder: &Path) -> bool {
    folder
        .read_dir()
        .is_ok_and(|mut entries| entries.next().is_none())
}

/// The owner's own folder, in a folder that the listing of the tree found: only a link may lead out of it.
fn own_folder(roots: &LocalRoots, own: &Path) -> FolderPlace {
    match own.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => FolderPlace::Root(LocalRoots::listed(own)),
        Ok(_) => roots.own(own),
        Err(_) => FolderPlace::Missing,
    }
}

fn moved_to(store: &Store, path: &str) -> FolderPlace {
    moved_folder(store.root(), path).map_or(FolderPlace::Missing, |folder| store.roots().own(&folder))
}

/// Visits what lies below an artifact root of the store.
pub(super) fn walk<E>(
    store: &Store,
    root: &ArtifactRoot,
    visit: &mut dyn FnMut(FoundFile) -> Result<(), E>,
) -> Result<(), E> {
    walk::walk(root, store.roots(), visit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::artifacts::local_roots::Door;
    use crate::lang::session::ExportOptions;
    use crate::model::OwnerKind;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn store(root: &Path) -> Store {
        let roots = LocalRoots::new(Door::Tree(root), &ExportOptions::default()).unwrap();
        Store::new(root, root, crate::archive::LongTexts::new(root), roots).unwrap()
    }

    fn names(store: &Store, root: &Path) -> Vec<String> {
        let mut names = Vec::new();
        walk(store, &LocalRoots::listed(root), &mut |file| {
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
        let tree = directory.path().canonicalize().unwrap().join("mlruns");
        fs::create_dir_all(tree.join("7/r/artifacts")).unwrap();
        fs::create_dir_all(tree.join("elsewhere/r/artifacts")).unwrap();
        let store = store(&tree);
        let place = |uri: &str, own: &str| {
            let owner = OwnerRef {
                kind: OwnerKind::Run,
                id: "r",
            };
            match locate(&store, owner, Some(uri), &tree.join(own)) {
                FolderPlace::Root(root) => {
                    let below = root.path().strip_prefix(&tree).unwrap();
                    Some(below.to_str().unwrap().to_owned())
                }
                FolderPlace::Missing => None,
                FolderPlace::Outside(path) => panic!("{} is outside", path.display()),
            }
        };
        assert_eq!(
            place("/gone/mlruns/7/r/artifacts", "7/r/artifacts").unwrap(),
            "7/r/artifacts"
        );
        assert_eq!(
            place("file:///gone/mlruns/7/r/artifacts", "8/r/artifacts").unwrap(),
            "7/r/artifacts"
        );
        assert_eq!(
            place("/gone/elsewhere/r/artifacts", "8/r/artifacts").unwrap(),
            "elsewhere/r/artifacts"
        );
        assert_eq!(place("s3://bucket/7/r/artifacts", "7/r/artifacts"), None);
        fs::write(tree.join("7/r/artifacts/a"), "a").unwrap();
        assert_eq!(
            place("s3://bucket/7/r/artifacts", "7/r/artifacts").unwrap(),
            "7/r/artifacts"
        );
        assert_eq!(place("s3://bucket/7/r/artifacts", "9/r/artifacts"), None);
        assert_eq!(place("/gone/../etc/r", "8/r/artifacts"), None);
    }
}
