//! What an import did.

use super::plan::{Plan, limits_text};
use crate::flow::import::deviations::{Deviation, Deviations, Limit};
use crate::format::Kind;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// An object that did not arrive, or not whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Failure {
    /// Kind.
    pub kind: Kind,
    /// Id in the archive.
    pub id: String,
    /// What happened.
    pub detail: String,
}

/// What an import did.
#[derive(Debug, Clone, Default)]
pub struct ImportReport {
    /// The target.
    pub target: String,
    /// Where the journals are: one, or one for each workspace.
    pub journals: Vec<PathBuf>,
    /// Objects made, by kind.
    pub created: BTreeMap<Kind, u64>,
    /// Objects that were there and got what they lacked, by kind.
    pub completed: BTreeMap<Kind, u64>,
    /// Objects that were there, whole, by kind.
    pub reused: BTreeMap<Kind, u64>,
    /// Objects left out by choice, by kind.
    pub skipped: BTreeMap<Kind, u64>,
    /// What did not arrive as it is in the archive.
    pub changes: Deviations,
    /// What failed.
    pub failures: Vec<Failure>,
    /// Requests sent.
    pub requests: u64,
    /// Requests that had to be repeated.
    pub retries: u64,
}

/// A report as `import --json` prints it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ReportDocument<'a> {
    /// The target.
    target: &'a str,
    /// Where the journals are: one, or one for each workspace.
    journals: Vec<Cow<'a, str>>,
    /// Objects made, by kind.
    created: BTreeMap<&'a str, u64>,
    /// Objects that were there and got what they lacked, by kind.
    completed: BTreeMap<&'a str, u64>,
    /// Objects that were there, whole, by kind.
    reused: BTreeMap<&'a str, u64>,
    /// Objects left out by choice, by kind.
    skipped: BTreeMap<&'a str, u64>,
    /// What did not arrive as it is in the archive, counted.
    limits: Vec<Limit>,
    /// The same, named up to a bound.
    limited: &'a [Deviation],
    /// What failed.
    failures: &'a [Failure],
    /// Requests sent.
    requests: u64,
    /// Requests that had to be repeated.
    retries: u64,
}

impl ImportReport {
    /// The report of an import that had been done before.
    pub fn nothing_to_do(plan: &Plan, journal: &Path) -> Self {
        let mut report = ImportReport {
            changes: plan.limits(),
            ..ImportReport::of_plan(plan, journal)
        };
        for (&kind, tally) in &plan.tallies {
            report.reused.insert(kind, tally.reuse + tally.merge);
        }
        report
    }

    /// A report with what the plan says.
    pub fn of_plan(plan: &Plan, journal: &Path) -> Self {
        let skipped = plan.tallies.iter().filter(|(_, tally)| tally.skip > 0);
        ImportReport {
            target: plan.target.clone(),
            journals: vec![journal.to_owned()],
            skipped: skipped.map(|(&kind, tally)| (kind, tally.skip)).collect(),
            changes: plan.changes.clone(),
            ..ImportReport::default()
        }
    }

    /// This and another one, of another workspace, as one.
    #[must_use]
    pub fn joined(mut self, other: ImportReport) -> Self {
        let counts = [
            (&mut self.created, other.created),
            (&mut self.completed, other.completed),
            (&mut self.reused, other.reused),
            (&mut self.skipped, other.skipped),
        ];
        for (mine, theirs) in counts {
            for (kind, count) in theirs {
                *mine.entry(kind).or_insert(0) += count;
            }
        }
        self.changes.merge(other.changes);
        self.failures.extend(other.failures);
        self.journals.extend(other.journals);
        // The client counts for all parts.
        self.requests = other.requests;
        self.retries = other.retries;
        self
    }

    /// Counts an object.
    pub fn count(&mut self, what: Done, kind: Kind) {
        let counts = match what {
            Done::Created => &mut self.created,
            Done::Completed => &mut self.completed,
            Done::Reused => &mut self.reused,
        };
        *counts.entry(kind).or_insert(0) += 1;
    }

    /// Adds a failure.
    pub fn fail(&mut self, kind: Kind, id: &str, error: &dyn std::error::Error) {
        let mut detail = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            detail.push_str(&format!(": {cause}"));
            source = cause.source();
        }
        self.failure(kind, id, detail);
    }

    /// Adds a failure, in words.
    pub fn failure(&mut self, kind: Kind, id: &str, detail: String) {
        self.failures.push(Failure {
            kind,
            id: id.to_owned(),
            detail,
        });
    }

    /// Adds a change.
    pub fn change(&mut self, change: Deviation) {
        self.changes.add(change);
    }

    /// The report as JSON.
    pub fn to_json(&self) -> Value {
        let counts = |counts: &BTreeMap<Kind, u64>| {
            let counts = counts.iter().filter(|(_, count)| **count > 0);
            counts.map(|(kind, count)| (kind.name(), *count)).collect()
        };
        let document = ReportDocument {
            target: &self.target,
            journals: self.journals.iter().map(|path| path.to_string_lossy()).collect(),
            created: counts(&self.created),
            completed: counts(&self.completed),
            reused: counts(&self.reused),
            skipped: counts(&self.skipped),
            limits: self.changes.limits(),
            limited: self.changes.named(),
            failures: &self.failures,
            requests: self.requests,
            retries: self.retries,
        };
        serde_json::to_value(document).expect("names of kinds are texts")
    }

    /// The report for people.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for (label, counts) in [
            ("created", &self.created),
            ("completed", &self.completed),
            ("reused", &self.reused),
            ("skipped", &self.skipped),
        ] {
            let words: Vec<_> = counts
                .iter()
                .filter(|(_, count)| **count > 0)
                .map(|(kind, count)| format!("{count} {}", kind.name().replace('-', " ")))
                .collect();
            if !words.is_empty() {
                text.push_str(&format!("{label}: {}\n", words.join(", ")));
            }
        }
        if text.is_empty() {
            text.push_str("nothing to do\n");
        }
        text.push_str(&limits_text(&self.changes));
        for failure in &self.failures {
            text.push_str(&format!(
                "failure: {} {}: {}\n",
                failure.kind, failure.id, failure.detail
            ));
        }
        text
    }
}

/// How an object came to be in the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// It was made.
    Created,
    /// It was there and got what it lacked.
    Completed,
    /// It was there, whole.
    Reused,
}
