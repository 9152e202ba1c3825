//! Seal and manifest: bytes, text, and what can be said of it alone.

use super::report::{Findings, read_finding};
use super::tree::Tree;
use crate::archive::error::{ArchiveError, Result};
use crate::format::layout::{
    JSONL_MEDIA_TYPE, MANIFEST, MANIFEST_BYTES, SEAL, checksum_line, parse_checksum_line,
};
use crate::format::{ArchivePath, FindingCode as Code, LossCount, Manifest, strict_json};
use crate::model::Digest;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

/// The largest seal that is looked at.
const SEAL_BYTES: u64 = 1000;

const UNKNOWN_FILE: &str = "the manifest lists a file that does not belong to an archive";

/// Reads seal and manifest; the manifest, where it can be believed enough to compare with.
///
/// # Errors
/// It is intact and of a format that this build does not read.
pub(super) fn check(path: &Path, tree: &Tree<'_>, findings: &mut Findings) -> Result<Option<Manifest>> {
    let text = read_small(tree, &ArchivePath::manifest(), MANIFEST_BYTES, findings);
    let seal = read_small(tree, &ArchivePath::seal(), SEAL_BYTES, findings);
    let Some(text) = text else {
        return Ok(None);
    };
    let is_sealed = seal.is_some_and(|seal| check_seal(&seal, &text, findings));
    let document = match strict_json::parse(&text) {
        Ok(document) => document,
        Err(error) => {
            findings.error(Code::Json, MANIFEST, error);
            return Ok(None);
        }
    };
    if let Err(source) = Manifest::check_format(&document) {
        if is_sealed {
            let path = path.to_owned();
            return Err(ArchiveError::Format { path, source });
        }
        findings.error(Code::Format, MANIFEST, source);
        return Ok(None);
    }
    let manifest = typed(&text, document, findings);
    if let Some(manifest) = &manifest {
        check_files(manifest, findings);
        check_losses(manifest, findings);
        check_values(manifest, findings);
        check_set(manifest, tree, findings);
    }
    Ok(manifest)
}

fn read_small(tree: &Tree<'_>, name: &ArchivePath, limit: u64, findings: &mut Findings) -> Option<Vec<u8>> {
    if !tree.files.contains_key(name) {
        findings.error(Code::MissingFile, name, "it is missing");
        return None;
    }
    let mut bytes = Vec::new();
    let read = tree
        .open(name)
        .and_then(|reader| reader.take(limit + 1).read_to_end(&mut bytes));
    if let Err(error) = read {
        findings.extend(vec![read_finding(name.as_str(), &error)]);
        return None;
    }
    if bytes.len() as u64 > limit {
        findings.error(Code::Size, name, format_args!("it exceeds {limit} bytes"));
        return None;
    }
    Some(bytes)
}

fn check_seal(seal: &[u8], text: &[u8], findings: &mut Findings) -> bool {
    let found = Digest(Sha256::digest(text).into());
    if seal == checksum_line(&found, MANIFEST).as_bytes() {
        return true;
    }
    let line = std::str::from_utf8(seal)
        .ok()
        .and_then(|seal| seal.strip_suffix('\n'));
    match line.and_then(parse_checksum_line) {
        Some((stated, MANIFEST)) => {
            let message = format_args!("it has SHA-256 {found}, {SEAL} says {stated}");
            findings.error(Code::Digest, MANIFEST, message);
        }
        _ => findings.error(
            Code::Seal,
            SEAL,
            "it is not a single checksum line for the manifest",
        ),
    }
    false
}

fn typed(text: &[u8], mut document: Value, findings: &mut Findings) -> Option<Manifest> {
    let mut canonical = serde_json::to_string_pretty(&document).expect("a value can be written");
    canonical.push('\n');
    let is_canonical = canonical.as_bytes() == text;
    if !is_canonical {
        findings.error(Code::Canonical, MANIFEST, "its text is not in canonical form");
    }
    let is_whole = !take_unknown_files(&mut document, findings);
    match serde_json::from_value::<Manifest>(document) {
        Ok(manifest) => {
            // A newer minor version may have fields within objects that this build would drop.
            if is_canonical && is_whole && !manifest.is_newer() && manifest.to_text().as_bytes() != text {
                let message = "it has a field that does not belong there, or lacks one";
                findings.error(Code::Canonical, MANIFEST, message);
            }
            Some(manifest)
        }
        Err(error) => {
            findings.error(Code::Type, MANIFEST, error);
            None
        }
    }
}

/// Takes out what is no path of a file of lines, so that the rest of the manifest can be checked; whether there was any.
fn take_unknown_files(document: &mut Value, findings: &mut Findings) -> bool {
    let Some(Value::Array(files)) = document.get_mut("files") else {
        return false;
    };
    let count = files.len();
    files.retain(|file| {
        // A path that is no text is of the wrong type, which is told of the manifest as a whole.
        let Some(text) = file["path"].as_str() else {
            return true;
        };
        let is_path = text.parse().is_ok_and(|path: ArchivePath| path.is_listed());
        if !is_path {
            findings.error(Code::UnknownFile, text, UNKNOWN_FILE);
        }
        is_path
    });
    files.len() < count
}

