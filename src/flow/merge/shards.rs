//! Shards of one export: whether all are there, each once and of one division, and what they say together.
//!
//! Each object is of one shard, but for those that several need. So what each says is not in it adds up, and the result is what an
//! export of the whole source would have been: if the source did not change between the shards, its content id is the same.

use super::{MergeError, Result};
use crate::archive::Archive;
use crate::format::line::canonical;
use crate::format::loss::LossCount;
use crate::format::origin::ShardOfSource;
use crate::format::{Kind, Manifest, Reason, strict_json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Shards that an error names.
const NAMED: usize = 20;

/// Why archives are not all the shards of one export.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShardError {
    /// Shards beside something else.
    #[error("`{}` is shard {number} of {of}, but `{}` is not a shard", shard.display(), other.display())]
    NoShard {
        /// A shard.
        shard: PathBuf,
        /// Which one.
        number: u64,
        /// How many there are.
        of: u64,
        /// The other archive.
        other: PathBuf,
    },
    /// A shard of something else.
    #[error("`{}` is a shard of another export than `{}`: {what}", path.display(), first.display())]
    Foreign {
        /// The shard.
        path: PathBuf,
        /// One to which most belong.
        first: PathBuf,
        /// What differs.
        what: String,
    },
    /// A shard that is given twice.
    #[error("`{}` and `{}` are both shard {number} of {of}", first.display(), second.display())]
    Twice {
        /// The one.
        first: PathBuf,
        /// The other.
        second: PathBuf,
        /// Which shard.
        number: u64,
        /// How many there are.
        of: u64,
    },
    /// Shards that are not given.
    #[error("{count} of {of} shards were not given: {}", told(.missing, *.count))]
    Missing {
        /// The first of them.
        missing: Vec<u64>,
        /// How many.
        count: u64,
        /// How many shards there are.
        of: u64,
    },
}

fn told(missing: &[u64], count: u64) -> String {
    let mut numbers: Vec<_> = missing.iter().map(u64::to_string).collect();
    if count > missing.len() as u64 {
        numbers.push("…".to_owned());
    }
    numbers.join(", ")
}

/// Whether archives are shards.
pub(super) fn are_shards(archives: &[&Archive]) -> bool {
    archives.iter().any(|archive| archive.manifest().shard.is_some())
}

/// Refuses shards that are not all of one export.
pub(super) fn refuse(archives: &[&Archive]) -> Result<()> {
    let shard_of = |archive: &Archive| archive.manifest().shard.clone();
    let Some((first, own)) = archives
        .iter()
        .find_map(|archive| Some((*archive, shard_of(archive)?)))
    else {
        return Ok(());
    };
    let mut given: BTreeMap<u64, &Archive> = BTreeMap::new();
    for archive in archives {
        let Some(shard) = shard_of(archive) else {
            return Err(MergeError::Shard(ShardError::NoShard {
                shard: first.path().to_owned(),
                number: own.number,
                of: own.of,
                other: archive.path().to_owned(),
            }));
        };
        if let Some(what) = difference((first.manifest(), &own), (archive.manifest(), &shard)) {
            return Err(MergeError::Shard(ShardError::Foreign {
                path: archive.path().to_owned(),
                first: first.path().to_owned(),
                what,
            }));
        }
        if let Some(other) = given.insert(shard.number, archive) {
            return Err(MergeError::Shard(ShardError::Twice {
                first: other.path().to_owned(),
                second: archive.path().to_owned(),
                number: shard.number,
                of: shard.of,
            }));
        }
    }
    let count = own.of.saturating_sub(given.len() as u64);
    if count > 0 {
        let numbers = (1..=own.of).filter(|number| !given.contains_key(number));
        return Err(MergeError::Shard(ShardError::Missing {
            missing: numbers.take(NAMED).collect(),
            count,
            of: own.of,
        }));
    }
    Ok(())
}

