//! A few of the objects that a recipe changes, for one who wants to see before anything is made.

use crate::format::{Kind, strict_json};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Examples of a kind.
const EXAMPLES: usize = 3;
/// Fields named of an example.
const FIELDS: usize = 8;
/// Bytes of a line that is compared, since its values take many times that.
const COMPARED_BYTES: usize = 1 << 20;

/// An object that a recipe changes or drops. Values are never shown: they may be what is to be removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Example {
    /// Kind of the object.
    pub kind: Kind,
    /// Its id before.
    pub id: String,
    /// Fields that change; none where the object is dropped, or too long to be compared.
    pub fields: Vec<String>,
    /// Whether it is dropped.
    pub is_dropped: bool,
}

/// The first of each kind.
#[derive(Debug, Default)]
pub(in super::super) struct Examples {
    by_kind: BTreeMap<(Kind, bool), Vec<Example>>,
}

impl Examples {
    pub(super) fn changed(&mut self, kind: Kind, id: &str, before: &[u8], after: &[u8]) {
        let examples = self.by_kind.entry((kind, false)).or_default();
        if examples.len() == EXAMPLES {
            return;
        }
        let mut fields = BTreeSet::new();
        if before.len().max(after.len()) <= COMPARED_BYTES
            && let (Ok(before), Ok(after)) = (strict_json::parse(before), strict_json::parse(after))
        {
            differing("", &before, &after, 0, &mut fields);
        }
        examples.push(Example {
            kind,
            id: id.to_owned(),
            fields: fields.into_iter().take(FIELDS).collect(),
            is_dropped: false,
        });
    }

    pub(super) fn dropped(&mut self, kind: Kind, id: &str) {
        let examples = self.by_kind.entry((kind, true)).or_default();
        if examples.len() < EXAMPLES {
            examples.push(Example {
                kind,
                id: id.to_owned(),
                fields: Vec::new(),
                is_dropped: true,
            });
        }
    }

    /// All of them, by kind.
    pub(in super::super) fn into_list(self) -> Vec<Example> {
        self.by_kind.into_values().flatten().collect()
    }
}

/// The paths of fields that differ, down to the keys of maps.
fn differing(path: &str, before: &Value, after: &Value, depth: usize, fields: &mut BTreeSet<String>) {
    match (before, after) {
        _ if before == after => {}
        (Value::Object(old), Value::Object(new)) if depth < 2 => {
            for key in old.keys().chain(new.keys()) {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                let [old, new] = [old, new].map(|map| map.get(key).unwrap_or(&Value::Null));
                differing(&path, old, new, depth + 1, fields);
            }
        }
        _ => {
            fields.insert(path.to_owned());
        }
    }
}
