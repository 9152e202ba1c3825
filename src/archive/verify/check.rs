//! What the checks of all kinds share: strict parsing, references to blobs.

use super::blobs::BlobBits;
use super::checksums::Checksums;
use super::place::{LineFile, Place};
use super::references::{Id, Need, References};
use super::report::Findings;
use super::tree::Tree;
use crate::archive::error::Result;
use crate::archive::lines::{blob_reference, contains};
use crate::archive::long_text::Utf8Scan;
use crate::format::layout::{STRING_BYTES, TEXT_BYTES};
use crate::format::line::{canonical, is_text_of, to_value};
use crate::format::manifest::{FileDescriptor, Totals};
use crate::format::typed::{Fault, Needed};
use crate::format::{ArchivePath, FindingCode as Code, Kind, Manifest, Typed, markers, strict_json};
use crate::model::{BlobRef, Digest};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::io::Read;

/// Fields that ids and order are made of; a long text in one of them is read to compare it.
const KEY_FIELDS: &[&str] = &[
    "name",
    "digest",
    "run_id",
    "experiment_id",
    "workspace",
    "model_id",
    "dataset_id",
];
/// The longest text that is read for that.
const KEY_BYTES: u64 = 16 << 20;

/// Everything that is known while lines are checked.
pub(super) struct Check<'t> {
    pub tree: &'t Tree<'t>,
    pub manifest: Option<&'t Manifest>,
    pub checksums: &'t Checksums,
    pub findings: Findings,
    pub references: References,
    pub totals: Totals,
    pub lines: u64,
    /// Kinds of which a line could not be read.
    pub unreadable: BTreeSet<Kind>,
    /// Lines of other files could not be read.
    pub has_unreadable_record: bool,
    referenced: BlobBits,
    /// Whether a newer minor version may have fields that this build would drop.
    is_newer: bool,
}

impl<'t> Check<'t> {
    pub(super) fn new(
        tree: &'t Tree<'t>,
        manifest: Option<&'t Manifest>,
        checksums: &'t Checksums,
        findings: Findings,
    ) -> Self {
        Check {
            tree,
            manifest,
            checksums,
            findings,
            references: References::new(),
            totals: Totals::default(),
            lines: 0,
            unreadable: BTreeSet::new(),
            has_unreadable_record: false,
            referenced: BlobBits::new(tree.blob_count()),
            is_newer: manifest.is_none_or(Manifest::is_newer),
        }
    }

    /// An error at a place.
    pub(super) fn error(&mut self, code: Code, place: impl Display, message: impl Display) {
        self.findings.error(code, place, message);
    }

    /// An object stands at a place, to which others may refer.
    pub(super) fn define(&mut self, id: Id<'_>, place: Place) {
        self.references.define(id, place);
    }

    /// A line refers to an object.
    pub(super) fn refer(&mut self, id: Id<'_>, need: Need, place: Place) {
        self.references.refer(id, need, place);
    }

    /// A line belongs to an object, in whose order such lines stand.
    pub(super) fn follow(&mut self, id: Id<'_>, lines: Kind, place: Place) {
        self.references.follow(id, lines, place);
    }

