//! Tags and params that are set, unset or renamed: what they were can be undone.

use super::kind::kinds_of;
use super::{RenameText, SetText, TagKind, UnsetText};
use crate::flow::transform::error::{Result, TransformError};
use crate::flow::transform::step::{EditedLine, Fate, Step};
use crate::format::Kind;
use crate::format::layout::STRING_BYTES;
use serde_json::{Map, Value};
use std::sync::atomic::{AtomicBool, Ordering};

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
        true => Err(TransformError::Edit {
            edit,
            reason: "a key is empty".to_owned(),
        }),
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
    fn kinds(&self) -> &[Kind] {
        &self.kinds
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
    key: String,
    found: AtomicBool,
    edit: &'static str,
}

/// A text that each object loses.
pub(in super::super) fn unset(edit: &'static str, unset: &UnsetText, texts: Texts) -> Result<Box<dyn Step>> {
    refuse_empty(edit, &[&unset.key])?;
    Ok(Box::new(Unset {
        kinds: texts.kinds(Some(unset.kind.unwrap_or(TagKind::Run))),
        texts,
        key: unset.key.clone(),
        found: AtomicBool::new(false),
        edit,
    }))
}

impl Step for Unset {
    fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    fn apply(&self, line: &mut EditedLine) -> Result<Fate> {
        if self.texts.remove(line, &self.key).is_some() {
            self.found.store(true, Ordering::Relaxed);
        }
        Ok(Fate::Kept)
    }

    fn finish(&self) -> Result<Vec<String>> {
        Ok(told_if(!self.found.load(Ordering::Relaxed), self.edit, &self.key))
    }
}

/// An option that matched nothing, as it is told.
pub(super) fn told_if(is_silent: bool, edit: &str, key: &str) -> Vec<String> {
    is_silent
        .then(|| format!("--{edit} `{key}`"))
        .into_iter()
        .collect()
}

struct Rename {
    kinds: Vec<Kind>,
    texts: Texts,
    edit: &'static str,
    rename: RenameText,
    found: AtomicBool,
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
        edit,
        rename: rename.clone(),
        found: AtomicBool::new(false),
    }))
}

impl Step for Rename {
    fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    fn apply(&self, line: &mut EditedLine) -> Result<Fate> {
        let RenameText { old, new, .. } = &self.rename;
        let has = |key: &str| self.texts.of(line).is_some_and(|texts| texts.contains_key(key));
        if !has(old) {
            return Ok(Fate::Kept);
        }
        self.found.store(true, Ordering::Relaxed);
        if old != new && has(new) {
            let reason = format!("{} `{}` already has `{new}`", line.kind().singular(), line.id());
            return Err(TransformError::Edit {
                edit: self.edit,
                reason,
            });
        }
        if let Some(value) = self.texts.remove(line, old) {
            self.texts.set(line, new, value);
        }
        Ok(Fate::Kept)
    }

    fn finish(&self) -> Result<Vec<String>> {
        let is_silent = !self.found.load(Ordering::Relaxed);
        Ok(told_if(is_silent, self.edit, &self.rename.old))
    }
}
