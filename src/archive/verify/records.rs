//! Files beside the objects: failures, where objects come from, undo records, and parts of kinds that this build does not know.

use super::check::Check;
use super::lines::{FileLines, NextLine};
use super::parts::{PartLines, check_file};
use super::place::{LineFile, Place};
use super::report::read_finding;
use crate::archive::lines::blob_reference;
use crate::format::layout::{LINE_BYTES, LOSSES, MANIFEST, ORIGINS, PART_BYTES};
use crate::format::line::canonical;
use crate::format::undo::{BLOBS_LINE, UNDO_LINES, UndoLine};
use crate::format::{
    AnyReason, ArchivePath, FindingCode as Code, Kind, Loss, LossClass, OriginLine, markers, strict_json,
};
use crate::model::{ArtifactFile, ArtifactList};
use serde::Deserialize as _;
use serde_json::Value;
use std::collections::BTreeMap;

/// Checks all of them.
pub(super) fn check_all(check: &mut Check<'_>) {
    unknown_kinds(check);
    note_missing(check);
    losses(check);
    origins(check);
    undo(check);
}

/// Lines of a kind that a newer minor version brought: JSON in canonical form, and no more can be said.
fn unknown_kinds(check: &mut Check<'_>) {
    let files = check.tree.files.keys();
    let paths: Vec<_> = files.filter(|path| path.is_newer()).cloned().collect();
    for path in paths {
        let mut lines = match check.tree.open(&path) {
            Ok(reader) => FileLines::new(reader, LINE_BYTES),
            Err(error) => {
                check.findings.extend(vec![read_finding(path.as_str(), &error)]);
                continue;
            }
        };
        loop {
            let next = lines.next();
            let place = format!("{path} line {}", lines.number());
            match next {
                NextLine::Line => match strict_json::parse(lines.line()) {
                    Ok(value) if canonical(&value) == lines.line() => {}
                    Ok(_) => check.error(Code::Canonical, place, "its text is not in canonical form"),
                    Err(error) => check.findings.error(Code::Json, place, error),
                },
                NextLine::TooLong => check.findings.error(Code::Line, place, "the line exceeds 16 MiB"),
                NextLine::Unterminated => check.error(Code::Line, place, "the last line has no line end"),
                NextLine::Failed(error) => {
                    check.findings.extend(vec![read_finding(path.as_str(), &error)]);
                    break;
                }
                NextLine::End => {
                    check_file(check, &path, &lines);
                    break;
                }
            }
        }
    }
}

/// Notes listed files that are missing: what they said is not known.
fn note_missing(check: &mut Check<'_>) {
    let is_missing = |path: &ArchivePath| !path.is_objects() && !check.tree.files.contains_key(path);
    let has_missing = check
        .manifest
        .is_some_and(|manifest| manifest.files.iter().any(|file| is_missing(&file.path)));
    check.has_unreadable_record |= has_missing;
}

fn losses(check: &mut Check<'_>) {
    let mut counts: BTreeMap<(String, String, AnyReason), u64> = BTreeMap::new();
    if check.tree.files.contains_key(LOSSES) {
        let mut lines = PartLines::new(check, [LineFile::Losses].into(), u64::MAX);
        while let Some(place) = lines.next(check) {
            let Some(loss) = check.parse::<Loss>(lines.line(), place) else {
                continue;
            };
            if loss.class != LossClass::Failure {
                check.findings.error(Code::Loss, place, "it is not a failure");
            }
            // What the manifest does not count is a finding in any case, and need not be kept apart.
            if counts.len() < 100_000 {
                *counts.entry((loss.kind, loss.field, loss.reason)).or_insert(0) += 1;
            }
        }
    }
    let Some(manifest) = check.manifest.filter(|_| !check.has_unreadable_record) else {
        return;
    };
    let stated: BTreeMap<_, u64> = manifest
        .losses
        .failures
        .iter()
        .map(|loss| {
            (
                (loss.kind.clone(), loss.field.clone(), loss.reason.clone()),
                loss.count,
            )
        })
        .collect();
    if stated != counts {
        let message = format_args!("its failures differ from those that {LOSSES} lists");
        check.findings.error(Code::Count, MANIFEST, message);
    }
}

