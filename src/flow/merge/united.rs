//! What the manifest of the result says: what the manifests of the archives say together.

use super::plan::{ChangeKind, Plan};
use super::shards::{are_shards, limits_of};
use super::weave::Weave;
use super::{MergeOptions, Prefer, Result};
use crate::archive::{Archive, ArchiveWriter, ManifestHead, digests_in};
use crate::format::loss::LossCount;
use crate::format::manifest::{Format, HistoryEntry, Losses, SelectionRecord, Tool};
use crate::format::origin::Origins;
use crate::format::undo::UNDO_LINES;
use crate::format::{ArchivePath, Manifest};
use crate::model::Digest;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Name of a merge in an archive's history.
pub const NAME: &str = "merge";

/// Whether two archives tell of the same losses: they have the same content, or are parts of one whole.
fn tells_the_same(one: &Manifest, other: &Manifest) -> bool {
    let wholes = [one, other].map(|manifest| manifest.part.as_ref().map(|part| part.whole));
    let is_one_whole = wholes[0].is_some() && wholes[0] == wholes[1];
    let is_same = one.content_id == other.content_id || is_one_whole;
    is_same
        && one.origin == other.origin
        && one.losses == other.losses
        && one.selection.left_out == other.selection.left_out
        && losses_of(one) == losses_of(other)
}

fn losses_of(manifest: &Manifest) -> Option<Digest> {
    let path = ArchivePath::losses();
    manifest.descriptor(&path).map(|file| file.sha256)
}

/// Archives whose losses are counted: of those that tell the same, the first.
fn tellers<'a>(archives: &[&'a Archive]) -> Vec<&'a Archive> {
    if are_shards(archives) {
        // Each tells of what is its own.
        return archives.to_vec();
    }
    let mut tellers: Vec<&Archive> = Vec::new();
    for &archive in archives {
        let mut told = tellers.iter();
        if !told.any(|teller| tells_the_same(teller.manifest(), archive.manifest())) {
            tellers.push(archive);
        }
    }
    tellers
}

/// Takes over what the archives say is not in them.
pub(super) fn take_losses(writer: &mut ArchiveWriter, archives: &[&Archive]) -> Result<()> {
    let mut told = Vec::new();
    for archive in tellers(archives) {
        let losses = &archive.manifest().losses;
        if archive.manifest().shard.is_some() {
            writer.adopt_losses(&Losses {
                limits: limits_of(archive.manifest(), &mut told),
                failures: losses.failures.clone(),
            });
        } else {
            writer.adopt_losses(losses);
        }
        let mut lines = archive.lines_where(|file| file.path == ArchivePath::losses());
        while let Some(line) = lines.next_line()? {
            writer.adopt_failure(line.bytes)?;
        }
    }
    Ok(())
}

/// Blobs that an archive's undo records refer to, which are not taken over.
pub(super) fn suspects_of_undo(archive: &Archive, suspects: &mut BTreeSet<Digest>) -> Result<()> {
    let mut lines = archive.lines_where(|file| file.path.undo_part().is_some());
    while let Some(line) = lines.next_line()? {
        suspects.extend(digests_in(line.bytes));
    }
    Ok(())
}

/// What a person should know of parts that were not all given.
pub(super) fn missing_parts(archives: &[&Archive]) -> Option<(String, u64)> {
    let parts = archives
        .iter()
        .filter_map(|archive| archive.manifest().part.as_ref());
    let mut given: BTreeMap<(Digest, u64), BTreeSet<u64>> = BTreeMap::new();
    for part in parts {
        given
            .entry((part.whole, part.of))
            .or_default()
            .insert(part.number);
    }
    let missing = given
        .iter()
        .map(|((_, of), numbers)| of.saturating_sub(numbers.len() as u64));
    let missing = missing.fold(0, u64::saturating_add);
    let notice = "some parts of the split archive were not given, so the result is incomplete";
    (missing > 0).then(|| (notice.to_owned(), missing))
}

