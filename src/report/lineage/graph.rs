//! The objects of a chain and what links them.

use super::line::{self, KINDS, LineFacts};
use super::links::{Candidates, Links, ShortHash};
use super::places::{Key, Places};
use super::{ArchiveFacts, Edge, Lineage, LineageNode, Relation};
use crate::archive::{Archive, Result};
use crate::format::Kind;
use crate::format::hops::{Chain, Hop};
use crate::model::TextMap;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Bytes of the objects that are held; of a longer chain the rest is left out and counted.
const MOST_BYTES: usize = 32 << 20;
/// What an object takes beside its texts.
const OBJECT_BYTES: usize = 2_500;

/// An object's line.
#[derive(Default)]
struct Held {
    facts: LineFacts,
    chain: Chain,
    faults: Vec<String>,
    archives: Vec<usize>,
}

impl Held {
    fn new(places: &Places<'_>, archive: usize, kind: Kind, mut facts: LineFacts) -> Self {
        let mut faults = Vec::new();
        let chain = places.chain(archive, kind, &facts, &mut faults);
        facts.tags = TextMap::new();
        Held {
            facts,
            chain,
            faults,
            archives: Vec::new(),
        }
    }

    fn size_bytes(&self) -> usize {
        let facts = &self.facts;
        let links: usize = facts.links.iter().map(|link| 60 + link.id.len()).sum();
        let texts: usize = facts.facts.values().map(|text| 60 + text.len()).sum();
        let hops: usize = self.chain.hops.iter().map(|hop| 200 + hop.id.len()).sum();
        OBJECT_BYTES + 2 * facts.id.len() + facts.name.as_ref().map_or(0, String::len) + links + texts + hops
    }
}

/// Reads the chain of these objects.
pub(super) fn build(
    archives: &[Archive],
    places: &Places<'_>,
    roots: &BTreeSet<Key>,
) -> Result<(Lineage, BTreeMap<Key, usize>)> {
    let candidates = candidates(archives, places, roots)?;
    let mut left_out = candidates.left_out;
    let held = hold(archives, places, roots, &candidates, &mut left_out)?;
    let mut graph = Graph::default();
    for (key, held) in held {
        graph.add(key, Some(held));
    }
    graph.link_all(places);
    let (lineage, numbers) = graph.reached(places, roots);
    let lineage = Lineage {
        archives: archives.iter().map(ArchiveFacts::of).collect(),
        left_out,
        ..lineage
    };
    Ok((lineage, numbers))
}

fn candidates(archives: &[Archive], places: &Places<'_>, roots: &BTreeSet<Key>) -> Result<Candidates> {
    let mut links = Links::default();
    for (index, archive) in archives.iter().enumerate() {
        for kind in KINDS {
            line::for_each(archive, kind, |facts| {
                let here = ShortHash::of(kind, &facts.id);
                for link in &facts.links {
                    let there = ShortHash::of(link.kind, &link.id);
                    let (from, to) = if link.is_reversed {
                        (there, here)
                    } else {
                        (here, there)
                    };
                    links.add(from, to);
                }
                for hop in places.chain(index, kind, &facts, &mut Vec::new()).hops {
                    links.add(here, ShortHash::of(kind, &hop.id));
                }
            })?;
        }
    }
    let roots: HashSet<_> = roots
        .iter()
        .map(|root| ShortHash::of(root.kind, &root.id))
        .collect();
    Ok(links.candidates(&roots))
}

/// Holds the lines of what may belong to the chain; of archives of one origin, that of the newest.
fn hold(
    archives: &[Archive],
    places: &Places<'_>,
    roots: &BTreeSet<Key>,
    candidates: &Candidates,
    left_out: &mut u64,
) -> Result<BTreeMap<Key, Held>> {
    let mut held: BTreeMap<Key, Held> = BTreeMap::new();
    let mut size_bytes = 0;
    let mut experiments = HashSet::new();
    let mut newest: Vec<usize> = (0..archives.len()).collect();
    newest.sort_by_key(|&index| (&archives[index].manifest().created, index));
    // Experiments last: what is held by then needs theirs.
    let (first, rest) = KINDS.split_at(1);
    for kind in rest.iter().chain(first).copied() {
        for &index in &newest {
            let place = places.of_archive(index);
            line::for_each(&archives[index], kind, |facts| {
                let is_near = kind == Kind::Experiments && experiments.contains(&(place, facts.id.clone()));
                if !is_near && !candidates.all.contains(&ShortHash::of(kind, &facts.id)) {
                    return;
                }
                let key = Key {
                    place,
                    kind,
                    id: facts.id.clone(),
                    workspace: facts.workspace.clone(),
                };
                let mut new = Held::new(places, index, kind, facts);
                if size_bytes + new.size_bytes() > MOST_BYTES && !roots.contains(&key) {
                    *left_out += 1;
                    return;
                }
                size_bytes += new.size_bytes();
                experiments.extend(new.facts.experiment_id.clone().map(|id| (place, id)));
                let old = held.get(&key).map(|old| old.archives.clone());
                new.archives = old.unwrap_or_default();
                new.archives.push(index);
                held.insert(key, new);
            })?;
        }
    }
    Ok(held)
}

/// Objects by number; those that only others name have no line.
#[derive(Default)]
struct Graph {
    numbers: BTreeMap<Key, usize>,
    objects: Vec<(Key, Option<Held>)>,
    edges: BTreeSet<(usize, Relation, usize)>,
}

impl Graph {
    fn add(&mut self, key: Key, held: Option<Held>) -> usize {
        if let Some(&number) = self.numbers.get(&key) {
            return number;
        }
        self.numbers.insert(key.clone(), self.objects.len());
        self.objects.push((key, held));
        self.objects.len() - 1
    }

