//! Directories that mlflow-export-import wrote, of format 1 and 2, single and bulk.
//!
//! The folder is looked through by the names of its files (`layout`); each file is read into the archive's types, one module
//! per kind of object; [`export()`] drives this, checks what is listed against what is there, and writes the archive.

mod artifacts;
mod detect;
mod document;
mod evaluation;
mod experiment;
mod export;
mod fields;
mod layout;
mod logged_model;
mod points;
mod prompt;
mod registry;
mod run;
mod same_object;
mod trace;

pub(crate) use detect::is_exim;
pub use detect::looks_like_exim;
pub use document::DocumentError;
pub use export::export;
