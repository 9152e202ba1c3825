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

fn refuse_empty(edit: &'static str, keys: &[&str]) -> Result<()> {
    match keys.iter().any(|key| key.is_empty()) {
        true => Err(TransformError::because(edit, "a key is empty")),
        false => Ok(()),
    }
}

struct Set {
    kinds: Vec<Kind>,
    texts: Texts,
    set: SetText,
}

/// A text that each object gets.
pub(in super::super) fn set(edit: &'static str, set: &SetText, texts: Texts) -> Result<Box<dyn Step>> {
    refuse_empty(edit, &[&set.key])?;
    let kinds = texts.kinds(Some(set.kind.unwrap_or(TagKind::Run)));
    let set = set.clone();
    Ok(Box::new(Set { kinds, texts, set }))
}

impl Step for Set {
    fn looks_at(&self, kind: Kind) -> bool {
        self.kinds.contains(&kind)
    }

    /// To tell whether a long value is the same already.
    fn reads_text(&self, kind: Kind, path: &[&str], _: &Value) -> bool {
        let is_long = self.set.value.len() > STRING_BYTES;
        is_long && self.kinds.contains(&kind) && path == [self.texts.field(), self.set.key.as_str()]
    }

    fn apply(&self, line: &mut EditedLine) -> Result<Fate> {
        self.texts.set(line, &self.set.key, self.set.value.clone().into());
        Ok(Fate::Kept)
    }
}

struct Unset {
    kinds: Vec<Kind>,
    texts: Texts,
    key: Sought,
}

/// A text that each object loses.
pub(in super::super) fn unset(edit: &'static str, unset: &UnsetText, texts: Texts) -> Result<Box<dyn Step>> {
    refuse_empty(edit, &[&unset.key])?;
    Ok(Box::new(Unset {
        kinds: texts.kinds(Some(unset.kind.unwrap_or(TagKind::Run))),
        texts,
        key: Sought::new(edit, &unset.key),
    }))
}

impl Step for Unset {
    fn looks_at(&self, kind: Kind) -> bool {
        self.kinds.contains(&kind)
    }

    fn apply(&self, line: &mut EditedLine) -> Result<Fate> {
        let old = self.texts.remove(line, &self.key.text);
        self.key.see(old.is_some());
        Ok(Fate::Kept)
    }

    fn finish(&self) -> Result<Vec<String>> {
        Ok(self.key.silent())
    }
}

struct Rename {
    kinds: Vec<Kind>,
    texts: Texts,
    old: Sought,
    new: String,
}

/// A key that becomes another.
pub(in super::super) fn rename(
    edit: &'static str,
    rename: &RenameText,
    texts: Texts,
) -> Result<Box<dyn Step>> {
    refuse_empty(edit, &[&rename.old, &rename.new])?;
    Ok(Box::new(Rename {
        kinds: texts.kinds(rename.kind),
        texts,
        old: Sought::new(edit, &rename.old),
        new: rename.new.clone(),
    }))
}

impl Step for Rename {
    fn looks_at(&self, kind: Kind) -> bool {
        self.kinds.contains(&kind)
    }

    fn apply(&self, line: &mut EditedLine) -> Result<Fate> {
        let (old, new) = (&self.old.text, &self.new);
        let has = |key: &str| self.texts.of(line).is_some_and(|texts| texts.contains_key(key));
        if !self.old.see(has(old)) {
            return Ok(Fate::Kept);
        }
        if old != new && has(new) {
            let reason = format!("{} `{}` already has `{new}`", line.kind().singular(), line.id());
            return Err(TransformError::because(self.old.edit, reason));
        }
        if let Some(value) = self.texts.remove(line, old) {
            self.texts.set(line, new, value);
        }
        Ok(Fate::Kept)
    }

    fn finish(&self) -> Result<Vec<String>> {
        Ok(self.old.silent())
    }
}
