//! An append-only file of parts: what one object answered to one question, each with its checksum.
//!
//! ```text
//! record = length u32, CRC-32 u32 of the rest, previous u64, freshness [16],
//!          length of object u32, length of part u32, object, part, payload       (integers little-endian)
//! ```
//! The records of an object form a chain through `previous`, so that memory holds one offset an object. A record that
//! is not whole ends the file: what a process that died has half written is asked for again.

use super::key::{FRESHNESS_BYTES, Key};
use crate::platform::FileAt as _;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Mutex, MutexGuard};

/// Bytes of a record before its texts.
const HEAD: usize = 8 + 8 + FRESHNESS_BYTES + 8;
/// No record comes before.
const NONE: u64 = u64::MAX;
/// The largest record that is believed.
const RECORD_BYTES: u32 = 1 << 30;

/// Parts by object, in a file.
pub(crate) struct PartLog {
    file: File,
    state: Mutex<State>,
}

struct State {
    end: u64,
    /// Offset of the latest record of each object, by the hash of its name.
    last: HashMap<u64, u64>,
    parts: u64,
}

/// Where a part lies.
#[derive(Debug, Clone, Copy)]
struct Place {
    at: u64,
    size_bytes: usize,
}

/// A record without its payload.
struct Head {
    previous: u64,
    freshness: [u8; FRESHNESS_BYTES],
    object: String,
    part: String,
    payload: Place,
}

impl PartLog {
    /// An empty file.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)?;
        Ok(PartLog::of(file))
    }

    /// A file that is there, up to its last whole record.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::options().read(true).write(true).open(path)?;
        let mut log = PartLog::of(file);
        let end = log.read_all()?;
        log.file.set_len(end)?;
        Ok(log)
    }

    fn of(file: File) -> Self {
        PartLog {
            file,
            state: Mutex::new(State {
                end: 0,
                last: HashMap::new(),
                parts: 0,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poison| poison.into_inner())
    }

    /// Number of parts.
    pub(crate) fn len(&self) -> u64 {
        self.state().parts
    }

    fn read_all(&mut self) -> io::Result<u64> {
        let size_bytes = self.file.metadata()?.len();
        let mut reader = BufReader::with_capacity(256 << 10, &self.file);
        reader.seek(SeekFrom::Start(0))?;
        let state = self.state.get_mut().unwrap_or_else(|poison| poison.into_inner());
        let mut record = Vec::new();
        while read_record(&mut reader, size_bytes - state.end, &mut record)? {
            let Some(head) = parse(&record, state.end) else {
                break;
            };
            state.last.insert(hash(&head.object), state.end);
            state.parts += 1;
            state.end += record.len() as u64;
        }
        Ok(state.end)
    }

    /// Adds a part; a later one of the same name takes the place of an earlier one.
    pub(crate) fn append(&self, key: &Key, part: &str, payload: &[u8]) -> io::Result<()> {
        let object = key.object();
        let size_bytes = HEAD + object.len() + part.len() + payload.len();
        let length = u32::try_from(size_bytes)
            .ok()
            .filter(|size| *size <= RECORD_BYTES);
        let length = length.ok_or_else(|| io::Error::other("a part exceeds 1 GiB"))?;
        let mut record = Vec::with_capacity(size_bytes);
        record.extend(length.to_le_bytes());
        record.extend([0; 4 + 8]);
        record.extend(key.freshness);
        // Both are shorter than the record.
        record.extend((object.len() as u32).to_le_bytes());
        record.extend((part.len() as u32).to_le_bytes());
        record.extend(object.as_bytes());
        record.extend(part.as_bytes());
        record.extend(payload);
        let hash = hash(&object);
        let mut state = self.state();
        let previous = state.last.get(&hash).copied().unwrap_or(NONE);
        record[8..16].copy_from_slice(&previous.to_le_bytes());
        let checksum = crc32fast::hash(&record[8..]);
        record[4..8].copy_from_slice(&checksum.to_le_bytes());
        self.file.write_all_at(&record, state.end)?;
        let at = state.end;
        state.last.insert(hash, at);
        state.parts += 1;
        state.end += record.len() as u64;
        Ok(())
    }

    /// The names of an object's parts, with the size of each.
    pub(crate) fn names(&self, key: &Key) -> io::Result<BTreeMap<String, usize>> {
        let mut names = BTreeMap::new();
        self.walk(key, |head| {
            names.entry(head.part).or_insert(head.payload.size_bytes);
            true
        })?;
        Ok(names)
    }

    /// The latest payload of a part.
    pub(crate) fn find(&self, key: &Key, part: &str) -> io::Result<Option<Vec<u8>>> {
        let mut place = None;
        self.walk(key, |head| {
            if head.part == part {
                place = Some(head.payload);
            }
            place.is_none()
        })?;
        let Some(Place { at, size_bytes }) = place else {
            return Ok(None);
        };
        let mut payload = vec![0; size_bytes];
        self.file.read_exact_at(&mut payload, at)?;
        Ok(Some(payload))
    }

    /// Hands out the records of an object that are as fresh as the key, the latest first, until `visit` has enough.
    fn walk(&self, key: &Key, mut visit: impl FnMut(Head) -> bool) -> io::Result<()> {
        let object = key.object();
        let mut at = self.state().last.get(&hash(&object)).copied().unwrap_or(NONE);
        while at != NONE {
            let head = self.head(at)?;
            at = head.previous;
            // Two names may have one hash.
            let is_of_key = head.object == object && head.freshness == key.freshness;
            if is_of_key && !visit(head) {
                break;
            }
        }
        Ok(())
    }

    fn head(&self, at: u64) -> io::Result<Head> {
        // Most texts are short; longer ones take a second reading.
        let mut bytes = vec![0; HEAD + 256];
        let read = self.file.read_at(&mut bytes, at)?;
        bytes.truncate(read);
        if let Some(missing) = text_bytes(&bytes)
            .map(|texts| HEAD + texts)
            .filter(|size| *size > read)
        {
            bytes.resize(missing, 0);
            self.file.read_exact_at(&mut bytes, at)?;
        }
        parse(&bytes, at).ok_or_else(|| io::Error::other("a record is not what it was"))
    }
}

/// Reads the next record; none at the end, or where it is not whole.
fn read_record(reader: &mut impl Read, left: u64, record: &mut Vec<u8>) -> io::Result<bool> {
    let mut length = [0; 4];
    if left < HEAD as u64 {
        return Ok(false);
    }
    reader.read_exact(&mut length)?;
    let size = u32::from_le_bytes(length);
    if size > RECORD_BYTES || u64::from(size) > left || (size as usize) < HEAD {
        return Ok(false);
    }
    record.clear();
    record.extend(length);
    reader.take(u64::from(size) - 4).read_to_end(record)?;
    let stated = u32::from_le_bytes(record[4..8].try_into().expect("four bytes"));
    Ok(record.len() == size as usize && crc32fast::hash(&record[8..]) == stated)
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..at + 4)?.try_into().ok()?;
    usize::try_from(u32::from_le_bytes(bytes)).ok()
}

