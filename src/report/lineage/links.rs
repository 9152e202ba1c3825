//! What links what, by short hashes: which objects may belong to a chain. Hashes meet by chance at times, so that a few more
//! objects are looked at than belong to it; none is missed.

use crate::format::Kind;
use sha2::{Digest as _, Sha256};
use std::collections::{HashSet, VecDeque};

/// A short hash of an object's kind and id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ShortHash(u32);

impl ShortHash {
    pub(super) fn of(kind: Kind, id: &str) -> Self {
        let digest = Sha256::new()
            .chain_update(kind.name())
            .chain_update([0])
            .chain_update(id)
            .finalize();
        ShortHash(u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]))
    }
}

/// Objects that come from what was asked for are followed until so many are known.
const MOST_BELOW: usize = 1_000;

/// Links from objects to those that they came from.
#[derive(Debug, Default)]
pub(super) struct Links {
    pairs: Vec<(ShortHash, ShortHash)>,
}

/// What may belong to a chain.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    /// The objects.
    pub(super) all: HashSet<ShortHash>,
    /// About how many objects that came from what was asked for are not among them.
    pub(super) left_out: u64,
}

impl Links {
    pub(super) fn add(&mut self, from: ShortHash, to: ShortHash) {
        self.pairs.push((from, to));
    }

    /// Everything that these objects came from, and what came from them.
    pub(super) fn candidates(mut self, roots: &HashSet<ShortHash>) -> Candidates {
        self.pairs.sort_unstable();
        self.pairs.dedup();
        let mut all = roots.clone();
        let mut pending: Vec<ShortHash> = roots.iter().copied().collect();
        while let Some(next) = pending.pop() {
            pending.extend(followers(&self.pairs, next).filter(|&to| all.insert(to)));
        }
        for (from, to) in &mut self.pairs {
            std::mem::swap(from, to);
        }
        self.pairs.sort_unstable();
        let (mut below, mut left_out) = (roots.clone(), 0);
        let mut starts: Vec<ShortHash> = roots.iter().copied().collect();
        starts.sort_unstable();
        let mut pending = VecDeque::from(starts);
        while let Some(next) = pending.pop_front() {
            for to in followers(&self.pairs, next) {
                if below.contains(&to) {
                } else if below.len() < MOST_BELOW + roots.len() {
                    below.insert(to);
                    pending.push_back(to);
                } else {
                    left_out += 1;
                }
            }
        }
        all.extend(below);
        Candidates { all, left_out }
    }
}

/// The second of each pair that begins so.
fn followers(pairs: &[(ShortHash, ShortHash)], first: ShortHash) -> impl Iterator<Item = ShortHash> {
    let start = pairs.partition_point(|(from, _)| *from < first);
    let rest = pairs[start..].iter();
    rest.take_while(move |(from, _)| *from == first)
        .map(|(_, to)| *to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(id: &str) -> ShortHash {
        ShortHash::of(Kind::Runs, id)
    }

    #[test]
    fn a_chain_is_followed_both_ways_and_a_circle_ends() {
        let mut links = Links::default();
        for (from, to) in [
            ("child", "root"),
            ("root", "parent"),
            ("parent", "top"),
            ("top", "parent"),
            ("other", "top"),
        ] {
            links.add(run(from), run(to));
        }
        let found = links.candidates(&HashSet::from([run("root")]));
        let expected = ["child", "root", "parent", "top"].map(run);
        assert_eq!((found.all, found.left_out), (HashSet::from(expected), 0));
    }

    #[test]
    fn what_comes_from_an_object_is_bounded_and_counted() {
        let mut links = Links::default();
        for number in 0..MOST_BELOW + 5 {
            links.add(run(&format!("child {number}")), run("root"));
        }
        let found = links.candidates(&HashSet::from([run("root")]));
        assert_eq!((found.all.len(), found.left_out), (MOST_BELOW + 1, 5));
    }
}
