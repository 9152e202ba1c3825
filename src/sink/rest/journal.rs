//! The journal: what an import meant to make and what it made, one JSON line each, only ever appended to.
//!
//! ```text
//! {"journal":"mlark-import","version":1,"origin":…,"target":…,"archive":<content id>,"time":…,"crc":…}
//! {"recovered":7,"crc":…}                              after what the target's marks told, in a new journal
//! {"intent":"runs","ids":[…],"crc":…}                 before the calls that create
//! {"made":"runs","id":<archive's>,"new":<target's>,"crc":…}
//! {"done":"runs","id":…,"digest":<16 hex digits>,"crc":…}   all of it has arrived
//! {"complete":<content id>,"time":…,"crc":…}          the whole import was
//! ```
//!
//! A line that begins a session looks like the first. `crc` is the CRC-32 of the line's text up to `,"crc"`, eight
//! hex digits. A last line without a line end is what a death left; it is cut off.

use super::mapping::{Known, Mapping};
use crate::format::Kind;
use serde::Deserialize;
use serde_json::{Value, json};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Seek, Write};
use std::path::{Path, PathBuf};

/// Value of `journal` in a head.
const NAME: &str = "mlark-import";
/// The version this build writes and reads.
const VERSION: u64 = 1;
/// The longest line that is believed.
const LINE_BYTES: u64 = 16 << 20;

/// Whose objects a journal is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalKey {
    /// Origin of the archive.
    pub origin: String,
    /// The target's URL without credentials, with the workspace where there is one.
    pub target: String,
}

/// A journal that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The file system refused.
    #[error("{action} journal `{}`", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// The journal.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Its bytes are not what was written.
    #[error("journal `{}` is damaged: line {line}: {reason}", path.display())]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// It belongs to another origin or target.
    #[error("journal `{}` is of another import: its {field} is `{found}`, this one's is `{expected}`", path.display())]
    OtherImport {
        /// The journal.
        path: PathBuf,
        /// `origin` or `target`.
        field: &'static str,
        /// What it says.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// Another process writes it.
    #[error("journal `{}` is in use by another import", path.display())]
    InUse {
        /// The journal.
        path: PathBuf,
    },
}

/// A journal open for appending.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
}

/// What a journal said.
#[derive(Debug, Default)]
pub struct JournalContents {
    /// What is known of objects.
    pub mapping: Mapping,
    /// Content id of the archive that was last imported whole.
    pub complete: Option<String>,
    /// Whether it holds what the target's marks told when it was begun; without, they are to be asked.
    pub is_recovered: bool,
    /// Sessions so far.
    pub sessions: u64,
    /// When it was last written.
    pub written: Option<std::time::SystemTime>,
    /// Bytes up to the end of the last whole line.
    whole_bytes: u64,
}

/// Where the journal of an import lies unless told: beside the archive, named by origin and target.
pub fn default_path(archive: &Path, key: &JournalKey) -> PathBuf {
    use sha2::{Digest as _, Sha256};
    let digest = Sha256::digest(format!("{}\0{}", key.origin, key.target));
    let hex: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let name = format!("mlark-import-{hex}.jsonl");
    match archive.parent() {
        Some(parent) => parent.join(name),
        None => PathBuf::from(name),
    }
}

