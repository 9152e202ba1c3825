//! Directories that mlflow-export-import wrote.

mod artifacts;
mod choice;
mod detect;
mod document;
mod evaluation;
mod experiment;
mod fields;
mod layout;
mod logged_model;
mod points;
mod prompt;
mod registry;
mod run;

pub use detect::looks_like_exim;
pub use document::DocumentError;
