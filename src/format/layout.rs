//! Names and numbers of the archive: every file name, every constant.
//!
//! ```text
//! objects/<kind>-<part, five digits>.jsonl
//! blobs/sha256/<first two digits>/<64 digits>
//! losses.jsonl   origins.jsonl      undo/<entry>-<part>.jsonl
//! SHA256SUMS      mlark.json      mlark.json.sha256
//! ```

use super::Kind;
use crate::model::Digest;

/// Folder of object files.
pub(crate) const OBJECTS: &str = "objects";
/// Folder above that of blobs.
pub(crate) const BLOBS_PARENT: &str = "blobs";
/// Folder of blobs.
pub(crate) const BLOBS: &str = "blobs/sha256";
/// Folder of undo files.
pub(crate) const UNDO: &str = "undo";
/// List of failures.
pub const LOSSES: &str = "losses.jsonl";
/// Where objects of several origins come from.
pub(crate) const ORIGINS: &str = "origins.jsonl";
/// Digests of every file below `objects/` and `blobs/`.
pub const CHECKSUMS: &str = "SHA256SUMS";
/// The manifest.
pub const MANIFEST: &str = "mlark.json";
/// Digest of the manifest; its presence means that the archive is complete.
pub const SEAL: &str = "mlark.json.sha256";

/// Name in `format.name`.
pub const FORMAT_NAME: &str = "mlark-archive";
/// The major version this build reads and writes.
pub const FORMAT_MAJOR: u32 = 1;
/// The newest minor version this build reads, and writes where an archive needs it.
pub const FORMAT_MINOR: u32 = 1;

/// Points in a full metric slice.
pub(crate) const SLICE_POINTS: usize = 5_000;
/// Files in a full artifact line.
pub(crate) const ARTIFACT_FILES: usize = 1_000;
/// An object file ends after the line that reaches this size.
pub(crate) const PART_BYTES: u64 = 64 << 20;
/// The longest line, its line end included.
pub const LINE_BYTES: usize = 16 << 20;
/// A longer string stands as a blob.
pub const STRING_BYTES: usize = 1 << 20;
/// The longest text, in a line or as a blob that stands for it.
pub(crate) const TEXT_BYTES: u64 = 256 << 20;
/// The largest manifest a reader accepts.
pub(crate) const MANIFEST_BYTES: u64 = 64 << 20;
/// Deepest nesting of a line or a manifest.
pub const JSON_DEPTH: usize = 100;

/// Media type of files of JSON lines.
pub const JSONL_MEDIA_TYPE: &str = "application/jsonl";

/// Path of one part of a kind's objects.
pub fn object_path(kind: Kind, part: u32) -> String {
    format!("{OBJECTS}/{}-{part:05}.jsonl", kind.name())
}

/// Path of one part of the undo record of a history entry.
pub(crate) fn undo_path(entry: usize, part: u32) -> String {
    format!("{UNDO}/{entry}-{part:05}.jsonl")
}

/// Path of a blob.
pub fn blob_path(digest: &Digest) -> String {
    let hex = digest.hex();
    let hex = hex.as_str();
    format!("{BLOBS}/{}/{hex}", &hex[..2])
}

/// Length of every blob path in bytes.
pub(crate) const BLOB_PATH_LEN: usize = BLOBS.len() + 1 + 2 + 1 + 64;

/// The name and part number of `<folder>/<name>-<part>.jsonl`, the number in its only spelling.
pub(super) fn parse_part_name<'p>(path: &'p str, folder: &str) -> Option<(&'p str, u32)> {
    let name = path.strip_prefix(folder)?.strip_prefix('/')?;
    let (name, digits) = name.strip_suffix(".jsonl")?.rsplit_once('-')?;
    let part: u32 = digits.parse().ok()?;
    (format!("{part:05}") == digits).then_some((name, part))
}

/// The digest of a blob path, where it is one in its only spelling.
pub(crate) fn parse_blob_path(path: &str) -> Option<Digest> {
    let (folder, name) = path.strip_prefix(BLOBS)?.strip_prefix('/')?.split_once('/')?;
    (name.len() == 64 && name.get(..2) == Some(folder)).then(|| name.parse().ok())?
}

/// The history entry and part of an undo path, where it is one in its only spelling.
pub(crate) fn parse_undo_path(path: &str) -> Option<(usize, u32)> {
    let (name, part) = parse_part_name(path, UNDO)?;
    let entry: usize = name.parse().ok()?;
    (entry.to_string() == name).then_some((entry, part))
}

/// A line of `SHA256SUMS` and of the seal, as `sha256sum -c` reads it.
pub fn checksum_line(digest: &Digest, path: &str) -> String {
    format!("{digest}  {path}\n")
}

/// The digest and path of a checksum line without its line end.
pub(crate) fn parse_checksum_line(line: &str) -> Option<(Digest, &str)> {
    let (digest, path) = line.split_at_checked(64)?;
    Some((digest.parse().ok()?, path.strip_prefix("  ")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::ArchivePath;

    #[test]
    fn paths_have_one_spelling() {
        let digest: Digest = "ab".repeat(32).parse().unwrap();
        let path = blob_path(&digest);
        assert_eq!(path.len(), BLOB_PATH_LEN);
        assert_eq!(parse_blob_path(&path), Some(digest));
        assert_eq!(parse_blob_path(&path.replace("/ab/", "/ac/")), None);
        assert_eq!(parse_blob_path("blobs"), None);
        for &kind in Kind::ALL {
            let path = object_path(kind, 7).parse::<ArchivePath>().unwrap();
            assert_eq!(path.object_part(), Some((kind, 7)));
        }
        for wrong in [
            "objects/runs-7.jsonl",
            "objects/runs-+0007.jsonl",
            "objects/x-00000.jsonl",
        ] {
            let part = wrong
                .parse::<ArchivePath>()
                .ok()
                .and_then(|path| path.object_part());
            assert_eq!(part, None, "{wrong}");
        }
        assert_eq!(parse_undo_path("undo/1-00000.jsonl"), Some((1, 0)));
        assert_eq!(parse_undo_path("undo/01-00000.jsonl"), None);
    }
}