impl Journal {
    /// Reads a journal that may not be there.
    ///
    /// # Errors
    /// It cannot be read, is damaged, or belongs to another import.
    pub fn read(path: &Path, key: &JournalKey) -> Result<JournalContents, JournalError> {
        match File::open(path) {
            Ok(file) => Reader::new(path, key).read(BufReader::new(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(JournalContents::default()),
            Err(source) => Err(io_error("read", path)(source)),
        }
    }

    /// Opens a journal for appending, makes it where it is not there, and begins a session.
    ///
    /// # Errors
    /// As [`Journal::read`]; another process has it open; it cannot be written.
    pub fn open(
        path: &Path,
        key: &JournalKey,
        content_id: &str,
    ) -> Result<(Self, JournalContents), JournalError> {
        let options = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .clone();
        let mut file = options.open(path).map_err(io_error("open", path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(JournalError::InUse {
                    path: path.to_owned(),
                });
            }
            // Some file systems have no locks; the marks on the target still prevent doubles.
            Err(TryLockError::Error(_)) => {}
        }
        let copy = file.try_clone().map_err(io_error("open", path))?;
        let written = file.metadata().and_then(|metadata| metadata.modified()).ok();
        let mut contents = Reader::new(path, key).read(BufReader::new(copy))?;
        contents.written = written;
        file.set_len(contents.whole_bytes)
            .map_err(io_error("cut", path))?;
        file.seek(io::SeekFrom::End(0)).map_err(io_error("read", path))?;
        let mut journal = Journal {
            path: path.to_owned(),
            file,
        };
        journal.append(&json!({
            "archive": content_id, "journal": NAME, "origin": key.origin, "target": key.target,
            "time": crate::archive::now_text(), "version": VERSION,
        }))?;
        journal.sync()?;
        Ok((journal, contents))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes before objects are created; they are on disk when this returns.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn intend(&mut self, kind: Kind, ids: &[&str]) -> Result<(), JournalError> {
        self.append(&json!({"ids": ids, "intent": kind}))?;
        self.sync()
    }

    /// Writes that an object is there.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn made(&mut self, kind: Kind, id: &str, new_id: &str) -> Result<(), JournalError> {
        self.append(&json!({"id": id, "made": kind, "new": new_id}))
    }

    /// Writes that all of an object has arrived.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn done(&mut self, kind: Kind, id: &str, digest: u64) -> Result<(), JournalError> {
        self.append(&json!({"digest": format!("{digest:016x}"), "done": kind, "id": id}))
    }

    /// Writes all that the target's marks told, in a new journal.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn recovered(&mut self, mapping: &Mapping) -> Result<(), JournalError> {
        let entries = mapping.entries();
        for (kind, id, known) in &entries {
            self.made(*kind, id, &known.id)?;
        }
        self.append(&json!({"recovered": entries.len()}))?;
        self.sync()
    }

    /// Writes that all of an archive has arrived.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn complete(&mut self, content_id: &str) -> Result<(), JournalError> {
        self.append(&json!({"complete": content_id, "time": crate::archive::now_text()}))?;
        self.sync()
    }

    /// Brings all lines to the disk.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        self.file.sync_data().map_err(io_error("write", &self.path))
    }

    fn append(&mut self, line: &Value) -> Result<(), JournalError> {
        let mut text = line.to_string();
        text.pop();
        let crc = crc32fast::hash(text.as_bytes());
        text.push_str(&format!(",\"crc\":\"{crc:08x}\"}}\n"));
        // One write a line: a death leaves at most one torn line, the last.
        self.file
            .write_all(text.as_bytes())
            .map_err(io_error("write", &self.path))
    }
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> JournalError {
    let path = path.to_owned();
    move |source| JournalError::Io { action, path, source }
}

/// One line; which fields it has says what it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    archive: Option<String>,
    complete: Option<String>,
    #[serde(rename = "crc")]
    _crc: String,
    digest: Option<String>,
    done: Option<Kind>,
    id: Option<String>,
    ids: Option<Vec<String>>,
    intent: Option<Kind>,
    journal: Option<String>,
    made: Option<Kind>,
    new: Option<String>,
    origin: Option<String>,
    recovered: Option<u64>,
    target: Option<String>,
    #[serde(rename = "time")]
    _time: Option<String>,
    version: Option<u64>,
}

struct Reader<'a> {
    path: &'a Path,
    key: &'a JournalKey,
    line: u64,
    contents: JournalContents,
}

impl<'a> Reader<'a> {
    fn new(path: &'a Path, key: &'a JournalKey) -> Self {
        Reader {
            path,
            key,
            line: 0,
            contents: JournalContents::default(),
        }
    }

