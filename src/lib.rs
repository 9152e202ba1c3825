//! mlark moves MLflow history as a file.

pub mod model;
pub mod transform;
