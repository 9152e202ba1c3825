//! The order of versions that were made from versions of other models: a version comes when its source is there.
//!
//! Numbers are given in order, so that a version also waits for those before it in its own model. Versions that wait for nothing are
//! wave 0; each further wave holds what waits for the one before. Where versions wait for each other in a circle, which no server can
//! have made so, the first of them comes without its source being there, and is a limit.

use std::collections::{BTreeMap, HashSet};

/// In which wave each version comes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VersionOrder {
    /// By model: from which number on a wave begins, both ascending. What is not here is in wave 0.
    models: BTreeMap<String, Vec<(u64, usize)>>,
    /// Deleted versions, which no server gives out, that others were made from.
    deleted: HashSet<(String, u64)>,
}

impl VersionOrder {
    /// The wave of a version.
    pub fn wave(&self, model: &str, number: u64) -> usize {
        let steps = self.models.get(model).map_or(&[][..], Vec::as_slice);
        let step = steps.partition_point(|(from, _)| *from <= number).checked_sub(1);
        step.map_or(0, |at| steps[at].1)
    }

    /// Whether another version may be made from a version: it is not deleted.
    pub fn can_be_source(&self, model: &str, number: &str) -> bool {
        let number = number.parse();
        number.is_ok_and(|number| !self.deleted.contains(&(model.to_owned(), number)))
    }

    /// The last wave that versions of a model are in.
    pub fn last_of(&self, model: &str) -> usize {
        let steps = self.models.get(model);
        steps.and_then(|steps| steps.last()).map_or(0, |(_, wave)| *wave)
    }

    /// The last wave.
    pub fn last(&self) -> usize {
        let last = self.models.values().filter_map(|steps| steps.last());
        last.map(|(_, wave)| *wave).max().unwrap_or(0)
    }
}

/// Versions with a version as their source, as they are found; models by their numbers in `names`.
#[derive(Debug, Default)]
pub(super) struct SourceVersions {
    names: BTreeMap<String, usize>,
    /// Those made from a version of another model.
    copies: Vec<Copy>,
    /// Those that others of their own model were made from.
    own: HashSet<(usize, u64)>,
    deleted: HashSet<(usize, u64)>,
}

/// A version and the version that it was made from.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Copy {
    model: usize,
    number: u64,
    source: (usize, u64),
}

/// What a copy waits for, as places in the list of copies.
#[derive(Debug, Clone, Default)]
struct Waits {
    /// The copy before it in its own model.
    before: Option<usize>,
    /// The copy that its source is, or that stands before its source in that model.
    source: Option<usize>,
    wave: usize,
    is_placed: bool,
}

impl SourceVersions {
    /// Remembers a version made from a version of a registered model.
    pub(super) fn add(&mut self, model: &str, number: u64, source: (&str, u64)) {
        let (model, source) = (self.of_name(model), (self.of_name(source.0), source.1));
        if model == source.0 {
            // It comes before this one anyway.
            self.own.insert(source);
        } else {
            self.copies.push(Copy {
                model,
                number,
                source,
            });
        }
    }

    /// Remembers a version that is deleted.
    pub(super) fn delete(&mut self, model: &str, number: u64) {
        let model = self.of_name(model);
        self.deleted.insert((model, number));
    }

    fn of_name(&mut self, name: &str) -> usize {
        let next = self.names.len();
        match self.names.get(name) {
            Some(&number) => number,
            None => *self.names.entry(name.to_owned()).or_insert(next),
        }
    }

    /// The order in which all of them can be made.
    pub(super) fn order(mut self) -> VersionOrder {
        self.copies.sort_unstable();
        let mut waits = self.waits();
        self.place(&mut waits);
        let mut names: Vec<_> = self.names.into_iter().collect();
        names.sort_unstable_by_key(|(_, number)| *number);
        self.own.extend(self.copies.iter().map(|copy| copy.source));
        let deleted = self.deleted.intersection(&self.own);
        let mut order = VersionOrder {
            deleted: deleted
                .map(|(model, number)| (names[*model].0.clone(), *number))
                .collect(),
            ..VersionOrder::default()
        };
        for (copy, waits) in self.copies.iter().zip(&waits) {
            let steps = order.models.entry(names[copy.model].0.clone()).or_default();
            if steps.last().is_none_or(|(_, wave)| *wave < waits.wave) {
                steps.push((copy.number, waits.wave));
            }
        }
        order
    }

    fn waits(&self) -> Vec<Waits> {
        let copies = &self.copies;
        let at = |at: usize| {
            let copy = &copies[at];
            let up_to =
                copies.partition_point(|other| (other.model, other.number) <= (copy.source.0, copy.source.1));
            let source = up_to.checked_sub(1);
            Waits {
                before: at
                    .checked_sub(1)
                    .filter(|&before| copies[before].model == copy.model),
                source: source.filter(|&source| copies[source].model == copy.source.0),
                ..Waits::default()
            }
        };
        (0..copies.len()).map(at).collect()
    }

