//! mlark moves MLflow history as a file.

pub mod format;
pub mod model;
pub mod source;
pub mod transform;
