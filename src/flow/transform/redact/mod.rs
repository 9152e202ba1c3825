//! What traces, artifacts and users say that is not to be told: dropped, masked or hashed, for good.

mod artifacts;
mod hmac;
mod places;
mod traces;
mod users;

pub(super) use self::artifacts::drop_artifacts;
pub(super) use self::places::erase_places;
pub use self::places::{ErasePlaces, Erased, ErasedPlace};
pub(super) use self::traces::{TracePart, erase_traces};
pub use self::users::HashUsers;
pub(super) use self::users::{hash_users, rename_users};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Artifacts by glob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DropArtifacts {
    /// A glob of paths, in which `*` stays within a folder and `**` does not.
    pub glob: String,
}

/// An edit that needs nothing more to be said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plain {}
