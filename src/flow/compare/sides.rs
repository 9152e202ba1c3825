//! What both sides of a comparison share: ids said in the archive's, values as stores keep them.

use crate::flow::import::id_map::IdMap;
use crate::format::{Kind, SortKey};
use std::collections::HashMap;

/// Ids of the target → ids of the archive.
#[derive(Debug, Default)]
pub(crate) struct Reverse {
    ids: HashMap<(Kind, String), String>,
}

impl Reverse {
    /// Reverses a mapping; a version's id in the target is `name/number`.
    pub(crate) fn of(mapping: &IdMap) -> Self {
        let mut ids = HashMap::new();
        for (kind, id, known) in mapping.entries() {
            let new_id = match kind {
                Kind::ModelVersions => {
                    let name = id.rsplit_once('/').map_or("", |(name, _)| name);
                    let name = mapping.name(Kind::RegisteredModels, name).unwrap_or_default();
                    format!("{name}/{}", known.id)
                }
                _ => known.id.into_string(),
            };
            ids.insert((kind, new_id), id);
        }
        Reverse { ids }
    }

    /// The archive's id, where the object came from there.
    pub(crate) fn get(&self, kind: Kind, new_id: &str) -> Option<String> {
        self.ids.get(&(kind, new_id.to_owned())).cloned()
    }

    /// The archive's id, or the text as it is.
    pub(crate) fn or_same(&self, kind: Kind, new_id: &str) -> String {
        self.get(kind, new_id).unwrap_or_else(|| new_id.to_owned())
    }
}

/// The place of an owner's files.
pub(crate) fn artifact_key(kind: crate::model::OwnerKind, owner: &SortKey, number: u64) -> SortKey {
    SortKey::new().number(kind as u64).key(owner).number(number)
}
