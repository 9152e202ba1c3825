//! Archives put into cloud storage: small files at once, large ones in parts that are put together last.
//!
//! What breaks gives its parts back. A process that is killed leaves a note of its upload beside what it made, and the next command that
//! makes something finds it.

use super::address::Address;
use super::cleanup::Cleanup;
use super::remote::{address_of, cloud};
use super::session::{Cloud, failed, told};
use super::stores::Connected;
use crate::archive::remote::{Cleaned, MOST_PARTS, OutputState, PART_BYTES, RemoteTarget, RemoteUpload};
use crate::format::ArchivePath;
use crate::format::layout::{MANIFEST, SEAL};
use object_store::multipart::PartId;
use object_store::path::Path as Key;
use object_store::{Error, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Bytes of parts that are under way at once, where that is more than one part.
const HELD_BYTES: usize = 16 << 20;

/// Opens the place that a URI names for writing.
pub(super) fn target(uri: &str) -> io::Result<Arc<dyn RemoteTarget>> {
    let (cloud, address) = (cloud()?, address_of(uri)?);
    if address.prefix.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it names a bucket, but no object in it",
        ));
    }
    Ok(Arc::new(CloudTarget::of(cloud, address)?))
}

/// Gives back what was left, by its note: a URI, and the id of an upload; without one, the directory there that has no seal.
pub(super) fn give_back(note: &str) -> io::Result<()> {
    let Some((uri, id)) = note.split_once('\n') else {
        // Nothing was begun yet.
        return Ok(());
    };
    let target = CloudTarget::of(cloud()?, address_of(uri)?)?;
    if id.is_empty() {
        return target.cleanup().unsealed().map(drop);
    }
    let place = target.at(None)?;
    match place
        .cloud
        .block_on(place.stores.multipart.abort_multipart(&place.key, &id.to_owned()))
    {
        Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(place.failed(&error)),
    }
}

struct CloudTarget {
    cloud: Cloud,
    stores: Connected,
    address: Address,
}

/// An object that is written.
#[derive(Clone)]
struct Place {
    cloud: Cloud,
    stores: Connected,
    address: Address,
    key: Key,
}

impl Place {
    fn failed(&self, error: &Error) -> io::Error {
        io::Error::other(failed(&self.address, error))
    }

    /// Puts bytes at once. A store that cannot refuse what is there is asked before.
    fn put(&self, bytes: PutPayload, new: bool) -> io::Result<()> {
        let store = &self.stores.store;
        let plain = || self.cloud.block_on(store.put(&self.key, bytes.clone()));
        if !new {
            return plain().map(drop).map_err(|error| self.failed(&error));
        }
        let options = PutOptions::from(PutMode::Create);
        match self
            .cloud
            .block_on(store.put_opts(&self.key, bytes.clone(), options))
        {
            Ok(_) => Ok(()),
            // It may be what an attempt put whose answer was lost.
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) if self.has(&bytes)? => Ok(()),
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => {
                Err(io::ErrorKind::AlreadyExists.into())
            }
            Err(error @ (Error::PermissionDenied { .. } | Error::Unauthenticated { .. })) => {
                Err(self.failed(&error))
            }
            // It knows no conditions, or is in trouble.
            Err(_) => match self.cloud.block_on(store.head(&self.key)) {
                Ok(_) if self.has(&bytes)? => Ok(()),
                Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
                Err(Error::NotFound { .. }) => plain().map(drop).map_err(|error| self.failed(&error)),
                Err(error) => Err(self.failed(&error)),
            },
        }
    }

    /// Whether the object is there with these bytes.
    fn has(&self, bytes: &PutPayload) -> io::Result<bool> {
        let found = self.cloud.block_on(async {
            let found = self.stores.store.get(&self.key).await?;
            if found.meta.size != bytes.content_length() as u64 {
                return Ok(None);
            }
            found.bytes().await.map(Some)
        });
        let found = found.map_err(|error| self.failed(&error))?;
        let mut expected = Vec::with_capacity(bytes.content_length());
        bytes.iter().for_each(|piece| expected.extend_from_slice(piece));
        Ok(found.is_some_and(|found| found[..] == expected[..]))
    }

    /// Checks that the store has as many bytes as it was sent.
    fn check_size(&self, size_bytes: u64) -> io::Result<()> {
        let found = self.cloud.block_on(self.stores.store.head(&self.key));
        let found = found.map_err(|error| self.failed(&error))?;
        if found.size == size_bytes {
            return Ok(());
        }
        let message = format!("{} bytes were sent, and the store has {}", size_bytes, found.size);
        Err(io::Error::other(message))
    }
}

