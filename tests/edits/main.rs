//! Edits of archives.

#[path = "../helpers/mod.rs"]
mod helpers;

mod bad_recipes;
mod beside;
mod descriptions;
mod graph;
mod hostile;
mod laws;
mod lineage_tags;
mod lost;
mod merge;
mod parts;
mod recipes;
mod several;
mod split;
mod tags;
mod transform;
