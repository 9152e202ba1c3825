//! What a look at a source asks for and counts.

use crate::format::Kind;
use std::collections::{BTreeMap, BTreeSet};

/// What a survey looks at; other objects are not asked for where they can be passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// Kinds of objects.
    pub kinds: BTreeSet<Kind>,
    /// Whether the runs and prompts that traces are linked to are asked for, which costs a server a search each.
    pub links: bool,
}

impl Survey {
    /// A survey of all there is.
    pub fn whole() -> Self {
        Survey {
            kinds: Kind::ALL.iter().copied().collect(),
            links: false,
        }
    }
}

/// What a survey counted beside the objects that it lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SurveyCounts {
    /// Objects that were counted and not listed.
    pub counted: BTreeMap<Kind, u64>,
    /// Of a kind, how many owners were not asked: metrics for their points, traces for their spans.
    pub not_asked: BTreeMap<Kind, u64>,
}
