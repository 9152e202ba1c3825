//! Artifacts beside the files of their owners.

use super::{Converter, Result};
use crate::archive::walk::JoinedObjects;
use crate::format::{Kind, Object, Reason};
use crate::lang::artifacts::tree::{check_name, write_artifact};
use crate::model::printable::printable as shown;
use crate::model::{ArtifactFile, ArtifactList};
use std::path::{Path, PathBuf};

/// Where an owner's artifacts go.
pub(super) enum Destination<'p> {
    /// Below this folder.
    Folder(&'p Path),
    /// Nowhere, for this reason.
    Nowhere(Reason),
}

impl Converter<'_> {
    /// Writes the artifacts of an owner; true if one of them has the name `watched`.
    pub(super) fn artifacts<T: Object>(
        &mut self,
        owners: &mut JoinedObjects<'_, T>,
        destination: &Destination<'_>,
        watched: Option<&str>,
    ) -> Result<bool> {
        self.paths.clear();
        let mut was_seen = false;
        while let Some(list) = owners.child::<ArtifactList>()? {
            for file in &list.files {
                match destination {
                    Destination::Nowhere(reason) => self.limit(Kind::Artifacts, "*", *reason, 1),
                    Destination::Folder(_) if file.absent.is_some() => {
                        self.limit(Kind::Artifacts, "*", Reason::NotInArchive, 1);
                    }
                    Destination::Folder(folder) => {
                        was_seen |= watched == Some(file.path.as_str());
                        self.artifact(&list.owner_id, folder, file)?;
                    }
                }
            }
            self.monitor.advance(list.files.len() as u64);
        }
        Ok(was_seen)
    }

    fn artifact(&mut self, owner_id: &str, folder: &Path, file: &ArtifactFile) -> Result<()> {
        let parts: Vec<_> = file.path.split('/').collect();
        let checked = parts
            .iter()
            .try_for_each(|part| check_name(part))
            .and_then(|()| self.paths.claim(&parts));
        if let Err(reason) = checked {
            let what = format!("artifact `{}` of `{}`", shown(&file.path), shown(owner_id));
            return self.refuse(what, reason);
        }
        let mut path = PathBuf::from(folder);
        path.extend(parts);
        self.report.artifact_bytes += write_artifact(self.archive, file, &path)?;
        self.staged.made(&path)?;
        self.wrote(Kind::Artifacts);
        Ok(())
    }
}
