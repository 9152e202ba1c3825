//! JSON that MLflow users wrote (dataset records, span attributes, assessment values), kept whole.
//!
//! The archive marks what plain JSON cannot hold with objects of one key that starts with `$`
//! (`$blob`, `$bytes`, `$int`, `$float`). A key of the user's own that starts with `$` gets one more `$`, so
//! that neither can be taken for the other.

use serde_json::{Map, Value};

/// Rewrites a user's value for the archive: each key that starts with `$` gets one more.
pub fn escape(value: Value) -> Value {
    rename_keys(value, &|key| {
        if key.starts_with('$') {
            format!("${key}")
        } else {
            key
        }
    })
}

/// Reverses [`escape`].
pub fn unescape(value: Value) -> Value {
    rename_keys(value, &|key| match key.strip_prefix("$$") {
        Some(rest) => format!("${rest}"),
        None => key,
    })
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
        assert_eq!(unescape(escaped), value);
    }
}
