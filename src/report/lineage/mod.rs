//! Where an object came from, across archives: its hops, and the runs, datasets, models and versions that it is made of.
//!
//! Objects and what links them make a graph. Its lines are read twice: first only what links what, by short hashes, from which
//! follows what belongs to the chain of what was asked for; then the lines of those objects. So memory holds a few bytes per link
//! and the heads of the chain's objects.

mod asked;
mod graph;
mod line;
mod links;
mod openlineage;
mod overview;
mod places;
mod prov;
pub(crate) mod ro_crate;

use crate::archive::Archive;
use crate::format::Kind;
use crate::format::manifest::{HistoryEntry, SourceInfo};
use crate::model::Digest;
use crate::model::mask::redact;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

pub(crate) use crate::format::hops::{Evidence, Hop};
pub(crate) use asked::{LineageQuery, lineage};
pub(crate) use openlineage::open_lineage;
pub(crate) use overview::{Overview, overview};
pub(in crate::report) use places::{Own, chain_of};
pub(crate) use prov::prov_json;

/// Where an object came from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Lineage {
    /// What was asked for, as it was given.
    pub asked: String,
    /// The archives, in the order given.
    pub archives: Vec<ArchiveFacts>,
    /// Where the bytes of the file lie, where a file was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<FileFacts>,
    /// Places in `nodes` of what was asked for, or of what owns the file.
    pub roots: Vec<usize>,
    /// Objects.
    pub nodes: Vec<LineageNode>,
    /// What links them.
    pub edges: Vec<Edge>,
    /// Objects of the chain that are left out, since there are too many.
    #[serde(skip_serializing_if = "is_zero")]
    #[schemars(default)]
    pub left_out: u64,
    /// Mistakes in tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub notes: Vec<String>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// An archive and its past.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct ArchiveFacts {
    /// Where it is.
    pub path: String,
    /// Its content id.
    pub content_id: Digest,
    /// Stable name of where its data came from.
    pub origin: String,
    /// What was read.
    pub source: SourceInfo,
    /// When it was written, RFC 3339.
    pub created: String,
    /// The program that wrote it.
    pub tool: String,
    /// What was done to it, oldest first.
    pub history: Vec<HistoryEntry>,
}

impl ArchiveFacts {
    /// The past of an archive.
    pub(crate) fn of(archive: &Archive) -> Self {
        let manifest = archive.manifest();
        let source = &manifest.source;
        ArchiveFacts {
            path: archive.path().to_string_lossy().into_owned(),
            content_id: manifest.content_id,
            origin: manifest.origin.clone(),
            source: SourceInfo {
                uri: redact(&source.uri),
                ..source.clone()
            },
            created: manifest.created.clone(),
            tool: format!("{} {}", manifest.tool.name, manifest.tool.version),
            history: manifest.history.clone(),
        }
    }
}

/// The bytes of a file and who has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct FileFacts {
    /// Digest of the bytes.
    pub sha256: Digest,
    /// How many bytes.
    pub size_bytes: u64,
    /// Artifacts with these bytes.
    pub artifacts: Vec<FileOwner>,
    /// Further ones, which are not listed.
    pub more: u64,
}

/// An artifact with the bytes of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub(crate) struct FileOwner {
    /// Place in `nodes` of its owner.
    pub node: usize,
    /// Its path.
    pub path: String,
}

/// An object of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename = "Node")]
pub(crate) struct LineageNode {
    /// Its kind.
    pub kind: Kind,
    /// Its id.
    pub id: String,
    /// Its workspace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// Stable name of where it is.
    pub origin: String,
    /// Places in `archives` of those that hold it; none where other objects alone name it.
    pub archives: Vec<usize>,
    /// Its experiment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub experiment_id: Option<String>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Status or state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// When it began or was made, epoch milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<i64>,
    /// When it ended, epoch milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<i64>,
    /// What else is known of where it came from, such as the code of a run.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(default)]
    pub facts: BTreeMap<String, String>,
    /// Where it was before, the first origin first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub hops: Vec<Hop>,
    /// Hops behind the first one that its tags no longer tell.
    #[serde(skip_serializing_if = "is_zero")]
    #[schemars(default)]
    pub folded_hops: u64,
}

/// A link: `from` came from `to`, or belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub(crate) struct Edge {
    /// Place in `nodes`.
    pub from: usize,
    /// How.
    pub relation: Relation,
    /// Place in `nodes`.
    pub to: usize,
}

/// How an object came from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Relation {
    /// It is the same object, brought from there.
    CopyOf,
    /// A model version was made of a logged model.
    MadeOf,
    /// A version was made from another version.
    CopiedFrom,
    /// A run or logged model made it.
    MadeBy,
    /// A run is nested in another.
    ChildOf,
    /// A run read a dataset or model, or a trace a prompt.
    Read,
    /// A trace is linked to a run that did not make it.
    LinkedTo,
    /// A version of a registered model or prompt.
    VersionOf,
    /// It lies in an experiment.
    In,
}
