//! Artifact trees on this machine, for every source that finds some.

use super::local_roots::{ArtifactRoot, LocalRoots, link_leads_inside};
use crate::archive::{ByteSource, Owner};
use crate::format::{Kind, Reason};
use crate::lang::session::{Export, ExportError};
use std::cell::OnceCell;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use walkdir::{DirEntry, WalkDir};

/// An artifact, or something in its place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FoundFile {
    /// A file, by its path below the artifact root.
    File(String, PathBuf),
    /// Something that cannot be read: its path where it has one that text can hold, a stable code and a sentence.
    Failed(Option<String>, Reason, String),
    /// A folder that holds nothing.
    EmptyFolder,
}

impl Export<'_> {
    /// Queues what a walk found.
    ///
    /// # Errors
    /// As [`Export::artifact`] and [`Export::failure`].
    pub(crate) fn found_file(&mut self, owner: &Owner, file: FoundFile) -> Result<(), ExportError> {
        match file {
            FoundFile::File(path, place) => {
                let is_taken = self.options.selection.takes_artifact(&path);
                let size_bytes = if is_taken {
                    None
                } else {
                    place.metadata().ok().map(|metadata| metadata.len())
                };
                self.artifact(owner, path, size_bytes, ByteSource::File(place))
            }
            FoundFile::Failed(Some(path), reason, detail) => {
                self.failed_artifact(owner, path, reason, &detail)
            }
            FoundFile::Failed(None, reason, detail) => {
                self.failure(Kind::Artifacts, &owner.id, "*", reason, &detail)
            }
            FoundFile::EmptyFolder => {
                self.limit(Kind::Artifacts, "*", Reason::EmptyDirectory, 1);
                Ok(())
            }
        }
    }
}

/// Where a folder may lie after its tree was moved: the longest tail of its old path, of at least two parts, that is a
/// folder below `root` or beside it.
pub(crate) fn moved_folder(root: &Path, path: &str) -> Option<PathBuf> {
    let parts: Vec<&str> = path
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    if parts.contains(&"..") {
        return None;
    }
    let tails = (0..parts.len().saturating_sub(1)).map(|start| parts[start..].join("/"));
    let name = root.file_name().and_then(OsStr::to_str);
    tails
        .map(|tail| match tail.split_once('/') {
            Some((first, rest)) if Some(first) == name => root.join(rest),
            _ => root.join(tail),
        })
        .find(|folder| folder.is_dir())
}

/// The path below a server's artifact destination that an `mlflow-artifacts:` URI names.
pub(crate) fn served_path(uri: &str) -> Option<&str> {
    let rest = uri.strip_prefix("mlflow-artifacts:")?;
    let path = match rest.strip_prefix("//") {
        Some(rest) => rest.split_once('/')?.1,
        None => rest,
    };
    let path = path.trim_start_matches('/');
    let is_plain = path.split('/').all(|part| !matches!(part, "." | ".."));
    is_plain.then_some(path)
}

/// Visits what lies below an artifact root, ordered by path bytes. Symbolic links are followed where they lead to
/// something below the same root, or to what may be read anyhow.
pub(crate) fn walk<E>(
    root: &ArtifactRoot,
    roots: &LocalRoots,
    visit: &mut dyn FnMut(FoundFile) -> Result<(), E>,
) -> Result<(), E> {
    ArtifactWalk::new(root.path(), Some(roots)).try_for_each(visit)
}

/// What lies below an artifact root, ordered by path bytes.
pub(crate) struct ArtifactWalk<'r> {
    root: PathBuf,
    /// What may be read of what links lead to, beside the root itself.
    roots: Option<&'r LocalRoots>,
    entries: walkdir::IntoIter,
    real_root: OnceCell<Option<PathBuf>>,
    /// How deep the folder lies that was met last, where nothing of it was met yet.
    open_folder: Option<usize>,
    /// What comes after a folder that holds nothing.
    ahead: Option<FoundFile>,
}

impl<'r> ArtifactWalk<'r> {
    pub(crate) fn new(root: &Path, roots: Option<&'r LocalRoots>) -> Self {
        let entries = WalkDir::new(root)
            .follow_links(true)
            .sort_by(|a, b| order_name(a).cmp(order_name(b)));
        ArtifactWalk {
            root: root.to_owned(),
            roots,
            entries: entries.into_iter(),
            real_root: OnceCell::new(),
            open_folder: None,
            ahead: None,
        }
    }

