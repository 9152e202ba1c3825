//! mlark moves MLflow history as a file.
//!
//! | what you have | what you ask for | where |
//! |---|---|---|
//! | an `mlruns` folder, a database, a tracking server, a directory of mlflow-export-import | an archive of it | [`flow::export`] |
//! | an [`Archive`] | its objects and bytes | [`Archive::objects`], [`Archive::blob`] |
//! | an archive | whether it is whole and true | [`verify()`] |
//! | an archive | one text of it, for a snapshot test | [`snapshot()`], [`report::snapshot_with`] |
//! | two archives | what differs | [`diff()`] |
//! | an archive | an edited one: chosen, renamed, redacted, with source tags, or without edits again | [`flow::transform`] |
//! | archives | one of them all; one in parts | [`flow::merge`] |
//! | an archive | its files in a folder; tables, or a directory of mlflow-export-import | [`flow::extract`], [`flow::convert`] |
//! | an archive | one page for a browser | [`report::html`] |
//! | an archive and a server | the objects on that server | [`flow::import`] |
//! | an archive | a database and artifacts that MLflow serves | [`flow::restore`] |
//!
//! `docs/format.md` specifies the archive; [`format`](mod@format) and [`model`] are its types.
//!
//! # Reading
//!
//! ```
//! use mlark::Archive;
//! use mlark::model::Run;
//!
//! let archive = Archive::open("fixtures/golden/v1.0/archive.zip".as_ref())?;
//! for run in archive.objects::<Run>() {
//!     let run = run?;
//!     println!("{} {:?}", run.info.run_id, run.params);
//! }
//! # Ok::<(), mlark::ArchiveError>(())
//! ```
//!
//! # A test of what is in an archive
//!
//! ```no_run
//! let archive = mlark::Archive::open("history.zip".as_ref())?;
//! insta::assert_snapshot!(mlark::snapshot(&archive)?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//!
//! A reader alone is `default-features = false`: it opens, verifies, shows and compares archives. `doors` adds what reads and writes MLflow's
//! own stores and servers ([`flow`], [`client`]), `postgres`, `mysql` and `cloud` those databases and object stores, and `parquet` tables in that form.
//! `cli` is the program. All of them are on by default.

// Outside tests a panic is a bug, and `expect` says why it cannot happen.
#![cfg_attr(not(test), warn(clippy::unwrap_used))]
#![cfg_attr(
    not(feature = "doors"),
    allow(
        dead_code,
        unreachable_pub,
        unused_imports,
        reason = "a reader alone uses a part of each room"
    )
)]

pub mod archive;
#[cfg(feature = "cli")]
#[doc(hidden)]
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
mod lang;
pub mod model;
pub mod monitor;
mod platform;
pub mod report;
pub mod select;

pub use archive::verify::{VerifyOptions, VerifyReport, verify};
pub use archive::{Archive, ArchiveError};
pub use report::{DiffOptions, diff, snapshot};

/// The languages themselves, for this package's own tests and benchmarks: nothing here is promised.
#[cfg(feature = "doors")]
#[doc(hidden)]
pub mod internals {
    pub use crate::archive::walk::for_each_artifact;
    pub use crate::flow::import::spans::{Sent, sent};
    pub use crate::format::layout::{
        CHECKSUMS, JSON_DEPTH, JSONL_MEDIA_TYPE, LINE_BYTES, LOSSES, MANIFEST, SEAL, STRING_BYTES, blob_path,
        checksum_line, object_path,
    };
    pub use crate::format::line::{canonical, to_value};
    pub use crate::lang::{exim, file_store, rest, sql};
    pub use crate::model::pyjson::{PyJson, PyJsonErrorKind};
    pub use crate::model::registry::{DELETED_STAGE, is_prompt};
    pub use crate::report::list::{ListFilter, Noun, list};
    pub use crate::report::scan::{ScanOptions, ScanReport, scan};
    pub use crate::report::text::json_text;

    /// Keys of lines, as archives sort them.
    pub mod order {
        pub use crate::format::order::{run, span};
    }

    /// The schemas of lines.
    pub mod schema {
        pub use crate::format::schema::{all, of_kind};
    }

    /// JSON as archives may hold it.
    pub mod strict_json {
        pub use crate::format::strict_json::parse;
    }
}
