//! What an archive says, for people and for tests: differences, lists, single objects, a text to compare.
//!
//! Nothing here prints. Each report is a value, or a stream of values, from which the command line makes text
//! or JSON; [`snapshot()`] alone makes text, since a stable text is its purpose.

pub(crate) mod compare;
mod curve;
pub(crate) mod diff;
mod error;
pub mod html;
pub(crate) mod lineage;
pub(crate) mod list;
pub(crate) mod locations;
pub(crate) mod long_text;
pub(crate) mod object;
pub(crate) mod scan;
mod series;
pub(crate) mod snapshot;
pub(crate) mod text;

pub use curve::Curve;
pub use diff::{Change, DiffOptions, Difference, PointDifference, PointDifferences, diff};
pub use error::ReportError;
pub use series::SeriesFacts;
pub use snapshot::{
    Redaction, Redactions, Snapshot, SnapshotObject, SnapshotOptions, snapshot, snapshot_with,
};
