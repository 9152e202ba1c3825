//! An export of one shard of a source: what it saw of the whole, and what another shard counts.

use super::{Export, ExportError};
use crate::format::origin::ShardOfSource;
use crate::model::mask;
use crate::model::{Digest, uri};
use crate::select::{Closure, Share};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct ShardState {
    /// Digests of all experiments of the source.
    seen: BTreeSet<[u8; 32]>,
    /// Whether what is read now is also read by another shard, which counts what of it cannot be held.
    is_counted_elsewhere: bool,
    /// Links of other shards' traces to this shard's runs.
    links: BTreeMap<String, BTreeSet<String>>,
    link_count: usize,
}

/// Links of other shards' traces that a manifest holds.
const MOST_LINKS: usize = 100_000;

impl Export<'_> {
    /// Takes note of the experiments that a closure was told of, and says which of them are new since the plan was made.
    pub(crate) fn saw(&mut self, closure: &Closure) {
        self.shard.seen.extend(closure.seen());
        for id in closure.unplanned() {
            self.monitor.notice(&format!(
                "experiment `{id}` is newer than the plan; the hash of its id decides its shard"
            ));
        }
    }

    /// Takes note of links of another shard's trace to runs of this one, for the merge of all; how many it cannot hold.
    pub(crate) fn linked_from_elsewhere(&mut self, trace_id: String, run_ids: BTreeSet<String>) -> u64 {
        let count = run_ids.len();
        if self.shard.link_count + count > MOST_LINKS {
            return count as u64;
        }
        self.shard.link_count += count;
        self.shard.links.entry(trace_id).or_default().extend(run_ids);
        0
    }

    /// Says whether limits, failures and what is left out are counted by another shard from here on.
    pub(crate) fn count_elsewhere(&mut self, is_counted_elsewhere: bool) {
        self.shard.is_counted_elsewhere = is_counted_elsewhere;
    }

    pub(super) fn counts_elsewhere(&self) -> bool {
        self.shard.is_counted_elsewhere
    }

    /// Whether what belongs to no experiment, and what is told once a source, is of another shard.
    pub(crate) fn is_rest_elsewhere(&self) -> bool {
        let share = self.options.selection.share.as_ref();
        share.is_some_and(|share| !share.is_first())
    }

    /// Refuses a plan that was made of another source than the one with this URI.
    ///
    /// # Errors
    /// It was.
    pub(crate) fn check_plan(&self, source_uri: &str) -> Result<(), ExportError> {
        let share = self.options.selection.share.as_ref();
        let Some(division) = share.and_then(Share::division) else {
            return Ok(());
        };
        let source_uri = self.options.source_uri.as_deref().unwrap_or(source_uri);
        if uri::origin_of_part(source_uri, &self.chosen) == division.origin {
            return Ok(());
        }
        Err(ExportError::OtherPlan {
            source_uri: mask::redact(source_uri),
            planned: division.source_uri.clone(),
        })
    }

    fn planned_runs(&self, share: &Share) -> Option<u64> {
        let division = share.division()?;
        let deleted = if self.options.include_deleted {
            division.deleted_runs
        } else {
            0
        };
        let takes_all = self.options.selection.takes_all_objects();
        takes_all.then(|| division.runs.saturating_add(deleted))
    }

    /// What the manifest says of the shard.
    pub(super) fn shard_of_source(&self) -> Option<ShardOfSource> {
        let share: &Share = self.options.selection.share.as_ref()?;
        let mut digest = Sha256::new();
        self.shard.seen.iter().for_each(|seen| digest.update(seen));
        Some(ShardOfSource {
            number: share.number(),
            of: share.of(),
            plan: share.plan(),
            planned_runs: self.planned_runs(share),
            links: self.shard.links.clone(),
            seen: Digest(digest.finalize().into()),
        })
    }
}
