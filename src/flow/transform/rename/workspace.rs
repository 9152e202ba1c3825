//! Workspaces under other names, and everything in one workspace.

use super::names::{NewNames, Rename};
use crate::archive::walk::text;
use crate::flow::transform::error::{Result, TransformError};
use crate::flow::transform::step::{EditedLine, Fate, Step};
use crate::flow::transform::view::View;
use crate::format::Kind;
use crate::format::line::canonical;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;

/// The workspace that everything comes into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IntoWorkspace {
    /// Its name; it need not exist yet.
    pub name: String,
}

/// Whether lines of a kind name a workspace.
fn has_workspace(kind: Kind) -> bool {
    kind == Kind::Workspaces || kind.has_field("workspace")
}

/// Whether lines of a kind stand by their workspace.
fn stands_by_workspace(kind: Kind) -> bool {
    kind == Kind::Workspaces || kind.is_named_in_workspaces()
}

/// Workspaces that exist in an archive by a line of their own or by an object in one.
fn there(view: &View<'_>) -> Result<BTreeSet<(Option<String>, String)>> {
    let mut there = BTreeSet::new();
    for &kind in Kind::ALL.iter().filter(|kind| has_workspace(**kind)) {
        view.for_each_head(kind, |head| {
            let name = if kind == Kind::Workspaces {
                &head.name
            } else {
                &head.workspace
            };
            there.extend(name.as_str().map(|name| (None, name.to_owned())));
            Ok(())
        })?;
    }
    Ok(there)
}

struct RenameWorkspaces(NewNames);

/// Works out the new names of workspaces.
pub(in super::super) fn workspaces(rename: &Rename, view: &View<'_>) -> Result<Box<dyn Step>> {
    let names = NewNames::plan(rename, super::WORKSPACE, "--rename-workspace", &there(view)?)?;
    Ok(Box::new(RenameWorkspaces(names)))
}

impl Step for RenameWorkspaces {
    fn looks_at(&self, kind: Kind) -> bool {
        has_workspace(kind)
    }

    fn moves(&self, kind: Kind) -> bool {
        !self.0.is_empty() && stands_by_workspace(kind)
    }

    fn apply(&self, line: &mut EditedLine) -> Result<Fate> {
        let field = if line.kind() == Kind::Workspaces {
            "name"
        } else {
            "workspace"
        };
        if let Some(new) = self.0.of(line.text(field)) {
            line.put(field, new);
        }
        Ok(Fate::Kept)
    }

    fn finish(&self) -> Result<Vec<String>> {
        Ok(self.0.silent.clone())
    }
}

struct Into {
    name: String,
    /// Whether the workspace has a line already.
    is_there: bool,
    /// Whether there is any line of a workspace.
    has_any: bool,
}

/// Puts everything into one workspace.
pub(in super::super) fn into_workspace(into: &IntoWorkspace, view: &View<'_>) -> Result<Box<dyn Step>> {
    let edit = super::INTO_WORKSPACE;
    if into.name.is_empty() {
        return Err(TransformError::because(edit, "a name is empty"));
    }
    for kind in [Kind::Experiments, Kind::RegisteredModels] {
        let mut names = BTreeSet::new();
        view.for_each_head(kind, |head| {
            let name = text(&head.name).to_owned();
            if !names.insert(name.clone()) {
                return Err(TransformError::Taken { edit, name });
            }
            Ok(())
        })?;
    }
    let mut step = Into {
        name: into.name.clone(),
        is_there: false,
        has_any: false,
    };
    view.for_each_head(Kind::Workspaces, |head| {
        step.has_any = true;
        step.is_there |= text(&head.name) == step.name;
        Ok(())
    })?;
    Ok(Box::new(step))
}

impl Step for Into {
    fn looks_at(&self, kind: Kind) -> bool {
        has_workspace(kind)
    }

    fn moves(&self, kind: Kind) -> bool {
        stands_by_workspace(kind)
    }

    fn apply(&self, line: &mut EditedLine) -> Result<Fate> {
        if line.kind() == Kind::Workspaces {
            let is_it = line.text("name") == self.name;
            return Ok(if is_it { Fate::Kept } else { Fate::Dropped });
        }
        if line.text("workspace") != self.name {
            line.put("workspace", &self.name);
        }
        Ok(Fate::Kept)
    }

    fn add(&self, kind: Kind, add: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        if kind == Kind::Workspaces && self.has_any && !self.is_there {
            return add(&canonical(&json!({"name": self.name})));
        }
        Ok(())
    }
}
