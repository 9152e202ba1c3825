//! Objects of an archive that are of another origin than its own, as merges note them.

use super::{Archive, Result};
use crate::format::origin::FurtherOrigin;
use crate::format::{Kind, OriginLine};
use std::collections::{HashMap, HashSet};

/// The origins of such objects, and their ids there.
#[derive(Debug, Default)]
pub(crate) struct ForeignObjects {
    origins: Vec<FurtherOrigin>,
    objects: HashMap<(Kind, Option<String>, String), (usize, String)>,
}

impl ForeignObjects {
    /// Reads what an archive says of its objects.
    ///
    /// # Errors
    /// A line of `origins.jsonl` is damaged.
    pub(crate) fn read(archive: &Archive) -> Result<Self> {
        let Some(origins) = &archive.manifest().origins else {
            return Ok(ForeignObjects::default());
        };
        let mut foreign = ForeignObjects {
            origins: origins.further.clone(),
            objects: HashMap::new(),
        };
        let mut known = HashSet::new();
        let mut lines = archive.lines_of(origins.file.iter().cloned().collect());
        while let Some(line) = lines.next_line()? {
            let line: OriginLine = serde_json::from_slice(line.bytes)
                .map_err(|error| archive.damaged(&line.place(), &error.to_string()))?;
            let origin_id = line.origin_id().to_owned();
            let of_it = |further: &FurtherOrigin| further.origin == line.origin;
            let number = foreign.origins.iter().position(of_it);
            // The first line of an object says whether it is the archive's own too.
            let is_first = known.insert((line.kind, line.workspace.clone(), line.id.clone()));
            if let Some(number) = number.filter(|_| is_first && !line.joined) {
                let key = (line.kind, line.workspace, line.id);
                foreign.objects.insert(key, (number, origin_id));
            }
        }
        Ok(foreign)
    }

    /// The origin of an object and its id there; none where that is the archive's own.
    pub(crate) fn of(&self, kind: Kind, workspace: Option<&str>, id: &str) -> Option<(&FurtherOrigin, &str)> {
        if self.objects.is_empty() {
            return None;
        }
        let key = (kind, workspace.map(str::to_owned), id.to_owned());
        let (number, origin_id) = self.objects.get(&key)?;
        Some((&self.origins[*number], origin_id))
    }
}
