//! Folders of the tree: listed once, their files read with one open each.
//!
//! A store of 10,000 runs has half a million small files, so names are looked up from the folder that holds them, kinds come
//! from the listing, and no file is asked for its size. A symbolic link is followed only where it leads to what may be read:
//! each opening refuses links, and looks at the few that it meets.

use crate::format::Reason;
use crate::lang::artifacts::local_roots::{LocalRoots, OutsideSource};
use crate::platform::{Listed, OpenFolder, is_no_folder, open_unlinked, os_name};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes asked for by the first read of a file.
const READ_BYTES: usize = 16 << 10;
/// The longest file that is read whole, which none that describes an object comes near.
const FILE_BYTES: usize = 64 << 20;

/// What an entry of a folder is, a link being what it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EntryKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A link that leads out of the source, round in a circle or nowhere; a pipe, socket or device: the reason, and why.
    Refused(Reason, &'static str),
}

/// An entry of a folder.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: Vec<u8>,
    pub(super) kind: EntryKind,
}

impl Entry {
    /// The name, where it is UTF-8.
    pub(super) fn name(&self) -> Option<&str> {
        std::str::from_utf8(&self.name).ok()
    }

    /// The name for people.
    pub(super) fn shown(&self) -> String {
        String::from_utf8_lossy(&self.name).into_owned()
    }
}

/// An open folder.
pub(super) struct Folder {
    open: OpenFolder,
    path: PathBuf,
    roots: Arc<LocalRoots>,
}

impl Folder {
    /// Opens a folder.
    pub(super) fn open(roots: &Arc<LocalRoots>, path: &Path) -> io::Result<Self> {
        let open = match OpenFolder::open(path)? {
            Some(open) => open,
            None => Self::behind_link(roots, path)?,
        };
        Ok(Self::of(open, path.to_owned(), roots.clone()))
    }

    fn of(open: OpenFolder, path: PathBuf, roots: Arc<LocalRoots>) -> Self {
        Folder { open, path, roots }
    }

    /// What a link leads to, where that may be read.
    fn behind_link(roots: &LocalRoots, path: &Path) -> io::Result<OpenFolder> {
        OpenFolder::open(&roots.resolve(path)?)?.ok_or_else(is_no_folder)
    }

    /// Opens a folder that is an entry of this one.
    pub(super) fn sub(&self, name: &[u8]) -> io::Result<Self> {
        let path = self.path_of(name);
        let open = match self.open.folder(name)? {
            Some(open) => open,
            None => Self::behind_link(&self.roots, &path)?,
        };
        Ok(Self::of(open, path, self.roots.clone()))
    }

    /// Where an entry is.
    pub(super) fn path_of(&self, name: &[u8]) -> PathBuf {
        self.path.join(os_name(name))
    }

    /// Whether a folder of that name is in it.
    pub(super) fn has(&self, name: &str) -> bool {
        self.path_of(name.as_bytes()).is_dir()
    }