impl CloudTarget {
    fn of(cloud: Cloud, address: Address) -> io::Result<Self> {
        let stores = cloud.connected(&address).map_err(io::Error::other)?;
        Ok(CloudTarget {
            cloud,
            stores,
            address,
        })
    }

    fn at(&self, path: Option<&str>) -> io::Result<Place> {
        let address = match path {
            Some(path) => self.address.below(path),
            None => self.address.clone(),
        };
        Ok(Place {
            cloud: self.cloud.clone(),
            stores: self.stores.clone(),
            key: Key::parse(&address.prefix).map_err(io::Error::other)?,
            address,
        })
    }

    fn has(&self, path: Option<&str>) -> io::Result<bool> {
        let place = self.at(path)?;
        match self.cloud.block_on(self.stores.store.head(&place.key)) {
            Ok(_) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(place.failed(&error)),
        }
    }

    fn cleanup(&self) -> Cleanup<'_> {
        Cleanup {
            cloud: &self.cloud,
            stores: &self.stores,
            address: &self.address,
        }
    }
}

impl RemoteTarget for CloudTarget {
    fn taken(&self) -> io::Result<OutputState> {
        if self.has(None)? || self.has(Some(SEAL))? || self.has(Some(MANIFEST))? {
            return Ok(OutputState::Yes);
        }
        let mut taken = OutputState::No;
        self.cleanup().each_below(|path| {
            taken = match path.parse::<ArchivePath>() {
                Ok(_) => OutputState::Unsealed,
                Err(_) => OutputState::Yes,
            };
            false
        })?;
        Ok(taken)
    }

    fn put(&self, path: Option<&str>, from: &mut dyn Read, size_bytes: u64, note: &Path) -> io::Result<()> {
        let place = self.at(path)?;
        if size_bytes <= PART_BYTES as u64 {
            return place.put(part(from, size_bytes, true)?.into(), false);
        }
        let part_bytes = size_bytes.div_ceil(MOST_PARTS as u64).max(PART_BYTES as u64);
        let mut upload = CloudUpload::new(place, note, false);
        let (mut count, mut missing) = (0, size_bytes);
        while missing > 0 {
            let length = missing.min(part_bytes);
            missing -= length;
            upload.make_room(usize::try_from(length).map_err(io::Error::other)?, count)?;
            upload.send(count, part(from, length, missing == 0)?)?;
            count += 1;
        }
        upload.complete(count, size_bytes)
    }

    fn holds(&self, path: &str, bytes: &[u8]) -> io::Result<bool> {
        Ok(self.has(Some(path))? && self.at(Some(path))?.has(&bytes.to_vec().into())?)
    }

    fn put_bytes(&self, path: &str, bytes: Vec<u8>, new: bool) -> io::Result<()> {
        self.at(Some(path))?.put(bytes.into(), new)
    }

    fn begin(&self, note: &Path, new: bool) -> io::Result<Box<dyn RemoteUpload>> {
        Ok(Box::new(CloudUpload::new(self.at(None)?, note, new)))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let place = self.at(Some(path))?;
        match self.cloud.block_on(self.stores.store.delete(&place.key)) {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(place.failed(&error)),
        }
    }

    fn note_of_folder(&self) -> String {
        format!("{}\n", self.address.uri)
    }

    fn clean(&self) -> io::Result<Cleaned> {
        self.cleanup().all()
    }
}

/// So many bytes, the last of them to their end: there, a reader that checks what it reads says so.
fn part(from: &mut dyn Read, length: u64, is_last: bool) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = (&mut *from).take(length).read_to_end(&mut bytes)? as u64;
    if read < length || is_last && from.read(&mut [0])? > 0 {
        return Err(io::Error::other(
            "the number of bytes is not the one that was announced",
        ));
    }
    Ok(bytes)
}

/// A part on its way: its number, its size, its task.
type UnderWay = (usize, usize, JoinHandle<Result<PartId, Error>>);

/// An upload in parts, begun with the first of them.
struct CloudUpload {
    place: Place,
    note: PathBuf,
    new: bool,
    id: Option<String>,
    under_way: VecDeque<UnderWay>,
    sent: BTreeMap<usize, PartId>,
}

