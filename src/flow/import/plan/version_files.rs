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
use crate::lang::rest::limits::Feature;
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

    /// Remembers a version, where it has files.
    pub(super) fn add(&mut self, version: &ModelVersion, lists: &[Vec<u8>]) -> Result<()> {
        if lists.is_empty() {
            return Ok(());
        }
        let contexts = match self.contexts.take() {
            Some(contexts) => contexts,
            None => VersionContexts::collect(self.archive)?,
        };
        let context = contexts.of(version);
        let given = Given {
            uri: version.source.as_deref().unwrap_or_default(),
            run_id: version.run_id.as_deref().filter(|run_id| !run_id.is_empty()),
            model_id: version.model_id.as_deref(),
            run_artifact_uri: context.run_artifact_uri.as_deref(),
        };
        let place = version_source::owner(given);
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
            for line in &versions.lines(Kind::Artifacts)? {
                for file in artifact_list(self.archive, line)?.files {
                    let arrives = place.as_ref().is_some_and(|(kind, owner, below)| {
                        let path = match below.is_empty() {
                            true => file.path.clone(),
                            false => format!("{below}/{}", file.path),
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
        let mut coming = HashSet::new();
        for run in self.archive.objects::<Run>() {
            let info = run?.info;
            let owner = owners.take(&(OwnerKind::Run, info.run_id.clone()));
            coming.extend(owner.filter(|_| self.plan.chosen.run(&info.experiment_id, &info.run_id)));
        }
        let has_models = self.target.has(Feature::LoggedModels);
        for model in self.archive.objects::<LoggedModel>() {
            let model = model?;
            let owner = owners.take(&(OwnerKind::LoggedModel, model.model_id.clone()));
            coming.extend(owner.filter(|_| has_models && self.plan.chosen.logged_model(&model)));
        }
        let mut files = HashSet::new();
        let mut lines = self.archive.lines(Kind::Artifacts);
        while let Some(line) = lines.next_line()? {
            let list = artifact_list(self.archive, line.bytes)?;
            if coming.contains(&(list.owner_kind, list.owner_id.clone())) {
                let there = list
                    .files
                    .iter()
                    .filter(|file| fault(file, &self.fitting.limits).is_none());
                files.extend(there.map(|file| key(list.owner_kind, &list.owner_id, &file.path, file)));
            }
        }
        Ok(files)
    }
}

fn artifact_list(archive: &Archive, line: &[u8]) -> Result<ArtifactList> {
    let list = serde_json::from_slice(line);
    Ok(list.map_err(|error| archive.damaged("objects/artifacts", &error.to_string()))?)
}

fn key(kind: OwnerKind, owner: &str, path: &str, file: &ArtifactFile) -> u64 {
    let mut hasher = DefaultHasher::new();
    let digest = file.sha256.map(|digest| digest.to_string());
    (kind as u8, owner, path, digest).hash(&mut hasher);
    hasher.finish()
}
