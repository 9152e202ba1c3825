//! The journal: what an import meant to make and what it made, one JSON line each, only ever appended to.
//!
//! ```text
//! {"journal":"mlark-import","version":1,"origin":…,"target":…,"target_version":"3.18","archive":<content id>,"options":{…},"time":…,"crc":…}
//! {"recovered":7,"crc":…}                              after what the target's marks told, in a new journal
//! {"intent":"runs","ids":[…],"crc":…}                 before the calls that create
//! {"made":"runs","id":<archive's>,"new":<target's>,"identity":<8 hex digits>,"crc":…}
//! {"refused":"runs","id":…,"crc":…}                    the target answered that it does not make it
//! {"done":"runs","id":…,"digest":<16 hex digits>,"limits":{…},"missing":["param lr"],"crc":…}
//!                                                      all of it has arrived, but for these; what is missing is sent again
//! {"checked":"runs","crc":…}                          what was done before was compared with what the target then said
//! {"complete":<content id>,"time":…,"crc":…}          the whole import was
//! ```
//!
//! A line that begins a session looks like the first. Where it tells another version of the target than the one before, nothing counts as done:
//! each object is looked at again. `crc` is the CRC-32 of the line's text up to `,"crc"`, eight
//! hex digits. A last line without a line end is what a death left; it is cut off.

mod ledger;
mod lines;
mod several;

pub(crate) use ledger::Ledger;
pub(crate) use several::{JournalPlaces, Journals};

use super::identity::Identity;
use super::options::ToldOptions;
use crate::archive::open_input;
use crate::archive::remote::is_remote;
use crate::flow::import::id_map::IdMap;
use crate::format::Kind;
use crate::lang::rest::api::TargetId;
use crate::lang::rest::version::Version;
use crate::model::DEFAULT_WORKSPACE;
use crate::platform::user_folder;
use lines::Reader;
use serde_json::{Value, json};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufReader, Seek, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// Value of `journal` in a head.
const NAME: &str = "mlark-import";
/// The version this build writes and reads.
const VERSION: u64 = 1;
/// The longest line that is believed.
const JOURNAL_LINE_BYTES: u64 = 16 << 20;

/// Whose objects a journal is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JournalKey {
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
    #[error("cannot {action} journal `{}`", path.display())]
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
    #[error("journal `{}` belongs to another import: its {field} is `{found}`, expected `{expected}`", path.display())]
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
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
}

/// What a journal said.
#[derive(Debug, Default)]
pub(crate) struct JournalContents {
    /// What is known of objects.
    pub mapping: IdMap,
    /// Content id of the archive that was last imported whole.
    pub complete: Option<String>,
    /// Whether it holds what the target's marks told when it was begun; without, they are to be asked.
    pub is_recovered: bool,
    /// Sessions so far.
    pub sessions: u64,
    /// Version of the target in the last session that it told one in.
    pub target_version: Option<Version>,
    /// Options of the last session; none where an older mlark wrote it.
    pub options: Option<ToldOptions>,
    /// When it was last written.
    pub written: Option<std::time::SystemTime>,
    /// Bytes up to the end of the last whole line.
    whole_bytes: u64,
}

impl JournalContents {
    /// Takes note of the target's version: where it is another one than before, each object is to be looked at again.
    pub(crate) fn meet(&mut self, version: Version) {
        if self
            .target_version
            .replace(version)
            .is_some_and(|before| before != version)
        {
            self.mapping.reopen();
            self.complete = None;
        }
    }
}

/// Whether single parts of an object are sent by name; others are compared with what the target holds, and sent what it lacks.
fn can_resume(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Runs | Kind::LoggedModels | Kind::Traces | Kind::EvaluationDatasets
    )
}

/// Where the journal of an import lies unless told: beside the archive, named by origin and target.
pub(crate) fn default_path(archive: &Path, key: &JournalKey) -> PathBuf {
    use sha2::{Digest as _, Sha256};
    let digest = Sha256::digest(format!("{}\0{}", key.origin, key.target));
    let hex: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let name = format!("mlark-import-{hex}.jsonl");
    match archive.parent() {
        _ if is_remote(archive) => state_folder().join(name),
        Some(parent) => parent.join(name),
        None => PathBuf::from(name),
    }
}

/// Where journals of archives in object stores lie: the user's folder of such things.
pub(crate) fn state_folder() -> PathBuf {
    let state = user_folder("XDG_STATE_HOME", ".local/state");
    state.unwrap_or_else(std::env::temp_dir).join("mlark")
}

/// Where the journal of what is in one workspace lies, where a path was given for all.
pub(crate) fn path_within(path: &Path, workspace: Option<&str>) -> PathBuf {
    match workspace {
        None | Some(DEFAULT_WORKSPACE) => path.to_owned(),
        Some(workspace) => {
            let mut name = path.as_os_str().to_owned();
            name.push(format!(".{workspace}"));
            name.into()
        }
    }
}

impl Journal {
    /// Reads a journal that may not be there.
    ///
    /// # Errors
    /// It cannot be read, is damaged, or belongs to another import.
    pub(crate) fn read(path: &Path, key: &JournalKey) -> Result<JournalContents, JournalError> {
        match open_input(path) {
            Ok(file) => Reader::new(path, key).read(BufReader::new(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(JournalContents::default()),
            Err(source) => Err(io_error("read", path)(source)),
        }
    }

    /// Opens a journal for appending, makes it where it is not there, and begins a session.
    ///
    /// # Errors
    /// As [`Journal::read`]; another process has it open; it cannot be written.
    pub(crate) fn open(
        path: &Path,
        key: &JournalKey,
        content_id: &str,
        target_version: Option<Version>,
        told: &ToldOptions,
    ) -> Result<(Self, JournalContents), JournalError> {
        let options = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .clone();
        let mut file = options.open(path).map_err(io_error("open", path))?;
        // Some file systems have no locks; the marks on the target still prevent doubles.
        if let Err(TryLockError::WouldBlock) = lock_soon(&file) {
            return Err(JournalError::InUse {
                path: path.to_owned(),
            });
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
        let mut head = json!({
            "archive": content_id, "journal": NAME, "origin": key.origin, "target": key.target,
            "options": told, "time": crate::archive::now_text(), "version": VERSION,
        });
        if let Some(version) = target_version {
            head["target_version"] = json!(version.to_string());
            contents.meet(version);
        }
        journal.append(&head)?;
        journal.sync()?;
        Ok((journal, contents))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The same, with what tells it from others of its id.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub(crate) fn made_as(
        &mut self,
        kind: Kind,
        id: &str,
        new_id: &TargetId,
        identity: Identity,
    ) -> Result<(), JournalError> {
        let mut line = json!({"id": id, "made": kind, "new": new_id});
        if !identity.is_unknown() {
            line["identity"] = identity.to_string().into();
        }
        self.append(&line)
    }

    /// Brings all lines to the disk.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub(crate) fn sync(&mut self) -> Result<(), JournalError> {
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

/// Locks a file, trying again for a tenth of a second: a process that is just being started has the lock of its parent
/// for a moment, even after the parent gave it up.
fn lock_soon(file: &File) -> Result<(), TryLockError> {
    for _ in 0..10 {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(10)),
            locked => return locked,
        }
    }
    file.try_lock()
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> JournalError {
    let path = path.to_owned();
    move |source| JournalError::Io { action, path, source }
}

#[cfg(test)]
mod tests;
