//! What was begun in a store and never made whole: uploads in parts, and the directory of an archive without its seal.
//!
//! No store lists uploads in parts among its objects, and they cost money until they are given back. S3 and Google tell of them by a request of
//! its own; what Azure has of them has no id, and it removes them after a week.

use super::address::Address;
use super::bounds::{Bounded, Broken};
use super::session::{Cloud, failed};
use super::stores::Connected;
use super::uploads::Uploads;
use crate::archive::remote::Cleaned;
use crate::client::PAGES;
use crate::format::ArchivePath;
use crate::format::layout::SEAL;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path as Key;
use object_store::{Error, ObjectStoreExt};
use std::io;

/// See the module.
pub(super) struct Cleanup<'t> {
    pub(super) cloud: &'t Cloud,
    pub(super) stores: &'t Connected,
    pub(super) address: &'t Address,
}

impl Cleanup<'_> {
    /// Removes all of it.
    pub(super) fn all(&self) -> io::Result<Cleaned> {
        let (uploads, knows_uploads) = match &self.stores.uploads {
            Some(uploads) => (self.uploads(uploads)?, true),
            None => (0, false),
        };
        Ok(Cleaned {
            uploads,
            objects: self.unsealed()?,
            knows_uploads,
        })
    }

    /// Removes the objects of an archive's directory that has no seal; how many.
    pub(super) fn unsealed(&self) -> io::Result<u64> {
        let store = &self.stores.store;
        let seal = self.key(&self.address.below(SEAL))?;
        match self.cloud.block_on(store.head(&seal)) {
            Ok(_) => return Ok(0),
            Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(self.failed(&error)),
        }
        // What is no archive's is somebody else's.
        let mut keys = Vec::new();
        self.each_below(|path| {
            if path.parse::<ArchivePath>().is_ok() {
                keys.push(self.key(&self.address.below(path)));
            }
            true
        })?;
        let keys = keys.into_iter().collect::<io::Result<Vec<_>>>()?;
        let keys = stream::iter(keys.into_iter().map(Ok)).boxed();
        let removed = self.cloud.block_on(async {
            let mut removed = store.delete_stream(keys);
            let mut count = 0;
            loop {
                match removed.try_next().await {
                    Ok(Some(_)) | Err(Error::NotFound { .. }) => count += 1,
                    Ok(None) => return Ok(count),
                    Err(error) => return Err(error),
                }
            }
        });
        removed.map_err(|error| self.failed(&error))
    }

    /// Visits the paths of all objects below, as long as it is wanted.
    pub(super) fn each_below(&self, mut visit: impl FnMut(&str) -> bool) -> io::Result<()> {
        let prefix = self.key(self.address)?;
        let listed = self.cloud.block_on(async {
            let mut objects = Bounded::new(self.stores.store.list(Some(&prefix)));
            while let Some(object) = objects.next().await? {
                let path = object.location.as_ref().strip_prefix(prefix.as_ref());
                let path = path.and_then(|path| path.strip_prefix('/'));
                if path.is_some_and(|path| !visit(path)) {
                    break;
                }
            }
            Ok(())
        });
        listed.map_err(|broken| match broken {
            Broken::Storage(error) => self.failed(&error),
            Broken::Endless(detail) => io::Error::other(detail),
        })
    }

    /// Gives up the uploads in parts to this key and those below it; how many.
    fn uploads(&self, uploads: &Uploads) -> io::Result<u64> {
        let mut count = 0;
        let mut marker = None;
        for _ in 0..PAGES {
            let page = self
                .cloud
                .block_on(uploads.page(&self.address.prefix, marker.as_ref()));
            let page = page.map_err(|error| self.failed(&error))?;
            for (key, id) in page.uploads {
                let below = key.strip_prefix(&self.address.prefix);
                if !below.is_some_and(|below| below.is_empty() || below.starts_with('/')) {
                    continue;
                }
                let key = Key::parse(&key).map_err(io::Error::other)?;
                match self
                    .cloud
                    .block_on(self.stores.multipart.abort_multipart(&key, &id))
                {
                    Ok(()) | Err(Error::NotFound { .. }) => count += 1,
                    Err(error) => return Err(self.failed(&error)),
                }
            }
            match page.next {
                Some(next) if marker.as_ref() != Some(&next) => marker = Some(next),
                _ => return Ok(count),
            }
        }
        Err(io::Error::other("the list of uploads does not end"))
    }

    fn key(&self, address: &Address) -> io::Result<Key> {
        Key::parse(&address.prefix).map_err(io::Error::other)
    }

    fn failed(&self, error: &Error) -> io::Error {
        io::Error::other(failed(self.address, error))
    }
}