    /// What the manifest says of a file.
    pub(super) fn descriptor(&self, path: &ArchivePath) -> Option<&'t FileDescriptor> {
        self.manifest?.descriptor(path)
    }

    /// Notes that something of a file could not be read.
    pub(super) fn unreadable(&mut self, file: LineFile) {
        match file {
            LineFile::Objects(kind, _) => {
                self.unreadable.insert(kind);
            }
            LineFile::Undo(..) | LineFile::Losses | LineFile::Origins => self.has_unreadable_record = true,
        }
    }

    /// Parses a line; nothing where it is not an object of its kind.
    pub(super) fn parse<T: Serialize + DeserializeOwned>(&mut self, line: &[u8], place: Place) -> Option<T> {
        let parsed = self.parse_checked(line, place);
        if parsed.is_none() {
            self.unreadable(place.file);
        }
        parsed
    }

    /// As [`Check::parse`], for types whose fields are declared in the order of the text and that hold no free JSON.
    pub(super) fn parse_sorted<T: Serialize + DeserializeOwned>(
        &mut self,
        line: &[u8],
        place: Place,
    ) -> Option<T> {
        // Nearly every line is its own re-serialized text, and then all of it is known to be right.
        let typed = strict_json::parse(line)
            .and_then(|value| T::deserialize(value))
            .ok();
        let is_canonical = |typed: &T| serde_json::to_vec(typed).is_ok_and(|text| text == line);
        match typed.filter(is_canonical) {
            Some(typed) if line.len() <= STRING_BYTES => Some(typed),
            _ => self.parse(line, place),
        }
    }

    /// As [`Check::parse`], with references to blobs left in their places.
    pub(super) fn parse_raw<T: Serialize + DeserializeOwned>(
        &mut self,
        line: &[u8],
        place: Place,
    ) -> Option<T> {
        let parsed = strict_json::parse(line)
            .and_then(|value| Ok((canonical(&value) == line, T::deserialize(value)?)));
        match parsed {
            Ok((is_canonical, object)) => {
                if !is_canonical {
                    self.error(Code::Canonical, place, "its text is not in canonical form");
                }
                Some(object)
            }
            Err(error) => {
                let code = if error.is_data() { Code::Type } else { Code::Json };
                self.findings.error(code, place, error);
                self.unreadable(place.file);
                None
            }
        }
    }

    fn parse_checked<T: Serialize + DeserializeOwned>(&mut self, line: &[u8], place: Place) -> Option<T> {
        let mut value = match strict_json::parse(line) {
            Ok(value) => value,
            Err(error) => {
                self.findings.error(Code::Json, place, error);
                return None;
            }
        };
        if line.len() > STRING_BYTES && has_long_string(&value) {
            self.error(Code::String, place, "it has a text over 1 MiB that is not a blob");
        }
        let has_markers = contains(line, b"\"$");
        let is_marked_right = !has_markers || self.check_markers(&value, place);
        let has_references = has_markers && contains(line, b"\"$blob\"");
        let is_canonical = has_references.then(|| is_text_of(&value, line));
        let given = has_references.then(|| {
            self.resolve(&mut value, "", place);
            canonical(&value)
        });
        let expected = given.as_deref().unwrap_or(line);
        let (typed, is_same) = match compared::<T>(value, expected) {
            Ok(compared) => compared,
            // A marker in the wrong place is of the wrong type as well.
            Err(_) if !is_marked_right => return None,
            Err(error) => {
                self.findings.error(Code::Type, place, error);
                return None;
            }
        };
        if is_same && is_canonical.unwrap_or(true) {
            return Some(typed);
        }
        let is_own_text = || strict_json::parse(line).is_ok_and(|value| is_text_of(&value, line));
        if !is_canonical.unwrap_or_else(is_own_text) {
            self.error(Code::Canonical, place, "its text is not in canonical form");
        } else if !self.is_newer {
            let message = "it has a field that does not belong there, or lacks one that does";
            self.findings.error(Code::Canonical, place, message);
        }
        Some(typed)
    }

    /// Whether the markers of an object are the format's; newer ones may have names of their own.
    fn check_markers(&mut self, value: &Value, place: Place) -> bool {
        let LineFile::Objects(kind, _) = place.file else {
            return true;
        };
        match markers::check_line(kind, value) {
            Err(fault) if !self.is_newer => {
                self.findings.error(Code::Marker, place, fault);
                false
            }
            _ => true,
        }
    }

    /// Checks an object of the right type as every writer does, and notes what must be there for it.
    pub(super) fn object<T: Typed>(&mut self, object: &T, place: Place) {
        if let Some(Fault { code, field, reason }) = object.fault() {
            match code {
                Code::Order => self.findings.error(code, place, reason),
                _ => self.error(code, place, format_args!("`{field}` {reason}")),
            }
        }
        if let Some(Needed { kind, key, id }) = object.needed() {
            let text = id.as_str();
            self.refer(Id { kind, key, text }, Need::Required, place);
        }
    }

    /// Checks references to blobs and puts a text in the place of each, so that the value can be typed.
    fn resolve(&mut self, value: &mut Value, field: &str, place: Place) {
        if let Some(blob) = blob_reference(value) {
            self.text_blob(&blob, place);
            let text = if KEY_FIELDS.contains(&field) {
                self.read_text(&blob)
            } else {
                None
            };
            // 64 hex digits are valid base64 as well, and so fit wherever a text does.
            *value = Value::String(text.unwrap_or_else(|| blob.sha256.to_string()));
            return;
        }
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.resolve(item, "", place)),
            Value::Object(map) => map
                .iter_mut()
                .for_each(|(key, item)| self.resolve(item, key, place)),
            _ => {}
        }
    }

    fn text_blob(&mut self, blob: &BlobRef, place: Place) {
        if blob.size_bytes <= STRING_BYTES as u64 {
            let message = format_args!(
                "a text of {} bytes is stored as a blob, which is only for texts over 1 MiB",
                blob.size_bytes
            );
            self.findings.error(Code::String, place, message);
        }
        if blob.size_bytes > TEXT_BYTES {
            let message = format_args!("a text of {} bytes, more than {TEXT_BYTES}", blob.size_bytes);
            self.findings.error(Code::String, place, message);
        }
        self.blob(&blob.sha256, blob.size_bytes, place);
        // What cannot be read is a finding of the blob itself.
        if let Ok(false) = self.tree.open(&ArchivePath::blob(&blob.sha256)).and_then(is_utf8) {
            let message = "a text is stored as a blob that is not UTF-8";
            self.error(Code::String, place, message);
        }
    }

    fn read_text(&self, blob: &BlobRef) -> Option<String> {
        let mut text = String::new();
        let reader = self.tree.open(&ArchivePath::blob(&blob.sha256)).ok()?;
        reader.take(KEY_BYTES).read_to_string(&mut text).ok()?;
        Some(text)
    }

    /// Notes a reference to a blob.
    pub(super) fn blob(&mut self, digest: &Digest, size_bytes: u64, place: impl Display) {
        let Some(rank) = self.tree.blob_rank(digest) else {
            self.error(Code::MissingBlob, place, format_args!("blob {digest} is missing"));
            return;
        };
        self.referenced.set(rank);
        let found = self.tree.blob_at(rank).1;
        if found != size_bytes {
            let message = format_args!("blob {digest} has {found} bytes, expected {size_bytes}");
            self.findings.error(Code::BlobSize, place, message);
        }
    }

    /// Blobs that nothing refers to; nothing is said where a line could not be read.
    pub(super) fn check_orphans(&mut self) {
        if !self.unreadable.is_empty() || self.has_unreadable_record || self.is_newer {
            return;
        }
        for rank in self.referenced.unset(self.tree.blob_count()) {
            let path = ArchivePath::blob(&self.tree.blob_at(rank).0);
            self.findings
                .error(Code::OrphanBlob, path, "nothing refers to it");
        }
    }

    /// Joins references, once all lines were seen.
    pub(super) fn check_references(&mut self) -> Result<()> {
        let references = std::mem::replace(&mut self.references, References::new());
        references.finish(self.manifest, &self.unreadable, &mut self.findings)
    }
}

/// The object of a value, and whether its text is the expected one. Of a long line, the object and its value are
/// never there at once.
fn compared<T: Serialize + DeserializeOwned>(value: Value, expected: &[u8]) -> serde_json::Result<(T, bool)> {
    let typed = T::deserialize(value)?;
    if expected.len() <= STRING_BYTES {
        let is_same = is_text_of(&to_value(&typed), expected);
        return Ok((typed, is_same));
    }
    let text = serde_json::to_vec(&typed)?;
    drop(typed);
    let value = strict_json::parse(&text)?;
    drop(text);
    let is_same = is_text_of(&value, expected);
    Ok((T::deserialize(value)?, is_same))
}

fn has_long_string(value: &Value) -> bool {
    match value {
        Value::String(text) => text.len() > STRING_BYTES,
        Value::Array(items) => items.iter().any(has_long_string),
        Value::Object(map) => map.values().any(has_long_string),
        _ => false,
    }
}

/// Whether all bytes of a reader are UTF-8.
fn is_utf8(mut reader: impl Read) -> std::io::Result<bool> {
    let (mut buffer, mut scan) = (vec![0; 64 << 10], Utf8Scan::default());
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(scan.finish()),
            read => scan.push(&buffer[..read]),
        }
    }
}
