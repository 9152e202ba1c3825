//! Source tags: the lineage that mlflow-export-import's `--import-source-tags` would write.
//!
//! The contract is `docs/source-tags.md`. [`rules`] computes the tags of one object from its exported dict.

pub mod canonical;
mod context;
mod inject;
mod limits;
mod overlay;
pub mod rules;
mod times;

pub(crate) use context::VersionContexts;
pub use inject::{DEFAULT_PROFILE, NAME, inject};
pub use overlay::{Notice, Overwritten, SourceTags, TimeFault};
