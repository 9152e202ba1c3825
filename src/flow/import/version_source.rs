//! What a model version was made from, said anew for the target, whose servers check it.

use super::artifacts::Destination;
use crate::flow::import::plan::Plan;
use crate::format::{Kind, Reason};
use crate::lang::exim::tags::canonical::VersionContext;
use crate::lang::rest::api::{Api, TargetId};
use crate::model::{ModelVersion, OwnerKind};
use std::borrow::Cow;

/// Ids and places in the target, as a source needs them.
pub(crate) trait Places {
    /// The run in the target.
    fn run(&self, id: &str) -> Option<TargetId>;
    /// The logged model in the target.
    fn logged_model(&self, id: &str) -> Option<TargetId>;
    /// The version of a registered model in the target: its name there and its number.
    fn version(&self, name: &str, version: &str) -> Option<(String, String)>;
    /// The version, in the archive, that an alias of a registered model points at.
    fn alias(&self, name: &str, alias: &str) -> Option<u64>;
    /// Where a run of the target keeps its artifacts.
    fn run_artifacts(&self, new_run_id: &TargetId) -> Option<String>;
    /// Where a logged model of the target keeps its artifacts.
    fn model_artifacts(&self, new_model_id: &TargetId) -> Option<String>;
}

/// The places of an import: what is known of ids, the plan, and the server.
pub(crate) struct KnownPlaces<'a> {
    pub id: &'a dyn Fn(Kind, &str) -> Option<TargetId>,
    pub plan: &'a Plan,
    pub api: &'a Api,
}

impl Places for KnownPlaces<'_> {
    fn run(&self, id: &str) -> Option<TargetId> {
        (self.id)(Kind::Runs, id)
    }

    fn logged_model(&self, id: &str) -> Option<TargetId> {
        (self.id)(Kind::LoggedModels, id)
    }

    fn version(&self, name: &str, version: &str) -> Option<(String, String)> {
        if !self.plan.order.can_be_source(name, version) {
            return None;
        }
        let number = (self.id)(Kind::ModelVersions, &format!("{name}/{version}"))?;
        let name = (self.id)(Kind::RegisteredModels, name)?;
        Some((name.into_string(), number.into_string()))
    }

    fn alias(&self, name: &str, alias: &str) -> Option<u64> {
        self.plan.named.alias(name, alias)
    }

    fn run_artifacts(&self, new_run_id: &TargetId) -> Option<String> {
        Some(self.api.run(new_run_id).ok()??.artifact_uri)
    }

    fn model_artifacts(&self, new_model_id: &TargetId) -> Option<String> {
        Some(self.api.logged_model(new_model_id).ok()??.artifact_uri)
    }
}

/// A source for the target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Source {
    /// The URI.
    pub uri: String,
    /// Run that made it.
    pub run_id: Option<String>,
    /// Logged model that it is.
    pub model_id: Option<String>,
    /// Whether it is a version of a registered model.
    pub is_version: bool,
    /// Whether that version has another run than `run_id`, in the target.
    pub is_other_run: bool,
    /// Why the target will refuse it, where that is known.
    pub fault: Option<Reason>,
}

/// What a version says of where it comes from.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Given<'a> {
    /// The URI.
    pub uri: &'a str,
    /// Run, in the archive.
    pub run_id: Option<&'a str>,
    /// Logged model, in the archive.
    pub model_id: Option<&'a str>,
    /// Artifact URI of that run, in the archive.
    pub run_artifact_uri: Option<&'a str>,
}

impl<'a> Given<'a> {
    /// What a version says, and others say of it.
    pub(crate) fn of(version: &'a ModelVersion, context: &'a VersionContext) -> Self {
        Given {
            uri: version.source.as_deref().unwrap_or_default(),
            run_id: version.run_id.as_deref().filter(|run_id| !run_id.is_empty()),
            model_id: version.model_id.as_deref(),
            run_artifact_uri: context.run_artifact_uri.as_deref(),
        }
    }
}

/// Source of versions that were never models but hold a number.
pub(crate) const PLACEHOLDER: &str = "s3://mlark-placeholder/deleted-version";
/// Source of prompts' versions.
pub(crate) const PROMPT_SOURCE: &str = "prompt-template";

