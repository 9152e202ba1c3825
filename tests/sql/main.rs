//! Exports of SQLite backend stores that real servers filled.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod client;
mod common;
mod hostile;
mod migrated;
mod restore;
mod selection;
