//! What does not arrive as it is in the archive: counted always, named up to a bound.

use crate::format::{AnyReason, Kind, Reason};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Changes that are named; the rest is counted.
pub(crate) const NAMED: usize = 10_000;
/// Changes of one object that the journal names; the rest is counted.
const NOTED: usize = 1_000;

/// What happened to a value or object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It does not arrive.
    LeftOut,
    /// Its first characters arrive.
    Truncated,
    /// A different value arrives.
    Replaced,
    /// What the target has stays.
    Kept,
    /// It arrives, but the target's listing does not show it.
    Unlisted,
}

/// One value or object that does not arrive as it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename = "Change", deny_unknown_fields)]
pub struct Deviation {
    /// Kind of the object.
    pub kind: Kind,
    /// Its id in the archive.
    pub id: String,
    /// Which field, `*` for the object.
    pub field: String,
    /// Stable code of the reason (docs/replay.md).
    pub reason: AnyReason,
    /// What happens.
    pub outcome: Outcome,
}

impl Deviation {
    pub(crate) fn new(
        kind: Kind,
        id: &str,
        field: impl Into<String>,
        reason: Reason,
        outcome: Outcome,
    ) -> Self {
        Deviation {
            kind,
            id: id.to_owned(),
            field: field.into(),
            reason: reason.into(),
            outcome,
        }
    }
}

/// How often something happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename = "ChangeCount", deny_unknown_fields)]
pub struct DeviationCount {
    /// Kind of the objects.
    pub kind: Kind,
    /// Stable code of the reason.
    pub reason: AnyReason,
    /// What happens.
    pub outcome: Outcome,
    /// How often.
    pub count: u64,
}

impl DeviationCount {
    fn is_of(&self, change: &Deviation) -> bool {
        (self.kind, self.outcome) == (change.kind, change.outcome) && self.reason == change.reason
    }
}

/// A count as reports have it: its kind may be one that only a newer minor version of the format knows.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Kind of the objects.
    pub kind: String,
    /// Stable code of the reason (docs/replay.md).
    pub reason: AnyReason,
    /// What happens.
    pub outcome: Outcome,
    /// How often.
    pub count: u64,
}

/// Changes, counted and, up to a bound, named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deviations {
    /// Objects of kinds that only a newer minor version of the format knows.
    newer_kinds: BTreeMap<String, u64>,
    counts: BTreeMap<(Kind, AnyReason, Outcome), u64>,
    named: Vec<Deviation>,
}

impl Deviations {
    /// Counts one change.
    pub fn add(&mut self, change: Deviation) {
        self.count(change.kind, change.reason.clone(), change.outcome, 1);
        if self.named.len() < NAMED {
            self.named.push(change);
        }
    }

    /// Counts changes without naming them.
    pub fn count(&mut self, kind: Kind, reason: impl Into<AnyReason>, outcome: Outcome, count: u64) {
        if count > 0 {
            *self.counts.entry((kind, reason.into(), outcome)).or_insert(0) += count;
        }
    }

    /// Counts the objects of the archive that are of kinds which only a newer minor version of the format knows.
    pub fn leave_out_newer_kinds(&mut self, kinds: BTreeMap<String, u64>) {
        self.newer_kinds.extend(kinds);
    }

    /// Takes over others.
    pub fn extend(&mut self, others: impl IntoIterator<Item = Deviation>) {
        others.into_iter().for_each(|change| self.add(change));
    }

    /// Takes over a whole log.
    pub fn merge(&mut self, other: Deviations) {
        for ((kind, reason, outcome), count) in other.counts {
            self.count(kind, reason, outcome, count);
        }
        // Those of one archive, which each of its workspaces counts.
        self.newer_kinds.extend(other.newer_kinds);
        let room = NAMED.saturating_sub(self.named.len());
        self.named.extend(other.named.into_iter().take(room));
    }

