//! Artifacts of local URIs: where they are now, and which files are there.
//!
//! The stored URI decides, not the layout. Where its path is gone the tree was moved, and the files are looked for below the
//! tree: in the owner's own `artifacts` folder, then under the tail of the path. A remote URI is a limit, unless the
//! owner's own folder holds files.

use super::notes::Notes;
use super::store::Store;
use crate::format::Kind;
use crate::source::uri::local_path;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use walkdir::{DirEntry, WalkDir};

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

/// An artifact, or something in its place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FoundFile {
    /// A file, by its path below the artifact root.
    File(String, PathBuf),
    /// Something that cannot be read: its path where it has one that text can hold, a stable code and a sentence.
    Failed(Option<String>, &'static str, String),
    /// A folder that holds nothing.
    EmptyFolder,
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
            let moved = || own_folder().or_else(|| under_tree(store, &path));
            (there.or_else(moved), "missing-directory")
        }
        None => {
            let served = || served_folder(store, uri);
            (served().or_else(own_folder), "remote-uri")
        }
    };
    if found.is_none() {
        notes.limit(Kind::Artifacts, "*", reason);
    }
    found
}

/// The longest tail of a path, of at least two parts, that is a folder below the tree or beside it.
fn under_tree(store: &Store, path: &str) -> Option<PathBuf> {
    let parts: Vec<&str> = path
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    if parts.contains(&"..") {
        return None;
    }
    let tails = (0..parts.len().saturating_sub(1)).map(|start| parts[start..].join("/"));
    let root = store.root();
    let name = root.file_name().and_then(OsStr::to_str);
    tails
        .filter_map(|tail| match tail.split_once('/') {
            Some((first, rest)) if Some(first) == name => Some(root.join(rest)),
            _ => Some(root.join(tail)),
        })
        .find(|folder| folder.is_dir())
}

/// The folder behind an `mlflow-artifacts:` URI, where a destination was named.
fn served_folder(store: &Store, uri: &str) -> Option<PathBuf> {
    let rest = uri.strip_prefix("mlflow-artifacts:")?;
    let path = match rest.strip_prefix("//") {
        Some(rest) => rest.split_once('/')?.1,
        None => rest,
    };
    let path = path.trim_start_matches('/');
    let is_plain = path.split('/').all(|part| !matches!(part, "." | ".."));
    let folder = store.artifacts_destination()?.join(path);
    (is_plain && folder.is_dir()).then_some(folder)
}

/// Visits what lies below an artifact root, ordered by path bytes. Symbolic links are followed where they lead to
/// something below the same root or below the tree.
pub(super) fn walk<E>(
    store: &Store,
    root: &Path,
    visit: &mut dyn FnMut(FoundFile) -> Result<(), E>,
) -> Result<(), E> {
    let mut entries = WalkDir::new(root)
        .follow_links(true)
        .sort_by(|a, b| order_name(a).cmp(order_name(b)))
        .into_iter();
    let mut canonical_root = None;
    let mut open_folder: Option<usize> = None;
    while let Some(entry) = entries.next() {
        let depth = entry.as_ref().map_or_else(walkdir::Error::depth, DirEntry::depth);
        if open_folder.is_some_and(|folder| depth <= folder) {
            visit(FoundFile::EmptyFolder)?;
        }
        open_folder = None;
        let entry = match entry {
            Ok(entry) if depth == 0 => {
                debug_assert!(entry.file_type().is_dir(), "the root is a folder");
                continue;
            }
            Ok(entry) => entry,
            Err(error) => {
                visit(failed_entry(root, &error))?;
                continue;
            }
        };
        let (is_folder, is_file) = (entry.file_type().is_dir(), entry.file_type().is_file());
        let canonical_root = canonical_root.get_or_insert_with(|| root.canonicalize().ok());
        if entry.path_is_symlink()
            && !leads_inside(entry.path(), [canonical_root.as_deref(), Some(store.tree())])
        {
            let detail = format!(
                "artifact {} is a symbolic link that leads out of the tree",
                entry.path().display()
            );
            visit(FoundFile::Failed(
                relative(root, entry.path()),
                "link-outside",
                detail,
            ))?;
            if is_folder {
                entries.skip_current_dir();
            }
            continue;
        }
        match relative(root, entry.path()) {
            _ if is_folder => open_folder = Some(depth),
            Some(path) if is_file => visit(FoundFile::File(path, entry.into_path()))?,
            Some(path) => {
                let detail = format!("artifact {} is not a regular file", entry.path().display());
                visit(FoundFile::Failed(Some(path), "not-a-file", detail))?;
            }
            None => {
                let detail = format!("the name of artifact {} is not UTF-8", entry.path().display());
                visit(FoundFile::Failed(None, "name-not-utf8", detail))?;
            }
        }
    }
    match open_folder {
        Some(_) => visit(FoundFile::EmptyFolder),
        None => Ok(()),
    }
}

/// Sorts a folder where its files' paths sort: `a.txt` before `a/b`.
fn order_name(entry: &DirEntry) -> impl Iterator<Item = u8> + '_ {
    let slash = entry.file_type().is_dir().then_some(b'/');
    entry.file_name().as_bytes().iter().copied().chain(slash)
}

fn failed_entry(root: &Path, error: &walkdir::Error) -> FoundFile {
    let path = error.path().unwrap_or(root);
    let is_link = path
        .symlink_metadata()
        .is_ok_and(|metadata| metadata.is_symlink());
    let (reason, why) = match error.io_error() {
        None => (
            "link-loop",
            "it is a symbolic link to a folder that holds it".to_owned(),
        ),
        Some(_) if is_link => (
            "link-broken",
            "it is a symbolic link that leads nowhere".to_owned(),
        ),
        Some(error) => ("unreadable", error.to_string()),
    };
    let detail = format!("artifact {}: {why}", path.display());
    FoundFile::Failed(relative(root, path), reason, detail)
}

fn leads_inside(link: &Path, roots: [Option<&Path>; 2]) -> bool {
    let target = link.canonicalize();
    target.is_ok_and(|target| roots.into_iter().flatten().any(|root| target.starts_with(root)))
}

fn relative(root: &Path, path: &Path) -> Option<String> {
    let relative = path.strip_prefix(root).ok()?.to_str()?;
    (!relative.is_empty()).then(|| relative.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn store(root: &Path) -> Store {
        Store::new(root, root, None).unwrap()
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
