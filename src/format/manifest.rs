//! The manifest, `mlark.json`.

use super::origin::{Origins, PartOfWhole, ShardOfSource};
use super::{ArchivePath, Kind, LossCount};
use crate::model::{Digest, Extra};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

pub use super::layout::{FORMAT_MAJOR, FORMAT_MINOR, FORMAT_NAME};

/// Names in `format.requires` that this build knows.
pub const KNOWN_FEATURES: &[&str] = &[super::undo::UNDO_LINES];

/// The manifest: small, whatever the archive's size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Manifest {
    /// Which format this is.
    pub format: Format,
    /// Which program wrote it.
    pub tool: Tool,
    /// When it was written, RFC 3339 in UTC.
    pub created: String,
    /// Stable name of where the data came from; survives transforms and exports made again.
    pub origin: String,
    /// What was read.
    pub source: SourceInfo,
    /// What was chosen, and what the choice left out.
    #[serde(default)]
    pub selection: SelectionRecord,
    /// Objects per kind; for metrics and artifacts, lines.
    pub counts: BTreeMap<String, u64>,
    /// Size of what the counts do not say.
    #[serde(default)]
    pub totals: Totals,
    /// Every file below `objects/`, and `losses.jsonl` and `undo/` where they are.
    pub files: Vec<FileDescriptor>,
    /// SHA-256 of `SHA256SUMS`: equal content has an equal id.
    pub content_id: Digest,
    /// One entry per transform, oldest first.
    #[serde(default)]
    pub history: Vec<HistoryEntry>,
    /// What is not in the archive.
    #[serde(default)]
    pub losses: Losses,
    /// Origins beside `origin`, where archives of several were merged (format 1.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origins: Option<Origins>,
    /// Which part of a whole it is, where it was split (format 1.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<PartOfWhole>,
    /// Which shard of a source it is, where it was exported as one (format 1.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<ShardOfSource>,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Which format an archive has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Format {
    /// Always `mlark-archive`.
    pub name: String,
    /// A reader refuses a newer one.
    pub major: u32,
    /// A reader accepts a newer one.
    pub minor: u32,
    /// Features a reader must know.
    #[serde(default)]
    pub requires: Vec<String>,
}

impl Format {
    /// Whether a newer mlark wrote it.
    pub fn is_newer(&self) -> bool {
        self.major > FORMAT_MAJOR || self.minor > FORMAT_MINOR
    }

    /// The format this build writes: the oldest minor version that has all that an archive needs.
    pub fn current() -> Self {
        Format {
            name: FORMAT_NAME.to_owned(),
            major: FORMAT_MAJOR,
            minor: 0,
            requires: Vec::new(),
        }
    }
}

/// Which program wrote an archive or an entry of its history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tool {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
}

impl Tool {
    /// This build.
    pub fn current() -> Self {
        Tool {
            name: "mlark".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// The detail of a source that names the origin by which earlier versions knew it.
pub const FORMER_ORIGIN: &str = "former_origin";

/// What was read to make the archive.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceInfo {
    /// `file-store`, `export-import`, `sql` or `rest`.
    pub kind: String,
    /// Where it was, without user info and query.
    pub uri: String,
    /// MLflow's version, where the source tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mlflow_version: Option<String>,
    /// What else the source told of itself, such as a schema version.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, String>,
}

/// What was chosen on export.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename = "Selection")]
pub struct SelectionRecord {
    /// The choices by their option's name.
    #[serde(default)]
    pub options: BTreeMap<String, Value>,
    /// Objects left out by the choices, counted per kind and reason.
    #[serde(default)]
    pub left_out: Vec<LossCount>,
}

/// Total sizes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Totals {
    /// Metric points of runs and of logged models.
    pub metric_points: u64,
    /// Files listed as artifacts.
    pub artifact_files: u64,
    /// Their bytes; a file that is stored once but listed twice counts twice.
    pub artifact_bytes: u64,
    /// Distinct blobs.
    pub blobs: u64,
    /// Bytes of distinct blobs.
    pub blob_bytes: u64,
}

/// A file of the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileDescriptor {
    /// Path within the archive.
    #[serde(deserialize_with = "super::path::of_lines")]
    pub path: ArchivePath,
    /// Media type.
    pub media_type: String,
    /// SHA-256 of the bytes.
    pub sha256: Digest,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Lines.
    pub count: u64,
}

/// One transform in an archive's past.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryEntry {
    /// Name of the transform.
    pub name: String,
    /// Its parameters, never values of objects.
    #[serde(default)]
    pub parameters: BTreeMap<String, Value>,
    /// Which program made it.
    pub tool: Tool,
    /// When, RFC 3339 in UTC.
    pub time: String,
    /// Content id of the archive that was transformed; of several, the first.
    pub parent_content_id: Digest,
    /// Content ids of all archives that were merged, in their order (format 1.1).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parent_content_ids: Vec<Digest>,
    /// What it did, counted.
    #[serde(default)]
    pub counts: BTreeMap<String, u64>,
}

