//! Workspaces (MLflow 3.10): which of an archive's objects go where, decided before anything is written.
//!
//! Names are unique only within a workspace, so what is in one is imported by itself: into the workspace of that name where
//! the target has workspaces, else alone. Two of them never go into one place unasked.

use super::journal::{self, Journal, JournalContents, JournalKey, JournalPlaces};
use super::options::Only;
use super::origins::TargetOrigins;
use super::{ImportError, Result, target_name};
use crate::archive::Archive;
use crate::client::Client;
use crate::flow::import::experiments::experiments_of;
use crate::format::Kind;
use crate::format::manifest::FORMER_ORIGIN;
use crate::lang::rest::api::Api;
use crate::model::{DEFAULT_WORKSPACE, EvaluationDataset, Experiment, RegisteredModel, Workspace};
use crate::select::Patterns;
use std::collections::BTreeMap;
use std::path::Path;

/// A workspace of the archive and where what is in it goes.
pub(crate) struct WorkspacePlace {
    /// Its name in the archive; none where the archive knows no workspaces.
    pub workspace: Option<String>,
    /// Asks within the workspace of the target.
    pub client: Client,
    /// The workspace that is to be made first.
    pub missing: Option<Workspace>,
    /// The target has no workspace for it: its objects arrive without one.
    pub is_flat: bool,
}

/// The workspaces that objects of an archive are in, given its experiments; those asked for.
///
/// # Errors
/// The archive cannot be read.
pub(crate) fn workspaces_of(
    archive: &Archive,
    experiments: &[Experiment],
    only: &Patterns,
) -> Result<BTreeMap<String, Option<Workspace>>> {
    let mut found: BTreeMap<String, Option<Workspace>> = BTreeMap::new();
    let mut used = |name: Option<String>| {
        found
            .entry(name.unwrap_or_else(|| DEFAULT_WORKSPACE.to_owned()))
            .or_default();
    };
    for experiment in experiments {
        used(experiment.workspace.clone());
    }
    for model in archive.objects::<RegisteredModel>() {
        used(model?.workspace);
    }
    for dataset in archive.objects::<EvaluationDataset>() {
        used(dataset?.workspace);
    }
    for workspace in archive.objects::<Workspace>() {
        let workspace = workspace?;
        found.insert(workspace.name.clone(), Some(workspace));
    }
    found.retain(|name, _| only.is_empty() || only.matches(name));
    Ok(found)
}

/// Decides where everything goes, given the archive's experiments.
///
/// # Errors
/// The archive or the target cannot be read, or several workspaces would have to share one place.
pub(super) fn places(
    archive: &Archive,
    experiments: &[Experiment],
    client: &Client,
    only: &Only,
) -> Result<Vec<WorkspacePlace>> {
    let workspaces = workspaces_of(archive, experiments, &only.workspaces)?;
    let has_none = archive.manifest().count(Kind::Workspaces) == 0
        && workspaces.keys().all(|name| name == DEFAULT_WORKSPACE);
    if has_none && only.workspaces.is_empty() {
        return Ok(vec![WorkspacePlace {
            workspace: None,
            client: client.clone(),
            missing: None,
            is_flat: false,
        }]);
    }
    let api = Api::new(client.in_workspace(None)?);
    let there = api.workspaces()?;
    if client.workspace().is_none()
        && let Some(there) = there
    {
        return workspaces
            .into_iter()
            .map(|(name, workspace)| own_place(client, &there, name, workspace))
            .collect();
    }
    if workspaces.len() > 1 {
        return Err(shared(&workspaces, client));
    }
    let place = |name: String| WorkspacePlace {
        is_flat: there.is_none() && name != DEFAULT_WORKSPACE,
        workspace: Some(name),
        client: client.clone(),
        missing: None,
    };
    Ok(workspaces.into_keys().map(place).collect())
}

/// The workspace of the same name.
fn own_place(
    client: &Client,
    there: &[String],
    name: String,
    workspace: Option<Workspace>,
) -> Result<WorkspacePlace> {
    let is_default = name == DEFAULT_WORKSPACE;
    let missing = (!is_default && !there.contains(&name)).then(|| {
        workspace.unwrap_or_else(|| Workspace {
            name: name.clone(),
            ..Workspace::default()
        })
    });
    // Like MLflow's client, which names no workspace where none was chosen.
    let header = (!is_default).then_some(name.as_str());
    Ok(WorkspacePlace {
        client: client.in_workspace(header)?,
        workspace: Some(name),
        missing,
        is_flat: false,
    })
}

