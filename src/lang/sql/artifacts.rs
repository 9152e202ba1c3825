//! Where artifacts of a database's objects lie, as far as this machine can read them.
//!
//! A local path is read where it is; where its tree was moved, below the database's folder. `mlflow-artifacts:` URIs are
//! looked up in the directory or the cloud storage that the server served. Cloud storage is read where the feature
//! `cloud` is built in. Other URIs are a limit.

use super::exporter::{Exporter, Result};
use super::trees::Tree;
use crate::archive::Owner;
use crate::format::{Kind, Reason};
use crate::lang::artifacts::cloud::{self, Address};
use crate::lang::artifacts::local_roots::{self, LocalRoots, OwnerRef};
use crate::lang::artifacts::walk::{moved_folder, served_path};
use crate::lang::session::ExportError;
use crate::model::mask::redact;
use crate::model::uri::local_path;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where `mlflow server` keeps served artifacts unless told otherwise.
const DEFAULT_DESTINATION: &str = "mlartifacts";

/// What `mlflow-artifacts:` URIs lead to.
#[derive(Debug)]
enum Destination {
    Folder(PathBuf),
    Cloud(Address),
}

/// Directories that hold artifacts.
#[derive(Debug, Default)]
pub(super) struct Places {
    roots: Arc<LocalRoots>,
    /// Where the database lies, to which relative paths belong.
    folder: Option<PathBuf>,
    destination: Option<Destination>,
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
    OutOfReach(Reason),
    /// A folder that may not be read unless the user names it.
    Outside(PathBuf),
}