    /// The entries, by name.
    pub(super) fn entries(&mut self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        while let Some(found) = self.open.next_entry() {
            let (name, listed) = found?;
            let kind = match listed {
                Listed::File => EntryKind::File,
                Listed::Folder => EntryKind::Folder,
                Listed::Unknown => self.look(&name),
                Listed::Special => EntryKind::Refused(Reason::NotAFile, "it is not a regular file"),
            };
            entries.push(Entry { name, kind });
        }
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// The folder with its entries.
    pub(super) fn listed(mut self) -> io::Result<(Self, Vec<Entry>)> {
        let entries = self.entries()?;
        Ok((self, entries))
    }

    /// What a link leads to, or what an entry is whose kind the listing did not tell.
    fn look(&self, name: &[u8]) -> EntryKind {
        let refused = |why| EntryKind::Refused(Reason::NotAFile, why);
        let target = match self.roots.resolve(&self.path_of(name)) {
            Ok(target) => target,
            Err(error) if OutsideSource::is_cause(&error) => {
                return EntryKind::Refused(Reason::OutsideSource, OutsideSource::WHY);
            }
            Err(_) => return refused("it is a symbolic link that leads nowhere or round in a circle"),
        };
        let own = self.path.canonicalize();
        if own.is_ok_and(|folder| folder.starts_with(&target)) {
            return refused("it is a symbolic link to a folder that holds it");
        }
        match target.metadata() {
            Ok(metadata) if metadata.is_file() => EntryKind::File,
            Ok(metadata) if metadata.is_dir() => EntryKind::Folder,
            Ok(_) => refused("it is not a regular file"),
            Err(_) => refused("it cannot be inspected"),
        }
    }

    pub(super) fn open_file(&self, name: &[u8]) -> io::Result<File> {
        match self.open.file(name)? {
            Some(file) => Ok(file),
            None => open_unlinked(&self.roots.resolve(&self.path_of(name))?)?.ok_or_else(is_no_folder),
        }
    }

    /// Reads a file into `buffer`, whose former content goes.
    pub(super) fn read<'b>(&self, name: &[u8], buffer: &'b mut Vec<u8>) -> io::Result<&'b [u8]> {
        let bytes = self.read_up_to(name, FILE_BYTES, buffer)?;
        bytes.ok_or_else(|| io::Error::new(io::ErrorKind::FileTooLarge, "it has more than 64 MiB"))
    }

    /// Reads a file of at most about `limit` bytes; none where it is longer.
    pub(super) fn read_up_to<'b>(
        &self,
        name: &[u8],
        limit: usize,
        buffer: &'b mut Vec<u8>,
    ) -> io::Result<Option<&'b [u8]>> {
        let file = self.open_file(name)?;
        let mut length = 0;
        loop {
            if length > limit {
                return Ok(None);
            }
            if buffer.len() < length + READ_BYTES {
                buffer.resize((length * 2).max(READ_BYTES), 0);
            }
            match (&file).read(&mut buffer[length..]) {
                Ok(0) => return Ok(Some(&buffer[..length])),
                Ok(read) => length += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Reads a file that describes an object, by its path.
pub(super) fn read_description(roots: &Arc<LocalRoots>, path: &Path) -> io::Result<Vec<u8>> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let mut buffer = Vec::new();
    let length = Folder::open(roots, folder)?
        .read(name.as_encoded_bytes(), &mut buffer)?
        .len();
    buffer.truncate(length);
    Ok(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::artifacts::local_roots::Door;
    use crate::lang::session::ExportOptions;
    use std::os::unix::fs::symlink;

    fn roots(tree: &Path) -> Arc<LocalRoots> {
        Arc::new(LocalRoots::new(Door::Tree(tree), &ExportOptions::default()).unwrap())
    }

    #[test]
    fn files_of_any_length_are_read_whole() {
        let directory = tempfile::tempdir().unwrap();
        let mut folder = Folder::open(&roots(directory.path()), directory.path()).unwrap();
        let mut buffer = Vec::new();
        for length in [0, 1, READ_BYTES - 1, READ_BYTES, READ_BYTES + 1, 5 * READ_BYTES] {
            let bytes: Vec<u8> = (0..length).map(|number| (number % 251) as u8).collect();
            std::fs::write(directory.path().join("file"), &bytes).unwrap();
            assert_eq!(folder.read(b"file", &mut buffer).unwrap(), bytes);
        }
        assert_eq!(folder.entries().unwrap().len(), 1);
    }

    #[test]
    fn a_description_is_read_to_a_stated_length() {
        let directory = tempfile::tempdir().unwrap();
        let (roots, path) = (roots(directory.path()), directory.path().join("meta.yaml"));
        let file = std::fs::File::create(&path).unwrap();
        // A file without content takes no room on the disk.
        file.set_len(1 << 40).unwrap();
        let error = read_description(&roots, &path).unwrap_err();
        assert!(error.to_string().contains("64 MiB"), "{error}");
        std::fs::write(&path, "a: 1\n").unwrap();
        assert_eq!(read_description(&roots, &path).unwrap(), b"a: 1\n");
    }

    #[test]
    fn links_are_followed_inside_the_tree_only() {
        let directory = tempfile::tempdir().unwrap();
        let tree = directory.path().canonicalize().unwrap();
        std::fs::create_dir_all(tree.join("a/b")).unwrap();
        std::fs::write(tree.join("file"), "x").unwrap();
        symlink("../file", tree.join("a/inside")).unwrap();
        symlink("/etc", tree.join("a/outside")).unwrap();
        symlink("missing", tree.join("a/nowhere")).unwrap();
        symlink("..", tree.join("a/up")).unwrap();
        let entries = Folder::open(&roots(&tree), &tree.join("a"))
            .unwrap()
            .entries()
            .unwrap();
        let kinds: Vec<_> = entries.iter().map(|entry| (entry.shown(), entry.kind)).collect();
        assert_eq!(kinds[0], ("b".to_owned(), EntryKind::Folder));
        assert_eq!(kinds[1], ("inside".to_owned(), EntryKind::File));
        assert!(
            kinds[2..]
                .iter()
                .all(|(_, kind)| matches!(kind, EntryKind::Refused(..))),
            "{kinds:?}"
        );
    }
}
