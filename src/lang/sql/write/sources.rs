//! Where versions of registered models come from: artifacts of runs and logged models, whose roots a target has anew.

use super::uris;
use crate::model::ModelVersion;
use std::collections::{HashMap, HashSet};

/// Roots of artifacts that versions may lie below, by the id of the run or logged model.
#[derive(Debug, Default)]
pub(super) struct Sources {
    /// Ids that versions name, in their fields or in their URIs.
    named: HashSet<String>,
    /// The root in the archive and the one in the target.
    roots: HashMap<String, (Option<String>, String)>,
}

/// Names in a URI that may be the id of a run or logged model.
fn names_in(uri: &str) -> impl Iterator<Item = &str> {
    uri.split('/').filter(|name| name.len() > 1)
}

fn uris_of(version: &ModelVersion) -> impl Iterator<Item = &str> {
    [&version.source, &version.storage_location]
        .into_iter()
        .flatten()
        .map(String::as_str)
}

impl Sources {
    pub(super) fn name(&mut self, version: &ModelVersion) {
        let ids = version
            .run_id
            .as_deref()
            .into_iter()
            .chain(version.logged_model_id());
        self.named.extend(ids.map(str::to_owned));
        let names = uris_of(version).flat_map(names_in);
        self.named.extend(names.map(str::to_owned));
    }

    /// Learns where a run or logged model keeps its artifacts.
    pub(super) fn learn(&mut self, id: &str, stated: Option<&str>, uri: &str) {
        if self.named.remove(id) {
            let roots = (stated.map(str::to_owned), uri.to_owned());
            self.roots.insert(id.to_owned(), roots);
        }
    }

    /// The place in the target of what lies among the artifacts of a run or logged model.
    pub(super) fn find(&self, version: &ModelVersion, uri: &str) -> Option<String> {
        let ids = version
            .logged_model_id()
            .into_iter()
            .chain(version.run_id.as_deref());
        ids.chain(names_in(uri)).find_map(|id| {
            let (stated, own) = self.roots.get(id)?;
            let by_root = stated.as_deref().and_then(|root| uris::below(uri, root));
            let by_name = || {
                let folder = format!("/{id}/artifacts");
                let at = uri.find(&folder)? + folder.len();
                uris::below(uri, &uri[..at])
            };
            match by_root.or_else(by_name)? {
                "" => Some(own.clone()),
                path => Some(format!("{}/{path}", own.trim_end_matches('/'))),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_lies_where_the_run_or_model_that_it_names_does() {
        let mut sources = Sources::default();
        let version = |uri: &str, run_id: Option<&str>| ModelVersion {
            source: Some(uri.to_owned()),
            run_id: run_id.map(str::to_owned),
            ..ModelVersion::default()
        };
        let of_run = version("file:///old/1/r1/artifacts/model", Some("r1"));
        let of_model = version("s3://b/1/models/m-2/artifacts", None);
        let elsewhere = version("file:///old/1/r1/artifacts/../../../etc", Some("r1"));
        [&of_run, &of_model, &elsewhere]
            .into_iter()
            .for_each(|version| sources.name(version));
        sources.learn(
            "r1",
            Some("file:///old/1/r1/artifacts"),
            "mlflow-artifacts:/1/r1/artifacts",
        );
        sources.learn(
            "m-2",
            Some("s3://b/1/models/m-2/artifacts"),
            "mlflow-artifacts:/1/models/m-2/artifacts",
        );
        let find = |version: &ModelVersion| sources.find(version, version.source.as_deref().unwrap());
        assert_eq!(
            find(&of_run).as_deref(),
            Some("mlflow-artifacts:/1/r1/artifacts/model")
        );
        assert_eq!(
            find(&of_model).as_deref(),
            Some("mlflow-artifacts:/1/models/m-2/artifacts")
        );
        assert_eq!(find(&elsewhere), None);
        let moved = version("/new/place/1/r1/artifacts/model", Some("r1"));
        assert_eq!(
            find(&moved).as_deref(),
            Some("mlflow-artifacts:/1/r1/artifacts/model")
        );
    }
}
