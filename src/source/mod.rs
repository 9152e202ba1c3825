//! Doors to MLflow history: each writes an archive and knows nothing of sinks.

pub mod exim;
