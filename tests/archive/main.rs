//! The archive: reading, verifying, damage, older versions.

#[path = "../helpers/mod.rs"]
mod helpers;

mod damage;
mod false_archives;
mod filter;
mod filter_laws;
mod fuzzing;
mod golden;
mod lacks;
mod limits;
mod read_archive;
mod verify_cli;
