//! Kinds whose lines are objects with a place of their own.

use super::merge::{Merged, Parser, Side};
use super::value::{self, ValueChange};
use super::{Difference, Pair, WHOLE};
use crate::archive::walk::{Cursor, Head};
use crate::archive::{ArchiveError, Result as ArchiveResult};
use crate::format::{Kind, SortKey, strict_json};
use crate::model::DEFAULT_WORKSPACE;
use serde_json::Value;
use std::cmp::Ordering;
use std::collections::VecDeque;

/// An object whose line was not the same on both sides.
pub(super) struct Object {
    key: SortKey,
    id: String,
    value: Value,
}

struct ObjectParser {
    kind: Kind,
    last: Option<SortKey>,
    /// Objects without a workspace are taken for those of `default`: they come from before MLflow 3.10, or by a door that does not
    /// show workspaces, and MLflow's upgrade puts them there.
    has_workspaces: Option<bool>,
}

impl ObjectParser {
    /// Where an object is among those of the other side.
    fn place(&mut self, head: &mut Head) -> SortKey {
        if matches!(self.kind, Kind::RegisteredModels | Kind::ModelVersions) {
            // Those without one come first, and no source has both.
            let has_workspaces = *self.has_workspaces.get_or_insert(!head.workspace.is_null());
            if !has_workspaces && head.workspace.is_null() {
                head.workspace = DEFAULT_WORKSPACE.into();
            }
        }
        head.sort_key(self.kind)
    }
}

impl Parser for ObjectParser {
    type Item = Object;

    fn parse(&mut self, cursor: &Cursor<'_>, items: &mut VecDeque<Object>) -> ArchiveResult<()> {
        let mut head = cursor.head(self.kind)?;
        let key = head.sort_key(self.kind);
        if self.last.as_ref().is_some_and(|last| *last >= key) {
            return Err(cursor.damaged("it is out of order"));
        }
        self.last = Some(key);
        items.push_back(Object {
            key: self.place(&mut head),
            id: head.id(self.kind),
            value: cursor.value()?,
        });
        Ok(())
    }

    fn order(first: &Object, second: &Object) -> Ordering {
        first.key.cmp(&second.key)
    }
}

impl<E: From<ArchiveError>> Pair<'_, E> {
    pub(super) fn compare_objects(&mut self, kind: Kind) -> Result<(), E> {
        let parser = || ObjectParser {
            kind,
            last: None,
            has_workspaces: None,
        };
        let before = Side::new(self.before, kind, parser())?;
        let after = Side::new(self.after, kind, parser())?;
        self.merge(before, after, |pair, merged, _| match merged {
            Merged::Before(object) => pair.tell_whole(kind, object.id, Some(object.value), None),
            Merged::After(object) => pair.tell_whole(kind, object.id, None, Some(object.value)),
            Merged::Both(first, second) => pair.tell_values(kind, &first.id, &first.value, &second.value),
        })
    }

    pub(super) fn tell_whole(
        &mut self,
        kind: Kind,
        id: String,
        before: Option<Value>,
        after: Option<Value>,
    ) -> Result<(), E> {
        let difference = Difference::new(kind.name(), id, Vec::new(), before, after);
        self.tell(&[&[WHOLE]], difference)
    }

    /// Tells of each key in which two lines of one object differ.
    pub(super) fn tell_values(
        &mut self,
        kind: Kind,
        id: &str,
        before: &Value,
        after: &Value,
    ) -> Result<(), E> {
        for change in value::changes(before, after) {
            let ValueChange { key, before, after } = change;
            let difference = Difference::new(kind.name(), id, key.clone(), before, after);
            self.tell(&[&value::field(&key)], difference)?;
        }
        Ok(())
    }
}

/// Whether a line passed over as equal satisfies a test; damage in it shows up elsewhere.
pub(super) fn equal_line(line: &[u8], test: impl FnOnce(&Value) -> bool) -> bool {
    !line.is_empty() && strict_json::parse(line).is_ok_and(|value| test(&value))
}
