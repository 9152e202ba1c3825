//! JSON as Python's `json` module sees it: ordered, with bare `NaN` and integers of any size.
//!
//! mlflow-export-import writes its files with `json.dumps` and turns fields into tags with `str()`. To read those
//! files and to make the same tags, a value must keep what `serde_json` drops: the order of keys, the difference
//! between `1` and `1.0`, bare `NaN` and `Infinity`, and integers beyond 64 bits. This module parses
//! ([`PyJson::parse`]), writes JSON that reparses to the same value ([`PyJson::to_json_text`]), and
//! prints as Python prints ([`PyJson::py_str`], [`PyJson::py_repr`]). It is not the archive's own JSON.

mod error;
mod free;
mod input;
mod parse;
mod repr;
mod text;
mod unprintable;

use std::io::{self, Read};

pub(crate) use error::PyJsonError;
pub use error::PyJsonErrorKind;
pub(crate) use error::PyJsonReadError;
pub(crate) use parse::MAX_HELD_BYTES;
pub(crate) use repr::{py_float_repr, py_str_repr};

/// A JSON value with the distinctions that Python keeps.
#[derive(Debug, Clone, PartialEq)]
pub enum PyJson {
    /// `null`, Python's `None`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number written without fraction and exponent.
    Int(PyInt),
    /// A number written with fraction or exponent, or a bare `NaN`, `Infinity`, `-Infinity`.
    Float(f64),
    /// A string.
    Str(String),
    /// An array.
    List(Vec<PyJson>),
    /// An object: keys are unique, in the order in which they were first inserted.
    Dict(Vec<(String, PyJson)>),
}

/// An integer of any size, as Python has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PyInt {
    /// It fits 64 bits.
    Small(i64),
    /// Its decimal text, which does not fit 64 bits.
    Big(String),
}

impl PyInt {
    /// The integer as 64 bits, if it fits.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Small(value) => Some(*value),
            Self::Big(_) => None,
        }
    }
}

impl std::fmt::Display for PyInt {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Small(value) => write!(formatter, "{value}"),
            Self::Big(text) => formatter.write_str(text),
        }
    }
}

impl PyJson {
    /// Parses what Python's `json.loads` accepts.
    ///
    /// A repeated key keeps its first position and takes its last value, as in a Python dict. A byte order mark is skipped.
    /// Two things that Python accepts are refused: nesting deeper than [`MAX_DEPTH`], and escapes of lone
    /// surrogates (`"\ud800"`), which are no text and which no MLflow store can hold.
    ///
    /// # Errors
    ///
    /// The first fault, with line, column and byte offset.
    pub fn parse(bytes: &[u8]) -> Result<Self, PyJsonError> {
        parse::read(bytes, &mut KeepAll).map_err(|error| match error {
            PyJsonReadError::Json(error) => error,
            PyJsonReadError::Io(_) => unreachable!("a slice can be read"),
        })
    }

    /// Reads a value from a stream, in memory bounded by the value less the lists that `sink` takes.
    ///
    /// # Errors
    /// The stream fails, or its text is refused as by [`PyJson::parse`].
    pub fn read(reader: impl Read, sink: &mut dyn ListSink) -> Result<Self, PyJsonReadError> {
        parse::read(reader, sink)
    }

    /// As [`PyJson::read`], of which no more than `room` bytes may be held.
    ///
    /// # Errors
    /// As [`PyJson::read`].
    pub(crate) fn read_within(
        reader: impl Read,
        sink: &mut dyn ListSink,
        room: usize,
    ) -> Result<Self, PyJsonReadError> {
        parse::read_within(reader, sink, room)
    }

    /// The value under `key`, if this is a dict that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let entries = self.as_dict()?;
        entries
            .iter()
            .find_map(|(name, value)| (name == key).then_some(value))
    }

    /// The entries, if this is a dict.
    pub fn as_dict(&self) -> Option<&[(String, Self)]> {
        match self {
            Self::Dict(entries) => Some(entries),
            _ => None,
        }
    }

    /// The items, if this is a list.
    pub fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    /// The text, if this is a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The integer, if this is one that fits 64 bits.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int(value) => value.as_i64(),
            _ => None,
        }
    }

    /// Whether this is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Python's name for the type, for messages.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Str(_) => "a string",
            Self::List(_) => "a list",
            Self::Dict(_) => "an object",
        }
    }
}

/// Takes what is long while it is read: the items of lists, so that in the value such a list is empty, and texts.
pub trait ListSink {
    /// Whether to take the items of the list below these keys. A key that is repeated begins anew.
    fn begin(&mut self, path: &[String]) -> bool;

    /// Takes an item of the list begun last.
    fn item(&mut self, item: PyJson);

    /// Takes a piece of a text of more than 1 MiB that is no key; false where it is to be held like others.
    ///
    /// # Errors
    /// It cannot be kept.
    fn text_piece(&mut self, _: &[u8]) -> io::Result<bool> {
        Ok(false)
    }

    /// Ends the text of which pieces were taken; gives what stands for it in the value.
    ///
    /// # Errors
    /// It cannot be kept.
    fn text_end(&mut self) -> io::Result<String> {
        Ok(String::new())
    }
}

/// Takes no list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeepAll;

impl ListSink for KeepAll {
    fn begin(&mut self, _: &[String]) -> bool {
        false
    }

    fn item(&mut self, _: PyJson) {}
}

impl From<&str> for PyJson {
    fn from(text: &str) -> Self {
        Self::Str(text.to_owned())
    }
}

impl From<String> for PyJson {
    fn from(text: String) -> Self {
        Self::Str(text)
    }
}

impl From<i64> for PyJson {
    fn from(value: i64) -> Self {
        Self::Int(PyInt::Small(value))
    }
}

impl<T: Into<PyJson>> From<Option<T>> for PyJson {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

#[cfg(test)]
mod tests;
