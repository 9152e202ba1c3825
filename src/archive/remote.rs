//! Archives that lie in an object store: a zip read by ranges, a directory read by keys.
//!
//! What is asked for is little: of a zip its end, its central directory, and the entries that are needed, each by one request. The
//! central directory, the seal, the manifest and the digests of what is read are believed, and the local header of an entry is
//! checked when it is read; only `verify` reads all.
//!
//! An archive is made on this machine and then uploaded: a zip in parts that are put together last, a directory with its seal last.
//!
//! How a store is spoken to is not this room's business: whoever knows it [installs](install) it.

use crate::format::layout::SEAL;
use crate::model::uri::scheme;
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// Schemes of object stores.
pub(crate) const SCHEMES: [&str; 6] = ["s3", "gs", "wasb", "wasbs", "abfs", "abfss"];
/// Bytes of a zip's end that are read at once: with few blobs they hold the central directory, the manifest and the checksums.
const TAIL_BYTES: u64 = 128 << 10;

/// Bytes being read.
pub(crate) type Stream = Box<dyn Read + Send>;

/// An object in a store.
pub(crate) trait RemoteObject: Send + Sync {
    /// Its size when it was opened; a read of another version of it is an error.
    fn size_bytes(&self) -> u64;

    /// Reads a range of it.
    fn open(&self, range: Range<u64>) -> io::Result<Stream>;
}

/// What [`RemoteFolder::list`] tells of each file: its path and size.
pub(crate) type Listed<'v> = &'v mut dyn FnMut(&str, u64);

/// The objects below a key.
pub(crate) trait RemoteFolder: Send + Sync {
    /// Size of the object at a path below; none where there is none.
    fn size_bytes(&self, path: &str) -> io::Result<Option<u64>>;

    /// Reads the object at a path below.
    fn open(&self, path: &str) -> io::Result<Stream>;

    /// Visits all objects below.
    fn list(&self, visit: Listed<'_>) -> io::Result<()>;
}

/// What lies at a URI.
#[cfg_attr(
    not(feature = "cloud"),
    allow(dead_code, reason = "a build without stores finds nothing there")
)]
pub(crate) enum Remote {
    Zip(Arc<dyn RemoteObject>),
    Folder(Arc<dyn RemoteFolder>),
}

/// Where an archive is to be made.
pub(crate) trait RemoteTarget: Send + Sync {
    /// Whether an object of that key, or an archive below it, is there.
    fn exists(&self) -> io::Result<bool>;

    /// Uploads a file as the object of that key, or of a path below it: all of it or nothing, in bounded memory. As long as an upload in
    /// parts is under way, the file `note` holds what [`Stores::give_back`] needs.
    fn put(&self, path: Option<&str>, from: &File, note: &Path) -> io::Result<()>;
}

/// How object stores are spoken to.
#[derive(Clone, Copy)]
pub(crate) struct Stores {
    /// Opens what lies at a URI.
    pub(crate) open: fn(&str) -> io::Result<Remote>,
    /// Opens the place that a URI names for writing.
    pub(crate) target: fn(&str) -> io::Result<Arc<dyn RemoteTarget>>,
    /// Gives back the parts of an upload that nobody goes on with, by what its note says.
    pub(crate) give_back: fn(&str) -> io::Result<()>,
}

static STORES: OnceLock<Stores> = OnceLock::new();

/// Says how object stores are spoken to; the first to say it counts.
pub(crate) fn install(stores: Stores) {
    let _ = STORES.set(stores);
}

fn stores() -> io::Result<&'static Stores> {
    STORES.get().ok_or_else(|| io::ErrorKind::Unsupported.into())
}

/// Whether a path is the URI of an object store.
pub(crate) fn is_remote(path: &Path) -> bool {
    let scheme = path.to_str().and_then(scheme);
    scheme.is_some_and(|scheme| SCHEMES.contains(&scheme.to_ascii_lowercase().as_str()))
}

