//! What MLflow objects are, without any reading or writing.

pub mod pyjson;
