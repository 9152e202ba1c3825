//! Source tags: the lineage that mlflow-export-import's `--import-source-tags` would write.
//!
//! The contract is `docs/reference/source-tags.md`. `rules` computes the tags of one object from its exported dict.

pub mod canonical;
mod overlay;
pub(crate) mod rules;
mod times;
pub(crate) mod version_facts;

pub(super) use times::format_millis;
pub(crate) use version_facts::VersionContexts;
