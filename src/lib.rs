//! mlark moves MLflow history as a file.
//!
//! An export writes an archive ([`archive`], [`source`]), a transform makes an archive from one ([`transform`]), a report
//! tells what is in one ([`report`]). `docs/format.md` specifies the format; [`format`](mod@format) and [`model`] are its types.

// Outside tests a panic is a bug, and `expect` says why it cannot happen.
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

pub mod archive;
pub mod cli;
pub mod client;
pub mod format;
#[doc(hidden)]
pub mod fuzzing;
pub mod model;
pub mod monitor;
pub mod report;
pub mod sink;
pub mod source;
pub mod transform;
