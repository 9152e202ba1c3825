//! Everything that can be wrong with an archive zip, each with a stable code.

use crate::format::FindingCode as Code;
use crate::model::named::named;
use std::io;

use super::name::NameProblem;

/// A scan that did not pass.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScanError {
    /// The file could not be read; this says nothing about the archive.
    #[error("cannot read the zip")]
    Io(#[from] io::Error),
    /// The file is not a zip of the profile; at least one fault.
    #[error("the zip has {} faults, the first: {}", .0.len(), .0[0])]
    Faults(Vec<ZipFault>),
}

/// One way in which a file is not an intact zip of the profile.
///
/// Entries are named as far as their name is known; a name outside the grammar is shown escaped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ZipFault {
    #[error("no zip end record in {length} bytes: not a zip, or cut off")]
    NoEnd { length: u64 },
    #[error("{trailing} bytes after the end of the zip at {end}")]
    TrailingBytes { end: u64, trailing: u64 },
    #[error("a comment of {length} bytes after the end record at {offset}")]
    Comment { offset: u64, length: u64 },
    #[error("byte {offset} of the end records is {found:#04x}, expected {expected:#04x}")]
    EndRecord { offset: u64, expected: u8, found: u8 },
    #[error(
        "the central directory of {size} bytes at {offset} does not end where the end records begin, at {expected_end}"
    )]
    CentralRange {
        offset: u64,
        size: u64,
        expected_end: u64,
    },
    #[error("no central record at {offset}")]
    CentralRecord { offset: u64 },
    #[error("a comment of {length} bytes in the central record of `{entry}` at {offset}")]
    EntryComment { entry: String, offset: u64, length: u64 },
    #[error("byte {offset}, in a header of `{entry}`, is {found:#04x}, expected {expected:#04x}")]
    Header {
        entry: String,
        offset: u64,
        expected: u8,
        found: u8,
    },
    #[error("entry `{entry}` has compression method {found}, expected stored (0) or deflate (8)")]
    Method { entry: String, found: u16 },
    #[error("entry name `{entry}` is refused: {problem}")]
    Name { entry: String, problem: NameProblem },
    #[error("entry `{entry}` appears twice")]
    Duplicate { entry: String },
    #[error("entries `{entry}` and `{other}` differ only in case")]
    CaseClash { entry: String, other: String },
    #[error("entry `{entry}` is also the folder of `{other}`")]
    FolderClash { entry: String, other: String },
    #[error("blob `{entry}` comes after an entry that is not a blob")]
    Order { entry: String },
    #[error("{found} bytes before the first entry `{entry}`")]
    Prefix { entry: String, found: u64 },
    #[error("entry `{entry}` begins at {found}, expected {expected}: bytes between entries")]
    Gap {
        entry: String,
        expected: u64,
        found: u64,
    },
    #[error("entry `{entry}` begins at {found}, expected {expected}: entries overlap or are out of order")]
    Overlap {
        entry: String,
        expected: u64,
        found: u64,
    },
    #[error("entry `{entry}` ends after the central directory begins, at {central}")]
    Range { entry: String, central: u64 },
    #[error("entries end at {found}, the central directory begins at {expected}")]
    CentralGap { expected: u64, found: u64 },
    #[error(
        "entry `{entry}` claims to unpack {compressed_size} bytes to {size}, which its compression method cannot do"
    )]
    Size {
        entry: String,
        size: u64,
        compressed_size: u64,
    },
    #[error("{what} is {found}, above the limit of {limit}")]
    Limit { what: LimitKind, limit: u64, found: u64 },
    #[error("the end records count {expected} entries, the central directory has {found}")]
    Count { expected: u64, found: u64 },
    #[error("entry `{entry}` has content with CRC-32 {found:08x}, expected {expected:08x}")]
    Crc {
        entry: String,
        expected: u32,
        found: u32,
    },
    #[error("entry `{entry}` has a deflate stream with CRC-32 {found:08x}, expected {expected:08x}")]
    StreamCrc {
        entry: String,
        expected: u32,
        found: u32,
    },
    #[error("entry `{entry}` is not a valid deflate stream before byte {offset} of it")]
    Deflate { entry: String, offset: u64 },
    #[error(
        "the deflate stream of `{entry}` ends after {found} of {expected} bytes, or continues after them"
    )]
    StreamEnd {
        entry: String,
        expected: u64,
        found: u64,
    },
    #[error("the deflate stream of `{entry}` gives {found} bytes or more, expected {expected}")]
    ContentSize {
        entry: String,
        expected: u64,
        found: u64,
    },
    #[error("the deflate stream of `{entry}` ends in padding bits that are not zero: last byte {found:#04x}")]
    Padding { entry: String, found: u8 },
    #[error(
        "the deflate stream of `{entry}` has a stored block with padding bits that are not zero before its length"
    )]
    BlockPadding { entry: String },
    #[error("more faults than the {shown} shown")]
    More { shown: u64 },
}

named! {
    /// What a limit of [`ZipLimits`](super::ZipLimits) is about.
    pub(crate) enum LimitKind {
        /// The length of the file.
        FileSize = "the size of the file",
        /// The number of blobs.
        Blobs = "the number of blobs",
        /// The number of entries that are not blobs.
        OtherEntries = "the number of entries that are not blobs",
        /// The size of one entry's content.
        EntrySize = "the size of an entry",
    }
}

impl ZipFault {
    /// The name of this kind of fault, the same in every version.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::NoEnd { .. } => Code::ZipNoEnd,
            Self::TrailingBytes { .. } => Code::ZipTrailingBytes,
            Self::Comment { .. } | Self::EntryComment { .. } => Code::ZipComment,
            Self::EndRecord { .. } => Code::ZipEndRecord,
            Self::CentralRange { .. } => Code::ZipCentralRange,
            Self::CentralRecord { .. } => Code::ZipCentralRecord,
            Self::Header { .. } => Code::ZipHeader,
            Self::Method { .. } => Code::ZipMethod,
            Self::Name { .. } => Code::ZipName,
            Self::Duplicate { .. } => Code::ZipDuplicate,
            Self::CaseClash { .. } => Code::ZipCaseClash,
            Self::FolderClash { .. } => Code::ZipFolderClash,
            Self::Order { .. } => Code::ZipOrder,
            Self::Prefix { .. } => Code::ZipPrefix,
            Self::Gap { .. } | Self::CentralGap { .. } => Code::ZipGap,
            Self::Overlap { .. } | Self::Range { .. } => Code::ZipOverlap,
            Self::Size { .. } | Self::ContentSize { .. } => Code::ZipSize,
            Self::Limit { .. } => Code::ZipLimit,
            Self::Count { .. } => Code::ZipCount,
            Self::Crc { .. } => Code::ZipCrc,
            Self::StreamCrc { .. } => Code::ZipStreamCrc,
            Self::Deflate { .. } => Code::ZipDeflate,
            Self::StreamEnd { .. } => Code::ZipStreamEnd,
            Self::Padding { .. } | Self::BlockPadding { .. } => Code::ZipPadding,
            Self::More { .. } => Code::ZipMoreFaults,
        }
    }

    /// The fault inside an error that reading an entry gave, if it is one.
    pub(crate) fn from_io(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<ZipFault> for io::Error {
    fn from(fault: ZipFault) -> Self {
        Self::new(io::ErrorKind::InvalidData, fault)
    }
}
