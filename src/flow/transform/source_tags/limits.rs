//! Source tags that a server would refuse or cut, said before a replay finds out.

use crate::format::Kind;

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
pub(super) fn exceeded(kind: Kind, tags: &[(String, String)]) -> Vec<String> {
    // Bytes bound characters, so that counting is needed for long tags only.
    let longer = |text: &str, limit: usize| text.len() > limit && text.chars().count() > limit;
    let mut notices = Vec::new();
    if tags.iter().any(|(key, _)| longer(key, KEY_CHARS)) {
        notices.push(format!(
            "{kind}: a source tag's key exceeds the {KEY_CHARS} characters that servers take"
        ));
    }
    let limit = value_chars(kind);
    if tags.iter().any(|(_, value)| longer(value, limit)) {
        notices.push(format!(
            "{kind}: a source tag's value exceeds the {limit} characters that servers take"
        ));
    }
    notices
}
