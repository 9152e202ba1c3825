//! Users' own JSON on its way into the archive's free JSON (`model::free_json`).

use super::{PyInt, PyJson};
use crate::model::free_json::{escape_key, unescape_key};
use serde_json::{Map, Number, Value, json};

impl PyJson {
    /// The value as the archive's free JSON: `{"$int": text}` beyond 64 bits, `{"$float": name}` where not finite, a
    /// key of the user's own that starts with `$` with one more.
    pub fn to_free_json(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(PyInt::Small(value)) => Value::from(*value),
            Self::Int(PyInt::Big(text)) => big(text),
            Self::Float(value) => float(*value),
            Self::Str(text) => Value::String(text.clone()),
            Self::List(items) => items.iter().map(Self::to_free_json).collect(),
            Self::Dict(entries) => Value::Object(object(entries)),
        }
    }
}

impl PyJson {
    /// The reverse of [`PyJson::to_free_json`]; a marker that says nothing Python has stays an object.
    pub fn from_free_json(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => from_number(number),
            Value::String(text) => Self::Str(text.clone()),
            Value::Array(items) => Self::List(items.iter().map(Self::from_free_json).collect()),
            Value::Object(map) => marked(map).unwrap_or_else(|| Self::from_free_map(map)),
        }
    }

    /// A dict of a user's own keys.
    pub fn from_free_map<'a>(entries: impl IntoIterator<Item = (&'a String, &'a Value)>) -> Self {
        let own = |key: &str| unescape_key(key).to_owned();
        let entries = entries.into_iter();
        Self::Dict(
            entries
                .map(|(key, value)| (own(key), Self::from_free_json(value)))
                .collect(),
        )
    }
}

fn from_number(number: &Number) -> PyJson {
    match (number.as_i64(), number.as_u64()) {
        (Some(value), _) => PyJson::Int(PyInt::Small(value)),
        (None, Some(value)) => PyJson::Int(PyInt::Big(value.to_string())),
        (None, None) => PyJson::Float(number.as_f64().unwrap_or(f64::NAN)),
    }
}

/// What an object of one marker stands for.
fn marked(map: &Map<String, Value>) -> Option<PyJson> {
    let (key, value) = map.iter().next().filter(|_| map.len() == 1)?;
    match (key.as_str(), value.as_str()?) {
        ("$int", digits) => Some(PyJson::Int(PyInt::Big(digits.to_owned()))),
        ("$float", "NaN") => Some(PyJson::Float(f64::NAN)),
        ("$float", "Infinity") => Some(PyJson::Float(f64::INFINITY)),
        ("$float", "-Infinity") => Some(PyJson::Float(f64::NEG_INFINITY)),
        _ => None,
    }
}

/// An integer beyond `i64`: a number where JSON's 64 bits hold it, else a marker.
fn big(text: &str) -> Value {
    match text.parse::<u64>() {
        Ok(value) => value.into(),
        Err(_) => json!({ "$int": text }),
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
    entries
        .iter()
        .map(|(key, value)| (escape_key(key), value.to_free_json()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_plain_json_cannot_hold_is_marked_and_user_keys_are_escaped() {
        let text =
            r#"{"$int": [1, 1.0, NaN, -Infinity, 18446744073709551615, 99999999999999999999], "a": null}"#;
        let value = PyJson::parse(text.as_bytes()).expect("the text parses");
        assert_eq!(
            value.to_free_json(),
            json!({"$$int": [1, 1.0, {"$float": "NaN"}, {"$float": "-Infinity"},
                18446744073709551615_u64, {"$int": "99999999999999999999"}], "a": null})
        );
    }

    #[test]
    fn free_json_comes_back_as_it_was() {
        let text = r#"{"$int": [1, 1.0, Infinity, 99999999999999999999], "$$x": {"$float": "NaN"}, "a": null, "b": true}"#;
        let value = PyJson::parse(text.as_bytes()).expect("the text parses");
        let free = value.to_free_json();
        assert_eq!(PyJson::from_free_json(&free).to_free_json(), free);
        assert_eq!(
            PyJson::from_free_json(&free).to_json_text(),
            r#"{"$$x":{"$float":"NaN"},"$int":[1,1.0,Infinity,99999999999999999999],"a":null,"b":true}"#
        );
    }
}
