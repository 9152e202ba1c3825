//! The closed zip profile of an archive: a byte-level writer and a strict scanner.
//!
//! A zip that mlark writes has exactly one form, described field by field in `docs/reference/zip-profile.md`. The same functions
//! produce every header for the writer and for the scanner, which serializes what it parsed once more and compares
//! byte for byte. This layer knows names, blobs (by the form of their name) and bytes; what the other entries mean is
//! not its business, and renaming the finished file into place is the caller's.
//!
//! | module      | holds                                                             |
//! |-------------|-------------------------------------------------------------------|
//! | [`profile`] | the bytes of local headers, central records and end records       |
//! | [`name`]    | the grammar of entry names and the form of blob names             |
//! | [`compress`]| the probe that decides between stored and deflate, and deflate    |
//! | [`output`]  | a buffered file that can be patched and cut back                  |
//! | [`writer`]  | [`ZipFileWriter`], entries in, finished zip out                   |
//! | [`entry`]   | [`EntryWriter`], one entry being written                      |
//! | [`fault`]   | [`ZipFault`], everything that can be wrong with a zip             |
//! | [`scan`]    | the scan that must pass before an entry is believed               |
//! | [`bytes`]   | where the bytes are: a file, or an object store                   |
//! | [`central`] | the central directory, record by record                       |
//! | [`index`]   | [`ZipIndex`], what the scan leaves: at most 64 bytes a blob       |
//! | [`read`]    | [`EntryReader`], one entry's content, checked to its last bit     |
//! | [`inflate`] | deflate decoding that accepts no slack                            |

mod bytes;
mod central;
mod compress;
mod entry;
mod fault;
mod index;
mod inflate;
mod name;
mod output;
mod profile;
mod read;
mod scan;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use self::{
    bytes::ZipBytes,
    fault::{ScanError, ZipFault},
    index::ZipIndex,
    output::Made,
    scan::ZipLimits,
    writer::{ZipFileWriter, ZipWriteError},
};
#[cfg(test)]
use self::{index::IndexEntry, name::blob_name, read::EntryReader};
