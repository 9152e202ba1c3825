//! What a scan leaves: where each entry is, in at most 64 bytes a blob.

use std::{borrow::Cow, collections::BTreeMap, mem};

use crate::model::Digest;

use super::{
    bytes::ZipBytes,
    name::{blob_name, parse_blob_name},
    profile::{EntryHeader, Method},
    read::EntryReader,
};

/// The largest number a packed field holds; more than any file system's file is long.
pub(super) const MAX_48: u64 = (1 << 48) - 1;

/// Everything a blob's headers say, packed; 59 bytes, and 4 more for its place in the order of digests.
#[derive(Debug, Clone, Copy)]
struct BlobRecord {
    digest: [u8; 32],
    offset: [u8; 6],
    size: [u8; 6],
    compressed_size: [u8; 6],
    crc32: [u8; 4],
    stream_crc32: [u8; 4],
    is_deflated: bool,
}

const _: () = assert!(mem::size_of::<BlobRecord>() + mem::size_of::<u32>() <= 64);

impl BlobRecord {
    fn pack(digest: [u8; 32], header: &EntryHeader<'_>) -> Self {
        let (is_deflated, stream_crc32) = match header.method {
            Method::Stored => (false, 0),
            Method::Deflate { stream_crc32 } => (true, stream_crc32),
        };
        Self {
            digest,
            offset: pack48(header.offset),
            size: pack48(header.size),
            compressed_size: pack48(header.compressed_size),
            crc32: header.crc32.to_le_bytes(),
            stream_crc32: stream_crc32.to_le_bytes(),
            is_deflated,
        }
    }

    fn unpack(&self) -> IndexEntry<'_> {
        let method = if self.is_deflated {
            Method::Deflate {
                stream_crc32: u32::from_le_bytes(self.stream_crc32),
            }
        } else {
            Method::Stored
        };
        IndexEntry {
            name: Cow::Owned(blob_name(&self.digest)),
            digest: Some(self.digest),
            method,
            crc32: u32::from_le_bytes(self.crc32),
            compressed_size: unpack48(self.compressed_size),
            size: unpack48(self.size),
            offset: unpack48(self.offset),
        }
    }
}

fn pack48(value: u64) -> [u8; 6] {
    debug_assert!(value <= MAX_48);
    let [a, b, c, d, e, f, ..] = value.to_le_bytes();
    [a, b, c, d, e, f]
}

fn unpack48([a, b, c, d, e, f]: [u8; 6]) -> u64 {
    u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
}

/// One entry of a scanned zip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IndexEntry<'i> {
    pub(crate) name: Cow<'i, str>,
    /// The digest the name spells, for a blob.
    pub(crate) digest: Option<[u8; 32]>,
    /// Stored or deflate.
    pub(crate) method: Method,
    /// CRC-32 of the content, as claimed.
    pub(crate) crc32: u32,
    /// Length of the bytes in the file.
    pub(crate) compressed_size: u64,
    /// Length of the content, as claimed.
    pub(crate) size: u64,
    /// Where the local header begins.
    pub(crate) offset: u64,
}

impl IndexEntry<'_> {
    /// The values of the entry's headers.
    pub(crate) fn header(&self) -> EntryHeader<'_> {
        EntryHeader {
            name: &self.name,
            method: self.method,
            crc32: self.crc32,
            compressed_size: self.compressed_size,
            size: self.size,
            offset: self.offset,
        }
    }

    fn of<'i>(header: &EntryHeader<'i>) -> IndexEntry<'i> {
        IndexEntry {
            name: Cow::Borrowed(header.name),
            digest: parse_blob_name(header.name),
            method: header.method,
            crc32: header.crc32,
            compressed_size: header.compressed_size,
            size: header.size,
            offset: header.offset,
        }
    }

    fn into_owned(self) -> IndexEntry<'static> {
        IndexEntry {
            name: Cow::Owned(self.name.into_owned()),
            ..self
        }
    }
}

/// The entries of a zip whose scan passed.
#[derive(Debug)]
pub(crate) struct ZipIndex {
    /// In the order of the file.
    blobs: Vec<BlobRecord>,
    /// Places in `blobs`, in the order of digests.
    by_digest: Vec<u32>,
    /// In the order of the file, after all blobs.
    others: Vec<IndexEntry<'static>>,
    /// Places in `others` by name in lower case.
    by_name: BTreeMap<String, usize>,
    blobs_len: u64,
}

impl ZipIndex {
    /// How many bytes at the start of the file are blobs with their local headers.
    pub(crate) fn blobs_len(&self) -> u64 {
        self.blobs_len
    }

    /// How many blobs there are.
    pub(crate) fn blob_count(&self) -> usize {
        self.blobs.len()
    }

