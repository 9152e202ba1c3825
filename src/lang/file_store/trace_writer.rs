//! Writing traces with their spans and attachments.

use super::experiment::FoundExperiment;
use super::exporter::Exporter;
use super::trace::{self, FoundTrace};
use crate::archive::parallel::map_ordered;
use crate::archive::{ByteSource, Owner};
use crate::format::{Kind, Object, Reason, SortKey};
use crate::lang::session::ExportError;
use crate::lang::spans::read::SPAN_FILE;
use crate::model::{OwnerKind, Trace};
use crate::select::Closure;
use std::path::PathBuf;

impl Exporter<'_, '_> {
    /// Writes the traces of an experiment.
    pub(super) fn traces(&mut self, found: &FoundExperiment) -> Result<(), ExportError> {
        let (place, path) = (Self::place(found), found.path.join("traces"));
        let traces = self.kept_index::<Trace>(&path, &[], &place, Closure::has_trace)?;
        let (store, pool) = (self.store.clone(), self.pool.clone());
        let work = move |found| trace::read(&store, &path, &place, found);
        let window = pool.threads() * 4;
        map_ordered(&pool, window, traces, work, |(found, notes)| {
            notes.report(self.export)?;
            match found {
                Some(found) => self.write_trace(found),
                None => Ok(()),
            }
        })
    }

    fn write_trace(&mut self, found: FoundTrace) -> Result<(), ExportError> {
        let FoundTrace {
            trace,
            spans,
            artifacts,
        } = found;
        let (key, trace_id) = (trace.sort_key(), trace.id());
        self.export.write(&trace)?;
        let mut kept_file = None;
        if let Some((path, read)) = spans.read(&trace_id) {
            match read {
                Ok(file) => {
                    for span in &file.spans {
                        self.export.write_span(&key, span)?;
                    }
                    if !file.is_whole {
                        self.export.limit(Kind::Spans, "*", Reason::KeptAsArtifact, 1);
                        kept_file = Some(path);
                    }
                }
                Err(error) => {
                    let detail = format!("{}: {}", path.display(), with_cause(&error));
                    self.export
                        .failure(Kind::Spans, &trace_id, "*", Reason::NotJson, &detail)?;
                    kept_file = Some(path);
                }
            }
        }
        self.trace_artifacts(trace_id, key, artifacts, kept_file)
    }

    /// Queues attachments, and the file of spans where the spans do not say all of it; their names have it last.
    fn trace_artifacts(
        &mut self,
        id: String,
        sort_key: SortKey,
        artifacts: super::artifacts::FoundArtifacts,
        kept_file: Option<PathBuf>,
    ) -> Result<(), ExportError> {
        use super::artifacts::{FoundArtifacts, walk};
        use crate::lang::artifacts::walk::FoundFile;
        if !self.export.looks_at(&[Kind::Artifacts]) {
            return Ok(());
        }
        let owner = Owner {
            kind: OwnerKind::Trace,
            id,
            sort_key,
        };
        match artifacts {
            FoundArtifacts::Many(root) => {
                let store = self.store.clone();
                walk(&store, &root, &mut |file| match &file {
                    FoundFile::File(name, _) if name == SPAN_FILE && kept_file.is_none() => Ok(()),
                    _ => self.artifact(&owner, file),
                })
            }
            FoundArtifacts::None => self.kept_span_file(&owner, kept_file),
            FoundArtifacts::Listed(files) => {
                let mut kept_file = kept_file;
                for file in files {
                    if matches!(&file, FoundFile::File(name, _) if name.as_str() > SPAN_FILE) {
                        self.kept_span_file(&owner, kept_file.take())?;
                    }
                    self.artifact(&owner, file)?;
                }
                self.kept_span_file(&owner, kept_file)
            }
        }
    }

    fn kept_span_file(&mut self, owner: &Owner, path: Option<PathBuf>) -> Result<(), ExportError> {
        match path {
            None => Ok(()),
            Some(path) => self
                .export
                .artifact(owner, SPAN_FILE.to_owned(), None, ByteSource::File(path)),
        }
    }
}

fn with_cause(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", with_cause(cause)),
        None => error.to_string(),
    }
}
