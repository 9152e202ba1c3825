//! The lines that belong to a run, in chunks of bounded size.

use crate::archive::walk::JoinedObjects;
use crate::flow::import::Result;
use crate::format::Kind;
use crate::model::Run;
use sha2::{Digest as _, Sha256};

/// Bytes of lines in one chunk, at the most but for its last line.
const CHUNK_BYTES: usize = 1 << 20;

/// Some lines of one run.
pub(crate) struct RunChunk {
    /// Lines of metrics.
    pub metrics: Vec<Vec<u8>>,
    /// Lines of artifacts.
    pub artifacts: Vec<Vec<u8>>,
    /// Whether no others follow.
    pub is_last: bool,
}

impl RunChunk {
    /// The kinds of lines that runs must be joined with.
    pub(crate) const KINDS: [Kind; 2] = [Kind::Metrics, Kind::Artifacts];

    /// The next lines of the run that was taken last.
    pub(crate) fn next(runs: &mut JoinedObjects<'_, Run>) -> Result<Self> {
        let mut room_bytes = CHUNK_BYTES;
        let [metrics, artifacts] = Self::KINDS.map(|kind| runs.next_lines(kind, &mut room_bytes));
        Ok(RunChunk {
            metrics: metrics?,
            artifacts: artifacts?,
            is_last: room_bytes > 0,
        })
    }

    /// Adds the lines to a digest.
    pub(crate) fn hash(&self, hasher: &mut Sha256) {
        hash_lines(hasher, &self.metrics);
        hash_lines(hasher, &self.artifacts);
    }
}

/// Adds lines to a digest.
pub(crate) fn hash_lines(hasher: &mut Sha256, lines: &[Vec<u8>]) {
    lines.iter().for_each(|line| hasher.update(line));
}

/// The first 8 bytes of a SHA-256, never 0, which means that nothing has arrived.
pub(crate) fn short_digest(hasher: Sha256) -> u64 {
    let digest = hasher.finalize();
    let bytes = digest
        .iter()
        .take(8)
        .fold(0, |number, byte| number << 8 | u64::from(*byte));
    std::cmp::max(bytes, 1)
}
