//! Lines that are not written after all, though what they refer to was stored: they are not counted, and no blob of
//! theirs is left alone.

use super::{ArchiveWriter, Duplicates};
use crate::archive::error::{ArchiveError, Result};
use crate::format::Kind;
use crate::format::manifest::{FileDescriptor, Totals};
use crate::model::{ArtifactFile, ArtifactList, Digest};
use serde::Deserialize;
use serde::de::IgnoredAny;
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
        add_totals(&mut self.totals, totals_of(kind, line));
    }

    /// Takes note of a file that no list holds.
    pub(super) fn file(&mut self, file: &ArtifactFile) {
        add_totals(&mut self.totals, totals_of_file(file));
        self.suspects.extend(file.blob().map(|blob| blob.sha256));
    }
}

#[derive(Deserialize)]
struct Slice {
    values: Vec<IgnoredAny>,
}

/// Points of a slice: the values are numbers and short words, and mostly the last of the line.
pub(crate) fn points(line: &[u8]) -> u64 {
    let plain = || {
        let values = line.strip_suffix(b"]}")?;
        let start = values.iter().rposition(|byte| *byte == b'[')?;
        values[..start].ends_with(b"\"values\":").then(|| {
            let commas = values[start..].iter().filter(|byte| **byte == b',').count();
            commas as u64 + 1
        })
    };
    plain()
        .unwrap_or_else(|| serde_json::from_slice(line).map_or(0, |slice: Slice| slice.values.len() as u64))
}

/// What a line adds to the totals.
pub(crate) fn totals_of(kind: Kind, line: &[u8]) -> Totals {
    let mut totals = Totals::default();
    match kind {
        Kind::Metrics | Kind::ModelMetrics => totals.metric_points = points(line),
        Kind::Artifacts => {
            let list: Option<ArtifactList> = serde_json::from_slice(line).ok();
            let files = list.iter().flat_map(|list| &list.files);
            files.for_each(|file| add_totals(&mut totals, totals_of_file(file)));
        }
        _ => {}
    }
    totals
}

fn totals_of_file(file: &ArtifactFile) -> Totals {
    Totals {
        artifact_files: 1,
        artifact_bytes: file.blob().map_or(0, |blob| blob.size_bytes),
        ..Totals::default()
    }
}

pub(crate) fn add_totals(totals: &mut Totals, more: Totals) {
    let sum = u64::saturating_add;
    totals.metric_points = sum(totals.metric_points, more.metric_points);
    totals.artifact_files = sum(totals.artifact_files, more.artifact_files);
    totals.artifact_bytes = sum(totals.artifact_bytes, more.artifact_bytes);
}

/// The digests that a line refers to.
pub(crate) fn digests_in(line: &[u8]) -> impl Iterator<Item = Digest> {
    memchr::memmem::find_iter(line, REFERENCE).filter_map(|at| {
        let hex = line[at + REFERENCE.len()..].get(..64)?;
        std::str::from_utf8(hex).ok()?.parse().ok()
    })
}

impl ArchiveWriter {
    /// Counts of kinds of which not all lines of the archive that is taken over were read: what the lines that are written say, in place
    /// of what that archive says less what was dropped. Its blobs come at the end, and only those that a line refers to.
    pub(crate) fn count_written(&mut self, kinds: &BTreeSet<Kind>, written: Totals) {
        if kinds.contains(&Kind::Metrics) || kinds.contains(&Kind::ModelMetrics) {
            self.totals.metric_points = written.metric_points;
            self.dropped.totals.metric_points = 0;
        }
        if kinds.contains(&Kind::Artifacts) {
            self.totals.artifact_files = written.artifact_files;
            self.totals.artifact_bytes = written.artifact_bytes;
            self.dropped.totals.artifact_files = 0;
            self.dropped.totals.artifact_bytes = 0;
        }
        let has_references = |kind: &Kind| !matches!(kind, Kind::Metrics | Kind::ModelMetrics);
        self.takes_only_referenced = kinds.iter().any(has_references);
    }

    /// The blobs that lines of these files refer to.
    pub(super) fn referenced(&self, files: &[FileDescriptor]) -> Result<BTreeSet<Digest>> {
        let mut referenced = BTreeSet::new();
        for_each_reference(files, self.output.root(), |digest| {
            referenced.insert(digest);
            true
        })?;
        Ok(referenced)
    }

    /// Takes note of a line of the archive that is taken over which is not written.
    pub fn drop_line(&mut self, kind: Kind, line: &[u8]) {
        self.dropped.line(kind, line);
    }

    /// Takes note of a line of the archive that is taken over which is written with other content.
    pub fn replace_line(&mut self, kind: Kind, before: &[u8], after: &[u8]) {
        let kept: BTreeSet<_> = digests_in(after).collect();
        let gone = digests_in(before).filter(|digest| !kept.contains(digest));
        self.dropped.suspects.extend(gone);
        add_totals(&mut self.dropped.totals, totals_of(kind, before));
        add_totals(&mut self.totals, totals_of(kind, after));
    }

    /// Takes note of what a file of the archive that is taken over refers to, which is not.
    pub(crate) fn drop_references(&mut self, line: &[u8]) {
        self.dropped.suspects.extend(digests_in(line));
    }

    /// Takes what was dropped out of the counts, and blobs that nothing refers to out of the archive; those are given that are
    /// yet to be taken over.
    pub(super) fn settle_dropped(&mut self, files: &[FileDescriptor]) -> Result<BTreeSet<Digest>> {
        let Dropped { totals, mut suspects } = std::mem::take(&mut self.dropped);
        let less = u64::saturating_sub;
        self.totals.metric_points = less(self.totals.metric_points, totals.metric_points);
        self.totals.artifact_files = less(self.totals.artifact_files, totals.artifact_files);
        self.totals.artifact_bytes = less(self.totals.artifact_bytes, totals.artifact_bytes);
        let late = self.late_blobs.as_ref().map(|(archive, _)| archive);
        let is_late = |digest: &Digest| late.is_some_and(|archive| archive.has_blob(digest));
        suspects.retain(|digest| self.blobs.contains(digest) || is_late(digest));
        retain_unreferenced(&mut suspects, files, self.output.root())?;
        let own: BTreeSet<Digest> = suspects.intersection(&self.blobs).copied().collect();
        self.totals.blobs -= own.len() as u64;
        self.totals.blob_bytes -= self.output.remove_blobs(&own)?;
        self.blobs.retain(|digest| !own.contains(digest));
        let is_late = |digest: &Digest| late.is_some_and(|archive| archive.has_blob(digest));
        suspects.retain(is_late);
        Ok(suspects)
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
    if suspects.is_empty() {
        return Ok(());
    }
    for_each_reference(files, root, |digest| {
        suspects.remove(&digest);
        !suspects.is_empty()
    })
}

/// Calls `visit` with each digest that lines of these files refer to, until it says that it has seen enough.
fn for_each_reference(
    files: &[FileDescriptor],
    root: &Path,
    mut visit: impl FnMut(Digest) -> bool,
) -> Result<()> {
    let has_none = [Some(Kind::Metrics), Some(Kind::ModelMetrics)];
    for file in files.iter().filter(|file| !has_none.contains(&file.path.kind())) {
        let path = file.path.below(root);
        let mut lines = BufReader::new(File::open(&path).map_err(ArchiveError::io("open", &path))?);
        let mut line = Vec::new();
        while lines
            .read_until(b'\n', &mut line)
            .map_err(ArchiveError::io("read", &path))?
            > 0
        {
            if !digests_in(&line).all(&mut visit) {
                return Ok(());
            }
            line.clear();
        }
    }
    Ok(())
}
