//! Objects of all archives in one order: what only one has is taken, what several have stands once.

use super::book::Identity;
use super::joined::join;
use super::output::MergeOutput;
use super::plan::Plan;
use super::source::{Owner, Source};
use super::survey::changed_at;
use super::{Losers, Prefer, Result};
use crate::archive::Archive;
use crate::format::{Kind, SortKey};
use std::collections::{BTreeMap, HashSet};

/// Conflicts that are named; the others are counted.
const NAMED: usize = 20;

/// An object that several archives have with other content.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Conflict {
    /// Kind of the object.
    pub kind: Kind,
    /// Its id.
    pub id: String,
    /// The archives that have it, from 1.
    pub inputs: Vec<usize>,
    /// The one that it was taken from.
    pub taken: usize,
}

/// Takes objects from all archives in turn.
pub(super) struct Weave<'j> {
    archives: &'j [&'j Archive],
    plan: &'j Plan,
    losers: &'j Losers,
    prefer: Prefer,
    pub(super) united: BTreeMap<Kind, u64>,
    pub(super) conflict_count: u64,
    pub(super) conflicts: Vec<Conflict>,
    pub(super) notices: BTreeMap<String, u64>,
    /// Conflicts of lost objects, which are told once.
    told: HashSet<(Kind, String)>,
}

