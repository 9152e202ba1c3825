//! Typed picks from an exported dict, which notice what they did not understand.

use crate::model::field::Picks;
use crate::model::free_json::escape_key;
use crate::model::pyjson::PyJson;
use crate::model::{Extra, Text, TextMap};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A field that holds something else than its type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("field `{field}` is {found}, not {expected}")]
pub(super) struct WrongType {
    pub(super) field: String,
    pub(super) expected: &'static str,
    pub(super) found: &'static str,
}

/// The fields of one exported dict.
pub(super) struct Fields<'a> {
    entries: &'a [(String, PyJson)],
    taken: BTreeSet<&'a str>,
    wrong: Vec<WrongType>,
    /// Inner objects that say more than the archive has a place for, by their names.
    more: BTreeMap<String, Vec<Value>>,
}

impl Picks for Fields<'_> {
    fn text(&mut self, key: &str) -> Option<String> {
        self.untaken(key)?.text(key)
    }

    fn int(&mut self, key: &str) -> Option<i64> {
        self.untaken(key)?.int(key)
    }

    fn text_map(&mut self, key: &str) -> TextMap {
        self.untaken(key)
            .map_or_else(TextMap::new, |fields| fields.text_map(key))
    }

    fn value(&mut self, key: &str) -> Option<Value> {
        self.untaken(key)?.value(key).map(PyJson::to_free_json)
    }

    fn required_text(&mut self, key: &str) -> String {
        self.untaken(key)
            .map_or_else(String::new, |fields| fields.required_text(key))
    }
}

impl<'a> Fields<'a> {
    /// Fields of a dict; anything else has none.
    pub(super) fn new(dict: &'a PyJson) -> Self {
        Fields {
            entries: dict.as_dict().unwrap_or_default(),
            taken: BTreeSet::new(),
            wrong: Vec::new(),
            more: BTreeMap::new(),
        }
    }

    /// The fields, unless one of them is taken already.
    fn untaken(&mut self, key: &str) -> Option<&mut Self> {
        (!self.taken.contains(key)).then_some(self)
    }

