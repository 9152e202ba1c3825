//! Lines of undo files: how tags were before a transform.

use crate::model::Digest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// A line of an undo file: how one object's tags were before.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UndoLine {
    /// Keys of tags that were not there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<String>,
    /// Blobs that the transform stored; stands alone in a line of kind `blobs`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added_blobs: Vec<Digest>,
    /// Id of the object.
    pub id: String,
    /// Kind of the object.
    pub kind: String,
    /// Values that tags had.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub replaced: BTreeMap<String, Value>,
    /// Workspace of the object, where ids are unique only within one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
}

/// Kind of the undo line that lists blobs.
pub const BLOBS_LINE: &str = "blobs";
