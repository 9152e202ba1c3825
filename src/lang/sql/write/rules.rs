//! What a target has in place of what an archive says: places of artifacts, a workspace, ids and names of experiments.
//!
//! The same rules make the rows of a restore and the lines of the edit `into-store`, by which a recipe shows what a restore changes.

use super::known::{Head, KnownExperiment, KnownExperiments};
use super::sources::Sources;
use super::{Result, StoreEdit, StorePlace, StoreRoot, uris};
use crate::model::DEFAULT_WORKSPACE;
use crate::model::registry::is_prompt;
use crate::model::{Experiment, ModelVersion, Workspace};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// What MLflow says of the workspace that it makes itself.
const DEFAULT_DESCRIPTION: &str = "Default workspace for legacy resources";
/// What MLflow has as the source of versions that are no files.
const NO_SOURCES: [&str; 2] = ["dummy-source", "prompt-template"];
/// What it leaves of the source of a deleted version.
const REDACTED: &str = "REDACTED-SOURCE-PATH";

/// The store that objects move to, as users and recipes name it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IntoStore {
    /// Where artifacts lie: `mlflow-artifacts:/` through the server, or an absolute folder (`file:///…`).
    pub artifacts: String,
    /// URIs of remote storage stay as they are.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keep_uris: bool,
    /// Folders of the store's machine, as `file:///…`, below which local URIs stay as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trust_local: Vec<String>,
    /// The workspace of objects that name none; absent if the store has no workspaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// The largest experiment id that the store can hold; absent if that is any 64-bit number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub largest_experiment_id: Option<i64>,
}

impl IntoStore {
    /// What it asks for.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn options(&self) -> Result<RuleOptions, String> {
        let root = StoreRoot::parse(&self.artifacts).ok_or_else(|| {
            format!(
                "`{}` is not a place for artifacts: use `mlflow-artifacts:/`, or an absolute folder as `file:///…`",
                crate::model::printable::printable(&self.artifacts)
            )
        })?;
        if let Some(workspace) = self.workspace.as_ref().filter(|name| !is_workspace(name)) {
            return Err(not_a_workspace(workspace));
        }
        let trusted = self.trust_local.iter().map(|folder| {
            uris::trusted_folder(folder).ok_or_else(|| {
                let folder = crate::model::printable::printable(folder);
                format!("`{folder}` cannot be a trusted folder: give one below `/`, as `file:///…`")
            })
        });
        Ok(RuleOptions {
            root,
            keep_uris: self.keep_uris,
            trusted: trusted.collect::<Result<_, _>>()?,
            workspace: self.workspace.clone(),
            largest_experiment_id: self.largest_experiment_id.unwrap_or(i64::MAX),
        })
    }
}

/// What is said of a name that no workspace can have.
fn not_a_workspace(name: &str) -> String {
    let name = crate::model::printable::printable(name);
    format!("`{name}` cannot be the name of a workspace: use lower-case letters, digits and `-`, at most 63")
}

/// Whether MLflow takes a name for a workspace's.
fn is_workspace(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = [name.bytes().next(), name.bytes().last()];
    name.len() <= 63
        && ends.iter().all(|end| end.is_some_and(is_letter))
        && name.bytes().all(|byte| is_letter(byte) || byte == b'-')
}

/// What a target is like, as far as that changes what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RuleOptions {
    /// Where artifacts lie.
    pub(crate) root: StoreRoot,
    /// Leaves URIs of remote storage, and the files behind them where they are.
    pub(crate) keep_uris: bool,
    /// Folders below which local URIs stay, as decoded paths.
    pub(crate) trusted: Vec<String>,
    /// Where objects without a workspace come; none where the target has no workspaces.
    pub(crate) workspace: Option<String>,
    /// The largest id of an experiment that its columns hold.
    pub(crate) largest_experiment_id: i64,
}

/// The rules for an archive.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) options: RuleOptions,
    pub(super) experiments: KnownExperiments,
    pub(super) sources: Sources,
}

impl Rules {
    /// Rules that know no object yet.
    pub(crate) fn new(options: RuleOptions) -> Self {
        Rules {
            options,
            experiments: KnownExperiments::default(),
            sources: Sources::default(),
        }
    }

    /// Learns all experiments, in the order of the archive.
    ///
    /// # Errors
    /// No target can have them.
    pub(crate) fn learn_experiments<E: From<super::WriteError>>(
        &mut self,
        experiments: impl Iterator<Item = Result<Experiment, E>>,
    ) -> Result<(), E> {
        let head = |experiment: Experiment| {
            let workspace = experiment.workspace.clone();
            let workspace = self.workspace(workspace.as_deref()).unwrap_or(DEFAULT_WORKSPACE);
            Head::of(experiment, workspace)
        };
        let heads = experiments.map(|experiment| experiment.map(head));
        let heads: Vec<_> = heads.collect::<Result<_, E>>()?;
        self.experiments = KnownExperiments::know(&heads, self.options.largest_experiment_id)?;
        Ok(())
    }

    /// Learns which runs and logged models a version may come from.
    pub(crate) fn learn_version(&mut self, version: &ModelVersion) {
        self.sources.name(version);
    }

    /// Learns where a run or logged model keeps its artifacts.
    pub(crate) fn learn_root(&mut self, id: &str, stated: Option<&str>, uri: &str) {
        self.sources.learn(id, stated, uri);
    }

