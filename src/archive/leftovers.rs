//! Temporary folders beside outputs, and those that a process left which was killed.
//!
//! ```text
//! .mlark-<process id>-<number>.tmp/
//!   owner.lock      locked (flock) as long as the writer lives; holds the name of its host
//!   archive, …      what is being written
//! ```
//!
//! Nobody's process id is trusted: a folder is left over when its lock is free, its host is this one, and its writer had
//! the lock at some time. On file systems without locks no folder is ever taken for one.

use super::error::{ArchiveError, Result};
use super::remote::give_back;
use super::staging::{REPLACED, parent_of};
use crate::platform::{OpenMore as _, host};
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fmt, mem, process, thread};

const PREFIX: &str = ".mlark-";
const SUFFIX: &str = ".tmp";
const LOCK: &str = "owner.lock";
/// The longest name of a host that is read.
const HOST_BYTES: u64 = 1 << 10;

/// Folders that this process has now; who holds it keeps all of them from being removed or published.
static LIVE: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

pub(crate) fn hold() -> MutexGuard<'static, Vec<PathBuf>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A folder for what is being made; removed when dropped.
pub(crate) struct TemporaryFolder {
    path: PathBuf,
    /// Held, and freed by the system however the process ends.
    _lock: File,
}

impl TemporaryFolder {
    /// Creates one. Unlike one of the `tempfile` crate it follows the umask, since what is in it becomes the output.
    pub(crate) fn create_in(parent: &Path) -> Result<Self> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let error = |source| ArchiveError::io("create directory in", parent)(source);
        loop {
            let number = COUNTER.fetch_add(1, Ordering::Relaxed);
            let path = parent.join(format!("{PREFIX}{}-{number}{SUFFIX}", process::id()));
            let mut live = hold();
            match fs::create_dir(&path) {
                Err(exists) if exists.kind() == io::ErrorKind::AlreadyExists => continue,
                created => created.map_err(error)?,
            }
            live.push(path.clone());
            drop(live);
            match lock_new(&path.join(LOCK)) {
                Ok(Some(lock)) => return Ok(TemporaryFolder { path, _lock: lock }),
                Ok(None) => remove_own(&path),
                Err(failed) => {
                    remove_own(&path);
                    return Err(error(failed));
                }
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        remove_own(&self.path);
    }
}

fn remove_own(path: &Path) {
    let mut live = hold();
    // Nothing can be done about a folder that cannot be removed; its name tells what it is.
    let _ = fs::remove_dir_all(path);
    live.retain(|own| own != path);
}

/// Creates and locks the file that says whose a folder is; nothing where somebody is just looking at it.
fn lock_new(path: &Path) -> io::Result<Option<File>> {
    let mut lock = File::options().write(true).create_new(true).open(path)?;
    match lock.try_lock() {
        // The host is said only under the lock, so that a file without one is nobody's to remove.
        Ok(()) => lock.write_all(host().as_bytes())?,
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(_)) => {}
    }
    Ok(Some(lock))
}

/// A folder beside an output that a writer left which is no more.
#[derive(Debug)]
pub struct Leftover {
    /// The folder.
    pub path: PathBuf,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a leftover.
#[derive(Debug)]
#[non_exhaustive]
pub enum Fate {
    /// It was removed.
    Removed,
    /// It stays: a writer on this host made it, and may live there.
    OtherHost(String),
    /// It stays: it has the only copy of an output that was to be replaced.
    HasReplaced,
    /// It stays, since it cannot be removed.
    Failed(io::Error),
}

impl fmt::Display for Leftover {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.fate {
            Fate::Removed => write!(formatter, "removed `{path}`, left behind by an interrupted run"),
            Fate::OtherHost(host) => write!(
                formatter,
                "`{path}` was made on host `{host}`; remove it if no mlark runs there"
            ),
            Fate::HasReplaced => write!(
                formatter,
                "an interrupted run moved the old output to `{path}/{REPLACED}`; move it back, then remove `{path}`"
            ),
            Fate::Failed(error) => write!(
                formatter,
                "cannot remove `{path}`, left behind by an interrupted run: {error}"
            ),
        }
    }
}

/// Removes what dead writers left in the directory that `out` is or will be in, and tells of it.
pub fn remove_leftovers(out: &Path) -> Vec<Leftover> {
    // A directory that cannot be read is for the writer to report.
    let entries = fs::read_dir(parent_of(out)).into_iter().flatten();
    let mut paths: Vec<_> = entries
        .filter_map(io::Result::ok)
        .filter(|entry| is_temporary(&entry.file_name().to_string_lossy()))
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    paths.into_iter().filter_map(remove_if_left).collect()
}

