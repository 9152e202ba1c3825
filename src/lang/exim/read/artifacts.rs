//! Artifact trees: every file below a folder, in the archive's order.

use crate::format::Reason;
use crate::lang::artifacts::local_roots::{LocalRoots, OutsideSource, Place};
use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// What was found below an artifact root, its path joined with `/`.
#[derive(Debug)]
pub(super) enum Found {
    /// A file.
    File {
        path: String,
        at: PathBuf,
        size_bytes: u64,
    },
    /// Something that cannot be an artifact.
    Failed {
        path: String,
        reason: Reason,
        detail: String,
    },
    /// A folder without anything in it, which an archive does not hold.
    EmptyDirectory,
}

impl Found {
    /// The path, empty for a folder.
    pub(super) fn path(&self) -> &str {
        match self {
            Found::File { path, .. } | Found::Failed { path, .. } => path,
            Found::EmptyDirectory => "",
        }
    }
}

/// Walks a tree; entries come in the order of their paths' bytes. Symbolic links are followed only within the root.
pub(super) struct ArtifactTree {
    pending: VecDeque<Entry>,
}

struct Entry {
    path: String,
    at: PathBuf,
    is_link: bool,
    /// Real paths of the folders above, the artifact root first.
    above: Rc<Vec<PathBuf>>,
}

impl ArtifactTree {
    /// Walks what lies below `root`; nothing where it is missing.
    ///
    /// # Errors
    /// The folder cannot be read, or is a link that leads out of the export.
    pub(super) fn below(roots: &LocalRoots, root: &Path) -> io::Result<Self> {
        let mut pending = VecDeque::new();
        match roots.own(root) {
            Place::Missing => {}
            Place::Outside(_) => return Err(io::Error::new(io::ErrorKind::PermissionDenied, OutsideSource)),
            Place::Root(root) => {
                let above = Rc::new(vec![root.path().to_owned()]);
                pending = entries_of(root.path(), "", &above)?.into();
            }
        }
        Ok(ArtifactTree { pending })
    }

    fn look_at(&mut self, entry: Entry) -> Option<Found> {
        let real = match entry.real_path() {
            Ok(real) => real,
            Err((reason, detail)) => return entry.failed(reason, detail),
        };
        let metadata = match fs::metadata(&real) {
            Ok(metadata) => metadata,
            Err(error) => return entry.failed(Reason::Unreadable, error.to_string()),
        };
        if metadata.is_file() {
            let size_bytes = metadata.len();
            return Some(Found::File {
                path: entry.path,
                at: real,
                size_bytes,
            });
        }
        if !metadata.is_dir() {
            return entry.failed(Reason::SpecialFile, "neither a file nor a folder".to_owned());
        }
        let mut above = entry.above.as_ref().clone();
        above.push(real.clone());
        match entries_of(&real, &entry.path, &Rc::new(above)) {
            Err(error) => entry.failed(Reason::Unreadable, error.to_string()),
            Ok(entries) if entries.is_empty() => Some(Found::EmptyDirectory),
            Ok(entries) => {
                entries
                    .into_iter()
                    .rev()
                    .for_each(|entry| self.pending.push_front(entry));
                None
            }
        }
    }
}

impl Entry {
    /// Where a link leads; a link out of the root, or to a folder above itself, is refused.
    fn real_path(&self) -> Result<PathBuf, (Reason, String)> {
        if !self.is_link {
            return Ok(self.at.clone());
        }
        let broken = |error: io::Error| {
            (
                Reason::SymlinkBroken,
                format!("a symbolic link leads nowhere: {error}"),
            )
        };
        let real = self.at.canonicalize().map_err(broken)?;
        if !real.starts_with(&self.above[0]) {
            return Err((
                Reason::SymlinkOutside,
                "a symbolic link leaves the artifact folder".to_owned(),
            ));
        }
        if self.above.contains(&real) {
            return Err((
                Reason::SymlinkLoop,
                "a symbolic link leads back to a folder above it".to_owned(),
            ));
        }
        Ok(real)
    }

    fn failed(self, reason: Reason, detail: String) -> Option<Found> {
        Some(Found::Failed {
            path: self.path,
            reason,
            detail,
        })
    }
}

impl Iterator for ArtifactTree {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        loop {
            let entry = self.pending.pop_front()?;
            if let Some(found) = self.look_at(entry) {
                return Some(found);
            }
        }
    }
}

/// The entries of a folder, so ordered that the paths of all files below come in the order of their bytes.
fn entries_of(folder: &Path, path: &str, above: &Rc<Vec<PathBuf>>) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // A name that is not UTF-8 is shown with replacement characters and fails when it is opened by that name.
        let name = entry.file_name().to_string_lossy().into_owned();
        let separator = if path.is_empty() { "" } else { "/" };
        let kind = entry.file_type()?;
        let child = Entry {
            path: format!("{path}{separator}{name}"),
            at: folder.join(&name),
            is_link: kind.is_symlink(),
            above: above.clone(),
        };
        // A folder sorts as its name with the slash that follows it.
        let is_folder = kind.is_dir() || (child.is_link && child.at.is_dir());
        let slash = if is_folder { "/" } else { "" };
        entries.push((format!("{name}{slash}"), child));
    }
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(entries.into_iter().map(|(_, entry)| entry).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::artifacts::local_roots::Door;
    use crate::lang::session::ExportOptions;
    use std::os::unix::fs::symlink;

    fn walk(root: &Path) -> Vec<String> {
        let above = root.parent().expect("a folder above");
        let roots = LocalRoots::new(Door::Tree(above), &ExportOptions::default()).expect("a folder");
        let tree = ArtifactTree::below(&roots, root).expect("the root can be read");
        tree.map(|found| match found {
            Found::File { path, size_bytes, .. } => format!("{path} {size_bytes}"),
            Found::Failed { path, reason, .. } => format!("{path} {reason}"),
            Found::EmptyDirectory => "empty".to_owned(),
        })
        .collect()
    }

    #[test]
    fn files_come_in_the_order_of_their_paths() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path().join("artifacts");
        fs::create_dir_all(root.join("a/b")).expect("made");
        fs::create_dir_all(root.join("z")).expect("made");
        for path in ["a/b/c", "a.txt", "a/é", "a0"] {
            fs::write(root.join(path), path).expect("written");
        }
        assert_eq!(walk(&root), ["a.txt 5", "a/b/c 5", "a/é 4", "a0 2", "empty"]);
        assert_eq!(walk(&folder.path().join("none")), [""; 0]);
    }

    #[test]
    fn links_are_followed_only_within_the_root() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path().join("artifacts");
        fs::create_dir_all(root.join("a")).expect("made");
        fs::write(folder.path().join("secret"), "s").expect("written");
        fs::write(root.join("a/file"), "inside").expect("written");
        symlink("../secret", root.join("escape")).expect("linked");
        symlink("a/file", root.join("inside")).expect("linked");
        symlink("..", root.join("a/loop")).expect("linked");
        symlink("nowhere", root.join("none")).expect("linked");
        assert_eq!(
            walk(&root),
            [
                "a/file 6",
                "a/loop symlink-loop",
                "escape symlink-outside",
                "inside 6",
                "none symlink-broken"
            ]
        );
    }
}
