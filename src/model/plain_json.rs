//! Free JSON of an archive, said plainly again: without the archive's markers.

use crate::model::free_json::unescape_key;
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// The JSON text as Python writes and reads it: integers of any size, and `NaN` and `Infinity` bare.
pub(crate) fn text(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => match marked(map) {
            Some(Marked::Number(digits)) => out.push_str(digits),
            Some(Marked::Other(text)) => write(&Value::from(text), out),
            None => {
                out.push('{');
                for (at, (key, item)) in map.iter().enumerate() {
                    let comma = if at == 0 { "" } else { "," };
                    let _ = write!(out, "{comma}{}:", Value::from(unescape_key(key)));
                    write(item, out);
                }
                out.push('}');
            }
        },
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        other => {
            let _ = write!(out, "{other}");
        }
    }
}

/// The value as strict JSON: what only Python's has becomes the nearest number, or a text.
pub(crate) fn plain(value: &Value) -> Value {
    match value {
        Value::Object(map) => match marked(map) {
            Some(Marked::Number(digits)) => match digits.parse::<f64>() {
                Ok(number) if number.is_finite() => number.into(),
                _ => digits.into(),
            },
            Some(Marked::Other(text)) => text.into(),
            None => Value::Object(
                map.iter()
                    .map(|(key, item)| (unescape_key(key).to_owned(), plain(item)))
                    .collect(),
            ),
        },
        Value::Array(items) => items.iter().map(plain).collect(),
        other => other.clone(),
    }
}

enum Marked<'v> {
    Number(&'v str),
    Other(&'v str),
}

fn marked(map: &Map<String, Value>) -> Option<Marked<'_>> {
    let (key, value) = map.iter().next().filter(|_| map.len() == 1)?;
    let text = value.as_str()?;
    match key.as_str() {
        "$int" | "$float" => Some(Marked::Number(text)),
        "$bytes" => Some(Marked::Other(text)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn markers_become_what_they_mark() {
        let value = json!({"big": {"$int": "12345678901234567890"}, "n": [{"$float": "NaN"}, 1.0, null], "$$int": "x"});
        assert_eq!(
            text(&value),
            r#"{"$int":"x","big":12345678901234567890,"n":[NaN,1.0,null]}"#
        );
        assert_eq!(
            plain(&value),
            json!({"big": 12345678901234567890.0, "n": ["NaN", 1.0, null], "$int": "x"})
        );
    }
}
