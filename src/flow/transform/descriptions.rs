//! Descriptions: a field of registered models, their versions and workspaces, and the tag `mlflow.note.content` of experiments, runs
//! and logged models, as MLflow's UI shows them.

use super::error::{Result, TransformError};
use super::sought::{self, Sought};
use super::step::{EditedLine, Fate, Step};
use super::tags::{MASK, drop_exim_of, split_kind};
use crate::archive::walk::text;
use crate::format::Kind;
use crate::format::layout::STRING_BYTES;
use crate::lang::exim::tags::rules::{PREFIX_FIELD, PREFIX_MLFLOW_TAG};
use crate::model::printable::printable;
use crate::select::{Patterns, is_glob};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The field that holds a description.
const FIELD: &str = "description";
/// The tag that holds one, where there is no field.
const TAG: &str = "mlflow.note.content";

/// A kind of object that has a description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DescribedKind {
    /// Workspaces, by name.
    Workspace,
    /// Experiments, by name or id.
    Experiment,
    /// Runs, by name or id.
    Run,
    /// Logged models, by name or id.
    LoggedModel,
    /// Registered models and prompts, by name.
    Model,
    /// Their versions, by `name/number`.
    Version,
}

impl DescribedKind {
    /// Every one, with its name and the kind of its lines.
    const ALL: [(DescribedKind, &'static str, Kind); 6] = [
        (DescribedKind::Workspace, "workspace", Kind::Workspaces),
        (DescribedKind::Experiment, "experiment", Kind::Experiments),
        (DescribedKind::Run, "run", Kind::Runs),
        (DescribedKind::LoggedModel, "logged-model", Kind::LoggedModels),
        (DescribedKind::Model, "model", Kind::RegisteredModels),
        (DescribedKind::Version, "version", Kind::ModelVersions),
    ];

    /// Parts `KIND:NAME`; a text that begins with no kind is a name alone.
    pub fn split(text: &str) -> (Option<Self>, &str) {
        split_kind(&Self::ALL, text)
    }
}

/// A description that objects get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetDescription {
    /// Which objects; all that have a description where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<DescribedKind>,
    /// A glob of their names, in which `*` stands for any text.
    pub name: String,
    /// The new description.
    pub description: String,
}

/// Objects whose description goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Described {
    /// Which objects; all that have a description where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<DescribedKind>,
    /// A glob of their names, in which `*` stands for any text.
    pub name: String,
}

/// What becomes of descriptions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    Set(String),
    Unset,
    Drop,
    Mask,
}

impl Change {
    /// Whether what was there may not survive, in copies neither.
    fn erases(&self) -> bool {
        matches!(self, Change::Drop | Change::Mask)
    }
}

struct Descriptions {
    sought: Sought,
    kinds: Vec<Kind>,
    names: Patterns,
    change: Change,
}

/// Descriptions that are set.
pub(super) fn set(edit: &'static str, set: &SetDescription) -> Result<Box<dyn Step>> {
    descriptions(edit, set.kind, &set.name, Change::Set(set.description.clone()))
}

/// Descriptions that are removed or masked.
pub(super) fn change(edit: &'static str, of: &Described, change: Change) -> Result<Box<dyn Step>> {
    descriptions(edit, of.kind, &of.name, change)
}

fn descriptions(
    edit: &'static str,
    kind: Option<DescribedKind>,
    name: &str,
    change: Change,
) -> Result<Box<dyn Step>> {
    let all = DescribedKind::ALL.iter();
    let kinds = all.filter(|(one, ..)| kind.is_none_or(|kind| kind == *one));
    Ok(Box::new(Descriptions {
        sought: Sought::new(edit, name),
        kinds: kinds.map(|(.., kind)| *kind).collect(),
        names: sought::names(edit, &[name.to_owned()])?,
        change,
    }))
}

fn has_field(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Workspaces | Kind::RegisteredModels | Kind::ModelVersions
    )
}

impl Descriptions {
    fn is_meant(&self, line: &EditedLine) -> bool {
        let value = line.value();
        let name = match line.kind() {
            Kind::Runs => &value["info"]["run_name"],
            Kind::ModelVersions => &Value::Null,
            _ => &value["name"],
        };
        let is_meant = self.names.matches(&line.id()) || self.names.matches(text(name));
        self.sought.see(is_meant)
    }

    fn change_field(&self, line: &mut EditedLine) -> bool {
        line.rewrite(|line| {
            let old = line.get(FIELD).filter(|old| !old.is_null());
            let new = match (&self.change, old) {
                (Change::Set(text), _) => text.as_str(),
                (Change::Mask, Some(_)) => MASK,
                (_, None) => return false,
                (Change::Unset | Change::Drop, Some(_)) => {
                    return line
                        .as_object_mut()
                        .is_some_and(|line| line.remove(FIELD).is_some());
                }
            };
            let is_other = old.is_none_or(|old| old != new);
            if is_other {
                line[FIELD] = new.into();
            }
            is_other
        })
    }

    fn change_tag(&self, line: &mut EditedLine, key: &str) -> bool {
        let old = line.tags().and_then(|tags| tags.get(key));
        match (&self.change, old) {
            (Change::Set(text), _) => {
                let is_other = old.is_none_or(|old| old != text.as_str());
                line.set_tag(key, text.as_str().into());
                is_other
            }
            (_, None) => false,
            (Change::Mask, Some(old)) => {
                let is_other = *old != MASK;
                line.set_tag(key, MASK.into());
                is_other
            }
            (Change::Unset | Change::Drop, Some(_)) => line.remove_tag(key).is_some(),
        }
    }

    /// Copies that source tags made of it.
    fn erase_copies(&self, line: &mut EditedLine) -> bool {
        let note = TAG.trim_start_matches("mlflow.");
        let copies = [
            format!("{PREFIX_FIELD}{FIELD}"),
            format!("{PREFIX_MLFLOW_TAG}{note}"),
        ];
        let mut is_changed = false;
        for key in copies.iter().map(String::as_str).chain([TAG]) {
            is_changed |= self.change_tag(line, key);
        }
        is_changed
    }
}

impl Step for Descriptions {
    fn looks_at(&self, kind: Kind) -> bool {
        self.kinds.contains(&kind)
    }

    /// Long names are to be matched; a long text is read only to tell whether it is the same already.
    fn reads_text(&self, kind: Kind, path: &[&str], _: &Value) -> bool {
        let is_long = matches!(&self.change, Change::Set(text) if text.len() > STRING_BYTES);
        self.kinds.contains(&kind) && (path == ["info", "run_name"] || path == ["tags", TAG] && is_long)
    }

    fn redacts(&self) -> bool {
        self.change.erases()
    }

    fn apply(&self, line: &mut EditedLine) -> Result<Fate> {
        if !self.is_meant(line) {
            return Ok(Fate::Kept);
        }
        let mut is_changed = match has_field(line.kind()) {
            true => self.change_field(line),
            false => self.change_tag(line, TAG),
        };
        if self.change.erases() {
            is_changed |= self.erase_copies(line);
            drop_exim_of(line, is_changed, |key| key == FIELD || key == TAG);
        }
        Ok(Fate::Kept)
    }

    fn finish(&self) -> Result<Vec<String>> {
        let name = &self.sought.text;
        if self.sought.is_found() || is_glob(name) {
            return Ok(self.sought.silent());
        }
        let reason = format!(
            "no object that can have a description is named `{}`",
            printable(name)
        );
        Err(TransformError::because(self.sought.edit, reason))
    }
}
