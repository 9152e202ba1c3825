//! The mark of a restore that is not done: it lies among the artifacts until the rows are seen, so that a restore of the same archive
//! knows what a killed one left.

use crate::archive::Archive;
use crate::archive::remote::RemoteTarget;
use crate::lang::sql::write::IntoStore;
use crate::model::Digest;
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// Its name, which no object's folder has.
const NAME: &str = ".mlark-restore";

/// What it says: which archive, and how it is changed.
pub(super) struct Mark(String);

impl Mark {
    pub(super) fn of(archive: &Archive, edit: &IntoStore) -> Self {
        let edit = serde_json::to_vec(edit).expect("an edit is JSON");
        let how = Digest(Sha256::digest(edit).into());
        let content_id = &archive.manifest().content_id;
        Mark(format!("{content_id} {}\n", how.hex().as_str()))
    }

    /// Whether a folder has it.
    pub(super) fn is_in(&self, folder: &Path) -> bool {
        let path = folder.join(NAME);
        if !fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file()) {
            return false;
        }
        let mut text = Vec::new();
        let most = self.0.len() as u64 + 1;
        let read = File::open(&path).and_then(|file| file.take(most).read_to_end(&mut text));
        read.is_ok() && text == self.0.as_bytes()
    }

    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        fs::write(folder.join(NAME), &self.0)
    }

    /// Takes it away, now that the rows are seen; where that fails, it says nothing that matters.
    pub(super) fn remove(folder: &Path) {
        let _ = fs::remove_file(folder.join(NAME));
    }

    /// Whether an object store has it.
    pub(super) fn is_at(&self, target: &dyn RemoteTarget) -> io::Result<bool> {
        target.holds(NAME, self.0.as_bytes())
    }

    pub(super) fn put(&self, target: &dyn RemoteTarget) -> io::Result<()> {
        target.put_bytes(NAME, self.0.clone().into_bytes(), true)
    }

    pub(super) fn remove_at(target: &dyn RemoteTarget) {
        let _ = target.remove(NAME);
    }
}