fn check_files(manifest: &Manifest, findings: &mut Findings) {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for pair in manifest.files.windows(2) {
        if pair[0].path >= pair[1].path {
            let message = format_args!("`{}` is listed out of order or twice", pair[1].path);
            findings.error(Code::Order, MANIFEST, message);
        }
    }
    if let Some(file) = manifest.origins_file().filter(|file| !file.path.is_origins()) {
        findings.error(Code::UnknownFile, &file.path, UNKNOWN_FILE);
    }
    for file in manifest.all_files() {
        let path = &file.path;
        if path.is_newer() && !manifest.is_newer() {
            findings.error(Code::UnknownFile, path, UNKNOWN_FILE);
        }
        if file.media_type != JSONL_MEDIA_TYPE {
            let message = format_args!("the manifest says {}", file.media_type);
            findings.error(Code::MediaType, path, message);
        }
        if let Some(kind) = path.kind_name() {
            let count = counts.entry(kind).or_insert(0);
            *count = count.saturating_add(file.count);
        }
    }
    let kinds: BTreeSet<&str> = counts
        .keys()
        .copied()
        .chain(manifest.counts.keys().map(String::as_str))
        .collect();
    for kind in kinds {
        let stated = manifest.counts.get(kind);
        let listed = counts.get(kind);
        if stated != listed {
            let number = |count: Option<&u64>| count.map_or_else(|| "nothing".to_owned(), u64::to_string);
            let message = format_args!(
                "counts say {} {kind}, but files have {}",
                number(stated),
                number(listed)
            );
            findings.error(Code::Count, MANIFEST, message);
        }
    }
}

fn check_losses(manifest: &Manifest, findings: &mut Findings) {
    for (name, losses) in [
        ("losses.limits", &manifest.losses.limits),
        ("losses.failures", &manifest.losses.failures),
    ] {
        let key = |loss: &LossCount| (loss.kind.clone(), loss.field.clone(), loss.reason.clone());
        if !losses.windows(2).all(|pair| key(&pair[0]) < key(&pair[1])) {
            let message = format_args!("{name} are out of order or listed twice");
            findings.error(Code::Order, MANIFEST, message);
        }
    }
}

/// Values that are texts to JSON and more than that to the format.
fn check_values(manifest: &Manifest, findings: &mut Findings) {
    let mut wrong = |place: &str, message: &str| {
        findings.error(Code::Manifest, format_args!("{MANIFEST}, {place}"), message);
    };
    // A newer minor version may have any; this one has those of the document.
    for key in manifest.extra.keys().filter(|_| !manifest.is_newer()) {
        wrong(&format!("`{key}`"), "this version has no such field");
    }
    if manifest.format.minor < manifest.needed_minor() {
        let message = format!("it has fields of minor version {}", manifest.needed_minor());
        wrong("format", &message);
    }
    if !is_time(&manifest.created) {
        wrong("created", NO_TIME);
    }
    for (number, entry) in (1..).zip(&manifest.history) {
        if !is_time(&entry.time) {
            wrong(&format!("history {number}, time"), NO_TIME);
        }
    }
    let mut uri = |place: &str, uri: &str| {
        if let Some(part) = secret_part(uri) {
            wrong(place, &format!("it has a {part}, which may be a credential"));
        }
    };
    uri("source.uri", &manifest.source.uri);
    for further in manifest.origins.iter().flat_map(|origins| &origins.further) {
        uri("origins.further.source.uri", &further.source.uri);
    }
    if let Some(part) = manifest
        .part
        .as_ref()
        .filter(|part| part.number == 0 || part.number > part.of)
    {
        wrong("part", &format!("it says {} of {}", part.number, part.of));
    }
}

const NO_TIME: &str = "it is not a time in UTC, as 2026-01-31T12:00:00Z";

/// Whether a text is a time as RFC 3339 writes it, in UTC.
fn is_time(text: &str) -> bool {
    let is_utc = text.ends_with('Z') && text.as_bytes().get(10) == Some(&b'T');
    is_utc && text.parse::<jiff::Timestamp>().is_ok()
}

/// What a URI has that no manifest may hold; plain paths have nothing of the kind.
fn secret_part(uri: &str) -> Option<&'static str> {
    let (_, rest) = uri.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    match rest {
        _ if authority.contains('@') => Some("user info"),
        _ if rest.contains('?') => Some("query"),
        _ => None,
    }
}

/// Files that are listed and not there, or there and not listed.
fn check_set(manifest: &Manifest, tree: &Tree<'_>, findings: &mut Findings) {
    let listed: BTreeSet<_> = manifest.all_files().map(|file| &file.path).collect();
    for path in &listed {
        if !tree.files.contains_key(*path) {
            findings.error(Code::MissingFile, path, "it is missing");
        }
    }
    for path in tree.files.keys() {
        if !listed.contains(path) && (path.is_listed() || path.is_origins()) {
            findings.error(Code::ExtraFile, path, "the manifest does not list it");
        }
    }
}
