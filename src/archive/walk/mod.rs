//! Walking along an archive's lines in their order: a cursor over a kind, the heads by which lines are placed, objects with
//! the lines that belong to them, and lines with the objects that they belong to.

mod artifacts;
mod cursor;
mod head;
mod join;
mod lost;
mod newer;
mod numbers;
mod texts;

pub use artifacts::for_each_artifact;
pub(crate) use artifacts::{ArtifactEntry, OwnerFacts, OwnerWalk};
pub(crate) use cursor::{Cursor, OwnerCursor, OwnerHead, each_line, heads, line_values, orphan};
pub(crate) use head::{Head, text};
pub(crate) use join::{Child, JoinedObjects, Slice};
pub(crate) use lost::{lost_owners, owner_of};
pub(crate) use newer::{PLAIN, Wanted, newer_fields, newer_kinds};
pub(crate) use texts::TextPlace;
pub(crate) use texts::{LineText, for_each_text, joined};
