//! Lines of undo files: how objects were before a transform.

use crate::model::Digest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// A line of an undo file: how one object was before. Where only tags of an experiment, a run or a model version changed, these are told;
/// else the whole line is, read as an `L`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, bound(deserialize = "L: Deserialize<'de>"))]
#[schemars(rename = "UndoLine")]
pub struct UndoLineWith<L> {
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
    /// The whole line as it was, where more than tags changed; absent where it was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<L>,
    /// Digest of the line as it is, without its line end; absent where it is gone, or where only tags changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<Digest>,
    /// Values that tags had.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub replaced: BTreeMap<String, Value>,
    /// Workspace of the object, where ids are unique only within one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
}

/// A line of an undo file, with whole lines parsed.
pub type UndoLine = UndoLineWith<Value>;

/// Kind of the undo line that lists blobs.
pub(crate) const BLOBS_LINE: &str = "blobs";

/// What a manifest requires where an undo record has whole lines.
pub(crate) const UNDO_LINES: &str = "undo-lines";