    /// The value of a field that is there and not null.
    pub(super) fn value(&mut self, key: &str) -> Option<&'a PyJson> {
        let (name, value) = self.entries.iter().find(|(name, _)| name == key)?;
        self.taken.insert(name);
        (!value.is_null()).then_some(value)
    }

    /// Text; a number is taken as its digits, since old exports have ids as numbers.
    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        match self.value(key)? {
            PyJson::Str(text) => Some(text.clone()),
            PyJson::Int(number) => Some(number.to_string()),
            other => self.wrong(key, "a string", other),
        }
    }

    /// Text that must be there; missing text is wrong and reads as empty.
    pub(super) fn required_text(&mut self, key: &str) -> String {
        if self.value(key).is_none() {
            return self.wrong(key, "a string", &PyJson::Null).unwrap_or_default();
        }
        self.text(key).unwrap_or_default()
    }

    /// An integer; a float without fraction and a decimal text are taken as one.
    pub(super) fn int(&mut self, key: &str) -> Option<i64> {
        let value = self.value(key)?;
        let number = match value {
            PyJson::Int(number) => number.as_i64(),
            PyJson::Float(number) => whole(*number),
            PyJson::Str(text) => text.parse().ok(),
            _ => None,
        };
        number.or_else(|| self.wrong(key, "a 64-bit integer", value))
    }

    /// A number that is not negative.
    pub(super) fn number(&mut self, key: &str) -> Option<u64> {
        self.int(key)?.try_into().ok()
    }

    /// What the first of the keys that is there holds.
    pub(super) fn either<T>(
        &mut self,
        keys: [&str; 2],
        pick: impl Fn(&mut Self, &str) -> Option<T>,
    ) -> Option<T> {
        keys.into_iter().find_map(|key| pick(self, key))
    }

    /// A time in epoch milliseconds: a number, or text as REST prints it (RFC 3339).
    pub(super) fn time(&mut self, key: &str) -> Option<i64> {
        let text = self.value(key)?.as_str();
        let time = text.and_then(|text| text.parse::<jiff::Timestamp>().ok());
        match time {
            Some(time) => Some(time.as_millisecond()),
            None => self.int(key),
        }
    }

    /// The items of a list; none where it is missing.
    pub(super) fn list(&mut self, key: &str) -> &'a [PyJson] {
        match self.value(key) {
            None => &[],
            Some(PyJson::List(items)) => items,
            Some(other) => self.wrong(key, "a list", other).unwrap_or_default(),
        }
    }

    /// The objects of a list; others are left out as wrong.
    pub(super) fn dicts(&mut self, key: &str) -> Vec<&'a PyJson> {
        let (dicts, others): (Vec<_>, Vec<_>) = self
            .list(key)
            .iter()
            .partition(|item| matches!(item, PyJson::Dict(_)));
        for other in others {
            self.note(key, "a list of objects", other);
        }
        dicts
    }

    /// Takes over what is wrong in an object below `key`. One with more fields than were taken is kept, below a name of its own.
    pub(super) fn absorb(&mut self, key: &str, inner: Fields<'_>) {
        if inner.left().next().is_some() {
            let whole = PyJson::Dict(inner.entries.to_vec());
            self.keep_whole(key, &whole);
        }
        for (name, more) in inner.more {
            self.more.entry(format!("{key}.{name}")).or_default().extend(more);
        }
        let wrong = inner.wrong.into_iter();
        self.wrong.extend(wrong.map(|wrong| WrongType {
            field: format!("{key}.{}", wrong.field),
            ..wrong
        }));
    }

    fn keep_whole(&mut self, key: &str, item: &PyJson) {
        self.more
            .entry(format!("{key}.*"))
            .or_default()
            .push(item.to_free_json());
    }

    /// A truth value.
    pub(super) fn bool(&mut self, key: &str) -> Option<bool> {
        match self.value(key)? {
            PyJson::Bool(value) => Some(*value),
            other => self.wrong(key, "true or false", other),
        }
    }

    /// Texts of a list; others are left out as wrong.
    pub(super) fn texts(&mut self, key: &str) -> Vec<String> {
        let mut texts = Vec::new();
        for item in self.list(key) {
            match item {
                PyJson::Str(text) => texts.push(text.clone()),
                PyJson::Int(number) => texts.push(number.to_string()),
                other => texts.extend(self.wrong::<String>(key, "a list of strings", other)),
            }
        }
        texts
    }

    /// A dict; null where it is missing.
    pub(super) fn dict(&mut self, key: &str) -> &'a PyJson {
        match self.value(key) {
            None => &PyJson::Null,
            Some(dict @ PyJson::Dict(_)) => dict,
            Some(other) => {
                self.note(key, "an object", other);
                &PyJson::Null
            }
        }
    }

    /// Tags, params or metadata: a dict, or a list of `{key, value}`.
    pub(super) fn text_map(&mut self, key: &str) -> TextMap {
        match self.value(key) {
            None => TextMap::new(),
            Some(PyJson::Dict(entries)) => entries.iter().filter_map(text_entry).collect(),
            Some(PyJson::List(items)) => {
                let has_key = |item: &PyJson| item.get("key").is_some_and(|key| key.as_str().is_some());
                if let Some(item) = items.iter().find(|item| !has_key(item)) {
                    self.note(key, "a list of keys with values", item);
                }
                let more =
                    |(key, value): &(String, PyJson)| key != "key" && key != "value" && !value.is_null();
                for item in items
                    .iter()
                    .filter(|item| item.as_dict().is_some_and(|item| item.iter().any(more)))
                {
                    self.keep_whole(key, item);
                }
                items.iter().filter_map(key_value).collect()
            }
            Some(other) => self.wrong(key, "an object", other).unwrap_or_default(),
        }
    }

    /// Fields that say nothing new.
    pub(super) fn ignore(&mut self, keys: &[&'a str]) {
        self.taken.extend(keys);
    }

    /// Notes a field that holds something else than its type.
    pub(super) fn note(&mut self, key: &str, expected: &'static str, found: &PyJson) {
        self.wrong.push(WrongType {
            field: key.to_owned(),
            expected,
            found: found.type_name(),
        });
    }

    /// As [`Fields::note`], with nothing in place of the field.
    pub(super) fn wrong<T>(&mut self, key: &str, expected: &'static str, found: &PyJson) -> Option<T> {
        self.note(key, expected, found);
        None
    }

    /// Takes what nobody took, as the archive keeps it.
    pub(super) fn take_left(&mut self) -> Extra {
        let left: Vec<_> = self.left().collect();
        self.taken.extend(left.iter().map(|(key, _)| key));
        let kept = left.into_iter();
        let kept = kept.map(|(key, value)| (escape_key(key), value.to_free_json()));
        let more = std::mem::take(&mut self.more).into_iter();
        kept.chain(more.map(|(key, items)| (escape_key(&key), Value::Array(items))))
            .collect()
    }

    /// What nobody took, less nulls and the exporter's own additions (`_` keys); and what was wrong.
    pub(super) fn finish(mut self, extra: &mut Extra) -> Vec<WrongType> {
        extra.extend(self.take_left());
        self.wrong
    }

    fn left(&self) -> impl Iterator<Item = (&'a str, &'a PyJson)> {
        let fields = self.entries.iter().map(|(key, value)| (key.as_str(), value));
        fields.filter(|(key, value)| !self.taken.contains(key) && !value.is_null() && !key.starts_with('_'))
    }
}

