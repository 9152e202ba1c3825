//! What --keep-going does: what fails ends an export, an extract or a conversion, or is counted and told of.

use super::{Export, ExportError};
use crate::format::{Loss, LossClass, Reason};

/// Notes what cannot be made, if it may be left out.
///
/// # Errors
/// It may not.
pub(crate) fn refuse<E>(
    keep_going: bool,
    refused: &mut Vec<String>,
    what: String,
    error: E,
) -> Result<(), E> {
    if !keep_going {
        return Err(error);
    }
    refused.push(what);
    Ok(())
}

impl Export<'_> {
    /// Reports something that was there, or listed, and could not be read. `reason` is a stable code
    /// (docs/losses.md), `detail` a sentence with the place.
    ///
    /// # Errors
    /// Always, unless `--keep-going` was given.
    pub(crate) fn failure(
        &mut self,
        kind: impl AsRef<str>,
        id: &str,
        field: &str,
        reason: Reason,
        detail: &str,
    ) -> Result<(), ExportError> {
        let kind = kind.as_ref();
        // What fails now may fail because the work was to end.
        self.check_interrupt()?;
        if !self.options.keep_going {
            return Err(ExportError::Failure {
                kind: kind.to_owned(),
                id: id.to_owned(),
                reason,
                detail: detail.to_owned(),
            });
        }
        self.monitor.notice(&format!("left out: {kind} `{id}`: {detail}"));
        if self.counts_elsewhere() {
            return Ok(());
        }
        self.writer.failure(&Loss {
            class: LossClass::Failure,
            detail: detail.to_owned(),
            field: field.to_owned(),
            id: id.to_owned(),
            kind: kind.to_owned(),
            reason: reason.into(),
        })?;
        Ok(())
    }
}
