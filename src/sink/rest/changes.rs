//! What does not arrive as it is in the archive: counted always, named up to a bound.

use crate::format::Kind;
use serde::Serialize;
use std::collections::BTreeMap;

/// Changes that are named; the rest is counted.
const NAMED: usize = 10_000;

/// What happened to a value or object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It does not arrive.
    LeftOut,
    /// Its first characters arrive.
    Truncated,
    /// Another value arrives.
    Replaced,
    /// What the target has stays.
    Kept,
}

/// One value or object that does not arrive as it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Change {
    /// Kind of the object.
    pub kind: Kind,
    /// Its id in the archive.
    pub id: String,
    /// Which field, `*` for the object.
    pub field: String,
    /// Stable code of the reason (docs/replay.md).
    pub reason: &'static str,
    /// What happens.
    pub outcome: Outcome,
}

/// How often something happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangeCount {
    /// Kind of the objects.
    pub kind: Kind,
    /// Stable code of the reason.
    pub reason: &'static str,
    /// What happens.
    pub outcome: Outcome,
    /// How often.
    pub count: u64,
}

/// Changes, counted and, up to a bound, named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    counts: BTreeMap<(Kind, &'static str, Outcome), u64>,
    named: Vec<Change>,
}

/// Reason of a value that is longer than the target holds.
pub const TOO_LONG: &str = "value-too-long";

impl Changes {
    /// Counts one change.
    pub fn add(&mut self, change: Change) {
        self.count(change.kind, change.reason, change.outcome, 1);
        if self.named.len() < NAMED {
            self.named.push(change);
        }
    }

    /// Counts changes without naming them.
    pub fn count(&mut self, kind: Kind, reason: &'static str, outcome: Outcome, count: u64) {
        if count > 0 {
            *self.counts.entry((kind, reason, outcome)).or_insert(0) += count;
        }
    }

    /// Takes over others.
    pub fn extend(&mut self, others: impl IntoIterator<Item = Change>) {
        others.into_iter().for_each(|change| self.add(change));
    }

    /// Takes over a whole log.
    pub fn merge(&mut self, other: Changes) {
        for ((kind, reason, outcome), count) in other.counts {
            self.count(kind, reason, outcome, count);
        }
        let room = NAMED.saturating_sub(self.named.len());
        self.named.extend(other.named.into_iter().take(room));
    }

    /// The counts, ordered.
    pub fn counts(&self) -> Vec<ChangeCount> {
        let count = |(&(kind, reason, outcome), &count): (&(Kind, &'static str, Outcome), &u64)| ChangeCount {
            kind,
            reason,
            outcome,
            count,
        };
        self.counts.iter().map(count).collect()
    }

    /// Those that are named.
    pub fn named(&self) -> &[Change] {
        &self.named
    }

    /// How often a reason occurred.
    pub fn of_reason(&self, reason: &str) -> u64 {
        let counts = self.counts.iter();
        counts.filter(|((_, found, _), _)| *found == reason).map(|(_, count)| count).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }
}
