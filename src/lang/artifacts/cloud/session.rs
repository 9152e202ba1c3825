//! Listing and reading, blocking on the outside.

use super::address::{Address, Bucket, Provider};
use super::bounds::{Bounded, Broken};
use super::stores::Connected;
use super::{CloudError, ListingError, stores};
use crate::archive::{ArchiveError, ByteSource, Merge, SpillSorter};
use crate::client::Environment;
use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use object_store::path::Path as Key;
use object_store::{Error, ObjectMeta, ObjectStore, ObjectStoreExt};
use std::collections::HashMap;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::Runtime;

/// Bytes of a listing held in memory; many listings wait at once.
const LISTING_BYTES: usize = 256 << 10;
/// Threads that speak TLS; waiting is done on the threads that ask.
const RUNTIME_THREADS: usize = 2;

/// Connections to cloud storage; used from several threads.
#[derive(Clone)]
pub(crate) struct Cloud(Arc<Inner>);

struct Inner {
    runtime: Runtime,
    environment: Environment,
    stores: Mutex<HashMap<Bucket, Connected>>,
}

impl Cloud {
    /// Sets up connections from the environment of this process; nothing is asked yet.
    ///
    /// # Errors
    /// No threads can be started.
    pub(crate) fn open() -> io::Result<Self> {
        // Whoever was first has installed the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(RUNTIME_THREADS)
            .thread_name("cloud")
            .enable_all()
            .build()?;
        Ok(Cloud(Arc::new(Inner {
            runtime,
            environment: Environment::of_process(),
            stores: Mutex::default(),
        })))
    }

    /// Waits for a request.
    pub(super) fn block_on<F: Future>(&self, request: F) -> F::Output {
        self.0.runtime.block_on(request)
    }

    /// Lets a request go on beside what else is done.
    pub(super) fn spawn<F>(&self, request: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.0.runtime.spawn(request)
    }

    pub(super) fn store(&self, address: &Address) -> Result<Arc<dyn ObjectStore>, CloudError> {
        Ok(self.connected(address)?.store)
    }

    /// The connection to the bucket of an address.
    pub(super) fn connected(&self, address: &Address) -> Result<Connected, CloudError> {
        let mut stores = self.0.stores.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = stores.get(&address.bucket) {
            return Ok(store.clone());
        }
        // Within the runtime, since clients start tasks of their own.
        let _context = self.0.runtime.enter();
        let store = stores::connect(&address.bucket, &self.0.environment).map_err(|detail| CloudError {
            place: address.uri.clone(),
            detail,
        })?;
        stores.insert(address.bucket.clone(), store.clone());
        Ok(store)
    }

    /// What lies below an address, ordered by path bytes; nothing where nothing was written. `scratch` takes
    /// temporary files.
    ///
    /// # Errors
    /// The storage cannot be asked or refuses, or holds a key that is no path.
    pub(crate) fn list(&self, address: &Address, scratch: &Path) -> Result<Listing, ListingError> {
        let store = self.store(address)?;
        let prefix = Key::parse(&address.prefix).map_err(|error| failed(address, &error.into()))?;
        let mut sorter = SpillSorter::with_memory(scratch, LISTING_BYTES);
        let listed = self
            .0
            .runtime
            .block_on(list_below(store.as_ref(), &prefix, &mut sorter));
        let empty_folders = match listed {
            Ok(empty_folders) => empty_folders,
            Err(ListError::Broken(Broken::Storage(error))) => return Err(failed(address, &error).into()),
            Err(ListError::Broken(Broken::Endless(detail))) => {
                let place = address.uri.clone();
                return Err(CloudError { place, detail }.into());
            }
            Err(ListError::Spill(error)) => {
                return Err(ArchiveError::io("use a temporary file in", scratch)(error).into());
            }
        };
        let merge = sorter.finish();
        Ok(Listing {
            cloud: self.clone(),
            store,
            prefix,
            merge: merge.map_err(ArchiveError::io("use a temporary file in", scratch))?,
            scratch: scratch.to_owned(),
            last_path: None,
            empty_folders,
        })
    }
}

