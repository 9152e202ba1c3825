//! The directories of mlflow-export-import: [`read`] and [`write`], and in [`tags`] its rules for source tags.

mod dict;
pub mod read;
pub mod tags;
pub mod write;
