//! Which origin knows an object, and under which id: every origin of every archive that is merged.

use super::Result;
use crate::archive::Archive;
use crate::format::manifest::Manifest;
use crate::format::origin::FurtherOrigin;
use crate::format::{Kind, OriginLine};
use std::collections::HashMap;

/// The origins of all archives; the first is that of the result.
#[derive(Debug, Default)]
pub(super) struct OriginTable {
    pub(super) origins: Vec<FurtherOrigin>,
}

impl OriginTable {
    /// Takes the origins of an archive in; the number of its own.
    pub(super) fn add(&mut self, manifest: &Manifest) -> usize {
        let own = FurtherOrigin {
            origin: manifest.origin.clone(),
            source: manifest.source.clone(),
        };
        let number = self.number(own);
        for further in manifest.origins.iter().flat_map(|origins| &origins.further) {
            self.number(further.clone());
        }
        number
    }

    fn number(&mut self, origin: FurtherOrigin) -> usize {
        let mut known = self.origins.iter();
        known
            .position(|known| known.origin == origin.origin)
            .unwrap_or_else(|| {
                self.origins.push(origin);
                self.origins.len() - 1
            })
    }

    /// Name of an origin.
    pub(super) fn name(&self, number: usize) -> &str {
        &self.origins[number].origin
    }
}

/// What an origin calls an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    /// Number of the origin.
    pub(super) origin: usize,
    /// Id there.
    pub(super) id: String,
}

/// Kinds whose ids are names, each of its workspace.
pub(super) const NAMED_IN_WORKSPACES: [Kind; 2] = [Kind::RegisteredModels, Kind::ModelVersions];

/// An object of an archive: kind, workspace, id.
type ObjectKey = (Kind, Option<String>, String);

/// What the origins of one archive call its objects.
#[derive(Debug, Default)]
pub(super) struct Book {
    own: usize,
    /// What other origins than the archive's own say, in the order of their lines.
    others: HashMap<ObjectKey, Vec<(Identity, bool)>>,
}

impl Book {
    /// Reads what an archive says of its objects.
    pub(super) fn read(archive: &Archive, table: &mut OriginTable) -> Result<Self> {
        let mut book = Book {
            own: table.add(archive.manifest()),
            others: HashMap::new(),
        };
        let origins = archive.manifest().origins.iter();
        let files = origins.filter_map(|origins| origins.file.clone()).collect();
        let mut lines = archive.lines_of(files);
        while let Some(line) = lines.next_line()? {
            let line: OriginLine = serde_json::from_slice(line.bytes)
                .map_err(|error| archive.damaged(&line.place(), &error.to_string()))?;
            let identity = Identity {
                id: line.origin_id().to_owned(),
                origin: table.number(FurtherOrigin {
                    origin: line.origin,
                    source: archive.manifest().source.clone(),
                }),
            };
            let key = (line.kind, line.workspace, line.id);
            book.others.entry(key).or_default().push((identity, line.joined));
        }
        Ok(book)
    }

    /// What origins call an object, the first of them the one that it is of.
    pub(super) fn identities(&self, kind: Kind, workspace: Option<&str>, id: &str) -> Vec<Identity> {
        let own = || Identity {
            origin: self.own,
            id: id.to_owned(),
        };
        if self.others.is_empty() {
            return vec![own()];
        }
        let key = (kind, workspace.map(str::to_owned), id.to_owned());
        let others = self.others.get(&key).map(Vec::as_slice).unwrap_or_default();
        let is_own = others.first().is_none_or(|(_, joined)| *joined);
        let first = is_own.then(own);
        first
            .into_iter()
            .chain(others.iter().map(|(identity, _)| identity.clone()))
            .collect()
    }

    /// Knows all objects in a workspace, of an archive that names none.
    pub(super) fn put_into(&mut self, workspace: &str) {
        let others = std::mem::take(&mut self.others).into_iter();
        let others = others.map(|((kind, _, id), known)| {
            let workspace = NAMED_IN_WORKSPACES.contains(&kind).then(|| workspace.to_owned());
            ((kind, workspace, id), known)
        });
        self.others = others.collect();
    }

    /// Number of the archive's own origin.
    pub(super) fn own(&self) -> usize {
        self.own
    }
}
