//! Paths inside an archive: one grammar, and the only thing that is joined to an archive's root.
//!
//! A name that a manifest or a checksum line states is text until it is an [`ArchivePath`]; nothing is opened, made,
//! copied or linked by text.

use super::Kind;
use super::layout::{
    CHECKSUMS, LOSSES, MANIFEST, OBJECTS, ORIGINS, SEAL, blob_path, object_path, parse_blob_path,
    parse_part_name, parse_undo_path, undo_path,
};
use crate::model::Digest;
use crate::model::printable::printable;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::{Borrow, Cow};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The longest name of a kind; those of this version are far shorter.
const KIND_BYTES: usize = 64;

/// A path that a file of an archive can have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ArchivePath {
    text: String,
    role: Role,
}

/// What the file at a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    /// Objects, of a kind that this build knows or of one that a newer minor version brought.
    Objects(Option<Kind>, u32),
    /// Part of the undo record of a history entry.
    Undo(usize, u32),
    Losses,
    Origins,
    Blob(Digest),
    Checksums,
    Manifest,
    Seal,
}

/// A text that is not the path of any file of an archive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the path of a file of an archive")]
pub struct NotAPath(String);

impl ArchivePath {
    fn new(text: impl Into<String>, role: Role) -> Self {
        let text = text.into();
        ArchivePath { text, role }
    }

    /// Path of one part of a kind's objects.
    pub fn objects(kind: Kind, part: u32) -> Self {
        Self::new(object_path(kind, part), Role::Objects(Some(kind), part))
    }

    /// Path of one part of the undo record of a history entry.
    pub fn undo(entry: usize, part: u32) -> Self {
        Self::new(undo_path(entry, part), Role::Undo(entry, part))
    }

    /// Path of the list of failures.
    pub fn losses() -> Self {
        Self::new(LOSSES, Role::Losses)
    }

    /// Path of the list of where objects come from.
    pub fn origins() -> Self {
        Self::new(ORIGINS, Role::Origins)
    }

    /// Path of a blob.
    pub fn blob(digest: &Digest) -> Self {
        Self::new(blob_path(digest), Role::Blob(*digest))
    }

    /// Path of the digests of objects and blobs.
    pub fn checksums() -> Self {
        Self::new(CHECKSUMS, Role::Checksums)
    }

    /// Path of the manifest.
    pub fn manifest() -> Self {
        Self::new(MANIFEST, Role::Manifest)
    }

    /// Path of the digest of the manifest.
    pub fn seal() -> Self {
        Self::new(SEAL, Role::Seal)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Where the file lies, given the root of its archive.
    pub fn below(&self, root: &Path) -> PathBuf {
        root.join(&self.text)
    }

    /// Whether it is a file of objects, of a kind that this build knows or not.
    pub fn is_objects(&self) -> bool {
        matches!(self.role, Role::Objects(..))
    }

    /// The kind of a file of objects, where this build knows it.
    pub fn kind(&self) -> Option<Kind> {
        match self.role {
            Role::Objects(kind, _) => kind,
            _ => None,
        }
    }

    /// The kind and part number of a file of objects, where this build knows the kind.
    pub fn object_part(&self) -> Option<(Kind, u32)> {
        match self.role {
            Role::Objects(kind, part) => Some((kind?, part)),
            _ => None,
        }
    }

    /// The name of the kind of a file of objects, known or not.
    pub fn kind_name(&self) -> Option<&str> {
        let (name, _) = parse_part_name(&self.text, OBJECTS).filter(|_| self.is_objects())?;
        Some(name)
    }

    /// The history entry and part number of an undo file.
    pub fn undo_part(&self) -> Option<(usize, u32)> {
        match self.role {
            Role::Undo(entry, part) => Some((entry, part)),
            _ => None,
        }
    }

    /// The digest that a blob's name is.
    pub fn blob_digest(&self) -> Option<Digest> {
        match self.role {
            Role::Blob(digest) => Some(digest),
            _ => None,
        }
    }

    /// Whether it is a file of lines, which the manifest lists.
    pub fn is_listed(&self) -> bool {
        matches!(self.role, Role::Objects(..) | Role::Undo(..) | Role::Losses)
    }

    /// Whether it is the list of where objects come from, which the manifest names by itself.
    pub fn is_origins(&self) -> bool {
        self.role == Role::Origins
    }

    /// Whether only a newer minor version can have such a file.
    pub fn is_newer(&self) -> bool {
        matches!(self.role, Role::Objects(None, _))
    }
}

/// Lower-case words joined with `-`, as the names of kinds are and will be.
fn is_kind_name(name: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    name.len() <= KIND_BYTES && name.split('-').all(is_word)
}

impl FromStr for ArchivePath {
    type Err = NotAPath;

