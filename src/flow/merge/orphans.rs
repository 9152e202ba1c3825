//! Lines whose object is not in their archive, though its manifest says that it is lost. Where another archive has the object, its
//! lines come from there; else they stay where they are, after the lines before them, from one archive.

use super::plan::Plan;
use super::survey::changed_at;
use super::weave::Conflict;
use super::{Prefer, Result};
use crate::archive::walk::{Cursor, lost_owners, owner_of};
use crate::archive::{Archive, finish_digest};
use crate::format::Kind;
use crate::model::Digest;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::rc::Rc;

/// Kinds of objects that an archive can hold lines of without them, each with a kind of those lines.
fn owners() -> impl Iterator<Item = (Kind, Kind)> {
    let kinds = Kind::ALL.iter();
    kinds.flat_map(|&kind| kind.children().iter().map(move |&lines| (kind, lines)))
}

/// An object that is lost in an archive which has lines of a kind of it.
#[derive(Debug, Clone, Default)]
pub(super) struct LostObject {
    /// Its id in the result.
    pub(super) id: String,
    /// Whether its lines are taken from another archive.
    pub(super) goes: bool,
}

/// Lost objects of one archive that it has lines of, by their kind, the kind of the lines, and id.
pub(super) type Orphans = Rc<BTreeMap<(Kind, Kind), HashMap<String, LostObject>>>;

/// What becomes of the lines of lost objects of all archives.
#[derive(Debug, Default)]
pub(super) struct Decided {
    /// By archive.
    pub(super) orphans: Vec<Orphans>,
    /// Objects of which several archives have other lines.
    pub(super) conflicts: Vec<Conflict>,
}

impl Decided {
    /// Nothing is lost, as far as is known.
    pub(super) fn nothing(archives: usize) -> Self {
        Decided {
            orphans: vec![Orphans::default(); archives],
            conflicts: Vec::new(),
        }
    }

    /// Whether no archive has such lines.
    pub(super) fn is_empty(&self) -> bool {
        self.orphans.iter().all(|orphans| orphans.is_empty())
    }
}

/// What becomes of the lines of lost objects: they all stay.
pub(super) fn staying(archive: &Archive, scratch: &Path) -> Result<Orphans> {
    let mut all = BTreeMap::new();
    for (kind, lines) in owners() {
        let lost = lost_owners(archive, lines, kind, scratch)?.into_iter();
        let stays = |id: String| (id.clone(), LostObject { id, goes: false });
        let lost: HashMap<_, _> = lost.map(stays).collect();
        if !lost.is_empty() {
            all.insert((kind, lines), lost);
        }
    }
    Ok(Rc::new(all))
}

/// Decides from which archive lines of lost objects come.
///
/// # Errors
/// An archive cannot be read.
pub(super) fn decide(archives: &[&Archive], plan: &Plan, prefer: Prefer, scratch: &Path) -> Result<Decided> {
    let mut orphans = vec![BTreeMap::new(); archives.len()];
    let mut conflicts: BTreeMap<(Kind, String), Conflict> = BTreeMap::new();
    for (kind, lines) in owners() {
        let mut sides: BTreeMap<String, Sides> = BTreeMap::new();
        let mut lost: Vec<Vec<(String, String)>> = Vec::with_capacity(archives.len());
        for (input, archive) in archives.iter().enumerate() {
            let moves = &plan.inputs[input].moves;
            let ids = lost_owners(archive, lines, kind, scratch)?.into_iter();
            lost.push(ids.map(|old| (moves.id(kind, &old), old)).collect());
            for (id, _) in &lost[input] {
                sides.entry(id.clone()).or_default().lost.push(input);
            }
        }
        if sides.is_empty() {
            continue;
        }
        find_holders(archives, plan, kind, &mut sides)?;
        let told = digests(archives, plan, (kind, lines), &sides)?;
        let mut taken = HashMap::new();
        for (id, sides) in &sides {
            let (winner, differs) = sides.decide(|input| told.get(&(id.clone(), input)), archives, prefer);
            taken.insert(id.as_str(), winner);
            if differs {
                let conflict = sides.conflict(kind, id, winner);
                conflicts.entry((kind, id.clone())).or_insert(conflict);
            }
        }
        for (input, ids) in lost.into_iter().enumerate().filter(|(_, ids)| !ids.is_empty()) {
            let fate = |(id, old): (String, String)| {
                let goes = taken.get(id.as_str()) != Some(&input);
                (old, LostObject { id, goes })
            };
            orphans[input].insert((kind, lines), ids.into_iter().map(fate).collect());
        }
    }
    Ok(Decided {
        orphans: orphans.into_iter().map(Rc::new).collect(),
        conflicts: conflicts.into_values().collect(),
    })
}

