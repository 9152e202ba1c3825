//! Archives in cloud storage: what lies at a URI, an object or the keys below it, for the archive's own readers.

use super::address::Address;
use super::session::{Cloud, Content, failed, told};
use crate::archive::remote::{Remote, RemoteBytes, RemoteFolder, RemoteObject, Stores, VisitListed};
use crate::format::layout::MANIFEST;
use bytes::Bytes;
use object_store::path::Path as Key;
use object_store::{Error, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt};
use std::io;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// One set of connections for all archives of this process.
pub(super) fn cloud() -> io::Result<Cloud> {
    static CLOUD: OnceLock<Cloud> = OnceLock::new();
    if let Some(cloud) = CLOUD.get() {
        return Ok(cloud.clone());
    }
    let cloud = Cloud::open()?;
    Ok(CLOUD.get_or_init(|| cloud).clone())
}

/// Opens what lies at the URI of a bucket: the object of that key, or where there is none the archive whose manifest lies below it.
///
/// # Errors
/// The storage cannot be asked or refuses, or there is neither.
fn open(uri: &str) -> io::Result<Remote> {
    open_with(&cloud()?, &address_of(uri)?)
}

pub(super) fn address_of(uri: &str) -> io::Result<Address> {
    let named = || {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            "it does not name an object in a bucket",
        )
    };
    Address::of(uri).ok_or_else(named)
}

/// How object stores are spoken to.
pub(crate) const STORES: Stores = Stores {
    open,
    target: super::upload::target,
    give_back: super::upload::give_back,
};

pub(super) fn open_with(cloud: &Cloud, address: &Address) -> io::Result<Remote> {
    let store = cloud.store(address).map_err(io::Error::other)?;
    let head = |address: &Address| -> io::Result<Option<(Key, ObjectMeta)>> {
        let key = Key::parse(&address.prefix).map_err(io::Error::other)?;
        match cloud.block_on(store.head(&key)) {
            Ok(meta) => Ok(Some((key, meta))),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(io::Error::other(failed(address, &error))),
        }
    };
    let object = if address.prefix.is_empty() {
        None
    } else {
        head(address)?
    };
    // Consoles mark folders with empty objects.
    if let Some((key, meta)) = object.filter(|(_, meta)| meta.size > 0) {
        return Ok(Remote::Zip(Arc::new(CloudObject {
            cloud: cloud.clone(),
            store,
            key,
            meta,
        })));
    }
    if head(&address.below(MANIFEST))?.is_none() {
        let message = format!("there is no object with that key, and no `{MANIFEST}` below it");
        return Err(io::Error::new(io::ErrorKind::NotFound, message));
    }
    Ok(Remote::Folder(Arc::new(CloudFolder {
        cloud: cloud.clone(),
        store,
        address: address.clone(),
    })))
}

/// An object, as it was when it was opened.
struct CloudObject {
    cloud: Cloud,
    store: Arc<dyn ObjectStore>,
    key: Key,
    meta: ObjectMeta,
}

impl RemoteObject for CloudObject {
    fn size_bytes(&self) -> u64 {
        self.meta.size
    }

    fn open(&self, range: Range<u64>) -> io::Result<RemoteBytes> {
        if range.is_empty() {
            return Ok(Box::new(io::empty()));
        }
        let options = GetOptions {
            range: Some(GetRange::Bounded(range.clone())),
            if_match: self.meta.e_tag.clone(),
            ..GetOptions::default()
        };
        let got = self.cloud.block_on(self.store.get_opts(&self.key, options));
        let got = got.map_err(|error| match error {
            Error::Precondition { .. } => io::Error::other("it was replaced while it was read"),
            error => io::Error::other(told(&error)),
        })?;
        // A store may not know the condition.
        let mut tags = self.meta.e_tag.iter().zip(&got.meta.e_tag);
        if got.meta.size != self.meta.size || tags.any(|(opened, now)| opened != now) {
            return Err(io::Error::other("it was replaced while it was read"));
        }
        Ok(Box::new(Content {
            cloud: self.cloud.clone(),
            missing_bytes: range.end - range.start,
            stream: got.into_stream(),
            chunk: Bytes::new(),
        }))
    }
}

/// The objects below a key.
struct CloudFolder {
    cloud: Cloud,
    store: Arc<dyn ObjectStore>,
    address: Address,
}

impl CloudFolder {
    fn key(&self, path: &str) -> io::Result<Key> {
        Key::parse(&self.address.below(path).prefix).map_err(io::Error::other)
    }
}

impl RemoteFolder for CloudFolder {
    fn size_bytes(&self, path: &str) -> io::Result<Option<u64>> {
        match self.cloud.block_on(self.store.head(&self.key(path)?)) {
            Ok(meta) => Ok(Some(meta.size)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(io::Error::other(told(&error))),
        }
    }

    fn open(&self, path: &str) -> io::Result<(u64, RemoteBytes)> {
        let got = self.cloud.block_on(self.store.get(&self.key(path)?));
        let got = got.map_err(|error| match error {
            Error::NotFound { .. } => io::Error::from(io::ErrorKind::NotFound),
            error => io::Error::other(told(&error)),
        })?;
        let size_bytes = got.meta.size;
        let content = Content {
            cloud: self.cloud.clone(),
            missing_bytes: size_bytes,
            stream: got.into_stream(),
            chunk: Bytes::new(),
        };
        Ok((size_bytes, Box::new(content)))
    }

    fn list(&self, visit: VisitListed<'_>) -> io::Result<()> {
        let scratch = std::env::temp_dir();
        let listing = self
            .cloud
            .list(&self.address, &scratch)
            .map_err(io::Error::other)?;
        for file in listing {
            let file = file.map_err(io::Error::other)?;
            visit(&file.path, file.size_bytes);
        }
        Ok(())
    }
}