fn shared(workspaces: &BTreeMap<String, Option<Workspace>>, client: &Client) -> ImportError {
    let names: Vec<_> = workspaces.keys().map(|name| format!("`{name}`")).collect();
    let why = match client.workspace() {
        Some(chosen) => format!("one workspace was chosen, `{chosen}`"),
        None => "the target has no workspaces".to_owned(),
    };
    ImportError::choice(format!(
        "the archive has objects of {} workspaces ({}), whose names may clash, and {why}; import one with --only workspace=NAME",
        names.len(),
        names.join(", ")
    ))
}

/// The origin that objects of a workspace are marked with: names are unique only within one.
pub(crate) fn origin_within(origin: &str, workspace: Option<&str>) -> String {
    match workspace {
        None | Some(DEFAULT_WORKSPACE) => origin.to_owned(),
        Some(workspace) => format!("{origin} workspace {workspace}"),
    }
}

/// The origin that an import continues: that of the archive, or the one by which an earlier version knew the same source,
/// where only that has a journal.
pub(crate) fn known_origin(
    archive: &Archive,
    workspace: Option<&str>,
    target: &str,
    given: Option<&Path>,
) -> String {
    let manifest = archive.manifest();
    let own = origin_within(&manifest.origin, workspace);
    let Some(former) = manifest.source.details.get(FORMER_ORIGIN) else {
        return own;
    };
    let former = origin_within(former, workspace);
    let has_journal = |origin: &String| {
        let key = JournalKey {
            origin: origin.clone(),
            target: target.to_owned(),
        };
        let path = match given {
            Some(path) => journal::path_within(path, workspace),
            None => journal::default_path(archive.path(), &key),
        };
        path.exists() && Journal::read(&path, &key).is_ok()
    };
    if !has_journal(&own) && has_journal(&former) {
        former
    } else {
        own
    }
}

/// A journal of an import, and the workspace whose objects it is about, where that is not the default one.
pub(crate) struct WorkspaceJournal {
    /// The workspace.
    pub workspace: Option<String>,
    /// What the journal says.
    pub contents: JournalContents,
}

/// The journals that imports of an archive into a server have left, in the order of workspaces.
///
/// # Errors
/// One of them cannot be read, or belongs to another import.
pub(crate) fn journals_of(
    archive: &Archive,
    client: &Client,
    given: Option<&Path>,
    origin: Option<&str>,
) -> Result<Vec<WorkspaceJournal>> {
    let experiments = experiments_of(archive)?;
    let workspaces = workspaces_of(archive, &experiments, &Patterns::default())?;
    let mut workspaces: Vec<_> = workspaces.into_keys().collect();
    if !workspaces.iter().any(|name| name == DEFAULT_WORKSPACE) {
        workspaces.push(DEFAULT_WORKSPACE.to_owned());
    }
    let mut found = Vec::new();
    for name in workspaces {
        let own = (name != DEFAULT_WORKSPACE).then_some(name);
        // Into the workspace of its name, or where the target has none.
        let mut targets = vec![target_name(client)];
        if own.is_some() && client.workspace().is_none() {
            targets.insert(0, target_name(&client.in_workspace(own.as_deref())?));
        }
        let mut refused = None;
        for target in targets {
            let origin = match origin {
                Some(named) => origin_within(named, own.as_deref()),
                None => known_origin(archive, own.as_deref(), &target, given),
            };
            let origins = TargetOrigins::read(archive, origin, own.as_deref())?;
            let given = given.map(|path| journal::path_within(path, own.as_deref()));
            let places = JournalPlaces::new(archive.path(), &origins, &target, given);
            if !places.exist() {
                continue;
            }
            match places.read(None) {
                Ok(contents) => {
                    let workspace = own.clone();
                    found.push(WorkspaceJournal { workspace, contents });
                    refused = None;
                    break;
                }
                Err(error) => refused = Some(error),
            }
        }
        if let Some(error) = refused {
            return Err(error.into());
        }
    }
    Ok(found)
}
