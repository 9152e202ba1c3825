//! What of each archive gets another id or name: decided from ids and names alone, before anything is written.
//!
//! Archives of one origin know one another's objects by their ids. Of two origins nothing is the same but what both were merged from:
//!
//! - An experiment whose id another origin has gets the number after the largest of all, in the order of origins and ids.
//! - The experiments `0`, which every database has as its default, become one; with `--join-experiments` so do those of one name.
//! - A name that another origin has gets `-2`, `-3` and so on; with `--join-models` models of one name become one, and versions of the
//!   later one are numbered after those before.

use super::book::{Book, Identity, OriginTable};
use super::models::Models;
use super::moves::{ModelMove, Moves};
use super::survey::Names;
use super::{MergeError, MergeOptions, Result};
use crate::archive::Archive;
use crate::format::{Kind, SortKey, order};
use crate::model::DEFAULT_WORKSPACE;
use std::collections::{BTreeSet, HashMap, HashSet};

/// Id of the experiment that every database begins with.
const DEFAULT_EXPERIMENT: &str = "0";

/// What becomes of one archive.
#[derive(Debug)]
pub(super) struct InputPlan {
    pub(super) book: Book,
    pub(super) moves: Moves,
    /// Whether its objects of a kind of place come in another order in the result.
    pub(super) sorts_experiments: bool,
    pub(super) sorts_models: bool,
}

/// Something that has another id or name in the result.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename = "Change")]
pub struct MergeChange {
    /// What became of it.
    pub what: ChangeKind,
    /// Kind of the object.
    pub kind: Kind,
    /// Which archive, from 1.
    pub input: usize,
    /// Id or name in the archive.
    pub old: String,
    /// Id or name in the result.
    pub new: String,
}

/// What became of an id or a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// Another origin had the id.
    Renumbered,
    /// Another origin had the name.
    Renamed,
    /// It became one with another origin's.
    Joined,
}

/// What becomes of all archives.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) table: OriginTable,
    pub(super) inputs: Vec<InputPlan>,
    pub(super) changes: Vec<MergeChange>,
}

impl Plan {
    /// Decides from what the archives hold.
    pub(super) fn make(archives: &[&Archive], options: &MergeOptions) -> Result<Self> {
        let mut plan = Plan {
            table: OriginTable::new(&options.same_origins),
            ..Plan::default()
        };
        for archive in archives {
            let book = Book::read(archive, &mut plan.table)?;
            plan.inputs.push(InputPlan {
                book,
                moves: Moves::default(),
                sorts_experiments: false,
                sorts_models: false,
            });
        }
        plan.table.refuse_unknown()?;
        if plan.table.origins.len() < 2 {
            return Ok(plan);
        }
        let mut names: Vec<Names> = archives
            .iter()
            .map(|archive| Names::read(archive))
            .collect::<Result<_>>()?;
        plan.give_workspaces(&mut names);
        // The result's own origin keeps its ids, wherever its archives stand.
        let mut sequence: Vec<usize> = (0..archives.len()).collect();
        sequence.sort_by_key(|&input| plan.inputs[input].book.own());
        Experiments::new(&names, options).decide(&mut plan, &sequence)?;
        Models::new(&names, options).decide(&mut plan, &sequence)?;
        for (input, names) in plan.inputs.iter_mut().zip(&names) {
            let moves = &mut input.moves;
            let unmoved = names.models.keys().filter(|id| !moves.models.contains_key(*id));
            moves.settle(unmoved.cloned().collect::<Vec<_>>().into_iter());
            let used = names.experiments.values().filter(|(_, found)| found.is_used);
            let ids = used.map(|(id, _)| id);
            input.sorts_experiments = !is_rising(ids.map(|id| order::experiment(moves.experiment(id))));
            let models = names.models.keys().map(|id| {
                let new = moves.models.get(id).map_or(&id.1, |moved| &moved.name);
                order::registered_model(id.0.as_deref(), new)
            });
            let mut versions = names
                .models
                .iter()
                .map(|(id, found)| (moves.models.get(id), &found.versions));
            let has_order = |(moved, versions): (Option<&ModelMove>, &BTreeSet<u64>)| {
                moved.is_none_or(|moved| {
                    versions
                        .iter()
                        .is_sorted_by_key(|version| moved.version(*version))
                })
            };
            input.sorts_models = !is_rising(models) || !versions.all(has_order);
        }
        Ok(plan)
    }

