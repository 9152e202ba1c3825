//! What is there: files by name, blobs by digest, and everything that has no place in an archive.

use super::report::Findings;
use crate::archive::blob_list::BlobList;
use crate::archive::container::{Container, open_listed};
use crate::archive::error::{ArchiveError, Result};
use crate::archive::zip::ZipIndex;
use crate::format::layout::{BLOBS, BLOBS_PARENT, CHECKSUMS, MANIFEST, OBJECTS, SEAL, UNDO};
use crate::format::{ArchivePath, FindingCode as Code};
use crate::model::Digest;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

/// Everything an archive consists of, by name; contents are not read.
pub(super) struct Tree<'c> {
    container: &'c Container,
    /// Sizes of files that are not blobs, by name.
    pub files: BTreeMap<ArchivePath, u64>,
    blobs: BlobList,
}

impl<'c> Tree<'c> {
    /// Lists a container.
    pub(super) fn list(root: &Path, container: &'c Container, findings: &mut Findings) -> Result<Self> {
        let mut tree = Tree {
            container,
            files: BTreeMap::new(),
            blobs: BlobList::default(),
        };
        match container {
            Container::Directory(directory) => {
                tree.walk(directory, "", findings)
                    .map_err(ArchiveError::io("list", directory))?;
                tree.blobs.sort();
            }
            Container::RemoteDirectory(folder) => {
                folder
                    .list(&mut |name, size_bytes| tree.add_file(name, size_bytes, findings))
                    .map_err(ArchiveError::io("list", root))?;
                tree.blobs.sort();
            }
            Container::Zip { index, .. } | Container::RemoteZip { index, .. } => {
                for entry in index.others() {
                    tree.add_file(&entry.name, entry.size, findings);
                }
                tree.check_entry_order(findings);
            }
        }
        let is_archive = |name: &&str| tree.files.contains_key(*name);
        let has_objects = tree.files.keys().any(ArchivePath::is_objects);
        if tree.blob_count() == 0 && !has_objects && ![MANIFEST, SEAL, CHECKSUMS].iter().any(is_archive) {
            let reason = format!("there is no `{MANIFEST}` in it");
            return Err(ArchiveError::not_an_archive(root, reason));
        }
        Ok(tree)
    }

