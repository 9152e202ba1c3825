//! A file written from its start, whose last part can still be patched or cut off cheaply.

use crate::platform::{FileAt as _, copy_in_kernel, write_pieces_at};
use std::fs::File;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::thread::{self, JoinHandle};

use super::profile::MAX_LOCAL_LEN;
use crate::archive::buffers::Buffers;
use crate::archive::remote::ObjectWriter;

/// Small entries live and die in this many bytes without a system call of their own.
const BUFFER_LEN: usize = 1 << 20;
/// How many pieces one system call takes (`IOV_MAX` of Linux).
const MAX_PIECES: usize = 1024;

/// Where the bytes of a zip go.
#[derive(Debug)]
enum Place {
    File(File),
    /// To an object store; what may change is said before.
    Parts(Box<ObjectWriter>),
}

impl Place {
    fn write_all_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        match self {
            Place::File(file) => file.write_all_at(bytes, at),
            Place::Parts(parts) => parts.append(bytes),
        }
    }

    fn patch(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        match self {
            Place::File(file) => file.write_all_at(bytes, at),
            Place::Parts(parts) => parts.patch(at, bytes),
        }
    }

    fn cut(&mut self, to: u64) -> io::Result<()> {
        match self {
            Place::File(file) => file.set_len(to),
            Place::Parts(parts) => parts.cut(to),
        }
    }
}

/// The file under a zip writer: buffered, positioned by itself, patchable.
#[derive(Debug)]
pub(super) struct OutputFile {
    place: Place,
    /// How many bytes are in the file; the queue follows them.
    flushed: u64,
    /// Whole pieces that were handed over, which saves copying them; the buffer follows them.
    queue: Vec<Vec<u8>>,
    queue_len: usize,
    buffer: Vec<u8>,
    /// Where the pieces go when they are in the file.
    pub(super) buffers: Buffers,
    /// Fills the start of the file while more is appended.
    copying: Option<JoinHandle<io::Result<()>>>,
}

impl OutputFile {
    /// Takes a file over and empties it.
    pub(super) fn create(file: File) -> io::Result<Self> {
        file.set_len(0)?;
        Ok(Self::of(Place::File(file)))
    }

    /// The same for an object of a store.
    pub(super) fn in_parts(parts: ObjectWriter) -> Self {
        Self::of(Place::Parts(Box::new(parts)))
    }

    fn of(place: Place) -> Self {
        Self {
            place,
            flushed: 0,
            queue: Vec::new(),
            queue_len: 0,
            buffer: Vec::new(),
            buffers: Buffers::default(),
            copying: None,
        }
    }

    /// Says from where on bytes may be changed, as far as headers go, or cut off.
    pub(super) fn keep_from(&mut self, start: Option<u64>) -> io::Result<()> {
        match &mut self.place {
            Place::File(_) => Ok(()),
            Place::Parts(parts) => parts.keep(start.map(|start| start..start + MAX_LOCAL_LEN as u64)),
        }
    }

    /// Where the next byte goes.
    pub(super) fn position(&self) -> u64 {
        self.buffer_start() + self.buffer.len() as u64
    }

    fn buffer_start(&self) -> u64 {
        self.flushed + self.queue_len as u64
    }

    /// Appends bytes.
    pub(super) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.make_room(bytes.len())?;
        if bytes.len() >= BUFFER_LEN {
            self.place.write_all_at(bytes, self.flushed)?;
            self.flushed += bytes.len() as u64;
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        Ok(())
    }

    /// Appends bytes that the caller has no more use for; they are not copied.
    pub(super) fn write_owned(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        self.make_room(bytes.len())?;
        self.queue_buffer();
        self.queue_len += bytes.len();
        self.queue.push(bytes);
        Ok(())
    }

