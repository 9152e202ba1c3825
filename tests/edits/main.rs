//! Edits of archives.

#[path = "../helpers/mod.rs"]
mod helpers;

mod graph;
mod laws;
mod lineage_tags;
mod recipes;
mod source_tags_golden;
mod tags;
mod transform;
