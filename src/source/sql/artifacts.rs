//! Where artifacts of a database's objects lie, as far as this machine can read them.
//!
//! A local path is read where it is; where its tree was moved, below the database's folder. `mlflow-artifacts:` URIs are
//! looked up in the directory that the server served. Other URIs are a limit.

use super::super::ExportError;
use super::super::artifact_walk::{moved_folder, served_folder, walk};
use super::super::uri::{local_path, redact};
use super::exporter::{Exporter, Result};
use crate::archive::Owner;
use crate::format::Kind;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Where `mlflow server` keeps served artifacts unless told otherwise.
const DEFAULT_DESTINATION: &str = "mlartifacts";

/// Directories that hold artifacts.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Where the database lies, to which relative paths belong.
    folder: Option<PathBuf>,
    destination: Option<PathBuf>,
    /// Whether the parent of an experiment's artifact location exists.
    known_roots: HashMap<String, bool>,
}

/// What there is behind an artifact URI.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// This folder.
    Folder(PathBuf),
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
        Places {
            destination: destination.map(Path::to_owned).or_else(beside),
            folder,
            known_roots: HashMap::new(),
        }
    }

    /// A named destination must be there: otherwise every artifact would be silently missing.
    pub(super) fn check(&self) -> Result<()> {
        match &self.destination {
            Some(destination) if !destination.is_dir() => Err(ExportError::Source {
                source_uri: destination.display().to_string(),
                detail: "the artifacts destination is not a directory".to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// What there is behind a URI of an object in an experiment with that artifact location.
    pub(super) fn find(&mut self, uri: &str, experiment_location: Option<&str>) -> Place {
        let Some(path) = local_path(uri) else {
            return match (&self.destination, uri.starts_with("mlflow-artifacts:")) {
                (Some(destination), true) => {
                    served_folder(destination, uri).map_or(Place::Empty, Place::Folder)
                }
                _ => Place::OutOfReach("remote-uri"),
            };
        };
        let candidates = [Some(PathBuf::from(&path)), self.beside(&path)];
        if let Some(folder) = candidates.into_iter().flatten().find(|path| path.is_dir()) {
            return Place::Folder(folder);
        }
        if self.has_root(experiment_location.unwrap_or(uri)) {
            return Place::Empty;
        }
        let moved = self
            .folder
            .as_ref()
            .and_then(|folder| moved_folder(folder, &path));
        moved.map_or(Place::OutOfReach("missing-directory"), Place::Folder)
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
        let Some(folder) = self.artifact_folder(experiment_id, uri) else {
            return Ok(());
        };
        walk(&folder, None, &mut |file| self.export.found_file(owner, file))
    }

    /// The folder of an object's artifacts; one out of reach is counted.
    pub(super) fn artifact_folder(&mut self, experiment_id: &str, uri: Option<&str>) -> Option<PathBuf> {
        let location = self.experiments.artifact_location(experiment_id);
        match self.places.find(uri?, location) {
            Place::Folder(folder) => Some(folder),
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
                false => "",
            };
            self.export.monitor().notice(&format!(
                "artifacts such as those at {uri} are out of reach ({reason}){remedy}"
            ));
        }
    }

    /// The folder of artifacts that need not be there; nothing is counted.
    pub(super) fn reachable_folder(&mut self, experiment_id: &str, uri: Option<&str>) -> Option<PathBuf> {
        let location = self.experiments.artifact_location(experiment_id);
        match self.places.find(uri?, location) {
            Place::Folder(folder) => Some(folder),
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
        let runs = Place::Folder(folder.join("mlruns/1/r/artifacts"));
        let absolute = folder.join("mlruns/1/r/artifacts").display().to_string();
        assert_eq!(find(&absolute, &absolute), runs);
        assert_eq!(
            find("./mlruns/1/r/artifacts", "./mlruns/1"),
            Place::Folder(folder.join("./mlruns/1/r/artifacts"))
        );
        assert_eq!(find("/gone/mlruns/1/r/artifacts", "/gone/mlruns/1"), runs);
        assert_eq!(find("./mlruns/1/s/artifacts", "./mlruns/1"), Place::Empty);
        assert_eq!(
            find("/gone/mlruns/1/s/artifacts", "/gone/mlruns/1"),
            Place::OutOfReach("missing-directory")
        );
        assert_eq!(
            find("mlflow-artifacts:/1/r/artifacts", "mlflow-artifacts:/1"),
            Place::Folder(folder.join("mlartifacts/1/r/artifacts"))
        );
        assert_eq!(
            find("mlflow-artifacts:/1/s/artifacts", "mlflow-artifacts:/1"),
            Place::Empty
        );
        assert_eq!(
            find("s3://bucket/1/r/artifacts", "s3://bucket/1"),
            Place::OutOfReach("remote-uri")
        );
    }
}
