//! Runs with their metrics and files, joined in one pass over three kinds of lines, in pieces of bounded size.

use crate::archive::{Archive, Line, Lines, parse_line};
use crate::flow::import::Result;
use crate::format::Kind;
use crate::model::{OwnerKind, Run};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

/// Bytes of lines in one piece, at the most but for its last line.
const PIECE_BYTES: usize = 1 << 20;

/// Some lines of one run.
#[derive(Debug, Default)]
pub(crate) struct Piece {
    /// Lines of metrics.
    pub metrics: Vec<Vec<u8>>,
    /// Lines of artifacts.
    pub artifacts: Vec<Vec<u8>>,
    size_bytes: usize,
}

impl Piece {
    fn is_full(&self) -> bool {
        self.size_bytes >= PIECE_BYTES
    }
}

/// Lines of one kind that each belong to an owner, one line ahead.
pub(crate) struct Owned<'a> {
    lines: Lines<'a>,
    archive: &'a Archive,
    head: fn(&[u8]) -> serde_json::Result<Option<String>>,
    next: Option<(String, Vec<u8>)>,
}

impl<'a> Owned<'a> {
    /// Metric lines by run.
    pub(crate) fn metrics(archive: &'a Archive) -> Result<Self> {
        #[derive(Deserialize)]
        struct Head {
            run_id: String,
        }
        Self::new(archive, Kind::Metrics, |line| {
            serde_json::from_slice(line).map(|head: Head| Some(head.run_id))
        })
    }

    /// Metric lines by logged model.
    pub(crate) fn model_metrics(archive: &'a Archive) -> Result<Self> {
        #[derive(Deserialize)]
        struct Head {
            model_id: String,
        }
        Self::new(archive, Kind::ModelMetrics, |line| {
            serde_json::from_slice(line).map(|head: Head| Some(head.model_id))
        })
    }

    /// Span lines by trace.
    pub(crate) fn spans(archive: &'a Archive) -> Result<Self> {
        #[derive(Deserialize)]
        struct Head {
            trace_id: String,
        }
        Self::new(archive, Kind::Spans, |line| {
            serde_json::from_slice(line).map(|head: Head| Some(head.trace_id))
        })
    }

    /// Artifact lines of runs.
    pub(crate) fn run_artifacts(archive: &'a Archive) -> Result<Self> {
        Self::new(archive, Kind::Artifacts, |line| owner(line, OwnerKind::Run))
    }

    /// Artifact lines of logged models.
    pub(crate) fn model_artifacts(archive: &'a Archive) -> Result<Self> {
        Self::new(archive, Kind::Artifacts, |line| {
            owner(line, OwnerKind::LoggedModel)
        })
    }

    /// Artifact lines of traces.
    pub(crate) fn trace_artifacts(archive: &'a Archive) -> Result<Self> {
        Self::new(archive, Kind::Artifacts, |line| owner(line, OwnerKind::Trace))
    }

    /// Artifact lines of model versions.
    pub(crate) fn version_artifacts(archive: &'a Archive) -> Result<Self> {
        Self::new(archive, Kind::Artifacts, |line| {
            owner(line, OwnerKind::ModelVersion)
        })
    }

    fn new(
        archive: &'a Archive,
        kind: Kind,
        head: fn(&[u8]) -> serde_json::Result<Option<String>>,
    ) -> Result<Self> {
        let mut owned = Owned {
            lines: archive.lines(kind),
            archive,
            head,
            next: None,
        };
        owned.advance()?;
        Ok(owned)
    }

    /// The next line of an owner, where there is one.
    pub(crate) fn take(&mut self, owner: &str) -> Result<Option<Vec<u8>>> {
        if self.next.as_ref().is_none_or(|(found, _)| found != owner) {
            return Ok(None);
        }
        let line = self.next.take().map(|(_, line)| line);
        self.advance()?;
        Ok(line)
    }

