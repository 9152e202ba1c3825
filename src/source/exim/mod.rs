//! Directories that mlflow-export-import wrote.

mod artifacts;
mod document;
mod evaluation;
mod experiment;
mod fields;
mod logged_model;
mod points;
mod prompt;
mod registry;
mod run;

pub use document::DocumentError;
