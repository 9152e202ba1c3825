//! Places of artifacts in a target: below one destination, named by ids alone.
//!
//! MLflow serves whatever a URI in its database names, folders of its own machine included. So no text of an archive becomes a
//! URI here, nor a part of a path, but through [`PathPart`] and, for the path of a file, the check of names in
//! `lang/artifacts/tree`.

use super::uris::{is_plain_path, is_remote};
use crate::model::Digest;
use crate::platform::file_uri;
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};

/// The longest id that stands for itself in a path.
const ID_BYTES: usize = 100;
/// The destination of a server, as it is named through it.
const PROXIED: &str = "mlflow-artifacts:/";
/// Folders that MLflow itself makes beside those of runs.
const RESERVED: [&str; 4] = ["models", "traces", "workspaces", "artifacts"];

/// One part of a path: letters, digits, `-` and `_`, never empty, never the name of a folder of MLflow's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PathPart(String);

impl PathPart {
    /// The part for an id: the id itself where it is one that MLflow could have made, else a digest of it.
    pub(crate) fn of_id(id: &str) -> Self {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let is_reserved = RESERVED.iter().any(|name| id.eq_ignore_ascii_case(name));
        let is_id = id.starts_with(|first: char| first.is_ascii_alphanumeric())
            && id.len() <= ID_BYTES
            && id.bytes().all(is_plain)
            && !is_reserved;
        if is_id {
            PathPart(id.to_owned())
        } else {
            let digest = Digest(Sha256::digest(id).into());
            PathPart(format!("sha256-{}", digest.hex().as_str()))
        }
    }

    /// A name that this program knows.
    const fn known(name: String) -> Self {
        PathPart(name)
    }
}

/// A folder below the destination.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct StorePlace(Vec<PathPart>);

impl StorePlace {
    /// What an experiment keeps, whose workspace is none where it is the default one.
    pub(crate) fn of_experiment(experiment_id: i64, workspace: Option<&str>) -> Self {
        let mut place = Self::of_workspace(workspace);
        place.0.push(PathPart::of_id(&experiment_id.to_string()));
        place
    }

    /// What a workspace keeps; the default one keeps it in the destination itself.
    fn of_workspace(workspace: Option<&str>) -> Self {
        match workspace {
            None => StorePlace::default(),
            Some(name) => StorePlace(vec![
                PathPart::known("workspaces".to_owned()),
                PathPart::of_id(name),
            ]),
        }
    }

    /// The artifacts of a run of the experiment that has this place.
    pub(crate) fn run(&self, run_id: &str) -> Self {
        self.owned(None, run_id)
    }

    /// The artifacts of a logged model of the experiment.
    pub(crate) fn logged_model(&self, model_id: &str) -> Self {
        self.owned(Some("models"), model_id)
    }

    /// The artifacts of a trace of the experiment.
    pub(crate) fn trace(&self, trace_id: &str) -> Self {
        self.owned(Some("traces"), trace_id)
    }

    fn owned(&self, folder: Option<&str>, id: &str) -> Self {
        let mut parts = self.0.clone();
        parts.extend(folder.map(|name| PathPart::known(name.to_owned())));
        parts.extend([PathPart::of_id(id), PathPart::known("artifacts".to_owned())]);
        StorePlace(parts)
    }

    /// What a version of a registered model keeps that is no run's and no logged model's.
    pub(crate) fn of_version(workspace: Option<&str>, name: &str, version: u64) -> Self {
        let mut place = Self::of_workspace(workspace);
        place.0.extend([
            PathPart::known("model-versions".to_owned()),
            PathPart::of_id(name),
            PathPart::known(version.to_string()),
        ]);
        place
    }

    /// Whether a URI names the place that a version keeps its own files in.
    pub(crate) fn is_of_version(uri: &str, name: &str, version: u64) -> bool {
        let place = Self::of_version(None, name, version);
        let root = uri.strip_suffix(&place.joined());
        root.is_some_and(|root| root.ends_with('/'))
    }

    /// The folder.
    pub(crate) fn below(&self, root: &Path) -> PathBuf {
        self.0
            .iter()
            .fold(root.to_owned(), |path, part| path.join(&part.0))
    }

    /// The key of a file in it, in an object store.
    pub(crate) fn key(&self, file: &str) -> String {
        format!("{}/{file}", self.joined())
    }

    fn joined(&self) -> String {
        let parts: Vec<&str> = self.0.iter().map(|part| part.0.as_str()).collect();
        parts.join("/")
    }
}

/// Where the destination is, as URIs say it: ends in a slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoreRoot(String);

impl StoreRoot {
    /// Behind the server, which has the destination.
    pub(crate) fn proxied() -> Self {
        StoreRoot(PROXIED.to_owned())
    }

    /// A folder of the machine, by its absolute path.
    pub(crate) fn of_folder(path: &Path) -> Self {
        StoreRoot(format!("{}/", file_uri(path).trim_end_matches('/')))
    }

    /// The root that a text names: that of a server, an absolute folder, or one in remote storage.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let folder = |rest: &str| rest.is_empty() || is_plain_path(rest);
        let is_root = text == PROXIED
            || text
                .strip_prefix("file:///")
                .is_some_and(|rest| folder(rest.trim_end_matches('/')))
            || is_remote(text);
        is_root.then(|| StoreRoot(format!("{}/", text.trim_end_matches('/'))))
    }

    /// The text that names it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The URI of a place.
    pub(crate) fn uri(&self, place: &StorePlace) -> String {
        format!("{}{}", self.0, place.joined())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_mlflow_makes_stand_for_themselves_and_others_for_nothing() {
        let experiment = StorePlace::of_experiment(7, None);
        let uri = |place: &StorePlace| StoreRoot::proxied().uri(place);
        assert_eq!(uri(&experiment.run("0a1b")), "mlflow-artifacts:/7/0a1b/artifacts");
        assert_eq!(
            uri(&experiment.logged_model("m-1")),
            "mlflow-artifacts:/7/models/m-1/artifacts"
        );
        let of_workspace = StorePlace::of_experiment(7, Some("team-a")).trace("tr-1");
        assert_eq!(
            uri(&of_workspace),
            "mlflow-artifacts:/workspaces/team-a/7/traces/tr-1/artifacts"
        );
        let long = "a".repeat(ID_BYTES + 1);
        for hostile in [
            "..", ".", "", "a/b", "a%2fb", "Models", "traces", "-rf", "a\0", "é", &long,
        ] {
            let PathPart(part) = PathPart::of_id(hostile);
            assert!(
                part.starts_with("sha256-") && part.len() == 71,
                "{hostile}: {part}"
            );
        }
        assert_ne!(PathPart::of_id(".."), PathPart::of_id("."));
    }

    #[test]
    fn direct_uris_are_escaped() {
        let root = StoreRoot::of_folder(Path::new("/data/a b%é"));
        let place = StorePlace::of_experiment(1, None);
        assert_eq!(root.uri(&place), "file:///data/a%20b%25%C3%A9/1");
        assert_eq!(StoreRoot::parse(root.as_str()), Some(root));
        for text in ["mlflow-artifacts:/", "s3://bucket/mlflow", "file:///"] {
            assert!(StoreRoot::parse(text).is_some(), "{text}");
        }
        for text in [
            "",
            "/data",
            "data",
            "file:data",
            "file:///a/../b",
            "mlflow-artifacts:/x/..",
            "S3://b",
        ] {
            assert_eq!(StoreRoot::parse(text), None, "{text}");
        }
    }
}