fn is_temporary(name: &str) -> bool {
    let numbers = name
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.strip_suffix(SUFFIX))
        .and_then(|numbers| numbers.split_once('-'));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    numbers.is_some_and(|(process, number)| is_number(process) && is_number(number))
}

/// Removes a folder whose writer is dead; nothing where that cannot be known.
fn remove_if_left(path: PathBuf) -> Option<Leftover> {
    let mut options = File::options();
    let options = options.read(true).write(true).no_follow();
    let lock = options.open(path.join(LOCK)).ok()?;
    lock.try_lock().ok()?;
    let mut owner = String::new();
    (&lock).take(HOST_BYTES).read_to_string(&mut owner).ok()?;
    let fate = match owner {
        empty if empty.is_empty() => return None,
        other if other != host() => Fate::OtherHost(other),
        _ if fs::symlink_metadata(path.join(REPLACED)).is_ok() => Fate::HasReplaced,
        _ => match give_back(&path).and_then(|()| fs::remove_dir_all(&path)) {
            Ok(()) => Fate::Removed,
            Err(error) => Fate::Failed(error),
        },
    };
    Some(Leftover { path, fate })
}

/// Removes all that this process is making, for one that ends at once: nothing gets its name from then on.
pub fn abandon_all() {
    let live = hold();
    for path in live.iter() {
        // What cannot be given back stays in the store until a rule of its own removes it.
        let _ = give_back(path);
        // Other threads still write; what they make meanwhile goes with the next attempt. None makes the folder anew.
        for _ in 0..50 {
            match fs::remove_dir_all(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    thread::sleep(Duration::from_millis(20))
                }
                _ if path.exists() => {}
                _ => break,
            }
        }
    }
    mem::forget(live);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a writer leaves that was killed: all but the lock, which the system frees.
    fn dead(folder: &Path, name: &str, host: &str) -> PathBuf {
        let path = folder.join(name);
        fs::create_dir_all(path.join("archive/blobs")).unwrap();
        fs::write(path.join(LOCK), host).unwrap();
        path
    }

    fn fates(folder: &Path) -> Vec<String> {
        let told = |left: Leftover| left.to_string().replace(&format!("{}/", folder.display()), "");
        remove_leftovers(&folder.join("out"))
            .into_iter()
            .map(told)
            .collect()
    }

    #[test]
    fn what_a_dead_writer_left_is_removed_and_told_of() {
        let folder = tempfile::tempdir().unwrap();
        dead(folder.path(), ".mlark-1-0.tmp", &host());
        assert_eq!(
            fates(folder.path()),
            ["removed `.mlark-1-0.tmp`, left behind by an interrupted run"]
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_a_living_writer_makes_stays() {
        let folder = tempfile::tempdir().unwrap();
        let own = TemporaryFolder::create_in(folder.path()).unwrap();
        assert_eq!(fates(folder.path()), [""; 0]);
        assert!(own.path().exists());
        let path = own.path().to_owned();
        drop(own);
        assert!(!path.exists());
    }

    #[test]
    fn what_may_be_in_use_or_is_needed_stays() {
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = dead(folder.path(), ".mlark-1-0.tmp", "elsewhere");
        let never_locked = dead(folder.path(), ".mlark-1-1.tmp", "");
        let replaced = dead(folder.path(), ".mlark-1-2.tmp", &host());
        fs::create_dir(replaced.join(REPLACED)).unwrap();
        let other = dead(folder.path(), ".mlark-notes.tmp", &host());
        assert_eq!(
            fates(folder.path()),
            [
                "`.mlark-1-0.tmp` was made on host `elsewhere`; remove it if no mlark runs there",
                "an interrupted run moved the old output to `.mlark-1-2.tmp/replaced`; move it back, then remove `.mlark-1-2.tmp`",
            ]
        );
        assert!(
            [elsewhere, never_locked, replaced, other]
                .iter()
                .all(|path| path.exists())
        );
    }

    #[test]
    fn a_link_with_such_a_name_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let real = dead(folder.path(), "data", &host());
        std::os::unix::fs::symlink(&real, folder.path().join(".mlark-1-0.tmp")).unwrap();
        assert_eq!(fates(folder.path()), [""; 0]);
        assert!(real.exists());
    }
}