    /// Writes out what waits if `more` bytes would be too many.
    fn make_room(&mut self, more: usize) -> io::Result<()> {
        let is_full = self.queue_len + self.buffer.len() + more > BUFFER_LEN;
        if is_full || self.queue.len() + 2 > MAX_PIECES {
            self.flush()?;
        }
        Ok(())
    }

    fn queue_buffer(&mut self) {
        if !self.buffer.is_empty() {
            self.queue_len += self.buffer.len();
            self.queue
                .push(std::mem::replace(&mut self.buffer, self.buffers.take(0)));
        }
    }

    /// Replaces bytes already written.
    pub(super) fn patch(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        debug_assert!(at + bytes.len() as u64 <= self.position());
        if at < self.buffer_start() {
            self.flush_queue()?;
        }
        let in_file = self.flushed.saturating_sub(at).min(bytes.len() as u64) as usize;
        let (file_part, buffer_part) = bytes.split_at(in_file);
        if !file_part.is_empty() {
            self.place.patch(file_part, at)?;
        }
        if !buffer_part.is_empty() {
            let start = (at + in_file as u64 - self.buffer_start()) as usize;
            self.buffer[start..start + buffer_part.len()].copy_from_slice(buffer_part);
        }
        Ok(())
    }

    /// Forgets everything from a position on.
    pub(super) fn truncate(&mut self, to: u64) -> io::Result<()> {
        if to < self.buffer_start() {
            self.flush_queue()?;
        }
        match to.checked_sub(self.buffer_start()) {
            Some(kept) => self.buffer.truncate(kept as usize),
            None => {
                self.buffer.clear();
                self.place.cut(to)?;
                self.flushed = to;
            }
        }
        Ok(())
    }

    /// Copies the first `len` bytes of another file to the start of this one, in the kernel where it can.
    ///
    /// The copy goes on beside what is appended, since every write names its place; [`OutputFile::into_file`] waits
    /// for it and has its error. Does not move the position of `source`. On file systems that share blocks the kernel
    /// shares them.
    pub(super) fn copy_from_start(&mut self, source: &File, len: u64) -> io::Result<()> {
        debug_assert_eq!(self.position(), 0);
        let Place::File(file) = &self.place else {
            return self.copy_from(source, 0..len);
        };
        let (source, target) = (source.try_clone()?, file.try_clone()?);
        self.copying = Some(thread::spawn(move || copy_range(&source, &target, 0..len, 0)));
        self.flushed = len;
        Ok(())
    }

    /// Appends bytes of another file, in the kernel where it can.
    pub(super) fn copy_from(&mut self, source: &File, range: Range<u64>) -> io::Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        self.flush()?;
        let len = range.end - range.start;
        match &mut self.place {
            Place::File(file) => copy_range(source, file, range, self.flushed)?,
            Place::Parts(parts) => in_chunks(source, range, |chunk, _| parts.append(chunk))?,
        }
        self.flushed += len;
        Ok(())
    }

    /// Writes out what is buffered, waits for a copy that is under way, and gives the file back, or completes the parts.
    pub(super) fn into_made(mut self) -> io::Result<Made> {
        self.flush()?;
        if let Some(copying) = self.copying.take() {
            let copied = copying.join();
            copied.map_err(|_| io::Error::other("the thread that copied blobs panicked"))??;
        }
        Ok(match self.place {
            Place::File(file) => Made::File(file),
            Place::Parts(parts) => Made::Parts(parts),
        })
    }

    /// Writes out everything where pieces wait that were handed over, which cannot be changed in their place.
    fn flush_queue(&mut self) -> io::Result<()> {
        if self.queue.is_empty() {
            return Ok(());
        }
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.queue.is_empty() {
            self.place.write_all_at(&self.buffer, self.flushed)?;
            self.flushed += self.buffer.len() as u64;
            self.buffer.clear();
            return Ok(());
        }
        self.queue_buffer();
        let at = match &mut self.place {
            Place::File(file) => write_queue(file, &self.queue, self.flushed)?,
            Place::Parts(parts) => {
                self.queue.iter().try_for_each(|piece| parts.append(piece))?;
                self.flushed + self.queue_len as u64
            }
        };
        self.flushed = at;
        self.queue
            .drain(..)
            .for_each(|piece| self.buffers.give_back(piece));
        self.queue_len = 0;
        Ok(())
    }
}

