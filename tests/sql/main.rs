//! Exports of SQLite backend stores that real servers filled.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "../helpers/mod.rs"]
mod helpers;

mod client;
mod common;
mod fill;
mod hostile;
mod migrated;
mod moves;
mod restore;
mod selection;
