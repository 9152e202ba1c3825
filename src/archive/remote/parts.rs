//! A zip that goes to an object store while it is written: its bytes by parts, in bounded memory.
//!
//! The header of an entry is known at the entry's end only, so the part that it lies in waits, and those after it go ahead. What is cut off
//! again after it was sent is sent anew under the same number.

use super::RemoteUpload;
use std::cmp::Ordering;
use std::io;
use std::ops::Range;

/// Bytes of the first parts; stores want 5 MiB at the least.
pub(crate) const PART_BYTES: usize = 8 << 20;
/// Parts of an upload, at the most.
pub(crate) const MOST_PARTS: usize = 10_000;
/// After so many parts they are twice as large: nobody knows how long the zip will be.
const PARTS_OF_A_SIZE: usize = 2_000;

/// Bytes of a part by its number, from 0.
fn part_bytes(number: usize) -> usize {
    PART_BYTES << (number / PARTS_OF_A_SIZE)
}

/// A part that is not sent yet.
#[derive(Debug)]
struct Part {
    number: usize,
    start: u64,
    bytes: Vec<u8>,
}

impl Part {
    fn new(number: usize, start: u64) -> Self {
        Part {
            number,
            start,
            bytes: Vec::with_capacity(part_bytes(number)),
        }
    }

    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// The place of a byte in it.
    fn place(&self, at: u64) -> usize {
        usize::try_from(at - self.start).unwrap_or(usize::MAX)
    }
}

/// See the module.
pub(crate) struct ObjectWriter {
    upload: Box<dyn RemoteUpload>,
    /// Whole parts with bytes that may change, first to last.
    held: Vec<Part>,
    last: Part,
    /// What may change, or is cut off from there on.
    kept: Option<Range<u64>>,
}

impl std::fmt::Debug for ObjectWriter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ObjectWriter").finish_non_exhaustive()
    }
}

impl ObjectWriter {
    pub(crate) fn new(upload: Box<dyn RemoteUpload>) -> Self {
        ObjectWriter {
            upload,
            held: Vec::new(),
            last: Part::new(0, 0),
            kept: None,
        }
    }

    /// Says which bytes may still be changed, and from where on all may be cut off.
    pub(crate) fn keep(&mut self, kept: Option<Range<u64>>) -> io::Result<()> {
        self.kept = kept;
        let (held, free) = std::mem::take(&mut self.held)
            .into_iter()
            .partition(|part| self.is_kept(part));
        self.held = held;
        free.into_iter().try_for_each(|part: Part| self.send(part))
    }

    fn is_kept(&self, part: &Part) -> bool {
        let kept = self.kept.as_ref();
        kept.is_some_and(|kept| kept.start < part.end() && part.start < kept.end)
    }

    fn send(&mut self, part: Part) -> io::Result<()> {
        self.upload.send(part.number, part.bytes)
    }

    /// Appends bytes.
    pub(crate) fn append(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let room = part_bytes(self.last.number) - self.last.bytes.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.last.bytes.extend_from_slice(now);
            bytes = later;
            if now.len() == room {
                self.begin_part()?;
            }
        }
        Ok(())
    }

    /// Goes on to the next part.
    fn begin_part(&mut self) -> io::Result<()> {
        let number = self.last.number + 1;
        if number == MOST_PARTS {
            return Err(io::Error::other(
                "a zip in an object store can have at most 484 GiB: write a directory, export in shards, or make several zips with `mlark split`",
            ));
        }
        let next = Part::new(number, self.last.end());
        let whole = std::mem::replace(&mut self.last, next);
        if self.is_kept(&whole) {
            self.held.push(whole);
            return Ok(());
        }
        self.send(whole)
    }

    /// Replaces bytes that were kept.
    pub(crate) fn patch(&mut self, mut at: u64, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let parts = self.held.iter_mut().chain([&mut self.last]);
            let mut parts = parts.filter(|part| (part.start..part.end()).contains(&at));
            let part = parts.next().ok_or_else(is_sent)?;
            let start = part.place(at);
            let count = bytes.len().min(part.bytes.len() - start);
            part.bytes[start..start + count].copy_from_slice(&bytes[..count]);
            (at, bytes) = (at + count as u64, &bytes[count..]);
        }
        Ok(())
    }

    /// Forgets everything from a kept position on.
    pub(crate) fn cut(&mut self, to: u64) -> io::Result<()> {
        while to < self.last.start {
            let before = self.held.pop().ok_or_else(is_sent)?;
            self.last = match before.end().cmp(&to) {
                Ordering::Greater => before,
                // The parts after it were sent; they are sent anew.
                Ordering::Equal => {
                    let next = Part::new(before.number + 1, to);
                    self.held.push(before);
                    next
                }
                Ordering::Less => return Err(is_sent()),
            };
        }
        self.last.bytes.truncate(self.last.place(to));
        Ok(())
    }

    /// Puts the object together: all of it is there under its name, or nothing.
    pub(crate) fn complete(mut self) -> io::Result<()> {
        self.keep(None)?;
        let size_bytes = self.last.end();
        let Part { number, bytes, .. } = self.last;
        if number == 0 {
            return self.upload.whole(bytes);
        }
        let mut count = number;
        if !bytes.is_empty() {
            self.upload.send(number, bytes)?;
            count += 1;
        }
        self.upload.complete(count, size_bytes)
    }
}

