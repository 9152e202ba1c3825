//! Sources that lie on a disk, and what all sources must agree on.

#[path = "../helpers/mod.rs"]
mod helpers;

mod any_types;
mod every_answer;
mod every_field;
mod exim;
mod exim_made;
mod file_store;
mod local_roots;
mod odd_values;
mod pipes;
mod progress;
mod selections;
mod shards;
