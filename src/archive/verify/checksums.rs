//! `SHA256SUMS`: its lines, its digest, and that it lists exactly what is there.

use super::blobs::BlobBits;
use super::lines::{FileLines, NextLine};
use super::report::{Findings, read_finding};
use super::tree::Tree;
use crate::archive::checksums::CHECKSUM_LINE_BYTES;
use crate::format::layout::{BLOBS, CHECKSUMS, blob_path, parse_checksum_line};
use crate::format::{ArchivePath, FindingCode as Code};
use crate::model::Digest;
use std::collections::BTreeMap;

/// What `SHA256SUMS` says.
#[derive(Default)]
pub(super) struct Checksums {
    /// Digest of the file itself: the content id.
    pub digest: Option<Digest>,
    /// Digests of object files.
    pub objects: BTreeMap<ArchivePath, Digest>,
    /// Place of the blob that the next line should name.
    next_rank: usize,
}

/// Checks the file; nothing is said of it where it cannot be read.
pub(super) fn check(tree: &Tree<'_>, findings: &mut Findings) -> Checksums {
    let mut checksums = Checksums::default();
    if !tree.files.contains_key(CHECKSUMS) {
        findings.error(Code::MissingFile, CHECKSUMS, "it is missing");
        return checksums;
    }
    let mut lines = match tree.open(&ArchivePath::checksums()) {
        Ok(reader) => FileLines::new(reader, CHECKSUM_LINE_BYTES as usize),
        Err(error) => {
            findings.extend(vec![read_finding(CHECKSUMS, &error)]);
            return checksums;
        }
    };
    let mut listed = BlobBits::new(tree.blob_count());
    let mut last_path = String::new();
    loop {
        let place = |number: u64| format!("{CHECKSUMS} line {number}");
        match lines.next() {
            NextLine::End => break,
            NextLine::Failed(error) => {
                findings.extend(vec![read_finding(CHECKSUMS, &error)]);
                return checksums;
            }
            NextLine::TooLong | NextLine::Unterminated => {
                let message = "it is not a checksum line";
                findings.error(Code::ChecksumLine, place(lines.number()), message);
            }
            NextLine::Line => {
                let number = lines.number();
                let line = std::str::from_utf8(lines.line())
                    .ok()
                    .and_then(parse_checksum_line);
                let Some((digest, path)) = line else {
                    findings.error(Code::ChecksumLine, place(number), "it is not a checksum line");
                    continue;
                };
                if last_path.as_str() >= path {
                    let message = format_args!("`{path}` is out of order or repeated");
                    findings.error(Code::Order, place(number), message);
                }
                last_path.clear();
                last_path.push_str(path);
                if let Err((code, message)) = take_line(tree, &mut checksums, &mut listed, digest, path) {
                    findings.error(code, place(number), message);
                }
            }
        }
    }
    checksums.digest = Some(lines.digest());
    find_unlisted(tree, &checksums, &listed, findings);
    checksums
}

fn take_line(
    tree: &Tree<'_>,
    checksums: &mut Checksums,
    listed: &mut BlobBits,
    digest: Digest,
    text: &str,
) -> Result<(), (Code, String)> {
    // Nearly every line names a blob by the digest it states, and need not be parsed.
    let is_own = text.starts_with(BLOBS) && text == blob_path(&digest);
    let path = if is_own {
        None
    } else {
        text.parse::<ArchivePath>().ok()
    };
    let named = if is_own {
        Some(digest)
    } else {
        path.as_ref().and_then(ArchivePath::blob_digest)
    };
    if let Some(named) = named {
        if named != digest {
            return Err((
                Code::Digest,
                format!("blob `{text}` is listed with SHA-256 {digest}"),
            ));
        }
        // Lines are sorted as the blobs are, so the next one is nearly always the next blob.
        let is_next =
            checksums.next_rank < tree.blob_count() && tree.blob_at(checksums.next_rank).0 == digest;
        let rank = if is_next {
            Some(checksums.next_rank)
        } else {
            tree.blob_rank(&digest)
        };
        checksums.next_rank = rank.unwrap_or(checksums.next_rank) + 1;
        let rank = rank.ok_or_else(|| (Code::MissingBlob, format!("blob {digest} is missing")))?;
        listed.set(rank);
        return Ok(());
    }
    let Some(path) = path.filter(ArchivePath::is_objects) else {
        return Err((
            Code::ChecksumLine,
            format!("`{text}` is neither an object file nor a blob"),
        ));
    };
    let found = if tree.files.contains_key(&path) {
        Ok(())
    } else {
        Err((Code::MissingFile, format!("`{path}` is missing")))
    };
    checksums.objects.insert(path, digest);
    found
}

fn find_unlisted(tree: &Tree<'_>, checksums: &Checksums, listed: &BlobBits, findings: &mut Findings) {
    let count = tree.blob_count();
    for rank in listed.unset(count) {
        let path = blob_path(&tree.blob_at(rank).0);
        let message = format_args!("{CHECKSUMS} does not list it");
        findings.error(Code::ExtraFile, path, message);
    }
    for path in tree.files.keys().filter(|path| path.is_objects()) {
        if !checksums.objects.contains_key(path) {
            let message = format_args!("{CHECKSUMS} does not list it");
            findings.error(Code::ExtraFile, path, message);
        }
    }
}
