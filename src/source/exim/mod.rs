//! Directories that mlflow-export-import wrote.

mod document;
mod experiment;
mod fields;
mod points;
mod run;

pub use document::DocumentError;
