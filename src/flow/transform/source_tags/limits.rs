//! Source tags that a server would refuse or cut, said before a replay finds out.

use crate::format::Kind;
use crate::model::Text;

/// Longest tag key, in every MLflow server.
const KEY_CHARS: usize = 250;

/// Longest tag value, in characters, by the newest server (3.18).
fn value_chars(kind: Kind) -> usize {
    match kind {
        Kind::Runs => 8_000,
        Kind::Experiments => 20_000,
        _ => 100_000,
    }
}

/// One text per kind of excess among the tags of an object.
pub(super) fn exceeded(kind: Kind, tags: &[(String, Text)]) -> Vec<String> {
    // Bytes bound characters, so that counting is needed for long tags only.
    let longer = |text: &str, limit: usize| text.len() > limit && text.chars().count() > limit;
    let mut notices = Vec::new();
    if tags.iter().any(|(key, _)| longer(key, KEY_CHARS)) {
        notices.push(format!(
            "{kind}: a source tag's key exceeds the {KEY_CHARS} characters that servers take"
        ));
    }
    let limit = value_chars(kind);
    // What stands as a blob has more than 1 MiB, and so more characters than any limit.
    let is_long = |value: &Text| value.as_str().is_none_or(|text| longer(text, limit));
    if tags.iter().any(|(_, value)| is_long(value)) {
        notices.push(format!(
            "{kind}: a source tag's value exceeds the {limit} characters that servers take"
        ));
    }
    notices
}
