//! Where artifacts of a database's objects lie, as far as this machine can read them.
//!
//! A local path is read where it is; where its tree was moved, below the database's folder. `mlflow-artifacts:` URIs are
//! looked up in the directory or the cloud storage that the server served. Cloud storage is read where the feature
//! `cloud` is built in. Other URIs are a limit.

use super::super::ExportError;
use super::super::artifact_walk::{moved_folder, served_folder, served_path};
use super::super::cloud::{self, Address};
use super::exporter::{Exporter, Result};
use super::trees::Tree;
use crate::archive::Owner;
use crate::format::Kind;
use crate::model::uri::{local_path, redact};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Where `mlflow server` keeps served artifacts unless told otherwise.
const DEFAULT_DESTINATION: &str = "mlartifacts";

/// Directories that hold artifacts.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Where the database lies, to which relative paths belong.
    folder: Option<PathBuf>,
    destination: Option<Tree>,
    /// Whether the parent of an experiment's artifact location exists.
    known_roots: HashMap<String, bool>,
}

/// What there is behind an artifact URI.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// This folder or prefix.
    Tree(Tree),
    /// Nothing: nothing was logged.
    Empty,
    /// Files that this machine cannot read, perhaps; the reason's code.
    OutOfReach(&'static str),
}

impl Places {
    /// Places beside a database in `folder`, or in the working directory.
    pub(super) fn new(folder: Option<&Path>, destination: Option<&Path>) -> Self {
        let folder = folder.map(|folder| match folder.as_os_str().is_empty() {
            true => PathBuf::from("."),
            false => folder.to_owned(),
        });
        let beside = || {
            let beside = folder.as_ref()?.join(DEFAULT_DESTINATION);
            beside.is_dir().then_some(beside)
        };
        let served = destination.map(|named| {
            let address = named.to_str().and_then(Address::of);
            address.map_or_else(|| Tree::Folder(named.to_owned()), Tree::Cloud)
        });
        Places {
            destination: served.or_else(|| beside().map(Tree::Folder)),
            folder,
            known_roots: HashMap::new(),
        }
    }

    /// A named destination must be there: otherwise every artifact would be silently missing.
    pub(super) fn check(&self) -> Result<()> {
        match &self.destination {
            Some(Tree::Folder(destination)) if !destination.is_dir() => {
                let named = destination.display().to_string();
                Err(ExportError::Source {
                    detail: format!(
                        "the artifacts destination is not a directory{}",
                        cloud::remedy(&named)
                    ),
                    source_uri: named,
                })
            }
            _ => Ok(()),
        }
    }

    /// What there is behind a URI of an object in an experiment with that artifact location.
    pub(super) fn find(&mut self, uri: &str, experiment_location: Option<&str>) -> Place {
        let Some(path) = local_path(uri) else {
            return self.find_remote(uri);
        };
        let candidates = [Some(PathBuf::from(&path)), self.beside(&path)];
        if let Some(folder) = candidates.into_iter().flatten().find(|path| path.is_dir()) {
            return Place::Tree(Tree::Folder(folder));
        }
        if self.has_root(experiment_location.unwrap_or(uri)) {
            return Place::Empty;
        }
        let moved = self
            .folder
            .as_ref()
            .and_then(|folder| moved_folder(folder, &path));
        moved.map_or(Place::OutOfReach("missing-directory"), |folder| {
            Place::Tree(Tree::Folder(folder))
        })
    }

    /// What there is behind a URI that is no local path.
    fn find_remote(&self, uri: &str) -> Place {
        if let Some(address) = self.address(uri) {
            return Place::Tree(Tree::Cloud(address));
        }
        match &self.destination {
            Some(Tree::Folder(destination)) if uri.starts_with("mlflow-artifacts:") => {
                served_folder(destination, uri)
                    .map_or(Place::Empty, |folder| Place::Tree(Tree::Folder(folder)))
            }
            _ => Place::OutOfReach("remote-uri"),
        }
    }

    /// The place in cloud storage that a URI leads to.
    pub(super) fn address(&self, uri: &str) -> Option<Address> {
        Address::of(uri).or_else(|| match &self.destination {
            Some(Tree::Cloud(destination)) => Some(destination.below(served_path(uri)?)),
            _ => None,
        })
    }

    /// A relative path taken from the database's folder; the server ran there, or in the working directory.
    fn beside(&self, path: &str) -> Option<PathBuf> {
        let is_relative = Path::new(path).is_relative();
        self.folder
            .as_ref()
            .filter(|_| is_relative)
            .map(|folder| folder.join(path))
    }

    /// Whether the folder that holds an experiment's location is there: then a missing folder below is just empty.
    fn has_root(&mut self, location: &str) -> bool {
        if let Some(&known) = self.known_roots.get(location) {
            return known;
        }
        let path = local_path(location);
        let roots = path
            .iter()
            .flat_map(|path| [Some(PathBuf::from(path)), self.beside(path)]);
        let has_root = roots
            .flatten()
            .any(|path| path.parent().is_some_and(|root| root.is_dir()));
        self.known_roots.insert(location.to_owned(), has_root);
        has_root
    }
}

