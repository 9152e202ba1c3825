//! JSON as the archive reads it: no duplicate keys, bounded depth, nothing after the value.

use super::layout::JSON_DEPTH;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// Parses one value; the error says line and column.
pub fn parse(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    parse_tree(bytes)
}

/// As [`parse`], with texts that stay where they are in `bytes`: most of what it takes to read many lines is to allocate them.
pub(crate) fn parse_borrowed(bytes: &[u8]) -> Result<Json<'_>, serde_json::Error> {
    parse_tree(bytes)
}

fn parse_tree<'l, T: Tree<'l>>(bytes: &'l [u8]) -> Result<T, serde_json::Error> {
    // Checked as a whole, which takes less time than text by text.
    let text = std::str::from_utf8(bytes).map_err(|error| {
        de::Error::custom(format_args!("invalid UTF-8 after {} bytes", error.valid_up_to()))
    })?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Strict::at(0).deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Among so many entries, looking at each is faster than a search: texts of different length differ at once.
const FEW: usize = 16;

/// JSON whose texts are those of the line that it was read from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json<'l> {
    /// Null, a boolean or a number.
    Plain(Value),
    Text(Cow<'l, str>),
    List(Vec<Json<'l>>),
    /// By key.
    Object(Vec<(Cow<'l, str>, Json<'l>)>),
}

impl<'l> Json<'l> {
    /// The value of a key, where this is an object that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        let entries = self.as_object()?;
        let place = if entries.len() <= FEW {
            entries.iter().position(|(name, _)| name == key)
        } else {
            entries.binary_search_by(|(name, _)| name.as_ref().cmp(key)).ok()
        };
        place.map(|place| &entries[place].1)
    }

    pub(crate) fn as_object(&self) -> Option<&[(Cow<'l, str>, Self)]> {
        match self {
            Json::Object(entries) => Some(entries),
            _ => None,
        }
    }

    pub(crate) fn as_list(&self) -> Option<&[Self]> {
        match self {
            Json::List(items) => Some(items),
            _ => None,
        }
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Json::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_number(&self) -> Option<&Number> {
        match self {
            Json::Plain(value) => value.as_number(),
            _ => None,
        }
    }

    pub(crate) fn as_bool(&self) -> Option<bool> {
        match self {
            Json::Plain(value) => value.as_bool(),
            _ => None,
        }
    }

    /// The text of a key, empty where there is none.
    pub(crate) fn text_of(&self, key: &str) -> &str {
        self.get(key).and_then(Self::as_text).unwrap_or_default()
    }

    /// The items of the list or the entries of the object at a key; none where it is something else.
    pub(crate) fn list_of(&self, key: &str) -> &[Self] {
        self.get(key).and_then(Self::as_list).unwrap_or_default()
    }

    pub(crate) fn object_of(&self, key: &str) -> &[(Cow<'l, str>, Self)] {
        self.get(key).and_then(Self::as_object).unwrap_or_default()
    }

    /// The same, with texts of its own.
    pub(crate) fn to_value(&self) -> Value {
        match self {
            Json::Plain(value) => value.clone(),
            Json::Text(text) => Value::String(text.to_string()),
            Json::List(items) => items.iter().map(Json::to_value).collect(),
            Json::Object(entries) => {
                let entries = entries.iter();
                Value::Object(
                    entries
                        .map(|(key, value)| (key.to_string(), value.to_value()))
                        .collect(),
                )
            }
        }
    }
}

/// What JSON is parsed into. An error is a key that is there twice.
trait Tree<'l>: Sized {
    type Entries: Default;

    /// Null, a boolean or a number.
    fn plain(value: Value) -> Self;

    fn text(text: Cow<'l, str>) -> Self;

    fn list(items: Vec<Self>) -> Self;

    fn insert(object: &mut Self::Entries, key: Cow<'l, str>, value: Self) -> Result<(), String>;

    fn object(object: Self::Entries) -> Result<Self, String>;
}

impl<'l> Tree<'l> for Value {
    type Entries = Map<String, Value>;

    fn plain(value: Value) -> Self {
        value
    }

    fn text(text: Cow<'l, str>) -> Self {
        Value::String(text.into_owned())
    }

    fn list(items: Vec<Self>) -> Self {
        Value::Array(items)
    }

    fn insert(object: &mut Self::Entries, key: Cow<'l, str>, value: Self) -> Result<(), String> {
        match object.entry(key) {
            Entry::Vacant(place) => {
                place.insert(value);
                Ok(())
            }
            Entry::Occupied(place) => Err(place.key().clone()),
        }
    }

    fn object(object: Self::Entries) -> Result<Self, String> {
        Ok(Value::Object(object))
    }
}

impl<'l> Tree<'l> for Json<'l> {
    type Entries = Vec<(Cow<'l, str>, Json<'l>)>;

    fn plain(value: Value) -> Self {
        Json::Plain(value)
    }

    fn text(text: Cow<'l, str>) -> Self {
        Json::Text(text)
    }

    fn list(items: Vec<Self>) -> Self {
        Json::List(items)
    }

    fn insert(object: &mut Self::Entries, key: Cow<'l, str>, value: Self) -> Result<(), String> {
        object.push((key, value));
        Ok(())
    }

    fn object(mut object: Self::Entries) -> Result<Self, String> {
        if !object.is_sorted_by(|(key, _), (next, _)| key < next) {
            object.sort_by(|(key, _), (next, _)| key.cmp(next));
            if let Some(twice) = object.windows(2).find(|pair| pair[0].0 == pair[1].0) {
                return Err(twice[0].0.to_string());
            }
        }
        Ok(Json::Object(object))
    }
}

struct Strict<T> {
    depth: usize,
    tree: PhantomData<T>,
}

impl<T> Strict<T> {
    fn at(depth: usize) -> Self {
        let tree = PhantomData;
        Strict { depth, tree }
    }

    fn deeper<E: de::Error>(&self) -> Result<usize, E> {
        if self.depth == JSON_DEPTH {
            return Err(E::custom(format_args!("nested deeper than {JSON_DEPTH} levels")));
        }
        Ok(self.depth + 1)
    }
}

impl<'de, T: Tree<'de>> DeserializeSeed<'de> for Strict<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Tree<'de>> Visitor<'de> for Strict<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<T, E> {
        Ok(T::plain(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<T, E> {
        Ok(T::plain(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<T, E> {
        Ok(T::plain(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<T, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("number out of range"))?;
        Ok(T::plain(number.into()))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<T, E> {
        Ok(T::text(text.into()))
    }

    fn visit_str<E>(self, text: &str) -> Result<T, E> {
        Ok(T::text(text.to_owned().into()))
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::plain(Value::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<T, A::Error> {
        let depth = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(Strict::at(depth))? {
            values.push(value);
        }
        Ok(T::list(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<T, A::Error> {
        let depth = self.deeper()?;
        let twice = |key: String| {
            let key: String = key.chars().take(80).collect();
            de::Error::custom(format_args!("duplicate key `{key}`"))
        };
        let mut object = T::Entries::default();
        while let Some(key) = entries.next_key_seed(Key)? {
            let value = entries.next_value_seed(Strict::at(depth))?;
            T::insert(&mut object, key, value).map_err(twice)?;
        }
        T::object(object).map_err(twice)
    }
}

/// A key of an object.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(key.into())
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(key.to_owned().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_serde_json_forgives_is_refused() {
        for (json, reason) in [
            (r#"{"a":1,"a":2}"#, "duplicate key `a`"),
            (r#"{"a":[{"b":1,"b":1}]}"#, "duplicate key `b`"),
            ("{} {}", "trailing characters"),
            ("1e999", "out of range"),
            ("NaN", "expected"),
            ("\"\\ud800\"", "end of hex escape"),
        ] {
            let error = parse(json.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(reason), "{json}: {error}");
            let error = parse_borrowed(json.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(reason), "{json}: {error}");
        }
        let error = parse(b"\"\xff\"").unwrap_err().to_string();
        assert_eq!(error, "invalid UTF-8 after 1 bytes");
    }

    #[test]
    fn depth_is_bounded() {
        let nest = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(parse(nest(JSON_DEPTH).as_bytes()).is_ok());
        assert!(parse(nest(JSON_DEPTH + 1).as_bytes()).is_err());
    }

    #[test]
    fn borrowed_json_is_the_same() {
        let line = r#"{"b":[1,-2,3.5,null,true],"a":{"z":"\u00e9\n","y":"text"},"c":""}"#;
        let json = parse_borrowed(line.as_bytes()).unwrap();
        assert_eq!(json.to_value(), parse(line.as_bytes()).unwrap());
        assert_eq!(json.get("a").unwrap().text_of("y"), "text");
        assert!(json.get("d").is_none() && json.list_of("a").is_empty() && json.object_of("b").is_empty());
    }
}
