//! Objects of Python being made.

use super::tags::format_millis;
use crate::model::Extra;
use crate::model::free_json::unescape_key;
use crate::model::pyjson::PyJson;

/// An object with its keys in the order in which they were put.
#[derive(Default)]
pub(super) struct Dict(pub(super) Vec<(String, PyJson)>);

impl Dict {
    pub(super) fn put(&mut self, key: &str, value: impl Into<PyJson>) {
        self.0.push((key.to_owned(), value.into()));
    }

    /// Puts a value that is there.
    pub(super) fn put_some(&mut self, key: &str, value: impl Into<PyJson>) {
        let value = value.into();
        if !value.is_null() {
            self.put(key, value);
        }
    }

    /// The text that the exporter adds beside a time.
    pub(super) fn put_time(&mut self, key: &str, millis: Option<i64>) {
        self.put(key, format_millis(&PyJson::from(millis)).ok());
    }

    /// Puts the fields that only the source knows.
    pub(super) fn put_extra(&mut self, fields: &Extra) {
        let fields = fields.iter();
        let known = fields.map(|(key, value)| (unescape_key(key).to_owned(), PyJson::from_free_json(value)));
        self.0.extend(known);
    }

    pub(super) fn finish(self) -> PyJson {
        PyJson::Dict(self.0)
    }
}
