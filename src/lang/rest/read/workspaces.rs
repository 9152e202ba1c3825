//! Workspaces (MLflow 3.10): objects of one are not seen from another, so each is asked in turn.

use super::choice::Choices;
use super::fields::Fields;
use super::names::Finder;
use super::server::Server;
use crate::client::{Client, ClientError, Page};
use crate::lang::rest::routes::{self, Call};
use crate::lang::session::{Export, ExportError};
use crate::model::Workspace;
use serde_json::Value;
use std::sync::Arc;

/// Exports every workspace, or the server where it has none, or the one that `MLFLOW_WORKSPACE` names; what was taken of each. A shard is told
/// what is chosen.
pub(super) fn export_each(
    export: &mut Export<'_>,
    server: &Arc<Server>,
    registry: &Arc<Server>,
    choices: Option<Choices>,
) -> Result<Choices, ExportError> {
    let mut finder = Finder::new(export);
    if !server.has_workspaces() {
        let workspace = server.only_workspace();
        finder.look(export, server.clone(), registry.clone(), workspace)?;
        return finder.export(export, choices);
    }
    let workspaces = workspaces(&server.client).map_err(|error| server.error(&error))?;
    let chosen = server.client.options().workspace.clone();
    let named = export.options.rest.workspaces.clone();
    let is_wanted = |found: &Workspace| {
        let is_named = named.is_empty() || named.contains(&found.name);
        is_named && chosen.as_ref().is_none_or(|chosen| *chosen == found.name)
    };
    for workspace in workspaces.into_iter().filter(is_wanted) {
        if !export.is_rest_elsewhere() {
            export.write(&workspace)?;
        }
        let within = Arc::new(server.in_workspace(&workspace.name)?);
        let registry = if Arc::ptr_eq(server, registry) {
            within.clone()
        } else {
            registry.clone()
        };
        finder.look(export, within, registry, Some(workspace.name))?;
    }
    finder.export(export, choices)
}

fn workspaces(client: &Client) -> Result<Vec<Workspace>, ClientError> {
    let answer = Call::from(routes::WORKSPACES).on(client).parse()?;
    Page::of(answer, "workspaces")?
        .rows
        .into_iter()
        .map(workspace)
        .collect()
}

fn workspace(value: Value) -> Result<Workspace, ClientError> {
    let mut fields = Fields::of(value);
    Ok(Workspace {
        name: fields.named("name")?,
        description: fields.text("description").filter(|text| !text.is_empty()),
        default_artifact_root: fields
            .text("default_artifact_root")
            .filter(|text| !text.is_empty()),
        extra: fields.finish(),
    })
}