/// What was chosen on all exports: the choices where they are the same, else a list of them.
fn selection(archives: &[&Archive]) -> SelectionRecord {
    let mut options: Vec<&BTreeMap<String, Value>> = Vec::new();
    for archive in archives {
        let chosen = &archive.manifest().selection.options;
        if !options.contains(&chosen) {
            options.push(chosen);
        }
    }
    let options = match options.as_slice() {
        [same] => (*same).clone(),
        several => BTreeMap::from([("any-of".to_owned(), json!(several))]),
    };
    let tellers = tellers(archives).into_iter();
    let mut left_out = tellers
        .flat_map(|archive| archive.manifest().selection.left_out.clone())
        .collect();
    LossCount::unite(&mut left_out);
    SelectionRecord { options, left_out }
}

/// The newest minor version of all, and all that they require.
fn format(archives: &[&Archive]) -> Format {
    let formats = archives.iter().map(|archive| &archive.manifest().format);
    let mut requires: BTreeSet<_> = formats
        .clone()
        .flat_map(|format| format.requires.clone())
        .collect();
    // Undo records stay behind.
    requires.remove(UNDO_LINES);
    let minor = formats.map(|format| format.minor).max().unwrap_or(0);
    Format {
        minor,
        requires: requires.into_iter().collect(),
        ..Format::current()
    }
}

/// What the merge did, counted.
pub(super) fn counts(plan: &Plan, weave: &Weave<'_>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for change in &plan.changes {
        let what = match change.what {
            ChangeKind::Renumbered => "renumbered",
            ChangeKind::Renamed => "renamed",
            ChangeKind::Joined => "joined",
        };
        *counts.entry(format!("{} {what}", change.kind)).or_default() += 1;
    }
    for (kind, count) in &weave.united {
        counts.insert(format!("{kind} united"), *count);
    }
    counts.insert("conflicts".to_owned(), weave.conflict_count);
    counts.retain(|_, count| *count > 0);
    counts
}

/// What the manifest says beside what the writer counts.
pub(super) fn head(
    archives: &[&Archive],
    origins: Option<Origins>,
    counts: BTreeMap<String, u64>,
    options: &MergeOptions,
) -> ManifestHead {
    let manifests = || archives.iter().map(|archive| archive.manifest());
    let mut history: Vec<HistoryEntry> = Vec::new();
    for entry in manifests().flat_map(|manifest| &manifest.history) {
        if !history.contains(entry) {
            history.push(entry.clone());
        }
    }
    let first = archives[0].manifest();
    history.push(HistoryEntry {
        name: NAME.to_owned(),
        parameters: parameters(options),
        tool: Tool::current(),
        time: crate::archive::now_text(),
        parent_content_id: first.content_id,
        parent_content_ids: manifests().map(|manifest| manifest.content_id).collect(),
        counts,
    });
    let mut extra = first.extra.clone();
    for (key, value) in manifests().flat_map(|manifest| manifest.extra.clone()) {
        extra.entry(key).or_insert(value);
    }
    ManifestHead {
        selection: selection(archives),
        history,
        extra,
        format: Some(format(archives)),
        origins,
        ..ManifestHead::of_parent(first)
    }
}

fn parameters(options: &MergeOptions) -> BTreeMap<String, Value> {
    let prefer = match options.prefer {
        Prefer::Fail => "fail",
        Prefer::First => "first",
        Prefer::Newer => "newer",
    };
    let joins = [
        ("join-experiments", options.join_experiments),
        ("join-models", options.join_models),
        ("same-origin", !options.same_origins.is_empty()),
    ];
    let joins = joins.into_iter().filter(|(_, is_set)| *is_set);
    let joins = joins.map(|(name, _)| (name.to_owned(), json!(true)));
    joins.chain([("prefer".to_owned(), json!(prefer))]).collect()
}
