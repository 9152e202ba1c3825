//! Blobs hashed on several threads while the lines are checked on another.

use super::report::{Finding, Severity, read_finding};
use super::tree::Tree;
use crate::archive::part::finish_digest;
use crate::format::FindingCode as Code;
use crate::format::layout::blob_path;
use crate::model::Digest;
use crate::monitor::Monitor;
use sha2::{Digest as _, Sha256};
use std::io::{self, Read};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes read at once.
const BUFFER_BYTES: usize = 256 << 10;
/// Bytes of blobs that a thread takes at once, at the least.
const BATCH_BYTES: u64 = 2 << 20;
/// Blobs that a thread takes at once, at the most.
const BATCH_BLOBS: usize = 128;

/// Hands out blobs to threads and takes their findings.
pub(super) struct BlobHashing<'t> {
    tree: &'t Tree<'t>,
    monitor: &'t dyn Monitor,
    next: Mutex<usize>,
    is_stopped: AtomicBool,
    findings: Mutex<Vec<Finding>>,
}

impl<'t> BlobHashing<'t> {
    pub(super) fn new(tree: &'t Tree<'t>, monitor: &'t dyn Monitor) -> Self {
        BlobHashing {
            tree,
            monitor,
            next: Mutex::new(0),
            is_stopped: AtomicBool::new(false),
            findings: Mutex::new(Vec::new()),
        }
    }

    /// Hashes blobs until there are no more; to be run on each thread.
    pub(super) fn work(&self) {
        let mut buffer = vec![0; BUFFER_BYTES];
        while let Some(batch) = self.take_batch() {
            let mut batch_bytes = 0_u64;
            for place in batch {
                let (digest, size_bytes) = self.tree.blob_in_file_order(place);
                batch_bytes = batch_bytes.saturating_add(size_bytes);
                let read = self.tree.open_blob(place);
                let read = read.and_then(|reader| hash(reader, size_bytes, &mut buffer));
                if let Some(finding) = blob_finding(read, &digest)
                    && let Ok(mut findings) = self.findings.lock()
                {
                    findings.push(finding);
                }
            }
            self.monitor.advance(batch_bytes);
        }
    }

    /// Ends the work early: nobody wants the findings any more.
    pub(super) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    fn take_batch(&self) -> Option<std::ops::Range<usize>> {
        if self.is_stopped.load(Ordering::Relaxed) {
            return None;
        }
        let count = self.tree.blob_count();
        let mut next = self.next.lock().ok()?;
        let start = *next;
        let mut end = start;
        let mut bytes = 0;
        while end < count && end - start < BATCH_BLOBS && bytes < BATCH_BYTES {
            bytes += self.tree.blob_in_file_order(end).1;
            end += 1;
        }
        *next = end;
        (start < end).then_some(start..end)
    }

    /// What was found, in the order of names.
    pub(super) fn into_findings(self) -> Vec<Finding> {
        let mut findings = self
            .findings
            .into_inner()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        findings.sort_by(|a, b| a.place.cmp(&b.place));
        findings
    }
}

fn blob_finding(read: io::Result<Digest>, digest: &Digest) -> Option<Finding> {
    match read {
        Err(error) => Some(read_finding(&blob_path(digest), &error)),
        Ok(found) if found == *digest => None,
        Ok(found) => Some(Finding {
            severity: Severity::Error,
            code: Code::Digest,
            place: blob_path(digest),
            message: format!("it has SHA-256 {found}"),
        }),
    }
}

/// Digest of what a reader gives, up to a size.
fn hash(mut reader: impl Read, size_bytes: u64, buffer: &mut [u8]) -> io::Result<Digest> {
    let mut hasher = Sha256::new();
    let mut read_bytes = 0;
    loop {
        match reader.read(buffer) {
            Ok(0) => break,
            Ok(read) => {
                hasher.update(&buffer[..read]);
                read_bytes += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        // All is there, and asking for more would be a call into the kernel for each blob.
        if read_bytes >= size_bytes {
            break;
        }
    }
    Ok(finish_digest(hasher))
}

/// One bit for each blob.
pub(super) struct BlobBits(Vec<u64>);

impl BlobBits {
    pub(super) fn new(count: usize) -> Self {
        BlobBits(vec![0; count.div_ceil(64)])
    }

    /// Sets a bit; whether it was set before.
    pub(super) fn set(&mut self, rank: usize) -> bool {
        let (word, bit) = (rank / 64, 1 << (rank % 64));
        let was_set = self.0[word] & bit != 0;
        self.0[word] |= bit;
        was_set
    }

    /// Places below `count` whose bits are not set.
    pub(super) fn unset(&self, count: usize) -> impl Iterator<Item = usize> {
        (0..count).filter(|rank| self.0[rank / 64] & (1 << (rank % 64)) == 0)
    }
}