    fn read(mut self, mut reader: impl BufRead) -> Result<JournalContents, JournalError> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = io::Read::take(&mut reader, LINE_BYTES)
                .read_until(b'\n', &mut line)
                .map_err(io_error("read", self.path))?;
            self.line += 1;
            if line.pop_if(|last| *last == b'\n').is_none() {
                return match read as u64 {
                    LINE_BYTES => Err(self.damaged("it is too long")),
                    _ => Ok(self.contents),
                };
            }
            self.take(&line)?;
            self.contents.whole_bytes += read as u64;
        }
    }

    fn take(&mut self, line: &[u8]) -> Result<(), JournalError> {
        const TAIL: usize = ",\"crc\":\"01234567\"}".len();
        let (text, tail) = line
            .split_at_checked(line.len().wrapping_sub(TAIL))
            .ok_or_else(|| self.damaged("it is too short"))?;
        if tail != format!(",\"crc\":\"{:08x}\"}}", crc32fast::hash(text)).as_bytes() {
            return Err(self.damaged("its checksum does not fit"));
        }
        let entry: Entry = serde_json::from_slice(line).map_err(|error| self.damaged(&error.to_string()))?;
        if self.line == 1 && entry.journal.is_none() {
            return Err(self.damaged("it is not the head of a journal"));
        }
        self.apply(entry)
    }

    fn apply(&mut self, entry: Entry) -> Result<(), JournalError> {
        let mapping = &mut self.contents.mapping;
        match entry {
            Entry {
                journal: Some(name),
                origin: Some(origin),
                target: Some(target),
                version,
                archive: Some(_),
                ..
            } => {
                if name != NAME || version != Some(VERSION) {
                    return Err(self.damaged("it is of another version of journals"));
                }
                self.check_key("origin", &origin, &self.key.origin)?;
                self.check_key("target", &target, &self.key.target)?;
                self.contents.sessions += 1;
            }
            Entry {
                intent: Some(kind),
                ids: Some(ids),
                ..
            } => {
                ids.iter().for_each(|id| mapping.intend(kind, id));
            }
            Entry {
                made: Some(kind),
                id: Some(id),
                new: Some(new),
                ..
            } => {
                mapping.insert(kind, &id, &new, false);
            }
            Entry {
                done: Some(kind),
                id: Some(id),
                digest: Some(digest),
                ..
            } => {
                let digest = u64::from_str_radix(&digest, 16);
                let digest = digest.map_err(|_| self.damaged("its digest is none"))?;
                self.contents.mapping.set_done(kind, &id, digest);
            }
            Entry {
                recovered: Some(_), ..
            } => self.contents.is_recovered = true,
            Entry {
                complete: Some(content_id),
                ..
            } => self.contents.complete = Some(content_id),
            _ => return Err(self.damaged("it says nothing known")),
        }
        Ok(())
    }

    fn check_key(&self, field: &'static str, found: &str, expected: &str) -> Result<(), JournalError> {
        if found == expected {
            return Ok(());
        }
        Err(JournalError::OtherImport {
            path: self.path.to_owned(),
            field,
            found: found.to_owned(),
            expected: expected.to_owned(),
        })
    }

    fn damaged(&self, reason: &str) -> JournalError {
        JournalError::Damaged {
            path: self.path.to_owned(),
            line: self.line,
            reason: reason.to_owned(),
        }
    }
}

/// What several threads share: the journal and the mapping, always of one mind.
pub struct Ledger {
    inner: std::sync::Mutex<(Journal, Mapping)>,
}

impl Ledger {
    /// Joins a journal with what it said.
    pub fn new(journal: Journal, mapping: Mapping) -> Self {
        Ledger {
            inner: std::sync::Mutex::new((journal, mapping)),
        }
    }

    /// What is known of an object.
    pub fn get(&self, kind: Kind, id: &str) -> Option<Known> {
        self.lock().1.get(kind, id)
    }

    /// The id in the target.
    pub fn id(&self, kind: Kind, id: &str) -> Option<String> {
        self.lock().1.id(kind, id)
    }

    /// Whether an earlier session may have made an object under an id that nobody knows.
    pub fn is_intended(&self, kind: Kind, id: &str) -> bool {
        self.lock().1.is_intended(kind, id)
    }

    /// Writes down objects that are about to be made.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn intend(&self, kind: Kind, ids: &[&str]) -> Result<(), JournalError> {
        if ids.is_empty() {
            return Ok(());
        }
        self.lock().0.intend(kind, ids)
    }

    /// Writes down an object that is there; `is_fresh` where this process made it.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn made(&self, kind: Kind, id: &str, new_id: &str, is_fresh: bool) -> Result<(), JournalError> {
        let (journal, mapping) = &mut *self.lock();
        journal.made(kind, id, new_id)?;
        mapping.insert(kind, id, new_id, is_fresh);
        Ok(())
    }

    /// Writes down that all of an object has arrived.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn done(&self, kind: Kind, id: &str, digest: u64) -> Result<(), JournalError> {
        let (journal, mapping) = &mut *self.lock();
        journal.done(kind, id, digest)?;
        mapping.set_done(kind, id, digest);
        Ok(())
    }

    /// Writes down that all of an archive has arrived.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn complete(&self, content_id: &str) -> Result<(), JournalError> {
        self.lock().0.complete(content_id)
    }

    /// Where the journal is.
    pub fn path(&self) -> PathBuf {
        self.lock().0.path().to_owned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (Journal, Mapping)> {
        self.inner.lock().unwrap_or_else(|poison| poison.into_inner())
    }
}

#[cfg(test)]
mod tests;
