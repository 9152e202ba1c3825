//! Artifacts of an export: taken, listed or failed.

use super::Export;
use crate::archive::{ArchiveError, ArchiveWriter, ByteSource, FileFailure, Owner};
use crate::format::{Kind, Reason};
use crate::lang::session::ExportError;
use crate::model::Absent;

impl Export<'_> {
    /// Queues an artifact, or lists it where the choices do not take it. Files of one owner come together,
    /// ordered by path bytes.
    ///
    /// # Errors
    /// The archive cannot be written, or an earlier file could not be read and `--keep-going` was not given.
    pub(crate) fn artifact(
        &mut self,
        owner: &Owner,
        path: String,
        size_bytes: Option<u64>,
        source: ByteSource,
    ) -> Result<(), ExportError> {
        self.check_interrupt()?;
        if !self.admits_artifact(owner, &path)? {
            return Ok(());
        }
        let taken = self.options.selection.takes_artifact(&path);
        let is_survey = self.is_survey();
        self.with_failures(|writer, on_failure| {
            if taken && is_survey {
                let size_bytes = size_bytes.or_else(|| source.size_bytes());
                writer.listed_artifact(owner, path, size_bytes, on_failure)
            } else if taken {
                writer.artifact(owner, path, source, on_failure)
            } else {
                writer.absent_artifact(owner, path, Absent::NotSelected, size_bytes, on_failure)
            }
        })?;
        if !taken {
            self.left_out(Kind::Artifacts, Reason::NotSelected, 1);
        }
        Ok(())
    }

    /// Lists an artifact that could not be read, and reports the failure.
    ///
    /// # Errors
    /// As [`Export::failure`].
    pub(crate) fn failed_artifact(
        &mut self,
        owner: &Owner,
        path: String,
        reason: Reason,
        detail: &str,
    ) -> Result<(), ExportError> {
        let id = format!("{}/{}", owner.id, path);
        self.failure(Kind::Artifacts, &id, "*", reason, detail)?;
        if !self.admits_artifact(owner, &path)? {
            return Ok(());
        }
        self.with_failures(|writer, on_failure| {
            writer.absent_artifact(owner, path, Absent::Failed, None, on_failure)
        })
    }

    /// Runs a step of the writer that may hand back files that could not be read.
    fn with_failures(
        &mut self,
        step: impl FnOnce(
            &mut ArchiveWriter,
            &mut dyn FnMut(&mut ArchiveWriter, FileFailure) -> Result<(), ArchiveError>,
        ) -> Result<(), ArchiveError>,
    ) -> Result<(), ExportError> {
        let mut failures = Vec::new();
        step(&mut self.writer, &mut |_, failure| {
            failures.push(failure);
            Ok(())
        })?;
        for failure in failures {
            let FileFailure {
                owner,
                path,
                reason,
                error,
            } = failure;
            let id = format!("{}/{path}", owner.id);
            let detail = format!(
                "artifact `{path}` of {} `{}`: {error}",
                owner.kind.as_str(),
                owner.id
            );
            self.failure(Kind::Artifacts, &id, "*", reason, &detail)?;
        }
        Ok(())
    }

    /// Waits for the artifacts that were queued.
    ///
    /// # Errors
    /// The archive cannot be written, or a queued file could not be read and `--keep-going` was not given.
    pub(crate) fn drain(&mut self) -> Result<(), ExportError> {
        self.with_failures(|writer, on_failure| writer.drain_artifacts(on_failure))
    }
}
