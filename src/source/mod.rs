//! Where MLflow history comes from; each source writes an archive and knows nothing of sinks.

mod context;
pub mod detect;
pub mod exim;
mod options;
pub mod uri;

pub use context::{Export, ExportError, ExportReport};
pub use options::{ExportOptions, PatternError, Patterns, Selection, TimeRange};