    /// What an entry is; nothing for a folder, whose files come.
    fn look_at(&mut self, entry: walkdir::Result<DirEntry>) -> Option<FoundFile> {
        let entry = match entry {
            Ok(entry) if entry.depth() == 0 => {
                debug_assert!(entry.file_type().is_dir(), "the root is a folder");
                return None;
            }
            Ok(entry) => entry,
            Err(error) => return Some(failed_entry(&self.root, &error)),
        };
        let is_folder = entry.file_type().is_dir();
        if entry.path_is_symlink() && !self.leads_inside(entry.path()) {
            if is_folder {
                self.entries.skip_current_dir();
            }
            let detail = format!(
                "artifact {} is a symbolic link that leads out of the tree",
                entry.path().display()
            );
            let path = relative(&self.root, entry.path());
            return Some(FoundFile::Failed(path, Reason::LinkOutside, detail));
        }
        if is_folder {
            self.open_folder = Some(entry.depth());
            return None;
        }
        Some(found_file(&self.root, entry))
    }

    fn leads_inside(&self, link: &Path) -> bool {
        let real_root = self.real_root.get_or_init(|| self.root.canonicalize().ok());
        link_leads_inside(link, real_root.as_deref(), self.roots)
    }
}

impl Iterator for ArtifactWalk<'_> {
    type Item = FoundFile;

    fn next(&mut self) -> Option<FoundFile> {
        if let Some(found) = self.ahead.take() {
            return Some(found);
        }
        loop {
            let Some(entry) = self.entries.next() else {
                return self.open_folder.take().map(|_| FoundFile::EmptyFolder);
            };
            let depth = entry.as_ref().map_or_else(walkdir::Error::depth, DirEntry::depth);
            let is_empty = self.open_folder.take().is_some_and(|folder| depth <= folder);
            let found = self.look_at(entry);
            if is_empty {
                self.ahead = found;
                return Some(FoundFile::EmptyFolder);
            }
            if found.is_some() {
                return found;
            }
        }
    }
}

/// What stands below a root and is no folder.
fn found_file(root: &Path, entry: DirEntry) -> FoundFile {
    let shown = entry.path().display();
    match relative(root, entry.path()) {
        Some(path) if entry.file_type().is_file() => FoundFile::File(path, entry.into_path()),
        Some(path) => {
            let detail = format!("artifact {shown} is not a regular file");
            FoundFile::Failed(Some(path), Reason::NotAFile, detail)
        }
        None => {
            let detail = format!("the name of artifact {shown} is not UTF-8");
            FoundFile::Failed(None, Reason::NameNotUtf8, detail)
        }
    }
}

/// Sorts a folder where its files' paths sort: `a.txt` before `a/b`.
fn order_name(entry: &DirEntry) -> impl Iterator<Item = u8> + '_ {
    let slash = entry.file_type().is_dir().then_some(b'/');
    entry.file_name().as_encoded_bytes().iter().copied().chain(slash)
}

fn failed_entry(root: &Path, error: &walkdir::Error) -> FoundFile {
    let path = error.path().unwrap_or(root);
    let is_link = path
        .symlink_metadata()
        .is_ok_and(|metadata| metadata.is_symlink());
    let (reason, why) = match error.io_error() {
        None => (
            Reason::LinkLoop,
            "it is a symbolic link to a folder that holds it".to_owned(),
        ),
        Some(_) if is_link => (
            Reason::LinkBroken,
            "it is a symbolic link that leads nowhere".to_owned(),
        ),
        Some(error) => (Reason::Unreadable, error.to_string()),
    };
    let detail = format!("artifact {}: {why}", path.display());
    FoundFile::Failed(relative(root, path), reason, detail)
}

/// The names between a root and a path, divided by `/` on every system.
fn relative(root: &Path, path: &Path) -> Option<String> {
    let names = path.strip_prefix(root).ok()?.iter().map(OsStr::to_str);
    let names: Option<Vec<_>> = names.collect();
    names.map(|names| names.join("/")).filter(|path| !path.is_empty())
}
