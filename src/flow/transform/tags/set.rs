//! Tags and params that are set, unset or renamed: what they were can be undone.

use super::kind::kinds_of;
use super::{RenameText, SetText, TagKind, UnsetText};
use crate::flow::transform::error::{Result, TransformError};
use crate::flow::transform::sought::Sought;
use crate::flow::transform::step::{EditedLine, Fate, Step};
use crate::format::Kind;
use crate::format::layout::STRING_BYTES;
use serde_json::{Map, Value};

/// Tags, or params.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Texts {
    Tags,
    Params,
}

impl Texts {
    fn field(self) -> &'static str {
        match self {
            Texts::Tags => "tags",
            Texts::Params => "params",
        }
    }

    /// The kinds that have such texts.
    pub(super) fn kinds(self, kind: Option<TagKind>) -> Vec<Kind> {
        let mut kinds = kinds_of(kind);
        if self == Texts::Params {
            kinds.retain(|kind| matches!(kind, Kind::Runs | Kind::LoggedModels));
        }
        kinds
    }

    pub(super) fn of(self, line: &EditedLine) -> Option<&Map<String, Value>> {
        line.value().get(self.field()).and_then(Value::as_object)
    }

    pub(super) fn set(self, line: &mut EditedLine, key: &str, value: Value) {
        if self == Texts::Tags {
            return line.set_tag(key, value);
        }
        line.rewrite(|line| {
            let texts = line.get_mut(self.field()).and_then(Value::as_object_mut);
            texts.is_some_and(|texts| texts.insert(key.to_owned(), value.clone()) != Some(value))
        });
    }

    pub(super) fn remove(self, line: &mut EditedLine, key: &str) -> Option<Value> {
        if self == Texts::Tags {
            return line.remove_tag(key);
        }
        let mut old = None;
        line.rewrite(|line| {
            let texts = line.get_mut(self.field()).and_then(Value::as_object_mut);
            old = texts.and_then(|texts| texts.remove(key));
            old.is_some()
        });
        old
    }
}

/// What becomes of a text.
enum Change {
    Set(String),
    Unset,
    /// It gets another key.
    Rename(String),
}

struct Edited {
    kinds: Vec<Kind>,
    texts: Texts,
    key: Sought,
    change: Change,
}

/// A text that each object gets.
pub(in super::super) fn set(edit: &'static str, set: &SetText, texts: Texts) -> Result<Box<dyn Step>> {
    let kind = set.kind.unwrap_or(TagKind::Run);
    edited(edit, Some(kind), texts, &set.key, Change::Set(set.value.clone()))
}

/// A text that each object loses.
pub(in super::super) fn unset(edit: &'static str, unset: &UnsetText, texts: Texts) -> Result<Box<dyn Step>> {
    let kind = unset.kind.unwrap_or(TagKind::Run);
    edited(edit, Some(kind), texts, &unset.key, Change::Unset)
}

/// A key that becomes another.
pub(in super::super) fn rename(
    edit: &'static str,
    rename: &RenameText,
    texts: Texts,
) -> Result<Box<dyn Step>> {
    edited(
        edit,
        rename.kind,
        texts,
        &rename.old,
        Change::Rename(rename.new.clone()),
    )
}

fn edited(
    edit: &'static str,
    kind: Option<TagKind>,
    texts: Texts,
    key: &str,
    change: Change,
) -> Result<Box<dyn Step>> {
    if key.is_empty() || matches!(&change, Change::Rename(new) if new.is_empty()) {
        return Err(TransformError::because(edit, "a key is empty"));
    }
    Ok(Box::new(Edited {
        kinds: texts.kinds(kind),
        texts,
        key: Sought::new(edit, key),
        change,
    }))
}

impl Edited {
    fn rename(&self, line: &mut EditedLine, new: &str) -> Result<()> {
        let old = &self.key.text;
        let has = |key: &str| self.texts.of(line).is_some_and(|texts| texts.contains_key(key));
        if !self.key.see(has(old)) {
            return Ok(());
        }
        if old != new && has(new) {
            let reason = format!("{} `{}` already has `{new}`", line.kind().singular(), line.id());
            return Err(TransformError::because(self.key.edit, reason));
        }
        if let Some(value) = self.texts.remove(line, old) {
            self.texts.set(line, new, value);
        }
        Ok(())
    }
}

impl Step for Edited {
    fn looks_at(&self, kind: Kind) -> bool {
        self.kinds.contains(&kind)
    }

    /// To tell whether a long value is the same already.
    fn reads_text(&self, kind: Kind, path: &[&str], _: &Value) -> bool {
        let is_long = matches!(&self.change, Change::Set(value) if value.len() > STRING_BYTES);
        is_long && self.kinds.contains(&kind) && path == [self.texts.field(), self.key.text.as_str()]
    }

    fn apply(&self, line: &mut EditedLine) -> Result<Fate> {
        let key = &self.key.text;
        match &self.change {
            Change::Set(value) => self.texts.set(line, key, value.clone().into()),
            Change::Unset => drop(self.key.see(self.texts.remove(line, key).is_some())),
            Change::Rename(new) => self.rename(line, new)?,
        }
        Ok(Fate::Kept)
    }

    fn finish(&self) -> Result<Vec<String>> {
        match self.change {
            Change::Set(_) => Ok(Vec::new()),
            Change::Unset | Change::Rename(_) => Ok(self.key.silent()),
        }
    }
}
