//! The languages that MLflow history is written in; each folder reads and writes its own, and none imports another.
//!
//! What several of them share stands below: [`session`] (an export in progress), `spans` and `artifacts`.

pub(crate) mod artifacts;
pub mod exim;
pub mod file_store;
pub mod rest;
pub(crate) mod session;
pub(crate) mod spans;
pub mod sql;
pub(crate) mod tables;
