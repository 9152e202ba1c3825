//! What a verification found.

use crate::archive::ContainerKind;
use crate::archive::zip::ZipFault;
use crate::format::FindingCode as Code;
use crate::model::Digest;
use crate::model::named::named;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

/// Findings listed before the rest is only counted.
const LISTED: usize = 10_000;

named! {
    serialized
    /// How bad a finding is.
    pub enum Severity {
        /// The archive is not what the format says, or its bytes changed.
        Error = "error",
        /// Intact, but worth knowing, such as a reference to an object that MLflow itself lets go.
        Warning = "warning",
    }
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Name of the kind of finding, the same in every version (docs/format.md lists them).
    #[schemars(with = "String")]
    pub code: Code,
    /// File, and line where there is one.
    pub place: String,
    /// What is wrong.
    pub message: String,
}

/// How much was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Checked {
    /// Files that are not blobs.
    pub files: u64,
    /// Lines of these.
    pub lines: u64,
    /// Blobs.
    pub blobs: u64,
    /// Bytes of blobs.
    pub blob_bytes: u64,
}

/// What a verification found.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct VerifyReport {
    /// The archive.
    #[serde(serialize_with = "as_text")]
    #[schemars(with = "String")]
    pub path: PathBuf,
    /// Directory or zip.
    pub container: ContainerKind,
    /// The content id, where the bytes of `SHA256SUMS` could be read.
    pub content_id: Option<Digest>,
    /// How much was looked at.
    pub checked: Checked,
    /// Number of errors, including those that are not listed.
    pub errors: u64,
    /// Number of warnings, including those that are not listed.
    pub warnings: u64,
    /// What was found, in the order of the archive.
    pub findings: Vec<Finding>,
}

/// A path that is no text has its bytes replaced, as where it is shown.
fn as_text<S: serde::Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

impl VerifyReport {
    /// Whether nothing is damaged; warnings do not count.
    pub fn is_intact(&self) -> bool {
        self.errors == 0
    }
}

/// Findings being collected; one place has each code once.
#[derive(Debug, Default)]
pub(super) struct Findings {
    list: Vec<Finding>,
    seen: BTreeSet<(Code, String)>,
    errors: u64,
    warnings: u64,
}

impl Findings {
    pub(super) fn error(&mut self, code: Code, place: impl fmt::Display, message: impl fmt::Display) {
        self.add(Severity::Error, code, place.to_string(), message);
    }

    pub(super) fn warning(&mut self, code: Code, place: impl fmt::Display, message: impl fmt::Display) {
        self.add(Severity::Warning, code, place.to_string(), message);
    }

    fn add(&mut self, severity: Severity, code: Code, place: String, message: impl fmt::Display) {
        if self.seen.len() < LISTED && !self.seen.insert((code, place.clone())) {
            return;
        }
        match severity {
            Severity::Error => self.errors += 1,
            Severity::Warning => self.warnings += 1,
        }
        if self.list.len() < LISTED {
            self.list.push(Finding {
                severity,
                code,
                place,
                message: message.to_string(),
            });
        }
    }

    /// Adds a fault of a zip's scan, which only its message places.
    pub(super) fn zip_fault(&mut self, fault: &ZipFault) {
        self.errors += 1;
        self.list.push(Finding {
            severity: Severity::Error,
            code: fault.code(),
            place: "zip".to_owned(),
            message: fault.to_string(),
        });
    }

    /// Adds findings that other threads made.
    pub(super) fn extend(&mut self, findings: Vec<Finding>) {
        for finding in findings {
            self.add(finding.severity, finding.code, finding.place, finding.message);
        }
    }

    pub(super) fn into_report(
        mut self,
        path: PathBuf,
        container: ContainerKind,
        content_id: Option<Digest>,
        checked: Checked,
    ) -> VerifyReport {
        self.list.sort_by_key(|finding| finding.severity);
        VerifyReport {
            path,
            container,
            content_id,
            checked,
            errors: self.errors,
            warnings: self.warnings,
            findings: self.list,
        }
    }
}

/// An error finding about an entry that could not be read: the zip's own code where it has one.
pub(super) fn read_finding(place: &str, error: &std::io::Error) -> Finding {
    let code = match ZipFault::from_io(error) {
        Some(fault) => fault.code(),
        None => Code::Unreadable,
    };
    Finding {
        severity: Severity::Error,
        code,
        place: place.to_owned(),
        message: error.to_string(),
    }
}
