//! Reading an answer's JSON objects field by field; what nobody takes is kept.
//!
//! A value that is not of a field's type is not taken either. It stays under the name that the archive has for the field,
//! where the export finds it and reports it (`format::typed`).

use crate::client::ClientError;
use crate::model::field::Picks;
use crate::model::free_json::escape;
use crate::model::number::Double;
use crate::model::{Extra, Text, TextMap};
use serde_json::{Map, Value};

/// The fields of a JSON object, from which known ones are taken.
#[derive(Debug, Default)]
pub(super) struct Fields(Map<String, Value>);

impl Picks for Fields {
    fn text(&mut self, key: &str) -> Option<String> {
        Fields::text(self, key)
    }

    fn int(&mut self, key: &str) -> Option<i64> {
        Fields::int(self, key)
    }

    fn text_map(&mut self, key: &str) -> TextMap {
        Fields::text_map(self, key)
    }

    fn value(&mut self, key: &str) -> Option<Value> {
        self.take(key)
    }
}

impl Fields {
    /// The fields of an object; none of anything else.
    pub(super) fn of(value: Value) -> Self {
        match value {
            Value::Object(map) => Fields(map),
            _ => Fields::default(),
        }
    }

    /// Takes a field.
    pub(super) fn take(&mut self, key: &str) -> Option<Value> {
        self.0.remove(key).filter(|value| !value.is_null())
    }

    /// Takes an object.
    pub(super) fn object(&mut self, key: &str) -> Fields {
        self.object_of(key, key)
    }

    /// Takes an object whose fields the archive has as its own; `own` is one of them, by which something else is reported.
    pub(super) fn object_of(&mut self, key: &str, own: &str) -> Fields {
        match self.take(key) {
            Some(Value::Object(map)) => Fields(map),
            Some(other) => {
                self.put(own, other);
                Fields::default()
            }
            None => Fields::default(),
        }
    }

    /// Puts a value where it, or what is left of it, will be found.
    pub(super) fn put(&mut self, key: &str, value: Value) {
        self.0.insert(key.to_owned(), value);
    }

    /// Takes the first of some names that is there, and reads it; what cannot be read stays as `key`.
    pub(super) fn parsed<T>(
        &mut self,
        names: &[&str],
        key: &str,
        parse: impl Fn(&Value) -> Option<T>,
    ) -> Option<T> {
        let value = names.iter().find_map(|name| self.take(name))?;
        let parsed = parse(&value);
        if parsed.is_none() {
            self.put(key, value);
        }
        parsed
    }

    /// Takes what can be read of a list's items; the others stay. Items with more fields than were taken stay too, below a name of
    /// their own.
    pub(super) fn items<T>(&mut self, key: &str, mut read: impl FnMut(&mut Fields) -> Option<T>) -> Vec<T> {
        let (mut items, mut wrong, mut more) = (Vec::new(), Vec::new(), Vec::new());
        for value in self.list(key) {
            let mut fields = Fields::of(value.clone());
            match value.is_object().then(|| read(&mut fields)).flatten() {
                None => wrong.push(value),
                Some(item) => {
                    items.push(item);
                    if !fields.0.values().all(Value::is_null) {
                        more.push(value);
                    }
                }
            }
        }
        for (name, values) in [(key.to_owned(), wrong), (format!("{key}.*"), more)] {
            if !values.is_empty() {
                self.put(&name, Value::Array(values));
            }
        }
        items
    }

    /// Keeps what nobody took of an inner object: each known field under the archive's name for it, the rest as
    /// `outer.field`.
    pub(super) fn keep_rest(&mut self, outer: &str, rest: Fields, known: &[(&str, &str)]) {
        for (key, value) in rest.0.into_iter().filter(|(_, value)| !value.is_null()) {
            match known.iter().find(|(name, _)| *name == key) {
                Some((_, own)) => self.put(own, value),
                None => self.put(&format!("{outer}.{key}"), value),
            }
        }
    }

