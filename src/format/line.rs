//! One object, one line: canonical text, and the key that orders it.

use super::{Kind, SortKey, Typed, each_object, order};
use crate::model::{Run, RunInfo, Text};
use serde::Serialize;
use serde_json::Value;
use std::io;

/// An object whose line alone tells its place in the archive's order.
pub trait Object: Typed {
    /// Which files it is a line of.
    const KIND: Kind;

    /// Its place among objects of its kind.
    fn sort_key(&self) -> SortKey;

    /// Its id, for people and loss lists.
    fn id(&self) -> String;
}

/// The canonical text of a value: sorted keys, no spaces, no line end.
pub fn canonical(value: &Value) -> Vec<u8> {
    // `serde_json::Map` is a BTreeMap here (its `preserve_order` feature is off), so keys are sorted by bytes.
    serde_json::to_vec(value).expect("a value can be written")
}

/// Whether a text is the canonical one of a value, which is written against it and not into memory.
pub(crate) fn is_text_of(value: &Value, text: &[u8]) -> bool {
    let mut rest = Rest(text);
    serde_json::to_writer(&mut rest, value).is_ok() && rest.0.is_empty()
}

/// What must be written next.
struct Rest<'t>(&'t [u8]);

impl io::Write for Rest<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.strip_prefix(bytes).ok_or(io::ErrorKind::InvalidData)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The value of an object, keys sorted.
pub fn to_value<T: Serialize>(object: &T) -> Value {
    serde_json::to_value(object).expect("objects have text keys and finite numbers")
}

/// The value of a run, which gives up its params and tags for it.
pub(crate) fn take_value(run: &mut Run) -> Value {
    let texts = [("params", &mut run.params), ("tags", &mut run.tags)];
    let texts = texts.map(|(field, texts)| (field, std::mem::take(texts)));
    let mut value = to_value(run);
    for (field, texts) in texts {
        let item = |text| match text {
            Text::Utf8(text) => Value::String(text),
            other => to_value(&other),
        };
        value[field] = texts.into_iter().map(|(key, text)| (key, item(text))).collect();
    }
    value
}

/// A field as a part of a key.
macro_rules! key_part {
    (id $value:expr) => {
        &$value
    };
    (text $value:expr) => {
        &$value
    };
    (optional_text $value:expr) => {
        $value.as_deref()
    };
    ($number:ident $value:expr) => {
        $value
    };
}

macro_rules! objects {
    ($($kind:ident $type:ident $(.$inside:ident)? [$($form:ident $id:ident),+] [$($part:ident $field:ident),+];)*) => {
        $(impl Object for crate::model::$type {
            const KIND: Kind = Kind::$kind;

            fn sort_key(&self) -> SortKey {
                let object = &self$(.$inside)?;
                SortKey::new()$(.$part(key_part!($part object.$field)))+
            }

            fn id(&self) -> String {
                let object = &self$(.$inside)?;
                [$(object.$id.to_string()),+].join("/")
            }
        })*
    };
}

each_object!(objects);

impl RunInfo {
    /// Place of the run, and of everything that belongs to it.
    pub fn sort_key(&self) -> SortKey {
        order::run(&self.experiment_id, self.start_time, &self.run_id)
    }
}
