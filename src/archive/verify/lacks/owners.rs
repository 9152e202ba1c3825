//! Whose a blob is: the artifacts and long texts that have its bytes.

use super::report::{FoundText, LacksReport};
use super::sought::SoughtTexts;
use crate::archive::walk::{Head, LineText, TextPlace, for_each_artifact, for_each_text, joined};
use crate::archive::{Archive, ArchiveError, Result};
use crate::format::layout::blob_path;
use crate::format::{Kind, strict_json};
use std::collections::BTreeMap;
use std::path::Path;

/// Owners that are named of one blob.
const OWNERS: usize = 10_000;

/// Puts the owners of blobs in the places of a report. A damaged archive may not say whose they are.
pub(super) fn name(path: &Path, sought: &SoughtTexts, report: &mut LacksReport) -> Result<()> {
    let blobs = report
        .found
        .iter()
        .filter(|found| found.place.file.starts_with("blobs/"));
    let mut owners: BTreeMap<String, Vec<TextPlace>> = blobs
        .map(|found| (found.place.file.clone(), Vec::new()))
        .collect();
    if owners.is_empty() {
        return Ok(());
    }
    let _ = Archive::open(path).and_then(|archive| find(&archive, &mut owners));
    let finders = sought.passes(super::PASS_BYTES)?;
    let mut named = Vec::new();
    for found in std::mem::take(&mut report.found) {
        match owners.get(&found.place.file).filter(|places| !places.is_empty()) {
            None => named.push(found),
            Some(places) => named.extend(places.iter().map(|place| {
                let mut place = TextPlace {
                    offset: found.place.offset,
                    ..place.clone()
                };
                for finder in &finders {
                    place = finder.hide(place);
                }
                FoundText {
                    place,
                    ..found.clone()
                }
            })),
        }
    }
    report.found = named;
    Ok(())
}

/// Finds the owners of blobs, whose paths in the archive are the keys.
pub(crate) fn find(archive: &Archive, owners: &mut BTreeMap<String, Vec<TextPlace>>) -> Result<()> {
    let mut add = |place: TextPlace| {
        if let Some(places) = owners.get_mut(&place.file)
            && places.len() < OWNERS
        {
            places.push(place);
        }
    };
    for_each_artifact::<ArchiveError>(archive, &mut |entry| {
        if let Some(digest) = &entry.file.sha256 {
            add(TextPlace {
                file: blob_path(digest),
                kind: Some(Kind::from(entry.owner.kind)),
                id: Some(entry.owner.id.clone()),
                artifact: Some(entry.file.path.clone()),
                ..TextPlace::default()
            });
        }
        Ok(())
    })?;
    for kind in Kind::ALL {
        let mut lines = archive.lines(*kind);
        while let Some(line) = lines.next_line()? {
            if memchr::memmem::find(line.bytes, b"\"$blob\"").is_none() {
                continue;
            }
            let damaged = |error: serde_json::Error| archive.damaged(&line.place(), &error.to_string());
            let value = strict_json::parse(line.bytes).map_err(damaged)?;
            let id = Head::read(*kind, line.bytes).map_err(damaged)?.id(*kind);
            for_each_text(&value, &mut Vec::new(), &mut |key, text| {
                if let LineText::Long(blob) = text {
                    add(TextPlace {
                        file: blob_path(&blob.sha256),
                        kind: Some(*kind),
                        id: Some(id.clone()),
                        field: Some(joined(key)),
                        key: key.to_vec(),
                        ..TextPlace::default()
                    });
                }
            });
        }
    }
    Ok(())
}
