//! mlark moves MLflow history as a file.
//!
//! An [export](flow::export) writes an [`archive`], a [transform](flow::transform) makes an archive from one, an
//! [import](flow::import) brings one to a server, and a [`report`] tells what is in one. `docs/format.md` specifies the format; [`format`](mod@format) and [`model`]
//! are its types. The program is [`cli`], and a test of what is in an archive takes three lines:
//!
//! ```no_run
//! let archive = mlark::archive::Archive::open("history.zip".as_ref())?;
//! let text = mlark::report::snapshot(&archive)?;
//! insta::assert_snapshot!(text);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

// Outside tests a panic is a bug, and `expect` says why it cannot happen.
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

pub mod archive;
pub mod cli;
pub mod client;
pub mod flow;
pub mod format;
#[doc(hidden)]
pub mod fuzzing;
pub mod lang;
pub mod model;
pub mod monitor;
pub mod report;
pub mod select;
