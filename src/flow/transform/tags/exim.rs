//! The exported dict that some objects carry as a text: where something is removed from an object, it may not survive there.

use crate::flow::transform::step::EditedLine;
use crate::format::layout::STRING_BYTES;
use serde_json::Value;

/// Removes the text where it has a key, or a tag, that `is_erased` names; or at all where `is_changed`. Text that is not JSON is taken to
/// have it, and so is text that no line holds: parsed, it would take a multiple of its length.
pub(in super::super) fn drop_exim_of(
    line: &mut EditedLine,
    is_changed: bool,
    is_erased: impl Fn(&str) -> bool,
) {
    let Some(text) = line.value().get("exim").and_then(Value::as_str) else {
        return;
    };
    let has_key = || {
        let dict = serde_json::from_str::<Value>(text);
        dict.map_or(true, |dict| names(&dict, &is_erased))
    };
    if is_changed || text.len() > STRING_BYTES || has_key() {
        line.rewrite(|line| {
            line.as_object_mut()
                .is_some_and(|line| line.remove("exim").is_some())
        });
    }
}

/// Whether a dict has such a key, or such a tag in a list of `{key, value}`.
fn names(value: &Value, is_erased: &impl Fn(&str) -> bool) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| names(item, is_erased)),
        Value::Object(map) => {
            let is_tag = map.get("key").and_then(Value::as_str).is_some_and(is_erased);
            is_tag
                || map
                    .iter()
                    .any(|(key, item)| is_erased(key) || names(item, is_erased))
        }
        _ => false,
    }
}
