//! The codes of what `verify` finds (docs/format.md, section 8, and docs/reference/zip-profile.md).

use crate::model::named::named;
use serde::{Serialize, Serializer};

named! {
    /// What is wrong in an archive; a code keeps its text and its meaning for ever.
    #[non_exhaustive]
    pub enum FindingCode {
        Artifact = "artifact",
        ArtifactList = "artifact-list",
        ArtifactPath = "artifact-path",
        BlobSize = "blob-size",
        Canonical = "canonical",
        ChecksumLine = "checksum-line",
        ContentId = "content-id",
        Count = "count",
        Digest = "digest",
        Duplicate = "duplicate",
        EmptyDirectory = "empty-directory",
        EntryOrder = "entry-order",
        ExtraDirectory = "extra-directory",
        ExtraFile = "extra-file",
        Format = "format",
        Id = "id",
        Json = "json",
        LatestMetric = "latest-metric",
        Line = "line",
        Loss = "loss",
        Manifest = "manifest",
        Marker = "marker",
        MediaType = "media-type",
        MissingBlob = "missing-blob",
        MissingFile = "missing-file",
        Order = "order",
        Origin = "origin",
        OrphanBlob = "orphan-blob",
        Part = "part",
        Reference = "reference",
        Seal = "seal",
        Size = "size",
        Slice = "slice",
        SpecialFile = "special-file",
        String = "string",
        Symlink = "symlink",
        Total = "total",
        Type = "type",
        Undo = "undo",
        UnknownFile = "unknown-file",
        Unreadable = "unreadable",
        ZipCaseClash = "zip-case-clash",
        ZipCentralRange = "zip-central-range",
        ZipCentralRecord = "zip-central-record",
        ZipComment = "zip-comment",
        ZipCount = "zip-count",
        ZipCrc = "zip-crc",
        ZipDeflate = "zip-deflate",
        ZipDuplicate = "zip-duplicate",
        ZipEndRecord = "zip-end-record",
        ZipFolderClash = "zip-folder-clash",
        ZipGap = "zip-gap",
        ZipHeader = "zip-header",
        ZipLimit = "zip-limit",
        ZipMethod = "zip-method",
        ZipMoreFaults = "zip-more-faults",
        ZipName = "zip-name",
        ZipNoEnd = "zip-no-end",
        ZipOrder = "zip-order",
        ZipOverlap = "zip-overlap",
        ZipPadding = "zip-padding",
        ZipPrefix = "zip-prefix",
        ZipSize = "zip-size",
        ZipStreamCrc = "zip-stream-crc",
        ZipStreamEnd = "zip-stream-end",
        ZipTrailingBytes = "zip-trailing-bytes",
    }
}

impl Serialize for FindingCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
