//! Remote archives are read by as few requests as can be.

use super::*;
use crate::archive::verify::{VerifyOptions, verify};
use crate::archive::{Archive, ArchiveWriter, ByteSource, Duplicates, ManifestHead, Owner, WriterOptions};
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

    fn open(&self, range: Range<u64>) -> io::Result<RemoteBytes> {
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
