//! Artifacts: which files an object has, and which blob holds each.

use super::{BlobRef, Digest};
use crate::model::named::named;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A line of `objects/artifacts-*.jsonl`: up to 1,000 files of one owner, ordered by path bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ArtifactList {
    /// The files.
    pub files: Vec<ArtifactFile>,
    /// Id of the owner; `name/version` for a model version.
    pub owner_id: String,
    /// Kind of the owner.
    pub owner_kind: OwnerKind,
}

named! {
    serialized
    /// What kind of object owns artifacts, in the order of the archive.
    pub enum OwnerKind {
        /// A run.
        Run = "run",
        /// A logged model.
        LoggedModel = "logged_model",
        /// A model version whose files an export kept beside it.
        ModelVersion = "model_version",
        /// A trace.
        Trace = "trace",
    }
}

/// One file; either its digest or the reason of its absence is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ArtifactFile {
    /// Why the bytes are not in the archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absent: Option<Absent>,
    /// Path below the owner's artifact root, joined with `/`.
    pub path: String,
    /// SHA-256 of the bytes, which are `blobs/sha256/<first two digits>/<digest>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
    /// Size in bytes; absent where the bytes are and the source did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
}

impl ArtifactFile {
    /// The blob with its bytes; none where these are not in the archive, or where the line does not say enough.
    pub fn blob(&self) -> Option<BlobRef> {
        let (sha256, size_bytes) = (self.sha256?, self.size_bytes?);
        Some(BlobRef { sha256, size_bytes })
    }
}

/// Why an artifact's bytes are not in the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Absent {
    /// A choice on export left it out.
    NotSelected,
    /// It could not be read; `losses.jsonl` says why.
    Failed,
}
