//! The share of a source that one shard of an export holds.
//!
//! Every shard works out alone what is its own, from the id of an experiment and, where a plan cuts a huge one, from the time of
//! what is in it. Each object is of exactly one shard, but for the experiment and the datasets of one that is cut: all of its
//! shards need them, and the first of these counts what is not in them.

use crate::model::Digest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The most shards that a source is divided into.
pub const MOST_SHARDS: u64 = 100_000;

/// What of an experiment is of one shard: runs by start time, logged models by creation time, traces by request time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename = "PlannedPiece", deny_unknown_fields)]
pub struct Piece {
    /// The shard, from 1.
    pub shard: u64,
    /// Where the next piece begins, in epoch milliseconds; absent for the last piece.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
}

/// How a plan divides a source.
#[derive(Debug)]
pub struct Division {
    /// Digest of the plan.
    pub plan: Digest,
    /// Origin of the source that it divides, as its URI names it.
    pub origin: String,
    /// The source's URI, without credentials.
    pub source_uri: String,
    /// The choice that it divides, by option name; empty where it divides everything.
    pub choices: BTreeMap<String, Value>,
    /// How many runs the plan counted for this shard, but for deleted ones and those of deleted experiments.
    pub runs: u64,
    /// How many of those.
    pub deleted_runs: u64,
    /// The pieces of each experiment, at least one, by its id.
    pub experiments: HashMap<String, Vec<Piece>>,
}

/// What one of several shards holds.
#[derive(Debug, Clone)]
pub struct Share {
    number: u64,
    of: u64,
    division: Option<Arc<Division>>,
}

impl Share {
    /// The share of whole experiments by a hash of their ids.
    pub fn by_hash(number: u64, of: u64) -> Self {
        Share {
            number,
            of,
            division: None,
        }
    }

    /// The share that a plan gives this shard.
    pub fn planned(number: u64, of: u64, division: Division) -> Self {
        Share {
            number,
            of,
            division: Some(Arc::new(division)),
        }
    }

    /// Which one, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// How many there are.
    pub fn of(&self) -> u64 {
        self.of
    }

    /// Digest of the plan, where there is one.
    pub fn plan(&self) -> Option<Digest> {
        self.division.as_ref().map(|division| division.plan)
    }

    /// How the source is divided, where a plan says it.
    pub fn division(&self) -> Option<&Division> {
        self.division.as_deref()
    }

    /// The stretches of a cut experiment's time that it has, as the first moment and the first that is none of it any more; none
    /// where it has all or nothing of it.
    pub(crate) fn stretches(&self, experiment_id: &str) -> Vec<(Option<i64>, Option<i64>)> {
        let pieces = self.pieces(experiment_id).unwrap_or_default();
        if pieces.len() < 2 {
            return Vec::new();
        }
        let since = std::iter::once(None).chain(pieces.iter().map(|piece| piece.until));
        let own = since.zip(pieces).filter(|(_, piece)| piece.shard == self.number);
        own.map(|(since, piece)| (since, piece.until)).collect()
    }

    /// Whether it has what belongs to no experiment.
    pub(crate) fn is_first(&self) -> bool {
        self.number == 1
    }

    fn pieces(&self, experiment_id: &str) -> Option<&[Piece]> {
        let division = self.division.as_ref()?;
        division.experiments.get(experiment_id).map(Vec::as_slice)
    }

    /// Whether the plan does not know an experiment, which then goes by its hash.
    pub(crate) fn is_unplanned(&self, experiment_id: &str) -> bool {
        let divides_all = self
            .division()
            .is_some_and(|division| division.choices.is_empty());
        divides_all && self.pieces(experiment_id).is_none()
    }

    /// Whether it has the pieces of an experiment that `is_own` is asked of, or without any the experiment.
    fn owns(&self, experiment_id: &str, is_own: impl FnOnce(&[Piece]) -> bool) -> bool {
        match self.pieces(experiment_id) {
            Some(pieces) => is_own(pieces),
            None => shard_of(experiment_id, self.of) == self.number,
        }
    }

