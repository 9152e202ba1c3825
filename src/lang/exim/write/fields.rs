//! Fields as the exporter writes them.

use super::{ConvertError, Converter, Result};
use crate::format::{Kind, Reason};
use crate::lang::exim::tags::canonical::tags_dict;
use crate::model::pyjson::PyJson;
use crate::model::{Extra, Text, TextMap};

/// The dict of an export that an object kept.
pub(super) fn exported(kind: Kind, id: &str, exim: Option<&str>) -> Result<Option<PyJson>> {
    let parsed = exim.map(|text| PyJson::parse(text.as_bytes())).transpose();
    parsed.map_err(|source| ConvertError::Exim {
        kind: kind.name(),
        id: id.to_owned(),
        source,
    })
}

/// Tags in the order of the export they came from, with the values they have now; those that came later at the end.
pub(super) fn tags_in_order(exported: Option<&PyJson>, tags: &TextMap) -> PyJson {
    let Some(exported) = exported else {
        return tags_dict(tags);
    };
    let pairs: Vec<(String, PyJson)> = match exported {
        PyJson::Dict(entries) => entries.clone(),
        PyJson::List(items) => items.iter().filter_map(key_value).collect(),
        _ => Vec::new(),
    };
    let now = |key: &str, then: PyJson| match tags.get(key) {
        // What is no string keeps its type, while it says the same.
        Some(text) if then.py_str() != text.to_display() => {
            Some(PyJson::from(text.to_display().into_owned()))
        }
        None if !then.is_null() => None,
        _ => Some(then),
    };
    let kept = pairs.into_iter();
    let kept = kept.filter_map(|(key, value)| now(&key, value).map(|value| (key, value)));
    let mut entries: Vec<_> = kept.collect();
    let has = |entries: &[(String, PyJson)], key: &str| entries.iter().any(|(name, _)| name == key);
    let mut added = Vec::new();
    for (key, value) in tags {
        if !has(&entries, key) {
            added.push((key.clone(), PyJson::from(value.to_display().into_owned())));
        }
    }
    entries.extend(added);
    PyJson::Dict(entries)
}

fn key_value(item: &PyJson) -> Option<(String, PyJson)> {
    Some((item.get("key")?.as_str()?.to_owned(), item.get("value")?.clone()))
}

/// A dict with another value under a key, in its place if it has one.
pub(super) fn with(dict: PyJson, key: &str, value: PyJson) -> PyJson {
    let PyJson::Dict(mut entries) = dict else {
        return PyJson::Dict(vec![(key.to_owned(), value)]);
    };
    match entries.iter_mut().find(|(name, _)| name == key) {
        Some((_, old)) => *old = value,
        None => entries.push((key.to_owned(), value)),
    }
    PyJson::Dict(entries)
}

/// A list of `{key, value}`.
pub(super) fn pairs(tags: &TextMap) -> PyJson {
    let pair = |(key, value): (&String, &Text)| {
        super::dump::dict([
            ("key", PyJson::from(key.as_str())),
            ("value", PyJson::from(value.to_display().into_owned())),
        ])
    };
    PyJson::List(tags.iter().map(pair).collect())
}

impl Converter<'_> {
    /// Counts texts that JSON cannot hold; their bytes are replaced.
    pub(super) fn count_not_utf8(&mut self, kind: Kind, field: &str, map: &TextMap) {
        let count = map.values().filter(|text| text.as_str().is_none()).count();
        self.limit(kind, field, Reason::NotUtf8, count as u64);
    }

    /// Counts fields that have no place.
    pub(super) fn not_held<'f>(&mut self, kind: Kind, fields: impl IntoIterator<Item = (&'f str, bool)>) {
        for (field, is_there) in fields {
            self.limit(kind, field, Reason::NotHeld, u64::from(is_there));
        }
    }

    /// Counts fields that are not there and that the exporter writes all the same: as an empty text, 0, or MLflow's default.
    pub(super) fn made_up<'f>(&mut self, kind: Kind, fields: impl IntoIterator<Item = (&'f str, bool)>) {
        for (field, is_missing) in fields {
            self.limit(kind, field, Reason::AbsentAsDefault, u64::from(is_missing));
        }
    }

    /// Counts times of 0, which the exporter writes as none.
    pub(super) fn zero_times<'f>(
        &mut self,
        kind: Kind,
        fields: impl IntoIterator<Item = (&'f str, Option<i64>)>,
    ) {
        for (field, time) in fields {
            self.limit(kind, field, Reason::ZeroAsAbsent, u64::from(time == Some(0)));
        }
    }

    /// Counts fields of a later MLflow that have no place: the dict they would stand in makes source tags of all it holds.
    pub(super) fn extra_not_held(&mut self, kind: Kind, prefix: &str, fields: &Extra) {
        for key in fields.keys() {
            self.limit(kind, &format!("{prefix}{key}"), Reason::NotHeld, 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_keep_the_order_and_types_of_their_export() {
        let exported =
            PyJson::parse(br#"{"z": "1", "n": 5, "gone": "x", "null": null, "a": "old"}"#).unwrap();
        let tags = TextMap::from([
            ("a".to_owned(), "new".into()),
            ("n".to_owned(), "5".into()),
            ("b".to_owned(), "added".into()),
            ("z".to_owned(), "1".into()),
        ]);
        assert_eq!(
            tags_in_order(Some(&exported), &tags).to_json_text(),
            r#"{"z":"1","n":5,"null":null,"a":"new","b":"added"}"#
        );
        assert_eq!(
            tags_in_order(None, &tags).to_json_text(),
            r#"{"a":"new","b":"added","n":"5","z":"1"}"#
        );
        let list = PyJson::parse(br#"[{"key": "z", "value": "1"}, {"key": "a", "value": "new"}]"#).unwrap();
        assert_eq!(
            tags_in_order(Some(&list), &tags).to_json_text(),
            r#"{"z":"1","a":"new","b":"added","n":"5"}"#
        );
    }
}
