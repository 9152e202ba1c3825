//! Files of versions' own, which only exports of mlflow-export-import have. Servers keep files of runs, logged models and traces: what
//! lies there at the version's source arrives with its owner; the rest has no place.

use super::build::Builder;
use crate::archive::Archive;
use crate::archive::walk::JoinedObjects;
use crate::flow::import::Result;
use crate::flow::import::artifacts::fault;
use crate::flow::import::deviations::Outcome;
use crate::flow::import::version_source::{self, Given};
use crate::format::{Kind, Object, Reason};
use crate::lang::exim::tags::VersionContexts;
use crate::lang::rest::version::Feature;
use crate::model::{ArtifactFile, ArtifactList, LoggedModel, ModelVersion, OwnerKind, Run};
use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Where a version's files would lie: kind and id of an owner, and a path below its root.
type Place = (OwnerKind, String, String);

/// The versions that have files.
pub(super) struct VersionFiles<'a> {
    archive: &'a Archive,
    contexts: Option<VersionContexts>,
    places: BTreeMap<String, Option<Place>>,
}

impl<'a> VersionFiles<'a> {
    pub(super) fn new(archive: &'a Archive) -> Self {
        VersionFiles {
            archive,
            contexts: None,
            places: BTreeMap::new(),
        }
    }

    /// Remembers a version that has files.
    pub(super) fn add(&mut self, version: &ModelVersion) -> Result<()> {
        let contexts = match self.contexts.take() {
            Some(contexts) => contexts,
            None => VersionContexts::collect(self.archive)?,
        };
        let context = contexts.of(version);
        let place = version_source::owner(Given::of(version, &context));
        let place = place.map(|(kind, id, below)| (kind, id.to_owned(), below.to_owned()));
        self.places.insert(Object::id(version), place);
        self.contexts = Some(contexts);
        Ok(())
    }

    /// The owners that the files could lie with.
    fn owners(&self) -> HashSet<(OwnerKind, String)> {
        let places = self.places.values().flatten();
        places.map(|(kind, id, _)| (*kind, id.clone())).collect()
    }
}

impl Builder<'_> {
    /// Names the files of versions that do not arrive with a run or a logged model.
    pub(super) fn version_files(&mut self, files: VersionFiles<'_>) -> Result<()> {
        if files.places.is_empty() {
            return Ok(());
        }
        let arriving = self.arriving(files.owners())?;
        let mut versions = JoinedObjects::<ModelVersion>::new(self.archive, &[Kind::Artifacts])?;
        while let Some(version) = versions.next()? {
            let id = Object::id(&version);
            let Some(place) = files.places.get(&id) else {
                continue;
            };
            while let Some(list) = versions.child::<ArtifactList>()? {
                for file in list.files {
                    let arrives = place.as_ref().is_some_and(|(kind, owner, below)| {
                        let path = if below.is_empty() {
                            file.path.clone()
                        } else {
                            format!("{below}/{}", file.path)
                        };
                        arriving.contains(&key(*kind, owner, &path, &file))
                    });
                    if !arrives {
                        let reason = Reason::NoPlaceInTarget;
                        self.limit(Kind::Artifacts, &id, &file.path, reason, Outcome::LeftOut);
                    }
                }
            }
        }
        Ok(())
    }

    /// The files of these owners that go to the target, by hashes of 8 bytes.
    fn arriving(&self, mut owners: HashSet<(OwnerKind, String)>) -> Result<HashSet<u64>> {
        let mut files = HashSet::new();
        let mut runs = JoinedObjects::<Run>::new(self.archive, &[Kind::Artifacts])?;
        while let Some(Run { info, .. }) = runs.next()? {
            if owners.remove(&(OwnerKind::Run, info.run_id.clone()))
                && self.plan.chosen.run(&info.experiment_id, &info.run_id)
            {
                self.add_files(&mut runs, &mut files)?;
            }
        }
        let has_models = self.target.has(Feature::LoggedModels);
        let mut models = JoinedObjects::<LoggedModel>::new(self.archive, &[Kind::Artifacts])?;
        while let Some(model) = models.next()? {
            if owners.remove(&(OwnerKind::LoggedModel, model.model_id.clone()))
                && has_models
                && self.plan.chosen.logged_model(&model)
            {
                self.add_files(&mut models, &mut files)?;
            }
        }
        Ok(files)
    }

    fn add_files<T: Object>(
        &self,
        owners: &mut JoinedObjects<'_, T>,
        files: &mut HashSet<u64>,
    ) -> Result<()> {
        while let Some(list) = owners.child::<ArtifactList>()? {
            let held = list.files.iter();
            let held = held.filter(|file| fault(file, &self.fitting.limits).is_none());
            files.extend(held.map(|file| key(list.owner_kind, &list.owner_id, &file.path, file)));
        }
        Ok(())
    }
}

fn key(kind: OwnerKind, owner: &str, path: &str, file: &ArtifactFile) -> u64 {
    let mut hasher = DefaultHasher::new();
    let digest = file.sha256.map(|digest| digest.to_string());
    (kind as u8, owner, path, digest).hash(&mut hasher);
    hasher.finish()
}
