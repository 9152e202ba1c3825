//! Blobs hashed on several threads while the lines are checked on another.

use super::report::{Finding, Severity, read_finding};
use super::tree::Tree;
use crate::archive::part::finish_digest;
use crate::format::layout::blob_path;
use crate::model::Digest;
use crate::monitor::Monitor;
use sha2::{Digest as _, Sha256};
use std::io::{self, Read};
use std::sync::Mutex;

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
    findings: Mutex<Vec<Finding>>,
}

impl<'t> BlobHashing<'t> {
    pub(super) fn new(tree: &'t Tree<'t>, monitor: &'t dyn Monitor) -> Self {
        BlobHashing {
            tree,
            monitor,
            next: Mutex::new(0),
            findings: Mutex::new(Vec::new()),
        }
    }

    /// Hashes blobs until there are no more; to be run on each thread.
    pub(super) fn work(&self) {
        let mut buffer = vec![0; BUFFER_BYTES];
        while let Some(batch) = self.take_batch() {
            let count = batch.len() as u64;
            for place in batch {
                let (digest, size_bytes) = self.tree.blob_in_file_order(place);
                if let Some(finding) = check_blob(self.tree, &digest, size_bytes, &mut buffer)
                    && let Ok(mut findings) = self.findings.lock()
                {
                    findings.push(finding);
                }
            }
            self.monitor.advance(count);
        }
    }

    fn take_batch(&self) -> Option<std::ops::Range<usize>> {
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

fn check_blob(tree: &Tree<'_>, digest: &Digest, size_bytes: u64, buffer: &mut [u8]) -> Option<Finding> {
    let name = blob_path(digest);
    let read = tree.open(&name).and_then(|reader| hash(reader, buffer));
    let (code, message) = match read {
        Err(error) => return Some(read_finding(&name, &error)),
        Ok((found, _)) if found != *digest => ("digest", format!("it has SHA-256 {found}")),
        Ok((_, read)) if read != size_bytes => ("size", "its size changed while it was read".to_owned()),
        Ok(_) => return None,
    };
    Some(Finding {
        severity: Severity::Error,
        code,
        place: name,
        message,
    })
}

/// Digest and length of what a reader gives.
fn hash(mut reader: impl Read, buffer: &mut [u8]) -> io::Result<(Digest, u64)> {
    let mut hasher = Sha256::new();
    let mut size_bytes = 0;
    loop {
        match reader.read(buffer) {
            Ok(0) => return Ok((finish_digest(hasher), size_bytes)),
            Ok(read) => {
                hasher.update(&buffer[..read]);
                size_bytes += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
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
