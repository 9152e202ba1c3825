//! Where the lines of the result go, and what is counted of them; without a writer they are only counted.

use super::Result;
use super::book::{Identity, OriginTable};
use super::plan::Plan;
use super::shards::Links;
use super::source::Owner;
use crate::archive::{ArchiveWriter, PartWriter, digests_in, points};
use crate::format::line::{canonical, to_value};
use crate::format::origin::Origins;
use crate::format::{ArchivePath, Kind, OriginLine, SortKey};
use crate::model::Digest;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::{BTreeMap, BTreeSet};

/// The result being made.
pub(super) struct MergeOutput {
    pub(super) writer: Option<ArchiveWriter>,
    /// Lines by kind.
    pub(super) lines: BTreeMap<String, u64>,
    /// Blobs of lines that are left out, which perhaps nothing else refers to.
    pub(super) suspects: BTreeSet<Digest>,
    origins: Option<PartWriter>,
    /// What shards know of links of others' traces.
    links: Links,
}

/// Whether each object of a further origin is told.
fn is_told(kind: Kind) -> bool {
    match kind {
        Kind::Experiments | Kind::Runs | Kind::LoggedModels | Kind::RegisteredModels => true,
        Kind::ModelVersions | Kind::Traces | Kind::EvaluationDatasets | Kind::Scorers => true,
        Kind::Workspaces | Kind::Datasets | Kind::Metrics | Kind::ModelMetrics => false,
        Kind::Spans | Kind::DatasetRecords | Kind::Artifacts => false,
    }
}

impl MergeOutput {
    pub(super) fn new(writer: Option<ArchiveWriter>, links: Links) -> Self {
        let origins = writer
            .as_ref()
            .map(|writer| PartWriter::single(writer.root(), ArchivePath::origins()));
        MergeOutput {
            writer,
            lines: BTreeMap::new(),
            suspects: BTreeSet::new(),
            origins,
            links,
        }
    }

    /// Writes a line.
    pub(super) fn write(&mut self, kind: Kind, key: SortKey, id: &str, line: &[u8]) -> Result<()> {
        *self.lines.entry(kind.name().to_owned()).or_default() += 1;
        let linked = self.links.put_into(kind, id, line);
        let line = linked.as_deref().unwrap_or(line);
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        count(writer, kind, line);
        Ok(writer.write_line(kind, key, id, line)?)
    }

    /// Takes note of a line that is left out.
    pub(super) fn drop(&mut self, line: &[u8]) {
        if self.writer.is_some() {
            self.suspects.extend(digests_in(line));
        }
    }

    /// Says which origins know an object, where they are others than the result's or call it otherwise; `sides` are the archives
    /// that have it.
    pub(super) fn origins<'o>(
        &mut self,
        plan: &Plan,
        kind: Kind,
        owner: &Owner,
        sides: impl Iterator<Item = (usize, &'o Owner)>,
    ) -> Result<()> {
        let Some(file) = self.origins.as_mut().filter(|_| plan.table.origins.len() > 1) else {
            return Ok(());
        };
        if !is_told(kind) {
            return Ok(());
        }
        let workspace = owner.workspace.as_deref();
        let mut told: Vec<Identity> = Vec::new();
        for (at, side) in sides {
            for identity in plan.inputs[at].book.identities(kind, workspace, &side.old_id)? {
                if !told.contains(&identity) {
                    told.push(identity);
                }
            }
        }
        // What the result's own origin knows by the same id goes without saying.
        if let Some(own) = told
            .iter()
            .position(|known| known.origin == 0 && known.id == owner.id)
        {
            told[..=own].rotate_right(1);
        }
        for (number, identity) in told.into_iter().enumerate() {
            if number == 0 && identity.origin == 0 && identity.id == owner.id {
                continue;
            }
            let line = OriginLine {
                joined: number > 0,
                kind,
                origin: plan.table.name(identity.origin).to_owned(),
                origin_id: Some(identity.id).filter(|id| *id != owner.id),
                workspace: owner.workspace.clone(),
                id: owner.id.clone(),
            };
            file.write_line(&canonical(&to_value(&line)))?;
        }
        Ok(())
    }

    /// Completes what is said of origins.
    pub(super) fn finish_origins(&mut self, table: &OriginTable) -> Result<Option<Origins>> {
        let files = self.origins.take().map(PartWriter::finish).transpose()?;
        let further = table.origins.get(1..).unwrap_or_default();
        Ok((!further.is_empty()).then(|| Origins {
            further: further.to_vec(),
            file: files.and_then(|mut files| files.pop()),
        }))
    }
}

#[derive(Deserialize)]
struct Listed {
    files: Vec<ListedFile>,
}

#[derive(Deserialize)]
struct ListedFile {
    sha256: Option<IgnoredAny>,
    size_bytes: Option<u64>,
}

/// Counts what the number of lines does not say.
pub(super) fn count(writer: &mut ArchiveWriter, kind: Kind, line: &[u8]) {
    match kind {
        Kind::Metrics | Kind::ModelMetrics => writer.count_points(points(line)),
        Kind::Artifacts => {
            let files = serde_json::from_slice(line).map_or(Vec::new(), |listed: Listed| listed.files);
            let stored = files.iter().filter(|file| file.sha256.is_some());
            let bytes = stored.fold(0, |sum: u64, file| {
                sum.saturating_add(file.size_bytes.unwrap_or(0))
            });
            writer.count_artifacts(files.len() as u64, bytes);
        }
        _ => {}
    }
}