    /// Puts what names no workspace into the one in which MLflow holds it, where another archive names workspaces: else two
    /// objects of one name would be told apart that no server can hold both.
    fn give_workspaces(&mut self, names: &mut [Names]) {
        if !names.iter().any(|names| names.has_workspaces) {
            return;
        }
        for (input, names) in self.inputs.iter_mut().zip(names) {
            if !names.has_workspaces {
                names.put_into(DEFAULT_WORKSPACE);
                input.book.put_into(DEFAULT_WORKSPACE);
                input.moves.workspace = Some(DEFAULT_WORKSPACE);
            }
        }
    }

    /// What is said of archives that name no workspace, and how many they are.
    pub(super) fn given_workspace(&self) -> Option<(String, u64)> {
        let count = self
            .inputs
            .iter()
            .filter(|input| input.moves.workspace.is_some())
            .count() as u64;
        let notice = format!("archives without workspaces: their objects are now in `{DEFAULT_WORKSPACE}`");
        (count > 0).then_some((notice, count))
    }

    pub(super) fn change(&mut self, what: ChangeKind, kind: Kind, input: usize, old: &str, new: &str) {
        self.changes.push(MergeChange {
            what,
            kind,
            input: input + 1,
            old: old.to_owned(),
            new: new.to_owned(),
        });
    }
}

fn is_rising(keys: impl Iterator<Item = SortKey>) -> bool {
    keys.collect::<Vec<_>>().is_sorted_by(|a, b| a < b)
}

/// A name, and the workspace that it is unique in.
pub(super) type Name = (Option<String>, String);

/// The first of `name-2`, `name-3` … that nothing has.
pub(super) fn free_name(name: &Name, is_taken: impl Fn(&Name) -> bool) -> String {
    let numbered = (2_u64..).map(|number| format!("{}-{number}", name.1));
    let mut free = numbered.filter(|text| !is_taken(&(name.0.clone(), text.clone())));
    free.next().unwrap_or_default()
}

struct Experiments<'n> {
    names: &'n [Names],
    joins: bool,
    /// Ids of the result, and who has them.
    used: HashMap<String, Identity>,
    by_identity: HashMap<Identity, String>,
    /// Names of the result, and the ids that have them.
    by_name: HashMap<Name, String>,
    all_names: HashSet<Name>,
    renamed: HashMap<(String, Name), String>,
    /// Names of the result by id.
    first_names: HashMap<String, String>,
    next_number: Option<u128>,
}

impl<'n> Experiments<'n> {
    fn new(names: &'n [Names], options: &MergeOptions) -> Self {
        let all = names.iter().flat_map(|names| names.experiments.values());
        let numbers = all.clone().filter_map(|(id, _)| id.parse::<u128>().ok());
        let named = |(_, found): &(String, super::survey::FoundExperiment)| {
            Some((found.workspace.clone(), found.name.clone()?))
        };
        Experiments {
            names,
            joins: options.join_experiments,
            used: HashMap::new(),
            by_identity: HashMap::new(),
            by_name: HashMap::new(),
            next_number: numbers.max().unwrap_or(0).checked_add(1),
            all_names: all.filter_map(named).collect(),
            renamed: HashMap::new(),
            first_names: HashMap::new(),
        }
    }