impl Places {
    /// Places beside a database in `folder`, or in the working directory.
    pub(super) fn new(folder: Option<&Path>, destination: Option<&Path>, roots: LocalRoots) -> Self {
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
            address.map_or_else(|| Destination::Folder(named.to_owned()), Destination::Cloud)
        });
        Places {
            roots: Arc::new(roots),
            destination: served.or_else(|| beside().map(Destination::Folder)),
            folder,
            known_roots: HashMap::new(),
        }
    }

    /// A named destination must be there: otherwise every artifact would be silently missing.
    pub(super) fn check(&self) -> Result<()> {
        match &self.destination {
            Some(Destination::Folder(destination)) if !destination.is_dir() => {
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

    /// The folders that may be read.
    pub(super) fn roots(&self) -> Arc<LocalRoots> {
        self.roots.clone()
    }

    /// What there is behind a URI of an object in an experiment with that artifact location.
    pub(super) fn find(
        &mut self,
        owner: OwnerRef<'_>,
        uri: &str,
        experiment_location: Option<&str>,
    ) -> Place {
        let Some(path) = local_path(uri) else {
            return self.find_remote(owner, uri);
        };
        let here = self.look(Some(PathBuf::from(&path)), owner);
        let beside = self.look(self.beside(&path), owner);
        let there = match (here, beside) {
            (local_roots::FolderPlace::Outside(_), beside @ local_roots::FolderPlace::Root(_)) => beside,
            (here, beside) => here.or_else(|| beside),
        };
        if let Some(place) = Place::of(there) {
            return place;
        }
        if self.has_root(experiment_location.unwrap_or(uri)) {
            return Place::Empty;
        }
        let folder = self.folder.as_ref();
        let moved = folder.and_then(|folder| moved_folder(folder, &path));
        Place::of(self.look(moved, owner)).unwrap_or(Place::OutOfReach(Reason::MissingDirectory))
    }

    fn look(&self, path: Option<PathBuf>, owner: OwnerRef<'_>) -> local_roots::FolderPlace {
        path.map_or(local_roots::FolderPlace::Missing, |path| {
            self.roots.stated(&path, owner)
        })
    }

    /// What there is behind a URI that is no local path.
    fn find_remote(&self, owner: OwnerRef<'_>, uri: &str) -> Place {
        if let Some(address) = self.address(uri) {
            return Place::Tree(Tree::Cloud(address));
        }
        match &self.destination {
            Some(Destination::Folder(destination)) if uri.starts_with("mlflow-artifacts:") => {
                let folder = served_path(uri).map(|path| destination.join(path));
                Place::of(self.look(folder, owner)).unwrap_or(Place::Empty)
            }
            _ => Place::OutOfReach(Reason::RemoteUri),
        }
    }

    /// The place in cloud storage that a URI leads to.
    pub(super) fn address(&self, uri: &str) -> Option<Address> {
        Address::of(uri).or_else(|| match &self.destination {
            Some(Destination::Cloud(destination)) => Some(destination.below(served_path(uri)?)),
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

impl Place {
    /// A local place, where there is one.
    fn of(place: local_roots::FolderPlace) -> Option<Self> {
        match place {
            local_roots::FolderPlace::Root(root) => Some(Place::Tree(Tree::Folder(root))),
            local_roots::FolderPlace::Outside(path) => Some(Place::Outside(path)),
            local_roots::FolderPlace::Missing => None,
        }
    }
}

impl Exporter<'_> {
    /// Queues the artifacts of an owner in an experiment.
    pub(super) fn artifacts(&mut self, owner: &Owner, experiment_id: &str, uri: Option<&str>) -> Result<()> {
        if !self.export.looks_at(&[Kind::Artifacts]) {
            return Ok(());
        }
        let Some(tree) = self.artifact_tree(owner, experiment_id, uri)? else {
            return Ok(());
        };
        self.walk(owner, &tree, &mut |exporter, file| exporter.found(owner, file))
    }

    /// Where an object's artifacts are; out of reach is counted.
    pub(super) fn artifact_tree(
        &mut self,
        owner: &Owner,
        experiment_id: &str,
        uri: Option<&str>,
    ) -> Result<Option<Tree>> {
        self.tree(owner, experiment_id, uri, true)
    }

    fn tree(
        &mut self,
        owner: &Owner,
        experiment_id: &str,
        uri: Option<&str>,
        is_due: bool,
    ) -> Result<Option<Tree>> {
        let Some(uri) = uri else { return Ok(None) };
        let location = self.experiments.artifact_location(experiment_id);
        match self.places.find(owner.into(), uri, location) {
            Place::Tree(tree) => return Ok(Some(tree)),
            Place::Outside(path) => self.export.outside_source(&path, owner.into())?,
            Place::OutOfReach(reason) if is_due => {
                self.export.limit(Kind::Artifacts, "*", reason, 1);
                self.note_unreachable(uri, reason);
            }
            Place::Empty | Place::OutOfReach(_) => {}
        }
        Ok(None)
    }

    /// Says once per export which artifacts cannot be reached, and what would help.
    fn note_unreachable(&mut self, uri: &str, reason: Reason) {
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
    pub(super) fn reachable_tree(
        &mut self,
        owner: &Owner,
        experiment_id: &str,
        uri: Option<&str>,
    ) -> Result<Option<Tree>> {
        self.tree(owner, experiment_id, uri, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::artifacts::local_roots::Door;
    use crate::lang::session::ExportOptions;
    use crate::model::OwnerKind;
    use std::fs;

    const ID: &str = "0123456789abcdef0123456789abcdef";
    const OWNER: OwnerRef<'_> = OwnerRef {
        kind: OwnerKind::Run,
        id: ID,
    };

    fn places(folder: Option<&Path>, destination: Option<&Path>) -> Places {
        let roots = LocalRoots::new(Door::Database, &ExportOptions::default()).unwrap();
        Places::new(folder, destination, roots)
    }

    #[test]
    fn folders_are_found_where_they_are_and_where_they_were_moved_to() {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path();
        let folder = folder.canonicalize().unwrap();
        for path in ["mlartifacts/1/ID/artifacts", "mlruns/1/ID/artifacts"] {
            fs::create_dir_all(folder.join(path.replace("ID", ID))).unwrap();
        }
        let mut places = places(Some(&folder), None);
        let mut find = |uri: &str, location: &str| {
            places.find(OWNER, &uri.replace("/r/", &format!("/{ID}/")), Some(location))
        };
        let at = |path: &str| {
            let path = folder.join(path.replace("/r/", &format!("/{ID}/")));
            Place::Tree(Tree::Folder(LocalRoots::listed(&path)))
        };
        let runs = at("mlruns/1/r/artifacts");
        let absolute = folder.join("mlruns/1/r/artifacts").display().to_string();
        assert_eq!(find(&absolute, &absolute), runs);
        assert_eq!(
            find("./mlruns/1/r/artifacts", "./mlruns/1"),
            at("mlruns/1/r/artifacts")
        );
        assert_eq!(find("/gone/mlruns/1/r/artifacts", "/gone/mlruns/1"), runs);
        assert_eq!(find("./mlruns/1/s/artifacts", "./mlruns/1"), Place::Empty);
        assert_eq!(
            find("/gone/mlruns/1/s/artifacts", "/gone/mlruns/1"),
            Place::OutOfReach(Reason::MissingDirectory)
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
            Place::OutOfReach(Reason::RemoteUri)
        );
    }

    #[test]
    #[cfg(feature = "cloud")]
    fn cloud_storage_is_found_by_uri_and_by_destination() {
        let at = |uri: &str| Place::Tree(Tree::Cloud(Address::of(uri).unwrap()));
        let mut places = places(None, Some(Path::new("s3://served/root")));
        assert!(places.check().is_ok());
        for (uri, expected) in [
            ("gs://own/1/r", "gs://own/1/r"),
            ("mlflow-artifacts:/1/r", "s3://served/root/1/r"),
        ] {
            assert_eq!(places.find(OWNER, uri, None), at(expected));
        }
    }

    #[test]
    #[cfg(not(feature = "cloud"))]
    fn cloud_storage_is_out_of_reach_and_the_feature_is_named() {
        let mut local = places(None, None);
        assert_eq!(
            local.find(OWNER, "s3://bucket/1", None),
            Place::OutOfReach(Reason::RemoteUri)
        );
        assert!(cloud::remedy("s3://bucket/1").contains("feature `cloud`"));
        let error = places(None, Some(Path::new("s3://bucket"))).check().unwrap_err();
        assert!(error.to_string().contains("feature `cloud`"), "{error}");
    }
}