    /// Takes over what the journal keeps of an object.
    pub fn note(&mut self, noted: &NotedDeviations) {
        self.extend(noted.named.iter().cloned());
        for more in &noted.more {
            self.count(more.kind, more.reason.clone(), more.outcome, more.count);
        }
    }

    /// All counts, as reports have them.
    pub fn limits(&self) -> Vec<Limit> {
        let known = self.counts.iter().map(|((kind, reason, outcome), &count)| Limit {
            kind: kind.name().to_owned(),
            reason: reason.clone(),
            outcome: *outcome,
            count,
        });
        let newer = self.newer_kinds.iter().map(|(kind, &count)| Limit {
            kind: kind.clone(),
            reason: Reason::NewerVersion.into(),
            outcome: Outcome::LeftOut,
            count,
        });
        known.chain(newer).collect()
    }

    /// The counts of kinds that this build knows, ordered.
    pub fn counts(&self) -> Vec<DeviationCount> {
        let counts = self.counts.iter();
        let count = counts.map(|((kind, reason, outcome), &count)| DeviationCount {
            kind: *kind,
            reason: reason.clone(),
            outcome: *outcome,
            count,
        });
        count.collect()
    }

    /// Those that are named.
    pub fn named(&self) -> &[Deviation] {
        &self.named
    }

    /// How often a reason occurred.
    pub fn of_reason(&self, reason: Reason) -> u64 {
        let counts = self.counts.iter();
        counts
            .filter(|((_, found, _), _)| *found == reason)
            .map(|(_, count)| count)
            .sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty() && self.newer_kinds.is_empty()
    }
}

/// The object whose line `done` in the journal tells of a change: that of a version, which is done with its model, and of the parts of others.
pub(crate) fn owner(kind: Kind, id: &str) -> (Kind, &str) {
    match kind {
        Kind::ModelVersions => {
            let name = id.rsplit_once('/').map_or(id, |(name, _)| name);
            (Kind::RegisteredModels, name)
        }
        Kind::ModelMetrics => (Kind::LoggedModels, id),
        Kind::Spans => (Kind::Traces, id.split_once('/').map_or(id, |(trace, _)| trace)),
        _ => (kind, id),
    }
}

/// What an import found of one object that did not arrive as it is, as the journal keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename = "Noted", deny_unknown_fields)]
pub struct NotedDeviations {
    /// The first of them.
    pub named: Vec<Deviation>,
    /// The rest, counted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more: Vec<DeviationCount>,
}

impl NotedDeviations {
    /// Adds one.
    pub fn add(&mut self, change: Deviation) {
        if self.named.len() < NOTED {
            self.named.push(change)
        } else {
            self.count(&change)
        }
    }

    fn count(&mut self, change: &Deviation) {
        match self.more.iter_mut().find(|more| more.is_of(change)) {
            Some(same) => same.count += 1,
            None => self.more.push(DeviationCount {
                kind: change.kind,
                reason: change.reason.clone(),
                outcome: change.outcome,
                count: 1,
            }),
        }
    }

    /// Whether a change is among them, or may be among those that are only counted.
    pub(crate) fn holds(&self, change: &Deviation) -> bool {
        self.named.contains(change) || self.more.iter().any(|more| more.is_of(change))
    }

    /// The same, all of it only counted.
    #[must_use]
    pub fn counted(mut self) -> Self {
        for change in std::mem::take(&mut self.named) {
            self.count(&change);
        }
        self
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty() && self.more.is_empty()
    }

    /// Whether an object held something back that may be there by now.
    pub(crate) fn waits(&self) -> bool {
        self.reasons()
            .any(|reason| reason.known().is_some_and(Reason::is_not_in_target))
    }

    /// Whether something is noted for a reason.
    pub(crate) fn has(&self, reason: Reason) -> bool {
        self.reasons().any(|found| *found == reason)
    }

    fn reasons(&self) -> impl Iterator<Item = &AnyReason> {
        let named = self.named.iter().map(|change| &change.reason);
        named.chain(self.more.iter().map(|more| &more.reason))
    }
}