fn text_entry((key, value): &(String, PyJson)) -> Option<(String, Text)> {
    (!value.is_null()).then(|| (key.clone(), Text::from(value.py_str())))
}

fn key_value(item: &PyJson) -> Option<(String, Text)> {
    let key = item.get("key")?.as_str()?.to_owned();
    text_entry(&(key, item.get("value")?.clone()))
}

/// A float that is an integer of 64 bits.
pub(super) fn whole(number: f64) -> Option<i64> {
    const LIMIT: f64 = 9_007_199_254_740_992.0;
    let is_whole = number.fract() == 0.0 && number.abs() <= LIMIT;
    #[expect(clippy::cast_possible_truncation, reason = "a whole number of at most 2^53")]
    is_whole.then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_nobody_took_ride_along_less_the_exporters_own() {
        let text = r#"{"a": 7, "b": 1.0, "_b": "x", "c": null, "new": {"$k": NaN}, "tags": [{"key": "k", "value": "v"}]}"#;
        let dict = PyJson::parse(text.as_bytes()).expect("the text parses");
        let mut fields = Fields::new(&dict);
        assert_eq!(fields.text("a").as_deref(), Some("7"));
        assert_eq!(fields.int("b"), Some(1));
        assert_eq!(
            fields.text_map("tags"),
            TextMap::from([("k".to_owned(), "v".into())])
        );
        assert_eq!(fields.text("c"), None);
        let mut extra = Extra::new();
        let wrong = fields.finish(&mut extra);
        assert_eq!(
            extra,
            Extra::from([("new".to_owned(), json!({"$$k": {"$float": "NaN"}}))])
        );
        assert_eq!(wrong, []);
    }

    #[test]
    fn a_tag_without_a_key_is_noticed() {
        let text = br#"{"tags": [{"key": "k", "value": "v"}, {"value": "w"}]}"#;
        let dict = PyJson::parse(text).expect("the text parses");
        let mut fields = Fields::new(&dict);
        assert_eq!(fields.text_map("tags").len(), 1);
        assert_eq!(fields.finish(&mut Extra::new()).len(), 1);
    }

    #[test]
    fn a_field_of_another_type_is_noticed() {
        let dict = PyJson::parse(br#"{"a": [], "b": "x", "c": 1.5}"#).expect("the text parses");
        let mut fields = Fields::new(&dict);
        assert_eq!(
            (fields.text("a"), fields.int("b"), fields.int("c")),
            (None, None, None)
        );
        let wrong = fields.finish(&mut Extra::new());
        assert_eq!(wrong[0].to_string(), "field `a` is a list, not a string");
        assert_eq!(wrong.len(), 3);
    }
}
