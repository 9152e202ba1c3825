//! Edits of archives.

#[path = "../helpers/mod.rs"]
mod helpers;

mod source_tags_golden;
mod transform;
