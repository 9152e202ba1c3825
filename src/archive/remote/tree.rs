//! Files that go to an object store as soon as they are whole, and leave the disk then.
//!
//! A store makes no tree of files appear at once. So the names of what is put are noted before: what breaks, and what a process left that was
//! killed, is taken back by them.

use super::{AT_ONCE, Lanes, NOTE_OF_TREE, RemoteTarget, note_in, put_file, stores};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// Ends a name: no name of a file has it.
const END: u8 = 0;

/// The names of what is put below a key, on this machine until all of it is there.
pub(crate) struct TreeNote {
    path: PathBuf,
    file: Mutex<File>,
}

impl TreeNote {
    /// A note in the folder of what is being made.
    pub(crate) fn create(folder: &Path, uri: &Path) -> io::Result<Self> {
        let path = folder.join(NOTE_OF_TREE);
        let note = TreeNote {
            file: Mutex::new(File::create(&path)?),
            path,
        };
        note.add(uri.to_str().ok_or(io::ErrorKind::InvalidFilename)?)?;
        Ok(note)
    }

    /// Takes note of what is about to be put.
    pub(crate) fn add(&self, name: &str) -> io::Result<()> {
        // Whoever removed it has given all of it up.
        if !self.path.is_file() {
            return Err(io::Error::other(
                "the output was removed while it was being written",
            ));
        }
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&[name.as_bytes(), &[END]].concat())
    }

    /// Says that all of it is there.
    pub(crate) fn done(&self) -> io::Result<()> {
        std::fs::remove_file(&self.path)
    }

    /// Takes back what was put until now.
    pub(crate) fn take_back(&self) -> io::Result<()> {
        take_back(&self.path)
    }
}

/// Takes back what a note names.
pub(super) fn take_back(note: &Path) -> io::Result<()> {
    let mut names = BufReader::new(super::super::regular::open_input(note)?).split(END);
    let text = |name: io::Result<Vec<u8>>| String::from_utf8(name?).map_err(io::Error::other);
    let Some(uri) = names.next() else {
        return Ok(());
    };
    let target = (stores()?.target)(&text(uri)?)?;
    names.try_for_each(|name| target.remove(&text(name)?))
}

/// See the module.
pub(crate) struct TreeUpload {
    target: Arc<dyn RemoteTarget>,
    folder: PathBuf,
    root: PathBuf,
    note: Arc<TreeNote>,
    files: Option<SyncSender<PathBuf>>,
    workers: Vec<JoinHandle<io::Result<()>>>,
}

impl TreeUpload {
    /// Files below `root` go below the key of a target; notes of what is under way are in `folder`.
    pub(crate) fn begin(
        target: &Arc<dyn RemoteTarget>,
        folder: &Path,
        root: &Path,
        out: &Path,
    ) -> io::Result<Self> {
        let mut upload = TreeUpload {
            target: target.clone(),
            folder: folder.to_owned(),
            root: root.to_owned(),
            note: Arc::new(TreeNote::create(folder, out)?),
            files: None,
            workers: Vec::new(),
        };
        upload.start();
        Ok(upload)
    }

    /// Starts workers that take files.
    fn start(&mut self) {
        let (files, wanted) = sync_channel(AT_ONCE);
        let wanted = Arc::new(Mutex::new(Some(wanted)));
        let lanes = Arc::new(Lanes::default());
        let workers = (0..AT_ONCE).map(|number| {
            let worker = Worker {
                number,
                lanes: lanes.clone(),
                target: self.target.clone(),
                upload: note_in(&self.folder),
                root: self.root.clone(),
                note: self.note.clone(),
                wanted: wanted.clone(),
            };
            thread::spawn(move || worker.work())
        });
        self.workers.extend(workers);
        self.files = Some(files);
    }

    /// Puts a file that is whole.
    pub(crate) fn made(&mut self, file: &Path) -> io::Result<()> {
        match self.files.as_ref().map(|files| files.send(file.to_owned())) {
            Some(Ok(())) => Ok(()),
            _ => self.join(),
        }
    }

    /// Puts what is there still, after all that was put before, and waits until it is.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.join()?;
        self.start();
        let root = self.root.clone();
        super::for_each_file(&root, |_, path| self.made(path))?;
        self.join()?;
        self.note.done()
    }

    /// Waits for all workers; the first that failed tells why.
    fn join(&mut self) -> io::Result<()> {
        self.files = None;
        let ended = self.workers.drain(..).map(|worker| {
            let ended = worker.join();
            ended.unwrap_or_else(|_| Err(io::Error::other("an upload thread panicked")))
        });
        let ended: Vec<_> = ended.collect();
        ended.into_iter().collect()
    }
}

impl Drop for TreeUpload {
    fn drop(&mut self) {
        // What was put is taken back by the note, when nothing more comes.
        let _ = self.join();
    }
}

/// Puts files one by one.
struct Worker {
    number: usize,
    lanes: Arc<Lanes>,
    target: Arc<dyn RemoteTarget>,
    upload: PathBuf,
    root: PathBuf,
    note: Arc<TreeNote>,
    wanted: Arc<Mutex<Option<Receiver<PathBuf>>>>,
}

impl Worker {
    fn work(&self) -> io::Result<()> {
        let next = || {
            let wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
            wanted.as_ref()?.recv().ok()
        };
        while let Some(path) = next() {
            let sent = self.put(&path);
            if sent.is_err() {
                // Nobody takes one any more, so that no more are sent.
                *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = None;
                return sent;
            }
        }
        Ok(())
    }

    fn put(&self, path: &Path) -> io::Result<()> {
        let name = path.strip_prefix(&self.root).ok().and_then(Path::to_str);
        let name = name.ok_or(io::ErrorKind::InvalidFilename)?;
        let _held = self.lanes.enter(self.number, std::fs::metadata(path)?.len());
        self.note.add(name)?;
        put_file(self.target.as_ref(), Some(name), path, &self.upload)?;
        std::fs::remove_file(path)
    }
}