    fn decide(mut self, plan: &mut Plan, sequence: &[usize]) -> Result<()> {
        for &input in sequence {
            // Two experiments of one archive never become one.
            let mut given = HashSet::new();
            for (id, found) in self.names[input].experiments.values() {
                // A name of nothing stays what it is, unless elsewhere it would be one of something.
                if !found.is_used && !self.is_used(id) {
                    continue;
                }
                let name = found.name.clone().map(|name| (found.workspace.clone(), name));
                let identities = plan.inputs[input].book.identities(Kind::Experiments, None, id)?;
                let new = self.new_id(plan, input, (id, name.as_ref()), &identities, &given)?;
                given.insert(new.clone());
                if new != *id {
                    plan.inputs[input]
                        .moves
                        .experiments
                        .insert(id.clone(), new.clone());
                }
                self.used
                    .entry(new.clone())
                    .or_insert_with(|| identities[0].clone());
                if let Some(name) = name {
                    self.name(plan, input, id, &new, name);
                }
                for identity in identities {
                    self.by_identity.entry(identity).or_insert_with(|| new.clone());
                }
            }
        }
        Ok(())
    }

    fn is_used(&self, id: &str) -> bool {
        let key = order::experiment(id);
        let mut found = self.names.iter().filter_map(|names| names.experiments.get(&key));
        found.any(|(_, found)| found.is_used)
    }

    fn new_id(
        &mut self,
        plan: &mut Plan,
        input: usize,
        (id, name): (&str, Option<&Name>),
        identities: &[Identity],
        given: &HashSet<String>,
    ) -> Result<String> {
        let known = identities
            .iter()
            .find_map(|identity| self.by_identity.get(identity));
        if let Some(known) = known.filter(|known| !given.contains(*known)) {
            return Ok(known.clone());
        }
        let by_name = name
            .filter(|_| self.joins)
            .and_then(|name| self.by_name.get(name));
        let is_default = id == DEFAULT_EXPERIMENT && self.used.contains_key(id);
        let joined = by_name.cloned().or_else(|| is_default.then(|| id.to_owned()));
        if let Some(joined) = joined.filter(|joined| !given.contains(joined)) {
            plan.change(ChangeKind::Joined, Kind::Experiments, input, id, &joined);
            return Ok(joined);
        }
        if !self.used.contains_key(id) {
            return Ok(id.to_owned());
        }
        let number = self
            .next_number
            .ok_or_else(|| MergeError::NoNumber { id: id.to_owned() })?;
        self.next_number = number.checked_add(1);
        let new = number.to_string();
        plan.change(ChangeKind::Renumbered, Kind::Experiments, input, id, &new);
        Ok(new)
    }

    /// Gives an experiment another name where one of another id has it.
    fn name(&mut self, plan: &mut Plan, input: usize, id: &str, new_id: &str, name: Name) {
        let key = (new_id.to_owned(), name.clone());
        let known = self.renamed.get(&key).or_else(|| {
            // An earlier merge gave it a number.
            let first = self.first_names.get(new_id)?;
            let number = first.strip_prefix(name.1.as_str())?.strip_prefix('-')?;
            number.bytes().all(|byte| byte.is_ascii_digit()).then_some(first)
        });
        let new_name = match known {
            Some(known) => known.clone(),
            None if !self.is_of_another(new_id, &name) => {
                self.first_names
                    .entry(new_id.to_owned())
                    .or_insert_with(|| name.1.clone());
                self.by_name.entry(name).or_insert_with(|| new_id.to_owned());
                return;
            }
            None => {
                let taken = |name: &Name| self.all_names.contains(name) || self.by_name.contains_key(name);
                let free = free_name(&name, taken);
                self.by_name
                    .insert((name.0.clone(), free.clone()), new_id.to_owned());
                self.first_names
                    .entry(new_id.to_owned())
                    .or_insert_with(|| free.clone());
                free
            }
        };
        self.renamed.insert(key, new_name.clone());
        plan.change(ChangeKind::Renamed, Kind::Experiments, input, &name.1, &new_name);
        plan.inputs[input].moves.names.insert(id.to_owned(), new_name);
    }

    /// Whether an experiment of another origin has a name.
    fn is_of_another(&self, id: &str, name: &Name) -> bool {
        let origin = |id: &str| self.used.get(id).map(|identity| identity.origin);
        let holder = self.by_name.get(name);
        holder.is_some_and(|holder| holder != id && origin(holder) != origin(id))
    }
}
