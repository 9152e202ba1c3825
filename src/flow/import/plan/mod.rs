//! The plan: what an import would do, as a value; printed by a dry run, carried out by `apply`.

mod build;
mod chosen;
pub(crate) mod limits;
mod name_conflicts;
mod named_objects;
mod registry;
#[cfg(test)]
mod tests;
mod traces;
mod version_files;
mod version_order;

pub(crate) use chosen::Chosen;
pub(crate) use named_objects::Named;
pub(crate) use version_order::VersionOrder;

use crate::flow::import::deviations::{Deviation, Deviations, Limit};
use crate::flow::import::origins::TargetOrigins;
use crate::format::{Kind, Reason};
use crate::lang::rest::api::TargetId;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};

/// What happens to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It is made.
    Create,
    /// An earlier import made it; what is missing of it is added.
    Reuse,
    /// It is merged into the existing object of that name.
    Merge,
    /// The choice leaves it out.
    Skip,
    /// Its name is taken, and no option says what to do.
    Conflict,
    /// An earlier import found that the target does not take it.
    Refuse,
}

/// An experiment and what happens to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PlannedExperiment {
    /// Id in the archive.
    pub id: String,
    /// Name in the archive.
    pub name: String,
    /// Name in the target.
    pub target_name: String,
    /// What happens.
    pub action: Action,
    /// Id in the target, where it is there.
    pub target_id: Option<TargetId>,
    /// Whether it is deleted in the archive, and may be in the target.
    pub delete: bool,
}

/// A registered model or prompt and what happens to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PlannedModel {
    /// Name in the archive.
    pub name: String,
    /// Name in the target.
    pub target_name: String,
    /// What happens.
    pub action: Action,
    /// Whether it is a prompt.
    pub is_prompt: bool,
}

/// Objects of a kind, counted by what happens to them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Tally {
    /// To be made.
    pub create: u64,
    /// Made by an earlier import.
    pub reuse: u64,
    /// Merged into the existing object.
    pub merge: u64,
    /// Left out by choice.
    pub skip: u64,
    /// In conflict.
    pub conflict: u64,
    /// Not taken by the target.
    pub refuse: u64,
}

impl Tally {
    /// Counts one.
    pub fn add(&mut self, action: Action) {
        *match action {
            Action::Create => &mut self.create,
            Action::Reuse => &mut self.reuse,
            Action::Merge => &mut self.merge,
            Action::Skip => &mut self.skip,
            Action::Conflict => &mut self.conflict,
            Action::Refuse => &mut self.refuse,
        } += 1;
    }
}

/// One object in a plan that names each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Item {
    /// Kind.
    pub kind: Kind,
    /// Id in the archive.
    pub id: String,
    /// What happens.
    pub action: Action,
    /// Id in the target, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_id: Option<TargetId>,
    /// Name, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// What an import would do.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// URL of the target.
    pub target: String,
    /// Its version.
    pub target_version: Option<String>,
    /// Origins of the objects, as marks say them.
    pub origins: TargetOrigins,
    /// The workspace of the archive, where it knows workspaces.
    pub workspace: Option<String>,
    /// Every experiment that is chosen.
    pub experiments: Vec<PlannedExperiment>,
    /// Every registered model that is chosen.
    pub models: Vec<PlannedModel>,
    /// Objects by kind.
    pub tallies: BTreeMap<Kind, Tally>,
    /// What does not arrive as it is.
    pub changes: Deviations,
    /// What did not arrive as it is of objects that an earlier import brought.
    pub noted: Deviations,
    /// Objects in conflict; all objects where that was asked.
    pub items: Vec<Item>,
    /// Runs that are parents of others.
    pub parents: HashSet<String>,
    /// Which objects are chosen.
    pub chosen: Chosen,
    /// Those with names, as the archive has them.
    pub named: Named,
    /// How options differ from those of the last import of this origin.
    pub changed_options: Vec<String>,
    /// The order in which versions come.
    pub order: VersionOrder,
}

