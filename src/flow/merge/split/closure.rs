//! Which parts runs and logged models are in: the one that each belongs to, and those of what needs it.

use crate::format::Kind;
use crate::select::{Graph, Node};
use std::collections::{BTreeSet, HashMap};

/// Homes of objects by their numbers, which come in order: many that follow one another have one.
#[derive(Debug, Default)]
pub(super) struct Stretches(Vec<(Node, i64)>);

impl Stretches {
    /// Gives the next object a home.
    pub(super) fn push(&mut self, node: Node, home: i64) {
        if self.0.last().is_none_or(|(_, last)| *last != home) {
            self.0.push((node, home));
        }
    }

    pub(super) fn home(&self, node: Node) -> Option<i64> {
        let end = self.0.partition_point(|(first, _)| *first <= node);
        end.checked_sub(1).map(|at| self.0[at].1)
    }

    pub(super) fn homes(&self) -> impl Iterator<Item = i64> {
        self.0.iter().map(|(_, home)| *home)
    }
}

/// The parts of all runs and logged models.
#[derive(Debug)]
pub(super) struct Closed {
    graph: Graph,
    homes: Stretches,
    numbers: HashMap<i64, usize>,
    /// Parts beside those that objects belong to.
    extra: HashMap<Node, BTreeSet<usize>>,
}

impl Closed {
    /// Works out the parts of all; `seeds` are in parts for the sake of something else.
    pub(super) fn new(
        graph: Graph,
        homes: Stretches,
        numbers: HashMap<i64, usize>,
        seeds: &[(Node, i64)],
    ) -> Self {
        let mut closed = Closed {
            graph,
            homes,
            numbers,
            extra: HashMap::new(),
        };
        let mut open: Vec<(Node, usize)> = Vec::new();
        let mut naming: Vec<Node> = closed.graph.edges().map(|(from, _)| from).collect();
        naming.dedup();
        let seeds = seeds.iter().map(|(node, home)| (*node, closed.number(*home)));
        let own = naming
            .into_iter()
            .filter_map(|node| Some((node, closed.own(node)?)));
        let begins: Vec<(Node, usize)> = seeds.chain(own).collect();
        for begin in begins {
            open.push(begin);
            while let Some((from, part)) = open.pop() {
                for to in closed.graph.brought_by(from) {
                    let is_new = closed.own(to) != Some(part);
                    if is_new && closed.extra.entry(to).or_default().insert(part) {
                        open.push((to, part));
                    }
                }
            }
        }
        closed
    }

    fn number(&self, home: i64) -> usize {
        self.numbers.get(&home).copied().unwrap_or(0)
    }

    /// The part that a run or a logged model belongs to.
    fn own(&self, node: Node) -> Option<usize> {
        let is_placed = self.graph.is(Kind::Runs, node) || self.graph.is(Kind::LoggedModels, node);
        let home = is_placed.then(|| self.homes.home(node))?;
        Some(self.number(home?))
    }

    /// Parts of a run or a logged model, by its place among its kind.
    pub(super) fn parts(&self, kind: Kind, place: u64) -> BTreeSet<usize> {
        let node = self.graph.node(kind, place);
        node.map_or_else(BTreeSet::new, |node| self.parts_of(node))
    }

    fn parts_of(&self, node: Node) -> BTreeSet<usize> {
        let extra = self.extra.get(&node).into_iter().flatten();
        extra.copied().chain(self.own(node)).collect()
    }

    /// Parts of those of a kind that an object names.
    pub(super) fn parts_of_named(&self, kind: Kind, place: u64, named: Kind) -> BTreeSet<usize> {
        let node = self.graph.node(kind, place);
        let named = node
            .into_iter()
            .flat_map(|node| self.graph.brought_by(node).filter(|to| self.graph.is(named, *to)));
        named.flat_map(|to| self.parts_of(to)).collect()
    }
}
