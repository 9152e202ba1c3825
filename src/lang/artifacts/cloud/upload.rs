//! Archives put into cloud storage: small files at once, large ones in parts that are put together last.
//!
//! What breaks gives its parts back. A process that is killed leaves a note of its upload beside what it made, and the next command that
//! makes something finds it.

use super::address::Address;
use super::remote::{address_of, cloud};
use super::session::{Cloud, failed, told};
use super::stores::Connected;
use crate::archive::remote::RemoteTarget;
use crate::format::layout::MANIFEST;
use crate::platform::FileAt as _;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::multipart::PartId;
use object_store::path::Path as Key;
use object_store::{Error, ObjectStoreExt, PutPayload};
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Bytes of a part, at the least; stores want 5 MiB.
const PART_BYTES: u64 = 8 << 20;
/// Parts of an upload, at the most.
const MOST_PARTS: u64 = 10_000;
/// Bytes of parts that are under way at once, where that is more than one part.
const HELD_BYTES: u64 = 32 << 20;

/// Opens the place that a URI names for writing.
pub(super) fn target(uri: &str) -> io::Result<Arc<dyn RemoteTarget>> {
    let (cloud, address) = (cloud()?, address_of(uri)?);
    if address.prefix.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it names a bucket and no object in it",
        ));
    }
    let stores = cloud.connected(&address).map_err(io::Error::other)?;
    Ok(Arc::new(CloudTarget {
        cloud,
        stores,
        address,
    }))
}

/// Gives back the parts of an upload that was left, by its note: the URI and the id.
pub(super) fn give_back(note: &str) -> io::Result<()> {
    let Some((uri, id)) = note.split_once('\n') else {
        // Nothing was begun yet.
        return Ok(());
    };
    let (cloud, address) = (cloud()?, address_of(uri)?);
    let stores = cloud.connected(&address).map_err(io::Error::other)?;
    let key = Key::parse(&address.prefix).map_err(io::Error::other)?;
    match cloud.block_on(stores.multipart.abort_multipart(&key, &id.to_owned())) {
        Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(io::Error::other(failed(&address, &error))),
    }
}

struct CloudTarget {
    cloud: Cloud,
    stores: Connected,
    address: Address,
}

impl RemoteTarget for CloudTarget {
    fn exists(&self) -> io::Result<bool> {
        for address in [self.address.clone(), self.address.below(MANIFEST)] {
            let key = Key::parse(&address.prefix).map_err(io::Error::other)?;
            match self.cloud.block_on(self.stores.store.head(&key)) {
                Ok(_) => return Ok(true),
                Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(io::Error::other(failed(&address, &error))),
            }
        }
        Ok(false)
    }

    fn put(&self, path: Option<&str>, from: &File, note: &Path) -> io::Result<()> {
        let address = match path {
            Some(path) => self.address.below(path),
            None => self.address.clone(),
        };
        let key = Key::parse(&address.prefix).map_err(io::Error::other)?;
        let size_bytes = from.metadata()?.len();
        if size_bytes <= PART_BYTES {
            let bytes = part(from, 0, size_bytes)?;
            let put = self.cloud.block_on(self.stores.store.put(&key, bytes));
            put.map_err(|error| io::Error::other(failed(&address, &error)))?;
        } else {
            self.put_in_parts(&address, &key, from, size_bytes, note)?;
        }
        let found = self.cloud.block_on(self.stores.store.head(&key));
        let found = found.map_err(|error| io::Error::other(failed(&address, &error)))?;
        if found.size != size_bytes {
            let message = format!("{} bytes were sent, and the store has {}", size_bytes, found.size);
            return Err(io::Error::other(message));
        }
        Ok(())
    }
}

impl CloudTarget {
    fn put_in_parts(
        &self,
        address: &Address,
        key: &Key,
        from: &File,
        size_bytes: u64,
        note: &Path,
    ) -> io::Result<()> {
        let store = &self.stores.multipart;
        let begun = self.cloud.block_on(store.create_multipart(key));
        let id = begun.map_err(|error| io::Error::other(failed(address, &error)))?;
        // Whole or not there, whenever the process is killed.
        let new = note.with_extension("new");
        let noted = fs::write(&new, format!("{}\n{id}", address.uri)).and_then(|()| fs::rename(&new, note));
        let sent = noted.and_then(|()| {
            self.cloud.block_on(async {
                let parts = send_parts(&self.stores, key, &id, from, size_bytes).await?;
                let completed = store.complete_multipart(key, &id, parts).await;
                completed.map_err(|error| io::Error::other(failed(address, &error)))
            })
        });
        let Err(error) = sent else {
            return fs::remove_file(note);
        };
        let ended = self.cloud.block_on(store.abort_multipart(key, &id));
        let what = match ended {
            Ok(()) | Err(Error::NotFound { .. }) => {
                let _ = fs::remove_file(note);
                "nothing is left there".to_owned()
            }
            Err(ended) => format!(
                "its parts are still there, because the store answered: {}",
                told(&ended)
            ),
        };
        Err(io::Error::other(format!("{error}; {what}")))
    }
}

async fn send_parts(
    stores: &Connected,
    key: &Key,
    id: &String,
    from: &File,
    size_bytes: u64,
) -> io::Result<Vec<PartId>> {
    let part_bytes = PART_BYTES.max(size_bytes.div_ceil(MOST_PARTS));
    let under_way = usize::try_from(HELD_BYTES / part_bytes).unwrap_or(1).max(1);
    let count = usize::try_from(size_bytes.div_ceil(part_bytes)).map_err(io::Error::other)?;
    let parts = stream::iter(0..count).map(|number| async move {
        let start = number as u64 * part_bytes;
        let bytes = part(from, start, part_bytes.min(size_bytes - start))?;
        let sent = stores.multipart.put_part(key, id, number, bytes).await;
        sent.map_err(|error| io::Error::other(told(&error)))
    });
    parts.buffered(under_way).try_collect().await
}

fn part(from: &File, start: u64, length: u64) -> io::Result<PutPayload> {
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    from.read_exact_at(&mut bytes, start)?;
    Ok(bytes.into())
}
