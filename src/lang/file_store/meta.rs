//! The fields of a `meta.yaml`: typed where MLflow's are known, the rest kept.

use super::index::id_mismatch;
use super::notes::{Fault, Notes};
use super::yaml::{Node, YamlError, parse_mapping};
use super::yaml_scalar;
use crate::format::{Kind, Reason};
use crate::model::field::Picks;
use crate::model::pyjson::PyInt;
use crate::model::{Extra, Text, TextMap};
use serde_json::Value;
use std::path::Path;

/// The mapping of one file, from which fields are taken.
pub(super) struct Meta {
    fields: Vec<(String, Node)>,
    wrong: Vec<(String, &'static str)>,
}

impl Picks for Meta {
    fn text(&mut self, name: &str) -> Option<String> {
        Meta::text(self, name)
    }

    fn int(&mut self, name: &str) -> Option<i64> {
        Meta::int(self, name)
    }

    fn text_map(&mut self, name: &str) -> TextMap {
        Meta::text_map(self, name)
    }

    fn value(&mut self, name: &str) -> Option<Value> {
        self.take(name).map(|node| node.resolve().to_free_json())
    }

    fn is_store(&self) -> bool {
        true
    }
}

impl Meta {
    /// Parses a file's bytes.
    ///
    /// # Errors
    /// They are not a YAML mapping.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, YamlError> {
        Ok(Meta {
            fields: parse_mapping(bytes)?,
            wrong: Vec::new(),
        })
    }

    /// Parses the bytes of the file at a path.
    ///
    /// # Errors
    /// They are not a YAML mapping.
    pub(super) fn at(path: &Path, bytes: &[u8]) -> Result<Self, Fault> {
        Self::parse(bytes).map_err(|error| (Reason::NotYaml, format!("{}: {error}", path.display())))
    }

    /// Takes a string that must be as the place of the file says.
    ///
    /// # Errors
    /// It is another.
    pub(super) fn told_by(&mut self, path: &Path, name: &str, expected: &str) -> Result<String, Fault> {
        let found = self.text(name).unwrap_or_default();
        if found == expected {
            Ok(found)
        } else {
            Err(id_mismatch(path, name, &found, expected))
        }
    }

    /// The fields of a mapping within a file; of anything else, none.
    pub(super) fn of(node: Option<Node>) -> Self {
        let fields = match node {
            Some(Node::Map(fields)) => fields,
            _ => Vec::new(),
        };
        Meta {
            fields,
            wrong: Vec::new(),
        }
    }

    /// Takes a field that is there and not null.
    pub(super) fn take(&mut self, name: &str) -> Option<Node> {
        let index = self.fields.iter().position(|(key, _)| key == name)?;
        let (_, node) = self.fields.swap_remove(index);
        (!node.is_null()).then_some(node)
    }

