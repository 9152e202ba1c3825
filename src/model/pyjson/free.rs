//! Users' own JSON on its way into the archive's free JSON (`model::free_json`).

use super::{PyInt, PyJson};
use serde_json::{Map, Number, Value, json};

impl PyJson {
    /// The value as the archive's free JSON: `{"$int": text}` beyond 64 bits, `{"$float": name}` where not finite, a
    /// key of the user's own that starts with `$` with one more.
    pub fn to_free_json(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(PyInt::Small(value)) => Value::from(*value),
            Self::Int(PyInt::Big(text)) => json!({ "$int": text }),
            Self::Float(value) => float(*value),
            Self::Str(text) => Value::String(text.clone()),
            Self::List(items) => items.iter().map(Self::to_free_json).collect(),
            Self::Dict(entries) => Value::Object(object(entries)),
        }
    }
}

fn float(value: f64) -> Value {
    let name = match value {
        f64::INFINITY => "Infinity",
        f64::NEG_INFINITY => "-Infinity",
        _ => "NaN",
    };
    Number::from_f64(value).map_or_else(|| json!({ "$float": name }), Value::Number)
}

fn object(entries: &[(String, PyJson)]) -> Map<String, Value> {
    let escaped = |key: &str| match key.starts_with('$') {
        true => format!("${key}"),
        false => key.to_owned(),
    };
    entries
        .iter()
        .map(|(key, value)| (escaped(key), value.to_free_json()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_plain_json_cannot_hold_is_marked_and_user_keys_are_escaped() {
        let text = r#"{"$int": [1, 1.0, NaN, -Infinity, 99999999999999999999], "a": null}"#;
        let value = PyJson::parse(text.as_bytes()).expect("the text parses");
        assert_eq!(
            value.to_free_json(),
            json!({"$$int": [1, 1.0, {"$float": "NaN"}, {"$float": "-Infinity"},
                {"$int": "99999999999999999999"}], "a": null})
        );
    }
}
