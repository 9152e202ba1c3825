//! What an archive says, for people and for tests: differences, lists, single objects, a text to compare.
//!
//! Nothing here prints. Each report is a value, or a stream of values, from which the command line makes text
//! or JSON; [`snapshot()`] alone makes text, since a stable text is its purpose.

pub mod compare;
mod curve;
pub mod diff;
mod error;
pub mod html;
pub mod lineage;
pub mod list;
pub(crate) mod locations;
pub mod long_text;
pub mod object;
pub mod scan;
mod series;
pub mod snapshot;
pub mod text;

pub use curve::Curve;
pub use diff::{DiffOptions, Difference, diff};
pub use error::ReportError;
pub use series::SeriesFacts;
pub use snapshot::{Redaction, Redactions, Snapshot, SnapshotOptions, snapshot, snapshot_with};