enum ListError {
    Broken(Broken),
    Spill(io::Error),
}

impl From<Broken> for ListError {
    fn from(broken: Broken) -> Self {
        ListError::Broken(broken)
    }
}

/// Sorts the files below a prefix; the number of folders that hold nothing.
async fn list_below(
    store: &dyn ObjectStore,
    prefix: &Key,
    sorter: &mut SpillSorter,
) -> Result<u64, ListError> {
    let mut markers = Vec::new();
    let mut objects = Bounded::new(store.list(Some(prefix)));
    while let Some(ObjectMeta { location, size, .. }) = objects.next().await? {
        let Some(path) = below(prefix, &location) else {
            continue;
        };
        // Consoles mark folders with empty objects `folder/`, which are listed here without their slash.
        if size == 0 && matches!(store.head(&location).await, Err(Error::NotFound { .. })) {
            markers.push(location);
            continue;
        }
        let record = (path.as_bytes().to_vec(), size.to_le_bytes().to_vec());
        sorter.push(record.0, record.1).map_err(ListError::Spill)?;
    }
    let mut empty_folders = 0;
    for marker in markers {
        let mut objects = Bounded::new(store.list(Some(&marker)));
        empty_folders += 1;
        while let Some(object) = objects.next().await? {
            if object.location != marker {
                empty_folders -= 1;
                break;
            }
        }
    }
    Ok(empty_folders)
}

/// The path of a key below a prefix.
fn below<'k>(prefix: &Key, key: &'k Key) -> Option<&'k str> {
    let rest = key.as_ref().strip_prefix(prefix.as_ref())?;
    let path = if prefix.as_ref().is_empty() {
        rest
    } else {
        rest.strip_prefix('/')?
    };
    (!path.is_empty()).then_some(path)
}

/// The files below an address, in the archive's order.
pub(crate) struct Listing {
    cloud: Cloud,
    store: Arc<dyn ObjectStore>,
    prefix: Key,
    merge: Merge,
    scratch: std::path::PathBuf,
    last_path: Option<String>,
    /// Folders that hold nothing.
    pub(crate) empty_folders: u64,
}

impl Listing {
    fn file(&self, path: String, size_bytes: u64) -> CloudFile {
        let key = match self.prefix.as_ref() {
            "" => path.clone(),
            prefix => format!("{prefix}/{path}"),
        };
        CloudFile {
            cloud: self.cloud.clone(),
            store: self.store.clone(),
            key: Key::parse(key).expect("it was listed as a key"),
            path,
            size_bytes,
        }
    }
}

impl Iterator for Listing {
    type Item = Result<CloudFile, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (path, size) = match self.merge.next()? {
                Ok(record) => record,
                Err(error) => {
                    return Some(Err(ArchiveError::io("use a temporary file in", &self.scratch)(
                        error,
                    )));
                }
            };
            let path = String::from_utf8(path).expect("it was a text");
            let size_bytes = u64::from_le_bytes(size.try_into().expect("it was eight bytes"));
            // `folder` and the marker `folder/` are listed alike.
            if self.last_path.as_ref() != Some(&path) {
                self.last_path = Some(path.clone());
                return Some(Ok(self.file(path, size_bytes)));
            }
        }
    }
}

/// A file in cloud storage.
pub(crate) struct CloudFile {
    cloud: Cloud,
    store: Arc<dyn ObjectStore>,
    key: Key,
    /// Below the address that was listed.
    pub(crate) path: String,
    /// As listed.
    pub(crate) size_bytes: u64,
}

impl CloudFile {
    /// The bytes, asked for when they are read.
    pub(crate) fn source(self) -> ByteSource {
        ByteSource::Open(Box::new(move || self.open()))
    }

    /// The bytes, now.
    ///
    /// # Errors
    /// The storage refuses, or has the object no longer.
    pub(crate) fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let got = self.cloud.0.runtime.block_on(self.store.get(&self.key));
        let got = got.map_err(|error| io::Error::other(told(&error)))?;
        Ok(Box::new(Content {
            cloud: self.cloud.clone(),
            missing_bytes: got.meta.size,
            stream: got.into_stream(),
            chunk: Bytes::new(),
        }))
    }
}