    fn walk(&mut self, directory: &Path, prefix: &str, findings: &mut Findings) -> io::Result<()> {
        let mut entries = fs::read_dir(directory)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_unstable_by_key(fs::DirEntry::file_name);
        if entries.is_empty() && !prefix.is_empty() {
            findings.error(Code::EmptyDirectory, prefix, "the directory is empty");
        }
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            let name = if prefix.is_empty() {
                name
            } else {
                format!("{prefix}/{name}")
            };
            if let Err(error) = self.visit(&entry, &name, findings) {
                findings.error(Code::Unreadable, &name, error);
            }
        }
        Ok(())
    }

    fn visit(&mut self, entry: &fs::DirEntry, name: &str, findings: &mut Findings) -> io::Result<()> {
        let kind = entry.file_type()?;
        let is_utf8 = entry.file_name().to_str().is_some();
        if kind.is_symlink() {
            findings.error(Code::Symlink, name, "an archive may not contain symbolic links");
        } else if kind.is_dir() {
            if is_utf8 && is_folder(name) {
                self.walk(&entry.path(), name, findings)?
            } else {
                let message = "an archive has no directory with this name";
                findings.error(Code::ExtraDirectory, name, message)
            }
        } else if !kind.is_file() {
            findings.error(Code::SpecialFile, name, "it is neither a file nor a directory");
        } else {
            self.add_file(name, entry.metadata()?.len(), findings);
        }
        Ok(())
    }

    fn add_file(&mut self, name: &str, size_bytes: u64, findings: &mut Findings) {
        let Ok(path) = name.parse::<ArchivePath>() else {
            return findings.error(Code::ExtraFile, name, "an archive has no file with this name");
        };
        if let Some(digest) = path.blob_digest() {
            self.blobs.push(&digest, size_bytes);
        } else {
            self.files.insert(path, size_bytes);
        }
    }

    /// Objects by path, then optional files by path, then checksums, manifest and seal.
    fn check_entry_order(&self, findings: &mut Findings) {
        let Some((_, index)) = self.container.zip() else {
            return;
        };
        let rank = |name: &str| match name {
            SEAL => 4,
            MANIFEST => 3,
            CHECKSUMS => 2,
            _ if name.starts_with(OBJECTS) => 0,
            _ => 1,
        };
        let mut last: Option<(u8, &str)> = None;
        for entry in index.others() {
            let place = (rank(&entry.name), entry.name.as_ref());
            match last {
                Some(last) if last > place => {
                    let message = format_args!("it comes after `{}`", last.1);
                    findings.error(Code::EntryOrder, &entry.name, message);
                }
                _ => last = Some(place),
            }
        }
    }

    /// Parts of one kind that are there, in order.
    pub(super) fn parts_of(&self, kind: crate::format::Kind) -> Vec<u32> {
        let objects = self.files.keys().filter_map(ArchivePath::object_part);
        let mut parts: Vec<u32> = objects
            .filter_map(|(found, part)| (found == kind).then_some(part))
            .collect();
        parts.sort_unstable();
        parts
    }

    /// Opens a file or a blob.
    pub(super) fn open(&self, path: &ArchivePath) -> io::Result<Box<dyn Read + Send + '_>> {
        self.container.open_entry(path)
    }

    /// Opens a blob by its place in the order in which reading is cheapest.
    pub(super) fn open_blob(&self, place: usize) -> io::Result<Box<dyn Read + Send + '_>> {
        match self.container {
            Container::Directory(root) => {
                let path = ArchivePath::blob(&self.blob_at(place).0).below(root);
                Ok(Box::new(open_listed(&path)?))
            }
            Container::RemoteDirectory(folder) => {
                let path = ArchivePath::blob(&self.blob_at(place).0);
                Ok(folder.open(&path)?.1)
            }
            Container::Zip { file, index } => Ok(Box::new(index.open_blob(file, place))),
            Container::RemoteZip { zip, index } => Ok(Box::new(index.open_blob(zip, place))),
        }
    }

    fn index(&self) -> Option<&ZipIndex> {
        self.container.zip().map(|(_, index)| index)
    }

    /// How many blobs there are.
    pub(super) fn blob_count(&self) -> usize {
        self.index()
            .map_or_else(|| self.blobs.len(), ZipIndex::blob_count)
    }

    /// Place of a blob in the order of digests.
    pub(super) fn blob_rank(&self, digest: &Digest) -> Option<usize> {
        match self.index() {
            None => self.blobs.rank(digest),
            Some(index) => index.blob_rank(&digest.0),
        }
    }

    /// Digest and size of the blob at a place in the order of digests.
    pub(super) fn blob_at(&self, rank: usize) -> (Digest, u64) {
        match self.index() {
            None => self.blobs.at(rank),
            Some(index) => index.blob_by_rank(rank),
        }
    }

    /// Digest and size of the blob at a place in the order in which reading is cheapest.
    pub(super) fn blob_in_file_order(&self, place: usize) -> (Digest, u64) {
        match self.index() {
            None => self.blob_at(place),
            Some(index) => index.blob_in_file_order(place),
        }
    }
}

/// Whether a directory of that name belongs to an archive.
fn is_folder(name: &str) -> bool {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    matches!(name, OBJECTS | UNDO | BLOBS_PARENT | BLOBS)
        || name
            .strip_prefix(BLOBS)
            .and_then(|rest| rest.strip_prefix('/'))
            .is_some_and(|rest| rest.len() == 2 && rest.bytes().all(is_hex))
}
