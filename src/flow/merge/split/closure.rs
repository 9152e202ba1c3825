//! Which parts runs and logged models are in: the one that each belongs to, and those of what needs it.

use std::collections::{BTreeSet, HashMap};

/// A run or a logged model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Node {
    Run,
    LoggedModel,
}

/// Runs and logged models, where they belong, and what they need.
#[derive(Debug, Default)]
pub(super) struct Graph {
    runs: HashMap<String, usize>,
    logged_models: HashMap<String, usize>,
    homes: Vec<i64>,
    needs: Vec<(usize, Node, String)>,
    /// Parts in which something else needs one.
    seeds: Vec<(Node, String, i64)>,
}

impl Graph {
    /// Adds an object and where it belongs.
    pub(super) fn add(&mut self, node: Node, id: String, home: i64) -> usize {
        let number = self.homes.len();
        self.homes.push(home);
        match node {
            Node::Run => self.runs.insert(id, number),
            Node::LoggedModel => self.logged_models.insert(id, number),
        };
        number
    }

    /// Says that an object needs another, which need not be there.
    pub(super) fn need(&mut self, from: usize, node: Node, id: &str) {
        self.needs.push((from, node, id.to_owned()));
    }

    /// Says that something in a part needs an object.
    pub(super) fn need_in(&mut self, node: Node, id: &str, home: i64) {
        self.seeds.push((node, id.to_owned(), home));
    }

    pub(super) fn find(&self, node: Node, id: &str) -> Option<usize> {
        let ids = match node {
            Node::Run => &self.runs,
            Node::LoggedModel => &self.logged_models,
        };
        ids.get(id).copied()
    }

    pub(super) fn home(&self, number: usize) -> i64 {
        self.homes[number]
    }

    /// Gives an object's home another place.
    pub(super) fn homes(&self) -> impl Iterator<Item = i64> {
        self.homes.iter().copied()
    }

    /// Works out the parts of all; `number_of` numbers homes.
    pub(super) fn close(self, number_of: impl Fn(i64) -> usize) -> Closed {
        let mut needs: HashMap<usize, Vec<usize>> = HashMap::new();
        for (from, node, id) in &self.needs {
            if let Some(to) = self.find(*node, id).filter(|to| to != from) {
                needs.entry(*from).or_default().push(to);
            }
        }
        let homes: Vec<usize> = self.homes.iter().map(|home| number_of(*home)).collect();
        let mut extra: HashMap<usize, BTreeSet<usize>> = HashMap::new();
        let mut open: Vec<(usize, usize)> = homes.iter().copied().enumerate().collect();
        for (node, id, home) in &self.seeds {
            let part = number_of(*home);
            if let Some(to) = self.find(*node, id).filter(|to| homes[*to] != part)
                && extra.entry(to).or_default().insert(part)
            {
                open.push((to, part));
            }
        }
        while let Some((from, part)) = open.pop() {
            for &to in needs.get(&from).into_iter().flatten() {
                if homes[to] != part && extra.entry(to).or_default().insert(part) {
                    open.push((to, part));
                }
            }
        }
        Closed {
            graph: self,
            homes,
            extra,
        }
    }
}

/// The parts of all runs and logged models.
#[derive(Debug)]
pub(super) struct Closed {
    graph: Graph,
    homes: Vec<usize>,
    extra: HashMap<usize, BTreeSet<usize>>,
}

impl Closed {
    /// Parts of an object; none where it is not there.
    pub(super) fn parts(&self, node: Node, id: &str) -> BTreeSet<usize> {
        let Some(number) = self.graph.find(node, id) else {
            return BTreeSet::new();
        };
        let extra = self.extra.get(&number).into_iter().flatten();
        extra.copied().chain([self.homes[number]]).collect()
    }
}
