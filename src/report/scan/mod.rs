//! Secrets in an archive: tokens, keys, passwords, by the place where they are. No secret is kept or told, only its rule and length.
//!
//! Texts of lines, long texts, and artifacts that look like text are searched, decoded too (`archive::search`). What matches is
//! decided by `rules`.

mod blobs;
mod matcher;
mod rules;

use crate::archive::search::{Matcher, Stream};
use crate::archive::walk::{Head, LineText, TextPlace, for_each_text, joined};
use crate::archive::{Archive, Result};
use crate::format::layout::MANIFEST;
use crate::format::{ArchivePath, Kind, strict_json};
use crate::model::{ArtifactList, Digest};
use crate::monitor::Monitor;
use matcher::{RULES, Rules};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;

/// Places listed before the rest is only counted.
const LISTED: usize = 10_000;
/// What stands in the place of a name that holds a secret.
const HIDDEN: &str = "***";

/// How to scan.
#[derive(Debug, Clone, Default)]
pub struct ScanOptions {
    /// Threads that search artifacts; 0 for one per core.
    pub threads: usize,
}

/// A secret that was found.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct FoundSecret {
    /// Where. A key, id or path that holds a secret is `***`.
    #[serde(flatten)]
    pub place: TextPlace,
    /// What it looks like.
    pub rule: &'static str,
    /// Its bytes.
    pub length: u64,
    /// The place as it is, for a recipe.
    #[serde(skip)]
    at: TextPlace,
    /// Whether the key itself holds it.
    #[serde(skip)]
    is_key: bool,
}

impl fmt::Debug for FoundSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({} bytes): {}", self.rule, self.length, self.place)
    }
}

impl FoundSecret {
    fn new(at: TextPlace, rule: &'static str, length: usize) -> Self {
        FoundSecret {
            place: hidden(&at),
            rule,
            length: length as u64,
            at,
            is_key: false,
        }
    }

    /// The place as it is: its names may hold a secret, and are not to be shown.
    pub(crate) fn at(&self) -> &TextPlace {
        &self.at
    }

    /// Whether the key itself holds it, and not the value.
    pub(crate) fn is_key(&self) -> bool {
        self.is_key
    }
}

/// What was scanned, and what was found.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct ScanReport {
    /// Lines of objects, losses and undo records.
    pub lines: u64,
    /// Artifacts and long texts that were searched; equal ones once.
    pub texts: u64,
    /// Artifacts that do not look like text, and were not searched.
    pub binary: u64,
    /// Number of secrets, including those that are not listed.
    pub secrets: u64,
    /// What was found, in the order of places.
    pub found: Vec<FoundSecret>,
}

/// Searches an archive for secrets.
///
/// # Errors
/// The archive cannot be read, or is damaged.
pub fn scan(archive: &Archive, options: &ScanOptions, monitor: &dyn Monitor) -> Result<ScanReport> {
    let mut scan = Scan::default();
    let manifest: Value = crate::format::line::to_value(archive.manifest());
    scan.value(&manifest, &place(MANIFEST));
    let total = archive.manifest().files.iter().map(|file| file.size_bytes);
    monitor.begin("bytes of lines", Some(total.sum()));
    for file in &archive.manifest().files {
        scan.file(archive, file.path.kind(), &file.path)?;
        monitor.advance(file.size_bytes);
    }
    scan.blobs.sort_unstable();
    scan.blobs.dedup();
    let blobs = std::mem::take(&mut scan.blobs);
    blobs::scan(archive, &blobs, options, monitor, &mut scan)?;
    Ok(ScanReport {
        found: scan.found.into_iter().collect(),
        ..scan.report
    })
}

/// A place of which only the file is known.
fn place(file: &str) -> TextPlace {
    TextPlace {
        file: file.to_owned(),
        ..TextPlace::default()
    }
}

/// Rule and length of each secret in a text.
fn secrets_in(text: &[u8]) -> BTreeSet<(&'static str, usize)> {
    let mut found = BTreeSet::new();
    // Shorter ones hold none, and most values are shorter.
    if text.len() >= RULES.shortest() {
        Stream::search(&*RULES, text, &mut |hit| {
            found.insert((RULES.name(hit.number), Rules::length(hit.number)));
        });
    }
    found
}

/// Whether a text holds a secret.
pub(crate) fn has_secret(text: &str) -> bool {
    !secrets_in(text.as_bytes()).is_empty()
}

