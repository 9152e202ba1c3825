//! What an edit does once it knows its archive: line by line, on several threads.

use super::engine::Identity;
use super::error::Result;
use crate::archive::Archive;
use crate::archive::walk::Head;
use crate::format::line::canonical;
use crate::format::{Kind, UndoLine, strict_json};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// What becomes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Kept,
    /// It goes, with all that belongs to it.
    Dropped,
}

/// An edit that knows the archive it is carried out on.
///
/// Lines come to it in the order of kinds, those of one kind on several threads at once; what it learns of one kind it may use for
/// later ones.
pub(super) trait Step: Send + Sync {
    /// Whether it looks at lines of a kind.
    fn looks_at(&self, kind: Kind) -> bool;

    /// Whether it may give lines of a kind another place, or add some.
    fn moves(&self, _kind: Kind) -> bool {
        false
    }

    /// Whether it must see a text that stands as a blob.
    fn reads_text(&self, _kind: Kind, _path: &[&str], _text: &Value) -> bool {
        false
    }

    /// For a line that it knows by its text, and whose place another takes that it adds (or none does): what that one is. What belongs
    /// to the line stays.
    fn replaces(&self, _kind: Kind, _line: &[u8]) -> Result<Option<Option<Identity>>> {
        Ok(None)
    }

    /// What becomes of a line of which the place alone tells that, and which it never changes; none where it must look at the line.
    fn judges(&self, _kind: Kind, _place: u64) -> Option<Fate> {
        None
    }

    /// Changes a line, or drops it.
    fn apply(&self, line: &mut EditedLine) -> Result<Fate>;

    /// Adds lines to a kind, after all that were there.
    fn add(&self, _kind: Kind, _add: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        Ok(())
    }

    /// Whether it takes some objects and drops others: lines of those that the archive lost, of which nothing is known, are dropped.
    fn chooses(&self) -> bool {
        false
    }

    /// Whether texts that objects of its kinds had may not survive, in what failures say of these neither.
    fn redacts(&self) -> bool {
        false
    }

    /// Judges what was found, after everything and before anything is made; options that matched nothing are told.
    fn finish(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}

/// What becomes of a line under edits that judge it by its place; none where one must look at it before that is known.
pub(super) fn judged<'s>(
    mut steps: impl Iterator<Item = &'s Box<dyn Step>>,
    kind: Kind,
    place: u64,
) -> Option<Fate> {
    let not_kept = steps.find_map(|step| match step.judges(kind, place) {
        Some(Fate::Kept) => None,
        other => Some(other),
    });
    not_kept.unwrap_or(Some(Fate::Kept))
}

