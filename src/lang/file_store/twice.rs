//! Ids that stand twice in a store, and objects that are counted without being read.
//!
//! MLflow 1.x counted experiments 0, 1, 2 …, and people put two `mlruns` folders together: an id may lie in the root and in the
//! trash, a run in two experiments. An archive has one object of an id. The first counts, the other is a failure by name.

use super::experiment::FoundExperiment;
use super::exporter::{Exporter, NEVER_RUNS};
use super::index::{Described, Indexed};
use super::store::META;
use crate::format::{Kind, Reason};
use crate::lang::session::ExportError;
use crate::select::{Closure, Verdict};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Objects of one kind that were taken: half a digest of the id each, since there may be many, and the number of their folder.
#[derive(Default)]
pub(super) struct Seen {
    ids: HashMap<[u8; 16], u32>,
    folders: Vec<PathBuf>,
}

impl Seen {
    /// Notes an object in the folder noted last; the folder of one of the same id that came before.
    fn first(&mut self, id: &str) -> Option<&Path> {
        let digest: [u8; 32] = Sha256::digest(id).into();
        let [half, _] = [0, 16].map(|at| digest[at..at + 16].try_into().expect("half of it"));
        let number = u32::try_from(self.folders.len() - 1).unwrap_or(u32::MAX);
        let first = self.ids.insert(half, number)?;
        self.ids.insert(half, first);
        self.folders.get(first as usize).map(PathBuf::as_path)
    }
}

impl Exporter<'_, '_> {
    /// Tells of experiments in the trash whose id another one in the root has.
    pub(super) fn twins(&mut self, twins: &[(FoundExperiment, PathBuf)]) -> Result<(), ExportError> {
        for (found, active) in twins {
            if self.closure.is_led_elsewhere(&found.id) {
                continue;
            }
            let is_taken = self.closure.takes_experiment(&found.id);
            match self.closure.verdict(is_taken, true) {
                Verdict::LeftOut(reason) => {
                    self.export.left_out(Kind::Experiments, reason, 1);
                    self.count_unread(Kind::Runs, META, &found.path, NEVER_RUNS, Closure::reaches_run);
                }
                Verdict::Kept => {
                    let detail = format!(
                        "its id is there twice, in {} and in {}: the latter counts, the former is left out with all that is in it; moved to a store of its own, it can be exported on its own",
                        found.path.display(),
                        active.display()
                    );
                    let kind = Kind::Experiments;
                    self.export
                        .failure(kind, &found.id, "*", Reason::Duplicate, &detail)?;
                }
            }
        }
        Ok(())
    }

    /// Leaves out objects whose id was taken before, out of another folder.
    pub(super) fn once<T: Described>(
        &mut self,
        objects: Vec<Indexed<T>>,
        folder: &Path,
    ) -> Result<Vec<Indexed<T>>, ExportError> {
        if objects.is_empty() {
            return Ok(objects);
        }
        let seen = self.seen.entry(T::KIND).or_default();
        seen.folders.push(folder.to_owned());
        let mut kept = Vec::with_capacity(objects.len());
        let mut twice = Vec::new();
        for object in objects {
            match seen.first(&object.id) {
                None => kept.push(object),
                Some(first) => twice.push((first.join(&object.id), object.id)),
            }
        }
        for (first, id) in twice {
            let detail = format!(
                "its id is there twice, in {} and in {}: the former counts, the latter is left out",
                first.display(),
                folder.join(&id).display()
            );
            self.export
                .failure(T::KIND, &id, "*", Reason::Duplicate, &detail)?;
        }
        Ok(kept)
    }

    /// Counts what lies in a trash that nobody asked for by the names of its folders.
    pub(super) fn count_unread(
        &mut self,
        kind: Kind,
        file: &'static str,
        path: &Path,
        reserved: &[&str],
        is_taken: impl Fn(&Closure, &str) -> bool,
    ) {
        for name in folders_with(path, file).filter(|name| !reserved.contains(&name.as_str())) {
            let is_taken = is_taken(&self.closure, &name);
            if let Verdict::LeftOut(reason) = self.closure.verdict(is_taken, true) {
                self.export.left_out(kind, reason, 1);
            }
        }
    }
}

/// The names of the folders below a path that hold a file.
pub(super) fn folders_with(path: &Path, file: &'static str) -> impl Iterator<Item = String> + use<> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let described = entries.filter(move |entry| entry.path().join(file).is_file());
    described.map(|entry| entry.file_name().to_string_lossy().into_owned())
}