/// A place without the names that hold a secret.
fn hidden(at: &TextPlace) -> TextPlace {
    let hide = |text: &str| if has_secret(text) { HIDDEN } else { text }.to_owned();
    TextPlace {
        id: at.id.as_deref().map(hide),
        field: at
            .field
            .as_ref()
            .map(|_| joined(&at.key.iter().map(|part| hide(part)).collect::<Vec<_>>())),
        artifact: at.artifact.as_deref().map(hide),
        key: Vec::new(),
        ..at.clone()
    }
}

/// A scan in progress.
#[derive(Default)]
struct Scan {
    report: ScanReport,
    found: BTreeSet<FoundSecret>,
    /// Artifacts and long texts.
    blobs: Vec<Digest>,
}

impl Scan {
    /// Adds a secret; of too many the first are kept, in whatever order they come.
    fn add(&mut self, found: FoundSecret) {
        if self.found.insert(found) {
            self.report.secrets += 1;
        }
        if self.found.len() > LISTED {
            self.found.pop_last();
        }
    }

    fn file(&mut self, archive: &Archive, kind: Option<Kind>, path: &ArchivePath) -> Result<()> {
        let listed = archive.manifest().files.iter().filter(|file| file.path == *path);
        let mut lines = archive.lines_of(listed.cloned().collect());
        while let Some(line) = lines.next_line()? {
            self.report.lines += 1;
            let has_blob = memchr::memmem::find(line.bytes, b"\"$blob\"").is_some();
            let is_suspect = !secrets_in(line.bytes).is_empty();
            if !has_blob && !is_suspect && kind != Some(Kind::Artifacts) {
                continue;
            }
            let damaged = |error: serde_json::Error| archive.damaged(&line.place(), &error.to_string());
            let value = strict_json::parse(line.bytes).map_err(damaged)?;
            let mut at = TextPlace {
                line: Some(line.number),
                kind,
                ..place(line.file)
            };
            match kind {
                Some(Kind::Artifacts) => {
                    let list: ArtifactList = serde_json::from_value(value.clone()).map_err(damaged)?;
                    self.blobs
                        .extend(list.files.iter().filter_map(|file| file.sha256));
                    at.kind = Some(Kind::from(list.owner_kind));
                    at.id = Some(list.owner_id.clone());
                    self.paths(&list, &at);
                    continue;
                }
                Some(kind) => at.id = Some(Head::read(kind, line.bytes).map_err(damaged)?.id(kind)),
                None => {}
            }
            self.value(&value, &at);
        }
        Ok(())
    }

    /// Searches the paths of artifacts.
    fn paths(&mut self, list: &ArtifactList, at: &TextPlace) {
        for file in &list.files {
            for (rule, length) in secrets_in(file.path.as_bytes()) {
                let at = TextPlace {
                    artifact: Some(file.path.clone()),
                    ..at.clone()
                };
                self.add(FoundSecret::new(at, rule, length));
            }
        }
    }

    /// Searches the texts of a value.
    fn value(&mut self, value: &Value, at: &TextPlace) {
        let (mut found, mut blobs) = (Vec::new(), Vec::new());
        for_each_text(value, &mut Vec::new(), &mut |key, text| {
            let is_key = matches!(text, LineText::Key(_));
            let secrets = match text {
                LineText::Key(name) => secrets_in(name.as_bytes()),
                LineText::Value(bytes) => secrets_of_value(key, &bytes),
                LineText::Long(blob) => {
                    blobs.push(blob.sha256);
                    return;
                }
            };
            found.extend(secrets.into_iter().map(|(rule, length)| {
                let at = TextPlace {
                    field: Some(joined(key)),
                    key: key.to_vec(),
                    ..at.clone()
                };
                FoundSecret {
                    is_key,
                    ..FoundSecret::new(at, rule, length)
                }
            }));
        });
        found.into_iter().for_each(|found| self.add(found));
        self.blobs.extend(blobs);
    }
}

/// The secrets of a value, which its key may tell to be one.
fn secrets_of_value(key: &[String], bytes: &[u8]) -> BTreeSet<(&'static str, usize)> {
    let name = key.iter().rev().find(|part| !part.starts_with('['));
    let text = std::str::from_utf8(bytes).ok();
    match (name, text) {
        // A secret of the key itself is found as such.
        (Some(name), Some(text)) if secrets_in(name.as_bytes()).is_empty() => {
            let pair = format!("{}:{}", Value::from(name.as_str()), Value::from(text));
            secrets_in(pair.as_bytes())
        }
        _ => secrets_in(bytes),
    }
}

#[cfg(test)]
mod tests;