    /// Gives each copy its wave, those first that wait for nothing.
    fn place(&self, waits: &mut [Waits]) {
        let mut followers = vec![Vec::new(); waits.len()];
        for (at, one) in waits.iter().enumerate() {
            for other in one.others() {
                followers[other].push(at);
            }
        }
        let mut ready: Vec<_> = (0..waits.len()).rev().collect();
        let mut first_left = 0;
        loop {
            while let Some(at) = ready.pop() {
                if waits[at].is_placed || waits[at].others().any(|other| !waits[other].is_placed) {
                    continue;
                }
                let before = waits[at].before.map_or(0, |before| waits[before].wave);
                let source = waits[at].source.map_or(0, |source| waits[source].wave);
                waits[at].wave = before.max(source + 1);
                waits[at].is_placed = true;
                ready.extend(&followers[at]);
            }
            while waits.get(first_left).is_some_and(|one| one.is_placed) {
                first_left += 1;
            }
            if first_left == waits.len() {
                return;
            }
            let at = in_circle(waits, first_left);
            waits[at].source = None;
            ready.push(at);
        }
    }
}

impl Waits {
    fn others(&self) -> impl Iterator<Item = usize> {
        [self.source, self.before].into_iter().flatten()
    }
}

/// The first copy of a circle that a copy without a place waits for, of those that wait for their source.
fn in_circle(waits: &[Waits], start: usize) -> usize {
    let left = |at: usize| waits[at].others().find(|&other| !waits[other].is_placed);
    let next = |at: usize| left(at).expect("what has no place waits for something without one");
    let mut seen = vec![false; waits.len()];
    let mut at = start;
    while !std::mem::replace(&mut seen[at], true) {
        at = next(at);
    }
    let (begin, mut first) = (at, usize::MAX);
    loop {
        let follows = next(at);
        if waits[at].source == Some(follows) {
            first = first.min(at);
        }
        at = follows;
        if at == begin {
            return first;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order of copies given as `model/number < model/number`.
    fn order(copies: &[&str]) -> VersionOrder {
        let mut sources = SourceVersions::default();
        let parse = |text: &str| {
            let (model, number) = text.split_once('/').unwrap();
            (model.to_owned(), number.parse::<u64>().unwrap())
        };
        for copy in copies {
            let (version, source) = copy.split_once(" < ").unwrap();
            let (version, source) = (parse(version), parse(source));
            sources.add(&version.0, version.1, (&source.0, source.1));
        }
        sources.order()
    }

    fn waves(order: &VersionOrder, versions: &[(&str, u64)]) -> Vec<usize> {
        let waves = versions.iter().map(|(model, number)| order.wave(model, *number));
        waves.collect()
    }

    #[test]
    fn chains_of_any_depth_come_in_the_order_of_their_sources() {
        let found = order(&["d/1 < c/1", "b/1 < a/1", "c/1 < b/1"]);
        assert_eq!(
            waves(&found, &[("a", 1), ("b", 1), ("c", 1), ("d", 1), ("d", 2)]),
            [0, 1, 2, 3, 3]
        );
        assert_eq!((found.last(), found.last_of("b"), found.last_of("a")), (3, 1, 0));
        let names: Vec<_> = (0..2_000).map(|at| format!("m{at}/1")).collect();
        let chain: Vec<_> = names
            .windows(2)
            .map(|pair| format!("{} < {}", pair[1], pair[0]))
            .collect();
        let chain: Vec<_> = chain.iter().rev().map(String::as_str).collect();
        assert_eq!(order(&chain).last(), 1_999);
    }

    #[test]
    fn models_that_copy_from_each_other_take_turns_and_keep_their_numbers() {
        let found = order(&["b/1 < a/1", "a/2 < b/1", "b/2 < a/2", "a/3 < a/1"]);
        assert_eq!(
            waves(
                &found,
                &[("a", 1), ("b", 1), ("a", 2), ("a", 3), ("b", 2), ("b", 9)]
            ),
            [0, 1, 2, 2, 3, 3]
        );
        // A version waits for those before it in its own model, also where its own source is there at once.
        let found = order(&["b/1 < a/1", "c/1 < b/1", "c/2 < a/1", "d/1 < c/2"]);
        assert_eq!(waves(&found, &[("c", 1), ("c", 2), ("d", 1)]), [2, 2, 3]);
    }

    #[test]
    fn of_versions_that_wait_for_each_other_the_first_goes_without() {
        let found = order(&["a/1 < b/2", "b/1 < a/2", "z/1 < b/1", "c/1 < c/2"]);
        // a/1 waits for b/2, which waits for b/1, which waits for a/2, which waits for a/1.
        assert_eq!(
            waves(
                &found,
                &[("a", 1), ("a", 2), ("b", 1), ("b", 2), ("z", 1), ("c", 1)]
            ),
            [1, 1, 2, 2, 3, 0]
        );
        let found = order(&["a/1 < b/1", "b/1 < a/1"]);
        assert_eq!(waves(&found, &[("a", 1), ("b", 1)]), [1, 2]);
    }
}
