//! Digests and sizes of a directory's blobs, as they were listed: 38 bytes each.

use crate::model::Digest;

struct ListedBlob {
    digest: [u8; 32],
    size: [u8; 6],
}

/// See the module; to be looked into when it is sorted.
#[derive(Default)]
pub(crate) struct BlobList(Vec<ListedBlob>);

impl BlobList {
    pub(crate) fn push(&mut self, digest: &Digest, size_bytes: u64) {
        if self.0.len() == self.0.capacity() {
            // An eighth at a time keeps memory near what the blobs need.
            self.0.reserve_exact((self.0.len() / 8).max(1024));
        }
        self.0.push(ListedBlob {
            digest: digest.0,
            size: pack(size_bytes),
        });
    }

    pub(crate) fn sort(&mut self) {
        self.0.sort_unstable_by_key(|blob| blob.digest);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Place of a blob in the order of digests.
    pub(crate) fn rank(&self, digest: &Digest) -> Option<usize> {
        self.0.binary_search_by_key(&&digest.0, |blob| &blob.digest).ok()
    }

    /// Digest and size of the blob at a place.
    pub(crate) fn at(&self, rank: usize) -> (Digest, u64) {
        let blob = &self.0[rank];
        (Digest(blob.digest), unpack(blob.size))
    }
}

fn pack(size: u64) -> [u8; 6] {
    // No file system holds a file of 2^48 bytes.
    let bytes = size.min((1 << 48) - 1).to_le_bytes();
    [bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5]]
}

fn unpack([a, b, c, d, e, f]: [u8; 6]) -> u64 {
    u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
}
