//! mlark moves MLflow history as a file.

pub mod archive;
pub mod cli;
pub mod format;
#[doc(hidden)]
pub mod fuzzing;
pub mod model;
pub mod monitor;
pub mod report;
pub mod sink;
pub mod source;
pub mod transform;
