//! The end of an archive: the files that only then are known, the manifest, the name.

use super::{ArchiveWriter, ManifestHead};
use crate::archive::clock::now_text;
use crate::archive::container_writer::Sealed;
use crate::archive::error::{ArchiveError, Result};
use crate::archive::loss_log::LossLog;
use crate::format::Manifest;
use crate::format::layout::CHECKSUMS;
use crate::format::manifest::{FileDescriptor, Format, Tool};
use crate::model::Digest;
use std::collections::BTreeMap;

/// What to do about an object that came twice, where objects are sorted at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicates {
    /// End with an error; nothing is made.
    Refuse,
    /// Keep the first that came and list the other as a failure.
    KeepFirst,
}

impl ArchiveWriter {
    /// Completes the archive and gives it its name.
    ///
    /// # Errors
    /// It cannot be written; nothing is left under its name then.
    pub fn finish(mut self, head: ManifestHead, duplicates: Duplicates) -> Result<Manifest> {
        debug_assert!(
            self.pending.is_empty() && self.list.is_none(),
            "drain_artifacts comes first"
        );
        let files = self.finish_files(duplicates)?;
        let orphans = self.settle_dropped(&files)?;
        if let Some((archive, copy)) = self.late_blobs.take() {
            if self.takes_only_referenced {
                let referenced = self.referenced(&files)?;
                self.output.adopt_only(referenced);
            }
            self.adopt_blobs(&archive, copy, &orphans)?;
        }
        let content_id = self.output.write_checksums(&self.blobs, &files)?;
        self.check_content_id(head.expected_content_id, content_id)?;
        let mut manifest = Manifest {
            format: head.format.unwrap_or_else(Format::current),
            tool: Tool::current(),
            created: now_text(),
            origin: head.origin,
            source: head.source,
            selection: head.selection,
            counts: counts_of(&files),
            totals: self.totals,
            files,
            content_id,
            history: head.history,
            losses: self.losses.counts(),
            origins: head.origins,
            part: head.part,
            shard: head.shard,
            extra: head.extra,
        };
        manifest.format.minor = manifest.format.minor.max(manifest.needed_minor());
        let sealed = self.output.seal(&manifest)?;
        drop(self.output);
        match sealed {
            Sealed::Name(name) => self.staging.publish(name, !self.options.no_sync)?,
            Sealed::Parts(parts) => self.staging.complete(*parts)?,
        }
        Ok(manifest)
    }

    /// Closes every file of lines; all of them, by path.
    pub(super) fn finish_files(&mut self, duplicates: Duplicates) -> Result<Vec<FileDescriptor>> {
        let mut files = std::mem::take(&mut self.adopted);
        for (_, writer) in std::mem::take(&mut self.kinds) {
            let (kind, losses, root) = (writer.kind(), &mut self.losses, self.output.root());
            let dropped = &mut self.dropped;
            files.extend(writer.finish(|line| match duplicates {
                Duplicates::Refuse => {
                    let id = LossLog::id_of(line);
                    Err(ArchiveError::object(kind.name(), id, "it appears twice"))
                }
                Duplicates::KeepFirst => {
                    dropped.line(kind, line);
                    losses.duplicate(root, kind, line)
                }
            })?);
        }
        files.extend(self.losses.finish_file()?);
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }

    fn check_content_id(&self, expected: Option<Digest>, found: Digest) -> Result<()> {
        match expected.filter(|expected| *expected != found) {
            Some(expected) => Err(ArchiveError::DigestMismatch {
                path: self.output.root().to_owned(),
                entry: CHECKSUMS.to_owned(),
                expected,
                found,
            }),
            None => Ok(()),
        }
    }
}

/// Lines per kind that has any.
fn counts_of(files: &[FileDescriptor]) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for file in files {
        if let Some(kind) = file.path.kind_name() {
            *counts.entry(kind.to_owned()).or_insert(0) += file.count;
        }
    }
    counts
}
