//! What became of objects that own other lines: these follow them.

use crate::archive::walk::kind_of_owner;
use crate::format::{Kind, SortKey};
use crate::model::OwnerKind;
use std::collections::{BTreeSet, HashMap};

/// Kinds of objects that lines of a kind belong to.
pub(super) fn owner_kinds(kind: Kind) -> &'static [Kind] {
    match kind {
        Kind::Metrics => &[Kind::Runs],
        Kind::ModelMetrics => &[Kind::LoggedModels],
        Kind::Spans => &[Kind::Traces],
        Kind::DatasetRecords => &[Kind::EvaluationDatasets],
        Kind::Artifacts => &[Kind::Runs, Kind::LoggedModels, Kind::ModelVersions, Kind::Traces],
        _ => &[],
    }
}

/// Whether lines of other kinds belong to objects of a kind.
fn owns(kind: Kind) -> bool {
    let owners = [
        Kind::Runs,
        Kind::LoggedModels,
        Kind::ModelVersions,
        Kind::Traces,
        Kind::EvaluationDatasets,
    ];
    owners.contains(&kind)
}

/// What became of an owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Dropped,
    At(SortKey),
}

/// Owners that are not where they were; all others are held nowhere.
#[derive(Debug, Default)]
pub(super) struct Places {
    by_kind: HashMap<Kind, HashMap<String, Place>>,
    /// Kinds of which some object has another place.
    moved: BTreeSet<Kind>,
}

impl Places {
    /// An object was dropped.
    pub(super) fn drop(&mut self, kind: Kind, id: String) {
        if owner_kinds(kind).is_empty() {
            self.by_kind.entry(kind).or_default().insert(id, Place::Dropped);
        }
    }

    /// Whether an object was dropped, or what it belongs to: its id, or the begin of it before a `/`, is that of a dropped one.
    pub(super) fn has_dropped(&self, id: &str) -> bool {
        let ends = id.match_indices('/').map(|(end, _)| end).chain([id.len()]);
        let mut begins = ends.map(|end| &id[..end]);
        begins.any(|begin| {
            let mut kinds = self.by_kind.values();
            kinds.any(|places| places.get(begin) == Some(&Place::Dropped))
        })
    }

    /// An owner has another place than before.
    pub(super) fn put(&mut self, kind: Kind, id: String, key: SortKey) {
        if owns(kind) {
            self.moved.insert(kind);
            self.by_kind.entry(kind).or_default().insert(id, Place::At(key));
        }
    }

    /// What became of an owner, where that is not what it was.
    pub(super) fn of(&self, kind: Kind, id: &str) -> Option<&Place> {
        self.by_kind.get(&kind)?.get(id)
    }

    /// As [`of`](Self::of), for the owner of artifacts.
    pub(super) fn of_owner(&self, kind: OwnerKind, id: &str) -> Option<&Place> {
        self.of(kind_of_owner(kind), id)
    }

    /// Whether some owner of lines of a kind is not what it was.
    pub(super) fn touches(&self, kind: Kind) -> bool {
        owner_kinds(kind)
            .iter()
            .any(|owner| self.by_kind.contains_key(owner))
    }

    /// Whether some owner of lines of a kind has another place.
    pub(super) fn moves(&self, kind: Kind) -> bool {
        owner_kinds(kind).iter().any(|owner| self.moved.contains(owner))
    }
}