    /// The object of an id, in that workspace or else in any.
    fn find(&self, key: &Key) -> Option<usize> {
        let exact = self.numbers.get(key).copied();
        let any = || {
            let from = Key {
                workspace: None,
                ..key.clone()
            };
            let (found, number) = self.numbers.range(from..).next()?;
            let is_it = (found.place, found.kind, &found.id) == (key.place, key.kind, &key.id);
            is_it.then_some(*number)
        };
        exact.or_else(any)
    }

    fn link_all(&mut self, places: &Places<'_>) {
        for number in 0..self.objects.len() {
            let (key, Some(held)) = &self.objects[number] else {
                continue;
            };
            let key = key.clone();
            let mut links = held.facts.links.clone();
            if let Some(id) = &held.facts.experiment_id {
                let relation = Relation::In;
                let (kind, id, is_reversed) = (Kind::Experiments, id.clone(), false);
                links.push(line::Link {
                    relation,
                    kind,
                    id,
                    is_reversed,
                });
            }
            let hops = held.chain.hops.clone();
            for link in links {
                let other = Key {
                    place: key.place,
                    kind: link.kind,
                    id: link.id,
                    workspace: matches!(link.kind, Kind::RegisteredModels | Kind::ModelVersions)
                        .then(|| key.workspace.clone())
                        .flatten(),
                };
                let other = match self.find(&other) {
                    Some(other) => other,
                    None => self.add(other, None),
                };
                let (from, to) = if link.is_reversed {
                    (other, number)
                } else {
                    (number, other)
                };
                self.edges.insert((from, link.relation, to));
            }
            if let Some(copied) = self.copied_from(&key, &hops, places) {
                self.edges.insert((number, Relation::CopyOf, copied));
            }
        }
    }

    /// The object that another is a copy of, as its last hop tells whose object is at hand.
    fn copied_from(&self, key: &Key, hops: &[Hop], places: &Places<'_>) -> Option<usize> {
        hops.iter().rev().find_map(|hop| {
            let places = places.of_hop(hop, key.kind, key.place);
            places.into_iter().find_map(|place| {
                let other = Key {
                    place,
                    id: hop.id.clone(),
                    ..key.clone()
                };
                let found = self.find(&other)?;
                let (found_key, held) = &self.objects[found];
                (held.is_some() && found_key != key).then_some(found)
            })
        })
    }

    /// What is reached from the roots, against and along the links, with its numbers.
    fn reached(self, places: &Places<'_>, roots: &BTreeSet<Key>) -> (Lineage, BTreeMap<Key, usize>) {
        let starts: Vec<usize> = roots
            .iter()
            .filter_map(|root| self.numbers.get(root).copied())
            .collect();
        let mut up: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut down = up.clone();
        for &(from, relation, to) in &self.edges {
            up.entry(from).or_default().push(to);
            if relation != Relation::In {
                down.entry(to).or_default().push(from);
            }
        }
        let mut reached = walk(&starts, &up);
        for below in walk(&starts, &down) {
            reached.insert(below);
            let experiment = |&&(_, relation, _): &&(usize, Relation, usize)| relation == Relation::In;
            let of_it = self
                .edges
                .range((below, Relation::CopyOf, 0)..(below + 1, Relation::CopyOf, 0));
            reached.extend(of_it.filter(experiment).map(|(_, _, to)| *to));
        }
        let mut keys: Vec<usize> = reached.iter().copied().collect();
        keys.sort_by(|one, other| self.objects[*one].0.cmp(&self.objects[*other].0));
        let places_of: BTreeMap<usize, usize> = keys
            .iter()
            .enumerate()
            .map(|(at, &number)| (number, at))
            .collect();
        let number = |old: &usize| places_of.get(old).copied();
        let mut lineage = Lineage {
            roots: starts.iter().filter_map(number).collect(),
            ..Lineage::default()
        };
        for (from, relation, to) in &self.edges {
            if let Some((from, to)) = number(from).zip(number(to)) {
                let relation = *relation;
                lineage.edges.push(Edge { from, relation, to });
            }
        }
        lineage.edges.sort_unstable();
        let mut numbers = BTreeMap::new();
        let mut objects: Vec<_> = self.objects.into_iter().map(Some).collect();
        for old in keys {
            let (key, held) = objects[old].take().expect("each is taken once");
            let held = held.unwrap_or_default();
            let named = held
                .faults
                .iter()
                .map(|fault| format!("{} `{}`: {fault}", key.kind, key.id));
            lineage.notes.extend(named);
            numbers.insert(key.clone(), lineage.nodes.len());
            lineage.nodes.push(node(places, key, held));
        }
        (lineage, numbers)
    }
}

fn walk(starts: &[usize], followers: &BTreeMap<usize, Vec<usize>>) -> BTreeSet<usize> {
    let mut reached: BTreeSet<usize> = starts.iter().copied().collect();
    let mut pending = starts.to_vec();
    while let Some(next) = pending.pop() {
        let follow = followers.get(&next).into_iter().flatten().copied();
        pending.extend(follow.filter(|&to| reached.insert(to)));
    }
    reached
}

fn node(places: &Places<'_>, key: Key, held: Held) -> LineageNode {
    let facts = held.facts;
    let mut archives = held.archives;
    archives.sort_unstable();
    LineageNode {
        kind: key.kind,
        id: key.id,
        workspace: key.workspace,
        origin: places.origins[key.place].to_owned(),
        archives,
        experiment_id: facts.experiment_id,
        name: facts.name,
        user: facts.user,
        status: facts.status,
        start_time: facts.start_time,
        end_time: facts.end_time,
        facts: facts.facts,
        hops: held.chain.hops,
        folded_hops: held.chain.folded,
    }
}