impl CloudUpload {
    fn new(place: Place, note: &Path, new: bool) -> Self {
        CloudUpload {
            place,
            note: note.to_owned(),
            new,
            id: None,
            under_way: VecDeque::new(),
            sent: BTreeMap::new(),
        }
    }

    /// The id of the upload, which is noted before a part is sent.
    fn id(&mut self) -> io::Result<String> {
        if let Some(id) = &self.id {
            return Ok(id.clone());
        }
        let Place {
            cloud,
            stores,
            key,
            address,
        } = &self.place;
        let begun = cloud.block_on(stores.multipart.create_multipart(key));
        let id = begun.map_err(|error| self.place.failed(&error))?;
        self.id = Some(id.clone());
        // Whole or not there, whenever the process is killed.
        let new = self.note.with_extension("new");
        fs::write(&new, format!("{}\n{id}", address.uri)).and_then(|()| fs::rename(&new, &self.note))?;
        Ok(id)
    }

    /// Waits until a part may be sent: few are under way, and none of its number.
    fn make_room(&mut self, bytes: usize, number: usize) -> io::Result<()> {
        let held = |upload: &Self| upload.under_way.iter().map(|(_, bytes, _)| bytes).sum::<usize>();
        let is_under_way = |upload: &Self| upload.under_way.iter().any(|(other, ..)| *other == number);
        while !self.under_way.is_empty() && (held(self) + bytes > HELD_BYTES || is_under_way(self)) {
            self.wait()?;
        }
        Ok(())
    }

    /// Waits for the part that was sent first.
    fn wait(&mut self) -> io::Result<()> {
        let Some((number, _, task)) = self.under_way.pop_front() else {
            return Ok(());
        };
        let sent = self.place.cloud.block_on(task).map_err(io::Error::other)?;
        let part = sent.map_err(|error| self.broken(&error))?;
        self.sent.insert(number, part);
        Ok(())
    }

    /// What is said of a store that refuses in the middle, after the parts were given back.
    fn broken(&mut self, error: &Error) -> io::Error {
        let said = self.place.failed(error);
        let what = match self.give_back() {
            Ok(()) => "nothing was left behind".to_owned(),
            Err(ended) => format!(
                "its parts were left behind ({}); remove them with --cleanup",
                told(&ended)
            ),
        };
        io::Error::other(format!("{said}; {what}"))
    }

    fn give_back(&mut self) -> Result<(), Error> {
        for (_, _, task) in self.under_way.drain(..) {
            task.abort();
            // One that was aborted has ended when it is waited for.
            let _ = self.place.cloud.block_on(task);
        }
        let Some(id) = self.id.take() else {
            return Ok(());
        };
        let Place {
            cloud, stores, key, ..
        } = &self.place;
        match cloud.block_on(stores.multipart.abort_multipart(key, &id)) {
            Ok(()) | Err(Error::NotFound { .. }) => {
                let _ = fs::remove_file(&self.note);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

impl RemoteUpload for CloudUpload {
    fn send(&mut self, number: usize, bytes: Vec<u8>) -> io::Result<()> {
        self.make_room(bytes.len(), number)?;
        let (id, size, place) = (self.id()?, bytes.len(), self.place.clone());
        let task = async move {
            let sent = place
                .stores
                .multipart
                .put_part(&place.key, &id, number, bytes.into());
            sent.await
        };
        self.under_way
            .push_back((number, size, self.place.cloud.spawn(task)));
        Ok(())
    }

    fn whole(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        let size_bytes = bytes.len() as u64;
        self.place.put(bytes.into(), self.new)?;
        self.place.check_size(size_bytes)
    }

    fn complete(&mut self, parts: usize, size_bytes: u64) -> io::Result<()> {
        while !self.under_way.is_empty() {
            self.wait()?;
        }
        let id = self.id()?;
        let parts = (0..parts).map(|number| self.sent.remove(&number));
        let parts = parts.collect::<Option<Vec<_>>>();
        let parts = parts.ok_or_else(|| io::Error::other("a part was not sent"))?;
        let Place {
            cloud, stores, key, ..
        } = &self.place;
        let completed = cloud.block_on(stores.multipart.complete_multipart(key, &id, parts));
        completed.map_err(|error| self.broken(&error))?;
        self.id = None;
        fs::remove_file(&self.note)?;
        self.place.check_size(size_bytes)
    }
}

impl Drop for CloudUpload {
    fn drop(&mut self) {
        // What cannot be given back is found by its note, or by --cleanup.
        let _ = self.give_back();
    }
}