impl Exporter<'_> {
    /// Queues the artifacts of an owner in an experiment.
    pub(super) fn artifacts(&mut self, owner: &Owner, experiment_id: &str, uri: Option<&str>) -> Result<()> {
        if !self.export.looks_at(&[Kind::Artifacts]) {
            return Ok(());
        }
        let Some(tree) = self.artifact_tree(experiment_id, uri) else {
            return Ok(());
        };
        self.walk(owner, &tree, &mut |exporter, file| exporter.found(owner, file))
    }

    /// Where an object's artifacts are; out of reach is counted.
    pub(super) fn artifact_tree(&mut self, experiment_id: &str, uri: Option<&str>) -> Option<Tree> {
        let location = self.experiments.artifact_location(experiment_id);
        match self.places.find(uri?, location) {
            Place::Tree(tree) => Some(tree),
            Place::Empty => None,
            Place::OutOfReach(reason) => {
                self.export.limit(Kind::Artifacts.name(), "*", reason, 1);
                self.note_unreachable(uri?, reason);
                None
            }
        }
    }

    /// Says once per export which artifacts cannot be reached, and what would help.
    fn note_unreachable(&mut self, uri: &str, reason: &'static str) {
        if self.noted.insert(reason) {
            let uri = redact(uri);
            let remedy = match uri.starts_with("mlflow-artifacts:") {
                true => "; name the server's directory with --artifacts-destination",
                false => cloud::remedy(&uri),
            };
            self.export.monitor().notice(&format!(
                "artifacts such as those at {uri} are out of reach ({reason}){remedy}"
            ));
        }
    }

    /// Where artifacts are that need not be there; nothing is counted.
    pub(super) fn reachable_tree(&mut self, experiment_id: &str, uri: Option<&str>) -> Option<Tree> {
        let location = self.experiments.artifact_location(experiment_id);
        match self.places.find(uri?, location) {
            Place::Tree(tree) => Some(tree),
            Place::Empty | Place::OutOfReach(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn folders_are_found_where_they_are_and_where_they_were_moved_to() {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path();
        for path in ["mlartifacts/1/r/artifacts", "mlruns/1/r/artifacts"] {
            fs::create_dir_all(folder.join(path)).unwrap();
        }
        let mut places = Places::new(Some(folder), None);
        let mut find = |uri: &str, location: &str| places.find(uri, Some(location));
        let at = |path: &str| Place::Tree(Tree::Folder(folder.join(path)));
        let runs = at("mlruns/1/r/artifacts");
        let absolute = folder.join("mlruns/1/r/artifacts").display().to_string();
        assert_eq!(find(&absolute, &absolute), runs);
        assert_eq!(
            find("./mlruns/1/r/artifacts", "./mlruns/1"),
            at("./mlruns/1/r/artifacts")
        );
        assert_eq!(find("/gone/mlruns/1/r/artifacts", "/gone/mlruns/1"), runs);
        assert_eq!(find("./mlruns/1/s/artifacts", "./mlruns/1"), Place::Empty);
        assert_eq!(
            find("/gone/mlruns/1/s/artifacts", "/gone/mlruns/1"),
            Place::OutOfReach("missing-directory")
        );
        assert_eq!(
            find("mlflow-artifacts:/1/r/artifacts", "mlflow-artifacts:/1"),
            at("mlartifacts/1/r/artifacts")
        );
        assert_eq!(
            find("mlflow-artifacts:/1/s/artifacts", "mlflow-artifacts:/1"),
            Place::Empty
        );
        assert_eq!(
            find("dbfs:/1/r/artifacts", "dbfs:/1"),
            Place::OutOfReach("remote-uri")
        );
    }

    #[test]
    #[cfg(feature = "cloud")]
    fn cloud_storage_is_found_by_uri_and_by_destination() {
        let at = |uri: &str| Place::Tree(Tree::Cloud(Address::of(uri).unwrap()));
        let mut places = Places::new(None, Some(Path::new("s3://served/root")));
        assert!(places.check().is_ok());
        for (uri, expected) in [
            ("gs://own/1/r", "gs://own/1/r"),
            ("mlflow-artifacts:/1/r", "s3://served/root/1/r"),
        ] {
            assert_eq!(places.find(uri, None), at(expected));
        }
    }

    #[test]
    #[cfg(not(feature = "cloud"))]
    fn cloud_storage_is_out_of_reach_and_the_feature_is_named() {
        let mut places = Places::new(None, None);
        assert_eq!(
            places.find("s3://bucket/1", None),
            Place::OutOfReach("remote-uri")
        );
        assert!(cloud::remedy("s3://bucket/1").contains("--features cloud"));
        let error = Places::new(None, Some(Path::new("s3://bucket")))
            .check()
            .unwrap_err();
        assert!(error.to_string().contains("--features cloud"), "{error}");
    }
}