/// Opens what lies at the URI of an object store; none where the path is no such URI.
pub(super) fn open(path: &Path) -> Option<io::Result<Remote>> {
    if !is_remote(path) {
        return None;
    }
    let uri = path.to_str()?;
    Some(stores().and_then(|stores| (stores.open)(uri)))
}

/// Opens the place that the URI of an object store names for writing; none where the path is no such URI.
pub(super) fn target(path: &Path) -> Option<io::Result<Arc<dyn RemoteTarget>>> {
    if !is_remote(path) {
        return None;
    }
    let uri = path.to_str()?;
    Some(stores().and_then(|stores| (stores.target)(uri)))
}

/// Name of the file, in the folder of what is being made, that tells of an upload under way.
const NOTE: &str = "upload";
/// The longest such file.
const NOTE_BYTES: u64 = 64 << 10;

/// Gives back the parts of an upload that the maker of a folder left.
pub(super) fn give_back(folder: &Path) -> io::Result<()> {
    let note = match super::regular::open_input(&folder.join(NOTE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        note => note?,
    };
    let mut text = String::new();
    note.take(NOTE_BYTES).read_to_string(&mut text)?;
    (stores()?.give_back)(&text)
}

/// Uploads what was made in a folder: a zip, or a directory with its seal last.
pub(super) fn upload(target: &dyn RemoteTarget, folder: &Path, made: &Path) -> io::Result<()> {
    let note = folder.join(NOTE);
    if made.is_file() {
        return target.put(None, &File::open(made)?, &note);
    }
    let mut folders = vec![made.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.strip_prefix(made).unwrap_or(&path);
            if path.is_dir() {
                folders.push(path);
            } else if name != Path::new(SEAL) {
                target.put(name.to_str(), &File::open(&path)?, &note)?;
            }
        }
    }
    target.put(Some(SEAL), &File::open(made.join(SEAL))?, &note)
}

/// A zip in an object store.
pub(crate) struct RemoteZip {
    object: Arc<dyn RemoteObject>,
    tail: Vec<u8>,
    tail_start: u64,
}

impl RemoteZip {
    /// Reads the end of it.
    pub(super) fn open(object: Arc<dyn RemoteObject>) -> io::Result<Self> {
        let size_bytes = object.size_bytes();
        let tail_start = size_bytes.saturating_sub(TAIL_BYTES);
        let mut tail = Vec::new();
        if size_bytes > 0 {
            let stream = object.open(tail_start..size_bytes)?;
            stream.take(TAIL_BYTES + 1).read_to_end(&mut tail)?;
        }
        if tail.len() as u64 != size_bytes - tail_start {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(RemoteZip {
            object,
            tail,
            tail_start,
        })
    }

    pub(super) fn size_bytes(&self) -> u64 {
        self.object.size_bytes()
    }

    /// Reads a range.
    pub(super) fn read(&self, range: Range<u64>) -> io::Result<Box<dyn Read + Send + '_>> {
        let end = range.end.min(self.size_bytes());
        let Some(start) = range.start.checked_sub(self.tail_start) else {
            let stream: Box<dyn Read + Send + '_> = self.object.open(range.start..end)?;
            return Ok(stream);
        };
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(self.tail.len());
        let tail = &self.tail[place(start)..place(end.saturating_sub(self.tail_start)).max(place(start))];
        Ok(Box::new(Cursor::new(tail)))
    }

    pub(super) fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let end = offset.saturating_add(buffer.len() as u64);
        self.read(offset..end)?.read_exact(buffer)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::archive::verify::{VerifyOptions, verify};
    use crate::archive::{
        Archive, ArchiveWriter, ByteSource, Duplicates, ManifestHead, Owner, WriterOptions,
    };
    use crate::format::Kind;
    use crate::format::Object as _;
    use crate::model::{BlobRef, Experiment, OwnerKind, Run, RunInfo};
    use crate::monitor::Silent;
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    /// An object, and what was asked of it: requests and bytes.
    type Kept = (Arc<Vec<u8>>, u64, u64);