    /// Takes a text; numbers become their text, since some ids come as either.
    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        match self.0.get(key) {
            Some(Value::String(_) | Value::Number(_)) => match self.0.remove(key) {
                Some(Value::String(text)) => Some(text),
                other => other.map(|number| number.to_string()),
            },
            _ => None,
        }
    }

    /// Takes a text without which nothing can be asked further.
    pub(super) fn named(&mut self, key: &str) -> Result<String, ClientError> {
        let name = self.text(key);
        name.ok_or_else(|| ClientError::no_page(key, &self.take(key).unwrap_or_default()))
    }

    /// Takes an integer, or its decimal text.
    pub(super) fn int(&mut self, key: &str) -> Option<i64> {
        let number = as_int(self.0.get(key)?)?;
        self.0.remove(key);
        Some(number)
    }

    /// Takes a truth value.
    pub(super) fn bool(&mut self, key: &str) -> Option<bool> {
        let value = self.0.get(key)?.as_bool()?;
        self.0.remove(key);
        Some(value)
    }

    /// Takes an integer, or its decimal text, and 0 where there is none; nothing where it is something else.
    pub(super) fn int_or_zero(&mut self, key: &str) -> Option<i64> {
        match self.0.get(key) {
            None | Some(Value::Null) => Some(0),
            Some(_) => self.int(key),
        }
    }

    /// Takes a number that counts from 0.
    pub(super) fn unsigned(&mut self, key: &str) -> Option<u64> {
        let number = u64::try_from(as_int(self.0.get(key)?)?).ok()?;
        self.0.remove(key);
        Some(number)
    }

    /// Takes a list; nothing counts as an empty one.
    pub(super) fn list(&mut self, key: &str) -> Vec<Value> {
        match self.take(key) {
            Some(Value::Array(items)) => items,
            Some(other) => {
                self.put(key, other);
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    /// Takes a list of `{key, value}`, or an object of texts.
    pub(super) fn text_map(&mut self, key: &str) -> TextMap {
        match self.take(key) {
            Some(Value::Object(map)) => map
                .into_iter()
                .map(|(key, value)| (key, as_text(value)))
                .collect(),
            Some(list) => {
                self.put(key, list);
                self.items(key, key_value).into_iter().collect()
            }
            None => TextMap::new(),
        }
    }

    /// Drops fields that say nothing of their own.
    pub(super) fn ignore(&mut self, keys: &[&str]) {
        for key in keys {
            self.0.remove(*key);
        }
    }

    /// Drops a field that says only this.
    pub(super) fn ignore_if(&mut self, key: &str, text: &str) {
        if self.0.get(key).is_some_and(|value| value == text) {
            self.0.remove(key);
        }
    }

    /// What nobody took, less nulls.
    pub(super) fn finish(self) -> Extra {
        let known = self.0.into_iter().filter(|(_, value)| !value.is_null());
        match escape(Value::Object(known.collect())) {
            Value::Object(map) => map.into_iter().collect(),
            _ => Extra::new(),
        }
    }
}

fn key_value(item: &mut Fields) -> Option<(String, Text)> {
    Some((item.text("key")?, as_text(item.take("value").unwrap_or_default())))
}

/// Where a server has a number or a list for a text, its JSON text stands.
fn as_text(value: Value) -> Text {
    match value {
        Value::String(text) => Text::Utf8(text),
        Value::Null => Text::Utf8(String::new()),
        other => Text::Utf8(other.to_string()),
    }
}

/// An integer as JSON has it: a number, its decimal text, a double without fraction.
pub(super) fn as_int(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_i64(),
    }
}

/// A double as protobuf prints it: a number, or a word for those that are not finite.
pub(super) fn as_double(value: &Value) -> Option<Double> {
    let value = match value {
        Value::String(text) => match text.as_str() {
            "NaN" => f64::NAN,
            "Infinity" => f64::INFINITY,
            "-Infinity" => f64::NEG_INFINITY,
            text => text.parse().ok()?,
        },
        other => other.as_f64()?,
    };
    Some(Double(value))
}

/// Epoch milliseconds of an RFC 3339 time, or of a number of milliseconds.
pub(super) fn as_time(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => match text.parse::<jiff::Timestamp>() {
            Ok(timestamp) => Some(timestamp.as_millisecond()),
            Err(_) => text.parse().ok(),
        },
        other => other.as_i64(),
    }
}

/// Milliseconds of a protobuf duration such as `"1.234s"`.
pub(super) fn as_duration_ms(value: &Value) -> Option<i64> {
    let Value::String(text) = value else {
        return value.as_i64();
    };
    let text = text.strip_suffix('s')?;
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let milliseconds: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let seconds: i64 = seconds.parse().ok()?;
    Some(sign * seconds.checked_mul(1000)?.checked_add(milliseconds)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn durations_are_milliseconds() {
        for (text, expected) in [
            ("1.234s", 1234),
            ("0.600s", 600),
            ("1s", 1000),
            ("0.000500s", 0),
            ("-1.5s", -1500),
        ] {
            assert_eq!(as_duration_ms(&json!(text)), Some(expected), "{text}");
        }
        assert_eq!(as_duration_ms(&json!("soon")), None);
    }

    #[test]
    fn unknown_fields_ride_along() {
        let mut fields =
            Fields::of(json!({"id": 5, "big": "7", "new": {"$x": 1}, "none": null, "tags": [{"key": "a"}]}));
        assert_eq!(fields.text("id").as_deref(), Some("5"));
        assert_eq!(fields.int("big"), Some(7));
        assert_eq!(fields.text_map("tags")["a"], Text::from(""));
        assert_eq!(
            fields.finish(),
            Extra::from([("new".to_owned(), json!({"$$x": 1}))])
        );
    }

    #[test]
    fn what_is_of_another_type_stays_where_it_is_found() {
        let mut fields = Fields::of(
            json!({"tags": [null, {"key": "a", "value": "b"}], "info": [], "at": "soon", "n": {}}),
        );
        assert_eq!(fields.text_map("tags").len(), 1);
        assert!(fields.object("info").0.is_empty());
        assert_eq!(fields.parsed(&["when", "at"], "time", as_time), None);
        assert_eq!(
            (fields.int_or_zero("n"), fields.int_or_zero("none")),
            (None, Some(0))
        );
        let inner = Fields::of(json!({"params": 1, "new": 2}));
        fields.keep_rest("data", inner, &[("params", "params")]);
        let kept = json!({"tags": [null], "info": [], "time": "soon", "n": {}, "params": 1, "data.new": 2});
        assert_eq!(json!(fields.finish()), kept);
    }

    #[test]
    fn doubles_that_are_not_finite_are_words() {
        for (value, expected) in [
            (json!("NaN"), f64::NAN),
            (json!("-Infinity"), f64::NEG_INFINITY),
            (json!(1), 1.0),
        ] {
            assert_eq!(as_double(&value), Some(Double(expected)));
        }
        assert_eq!(as_double(&json!("x")), None);
    }
}