/// Bytes of the two texts of a record.
fn text_bytes(record: &[u8]) -> Option<usize> {
    number(record, HEAD - 8)?.checked_add(number(record, HEAD - 4)?)
}

/// Takes a record's head apart; its payload need not be there.
fn parse(record: &[u8], at: u64) -> Option<Head> {
    let (size, texts) = (number(record, 0)?, text_bytes(record)?);
    let object = record.get(HEAD..HEAD + number(record, HEAD - 8)?)?;
    let part = record.get(HEAD + object.len()..HEAD + texts)?;
    let text = |bytes: &[u8]| Some(std::str::from_utf8(bytes).ok()?.to_owned());
    Some(Head {
        previous: u64::from_le_bytes(record.get(8..16)?.try_into().ok()?),
        freshness: record.get(16..16 + FRESHNESS_BYTES)?.try_into().ok()?,
        object: text(object)?,
        part: text(part)?,
        payload: Place {
            at: at + (HEAD + texts) as u64,
            size_bytes: size.checked_sub(HEAD + texts)?,
        },
    })
}

fn hash(object: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    object.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str, freshness: u8) -> Key {
        Key {
            kind: "run",
            id: id.to_owned(),
            freshness: [freshness; FRESHNESS_BYTES],
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
        for log in [log, PartLog::open(&path).unwrap()] {
            assert_eq!(log.len(), 5);
            assert_eq!(text(&log, &key("a", 1), "x").as_deref(), Some("second"));
            assert_eq!(text(&log, &key("a", 2), "x").as_deref(), Some("newer"));
            assert_eq!(text(&log, &key("b", 1), "x").as_deref(), Some("of b"));
            assert_eq!(text(&log, &key("a", 3), "x"), None);
            assert_eq!(text(&log, &key("c", 1), "x"), None);
            let names = log.names(&key("a", 1)).unwrap();
            assert_eq!(names, BTreeMap::from([("x".to_owned(), 6), (long.clone(), 0)]));
        }
    }

    #[test]
    fn what_is_not_whole_at_the_end_is_cut_off_wherever_it_breaks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("parts");
        let log = PartLog::create(&path).unwrap();
        log.append(&key("a", 1), "x", b"whole").unwrap();
        let whole = std::fs::metadata(&path).unwrap().len();
        log.append(&key("a", 1), "y", b"torn").unwrap();
        let bytes = std::fs::read(&path).unwrap();
        for size in usize::try_from(whole).unwrap()..bytes.len() {
            std::fs::write(&path, &bytes[..size]).unwrap();
            let log = PartLog::open(&path).unwrap();
            assert_eq!((log.len(), text(&log, &key("a", 1), "y")), (1, None), "{size}");
            log.append(&key("a", 1), "y", b"again").unwrap();
            let log = PartLog::open(&path).unwrap();
            assert_eq!(text(&log, &key("a", 1), "y").as_deref(), Some("again"));
            assert_eq!(text(&log, &key("a", 1), "x").as_deref(), Some("whole"));
        }
        let mut flipped = bytes.clone();
        *flipped.last_mut().unwrap() ^= 1;
        std::fs::write(&path, &flipped).unwrap();
        assert_eq!(PartLog::open(&path).unwrap().len(), 1);
    }
}
