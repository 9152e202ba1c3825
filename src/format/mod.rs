//! What an archive is: layout, kinds, order, manifest and text of values; no IO.
//!
//! `docs/format.md` is the specification; this module is its only other home. The reader and the writer
//! in [`crate::archive`] take every name and number from here.

pub(crate) mod finding;
pub(crate) mod fit;
pub(crate) mod hops;
pub(crate) mod kind;
pub(crate) mod layout;
pub(crate) mod line;
pub(crate) mod loss;
pub mod manifest;
pub(crate) mod mark;
pub(crate) mod markers;
pub(crate) mod order;
pub(crate) mod origin;
pub(crate) mod path;
pub(crate) mod reason;
pub(crate) mod schema;
pub(crate) mod strict_json;
pub(crate) mod typed;
pub(crate) mod undo;

pub use finding::FindingCode;
pub use kind::Kind;
pub(crate) use kind::each_object;
pub use line::Object;
pub use loss::{Loss, LossClass, LossCount};
pub use manifest::Manifest;
pub use order::SortKey;
pub use origin::{FurtherOrigin, OriginLine, Origins, PartOfWhole, ShardOfSource};
pub use path::{ArchivePath, NotAPath};
pub use reason::{AnyReason, Reason};
pub use typed::Typed;
pub use undo::UndoLine;