    static STORES: Mutex<BTreeMap<String, Kept>> = Mutex::new(BTreeMap::new());

    struct Counted(String, Arc<Vec<u8>>);

    impl RemoteObject for Counted {
        fn size_bytes(&self) -> u64 {
            self.1.len() as u64
        }

        fn open(&self, range: Range<u64>) -> io::Result<Stream> {
            let mut stores = STORES.lock().unwrap();
            let (_, requests, bytes) = stores.get_mut(&self.0).unwrap();
            *requests += 1;
            *bytes += range.end - range.start;
            let bytes = self.1[range.start as usize..range.end as usize].to_vec();
            Ok(Box::new(Cursor::new(bytes)))
        }
    }

    fn open_stored(uri: &str) -> io::Result<Remote> {
        let stores = STORES.lock().unwrap();
        let (bytes, ..) = stores.get(uri).ok_or(io::ErrorKind::NotFound)?;
        Ok(Remote::Zip(Arc::new(Counted(uri.to_owned(), bytes.clone()))))
    }

    fn store(uri: &str, bytes: Vec<u8>) {
        install(Stores {
            open: open_stored,
            target: |_| Err(io::ErrorKind::Unsupported.into()),
            give_back: |_| Ok(()),
        });
        STORES
            .lock()
            .unwrap()
            .insert(uri.to_owned(), (Arc::new(bytes), 0, 0));
    }

    /// Requests and bytes since the last call.
    fn asked(uri: &str) -> (u64, u64) {
        let mut stores = STORES.lock().unwrap();
        let (_, requests, bytes) = stores.get_mut(uri).unwrap();
        (std::mem::take(requests), std::mem::take(bytes))
    }

