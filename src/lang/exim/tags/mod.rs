//! Source tags: the lineage that mlflow-export-import's `--import-source-tags` would write.
//!
//! The contract is `docs/reference/source-tags.md`. [`rules`] computes the tags of one object from its exported dict.

pub mod canonical;
mod overlay;
pub mod rules;
mod times;
pub(crate) mod version_facts;

pub use overlay::{Notice, Overwritten, SourceTags, TimeFault};
pub(crate) use version_facts::VersionContexts;