/// An object being read. What breaks is taken up where it broke, by the store's client.
pub(super) struct Content {
    pub(super) cloud: Cloud,
    pub(super) stream: BoxStream<'static, Result<Bytes, Error>>,
    pub(super) chunk: Bytes,
    pub(super) missing_bytes: u64,
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            match self.cloud.0.runtime.block_on(self.stream.next()) {
                Some(Ok(chunk)) => self.chunk = chunk,
                Some(Err(error)) => return Err(io::Error::other(told(&error))),
                None if self.missing_bytes > 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                None => return Ok(0),
            }
            self.missing_bytes = self
                .missing_bytes
                .checked_sub(self.chunk.len() as u64)
                .ok_or_else(|| io::Error::other("more bytes came than the object has"))?;
        }
        let count = self.chunk.len().min(buffer.len());
        self.chunk.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

pub(super) fn failed(address: &Address, error: &Error) -> CloudError {
    let credentials = match address.bucket.provider {
        Provider::S3 => {
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; the server in MLFLOW_S3_ENDPOINT_URL"
        }
        Provider::Gcs => "GOOGLE_APPLICATION_CREDENTIALS",
        Provider::Azure { .. } => "AZURE_STORAGE_CONNECTION_STRING or AZURE_STORAGE_ACCESS_KEY",
    };
    CloudError {
        place: address.uri.clone(),
        detail: format!("{}; credentials are taken from {credentials}", told(error)),
    }
}

/// An error without what may be a signature: the query of a URL in it.
pub(super) fn told(error: &Error) -> String {
    let text = error.to_string();
    let words = text.split_inclusive(char::is_whitespace).map(|word| {
        match word
            .find("://")
            .and_then(|start| Some(start + word[start..].find('?')?))
        {
            Some(query) => {
                let end = word.trim_end().len();
                format!("{}{}", &word[..query], &word[end..])
            }
            None => word.to_owned(),
        }
    });
    words.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::memory::InMemory;

    fn listing(keys: &[&str]) -> Vec<String> {
        let scratch = tempfile::tempdir().unwrap();
        let cloud = Cloud::open().unwrap();
        let stored = Connected::of(InMemory::new());
        let store = stored.store.clone();
        cloud.0.runtime.block_on(async {
            for key in keys {
                store
                    .put(&Key::parse(key).unwrap(), (*key).to_owned().into())
                    .await
                    .unwrap();
            }
        });
        let address = Address::of("s3://bucket/1/r").unwrap();
        cloud
            .0
            .stores
            .lock()
            .unwrap()
            .insert(address.bucket.clone(), stored);
        let listed = cloud.list(&address, scratch.path()).unwrap();
        listed
            .map(|file| {
                let file = file.unwrap();
                let mut text = String::new();
                file.open().unwrap().read_to_string(&mut text).unwrap();
                assert_eq!(text.len() as u64, file.size_bytes);
                assert_eq!(text, format!("1/r/{}", file.path));
                file.path
            })
            .collect()
    }

    #[test]
    fn files_come_in_the_order_of_path_bytes_and_no_neighbours() {
        let keys = [
            "1/r/b",
            "1/r/a/c",
            "1/r/a-b",
            "1/r/ü 50%?#",
            "1/r2/x",
            "1/r",
            "1/q",
        ];
        assert_eq!(listing(&keys), ["a-b", "a/c", "b", "ü 50%?#"]);
    }

    #[test]
    fn nothing_below_is_an_empty_listing() {
        assert!(listing(&["1/s/a"]).is_empty());
    }

    #[test]
    fn signatures_are_not_told() {
        let error = Error::Generic {
            store: "x",
            source: "GET https://h/a?sv=1&sig=secret failed: why?".into(),
        };
        let text = told(&error);
        assert!(text.contains("https://h/a failed: why?"), "{text}");
    }
}
