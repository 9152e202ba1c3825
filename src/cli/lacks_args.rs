//! `--lacks-…` of `mlark verify`.

use super::{Result, bytes, counted, grouped, shown};
use crate::archive::verify::{LacksReport, SoughtTexts, VerifyReport};
use crate::model::printable::one_line;
use std::fmt::Write as _;
use std::path::PathBuf;

/// What an archive should not have.
#[derive(Debug, clap::Args)]
#[group(id = "lacks", multiple = true)]
pub(super) struct LacksArgs {
    /// Prove that no byte of the archive holds this text, plain or encoded; if one does, list the places and exit with 1
    #[arg(long, value_name = "TEXT")]
    lacks_text: Vec<String>,
    /// Prove the same for everything that matches this regular expression
    #[arg(long, value_name = "REGEX")]
    lacks_regex: Vec<String>,
    /// Prove the same for each line of this file, without printing any
    #[arg(long, value_name = "FILE")]
    lacks_list: Vec<PathBuf>,
    /// Prove the same for the content of this file, without printing it
    #[arg(long, value_name = "FILE")]
    lacks_file: Vec<PathBuf>,
}

impl LacksArgs {
    /// What is to be searched for, by where it was given.
    pub(super) fn sought(&self) -> Result<SoughtTexts> {
        let mut sought = SoughtTexts::default();
        for (number, text) in (1..).zip(&self.lacks_text) {
            sought.text(format!("text {number}"), text)?;
        }
        for (number, pattern) in (1..).zip(&self.lacks_regex) {
            sought.regex(format!("regex {number}"), pattern)?;
        }
        for path in &self.lacks_list {
            sought.list(&shown(path), path)?;
        }
        for path in &self.lacks_file {
            sought.file(&shown(path), path)?;
        }
        Ok(sought)
    }
}

/// A line a place, and what was searched.
pub(super) fn found_text(report: &VerifyReport, found: &LacksReport) -> String {
    let mut text = String::new();
    for place in &found.found {
        let _ = writeln!(
            text,
            "found {} ({}): {}",
            one_line(&place.sought),
            place.form,
            one_line(&place.place.to_string())
        );
    }
    let unlisted = found.places.saturating_sub(found.found.len() as u64);
    if unlisted > 0 {
        let _ = writeln!(text, "and {} more places", grouped(unlisted));
    }
    for unread in &found.unread {
        let _ = writeln!(
            text,
            "not searched: {}: {}",
            one_line(&unread.file),
            one_line(&unread.reason)
        );
    }
    if !found.packed.is_empty() {
        let sorts = found.packed.iter();
        let sorts: Vec<_> = sorts
            .map(|(sort, count)| format!("{} {sort}", grouped(*count)))
            .collect();
        let _ = writeln!(
            text,
            "note: compressed or encrypted content inside files was searched without unpacking it: {}",
            sorts.join(", ")
        );
    }
    let sought = counted(found.sought, "texts");
    let verdict = match found.places {
        0 if found.unread.is_empty() && report.is_intact() => format!("lacks {sought}"),
        0 => format!("NOT PROVEN to lack {sought}"),
        places => format!("HOLDS some of {sought}, in {}", counted(places, "places")),
    };
    let searched = &found.searched;
    let _ = writeln!(
        text,
        "{}: {verdict}; searched {} and {} ({}) as they are, and decoded: escapes, percent-encoding, base64, UTF-16",
        shown(&report.path),
        counted(searched.files, "files"),
        counted(searched.blobs, "blobs"),
        bytes(searched.bytes)
    );
    text
}
