//! Trees of artifacts, on this machine or in cloud storage, walked alike.

use super::exporter::{Exporter, Result};

use crate::archive::{ArchiveError, Owner, open_input};
use crate::format::{Kind, Reason};
use crate::lang::artifacts::cloud::{Address, Cloud, CloudFile, ListingError, PendingListing, listing_job};
use crate::lang::artifacts::local_roots::ArtifactRoot;
use crate::lang::artifacts::walk::{FoundFile, walk};
use std::collections::HashMap;
use std::io::{self, Read};
use std::path::Path;

/// What holds the artifacts of an owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tree {
    /// A folder of this machine.
    Folder(ArtifactRoot),
    /// A prefix in cloud storage.
    Cloud(Address),
}

/// A file of a tree, or something in its place.
pub(super) enum TreeFile {
    Local(FoundFile),
    Cloud(CloudFile),
}

impl TreeFile {
    /// The path below the tree, of a file that can be read.
    pub(super) fn path(&self) -> Option<&str> {
        match self {
            TreeFile::Local(FoundFile::File(path, _)) => Some(path),
            TreeFile::Local(_) => None,
            TreeFile::Cloud(file) => Some(&file.path),
        }
    }

    /// The bytes, now.
    pub(super) fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        match self {
            TreeFile::Local(FoundFile::File(_, place)) => Ok(Box::new(open_input(place)?)),
            TreeFile::Local(_) => Err(io::ErrorKind::InvalidInput.into()),
            TreeFile::Cloud(file) => file.open(),
        }
    }
}

/// Connections to cloud storage, made when the first is needed, and listings that are under way.
#[derive(Default)]
pub(super) struct CloudTrees {
    cloud: Option<Cloud>,
    listings: HashMap<Address, PendingListing>,
}

impl Exporter<'_> {
    /// Begins to list what will be walked soon, all at once: in cloud storage each listing mostly waits.
    pub(super) fn list_ahead<'u>(&mut self, uris: impl Iterator<Item = Option<&'u str>>) -> Result<()> {
        if !self.export.looks_at(&[Kind::Artifacts]) {
            return Ok(());
        }
        let addresses: Vec<_> = uris
            .flatten()
            .filter_map(|uri| self.places.address(uri))
            .collect();
        for address in addresses {
            let job = listing_job(&self.cloud()?, &address, self.export.writer.scratch());
            let pending = self.export.writer.pool().submit(job);
            self.cloud_trees.listings.insert(address, pending);
        }
        Ok(())
    }

    /// Visits the files of a tree in the archive's order.
    pub(super) fn walk(
        &mut self,
        owner: &Owner,
        tree: &Tree,
        visit: &mut dyn FnMut(&mut Self, TreeFile) -> Result<()>,
    ) -> Result<()> {
        let address = match tree {
            Tree::Folder(folder) => {
                let roots = self.places.roots();
                return walk(folder, &roots, &mut |file| visit(self, TreeFile::Local(file)));
            }
            Tree::Cloud(address) => address,
        };
        let listing = match self.cloud_trees.listings.remove(address) {
            Some(pending) => pending.wait(),
            None => self.cloud()?.list(address, self.export.writer.scratch()),
        };
        let listing = match listing {
            Ok(listing) => listing,
            Err(ListingError::Archive(error)) => return Err(error.into()),
            Err(ListingError::Cloud(error)) => {
                let kind = Kind::Artifacts;
                return self
                    .export
                    .failure(kind, &owner.id, "*", Reason::Unlisted, &error.to_string());
            }
        };
        let count = listing.empty_folders;
        self.export
            .limit(Kind::Artifacts, "*", Reason::EmptyDirectory, count);
        for file in listing {
            visit(self, TreeFile::Cloud(file?))?;
        }
        Ok(())
    }

    /// Queues a file of a tree.
    pub(super) fn found(&mut self, owner: &Owner, file: TreeFile) -> Result<()> {
        match file {
            TreeFile::Local(file) => self.export.found_file(owner, file),
            TreeFile::Cloud(file) => {
                let (path, size_bytes) = (file.path.clone(), file.size_bytes);
                self.export.artifact(owner, path, Some(size_bytes), file.source())
            }
        }
    }

    fn cloud(&mut self) -> Result<Cloud> {
        if let Some(cloud) = &self.cloud_trees.cloud {
            return Ok(cloud.clone());
        }
        let opened = Cloud::open();
        let cloud = opened
            .map_err(|error| ArchiveError::io("start threads for", Path::new("cloud storage"))(error))?;
        Ok(self.cloud_trees.cloud.insert(cloud).clone())
    }
}
