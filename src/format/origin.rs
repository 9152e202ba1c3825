//! Where the objects of an archive of several origins come from: what the manifest says of it, and the lines of `origins.jsonl`.

use super::Kind;
use super::manifest::{FileDescriptor, SourceInfo};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What an archive holds beside the objects of its own origin (format 1.1).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Origins {
    /// The further origins, in the order in which they were merged.
    pub further: Vec<FurtherOrigin>,
    /// `origins.jsonl`, where it has lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileDescriptor>,
}

/// An origin beside the archive's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FurtherOrigin {
    /// Its stable name.
    pub origin: String,
    /// What was read there.
    pub source: SourceInfo,
}

/// A line of `origins.jsonl`: an object that another origin than the archive's knows, perhaps under another id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OriginLine {
    /// Id in the archive; `name/version` for a model version.
    pub id: String,
    /// Whether the object is also known to an origin before, the archive's own or one of an earlier line.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub joined: bool,
    /// Kind of the object.
    pub kind: Kind,
    /// The origin.
    pub origin: String,
    /// Id in that origin, where it is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin_id: Option<String>,
    /// Workspace of the object, where ids are unique only within one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
}

impl OriginLine {
    /// The id in the origin.
    pub fn origin_id(&self) -> &str {
        self.origin_id.as_deref().unwrap_or(&self.id)
    }
}

/// Which shard of a source an archive is (format 1.1). It says nothing of the content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShardOfSource {
    /// Which one, from 1.
    pub number: u64,
    /// How many there are.
    pub of: u64,
    /// SHA-256 of the plan that divides the source; without it, experiments are divided by a hash of their ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<crate::model::Digest>,
    /// How many runs the plan counted for it, if all are taken: if the number differs, the source changed in between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned_runs: Option<u64>,
    /// Runs of this shard that traces of other shards are linked to, by the ids of the traces: a server tells of links by the run alone,
    /// and a merge of all shards puts them into the traces. As many as a manifest holds; the others are a limit.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub links: BTreeMap<String, BTreeSet<String>>,
    /// Digest of all experiments of the source that the shard saw: if it differs between shards, the source changed in between.
    pub seen: crate::model::Digest,
}

/// Which part of a whole an archive is (format 1.1). It says nothing of the content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PartOfWhole {
    /// Which one, from 1.
    pub number: u64,
    /// How many there are.
    pub of: u64,
    /// Content id of the whole.
    pub whole: crate::model::Digest,
}
