//! A choice by kind and by workspace, of whatever else is chosen.

use super::Select;
use crate::flow::transform::error::Result;
use crate::flow::transform::sought;
use crate::flow::transform::step::EditedLine;
use crate::flow::transform::view::View;
use crate::format::Kind;
use crate::model::DEFAULT_WORKSPACE;
use crate::select::Patterns;
use serde_json::Value;
use std::collections::HashSet;

/// See the module.
pub(super) struct Only {
    /// Kinds, all where empty.
    kinds: Vec<Kind>,
    within: Option<Within>,
}

/// Workspaces that are chosen, and what is in them.
struct Within {
    workspaces: Patterns,
    experiments: HashSet<String>,
}

fn workspace_of(line: &Value) -> &str {
    line["workspace"].as_str().unwrap_or(DEFAULT_WORKSPACE)
}

impl Only {
    /// Works out what is in the workspaces; options that match none are added to `silent`.
    pub(super) fn of(
        select: &Select,
        edit: &'static str,
        view: &View<'_>,
        silent: &mut Vec<String>,
    ) -> Result<Option<Self>> {
        if select.kinds.is_empty() && select.workspaces.is_empty() {
            return Ok(None);
        }
        let kinds = select.kinds.clone();
        if select.workspaces.is_empty() {
            return Ok(Some(Only { kinds, within: None }));
        }
        let workspaces = sought::names(edit, &select.workspaces)?;
        let (mut experiments, mut names) = (HashSet::new(), HashSet::new());
        view.for_each_placed(Kind::Experiments, |_, line| {
            let workspace = workspace_of(&line);
            if workspaces.matches(workspace) {
                experiments.insert(line["experiment_id"].as_str().unwrap_or_default().to_owned());
            }
            names.insert(workspace.to_owned());
            Ok(())
        })?;
        view.for_each_placed(Kind::RegisteredModels, |_, line| {
            names.insert(workspace_of(&line).to_owned());
            Ok(())
        })?;
        for text in &select.workspaces {
            let asked = sought::names(edit, std::slice::from_ref(text))?;
            if !names.iter().any(|name| asked.matches(name)) {
                silent.push(format!("--only workspace={text}"));
            }
        }
        let within = Some(Within {
            workspaces,
            experiments,
        });
        Ok(Some(Only { kinds, within }))
    }

    /// Whether a line is of a kind and in a workspace that are chosen.
    pub(super) fn takes(&self, line: &mut EditedLine) -> bool {
        if !self.takes_kind(line.kind()) || !self.within.as_ref().is_none_or(|within| within.has(line)) {
            return false;
        }
        if line.kind() == Kind::RegisteredModels && !self.takes_kind(Kind::ModelVersions) {
            // An alias of what does not come.
            line.rewrite(|line| {
                let aliases = line.get_mut("aliases").and_then(Value::as_object_mut);
                let aliases = aliases.filter(|aliases| !aliases.is_empty());
                aliases.map(|aliases| aliases.clear()).is_some()
            });
        }
        true
    }

    fn takes_kind(&self, kind: Kind) -> bool {
        let has = |kind| self.kinds.contains(&kind);
        self.kinds.is_empty()
            || has(kind)
            || match kind {
                Kind::Workspaces | Kind::Experiments => true,
                Kind::Datasets => has(Kind::Runs),
                Kind::RegisteredModels => has(Kind::ModelVersions),
                _ => false,
            }
    }
}

impl Within {
    fn has(&self, line: &EditedLine) -> bool {
        match line.kind() {
            Kind::Workspaces => self.workspaces.matches(line.text("name")),
            Kind::Runs => {
                let id = line.value()["info"]["experiment_id"].as_str();
                self.experiments.contains(id.unwrap_or_default())
            }
            kind if kind.has_field("experiment_id") => self.experiments.contains(line.text("experiment_id")),
            _ => self.workspaces.matches(workspace_of(line.value())),
        }
    }
}
