//! One line of two objects of several origins that become one: what the first has stays, what only the other has is added.

use crate::format::Kind;
use crate::format::line::canonical;
use serde_json::Value;
use std::collections::BTreeMap;

/// Maps of which each key is told by itself.
const MAPS: [&str; 2] = ["tags", "aliases"];

/// The line of both; `notices` counts what of the second is not in it.
pub(super) fn join(kind: Kind, first: &[u8], second: &[u8], notices: &mut BTreeMap<String, u64>) -> Vec<u8> {
    let read = |line: &[u8]| serde_json::from_slice::<Value>(line).unwrap_or_default();
    let (mut one, other) = (read(first), read(second));
    let mut stays = |field: &str| {
        let text = format!("joined {kind}: {field} keeps the value of the first archive");
        *notices.entry(text).or_default() += 1;
    };
    for (field, theirs) in other.as_object().into_iter().flatten() {
        let Some(mine) = one.get_mut(field) else {
            one[field] = theirs.clone();
            continue;
        };
        if !MAPS.contains(&field.as_str()) {
            if mine != theirs {
                stays(&format!("`{field}`"));
            }
            continue;
        }
        if let (Some(mine), Some(theirs)) = (mine.as_object_mut(), theirs.as_object()) {
            for (key, value) in theirs {
                let known = mine.entry(key).or_insert_with(|| value.clone());
                if known != value {
                    stays(&format!("an entry of `{field}`"));
                }
            }
        }
    }
    canonical(&one)
}
