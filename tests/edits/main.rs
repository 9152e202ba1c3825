//! Edits of archives.

#[path = "../helpers/mod.rs"]
mod helpers;

mod beside;
mod descriptions;
mod graph;
mod laws;
mod lineage_tags;
mod lost;
mod merge;
mod recipes;
mod source_tags_golden;
mod split;
mod tags;
mod transform;
