//! The lines that belong to a run, in chunks of bounded size.

use crate::archive::Archive;
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

/// Digests of runs that come in several chunks: of such a run all is read before anything of it is sent.
pub(crate) struct RunDigests<'a> {
    archive: &'a Archive,
    /// A second reader, opened where it is needed.
    runs: Option<JoinedObjects<'a, Run>>,
}

impl<'a> RunDigests<'a> {
    pub(crate) fn new(archive: &'a Archive) -> Self {
        RunDigests { archive, runs: None }
    }

    /// The digest of a run's lines, after those of runs that come before it were asked for.
    pub(crate) fn of(&mut self, run_id: &str, salt: &str) -> Result<u64> {
        let runs = match &mut self.runs {
            Some(runs) => runs,
            runs => runs.insert(JoinedObjects::new(self.archive, &RunChunk::KINDS)?),
        };
        while let Some(run) = runs.next()? {
            if run.info.run_id != run_id {
                continue;
            }
            let mut hasher = Sha256::new_with_prefix(salt).chain_update(runs.line());
            loop {
                let chunk = RunChunk::next(runs)?;
                chunk.hash(&mut hasher);
                if chunk.is_last {
                    return Ok(short_digest(hasher));
                }
            }
        }
        let detail = "a run that was there before is gone";
        Err(self.archive.damaged("objects/runs", detail).into())
    }
}

/// Adds lines to a digest.
pub(crate) fn hash_lines(hasher: &mut Sha256, lines: &[Vec<u8>]) {
    lines.iter().for_each(|line| hasher.update(line));
}

/// The first 8 bytes of a SHA-256, never 0, which means that nothing has arrived.
pub(crate) fn short_digest(hasher: Sha256) -> u64 {
    let digest = hasher.finalize();
    let bytes = digest.first_chunk().expect("a digest has 32 bytes");
    u64::from_be_bytes(*bytes).max(1)
}
