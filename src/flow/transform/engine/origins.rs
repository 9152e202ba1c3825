//! What an archive of several origins says of where its objects come from: it follows objects that are called otherwise or go.

use super::super::error::Result;
use crate::archive::walk::Head;
use crate::archive::{Archive, ArchiveWriter, PartWriter};
use crate::format::line::{canonical, to_value};
use crate::format::origin::Origins;
use crate::format::{ArchivePath, Kind, OriginLine};
use std::collections::BTreeMap;

/// An object: its kind, its workspace where ids are unique only within one, and its id.
pub(in super::super) type Identity = (Kind, Option<String>, String);

/// Objects that are called otherwise than before, or are gone; held only where an archive tells origins.
#[derive(Default)]
pub(super) struct Renamed {
    by_old: Option<BTreeMap<Identity, Option<Identity>>>,
}

/// What identifies an object.
pub(in super::super) fn identity(kind: Kind, head: &Head) -> Identity {
    let has_own = matches!(kind, Kind::RegisteredModels | Kind::ModelVersions);
    let workspace = head.workspace.as_str().filter(|_| has_own);
    (kind, workspace.map(str::to_owned), head.id(kind))
}

impl Renamed {
    pub(super) fn new(archive: &Archive) -> Self {
        let origins = archive.manifest().origins.as_ref();
        let has_file = origins.is_some_and(|origins| origins.file.is_some());
        Renamed {
            by_old: has_file.then(BTreeMap::new),
        }
    }

    /// Takes note of an object and what it is now, if it still is.
    pub(super) fn note(&mut self, old: Identity, new: Option<Identity>) {
        if let Some(by_old) = self.by_old.as_mut().filter(|_| new.as_ref() != Some(&old)) {
            by_old.insert(old, new);
        }
    }

    /// Writes what is said of origins anew; none where the archive says nothing.
    pub(super) fn write(self, writer: &ArchiveWriter, archive: &Archive) -> Result<Option<Origins>> {
        let mut origins = archive.manifest().origins.clone();
        let (Some(by_old), Some(told)) = (self.by_old, &mut origins) else {
            return Ok(origins);
        };
        let mut parts = PartWriter::single(writer.root(), ArchivePath::origins());
        let mut lines = archive.lines_of(told.file.take().into_iter().collect());
        while let Some(line) = lines.next_line()? {
            let mut origin: OriginLine = serde_json::from_slice(line.bytes)
                .map_err(|error| archive.damaged(&line.place(), &error.to_string()))?;
            let has_own = matches!(origin.kind, Kind::RegisteredModels | Kind::ModelVersions);
            let workspace = origin.workspace.clone().filter(|_| has_own);
            match by_old.get(&(origin.kind, workspace, origin.id.clone())) {
                None => parts.write_line(line.bytes)?,
                Some(None) => {}
                Some(Some((_, workspace, id))) => {
                    let old = std::mem::replace(&mut origin.id, id.clone());
                    let known = origin.origin_id.take().unwrap_or(old);
                    origin.origin_id = Some(known).filter(|known| *known != origin.id);
                    if has_own {
                        origin.workspace.clone_from(workspace);
                    }
                    parts.write_line(&canonical(&to_value(&origin)))?;
                }
            }
        }
        told.file = parts.finish()?.into_iter().next();
        Ok(origins)
    }
}