    /// A zip of an experiment, a run, and as many files of this size.
    fn zip(files: u64, size: usize) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("a.zip");
        let options = WriterOptions {
            no_sync: true,
            ..WriterOptions::default()
        };
        let mut writer = ArchiveWriter::create(&out, options).unwrap();
        let experiment = Experiment {
            experiment_id: "1".into(),
            name: "e".into(),
            lifecycle_stage: "active".into(),
            ..Experiment::default()
        };
        writer.write(&experiment).unwrap();
        let run = Run {
            info: RunInfo {
                run_id: "r".into(),
                experiment_id: "1".into(),
                status: "FINISHED".into(),
                lifecycle_stage: "active".into(),
                ..RunInfo::default()
            },
            ..Run::default()
        };
        writer.write(&run).unwrap();
        let owner = Owner {
            kind: OwnerKind::Run,
            id: "r".into(),
            sort_key: run.sort_key(),
        };
        let mut on_failure = |_: &mut ArchiveWriter, _| panic!("it can be read");
        for number in 0..files {
            let path = format!("{number:05}.bin");
            // Nothing that shrinks.
            let mut state = number + 1;
            let bytes = std::iter::repeat_with(|| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            });
            let bytes = ByteSource::Bytes(bytes.take(size).collect());
            writer.artifact(&owner, path, bytes, &mut on_failure).unwrap();
        }
        writer.drain_artifacts(&mut on_failure).unwrap();
        writer
            .finish(ManifestHead::default(), Duplicates::Refuse)
            .unwrap();
        std::fs::read(&out).unwrap()
    }

    fn blob_of(file: &serde_json::Value) -> BlobRef {
        BlobRef {
            sha256: file["sha256"].as_str().unwrap().parse().unwrap(),
            size_bytes: file["size_bytes"].as_u64().unwrap(),
        }
    }

    #[test]
    fn a_remote_zip_is_read_by_its_end_its_directory_and_what_is_needed() {
        let uri = "s3://bucket/large.zip";
        let bytes = zip(40, 256 << 10);
        let whole = bytes.len() as u64;
        store(uri, bytes);
        let archive = Archive::open(uri.as_ref()).unwrap();
        let (requests, bytes) = asked(uri);
        assert!(
            requests == 1 && bytes <= TAIL_BYTES,
            "{requests} requests, {bytes} bytes"
        );
        assert_eq!(archive.objects::<Run>().count(), 1);
        let list = archive.values(Kind::Artifacts).next().unwrap().unwrap();
        let (requests, bytes) = asked(uri);
        // What is needed lies in the end that is there already.
        assert_eq!((requests, bytes), (0, 0));

        let blob = blob_of(&list["files"][7]);
        let mut content = Vec::new();
        archive.blob(&blob).unwrap().read_to_end(&mut content).unwrap();
        assert_eq!(content.len(), 256 << 10);
        let (requests, bytes) = asked(uri);
        assert!(
            requests == 1 && bytes < (256 << 10) + 200,
            "{requests} requests, {bytes} bytes"
        );

        let found = verify(uri.as_ref(), &VerifyOptions::default(), &Silent).unwrap();
        assert!(found.is_intact(), "{:#?}", found.findings);
        let (requests, bytes) = asked(uri);
        assert!((41..=60).contains(&requests), "{requests}");
        assert!((whole..whole + whole / 10).contains(&bytes), "{bytes} of {whole}");
    }

    #[test]
    fn a_directory_larger_than_the_end_is_read_once() {
        let uri = "s3://bucket/many.zip";
        let bytes = zip(3_000, 4);
        store(uri, bytes);
        let archive = Archive::open(uri.as_ref()).unwrap();
        assert_eq!(archive.objects::<Run>().count(), 1);
        let (requests, bytes) = asked(uri);
        // 3,000 records of some 110 bytes, the manifest and the run before them.
        assert!(
            requests <= 6 && bytes < 1 << 20,
            "{requests} requests, {bytes} bytes"
        );
    }

    #[test]
    fn damage_that_the_end_does_not_tell_is_found_where_it_is_read() {
        let (uri, bytes) = ("s3://bucket/damaged.zip", zip(4, 256 << 10));
        let found_after = |at: usize| {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            store(uri, bytes);
            let archive = Archive::open(uri.as_ref()).map(|archive| {
                let list = archive.values(Kind::Artifacts).next().unwrap().unwrap();
                let blob = blob_of(&list["files"][0]);
                let mut reader = archive.blob(&blob)?;
                reader
                    .read_to_end(&mut Vec::new())
                    .map_err(|error| archive.read_error("blob", error))
            });
            let read = archive.and_then(|read| read);
            let verified = verify(uri.as_ref(), &VerifyOptions::default(), &Silent).unwrap();
            (read.map_err(|error| error.to_string()), verified.is_intact())
        };
        // Bytes of the local header, one of content, one of the end record.
        for at in [4, 20, 1_000, bytes.len() - 20] {
            let (read, is_intact) = found_after(at);
            assert!(read.is_err(), "byte {at}");
            assert!(!is_intact, "byte {at}");
        }
        // Damage of what is not read is verify's to find.
        let (read, is_intact) = found_after(600 << 10);
        assert!(read.is_ok() && !is_intact);
    }

    #[test]
    fn what_is_cut_off_empty_or_nowhere_is_an_error() {
        for (name, bytes) in [
            ("empty", Vec::new()),
            ("cut", zip(1, 10)[..200].to_vec()),
            ("text", b"hello".to_vec()),
        ] {
            let uri = format!("s3://bucket/{name}.zip");
            store(&uri, bytes);
            assert!(Archive::open(uri.as_ref()).is_err(), "{name}");
        }
        let missing = Archive::open("s3://bucket/none.zip".as_ref()).err().unwrap();
        assert!(missing.to_string().contains("s3://bucket/none.zip"), "{missing}");
    }
}
