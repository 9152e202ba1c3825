//! Which registered models become one or get another name, and which numbers their versions get.

use super::book::Identity;
use super::moves::{ModelId, ModelMove};
use super::plan::{ChangeKind, Plan, free_name};
use super::survey::{FoundModel, Names};
use super::{MergeOptions, Result};
use crate::format::Kind;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

pub(super) struct Models<'n> {
    names: &'n [Names],
    joins: bool,
    used: HashMap<ModelId, (Identity, bool)>,
    by_identity: HashMap<(Option<String>, Identity), String>,
    all_names: HashSet<ModelId>,
    /// Numbers of versions by model of the result: those of each origin's version, and those that are given.
    versions: HashMap<ModelId, Versions>,
}

#[derive(Default)]
struct Versions {
    by_identity: HashMap<Identity, u64>,
    /// Whose they are, where they are of one origin.
    origin: Option<usize>,
    given: BTreeSet<u64>,
}

impl<'n> Models<'n> {
    pub(super) fn new(names: &'n [Names], options: &MergeOptions) -> Self {
        Models {
            names,
            joins: options.join_models,
            used: HashMap::new(),
            by_identity: HashMap::new(),
            all_names: names
                .iter()
                .flat_map(|names| names.models.keys().cloned())
                .collect(),
            versions: HashMap::new(),
        }
    }

    pub(super) fn decide(mut self, plan: &mut Plan, sequence: &[usize]) -> Result<()> {
        for &input in sequence {
            for (id, found) in &self.names[input].models {
                let workspace = id.0.as_deref();
                let identities =
                    plan.inputs[input]
                        .book
                        .identities(Kind::RegisteredModels, workspace, &id.1)?;
                let name = self.new_name(plan, input, id, found, &identities);
                let model = (id.0.clone(), name.clone());
                self.used
                    .entry(model.clone())
                    .or_insert_with(|| (identities[0].clone(), found.is_prompt));
                let versions = self.versions.entry(model).or_default();
                let book = &plan.inputs[input].book;
                let known_as = |version| {
                    let version = format!("{}/{version}", id.1);
                    book.identities(Kind::ModelVersions, workspace, &version)
                };
                let moved = ModelMove {
                    versions: versions.number(&found.versions, known_as)?,
                    name,
                };
                for identity in identities {
                    let key = (id.0.clone(), identity);
                    self.by_identity.entry(key).or_insert_with(|| moved.name.clone());
                }
                if moved.name != id.1 || !moved.versions.is_empty() {
                    plan.inputs[input].moves.models.insert(id.clone(), moved);
                }
            }
        }
        Ok(())
    }

    fn new_name(
        &mut self,
        plan: &mut Plan,
        input: usize,
        id: &ModelId,
        found: &FoundModel,
        identities: &[Identity],
    ) -> String {
        let key = |identity: &Identity| (id.0.clone(), identity.clone());
        let known = identities
            .iter()
            .find_map(|identity| self.by_identity.get(&key(identity)));
        if let Some(known) = known {
            return known.clone();
        }
        match self.used.get(id) {
            None => id.1.clone(),
            Some((_, is_prompt)) if self.joins && *is_prompt == found.is_prompt => {
                plan.change(ChangeKind::Joined, Kind::RegisteredModels, input, &id.1, &id.1);
                id.1.clone()
            }
            Some(_) => {
                let is_taken = |name: &ModelId| self.all_names.contains(name) || self.used.contains_key(name);
                let free = free_name(id, is_taken);
                plan.change(ChangeKind::Renamed, Kind::RegisteredModels, input, &id.1, &free);
                free
            }
        }
    }
}

impl Versions {
    /// Numbers versions of one archive; the numbers that are others in the result. Those of the first origin stay; those of a further
    /// one follow the largest so far.
    fn number(
        &mut self,
        versions: &BTreeSet<u64>,
        known_as: impl Fn(u64) -> Result<Vec<Identity>>,
    ) -> Result<BTreeMap<u64, u64>> {
        let mut moved = BTreeMap::new();
        for &version in versions {
            let identities = known_as(version)?;
            let origin = *self.origin.get_or_insert(identities[0].origin);
            let known = identities
                .iter()
                .find_map(|identity| self.by_identity.get(identity));
            let number = match known {
                Some(known) => *known,
                None if origin == identities[0].origin && !self.given.contains(&version) => version,
                None => self.given.last().map_or(1, |largest| largest.saturating_add(1)),
            };
            self.given.insert(number);
            for identity in identities {
                self.by_identity.entry(identity).or_insert(number);
            }
            if number != version {
                moved.insert(version, number);
            }
        }
        Ok(moved)
    }
}