    fn from_str(text: &str) -> Result<Self, NotAPath> {
        let role = match text {
            LOSSES => Some(Role::Losses),
            ORIGINS => Some(Role::Origins),
            CHECKSUMS => Some(Role::Checksums),
            MANIFEST => Some(Role::Manifest),
            SEAL => Some(Role::Seal),
            _ => None,
        };
        let objects = || {
            let (name, part) = parse_part_name(text, OBJECTS)?;
            is_kind_name(name).then(|| Role::Objects(Kind::from_name(name), part))
        };
        let role = role
            .or_else(|| parse_blob_path(text).map(Role::Blob))
            .or_else(objects)
            .or_else(|| parse_undo_path(text).map(|(entry, part)| Role::Undo(entry, part)));
        match role {
            Some(role) => Ok(Self::new(text, role)),
            None => {
                let shown: String = text.chars().take(200).collect();
                Err(NotAPath(printable(&shown).into_owned()))
            }
        }
    }
}

impl fmt::Display for ArchivePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.text)
    }
}

impl AsRef<str> for ArchivePath {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

// The role follows from the text, so that paths are equal, ordered and hashed as their texts are, and a map can be asked by text.
impl Borrow<str> for ArchivePath {
    fn borrow(&self) -> &str {
        &self.text
    }
}

impl Hash for ArchivePath {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl Serialize for ArchivePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for ArchivePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for ArchivePath {
    fn schema_name() -> Cow<'static, str> {
        String::schema_name()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

/// Reads the path of a file of lines, which alone a manifest describes.
pub(super) fn of_lines<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ArchivePath, D::Error> {
    let path = ArchivePath::deserialize(deserializer)?;
    if path.is_listed() || path.is_origins() {
        Ok(path)
    } else {
        Err(de::Error::custom(format_args!("`{path}` is not a file of lines")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_of_the_format_is_one_and_reads_as_it_was_made() {
        let digest: Digest = "ab".repeat(32).parse().unwrap();
        let objects = Kind::ALL.iter().map(|&kind| ArchivePath::objects(kind, 100_000));
        let others = [
            ArchivePath::undo(12, 3),
            ArchivePath::losses(),
            ArchivePath::origins(),
            ArchivePath::blob(&digest),
            ArchivePath::checksums(),
            ArchivePath::manifest(),
            ArchivePath::seal(),
        ];
        for path in objects.chain(others) {
            let read: ArchivePath = path.as_str().parse().unwrap();
            assert_eq!((read.as_str(), read.role), (path.as_str(), path.role));
        }
        let newer: ArchivePath = "objects/wid-gets2-00001.jsonl".parse().unwrap();
        assert_eq!((newer.kind_name(), newer.kind()), (Some("wid-gets2"), None));
        assert!(newer.is_newer() && newer.is_listed());
    }

    #[test]
    fn no_other_text_is_a_path() {
        let long = format!("objects/{}-00000.jsonl", "k".repeat(65));
        let upper = format!("blobs/sha256/AB/{}", "AB".repeat(32));
        let moved = format!("blobs/sha256/ac/{}", "ab".repeat(32));
        for text in [
            "",
            ".",
            "..",
            "/",
            "/etc/passwd",
            "a",
            "objects",
            "objects/",
            "undo/",
            "blobs/sha256/ab",
            "objects/../../../.bashrc",
            "objects/../runs-00000.jsonl",
            "objects/./runs-00000.jsonl",
            "objects//runs-00000.jsonl",
            "./objects/runs-00000.jsonl",
            "objects/runs-00000.jsonl/",
            "objects/a/b-00000.jsonl",
            "objects/..-00000.jsonl",
            "objects/.-00000.jsonl",
            "objects/-00000.jsonl",
            "objects/../x-00000.jsonl",
            "objects/RUNS-00000.jsonl",
            "objects/runs-0000.jsonl",
            "objects/runs-+0000.jsonl",
            "objects/runs-000000.jsonl",
            "objects/runs\0-00000.jsonl",
            "objects/a--b-00000.jsonl",
            "objects/é-00000.jsonl",
            "objects\\runs-00000.jsonl",
            "undo/../1-00000.jsonl",
            "undo/01-00000.jsonl",
            "losses.jsonl/..",
            "../losses.jsonl",
            "mlark.json ",
            long.as_str(),
            upper.as_str(),
            moved.as_str(),
        ] {
            let error = text.parse::<ArchivePath>().unwrap_err();
            assert!(
                error
                    .to_string()
                    .ends_with("is not the path of a file of an archive"),
                "{error}"
            );
        }
        assert!(serde_json::from_str::<ArchivePath>("\"../x\"").is_err());
    }
}