impl<'j> Weave<'j> {
    pub(super) fn new(
        archives: &'j [&'j Archive],
        plan: &'j Plan,
        losers: &'j Losers,
        prefer: Prefer,
    ) -> Self {
        Weave {
            archives,
            plan,
            losers,
            prefer,
            united: BTreeMap::new(),
            conflict_count: 0,
            conflicts: Vec::new(),
            notices: BTreeMap::new(),
            told: HashSet::new(),
        }
    }

    /// Conflicts of objects that some archives have lines of alone.
    pub(super) fn tell_of_lost(&mut self, conflicts: &[Conflict]) {
        self.conflict_count = conflicts.len() as u64;
        self.conflicts = conflicts.iter().take(NAMED).cloned().collect();
        let told = conflicts
            .iter()
            .map(|conflict| (conflict.kind, conflict.id.clone()));
        self.told = told.collect();
    }

    /// Takes all objects of a kind, with their lines.
    pub(super) fn family(
        &mut self,
        kind: Kind,
        sources: &mut [Source<'_>],
        output: &mut MergeOutput,
    ) -> Result<()> {
        let key = |source: &Source<'_>| source.head().map(|head| head.key.clone());
        while let Some(least) = sources.iter().filter_map(key).min() {
            let is_least = |source: &Source<'_>| source.head().is_some_and(|head| head.key == least);
            let all: Vec<usize> = (0..sources.len()).filter(|&at| is_least(&sources[at])).collect();
            let mut group = Vec::with_capacity(all.len());
            for &at in &all {
                let goes = sources[at].head().is_some_and(|head| head.goes);
                match self.winner_over(kind, at, &sources[at]) {
                    _ if goes => drop_lines(kind, &mut sources[at], output)?,
                    Some(winner) => self.leave_out(kind, at, winner, &mut sources[at], output)?,
                    None => group.push(at),
                }
            }
            if !group.is_empty() {
                self.group(kind, &group, sources, output)?;
            }
            for at in all {
                sources[at].advance()?;
            }
        }
        Ok(())
    }

    /// The archive from which an object is taken that stands elsewhere there.
    fn winner_over(&self, kind: Kind, at: usize, source: &Source<'_>) -> Option<usize> {
        let losers = self.losers.get(&(at, kind))?;
        losers.get(&source.head()?.old_id).copied()
    }

    fn leave_out(
        &mut self,
        kind: Kind,
        at: usize,
        winner: usize,
        source: &mut Source<'_>,
        output: &mut MergeOutput,
    ) -> Result<()> {
        if let Some(Owner {
            id, line: Some(line), ..
        }) = source.head()
        {
            output.drop(line);
            self.conflict(kind, id.clone(), &[winner, at], winner);
        }
        drop_lines(kind, source, output)
    }

    fn conflict(&mut self, kind: Kind, id: String, group: &[usize], winner: usize) {
        if !self.told.is_empty() && self.told.contains(&(kind, id.clone())) {
            return;
        }
        self.conflict_count += 1;
        if self.conflicts.len() < NAMED {
            let mut inputs: Vec<_> = group.iter().map(|at| at + 1).collect();
            inputs.sort_unstable();
            self.conflicts.push(Conflict {
                kind,
                id,
                inputs,
                taken: winner + 1,
            });
        }
    }

    /// Takes the objects at one place.
    fn group(
        &mut self,
        kind: Kind,
        group: &[usize],
        sources: &mut [Source<'_>],
        output: &mut MergeOutput,
    ) -> Result<()> {
        let classes = self.classes(kind, group, sources)?;
        let winners: Vec<usize> = classes
            .iter()
            .map(|class| self.winner(kind, class, sources))
            .collect();
        let line_of = |at: usize| sources[at].head().and_then(|head| head.line.as_deref());
        let mut others = winners[1..].iter().filter_map(|&at| line_of(at));
        let joined = match (line_of(winners[0]), others.next()) {
            (Some(first), Some(second)) => {
                let mut line = join(kind, first, second, &mut self.notices);
                for other in others {
                    line = join(kind, &line, other, &mut self.notices);
                }
                Some(line)
            }
            _ => None,
        };
        if group.len() > 1 && line_of(winners[0]).is_some() {
            *self.united.entry(kind).or_default() += 1;
        }
        for (class, &winner) in classes.iter().zip(&winners).skip(1) {
            // What becomes one with another has no lines that belong to it.
            let is_other = |at: &&usize| line_of(**at) != line_of(winner);
            if class.iter().find(is_other).is_some() {
                let id = sources[winner]
                    .head()
                    .map(|head| head.id.clone())
                    .unwrap_or_default();
                self.conflict(kind, id, class, winner);
            }
        }
        self.take(kind, (&classes[0], winners[0]), joined, sources, output)?;
        if let Some(owner) = sources[winners[0]].head().filter(|owner| owner.line.is_some()) {
            let sides = group.iter().filter_map(|&at| Some((at, sources[at].head()?)));
            output.origins(self.plan, kind, owner, sides)?;
        }
        Ok(())
    }

    /// Those that the same origins know together: they are one object. Of several origins only experiments, registered models
    /// and workspaces become one; anything else of one id is one object wherever it comes from.
    fn classes(&self, kind: Kind, group: &[usize], sources: &[Source<'_>]) -> Result<Vec<Vec<usize>>> {
        let known = |at: usize| {
            let book = &self.plan.inputs[at].book;
            match (kind, sources[at].head()) {
                (Kind::Workspaces, _) => book.identities(kind, None, ""),
                (Kind::Experiments | Kind::RegisteredModels, Some(head)) => {
                    book.identities(kind, head.workspace.as_deref(), &head.old_id)
                }
                _ => Ok(Vec::new()),
            }
        };
        let mut classes: Vec<(Vec<Identity>, Vec<usize>)> = Vec::new();
        for &at in group {
            let origins = if group.len() > 1 { known(at)? } else { Vec::new() };
            match classes.iter_mut().find(|(others, _)| *others == origins) {
                Some((_, class)) => class.push(at),
                None => classes.push((origins, vec![at])),
            }
        }
        Ok(classes.into_iter().map(|(_, class)| class).collect())
    }

    fn winner(&self, kind: Kind, class: &[usize], sources: &[Source<'_>]) -> usize {
        let newest = |at: &&usize| {
            let line = sources[**at].head().and_then(|head| head.line.as_deref());
            let changed = line.and_then(|line| changed_at(kind, line));
            (changed, &self.archives[**at].manifest().created, **at)
        };
        let winner = match self.prefer {
            Prefer::Newer if class.len() > 1 => class.iter().max_by_key(newest),
            _ => class.first(),
        };
        winner.copied().expect("a class has at least one object")
    }

    /// Writes the winner with its lines, and compares the others with it.
    fn take(
        &mut self,
        kind: Kind,
        (class, winner): (&[usize], usize),
        joined: Option<Vec<u8>>,
        sources: &mut [Source<'_>],
        output: &mut MergeOutput,
    ) -> Result<()> {
        let mut differs = false;
        let Some(owner) = sources[winner].head() else {
            return Ok(());
        };
        let (key, id) = (owner.key.clone(), owner.id.clone());
        for &other in class.iter().filter(|other| **other != winner) {
            let line = sources[other].head().and_then(|head| head.line.as_deref());
            if line != owner.line.as_deref() {
                differs = true;
                line.into_iter().for_each(|line| output.drop(line));
            }
        }
        if let Some(line) = joined.as_deref().or(owner.line.as_deref()) {
            output.write(kind, key.clone(), &id, line)?;
        }
        for (place, &child) in kind.children().iter().enumerate() {
            let mut number = 0;
            loop {
                let line = sources[winner].next_child(place)?;
                for &other in class.iter().filter(|other| **other != winner) {
                    let theirs = sources[other].next_child(place)?;
                    if theirs != line {
                        differs = true;
                        theirs.iter().for_each(|line| output.drop(line));
                    }
                }
                let Some(line) = line else { break };
                output.write(child, place_of(kind, child, &key, number), &id, &line)?;
                number += 1;
            }
            for &other in class.iter().filter(|other| **other != winner) {
                while let Some(line) = sources[other].next_child(place)? {
                    output.drop(&line);
                }
            }
        }
        if differs {
            self.conflict(kind, id, class, winner);
        }
        Ok(())
    }
}

/// Leaves out the lines that belong to an object.
fn drop_lines(kind: Kind, source: &mut Source<'_>, output: &mut MergeOutput) -> Result<()> {
    for place in 0..kind.children().len() {
        while let Some(line) = source.next_child(place)? {
            output.drop(&line);
        }
    }
    Ok(())
}

/// The place of a line that belongs to an object; artifacts come by kind of owner.
pub(super) fn place_of(owner_kind: Kind, kind: Kind, owner: &SortKey, number: u64) -> SortKey {
    let key = match kind {
        Kind::Artifacts => SortKey::new().number(owner_kind as u64).key(owner),
        _ => owner.clone(),
    };
    key.number(number)
}