    /// Takes a string: the text of its scalar.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        match self.take(name)? {
            Node::Scalar { text, .. } => Some(text),
            _ => self.refuse(name, "it is not a string"),
        }
    }

    /// Takes a 64-bit integer; a float without fraction is one.
    pub(super) fn int(&mut self, name: &str) -> Option<i64> {
        let node = self.take(name)?;
        let number = node.text().and_then(whole_number);
        number.or_else(|| self.refuse(name, "it is not a 64-bit integer"))
    }

    /// Takes a boolean.
    pub(super) fn bool(&mut self, name: &str) -> Option<bool> {
        match self.take(name)?.resolve() {
            crate::model::pyjson::PyJson::Bool(value) => Some(value),
            _ => self.refuse(name, "it is not a boolean"),
        }
    }

    /// Takes a time in milliseconds: RFC 3339 text or an integer.
    pub(super) fn time(&mut self, name: &str) -> Option<i64> {
        let node = self.take(name)?;
        let text = node.text().unwrap_or_default();
        let time = whole_number(text).or_else(|| {
            let timestamp = text.parse::<jiff::Timestamp>().ok()?;
            Some(timestamp.as_millisecond())
        });
        time.or_else(|| self.refuse(name, "it is not a time"))
    }

    /// Takes a mapping of texts.
    pub(super) fn text_map(&mut self, name: &str) -> TextMap {
        let Some(node) = self.take(name) else {
            return TextMap::new();
        };
        let Node::Map(entries) = node else {
            return self.refuse(name, "it is not a mapping").unwrap_or_default();
        };
        let entries = entries.into_iter().filter_map(|(key, value)| {
            let text = match &value {
                Node::Scalar { text, .. } if !value.is_null() => text.clone(),
                Node::Scalar { .. } => return None,
                other => other.resolve().py_str(),
            };
            Some((key, Text::from(text)))
        });
        entries.collect()
    }

    /// Notes that a field holds something else than its type.
    pub(super) fn refuse<T>(&mut self, name: &str, why: &'static str) -> Option<T> {
        self.wrong.push((name.to_owned(), why));
        None
    }

    /// Whether no field is left that says anything.
    pub(super) fn is_empty(&self) -> bool {
        self.fields.iter().all(|(_, node)| node.is_null())
    }

    /// Drops fields that say nothing new.
    pub(super) fn ignore(&mut self, names: &[&str]) {
        self.fields.retain(|(key, _)| !names.contains(&key.as_str()));
    }

    /// Drops a field that is an empty list or mapping.
    pub(super) fn ignore_empty(&mut self, name: &str) {
        self.fields.retain(|(key, node)| {
            let is_empty = matches!(node, Node::List(items) if items.is_empty())
                || matches!(node, Node::Map(entries) if entries.is_empty());
            key != name || !is_empty
        });
    }

    /// The fields that nobody took and that are not null, as the archive keeps them; what was wrong is noted.
    pub(super) fn finish(self, kind: Kind, id: &str, path: &Path, notes: &mut Notes) -> Extra {
        for (field, why) in self.wrong {
            let detail = format!("field `{field}` in {}: {why}", path.display());
            notes.failure(kind, id, &field, Reason::WrongType, detail);
        }
        let fields = self.fields.into_iter().filter(|(_, node)| !node.is_null());
        fields
            .map(|(key, node)| {
                let key = if key.starts_with('$') {
                    format!("${key}")
                } else {
                    key
                };
                (key, node.resolve().to_free_json())
            })
            .collect()
    }
}

/// An integer of YAML 1.1, or a float without fraction.
fn whole_number(text: &str) -> Option<i64> {
    match yaml_scalar::int(text) {
        Some(PyInt::Small(number)) => Some(number),
        Some(PyInt::Big(_)) => None,
        None => yaml_scalar::float(text).and_then(|number| {
            const LIMIT: f64 = 9_007_199_254_740_992.0;
            #[expect(clippy::cast_possible_truncation, reason = "a whole number of at most 2^53")]
            (number.fract() == 0.0 && number.abs() <= LIMIT).then_some(number as i64)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_nobody_took_are_resolved_and_kept() {
        let mut meta =
            Meta::parse(b"name: 1e3\ntime: 5\nnothing: null\n$new: {$a: 1, b: .nan}\nlist: []\n").unwrap();
        assert_eq!(meta.text("name").as_deref(), Some("1e3"));
        assert_eq!(meta.int("time"), Some(5));
        assert_eq!(meta.int("absent"), None);
        meta.ignore_empty("list");
        let mut notes = Notes::default();
        let extra = meta.finish(Kind::Runs, "r", Path::new("meta.yaml"), &mut notes);
        assert_eq!(
            extra,
            Extra::from([("$$new".to_owned(), json!({"$$a": 1, "b": {"$float": "NaN"}}))])
        );
        assert!(notes.problems().is_empty());
    }

    #[test]
    fn a_field_of_another_type_is_a_failure() {
        let mut meta = Meta::parse(b"time: soon\nname: [a]\nbig: 99999999999999999999\n").unwrap();
        assert_eq!(
            (meta.int("time"), meta.text("name"), meta.int("big")),
            (None, None, None)
        );
        let mut notes = Notes::default();
        meta.finish(Kind::Runs, "r", Path::new("meta.yaml"), &mut notes);
        assert_eq!(notes.problems().len(), 3);
        assert_eq!(notes.problems()[0].field, "time");
    }
}
