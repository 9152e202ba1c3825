//! A file of parts: what one object answered to one question. It is a database of SQLite, in which what a process that died has half
//! written is not there, and is asked for again.

use super::key::Key;
use rusqlite::{Connection, OptionalExtension as _, params};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard};

/// One process has the file, so that the log of changes needs no memory to share; without a wait for the disk at each part.
const SETTINGS: &str =
    "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;";
const TABLE: &str = "CREATE TABLE IF NOT EXISTS parts \
     (object TEXT, freshness BLOB, part TEXT, payload BLOB, PRIMARY KEY (object, freshness, part))";

/// Parts by object, in a file.
pub(crate) struct PartLog(Mutex<Connection>);

impl PartLog {
    /// An empty file.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        File::create(path)?;
        Self::open(path)
    }

    /// A file that is there.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let opened = Connection::open(path).and_then(|connection| {
            connection.execute_batch(SETTINGS)?;
            connection.execute_batch(TABLE)?;
            Ok(connection)
        });
        opened
            .map(|connection| PartLog(Mutex::new(connection)))
            .map_err(io::Error::other)
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(|poison| poison.into_inner())
    }

    /// Number of parts.
    pub(crate) fn len(&self) -> u64 {
        let count = self
            .connection()
            .query_row("SELECT COUNT(*) FROM parts", [], |row| row.get(0));
        count.unwrap_or(0_i64).cast_unsigned()
    }

    /// Adds a part; a later one of the same name takes the place of an earlier one.
    pub(crate) fn append(&self, key: &Key, part: &str, payload: &[u8]) -> io::Result<()> {
        let connection = self.connection();
        let added = connection
            .prepare_cached("INSERT OR REPLACE INTO parts VALUES (?, ?, ?, ?)")
            .and_then(|mut adding| adding.execute(params![key.object(), key.freshness, part, payload]));
        added.map(drop).map_err(io::Error::other)
    }

    /// The names of an object's parts that are as fresh as the key, with the size of each.
    pub(crate) fn names(&self, key: &Key) -> io::Result<BTreeMap<String, usize>> {
        let connection = self.connection();
        let names = connection
            .prepare_cached("SELECT part, length(payload) FROM parts WHERE object = ? AND freshness = ?")
            .and_then(|mut asking| {
                let rows = asking.query_map(params![key.object(), key.freshness], |row| {
                    Ok((row.get(0)?, usize::try_from(row.get::<_, i64>(1)?).unwrap_or(0)))
                })?;
                rows.collect()
            });
        names.map_err(io::Error::other)
    }

    /// The payload of a part that is as fresh as the key.
    pub(crate) fn find(&self, key: &Key, part: &str) -> io::Result<Option<Vec<u8>>> {
        let connection = self.connection();
        let found = connection
            .prepare_cached("SELECT payload FROM parts WHERE object = ? AND freshness = ? AND part = ?")
            .and_then(|mut asking| {
                let found = asking.query_row(params![key.object(), key.freshness, part], |row| row.get(0));
                found.optional()
            });
        found.map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str, freshness: u8) -> Key {
        Key {
            kind: "run",
            id: id.to_owned(),
            freshness: [freshness; 16],
        }
    }

    fn text(log: &PartLog, key: &Key, part: &str) -> Option<String> {
        let found = log.find(key, part).unwrap();
        found.map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn parts_are_found_by_object_freshness_and_name_also_after_reopening() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("parts");
        let log = PartLog::create(&path).unwrap();
        let long = "m".repeat(1_000);
        log.append(&key("a", 1), "x", b"first").unwrap();
        log.append(&key("b", 1), "x", b"of b").unwrap();
        log.append(&key("a", 1), &long, b"").unwrap();
        log.append(&key("a", 1), "x", b"second").unwrap();
        log.append(&key("a", 2), "x", b"newer").unwrap();
        let check = |log: PartLog| {
            assert_eq!(log.len(), 4);
            assert_eq!(text(&log, &key("a", 1), "x").as_deref(), Some("second"));
            assert_eq!(text(&log, &key("a", 2), "x").as_deref(), Some("newer"));
            assert_eq!(text(&log, &key("b", 1), "x").as_deref(), Some("of b"));
            assert_eq!(text(&log, &key("a", 3), "x"), None);
            assert_eq!(text(&log, &key("c", 1), "x"), None);
            let names = log.names(&key("a", 1)).unwrap();
            assert_eq!(names, BTreeMap::from([("x".to_owned(), 6), (long.clone(), 0)]));
        };
        check(log);
        check(PartLog::open(&path).unwrap());
    }

    #[test]
    fn what_is_not_whole_at_the_end_is_not_there_wherever_it_breaks() {
        let folder = tempfile::tempdir().unwrap();
        let (path, written) = (folder.path().join("parts"), folder.path().join("parts-wal"));
        let log = PartLog::create(&path).unwrap();
        log.append(&key("a", 1), "x", b"whole").unwrap();
        let whole = std::fs::metadata(&written).unwrap().len();
        log.append(&key("a", 1), "y", b"torn").unwrap();
        let (file, bytes) = (std::fs::read(&path).unwrap(), std::fs::read(&written).unwrap());
        // As of a process that was killed: nothing is tidied up.
        std::mem::forget(log);
        let killed = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, &file).unwrap();
            std::fs::write(folder.path().join(format!("{name}-wal")), bytes).unwrap();
            PartLog::open(&path).unwrap()
        };
        for size in (usize::try_from(whole).unwrap()..bytes.len()).step_by(101) {
            let log = killed(&size.to_string(), &bytes[..size]);
            assert_eq!((log.len(), text(&log, &key("a", 1), "y")), (1, None), "{size}");
            log.append(&key("a", 1), "y", b"again").unwrap();
            assert_eq!(text(&log, &key("a", 1), "y").as_deref(), Some("again"));
            assert_eq!(text(&log, &key("a", 1), "x").as_deref(), Some("whole"));
        }
        let mut flipped = bytes.clone();
        *flipped.last_mut().unwrap() ^= 1;
        assert_eq!(killed("flipped", &flipped).len(), 1);
        assert_eq!(killed("whole", &bytes).len(), 2);
    }
}
