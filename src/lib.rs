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
#![cfg_attr(
    not(feature = "doors"),
    allow(dead_code, unused_imports, reason = "a reader alone uses a part of each room")
)]

pub mod archive;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "doors")]
pub mod client;
#[cfg(feature = "doors")]
pub mod flow;
pub mod format;
#[cfg(feature = "doors")]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "doors")]
pub mod lang;
pub mod model;
pub mod monitor;
pub mod report;
pub mod select;