/// A zip whose last byte was written.
#[derive(Debug)]
pub(crate) enum Made {
    File(File),
    Parts(Box<ObjectWriter>),
}

/// Writes pieces one after the other; where they end.
fn write_queue(file: &File, queue: &[Vec<u8>], mut at: u64) -> io::Result<u64> {
    let mut pieces: Vec<IoSlice<'_>> = queue.iter().map(|piece| IoSlice::new(piece)).collect();
    let mut rest = &mut pieces[..];
    while !rest.is_empty() {
        match write_pieces_at(file, rest, at)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => {
                at += written as u64;
                IoSlice::advance_slices(&mut rest, written);
            }
        }
    }
    Ok(at)
}

/// Copies bytes of one file to a place in another.
fn copy_range(source: &File, target: &File, range: Range<u64>, to: u64) -> io::Result<()> {
    let copied = copy_unseen(source, target, range.clone(), to)?;
    copy_by_buffer(source, target, range.start + copied..range.end, to + copied)
}

/// Copies as much as the kernel will and says how much that was.
fn copy_unseen(source: &File, target: &File, range: Range<u64>, to: u64) -> io::Result<u64> {
    let len = range.end - range.start;
    let mut copied = 0;
    while copied < len {
        let most = usize::try_from(len - copied).unwrap_or(usize::MAX).min(1 << 30);
        match copy_in_kernel(source, range.start + copied, target, to + copied, most)? {
            0 => break,
            moved => copied += moved,
        }
    }
    Ok(copied)
}

fn copy_by_buffer(source: &File, target: &File, range: Range<u64>, to: u64) -> io::Result<()> {
    in_chunks(source, range, |chunk, at| target.write_all_at(chunk, to + at))
}

/// Reads bytes of a file in pieces, which come with their distance from the first.
fn in_chunks(
    source: &File,
    range: Range<u64>,
    mut take: impl FnMut(&[u8], u64) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffer = vec![0; (range.end - range.start).min(BUFFER_LEN as u64) as usize];
    let mut position = range.start;
    while position < range.end {
        let chunk = (range.end - position).min(buffer.len() as u64) as usize;
        source.read_exact_at(&mut buffer[..chunk], position)?;
        take(&buffer[..chunk], position - range.start)?;
        position += chunk as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn patches_and_cuts_reach_the_file_and_the_buffer_alike() -> anyhow::Result<()> {
        let file = tempfile::tempfile()?;
        let mut output = OutputFile::create(file)?;
        let mut expected = Vec::new();
        for part in [
            vec![1; 300_000],
            vec![2; BUFFER_LEN],
            vec![3; 10],
            vec![4; BUFFER_LEN - 5],
        ] {
            output.write_all(&part)?;
            expected.extend_from_slice(&part);
        }
        for at in [
            0,
            299_999,
            output.flushed - 2,
            output.flushed,
            output.position() - 4,
        ] {
            output.patch(at, b"abcd")?;
            expected[at as usize..at as usize + 4].copy_from_slice(b"abcd");
        }
        for to in [expected.len() - 7, output.flushed as usize, 200_000] {
            output.truncate(to as u64)?;
            expected.truncate(to);
            assert_eq!(output.position(), to as u64);
        }
        output.write_all(b"tail")?;
        expected.extend_from_slice(b"tail");
        let mut found = Vec::new();
        let Made::File(mut file) = output.into_made()? else {
            panic!("it was a file")
        };
        file.read_to_end(&mut found)?;
        assert!(found == expected);
        Ok(())
    }
}
