//! A directory in an object store of which it is asked what it has: by key at first, and when that comes again and again by one
//! listing for all.

use super::{RemoteBytes, RemoteFolder};
use crate::archive::blob_list::BlobList;
use crate::format::ArchivePath;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Sizes that are asked for one by one: a page of a listing has a thousand keys and costs more than a request for one.
const ASKED_ALONE: usize = 16;

/// See the module.
pub(crate) struct ListedFolder {
    folder: Arc<dyn RemoteFolder>,
    asked: AtomicUsize,
    blobs: Mutex<Option<Arc<BlobList>>>,
}

impl ListedFolder {
    pub(crate) fn new(folder: Arc<dyn RemoteFolder>) -> Self {
        ListedFolder {
            folder,
            asked: AtomicUsize::new(0),
            blobs: Mutex::default(),
        }
    }

    /// Size of the object at a path; none where there is none.
    pub(crate) fn size_bytes(&self, path: &ArchivePath) -> io::Result<Option<u64>> {
        let Some(digest) = path.blob_digest() else {
            return self.folder.size_bytes(path.as_str());
        };
        if self.asked.fetch_add(1, Ordering::Relaxed) < ASKED_ALONE {
            return self.folder.size_bytes(path.as_str());
        }
        let blobs = self.blobs()?;
        Ok(blobs.rank(&digest).map(|rank| blobs.at(rank).1))
    }

    fn blobs(&self) -> io::Result<Arc<BlobList>> {
        let mut listed = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(blobs) = &*listed {
            return Ok(blobs.clone());
        }
        let mut blobs = BlobList::default();
        self.folder.list(&mut |path, size_bytes| {
            if let Some(digest) = path.parse().ok().as_ref().and_then(ArchivePath::blob_digest) {
                blobs.push(&digest, size_bytes);
            }
        })?;
        blobs.sort();
        Ok(listed.insert(Arc::new(blobs)).clone())
    }

    /// Reads the object at a path; its size is told with it.
    pub(crate) fn open(&self, path: &ArchivePath) -> io::Result<(u64, RemoteBytes)> {
        self.folder.open(path.as_str())
    }

    /// Visits all objects.
    pub(crate) fn list(&self, visit: super::VisitListed<'_>) -> io::Result<()> {
        self.folder.list(visit)
    }
}