    /// The experiment of that id in the archive.
    pub(crate) fn experiment(&self, experiment_id: &str) -> Option<&KnownExperiment> {
        self.experiments.get(experiment_id)
    }

    /// The workspace of an object in the target.
    pub(crate) fn workspace<'w>(&'w self, stated: Option<&'w str>) -> Option<&'w str> {
        let default = self.options.workspace.as_deref()?;
        Some(stated.unwrap_or(default))
    }

    /// Whether a URI that names a place stays as it is.
    pub(crate) fn stays(&self, uri: &str) -> bool {
        let is_below = |folder: &String| uris::is_below(uri, folder);
        (self.options.keep_uris && uris::is_remote(uri)) || self.options.trusted.iter().any(is_below)
    }

    /// The URI of a place, and the edit where it is another than the archive says.
    pub(crate) fn place(&self, place: &StorePlace, stated: Option<&str>) -> (String, Option<StoreEdit>) {
        let uri = self.options.root.uri(place);
        match stated {
            Some(stated) if self.stays(stated) => (stated.to_owned(), None),
            Some(stated) if stated == uri => (uri, None),
            stated => (uri, Some(edit_of(stated))),
        }
    }

    /// Where a workspace writes, and the edit where that is no more than that it does: none means where the server does.
    pub(crate) fn root_of_workspace<'u>(
        &self,
        stated: Option<&'u str>,
    ) -> (Option<&'u str>, Option<StoreEdit>) {
        match stated {
            Some(stated) if self.stays(stated) => (Some(stated), None),
            Some(stated) => (None, Some(edit_of(Some(stated)))),
            None => (None, None),
        }
    }

    /// The workspaces that a target has beside those of the archive: the default one, and those that are named alone.
    pub(crate) fn missing_workspaces(&self, known: &BTreeSet<String>) -> Vec<Workspace> {
        let Some(own) = &self.options.workspace else {
            return Vec::new();
        };
        let named = self.experiments.workspaces.iter().map(String::as_str);
        let names: BTreeSet<&str> = named.chain([DEFAULT_WORKSPACE, own]).collect();
        let missing = names.into_iter().filter(|name| !known.contains(*name));
        let make = |name: &str| Workspace {
            name: name.to_owned(),
            description: (name == DEFAULT_WORKSPACE).then(|| DEFAULT_DESCRIPTION.to_owned()),
            ..Workspace::default()
        };
        missing.map(make).collect()
    }

    /// The experiments that a tag of a prompt lists, by their ids in the target.
    pub(crate) fn listed<'v>(&self, list: &'v str) -> Cow<'v, str> {
        let new = |id: &str| match self.experiment(id) {
            Some(known) => known.id.to_string(),
            None => id.to_owned(),
        };
        let listed: Vec<String> = list.split(',').map(new).collect();
        let listed = listed.join(",");
        if listed == list {
            list.into()
        } else {
            listed.into()
        }
    }

    /// Where a version keeps files of its own.
    pub(crate) fn version_place(&self, version: &ModelVersion) -> StorePlace {
        let workspace = self.workspace(version.workspace.as_deref());
        let workspace = workspace.filter(|name| *name != DEFAULT_WORKSPACE);
        StorePlace::of_version(workspace, &version.name, version.version)
    }

    /// What a version is said to come from in the target, and the edit where that is another; one that says nothing and has files of its
    /// own comes from these.
    pub(crate) fn version_source(
        &self,
        version: &ModelVersion,
        has_files: bool,
    ) -> (Option<String>, Option<StoreEdit>) {
        match &version.source {
            Some(uri) => {
                let (uri, edit) = self.version_uri(version, uri, has_files);
                (Some(uri), edit)
            }
            None if has_files => {
                let uri = self.options.root.uri(&self.version_place(version));
                (Some(uri), Some(StoreEdit::Place))
            }
            None => (None, None),
        }
    }

    /// A URI of a version in the target, and the edit where that is another.
    pub(crate) fn version_uri(
        &self,
        version: &ModelVersion,
        uri: &str,
        has_files: bool,
    ) -> (String, Option<StoreEdit>) {
        let is_none = (version.is_deleted() && uri == REDACTED)
            || (is_prompt(&version.tags) && NO_SOURCES.contains(&uri));
        if is_none || self.stays(uri) || (!has_files && uris::names_an_object(uri)) {
            return (uri.to_owned(), None);
        }
        let found = if has_files {
            None
        } else {
            self.sources.find(version, uri)
        };
        // Nothing of the archive lies there, and nobody else says where it is.
        let elsewhere = || (!has_files && uris::is_remote(uri)).then(|| uri.to_owned());
        let own = || self.options.root.uri(&self.version_place(version));
        let found = found.or_else(elsewhere).unwrap_or_else(own);
        let edit = (found != uri).then(|| edit_of(Some(uri)));
        (found, edit)
    }
}

/// What becomes of a URI that is not kept.
fn edit_of(stated: Option<&str>) -> StoreEdit {
    let is_local = stated.is_some_and(|uri| !uris::is_remote(uri) && !uris::is_proxied(uri));
    if is_local {
        StoreEdit::LocalPlace
    } else {
        StoreEdit::Place
    }
}
