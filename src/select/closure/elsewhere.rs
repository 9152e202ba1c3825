//! What of a source is another shard's.

use super::Closure;
use crate::select::{Selection, Share};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;

impl Closure {
    fn share(&self) -> Option<&Share> {
        self.selection.share.as_ref()
    }

    /// What a whole source was told of, for one shard of it: nothing more is taken.
    pub(crate) fn shared(self, share: Option<Share>) -> Self {
        Closure {
            selection: Selection {
                share,
                ..self.selection
            },
            is_closed: true,
            ..self
        }
    }

    /// Whether all that is taken is known.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Whether only a share of a source is taken.
    pub(crate) fn is_a_share(&self) -> bool {
        self.share().is_some()
    }

    /// Whether what belongs to no experiment is of another shard.
    pub(crate) fn is_rest_elsewhere(&self) -> bool {
        self.share().is_some_and(|share| !share.is_first())
    }

    /// Whether nothing of an experiment is of this shard.
    pub(crate) fn is_all_elsewhere(&self, experiment_id: &str) -> bool {
        self.share().is_some_and(|share| !share.has_of(experiment_id))
    }

    /// Whether what an experiment has once is counted by another shard.
    pub(crate) fn is_led_elsewhere(&self, experiment_id: &str) -> bool {
        self.share().is_some_and(|share| !share.leads(experiment_id))
    }

    /// The stretches of time of a cut experiment that are this shard's.
    pub(crate) fn stretches(&self, experiment_id: &str) -> Vec<(Option<i64>, Option<i64>)> {
        self.share()
            .map_or_else(Vec::new, |share| share.stretches(experiment_id))
    }

    /// Whether an object of an experiment is of another shard.
    pub(crate) fn is_elsewhere(&self, experiment_id: &str, time: Option<i64>) -> bool {
        self.share().is_some_and(|share| !share.has(experiment_id, time))
    }

    /// Where only a share is taken, remembers what all shards must see.
    pub(super) fn see(&mut self, id: &str, name: &str, is_deleted: bool) {
        let Some(share) = &self.selection.share else {
            return;
        };
        if share.is_unplanned(id) && share.leads(id) {
            self.unplanned.push(id.to_owned());
        }
        let mut digest = Sha256::new();
        for text in [id, name] {
            digest.update((text.len() as u64).to_be_bytes());
            digest.update(text);
        }
        digest.update([u8::from(is_deleted)]);
        self.seen.insert(digest.finalize().into());
    }

    /// Digests of all experiments that a shard saw.
    pub(crate) fn seen(&self) -> &BTreeSet<[u8; 32]> {
        &self.seen
    }

    /// Experiments of this shard that the plan does not know.
    pub(crate) fn unplanned(&self) -> &[String] {
        &self.unplanned
    }
}
