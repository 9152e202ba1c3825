//! Artifacts of a target in an object store: each goes there as soon as it comes, and all of them before the rows are seen.

use super::files::{Names, Result};
use crate::archive::remote::{self, AT_ONCE, Lanes, RemoteTarget, for_each_file};
use crate::archive::{Archive, ArchiveError};
use crate::format::layout::blob_path;
use crate::lang::artifacts::tree::unread;
use crate::lang::sql::write::{FileSink, StorePlace};
use crate::model::{ArtifactFile, ArtifactList, BlobRef};
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Files that wait for their turn.
const WAITING: usize = 64;
/// Files that are made here, below the folder of notes.
const MADE: &str = "made";
/// Paths of what was put, or is on its way: each ends in a NUL.
const PUT: &str = "put";

/// What is put at a path.
enum Job {
    Blob(String, BlobRef),
    File(String, PathBuf),
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    under_way: usize,
    failed: Option<ArchiveError>,
    is_closed: bool,
}

/// Files on their way, on several threads.
pub(super) struct Uploads<'a> {
    archive: &'a Archive,
    target: &'a dyn RemoteTarget,
    /// The destination, for people; and a folder for notes of what is under way.
    out: &'a Path,
    notes: &'a Path,
    state: Mutex<State>,
    changed: Condvar,
    lanes: Lanes,
}

impl<'a> Uploads<'a> {
    pub(super) fn new(
        archive: &'a Archive,
        target: &'a dyn RemoteTarget,
        out: &'a Path,
        notes: &'a Path,
    ) -> Self {
        Uploads {
            archive,
            target,
            out,
            notes,
            state: Mutex::default(),
            changed: Condvar::new(),
            lanes: Lanes::default(),
        }
    }

    /// Does something while threads put what comes; they end with it.
    pub(super) fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        struct Closing<'u, 'a>(&'u Uploads<'a>);
        impl Drop for Closing<'_, '_> {
            fn drop(&mut self) {
                let mut state = self.0.lock();
                state.is_closed = true;
                state.waiting.clear();
                drop(state);
                self.0.changed.notify_all();
            }
        }
        std::thread::scope(|scope| {
            let _closing = Closing(self);
            for number in 0..AT_ONCE {
                scope.spawn(move || self.put_all(number));
            }
            work()
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits as long as something is so; what failed is told once.
    fn wait_while(&self, is_so: impl Fn(&State) -> bool) -> Result<MutexGuard<'_, State>, ArchiveError> {
        let mut state = self.lock();
        while state.failed.is_none() && is_so(&state) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        match state.failed.take() {
            Some(error) => Err(error),
            None => Ok(state),
        }
    }

    fn push(&self, job: Job) -> Result<(), ArchiveError> {
        let mut state = self.wait_while(|state| state.waiting.len() >= WAITING)?;
        state.waiting.push_back(job);
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    /// Puts what was made here, and waits until all is there.
    pub(super) fn finish(&self) -> Result<(), ArchiveError> {
        let made = self.notes.join(MADE);
        let mut pushed = Ok(());
        let walked = for_each_file(&made, |name, path| {
            if pushed.is_ok() {
                pushed = self.push(Job::File(name.to_owned(), path.to_owned()));
            }
            Ok(())
        });
        pushed?;
        walked.map_err(ArchiveError::io("read", &made))?;
        self.wait_while(|state| state.under_way > 0 || !state.waiting.is_empty())
            .map(drop)
    }

    /// Removes what was put, as far as the store lets it go.
    pub(super) fn remove_all(&self) {
        let Ok(put) = File::open(self.notes.join(PUT)) else {
            return;
        };
        let paths = io::BufRead::split(BufReader::new(put), 0).map_while(Result::ok);
        for path in paths.filter_map(|path| String::from_utf8(path).ok()) {
            let _ = self.target.remove(&path);
        }
    }

    /// What a thread does.
    fn put_all(&self, number: usize) {
        let note = self.notes.join(format!("upload-{number}"));
        loop {
            let mut state = self.lock();
            while state.waiting.is_empty() && !state.is_closed {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            let Some(job) = state.waiting.pop_front() else {
                return;
            };
            state.under_way += 1;
            drop(state);
            let put = self.put(&job, &note);
            let mut state = self.lock();
            state.under_way -= 1;
            if let Err(error) = put {
                state.waiting.clear();
                state.failed.get_or_insert(error);
            }
            drop(state);
            self.changed.notify_all();
        }
    }

    fn put(&self, job: &Job, note: &Path) -> Result<(), ArchiveError> {
        let to = |error| ArchiveError::io("upload to", self.out)(error);
        match job {
            Job::File(path, from) => remote::put_file(self.target, Some(path), from, note).map_err(to),
            Job::Blob(path, blob) => {
                let _held = self.lanes.enter(blob.sha256.0[0].into(), blob.size_bytes);
                let mut bytes = Noted {
                    inner: self.archive.blob(blob)?,
                    failed: None,
                };
                let put = self.target.put(Some(path), &mut bytes, blob.size_bytes, note);
                match bytes.failed {
                    Some(error) => Err(self.archive.read_error(&blob_path(&blob.sha256), error)),
                    None => put.map_err(to),
                }
            }
        }
    }
}

/// Bytes of an archive, whose own errors are kept apart from those of the store.
struct Noted<R> {
    inner: R,
    failed: Option<io::Error>,
}

impl<R: Read> Read for Noted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).map_err(|error| {
            let kind = error.kind();
            if kind != io::ErrorKind::Interrupted {
                self.failed = Some(error);
            }
            kind.into()
        })
    }
}

/// The files of a store's objects, handed to those who put them.
pub(super) struct BucketFiles<'u, 'a> {
    uploads: &'u Uploads<'a>,
    names: Names,
    made: PathBuf,
    put: BufWriter<File>,
}

impl<'u, 'a> BucketFiles<'u, 'a> {
    pub(super) fn new(uploads: &'u Uploads<'a>) -> Result<Self, ArchiveError> {
        let (made, put) = (uploads.notes.join(MADE), uploads.notes.join(PUT));
        fs::create_dir(&made).map_err(ArchiveError::io("create directory", &made))?;
        let put = File::create_new(&put).map_err(ArchiveError::io("create", &put))?;
        Ok(BucketFiles {
            uploads,
            names: Names::new(),
            made,
            put: BufWriter::new(put),
        })
    }

    /// Notes that something is about to be put.
    fn note(&mut self, key: &str) -> Result<(), ArchiveError> {
        let noted = self.put.write_all(key.as_bytes());
        let noted = noted.and_then(|()| self.put.write_all(&[0]));
        noted.map_err(ArchiveError::io("write", &self.uploads.notes.join(PUT)))
    }
}

impl FileSink for BucketFiles<'_, '_> {
    fn take(&mut self, _: &ArtifactList, place: &StorePlace, file: &ArtifactFile) -> Result<bool> {
        if !self.names.claim(place, &file.path) {
            return Ok(false);
        }
        let blob = file.blob().ok_or_else(|| unread(self.uploads.archive, file))?;
        let key = place.key(&file.path);
        self.note(&key)?;
        self.uploads.push(Job::Blob(key, blob))?;
        Ok(true)
    }

    fn create(&mut self, place: &StorePlace, name: &'static str) -> Result<Option<Box<dyn Write>>> {
        self.note(&place.key(name))?;
        self.names.create(&self.made, place, name).map(Some)
    }
}