/// Says a source anew.
pub(crate) fn rewrite(given: Given<'_>, places: &impl Places) -> Source {
    let new_run = given.run_id.and_then(|id| places.run(id));
    let named_model = given.uri.strip_prefix("models:/").and_then(logged_model_id);
    let (model_id, below) = match (given.model_id.filter(|id| !id.is_empty()), named_model) {
        (_, Some(found)) => (Some(found.0), found.1),
        (Some(id), None) => (
            Some(id),
            below_root(given.uri, &format!("/models/{id}/artifacts")),
        ),
        (None, None) => match in_model_root(given.uri) {
            Some((id, below)) => (Some(id), Some(below)),
            None => (None, None),
        },
    };
    let new_model = model_id.and_then(|id| places.logged_model(id));
    let mut source = Source {
        uri: given.uri.to_owned(),
        run_id: new_run.clone().map(TargetId::into_string),
        model_id: new_model.clone().map(TargetId::into_string),
        ..Source::default()
    };
    if let Some(new_model) = &new_model
        && (named_model.is_some() || below.is_some())
    {
        let below = below.unwrap_or_default();
        let root = format!("models:/{new_model}");
        source.uri = if below.is_empty() {
            root
        } else {
            format!("{}{below}", places.model_artifacts(new_model).unwrap_or(root))
        };
    } else if let Some((run_id, path)) = given
        .uri
        .strip_prefix("runs:/")
        .and_then(|rest| rest.split_once('/'))
    {
        if let Some(new_run) = places.run(run_id) {
            source.uri = format!("runs:/{new_run}/{path}");
            source.run_id = Some(new_run.into_string());
        } else {
            source.fault = Some(Reason::SourceRunNotInTarget);
        }
    } else if given.uri.starts_with("models:/") && named_model.is_none() {
        source.is_version = true;
        let version = source_version(given.uri, |name, alias| places.alias(name, alias));
        match version.and_then(|(name, version)| places.version(name, &version)) {
            Some((name, version)) => source.uri = format!("models:/{name}/{version}"),
            None => source.fault = Some(Reason::SourceVersionNotInTarget),
        }
    } else if let Some(uri) = new_run.as_ref().and_then(|run| in_run(given, run, places)) {
        source.uri = uri;
    } else if is_checked(given.uri) {
        source.fault = Some(Reason::SourceRefused);
    } else {
        // Nobody checks a run here, so that even one that stayed behind is still named.
        source.run_id = new_run
            .map(TargetId::into_string)
            .or_else(|| given.run_id.filter(|id| !id.is_empty()).map(str::to_owned));
    }
    source
}

/// The version of a registered model, in the archive, that a source names by its number or, as `alias` says, by an alias.
pub(crate) fn source_version(
    uri: &str,
    alias: impl FnOnce(&str, &str) -> Option<u64>,
) -> Option<(&str, Cow<'_, str>)> {
    let rest = uri.strip_prefix("models:/")?;
    if let Some((name, version)) = rest.rsplit_once('/') {
        return Some((name, version.into()));
    }
    let (name, word) = rest.rsplit_once('@')?;
    Some((name, alias(name, word)?.to_string().into()))
}

/// Whose artifacts a source is among, in the archive, and the path below their root; none of a place of its own.
pub(crate) fn owner<'a>(given: Given<'a>) -> Option<(OwnerKind, &'a str, &'a str)> {
    let model = |id: &'a str, below: &'a str| (OwnerKind::LoggedModel, id, below.trim_matches('/'));
    let run = |id: &'a str, below: &'a str| (OwnerKind::Run, id, below.trim_matches('/'));
    let uri = given.uri;
    if let Some((id, below)) = uri.strip_prefix("models:/").and_then(logged_model_id) {
        return Some(model(id, below.unwrap_or_default()));
    }
    if let Some((id, below)) = in_model_root(uri) {
        return Some(model(id, below));
    }
    if let Some(rest) = uri.strip_prefix("runs:/") {
        return rest.split_once('/').map(|(id, below)| run(id, below));
    }
    Some(run(given.run_id?, below_run(given)?))
}

/// What stands behind the root of its run in a source.
fn below_run(given: Given<'_>) -> Option<&str> {
    let run_id = given.run_id?;
    let by_root = given
        .run_artifact_uri
        .and_then(|root| given.uri.strip_prefix(root.trim_end_matches('/')))
        .filter(|below| below.is_empty() || below.starts_with('/'));
    by_root.or_else(|| below_root(given.uri, &format!("/{run_id}/artifacts")))
}

/// The source below the artifacts of its run, where it is there.
fn in_run(given: Given<'_>, new_run: &TargetId, places: &impl Places) -> Option<String> {
    let below = below_run(given)?;
    let root = places.run_artifacts(new_run)?;
    Some(format!("{}{below}", root.trim_end_matches('/')))
}

/// What stands behind a root in a URI.
fn below_root<'a>(uri: &'a str, root: &str) -> Option<&'a str> {
    let (_, below) = uri.split_once(root)?;
    (below.is_empty() || below.starts_with('/')).then_some(below)
}

/// The logged model whose artifacts a URI lies below.
fn in_model_root(uri: &str) -> Option<(&str, &str)> {
    let (_, rest) = uri.split_once("/models/")?;
    let (id, below) = rest.split_once("/artifacts")?;
    let is_model = id.starts_with("m-") && !id.contains('/');
    (is_model && (below.is_empty() || below.starts_with('/'))).then_some((id, below))
}

/// The logged model in `m-…[/path]`; a registered model may begin so too, with a number or an alias behind.
fn logged_model_id(rest: &str) -> Option<(&str, Option<&str>)> {
    let number = rest.split_once('/').map_or("", |(_, number)| number);
    let is_version = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    if is_version || rest.contains('@') {
        return None;
    }
    let (id, below) = match rest.find('/') {
        Some(at) => (&rest[..at], Some(&rest[at..])),
        None => (rest, None),
    };
    id.starts_with("m-").then_some((id, below))
}