/// What is not in the archive, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Losses {
    /// What the source, the format or a target cannot hold.
    #[serde(default)]
    pub limits: Vec<LossCount>,
    /// What could not be read; each is a line of `losses.jsonl`.
    #[serde(default)]
    pub failures: Vec<LossCount>,
}

/// Why an archive cannot be read by this build.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// Some other JSON document.
    #[error("format is `{0}`, not `{FORMAT_NAME}`")]
    Name(String),
    /// Newer than this build.
    #[error(
        "archive has format version {major}.{minor}, and mlark {} reads up to {FORMAT_MAJOR}.x: use a newer mlark",
        env!("CARGO_PKG_VERSION")
    )]
    NewerMajor {
        /// Its major version.
        major: u64,
        /// Its minor version.
        minor: u64,
    },
    /// Needs something this build does not know.
    #[error("archive needs the format feature `{feature}`, which mlark {} does not know: use a newer mlark", env!("CARGO_PKG_VERSION"))]
    UnknownFeature {
        /// Its name.
        feature: String,
    },
    /// Older than the first version.
    #[error("archive has format version {0}, which never existed")]
    Impossible(u64),
}

impl Manifest {
    /// Checks the format of a manifest before its other fields are believed, since a newer one may have others.
    ///
    /// # Errors
    /// Another name, a newer major version, a feature this build does not know.
    pub fn check_format(document: &Value) -> Result<(), FormatError> {
        let format = &document["format"];
        let name = format["name"].as_str().unwrap_or_default();
        if name != FORMAT_NAME {
            return Err(FormatError::Name(name.chars().take(80).collect()));
        }
        let major = format["major"].as_u64().unwrap_or(0);
        let minor = format["minor"].as_u64().unwrap_or(0);
        if major > u64::from(FORMAT_MAJOR) {
            return Err(FormatError::NewerMajor { major, minor });
        }
        if major == 0 {
            return Err(FormatError::Impossible(major));
        }
        let requires = format["requires"].as_array();
        for feature in requires.into_iter().flatten().filter_map(Value::as_str) {
            if !KNOWN_FEATURES.contains(&feature) {
                let feature = feature.chars().take(80).collect();
                return Err(FormatError::UnknownFeature { feature });
            }
        }
        Ok(())
    }

    /// Whether a newer minor version wrote it, which may have fields and kinds that this build does not know.
    pub fn is_newer(&self) -> bool {
        self.format.minor > FORMAT_MINOR
    }

    /// The manifest's text: canonical JSON, indented for people, one line end at the end.
    pub fn to_text(&self) -> String {
        let value = serde_json::to_value(self).expect("a manifest has only text keys");
        let mut text = serde_json::to_string_pretty(&value).expect("a value can be written");
        text.push('\n');
        text
    }

    /// Objects of a kind.
    pub fn count(&self, kind: Kind) -> u64 {
        self.counts.get(kind.name()).copied().unwrap_or(0)
    }

    /// Objects of a kind that are not in the archive, as it says itself: lost or left out as a whole.
    pub fn lost(&self, kind: Kind) -> u64 {
        let Losses { limits, failures } = &self.losses;
        limits
            .iter()
            .chain(failures)
            .chain(&self.selection.left_out)
            .filter(|loss| loss.kind == kind.name() && loss.field == "*")
            .fold(0, |sum, loss| sum.saturating_add(loss.count))
    }

    /// The minor version whose fields the manifest has.
    pub fn needed_minor(&self) -> u32 {
        let is_merged = self
            .history
            .iter()
            .any(|entry| !entry.parent_content_ids.is_empty());
        u32::from(is_merged || self.origins.is_some() || self.part.is_some() || self.shard.is_some())
    }

    /// All files of lines, the one of origins last.
    pub(crate) fn all_files(&self) -> impl Iterator<Item = &FileDescriptor> {
        self.files.iter().chain(self.origins_file())
    }

    /// The file that says where objects come from.
    pub(crate) fn origins_file(&self) -> Option<&FileDescriptor> {
        self.origins.as_ref()?.file.as_ref()
    }

    /// What is said of a file of lines, the one of origins among them.
    pub fn descriptor(&self, path: &ArchivePath) -> Option<&FileDescriptor> {
        self.all_files().find(|file| file.path == *path)
    }

    /// Descriptors of a kind's files, in order.
    pub fn files_of(&self, kind: Kind) -> impl Iterator<Item = &FileDescriptor> {
        self.files
            .iter()
            .filter(move |file| file.path.kind() == Some(kind))
    }
}
