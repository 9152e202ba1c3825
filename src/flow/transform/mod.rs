//! What changes an archive: archive in, archive out.

mod edit;
pub mod source_tags;
mod undo;

pub use edit::{TransformError, TransformOptions, TransformReport};
pub use undo::undo;