fn is_sent() -> io::Error {
    io::Error::other("bytes that are already uploaded cannot be changed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    /// Parts by number, and the object when it is whole.
    type Sent = Arc<Mutex<(BTreeMap<usize, Vec<u8>>, Option<Vec<u8>>)>>;

    struct Memory(Sent);

    impl RemoteUpload for Memory {
        fn send(&mut self, number: usize, bytes: Vec<u8>) -> io::Result<()> {
            self.0.lock().unwrap().0.insert(number, bytes);
            Ok(())
        }

        fn whole(&mut self, bytes: Vec<u8>) -> io::Result<()> {
            self.0.lock().unwrap().1 = Some(bytes);
            Ok(())
        }

        fn complete(&mut self, parts: usize, size_bytes: u64) -> io::Result<()> {
            let mut sent = self.0.lock().unwrap();
            let whole: Vec<u8> = (0..parts).flat_map(|number| sent.0[&number].clone()).collect();
            assert_eq!(whole.len() as u64, size_bytes);
            let last = parts - 1;
            assert!((0..last).all(|number| sent.0[&number].len() == PART_BYTES));
            assert!(sent.0[&last].len() <= PART_BYTES);
            sent.1 = Some(whole);
            Ok(())
        }
    }

    /// Bytes that tell their places.
    fn bytes(from: u64, count: usize) -> Vec<u8> {
        (from..).take(count).map(|at| (at / 7 + at) as u8).collect()
    }

    #[test]
    fn entries_of_any_length_are_patched_and_cut_as_in_a_file() {
        const PART: usize = PART_BYTES;
        for lengths in [
            &[10, 20][..],
            &[PART - 5, 3 * PART, 20],
            &[PART, PART, PART + 1],
            &[PART - 100, 2 * PART + 50],
            &[PART - 30, 7],
        ] {
            let sent = Sent::default();
            let mut writer = ObjectWriter::new(Box::new(Memory(sent.clone())));
            let mut expected = Vec::new();
            for (number, &length) in lengths.iter().enumerate() {
                // Given up once, then written.
                for is_kept in [false, true] {
                    let start = expected.len() as u64;
                    writer.keep(Some(start..start + 90)).unwrap();
                    writer.append(&[0; 60]).unwrap();
                    writer.append(&bytes(start, length)).unwrap();
                    let held: usize = writer.held.iter().map(|part| part.bytes.len()).sum();
                    assert!(held <= 2 * PART, "{held}");
                    if is_kept {
                        let header = [number as u8 + 1; 60];
                        writer.patch(start, &header).unwrap();
                        expected.extend(header);
                        expected.extend(bytes(start, length));
                    } else {
                        writer.cut(start + 60).unwrap();
                        writer.append(b"another").unwrap();
                        writer.cut(start).unwrap();
                    }
                }
            }
            writer.complete().unwrap();
            assert!(
                sent.lock().unwrap().1.as_deref() == Some(&expected[..]),
                "{lengths:?}"
            );
        }
    }

    #[test]
    fn what_was_sent_cannot_be_changed_unseen() {
        let mut writer = ObjectWriter::new(Box::new(Memory(Sent::default())));
        writer.append(&bytes(0, PART_BYTES + 9)).unwrap();
        assert!(writer.patch(5, b"x").is_err());
        assert!(writer.cut(5).is_err());
        let most: u64 = (0..MOST_PARTS).map(|number| part_bytes(number) as u64).sum();
        assert_eq!(most >> 30, 484);
    }
}
