//! Lines that are not written after all, though what they refer to was stored: they are not counted, and no blob of
//! theirs is left alone.

use super::{ArchiveWriter, Duplicates};
use crate::archive::error::{ArchiveError, Result};
use crate::format::manifest::{FileDescriptor, Totals};
use crate::format::{Kind, strict_json};
use crate::model::{ArtifactFile, ArtifactList, Digest};
use serde::Deserialize as _;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// What comes before each digest that a line refers to. Within a text its quotes would be escaped.
const REFERENCE: &[u8] = b"\"sha256\":\"";

/// What dropped lines would have counted, and the blobs that perhaps nothing else refers to.
#[derive(Default)]
pub(super) struct Dropped {
    totals: Totals,
    suspects: BTreeSet<Digest>,
}

impl Dropped {
    /// Takes note of a line.
    pub(super) fn line(&mut self, kind: Kind, line: &[u8]) {
        self.suspects.extend(digests_in(line));
        let Ok(value) = strict_json::parse(line) else {
            return;
        };
        match kind {
            Kind::Metrics | Kind::ModelMetrics => {
                self.totals.metric_points += value["timestamps"].as_array().map_or(0, Vec::len) as u64;
            }
            Kind::Artifacts => {
                let list = ArtifactList::deserialize(value);
                list.iter()
                    .flat_map(|list| &list.files)
                    .for_each(|file| self.file(file));
            }
            _ => {}
        }
    }

    /// Takes note of a file that no list holds.
    pub(super) fn file(&mut self, file: &ArtifactFile) {
        self.totals.artifact_files += 1;
        if let Some(blob) = file.blob() {
            self.totals.artifact_bytes += blob.size_bytes;
            self.suspects.insert(blob.sha256);
        }
    }
}

/// The digests that a line refers to.
pub(crate) fn digests_in(line: &[u8]) -> impl Iterator<Item = Digest> {
    let places = line.windows(REFERENCE.len()).enumerate();
    places
        .filter(|(_, window)| *window == REFERENCE)
        .filter_map(|(at, _)| {
            let hex = line[at + REFERENCE.len()..].get(..64)?;
            std::str::from_utf8(hex).ok()?.parse().ok()
        })
}

impl ArchiveWriter {
    /// Takes what was dropped out of the counts, and blobs that nothing refers to out of the archive.
    pub(super) fn settle_dropped(&mut self, files: &[FileDescriptor]) -> Result<()> {
        let Dropped { totals, mut suspects } = std::mem::take(&mut self.dropped);
        self.totals.metric_points -= totals.metric_points;
        self.totals.artifact_files -= totals.artifact_files;
        self.totals.artifact_bytes -= totals.artifact_bytes;
        suspects.retain(|digest| self.blobs.contains(digest));
        retain_unreferenced(&mut suspects, files, self.output.root())?;
        self.totals.blobs -= suspects.len() as u64;
        self.totals.blob_bytes -= self.output.remove_blobs(&suspects)?;
        self.blobs.retain(|digest| !suspects.contains(digest));
        Ok(())
    }

    /// Closes the files of lines; the blobs among `suspects` that no line refers to. Blobs of other archives are then
    /// taken over without them.
    ///
    /// # Errors
    /// The files cannot be completed or read.
    pub(crate) fn unreferenced(&mut self, mut suspects: BTreeSet<Digest>) -> Result<BTreeSet<Digest>> {
        let files = self.finish_files(Duplicates::Refuse)?;
        retain_unreferenced(&mut suspects, &files, self.output.root())?;
        self.adopted = files;
        Ok(suspects)
    }
}

/// Leaves only blobs that no line of these files refers to.
fn retain_unreferenced(suspects: &mut BTreeSet<Digest>, files: &[FileDescriptor], root: &Path) -> Result<()> {
    for file in files {
        if suspects.is_empty() {
            return Ok(());
        }
        let path = file.path.below(root);
        let mut lines = BufReader::new(File::open(&path).map_err(ArchiveError::io("open", &path))?);
        let mut line = Vec::new();
        while lines
            .read_until(b'\n', &mut line)
            .map_err(ArchiveError::io("read", &path))?
            > 0
        {
            for digest in digests_in(&line) {
                suspects.remove(&digest);
            }
            line.clear();
        }
    }
    Ok(())
}
