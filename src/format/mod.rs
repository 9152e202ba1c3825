//! What an archive is: layout, kinds, order, manifest and text of values; no IO.
//!
//! `docs/format.md` is the specification; this module is its only other home. The reader and the writer
//! in [`crate::archive`] take every name and number from here.

pub mod finding;
pub(crate) mod fit;
pub(crate) mod hops;
pub mod kind;
pub mod layout;
pub mod line;
pub mod loss;
pub mod manifest;
pub(crate) mod mark;
pub(crate) mod markers;
pub mod order;
pub mod origin;
pub mod path;
pub mod reason;
pub mod schema;
pub mod strict_json;
pub mod typed;
pub mod undo;

pub use finding::FindingCode;
pub use kind::Kind;
pub(crate) use kind::each_object;
pub use line::Object;
pub use loss::{Loss, LossClass, LossCount};
pub use manifest::Manifest;
pub use order::SortKey;
pub use origin::OriginLine;
pub use path::ArchivePath;
pub use reason::{AnyReason, Reason};
pub use typed::Typed;
pub use undo::UndoLine;