    /// Whether it has anything of an experiment.
    pub(crate) fn has_of(&self, experiment_id: &str) -> bool {
        let is_own = |piece: &Piece| piece.shard == self.number;
        self.owns(experiment_id, |pieces| pieces.iter().any(is_own))
    }

    /// Whether it is the first that has anything of an experiment, so that it counts what is not in the archive.
    pub(crate) fn leads(&self, experiment_id: &str) -> bool {
        let is_own = |piece: &Piece| piece.shard == self.number;
        self.owns(experiment_id, |pieces| pieces.first().is_some_and(is_own))
    }

    /// Whether it has an object of an experiment; what has no time comes first.
    pub(crate) fn has(&self, experiment_id: &str, time: Option<i64>) -> bool {
        let is_before = |piece: &&Piece| match (time, piece.until) {
            (Some(time), Some(until)) => time < until,
            _ => true,
        };
        self.owns(experiment_id, |pieces| {
            let piece = pieces.iter().find(is_before).or(pieces.last());
            piece.is_some_and(|piece| piece.shard == self.number)
        })
    }
}

/// The shard of an experiment without a plan: one more than the first eight bytes of the SHA-256 of its id, as a number, modulo the
/// number of shards.
fn shard_of(experiment_id: &str, of: u64) -> u64 {
    let digest: [u8; 32] = Sha256::digest(experiment_id).into();
    let first = digest[..8].try_into().expect("a digest has 32 bytes");
    u64::from_be_bytes(first) % of + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(of: u64) -> Vec<Share> {
        (1..=of).map(|number| Share::by_hash(number, of)).collect()
    }

    #[test]
    fn every_experiment_is_of_one_shard() {
        for of in 1..=5 {
            let mut counts = vec![0; of as usize];
            for id in 0..200 {
                let id = id.to_string();
                let has: Vec<_> = shares(of)
                    .iter()
                    .filter(|share| share.has(&id, Some(5)))
                    .map(Share::number)
                    .collect();
                let [number] = has[..] else {
                    panic!("{id} is of {has:?}")
                };
                counts[number as usize - 1] += 1;
            }
            assert!(counts.iter().all(|count| *count > 20), "{counts:?}");
        }
        // The rule is written down, and other programs may follow it.
        assert_eq!(
            [shard_of("0", 16), shard_of("1", 16), shard_of("42", 16)],
            [9, 2, 14]
        );
    }

    #[test]
    fn a_cut_experiment_is_divided_by_time_without_gaps() {
        let piece = |shard, until| Piece { shard, until };
        let division = || Division {
            plan: Digest([7; 32]),
            origin: String::new(),
            source_uri: String::new(),
            choices: BTreeMap::new(),
            runs: 0,
            deleted_runs: 0,
            experiments: HashMap::from([(
                "7".to_owned(),
                vec![piece(2, Some(10)), piece(1, Some(20)), piece(3, None)],
            )]),
        };
        let shares: Vec<_> = (1..=3)
            .map(|number| Share::planned(number, 3, division()))
            .collect();
        for (time, shard) in [
            (None, 2),
            (Some(i64::MIN), 2),
            (Some(9), 2),
            (Some(10), 1),
            (Some(19), 1),
            (Some(20), 3),
            (Some(i64::MAX), 3),
        ] {
            let has: Vec<_> = shares
                .iter()
                .filter(|share| share.has("7", time))
                .map(Share::number)
                .collect();
            assert_eq!(has, [shard], "{time:?}");
        }
        assert!(shares.iter().all(|share| share.has_of("7")));
        assert!(shares[1].leads("7") && !shares[0].leads("7") && !shares[0].is_unplanned("7"));
        assert!(shares[0].is_unplanned("8"));
        assert_eq!(shares[1].stretches("7"), [(None, Some(10))]);
        assert_eq!(shares[2].stretches("7"), [(Some(20), None)]);
    }
}
