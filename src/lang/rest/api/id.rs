//! Ids of a target, which are not those of an archive.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The id that an object has in a target.
///
/// An archive has its own id for the object, a text; neither can be taken for the other:
///
/// ```
/// use mlark::internals::rest::api::{Api, TargetId};
///
/// fn delete(api: &Api, id: &TargetId) {
///     let _ = api.delete_run(id);
/// }
/// ```
///
/// ```compile_fail
/// use mlark::internals::rest::api::Api;
///
/// fn delete(api: &Api, run: &mlark::model::Run) {
///     let _ = api.delete_run(&run.info.run_id);
/// }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(description = "The id that an object has in a target")]
pub struct TargetId(String);

impl TargetId {
    /// An id that a target told, or that a journal remembers.
    pub fn new(id: impl Into<String>) -> Self {
        TargetId(id.into())
    }

    /// The id of an object that keeps the one which it has in the archive: a trace of API v3.
    pub fn kept(id: &str) -> Self {
        TargetId(id.to_owned())
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its text.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Display for TargetId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}