fn origins(check: &mut Check<'_>) {
    if !check.tree.files.contains_key(ORIGINS) {
        return;
    }
    let origins = check.manifest.and_then(|manifest| manifest.origins.as_ref());
    let mut lines = PartLines::new(check, [LineFile::Origins].into(), u64::MAX);
    while let Some(place) = lines.next(check) {
        let Some(line) = check.parse::<OriginLine>(lines.line(), place) else {
            continue;
        };
        let mut further = origins.iter().flat_map(|origins| &origins.further);
        if origins.is_some() && !further.any(|further| further.origin == line.origin) {
            let message = format_args!("the manifest names no origin `{}`", line.origin);
            check.findings.error(Code::Origin, place, message);
        }
    }
}

fn undo(check: &mut Check<'_>) {
    let mut entries: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
    for (entry, part) in check.tree.files.keys().filter_map(ArchivePath::undo_part) {
        entries.entry(entry).or_default().push(part);
    }
    let history = check.manifest.map(|manifest| manifest.history.len());
    for (entry, mut parts) in entries {
        parts.sort_unstable();
        if history.is_some_and(|history| entry == 0 || entry > history) {
            let path = LineFile::Undo(entry, parts[0]).path();
            check.error(Code::Undo, path, "there is no such entry in the history");
        }
        let files = parts
            .into_iter()
            .map(|part| LineFile::Undo(entry, part))
            .collect();
        let mut lines = PartLines::new(check, files, PART_BYTES);
        while let Some(place) = lines.next(check) {
            undo_line(check, lines.line(), place);
        }
    }
}

fn undo_line(check: &mut Check<'_>, line: &[u8], place: Place) {
    let Some(undo) = check.parse_raw::<UndoLine>(line, place) else {
        return;
    };
    let is_known = undo.kind == BLOBS_LINE || Kind::from_name(&undo.kind).is_some();
    if !is_known {
        check.error(Code::Undo, place, format_args!("`{}` is not a kind", undo.kind));
    }
    for digest in &undo.added_blobs {
        if check.tree.blob_rank(digest).is_none() {
            check.error(Code::MissingBlob, place, format_args!("blob {digest} is missing"));
        }
    }
    if let Err(fault) = markers::check_undo(&undo.replaced) {
        check.findings.error(Code::Marker, place, fault);
    }
    for blob in undo.replaced.values().filter_map(blob_reference) {
        check.blob(&blob.sha256, blob.size_bytes, place);
    }
    undo_whole_line(check, &undo, place);
}

/// Checks a line as it was before: where more than tags changed, the record has it whole.
fn undo_whole_line(check: &mut Check<'_>, undo: &UndoLine, place: Place) {
    if undo.line.is_none() && undo.now.is_none() {
        return;
    }
    let requires = check.manifest.map(|manifest| &manifest.format.requires);
    if requires.is_some_and(|requires| !requires.iter().any(|name| name == UNDO_LINES)) {
        let message = format_args!("it has a whole line, and the manifest does not require `{UNDO_LINES}`");
        check.findings.error(Code::Undo, place, message);
    }
    let Some((line, kind)) = undo.line.as_ref().zip(Kind::from_name(&undo.kind)) else {
        return;
    };
    if let Err(fault) = markers::check_line(kind, line) {
        check.findings.error(Code::Marker, place, fault);
    }
    let lists = match kind {
        Kind::Artifacts => ArtifactList::deserialize(line).ok(),
        _ => None,
    };
    match lists {
        Some(list) => {
            let blobs = list.files.iter().filter_map(ArtifactFile::blob);
            blobs.for_each(|blob| check.blob(&blob.sha256, blob.size_bytes, place));
        }
        None => long_texts_in(check, line, place),
    }
}

/// Checks the blobs that stand for texts.
fn long_texts_in(check: &mut Check<'_>, value: &Value, place: Place) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| long_texts_in(check, item, place)),
        Value::Object(map) => match blob_reference(value) {
            Some(blob) => check.blob(&blob.sha256, blob.size_bytes, place),
            None => map.values().for_each(|item| long_texts_in(check, item, place)),
        },
        _ => {}
    }
}
