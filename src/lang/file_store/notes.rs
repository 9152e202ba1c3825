//! What worker threads found besides objects: failures and limits, reported by the thread that writes.

use crate::format::{Kind, Reason};
use crate::lang::artifacts::local_roots::OutsideSource;
use crate::lang::session::{Export, ExportError};
use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::Path;

/// Why an object cannot be read: a stable code and a sentence with the place.
pub(super) type Fault = (Reason, String);

/// The fault of what the file system does not let be read.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> Fault {
    let detail = format!("read {}: {error}", path.display());
    (OutsideSource::reason(error), detail)
}

/// Something that was there and could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) kind: Kind,
    pub(super) id: String,
    pub(super) field: String,
    pub(super) reason: Reason,
    pub(super) detail: String,
}

/// Failures and limits, in the order in which they were found.
#[derive(Debug, Default)]
pub(super) struct Notes {
    problems: Vec<Problem>,
    limits: BTreeMap<(Kind, &'static str, Reason), u64>,
}

impl Notes {
    /// Notes a failure of an object as a whole, or of the field named.
    pub(super) fn failure(&mut self, kind: Kind, id: &str, field: &str, reason: Reason, detail: String) {
        self.problems.push(Problem {
            kind,
            id: id.to_owned(),
            field: field.to_owned(),
            reason,
            detail,
        });
    }

    /// Notes a fault of an object as a whole, or of the field named.
    pub(super) fn fault(&mut self, kind: Kind, id: &str, field: &str, (reason, detail): Fault) {
        self.failure(kind, id, field, reason, detail);
    }

    /// What was read of a path; what the file system does not let be read is a fault.
    pub(super) fn of_path<T>(
        &mut self,
        kind: Kind,
        id: &str,
        field: &str,
        path: &Path,
        read: io::Result<T>,
    ) -> Option<T> {
        let fault = |error| self.fault(kind, id, field, unreadable(path, &error));
        read.map_err(fault).ok()
    }

    /// Counts what cannot be held.
    pub(super) fn limit(&mut self, kind: Kind, field: &'static str, reason: Reason) {
        *self.limits.entry((kind, field, reason)).or_insert(0) += 1;
    }

    /// Takes over what others noted.
    pub(super) fn append(&mut self, other: Notes) {
        self.problems.extend(other.problems);
        for (key, count) in other.limits {
            *self.limits.entry(key).or_insert(0) += count;
        }
    }

    /// What concerns the objects whose ids are asked for; limits are left to them too.
    pub(super) fn of_objects(self, is_asked: impl Fn(&str) -> bool) -> Self {
        let problems = self.problems.into_iter();
        Notes {
            problems: problems.filter(|problem| is_asked(&problem.id)).collect(),
            limits: BTreeMap::new(),
        }
    }

    /// What concerns other objects than these.
    pub(super) fn without_objects(mut self, ids: &HashSet<String>) -> Self {
        self.problems.retain(|problem| !ids.contains(&problem.id));
        self
    }

    /// The ids of objects that could not be read.
    pub(super) fn into_ids(self) -> impl Iterator<Item = String> {
        self.problems.into_iter().map(|problem| problem.id)
    }

    /// The failures.
    #[cfg(test)]
    pub(super) fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Tells the export; the first failure ends it unless it keeps going.
    pub(super) fn report(self, export: &mut Export<'_>) -> Result<(), ExportError> {
        for ((kind, field, reason), count) in self.limits {
            export.limit(kind, field, reason, count);
        }
        for problem in self.problems {
            let Problem {
                kind,
                id,
                field,
                reason,
                detail,
            } = problem;
            export.failure(kind, &id, &field, reason, &detail)?;
        }
        Ok(())
    }
}
