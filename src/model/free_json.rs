//! JSON that MLflow users wrote (dataset records, span attributes, assessment values), kept whole.
//!
//! The archive marks what plain JSON cannot hold with objects of one key that starts with `$`
//! (`$blob`, `$bytes`, `$int`, `$float`). A key of the user's own that starts with `$` gets one more `$`, so
//! that neither can be taken for the other.

use serde_json::{Map, Value};

/// A user's key as the archive has it.
pub(crate) fn escape_key(key: &str) -> String {
    if key.starts_with('$') {
        format!("${key}")
    } else {
        key.to_owned()
    }
}

/// Reverses [`escape_key`].
pub(crate) fn unescape_key(key: &str) -> &str {
    if key.starts_with("$$") { &key[1..] } else { key }
}

/// Rewrites a user's value for the archive: each key that starts with `$` gets one more.
pub(crate) fn escape(value: Value) -> Value {
    rename_keys(value, &|key| escape_key(&key))
}

fn rename_keys(value: Value, rename: &dyn Fn(String) -> String) -> Value {
    match value {
        Value::Array(items) => {
            Value::Array(items.into_iter().map(|item| rename_keys(item, rename)).collect())
        }
        Value::Object(map) => Value::Object(
            map.into_iter()
                .map(|(key, item)| (rename(key), rename_keys(item, rename)))
                .collect::<Map<_, _>>(),
        ),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_users_own_dollar_keys_come_back() {
        let value = json!({"$blob": {"$$x": [1, {"$": null}]}, "plain": "$blob"});
        let escaped = escape(value.clone());
        assert_eq!(
            escaped,
            json!({"$$blob": {"$$$x": [1, {"$$": null}]}, "plain": "$blob"})
        );
        let unescaped = rename_keys(escaped, &|key| unescape_key(&key).to_owned());
        assert_eq!(unescaped, value);
    }
}
