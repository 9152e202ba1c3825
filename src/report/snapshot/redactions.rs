//! The names of what a snapshot replaces.

use schemars::JsonSchema;
use serde::Serialize;

/// Something that differs between two recordings of the same history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum Redaction {
    /// Ids (`run-2`, `experiment-1`), and ids of things outside the archive, such as commits (`id-1`)
    Ids,
    /// Times (`[time]`) and durations (`[duration]`)
    Times,
    /// Locations (`uri-1`), and hosts within other texts (`host-1`)
    Hosts,
    /// Users (`user-1`)
    Users,
}

/// What a snapshot replaces by placeholders; by default all that it can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(into = "Vec<Redaction>")]
#[schemars(with = "Vec<Redaction>")]
pub struct Redactions([bool; Redaction::ALL.len()]);

impl Redaction {
    /// All of them.
    pub const ALL: [Redaction; 4] = [
        Redaction::Ids,
        Redaction::Times,
        Redaction::Hosts,
        Redaction::Users,
    ];
}

impl Redactions {
    /// Nothing is replaced.
    pub const NONE: Redactions = Redactions([false; Redaction::ALL.len()]);

    /// Whether this is replaced.
    #[must_use]
    pub fn has(self, redaction: Redaction) -> bool {
        self.0[redaction as usize]
    }

    pub(super) fn any(self) -> bool {
        self != Redactions::NONE
    }
}

impl Default for Redactions {
    fn default() -> Self {
        Redactions::from_iter(Redaction::ALL)
    }
}

impl FromIterator<Redaction> for Redactions {
    fn from_iter<I: IntoIterator<Item = Redaction>>(redactions: I) -> Self {
        let mut chosen = Redactions::NONE;
        for redaction in redactions {
            chosen.0[redaction as usize] = true;
        }
        chosen
    }
}

impl From<Redactions> for Vec<Redaction> {
    fn from(redactions: Redactions) -> Self {
        let all = Redaction::ALL.into_iter();
        all.filter(|redaction| redactions.has(*redaction)).collect()
    }
}