    /// The blobs in the order of the file.
    pub(crate) fn blobs(&self) -> impl ExactSizeIterator<Item = IndexEntry<'_>> {
        self.blobs.iter().map(BlobRecord::unpack)
    }

    /// The entries that are not blobs, in the order of the file.
    pub(crate) fn others(&self) -> &[IndexEntry<'static>] {
        &self.others
    }

    /// The blob with this digest.
    pub(crate) fn blob(&self, digest: &[u8; 32]) -> Option<IndexEntry<'_>> {
        let place = self.blob_rank(digest)?;
        Some(self.blobs[self.by_digest[place] as usize].unpack())
    }

    /// The place of the blob with this digest in the order of digests.
    pub(crate) fn blob_rank(&self, digest: &[u8; 32]) -> Option<usize> {
        self.by_digest
            .binary_search_by_key(&digest, |place| &self.blobs[*place as usize].digest)
            .ok()
    }

    /// Digest and claimed size of a blob, by its place in the order of digests.
    pub(crate) fn blob_by_rank(&self, rank: usize) -> (Digest, u64) {
        self.blob_in_file_order(self.by_digest[rank] as usize)
    }

    /// Digest and claimed size of a blob, by its place in the file.
    pub(crate) fn blob_in_file_order(&self, place: usize) -> (Digest, u64) {
        let record = &self.blobs[place];
        (Digest(record.digest), unpack48(record.size))
    }

    /// A reader of the blob at a place in the file.
    pub(crate) fn open_blob<'f>(&self, file: impl Into<ZipBytes<'f>>, place: usize) -> EntryReader<'f> {
        EntryReader::new(file.into(), &self.blobs[place].unpack())
    }

    /// The entry with exactly this name.
    pub(crate) fn get(&self, name: &str) -> Option<IndexEntry<'_>> {
        match parse_blob_name(name) {
            Some(digest) => self.blob(&digest),
            None => {
                let entry = &self.others[*self.by_name.get(&name.to_ascii_lowercase())?];
                (entry.name == name).then(|| entry.clone())
            }
        }
    }

    /// A reader of the entry with this name, or nothing when there is none.
    ///
    /// `file` is the file that was scanned. Readers do not share a position, so several threads can read at once.
    pub(crate) fn open<'f>(&self, file: impl Into<ZipBytes<'f>>, name: &str) -> Option<EntryReader<'f>> {
        Some(EntryReader::new(file.into(), &self.get(name)?))
    }
}

/// An index being filled, in the order of the file.
#[derive(Debug, Default)]
pub(super) struct IndexBuilder {
    blobs: Vec<BlobRecord>,
    others: Vec<IndexEntry<'static>>,
    by_name: BTreeMap<String, usize>,
    blobs_len: u64,
}

/// What stands against adding an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AddProblem {
    OutOfOrder,
    Clash { other: String },
}

impl IndexBuilder {
    pub(super) fn blob_count(&self) -> u64 {
        self.blobs.len() as u64
    }

    pub(super) fn other_count(&self) -> u64 {
        self.others.len() as u64
    }

    /// Adds an entry whose values were checked to fit 48 bits.
    pub(super) fn add(&mut self, header: &EntryHeader<'_>) -> Result<(), AddProblem> {
        if let Some(digest) = parse_blob_name(header.name) {
            if !self.others.is_empty() {
                return Err(AddProblem::OutOfOrder);
            }
            self.grow();
            self.blobs.push(BlobRecord::pack(digest, header));
            self.blobs_len = header.end().unwrap_or(u64::MAX);
            return Ok(());
        }
        let folded = header.name.to_ascii_lowercase();
        if let Some(place) = self.by_name.get(&folded) {
            return Err(AddProblem::Clash {
                other: self.others[*place].name.to_string(),
            });
        }
        self.by_name.insert(folded, self.others.len());
        self.others.push(IndexEntry::of(header).into_owned());
        Ok(())
    }

    /// Makes room in steps of a sixteenth, so that memory stays near what the entries need and no claim is trusted.
    fn grow(&mut self) {
        if self.blobs.len() == self.blobs.capacity() {
            self.blobs.reserve_exact((self.blobs.len() / 16).max(1024));
        }
    }

    /// Pairs of an entry and another that lies in a folder of its name.
    pub(super) fn folder_clashes(&self) -> impl Iterator<Item = (String, String)> {
        self.by_name.iter().filter_map(|(name, place)| {
            let folder = format!("{name}/");
            let (inside, other) = self.by_name.range(folder.clone()..).next()?;
            let is_clash = inside.starts_with(&folder);
            is_clash.then(|| {
                (
                    self.others[*place].name.to_string(),
                    self.others[*other].name.to_string(),
                )
            })
        })
    }

    /// Completes the index; the error names blobs that are there twice.
    pub(super) fn finish(mut self) -> Result<ZipIndex, Vec<String>> {
        self.blobs.shrink_to_fit();
        let mut by_digest: Vec<u32> = (0..self.blobs.len() as u32).collect();
        by_digest.sort_unstable_by_key(|place| &self.blobs[*place as usize].digest);
        let digest_at = |place: &u32| &self.blobs[*place as usize].digest;
        let duplicates: Vec<String> = by_digest
            .windows(2)
            .filter(|pair| digest_at(&pair[0]) == digest_at(&pair[1]))
            .map(|pair| blob_name(digest_at(&pair[0])))
            .collect();
        if !duplicates.is_empty() {
            return Err(duplicates);
        }
        let Self {
            blobs,
            others,
            by_name,
            blobs_len,
        } = self;
        Ok(ZipIndex {
            blobs,
            by_digest,
            others,
            by_name,
            blobs_len,
        })
    }
}