/// Why two archives are no shards of one export.
fn difference(
    (one, own): (&Manifest, &ShardOfSource),
    (other, shard): (&Manifest, &ShardOfSource),
) -> Option<String> {
    if own.of != shard.of {
        return Some(format!("it is one of {}, not of {}", shard.of, own.of));
    }
    if shard.number == 0 || shard.number > shard.of {
        return Some(format!("its number is {} of {}", shard.number, shard.of));
    }
    if own.plan != shard.plan {
        return Some("it was made by another plan".to_owned());
    }
    if one.origin != other.origin || one.source.kind != other.source.kind {
        return Some(format!(
            "it comes from `{}` ({}), not from `{}` ({})",
            other.source.uri, other.source.kind, one.source.uri, one.source.kind
        ));
    }
    if one.selection.options != other.selection.options {
        return Some("it was exported with other options".to_owned());
    }
    None
}

/// What a person should know of shards between which the source changed: experiments came, went, or got other names.
pub(super) fn changed_between(archives: &[&Archive]) -> Option<(String, u64)> {
    let first = archives.first()?.manifest().shard.as_ref()?;
    let is_other = |archive: &&&Archive| {
        let shard = archive.manifest().shard.as_ref();
        shard.is_some_and(|shard| shard.seen != first.seen || has_other_runs(archive.manifest(), shard))
    };
    let others: Vec<_> = archives.iter().filter(is_other).collect();
    let named = others.iter().take(NAMED).map(|archive| {
        let number = archive.manifest().shard.as_ref().map_or(0, |shard| shard.number);
        number.to_string()
    });
    let named = named.collect::<Vec<_>>().join(", ");
    let notice = format!(
        "the source changed between the shards: {named} saw other experiments than {}, or other runs than the plan; what was made or deleted in between may be missing: if that matters, export these shards again",
        first.number
    );
    (!others.is_empty()).then_some((notice, others.len() as u64))
}

/// Whether a shard found another number of runs than the plan counted for it.
fn has_other_runs(manifest: &Manifest, shard: &ShardOfSource) -> bool {
    let mut failures = manifest.losses.failures.iter();
    let is_whole = failures.all(|loss| loss.kind != Kind::Runs.name());
    let planned = shard.planned_runs.filter(|_| is_whole);
    planned.is_some_and(|planned| planned != manifest.count(Kind::Runs))
}

/// The limits of a shard, without those that are told once a source and that another shard told already.
pub(super) fn limits_of<'a>(manifest: &'a Manifest, told: &mut Vec<&'a LossCount>) -> Vec<LossCount> {
    let is_once = |loss: &LossCount| loss.reason.known() == Some(Reason::NotInBulkHistory);
    let mut limits = Vec::new();
    for loss in &manifest.losses.limits {
        if is_once(loss) {
            if told.iter().any(|known| known.is_of(loss)) {
                continue;
            }
            told.push(loss);
        }
        limits.push(loss.clone());
    }
    limits
}

/// Runs by the traces that are linked to them, where a server tells of a link by the run, and another shard has the trace.
#[derive(Debug, Default)]
pub(super) struct Links(BTreeMap<String, BTreeSet<String>>);

impl Links {
    /// What all shards know.
    pub(super) fn of(archives: &[&Archive]) -> Self {
        let mut links = Links::default();
        let shards = archives
            .iter()
            .filter_map(|archive| archive.manifest().shard.as_ref());
        for (trace_id, run_ids) in shards.flat_map(|shard| &shard.links) {
            let known = links.0.entry(trace_id.clone()).or_default();
            known.extend(run_ids.iter().cloned());
        }
        links
    }

    /// The line of a trace with what it is linked to; none where nothing is to be added.
    pub(super) fn put_into(&mut self, kind: Kind, id: &str, line: &[u8]) -> Option<Vec<u8>> {
        let mut run_ids = (kind == Kind::Traces).then(|| self.0.remove(id))??;
        let mut trace = strict_json::parse(line).ok()?;
        let known = trace[LINKED_RUNS].as_array().into_iter().flatten();
        run_ids.extend(known.filter_map(|id| id.as_str().map(str::to_owned)));
        trace[LINKED_RUNS] = run_ids.into_iter().collect();
        Some(canonical(&trace))
    }
}

/// The field of a trace that names the runs that it is linked to.
const LINKED_RUNS: &str = "linked_runs";