    fn advance(&mut self) -> Result<()> {
        while let Some(line) = self.lines.next_line()? {
            let owner = (self.head)(line.bytes)
                .map_err(|error| self.archive.damaged(&line.place(), &error.to_string()))?;
            if let Some(owner) = owner {
                self.next = Some((owner, line.bytes.to_vec()));
                break;
            }
        }
        Ok(())
    }
}

fn owner(line: &[u8], kind: OwnerKind) -> serde_json::Result<Option<String>> {
    #[derive(Deserialize)]
    struct Head {
        owner_id: String,
        owner_kind: OwnerKind,
    }
    let head: Head = serde_json::from_slice(line)?;
    Ok((head.owner_kind == kind).then_some(head.owner_id))
}

/// All runs of an archive, each with its lines.
pub(crate) struct RunFeed<'a> {
    archive: &'a Archive,
    runs: Lines<'a>,
    metrics: Owned<'a>,
    artifacts: Owned<'a>,
}

/// One run of a [`RunFeed`]; its pieces are to be taken before the next run.
pub(crate) struct RunLines<'f, 'a> {
    pub run: Run,
    hasher: Sha256,
    feed: &'f mut RunFeed<'a>,
}

impl<'a> RunFeed<'a> {
    pub(crate) fn new(archive: &'a Archive) -> Result<Self> {
        Ok(RunFeed {
            archive,
            runs: archive.lines(Kind::Runs),
            metrics: Owned::metrics(archive)?,
            artifacts: Owned::run_artifacts(archive)?,
        })
    }

    /// The next run; `salt` goes into the digest.
    pub(crate) fn next<'f>(&'f mut self, salt: &str) -> Result<Option<RunLines<'f, 'a>>> {
        let Some(line) = self.runs.next_line()? else {
            return Ok(None);
        };
        let run: Run = parse(self.archive, &line)?;
        let mut hasher = Sha256::new();
        hasher.update(salt);
        hasher.update(line.bytes);
        Ok(Some(RunLines {
            run,
            hasher,
            feed: self,
        }))
    }
}

impl RunLines<'_, '_> {
    /// The next piece and whether it is the last.
    pub(crate) fn piece(&mut self) -> Result<(Piece, bool)> {
        let mut piece = Piece::default();
        let id = &self.run.info.run_id;
        while !piece.is_full() {
            if let Some(line) = self.feed.metrics.take(id)? {
                self.hasher.update(&line);
                piece.size_bytes += line.len();
                piece.metrics.push(line);
            } else if let Some(line) = self.feed.artifacts.take(id)? {
                self.hasher.update(&line);
                piece.size_bytes += line.len();
                piece.artifacts.push(line);
            } else {
                return Ok((piece, true));
            }
        }
        Ok((piece, false))
    }

    /// Passes over the pieces.
    pub(crate) fn skip(mut self) -> Result<()> {
        while !self.piece()?.1 {}
        Ok(())
    }

    /// The digest of the run and of all its lines so far.
    pub(crate) fn digest(&self) -> u64 {
        short_digest(self.hasher.clone())
    }
}

/// A line's object.
pub(crate) fn parse<T: serde::de::DeserializeOwned>(archive: &Archive, line: &Line<'_>) -> Result<T> {
    let value = parse_line(archive, line)?;
    let object = serde_json::from_value(value);
    Ok(object.map_err(|error| archive.damaged(&line.place(), &error.to_string()))?)
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

/// All lines of an owner.
pub(crate) fn all_of(lines: &mut Owned<'_>, owner: &str) -> Result<Vec<Vec<u8>>> {
    let mut all = Vec::new();
    while let Some(line) = lines.take(owner)? {
        all.push(line);
    }
    Ok(all)
}

/// All lines of an owner, hashed too.
pub(crate) fn take_all(lines: &mut Owned<'_>, owner: &str, hasher: &mut Sha256) -> Result<Vec<Vec<u8>>> {
    let mut all = Vec::new();
    while let Some(line) = lines.take(owner)? {
        hasher.update(&line);
        all.push(line);
    }
    Ok(all)
}
