//! What was fetched, kept until the archive is whole: for going on after an interruption, and from an older archive.
//!
//! A part is what one question about one object brought: the history of a metric, a listing of artifacts, bytes of a
//! file. It is used again while the listing that shows the object says the same of it, byte for byte (its
//! `Freshness`). Listings themselves are always asked anew. `docs/explain/incremental.md` says what that can miss.

mod base;
mod folder;
mod key;
mod log;
mod points;

pub(crate) use base::{history_part, page_part};
pub use folder::resume_folder;
pub(crate) use key::Key;
pub(crate) use points::{decode, encode};

use crate::archive::{ByteSource, IngestError, OpenFn, StoredFile};
use crate::lang::session::ExportError;
use crate::model::{BlobRef, Digest};
use crate::monitor::Monitor;
use base::Base;
use folder::Folder;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Parts of objects; cheap to clone, used from several threads. The default keeps nothing.
#[derive(Clone, Default)]
pub(crate) struct Kept {
    store: Option<Arc<Store>>,
}

struct Store {
    folder: Folder,
    base: Option<Base>,
    /// Parts can no longer be written; the export goes on without.
    is_broken: AtomicBool,
}

impl Kept {
    /// Opens what is kept for an output, and an older archive to take parts from.
    pub(crate) fn open(
        out: &Path,
        source: &str,
        resume: bool,
        base: Option<&Path>,
        scratch: &Path,
        monitor: &dyn Monitor,
    ) -> Result<Self, ExportError> {
        let base = base.map(|base| Base::open(base, scratch, monitor)).transpose()?;
        let store = Store {
            folder: Folder::open(out, source, resume, monitor)?,
            base,
            is_broken: AtomicBool::new(false),
        };
        Ok(Kept {
            store: Some(Arc::new(store)),
        })
    }

    /// The names of an object's parts, with the size of each.
    pub(crate) fn names(&self, key: &Key) -> BTreeMap<String, usize> {
        let Some(store) = &self.store else {
            return BTreeMap::new();
        };
        let mut names = store
            .base
            .as_ref()
            .map(|base| base.log.names(key).unwrap_or_default());
        let own = store.folder.log.names(key).unwrap_or_default();
        let names = names.get_or_insert_default();
        names.extend(own);
        std::mem::take(names)
    }

    /// A part's bytes. One that cannot be read is fetched again.
    pub(crate) fn bytes(&self, key: &Key, part: &str) -> Option<Vec<u8>> {
        self.store.as_ref()?.bytes(key, part)
    }

    /// Keeps a part.
    pub(crate) fn keep(&self, key: &Key, part: &str, payload: &[u8]) {
        if let Some(store) = &self.store {
            store.keep(key, part, payload);
        }
    }

    /// An answer that was kept, else the one that `ask` brings.
    pub(crate) fn answer<T: Serialize + DeserializeOwned, E>(
        &self,
        key: &Key,
        part: &str,
        ask: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let kept = self.bytes(key, part);
        if let Some(answer) = kept.and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
            return Ok(answer);
        }
        let answer = ask()?;
        if let (Some(store), Ok(bytes)) = (&self.store, serde_json::to_vec(&answer)) {
            store.keep(key, part, &bytes);
        }
        Ok(answer)
    }

    /// The bytes of an object's file, fetched where they were not kept.
    pub(crate) fn file(&self, key: &Key, part: &str, open: OpenFn) -> ByteSource {
        match &self.store {
            None => ByteSource::Open(open),
            Some(store) => {
                let (store, key, part) = (store.clone(), key.clone(), part.to_owned());
                ByteSource::Stored(Box::new(move || store.file(&key, &part, open)))
            }
        }
    }

    /// As [`Kept::file`], for content that is read at once.
    pub(crate) fn read(&self, key: &Key, part: &str, open: OpenFn) -> io::Result<Box<dyn Read + Send>> {
        let Some(store) = &self.store else {
            return open();
        };
        match store.file(key, part, open) {
            Ok(stored) => Ok(Box::new(io::BufReader::new(File::open(stored.path)?))),
            Err(IngestError::Read(error)) => Err(error),
            Err(IngestError::Write(error)) => Err(io::Error::other(error)),
        }
    }

    /// Ends an export: what was fetched stays where it was not whole and anything can be gone on with.
    pub(crate) fn close(self, is_whole: bool) {
        if let Some(store) = &self.store
            && (is_whole || store.folder.is_empty())
        {
            store.folder.remove();
        }
    }
}

impl Store {
    fn bytes(&self, key: &Key, part: &str) -> Option<Vec<u8>> {
        let own = self.folder.log.find(key, part).ok().flatten();
        own.or_else(|| self.base.as_ref()?.log.find(key, part).ok().flatten())
    }

    fn keep(&self, key: &Key, part: &str, payload: &[u8]) {
        if self.is_broken.load(Ordering::Relaxed) {
            return;
        }
        // A disk that is full will end the export by itself; going on from it is all that is lost here.
        if self.folder.log.append(key, part, payload).is_err() {
            self.is_broken.store(true, Ordering::Relaxed);
        }
    }

    fn file(&self, key: &Key, part: &str, open: OpenFn) -> Result<StoredFile, IngestError> {
        let kept = self.bytes(key, part).and_then(|payload| blob_of(&payload));
        if let Some(blob) = kept {
            if let Some(stored) = self.folder.stored(blob) {
                return Ok(stored);
            }
            if let Some(base) = &self.base
                && let Some(stored) = base.stored(blob, &self.folder)?
            {
                return Ok(stored);
            }
        }
        let stored = self.folder.store(open)?;
        self.keep(key, part, &payload_of(&stored.blob));
        Ok(stored)
    }
}

/// The name of the part that an artifact is; without a size from a listing, by its path alone.
pub(crate) fn file_part(path: &str, size_bytes: Option<u64>) -> String {
    match size_bytes {
        Some(size) => format!("file:{size}:{path}"),
        None => format!("file::{path}"),
    }
}

fn payload_of(blob: &BlobRef) -> Vec<u8> {
    let mut payload = blob.sha256.0.to_vec();
    payload.extend(blob.size_bytes.to_le_bytes());
    payload
}

fn blob_of(payload: &[u8]) -> Option<BlobRef> {
    let (digest, size) = payload.split_at_checked(32)?;
    Some(BlobRef {
        sha256: Digest(digest.try_into().ok()?),
        size_bytes: u64::from_le_bytes(size.try_into().ok()?),
    })
}