/// Whether servers ask whose a source is, or refuse it.
fn is_checked(uri: &str) -> bool {
    let scheme = uri
        .split_once(':')
        .map_or("", |(scheme, _)| scheme)
        .to_ascii_lowercase();
    let is_cloud = ["s3", "gs", "wasbs", "wasb", "dbfs", "abfss", "r2", "b2"].contains(&scheme.as_str());
    matches!(Destination::of(uri), Destination::Proxy(_)) || !is_cloud
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;

    impl Places for Fixed {
        fn run(&self, id: &str) -> Option<TargetId> {
            (id == "r1").then(|| TargetId::new("R1"))
        }
        fn logged_model(&self, id: &str) -> Option<TargetId> {
            (id == "m-1").then(|| TargetId::new("m-9"))
        }
        fn version(&self, name: &str, version: &str) -> Option<(String, String)> {
            let is_known = matches!(name, "wine" | "m-wine");
            is_known.then(|| (format!("{name}-2"), version.to_owned()))
        }
        fn alias(&self, name: &str, alias: &str) -> Option<u64> {
            (name == "wine" && alias == "best").then_some(4)
        }
        fn run_artifacts(&self, new_run_id: &TargetId) -> Option<String> {
            Some(format!("mlflow-artifacts:/7/{new_run_id}/artifacts"))
        }
        fn model_artifacts(&self, new_model_id: &TargetId) -> Option<String> {
            Some(format!("mlflow-artifacts:/7/models/{new_model_id}/artifacts"))
        }
    }

    fn uri(uri: &str, run_id: Option<&str>, root: Option<&str>) -> Source {
        let given = Given {
            uri,
            run_id,
            model_id: None,
            run_artifact_uri: root,
        };
        rewrite(given, &Fixed)
    }

    #[test]
    fn sources_name_the_runs_and_models_of_the_target() {
        let run = Some("r1");
        assert_eq!(uri("runs:/r1/model", run, None).uri, "runs:/R1/model");
        assert_eq!(
            uri("mlflow-artifacts:/1/r1/artifacts/model", run, None).uri,
            "mlflow-artifacts:/7/R1/artifacts/model"
        );
        let moved = uri("file:///old/place/model", run, Some("file:///old/place/"));
        assert_eq!(
            (moved.uri.as_str(), moved.run_id.as_deref()),
            ("mlflow-artifacts:/7/R1/artifacts/model", Some("R1"))
        );
        let model = uri("models:/m-1", run, None);
        assert_eq!(
            (model.uri.as_str(), model.model_id.as_deref()),
            ("models:/m-9", Some("m-9"))
        );
        let below = uri("s3://b/1/models/m-1/artifacts/x", None, None);
        assert_eq!(below.uri, "mlflow-artifacts:/7/models/m-9/artifacts/x");
        assert_eq!(
            uri("s3://b/1/models/m-1/artifacts", None, None).uri,
            "models:/m-9"
        );
        assert_eq!(uri("models:/wine/3", None, None).uri, "models:/wine-2/3");
        assert_eq!(uri("models:/m-wine/3", None, None).uri, "models:/m-wine-2/3");
        assert_eq!(uri("models:/wine@best", None, None).uri, "models:/wine-2/4");
        for gone in ["models:/wine@worst", "models:/beer/1", "models:/beer"] {
            let fault = uri(gone, None, None).fault;
            assert_eq!(fault, Some(Reason::SourceVersionNotInTarget), "{gone}");
        }
    }

    #[test]
    fn a_source_says_whose_artifacts_it_is_among() {
        let given = |uri| Given {
            uri,
            run_id: Some("r1"),
            model_id: None,
            run_artifact_uri: Some("file:///old/place/"),
        };
        let run = |below| Some((OwnerKind::Run, "r1", below));
        let model = |below| Some((OwnerKind::LoggedModel, "m-1", below));
        for (uri, expected) in [
            ("runs:/r1/model/", run("model")),
            ("mlflow-artifacts:/1/r1/artifacts/a/b", run("a/b")),
            ("file:///old/place/model", run("model")),
            ("models:/m-1", model("")),
            ("s3://b/1/models/m-1/artifacts/x", model("x")),
            ("s3://b/elsewhere", None),
            ("models:/wine/3", None),
        ] {
            assert_eq!(owner(given(uri)), expected, "{uri}");
        }
    }

    #[test]
    fn a_source_of_ones_own_stays_and_one_that_is_refused_says_so() {
        let own = uri("s3://bucket/model", Some("gone"), None);
        assert_eq!(
            (own.uri.as_str(), own.run_id.as_deref(), own.fault),
            ("s3://bucket/model", Some("gone"), None)
        );
        for refused in [
            "/tmp/model",
            "file:///tmp/model",
            "mlflow-artifacts:/1/x",
            "http://h/x",
        ] {
            assert_eq!(
                uri(refused, None, None).fault,
                Some(Reason::SourceRefused),
                "{refused}"
            );
        }
        assert_eq!(
            uri("runs:/gone/model", None, None).fault,
            Some(Reason::SourceRunNotInTarget)
        );
    }
}
