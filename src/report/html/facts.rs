//! What the archive is, and what is not in it.

use super::text::name;
use crate::archive::{Archive, Result};
use crate::format::layout::LOSSES;
use crate::format::manifest::HistoryEntry;
use crate::format::{Loss, LossCount};
use crate::model::mask::redact;
use crate::report::text::shortened;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Entries of a list that the page has; of longer ones the rest is counted.
const MOST_ENTRIES: usize = 300;
/// What each reason means, as users read it.
const LOSSES_PAGE: &str = include_str!("../../../docs/losses.md");

/// The archive in the page's data.
pub(super) fn facts(archive: &Archive) -> Result<Value> {
    let manifest = archive.manifest();
    let source = &manifest.source;
    let further = manifest.origins.iter().flat_map(|origins| &origins.further);
    let losses = &manifest.losses;
    let counted = |counts: &[LossCount]| -> Vec<Value> {
        let entries = counts.iter().take(MOST_ENTRIES);
        entries
            .map(|count| json!([name(&count.kind), name(&count.field), count.reason, count.count]))
            .collect()
    };
    let all = losses
        .limits
        .iter()
        .chain(&losses.failures)
        .chain(&manifest.selection.left_out);
    let texts = reasons();
    let meanings: BTreeMap<String, &String> = all
        .filter_map(|count| {
            let code = count.reason.known()?.as_str();
            Some((code.to_owned(), texts.get(code)?))
        })
        .collect();
    let origin = |origin: &str, uri: &str| json!([name(origin), name(&redact(uri))]);
    Ok(json!({
        "format": format!("{} {}.{}", manifest.format.name, manifest.format.major, manifest.format.minor),
        "content_id": manifest.content_id,
        "origin": name(&manifest.origin),
        "source": {
            "kind": name(&source.kind),
            "uri": name(&redact(&source.uri)),
            "mlflow_version": source.mlflow_version.as_deref().map(name),
        },
        "created": name(&manifest.created),
        "tool": name(&format!("{} {}", manifest.tool.name, manifest.tool.version)),
        "made_by": concat!("mlark ", env!("CARGO_PKG_VERSION")),
        "options": manifest.selection.options.iter().take(MOST_ENTRIES)
            .map(|(option, value)| json!([name(option), name(&value.to_string())])).collect::<Vec<_>>(),
        "counts": manifest.counts,
        "totals": manifest.totals,
        "history": manifest.history.iter().take(MOST_ENTRIES).map(step).collect::<Vec<_>>(),
        "history_length": manifest.history.len(),
        "further": further.take(MOST_ENTRIES).map(|one| origin(&one.origin, &one.source.uri)).collect::<Vec<_>>(),
        "part": manifest.part.as_ref().map(|part| json!([part.number, part.of, part.whole])),
        "left_out": counted(&manifest.selection.left_out),
        "limits": counted(&losses.limits),
        "failures": counted(&losses.failures),
        "failed": failed(archive)?,
        "meanings": meanings,
    }))
}

/// A transform of the archive's past.
fn step(entry: &HistoryEntry) -> Value {
    json!([
        name(&entry.name),
        name(&entry.time),
        entry.counts.iter().take(20).collect::<Vec<_>>(),
        entry.parent_content_id
    ])
}

/// The first failures, each by itself.
fn failed(archive: &Archive) -> Result<Vec<Value>> {
    let files = archive.manifest().files.iter();
    let files = files
        .filter(|file| file.path.as_str() == LOSSES)
        .cloned()
        .collect();
    let mut lines = archive.lines_of(files);
    let mut failed = Vec::new();
    // All lines are read, so that their digest is checked.
    while let Some(line) = lines.next_line()? {
        if failed.len() >= MOST_ENTRIES {
            continue;
        }
        let loss: Loss = serde_json::from_slice(line.bytes)
            .map_err(|error| archive.damaged(&line.place(), &error.to_string()))?;
        failed.push(json!([
            name(&loss.kind),
            name(&loss.id),
            name(&loss.field),
            loss.reason,
            shortened(&loss.detail, 500)
        ]));
    }
    Ok(failed)
}

/// The meaning of each reason, from the tables of the documentation.
fn reasons() -> BTreeMap<String, String> {
    let mut meanings = BTreeMap::new();
    for line in LOSSES_PAGE.lines() {
        let mut cells = line.trim_matches('|').split(" | ");
        let (Some(codes), Some(meaning)) = (cells.next(), cells.next()) else {
            continue;
        };
        for code in codes.split('`').skip(1).step_by(2) {
            meanings.entry(code.to_owned()).or_insert_with(|| plain(meaning));
        }
    }
    meanings
}

/// Markdown without its marks.
fn plain(markdown: &str) -> String {
    let mut text = String::new();
    let mut rest = markdown.trim();
    while let Some((before, link)) = rest.split_once('[') {
        text.push_str(before);
        match link.split_once("](") {
            Some((words, after)) => {
                text.push_str(words);
                rest = after.split_once(')').map_or("", |(_, rest)| rest);
            }
            None => {
                text.push('[');
                rest = link;
            }
        }
    }
    text.push_str(rest);
    text.replace(['`', '*'], "").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Reason;

    #[test]
    fn every_reason_has_a_meaning_in_words() {
        let meanings = reasons();
        for reason in Reason::ALL {
            let meaning = meanings.get(reason.as_str()).map_or("", String::as_str);
            assert!(
                meaning.len() > 8 && !meaning.contains(['`', '[', '|']),
                "{}: {meaning}",
                reason.as_str()
            );
        }
    }
}
