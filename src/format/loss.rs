//! What an archive does not hold, and why.
//!
//! A *limit* is what a door, the format or a target cannot hold. A *failure* is something that was there or
//! listed and could not be read or written.

use super::reason::{AnyReason, Reason};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Limit or failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LossClass {
    /// Cannot be held; counted.
    Limit,
    /// Could not be read or written; counted and listed.
    Failure,
}

/// One thing that is not in the archive; a failure is a line of `losses.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Loss {
    /// Limit or failure.
    pub class: LossClass,
    /// What happened, with the place, for a person.
    pub detail: String,
    /// The field concerned, `*` for the object itself.
    pub field: String,
    /// Id of the object concerned.
    pub id: String,
    /// Kind of the object concerned.
    pub kind: String,
    /// Stable code of the reason (docs/losses.md).
    pub reason: AnyReason,
}

/// How often a loss occurred.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct LossCount {
    /// Kind of the objects concerned.
    pub kind: String,
    /// The field concerned, `*` for the object itself.
    pub field: String,
    /// Stable code of the reason (docs/losses.md).
    pub reason: AnyReason,
    /// How many objects or values.
    pub count: u64,
}

impl LossCount {
    /// Whether two count the same.
    pub(crate) fn is_of(&self, other: &LossCount) -> bool {
        (&self.kind, &self.field, &self.reason) == (&other.kind, &other.field, &other.reason)
    }

    /// Sorts counts, and adds up those of the same.
    pub(crate) fn unite(counts: &mut Vec<LossCount>) {
        counts.sort();
        counts.dedup_by(|next, count| {
            let is_same = next.is_of(count);
            if is_same {
                count.count = count.count.saturating_add(next.count);
            }
            is_same
        });
    }

    /// Whether no such source can tell it, so that nothing special happened.
    pub fn is_expected(&self) -> bool {
        self.reason.known().is_some_and(Reason::is_expected)
    }
}