/// Hands on what edits add to a kind, changed by the edits after its own, with its place after all lines of the archive.
pub(super) fn for_each_added(
    archive: &Archive,
    steps: &[Box<dyn Step>],
    kind: Kind,
    mut take: impl FnMut(u64, Cow<'_, [u8]>) -> Result<()>,
) -> Result<()> {
    let mut places = archive.manifest().count(kind)..;
    for (at, step) in steps.iter().enumerate() {
        let later = || steps[at + 1..].iter().filter(|later| later.looks_at(kind));
        step.add(kind, &mut |line| {
            let place = places.next().unwrap_or(u64::MAX);
            if later().next().is_none() {
                return take(place, line.into());
            }
            let value =
                strict_json::parse(line).map_err(|error| archive.damaged(kind.name(), &error.to_string()))?;
            let mut edited = EditedLine::new(kind, place, value);
            if edited.under(later())? != Fate::Kept {
                return Ok(());
            }
            take(place, canonical(&edited.finish().value).into())
        })?;
    }
    Ok(())
}

/// A line under the hands of edits, which keeps account of what they do.
pub(super) struct EditedLine {
    kind: Kind,
    place: u64,
    value: Value,
    /// Tags that were not there.
    added: BTreeSet<String>,
    /// Tags that had another value, or are gone.
    replaced: BTreeMap<String, Value>,
    /// Whether anything but tags was changed.
    is_rewritten: bool,
    notices: Vec<String>,
}

impl EditedLine {
    /// Goes through edits, until one drops it.
    pub(super) fn under<'s>(&mut self, steps: impl Iterator<Item = &'s Box<dyn Step>>) -> Result<Fate> {
        for step in steps {
            if step.apply(self)? != Fate::Kept {
                return Ok(Fate::Dropped);
            }
        }
        Ok(Fate::Kept)
    }

    /// A line and its place among those of its kind in the archive, from 0.
    pub(super) fn new(kind: Kind, place: u64, value: Value) -> Self {
        EditedLine {
            kind,
            place,
            value,
            added: BTreeSet::new(),
            replaced: BTreeMap::new(),
            is_rewritten: false,
            notices: Vec::new(),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// Its place among the lines of its kind in the archive, whatever edits before did, from 0.
    pub(super) fn place(&self) -> u64 {
        self.place
    }

    /// The line as it is now.
    pub(super) fn value(&self) -> &Value {
        &self.value
    }

    /// The line for someone who gives back what he takes out.
    pub(super) fn borrow_mut(&mut self) -> &mut Value {
        &mut self.value
    }

    /// The object's id.
    pub(super) fn id(&self) -> String {
        Head::of_value(self.kind, &self.value).id(self.kind)
    }

    /// A text field of the line.
    pub(super) fn text(&self, field: &str) -> &str {
        self.value[field].as_str().unwrap_or_default()
    }

    /// Changes the line; `edit` says whether it did.
    pub(super) fn rewrite(&mut self, edit: impl FnOnce(&mut Value) -> bool) -> bool {
        let is_changed = edit(&mut self.value);
        self.is_rewritten |= is_changed;
        is_changed
    }

    /// Changes the fields of the object, which of a run stand apart; `edit` says whether it did.
    pub(super) fn rewrite_fields(&mut self, edit: impl FnOnce(&mut Map<String, Value>) -> bool) -> bool {
        let is_run = self.kind == Kind::Runs;
        self.rewrite(|line| {
            let object = if is_run { line.get_mut("info") } else { Some(line) };
            object.and_then(Value::as_object_mut).is_some_and(edit)
        })
    }

    /// Sets a field of the line itself.
    pub(super) fn put(&mut self, field: &str, new: &str) {
        self.rewrite(|line| {
            line[field] = new.into();
            true
        });
    }

    /// The tags; none where the line has no place for them.
    pub(super) fn tags(&self) -> Option<&Map<String, Value>> {
        self.value.get("tags").and_then(Value::as_object)
    }

    /// The tags as they were before any edit.
    pub(super) fn tags_before(&self) -> impl Iterator<Item = (&String, &Value)> {
        let now = self.tags().into_iter().flatten();
        let is_old = |key: &String| !self.added.contains(key) && !self.replaced.contains_key(key);
        now.filter(move |(key, _)| is_old(key)).chain(&self.replaced)
    }

    /// Sets a tag of a line that has a place for tags.
    pub(super) fn set_tag(&mut self, key: &str, new: Value) {
        let Some(tags) = self.value.get_mut("tags").and_then(Value::as_object_mut) else {
            return;
        };
        match tags.insert(key.to_owned(), new) {
            Some(old) => self.note_old(key, old),
            None if self.replaced.contains_key(key) => {}
            None => {
                self.added.insert(key.to_owned());
            }
        }
    }

    /// Removes a tag.
    pub(super) fn remove_tag(&mut self, key: &str) -> Option<Value> {
        let old = self.value.get_mut("tags")?.as_object_mut()?.remove(key)?;
        if !self.added.remove(key) {
            self.note_old(key, old.clone());
        }
        Some(old)
    }

    fn note_old(&mut self, key: &str, old: Value) {
        if !self.added.contains(key) {
            self.replaced.entry(key.to_owned()).or_insert(old);
        }
    }

    /// Tells a person something.
    pub(super) fn notice(&mut self, notice: String) {
        self.notices.push(notice);
    }

    /// The line after all edits, and what they did.
    pub(super) fn finish(mut self) -> Finished {
        let tags = self.value.get("tags").and_then(Value::as_object);
        let is_back = |key: &String, old: &Value| tags.and_then(|tags| tags.get(key)) == Some(old);
        self.replaced.retain(|key, old| !is_back(key, old));
        let is_there = |key: &&String| tags.is_some_and(|tags| tags.contains_key(*key));
        let replaced = self.replaced.keys().filter(is_there).count() as u64;
        Finished {
            tags_added: self.added.len() as u64,
            tags_replaced: replaced,
            tags_removed: self.replaced.len() as u64 - replaced,
            value: self.value,
            undo: UndoLine {
                added: self.added.into_iter().collect(),
                replaced: self.replaced,
                kind: self.kind.name().to_owned(),
                ..UndoLine::default()
            },
            is_rewritten: self.is_rewritten,
            notices: self.notices,
        }
    }
}

/// What came out of the edits of a line.
pub(super) struct Finished {
    pub(super) value: Value,
    /// How the tags were before.
    pub(super) undo: UndoLine,
    pub(super) is_rewritten: bool,
    pub(super) tags_added: u64,
    pub(super) tags_replaced: u64,
    pub(super) tags_removed: u64,
    pub(super) notices: Vec<String>,
}

impl Finished {
    /// Whether the line is another one than before.
    pub(super) fn is_changed(&self) -> bool {
        self.is_rewritten || self.tags_added + self.tags_replaced + self.tags_removed > 0
    }
}