/// A plan as `import --dry-run --json` prints it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PlanDocument<'a> {
    /// URL of the target.
    target: &'a str,
    /// Its version.
    target_version: Option<&'a str>,
    /// Origin of the objects.
    origin: &'a str,
    /// The workspace of the archive.
    workspace: Option<&'a str>,
    /// Every experiment that is chosen.
    experiments: &'a [PlannedExperiment],
    /// Every registered model that is chosen.
    models: &'a [PlannedModel],
    /// Objects by kind.
    kinds: BTreeMap<&'a str, Tally>,
    /// What does not arrive as it is, counted.
    limits: Vec<Limit>,
    /// What does not arrive as it is, named up to a bound.
    limited: &'a [Deviation],
    /// Objects in conflict; all objects with `--objects`.
    objects: &'a [Item],
    /// Options that are not those of the last import of this origin, a sentence each.
    changed_options: &'a [String],
}

impl Plan {
    /// Names in conflict.
    pub fn conflicts(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| item.action == Action::Conflict)
    }

    /// The experiment of an id in the archive.
    pub fn experiment(&self, id: &str) -> Option<&PlannedExperiment> {
        self.experiments.iter().find(|experiment| experiment.id == id)
    }

    /// All that does not arrive as it is, or did not.
    pub fn limits(&self) -> Deviations {
        let mut limits = self.changes.clone();
        limits.merge(self.noted.clone());
        limits
    }

    /// Objects that would be made.
    pub fn to_create(&self) -> u64 {
        self.tallies.values().map(|tally| tally.create).sum()
    }

    /// The plan as JSON.
    pub fn to_json(&self) -> Value {
        let limits = self.limits();
        let tallies = self.tallies.iter();
        let document = PlanDocument {
            target: &self.target,
            target_version: self.target_version.as_deref(),
            origin: self.origins.name(),
            workspace: self.workspace.as_deref(),
            experiments: &self.experiments,
            models: &self.models,
            kinds: tallies.map(|(kind, tally)| (kind.name(), *tally)).collect(),
            limits: limits.limits(),
            limited: limits.named(),
            objects: &self.items,
            changed_options: &self.changed_options,
        };
        serde_json::to_value(document).expect("names of kinds are texts")
    }

    /// What does not arrive as it is, or did not, for people.
    pub fn limits_text(&self) -> String {
        let limits = self.limits();
        limits_text(&limits)
    }

    /// The plan for people.
    pub fn to_text(&self) -> String {
        let version = self.target_version.as_deref().unwrap_or("of unknown version");
        let mut text = format!("plan for {} (MLflow {version})\n", self.target);
        for (kind, tally) in &self.tallies {
            let words = [
                ("create", tally.create),
                ("reuse", tally.reuse),
                ("merge", tally.merge),
                ("skip", tally.skip),
                ("conflict", tally.conflict),
                ("refuse", tally.refuse),
            ];
            let words: Vec<_> = words
                .iter()
                .filter(|(_, count)| *count > 0)
                .map(|(word, count)| format!("{word} {count}"))
                .collect();
            text.push_str(&format!("  {:<20} {}\n", kind.name(), words.join(", ")));
        }
        text.push_str(&self.limits_text());
        for item in &self.items {
            let action = serde_json::to_value(item.action).unwrap_or_default();
            let name: String = item.name.iter().map(|name| format!(" `{name}`")).collect();
            let target: String = item.target_id.iter().map(|id| format!(" -> {id}")).collect();
            let action = action.as_str().unwrap_or_default();
            text.push_str(&format!(
                "  {action:<8} {} {}{name}{target}\n",
                item.kind, item.id
            ));
        }
        text
    }
}

/// Examples named per report, the rest being in its JSON form.
const EXAMPLES: usize = 10;

/// Limits as lines for people.
pub(crate) fn limits_text(changes: &Deviations) -> String {
    let mut text = String::new();
    for count in changes.limits() {
        let outcome = serde_json::to_value(count.outcome).unwrap_or_default();
        text.push_str(&format!(
            "limit: {} {}: {} ({})\n",
            count.count,
            count.kind,
            count.reason,
            outcome.as_str().unwrap_or_default().replace('-', " ")
        ));
        let examples = changes.named().iter().filter(|change| {
            (change.kind.name(), &change.reason, change.outcome)
                == (&*count.kind, &count.reason, count.outcome)
        });
        // Of versions that are missing each is named.
        let shown = if count.reason.known().is_some_and(Reason::is_about_source) {
            usize::MAX
        } else {
            EXAMPLES
        };
        for change in examples.take(shown) {
            text.push_str(&format!("  {} {}\n", change.id, change.field));
        }
    }
    text
}