/// Archives that have something of an object which some of them lost.
#[derive(Default)]
struct Sides {
    /// Those that have lines of it alone.
    lost: Vec<usize>,
    /// Those that have it, and when it changed there.
    holders: Vec<(usize, Option<i64>)>,
}

impl Sides {
    /// The archive that the lines are taken from, and whether others have other lines.
    fn decide<'d>(
        &self,
        lines: impl Fn(usize) -> Option<&'d Digest>,
        archives: &[&Archive],
        prefer: Prefer,
    ) -> (usize, bool) {
        let created = |input: usize| (&archives[input].manifest().created, input);
        let newest = |held: &&(usize, Option<i64>)| (held.1, created(held.0));
        let holder = match prefer {
            Prefer::Newer => self.holders.iter().max_by_key(newest),
            Prefer::Fail | Prefer::First => self.holders.first(),
        };
        let differs = |from: usize| self.lost.iter().any(|input| lines(*input) != lines(from));
        let first = self.lost[0];
        let newest = self.lost.iter().copied().max_by_key(|input| created(*input));
        match (holder, prefer) {
            (Some((holder, _)), _) => (*holder, differs(*holder)),
            (None, _) if !differs(first) => {
                // Where the lines stand does not depend on the order of the archives.
                let content_id = |input: &&usize| archives[**input].manifest().content_id;
                (
                    self.lost.iter().min_by_key(content_id).copied().unwrap_or(first),
                    false,
                )
            }
            (None, Prefer::Newer) => (newest.unwrap_or(first), true),
            (None, Prefer::Fail | Prefer::First) => (first, true),
        }
    }

    fn conflict(&self, kind: Kind, id: &str, taken: usize) -> Conflict {
        let holders = self.holders.iter().map(|(input, _)| *input);
        let inputs: BTreeSet<usize> = holders.chain(self.lost.iter().copied()).collect();
        Conflict {
            kind,
            id: id.to_owned(),
            inputs: inputs.into_iter().map(|input| input + 1).collect(),
            taken: taken + 1,
        }
    }
}

/// Notes which archives have the objects themselves.
fn find_holders(
    archives: &[&Archive],
    plan: &Plan,
    kind: Kind,
    sides: &mut BTreeMap<String, Sides>,
) -> Result<()> {
    for (input, archive) in archives.iter().enumerate() {
        let moves = &plan.inputs[input].moves;
        let mut cursor = Cursor::new(archive, kind)?;
        while let Some(line) = cursor.line() {
            let id = moves.id(kind, &cursor.head(kind)?.id(kind));
            if let Some(sides) = sides.get_mut(&id) {
                sides.holders.push((input, changed_at(kind, line)));
            }
            cursor.advance()?;
        }
    }
    Ok(())
}

/// Digests of the lines of one kind of those objects, by id and archive.
fn digests(
    archives: &[&Archive],
    plan: &Plan,
    (owner_kind, kind): (Kind, Kind),
    sides: &BTreeMap<String, Sides>,
) -> Result<HashMap<(String, usize), Digest>> {
    let mut told: HashMap<(String, usize), Sha256> = HashMap::new();
    for (input, archive) in archives.iter().enumerate() {
        let moves = &plan.inputs[input].moves;
        let mut cursor = Cursor::new(archive, kind)?;
        while let Some(line) = cursor.line() {
            if let Some(old) = owner_of(kind, owner_kind, line, &cursor)? {
                let id = moves.id(owner_kind, &old);
                if sides.contains_key(&id) {
                    let line = moves.rewrite_child(archive, kind, line.to_vec(), (&old, &id))?;
                    let hasher = told.entry((id, input)).or_default();
                    hasher.update(&line);
                    hasher.update(b"\n");
                }
            }
            cursor.advance()?;
        }
    }
    let told = told.into_iter();
    Ok(told.map(|(of, hasher)| (of, finish_digest(hasher))).collect())
}
