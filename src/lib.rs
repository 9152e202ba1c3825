//! mlark moves MLflow history as a file.

pub mod archive;
pub mod cli;
pub mod client;
pub mod format;
pub mod model;
pub mod monitor;
pub mod report;
pub mod sink;
pub mod source;
pub mod transform;
