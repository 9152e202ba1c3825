//! What an archive of several origins says of where its objects come from: it follows objects that are called otherwise or go.

use super::super::error::Result;
use crate::archive::walk::Head;
use crate::archive::{Archive, ArchiveError, ArchiveWriter, PartWriter, SpillIndex, SpillIndexWriter};
use crate::format::line::{canonical, to_value};
use crate::format::origin::Origins;
use crate::format::{ArchivePath, Kind, OriginLine};

/// An object: its kind, its workspace where ids are unique only within one, and its id.
pub(in super::super) type Identity = (Kind, Option<String>, String);

/// Objects that are called otherwise than before, or are gone, in a temporary file; noted only where an archive tells origins.
#[derive(Default)]
pub(super) struct Renamed {
    by_old: Option<SpillIndexWriter>,
}

/// What identifies an object.
pub(in super::super) fn identity(kind: Kind, head: &Head) -> Identity {
    let has_own = kind.is_named_in_workspaces();
    let workspace = head.workspace.as_str().filter(|_| has_own);
    (kind, workspace.map(str::to_owned), head.id(kind))
}

impl Renamed {
    pub(super) fn new(archive: &Archive) -> Result<Self> {
        let file = archive.manifest().origins_file();
        let by_old = file.map(|_| SpillIndexWriter::create()).transpose()?;
        Ok(Renamed { by_old })
    }

    /// Takes note of an object and what it is now, if it still is.
    pub(super) fn note(&mut self, old: Identity, new: Option<Identity>) -> Result<()> {
        if let Some(by_old) = self.by_old.as_mut().filter(|_| new.as_ref() != Some(&old)) {
            let text = canonical(&to_value(&(&old, new)));
            by_old.push(&old, &text)?;
        }
        Ok(())
    }

    /// Writes what is said of origins anew; none where the archive says nothing.
    pub(super) fn write(self, writer: &ArchiveWriter, archive: &Archive) -> Result<Option<Origins>> {
        let mut origins = archive.manifest().origins.clone();
        let (Some(by_old), Some(told)) = (self.by_old, &mut origins) else {
            return Ok(origins);
        };
        let by_old = by_old.finish()?;
        let mut parts = PartWriter::single(writer.root(), ArchivePath::origins());
        let mut lines = archive.lines_of(told.file.take().into_iter().collect());
        while let Some(line) = lines.next_line()? {
            let mut origin: OriginLine = serde_json::from_slice(line.bytes)
                .map_err(|error| archive.damaged(&line.place(), &error.to_string()))?;
            let has_own = origin.kind.is_named_in_workspaces();
            let workspace = origin.workspace.clone().filter(|_| has_own);
            match now(&by_old, &(origin.kind, workspace, origin.id.clone()))? {
                None => parts.write_line(line.bytes)?,
                Some(None) => {}
                Some(Some((_, workspace, id))) => {
                    let old = std::mem::replace(&mut origin.id, id);
                    let known = origin.origin_id.take().unwrap_or(old);
                    origin.origin_id = Some(known).filter(|known| *known != origin.id);
                    if has_own {
                        origin.workspace = workspace;
                    }
                    parts.write_line(&canonical(&to_value(&origin)))?;
                }
            }
        }
        told.file = parts.finish()?.into_iter().next();
        Ok(origins)
    }
}

/// What an object is now, where that was noted; of several notes the last.
fn now(by_old: &SpillIndex, old: &Identity) -> Result<Option<Option<Identity>>> {
    let mut found = None;
    for text in by_old.find(old) {
        let text = text?;
        let (noted, new): (Identity, Option<Identity>) =
            serde_json::from_slice(&text).map_err(|error| ArchiveError::temporary(error.into()))?;
        if noted == *old {
            found = Some(new);
        }
    }
    Ok(found)
}
