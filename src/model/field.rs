//! The one table of the fields of each kind of object.
//!
//! `object!` makes an object's type of it, and a [`FieldTable`]: sources read fields by it, plain columns are made of it, a
//! comparison with a target leaves out by it what the target chooses itself, and a field is known by it that would be read as another.

use super::TextMap;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// Epoch milliseconds.
pub type Millis = i64;

/// Epoch nanoseconds.
pub type Nanos = i64;

/// What a column holds. The name of each is that in `tables.json` and in docs/reference/tables.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub enum ColumnType {
    /// UTF-8.
    #[serde(rename = "text")]
    Text,
    /// 64 bits, signed.
    #[serde(rename = "int64")]
    Integer,
    /// A double.
    #[serde(rename = "double")]
    Double,
    /// True or false.
    #[serde(rename = "boolean")]
    Boolean,
    /// A moment in milliseconds.
    #[serde(rename = "timestamp[ms, UTC]")]
    Millis,
    /// A moment in nanoseconds.
    #[serde(rename = "timestamp[ns, UTC]")]
    Nanos,
    /// JSON, as text.
    #[serde(rename = "json")]
    Json,
    /// Texts.
    #[serde(rename = "list<text>")]
    TextList,
    /// Texts by key.
    #[serde(rename = "map<text, text>")]
    TextMap,
    /// JSON by key, as text.
    #[serde(rename = "map<text, json>")]
    JsonMap,
    /// Integers by key.
    #[serde(rename = "map<text, int64>")]
    IntegerMap,
    /// Doubles by key.
    #[serde(rename = "map<text, double>")]
    DoubleMap,
}

/// A field of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field {
    /// Its name, or that of a column made of it.
    pub(crate) name: &'static str,
    pub(crate) kind: ColumnType,
    /// Where it stands in the object's line.
    pub(crate) path: &'static [&'static str],
}

/// The fields of an object.
pub(crate) trait FieldTable: Sized {
    /// All that MLflow has, in the order of the type.
    const FIELDS: &'static [Field];

    /// Their names, and those of what only archives have.
    const NAMES: &'static [&'static str];

    /// Reads the fields that are of a simple type and that a source tells under their own names.
    fn pick(from: &mut impl Picks) -> Self;

    /// Takes out what a target does not take over from an archive, and what this version does not know.
    fn keep_what_targets_take(&mut self);
}

/// What a source says of one object, field by field.
pub(crate) trait Picks {
    /// Takes a text.
    fn text(&mut self, key: &str) -> Option<String>;

    /// Takes an integer.
    fn int(&mut self, key: &str) -> Option<i64>;

    /// Takes texts by name.
    fn text_map(&mut self, key: &str) -> TextMap;

    /// Takes free JSON.
    fn value(&mut self, key: &str) -> Option<Value>;

    /// Takes a text that every object has.
    fn required_text(&mut self, key: &str) -> String {
        self.text(key).unwrap_or_default()
    }
}

/// Defines an object: a line per field, `name: Type by whom = default`.
///
/// A source that does not tell a text has the default for it. A `target` chooses some fields itself for what is imported; only a
/// `store`'s own files and tables tell others, which no import sets; and `mlark` adds some of its own.
macro_rules! object {
    ($(#[$about:meta])* $name:ident { $($fields:tt)* }) => {
        $crate::model::field::object! { @next from [$(#[$about])*] $name [] [] [] [] [] $($fields)* }
    };

    (@next $from:ident [$($about:tt)*] $name:ident [$($type:tt)*] [$($fields:tt)*] [$($names:tt)*] [$($pick:tt)*]
        [$($who:ident $plain:ident,)*]) => {
        $($about)*
        #[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        pub struct $name {
            $($type)*
            /// Fields this version does not know, as free JSON.
            #[serde(flatten)]
            pub extra: $crate::model::Extra,
        }

        impl $crate::model::field::FieldTable for $name {
            const FIELDS: &'static [$crate::model::field::Field] = &[$($fields)*];
            const NAMES: &'static [&'static str] = &[$($names)*];

            fn pick($from: &mut impl $crate::model::field::Picks) -> Self {
                $name { $($pick)* ..Default::default() }
            }

            fn keep_what_targets_take(&mut self) {
                self.extra.clear();
                $(self.$plain = None;)*
            }
        }
    };

    (@next $from:ident $about:tt $name:ident [$($type:tt)*] $fields:tt [$($names:tt)*] $pick:tt [$($plain:tt)*]
        $(#[$meta:meta])* $field:ident: Option<$kind:ident> by mlark, $($rest:tt)*) => {
        $crate::model::field::object! { @next $from $about $name
            [$($type)* $(#[$meta])* #[serde(default, skip_serializing_if = "Option::is_none")] pub $field: Option<$kind>,]
            $fields
            [$($names)* stringify!($field),]
            $pick
            [$($plain)* mlark $field,]
            $($rest)* }
    };
    (@next $from:ident $about:tt $name:ident [$($type:tt)*] [$($fields:tt)*] [$($names:tt)*] [$($pick:tt)*] [$($plain:tt)*]
        $(#[$meta:meta])* $field:ident: Option<$kind:ident> $(by $who:ident)?, $($rest:tt)*) => {
        $crate::model::field::object! { @next $from $about $name
            [$($type)* $(#[$meta])* #[serde(default, skip_serializing_if = "Option::is_none")] pub $field: Option<$kind>,]
            [$($fields)* $crate::model::field::field!($field $kind),]
            [$($names)* stringify!($field),]
            [$($pick)* $field: $crate::model::field::picked!($from $field $kind $($who)?),]
            [$($plain)* $($who $field,)?]
            $($rest)* }
    };
    (@next $from:ident $about:tt $name:ident [$($type:tt)*] [$($fields:tt)*] [$($names:tt)*] [$($pick:tt)*] $plain:tt
        $(#[$meta:meta])* $field:ident: String $(= $default:literal)?, $($rest:tt)*) => {
        $crate::model::field::object! { @next $from $about $name
            [$($type)* $(#[$meta])* pub $field: String,]
            [$($fields)* $crate::model::field::field!($field String),]
            [$($names)* stringify!($field),]
            [$($pick)* $field: $crate::model::field::required!($from $field $($default)?),]
            $plain $($rest)* }
    };
    (@next $from:ident $about:tt $name:ident [$($type:tt)*] [$($fields:tt)*] [$($names:tt)*] [$($pick:tt)*] $plain:tt
        $(#[$meta:meta])* $field:ident: TextMap, $($rest:tt)*) => {
        $crate::model::field::object! { @next $from $about $name
            [$($type)* $(#[$meta])* #[serde(default)] pub $field: TextMap,]
            [$($fields)* $crate::model::field::field!($field TextMap),]
            [$($names)* stringify!($field),]
            [$($pick)* $field: $from.text_map(stringify!($field)),]
            $plain $($rest)* }
    };
    (@next $from:ident $about:tt $name:ident [$($type:tt)*] [$($fields:tt)*] [$($names:tt)*] $pick:tt $plain:tt
        $(#[$meta:meta])* $field:ident: $kind:ident $(<$($of:ident),*>)?, $($rest:tt)*) => {
        $crate::model::field::object! { @next $from $about $name
            [$($type)* $(#[$meta])* pub $field: $kind $(<$($of),*>)?,]
            [$($fields)* $crate::model::field::field!($field $kind $($($of)*)?),]
            [$($names)* stringify!($field),]
            $pick $plain $($rest)* }
    };
}

/// The entry of a field in the table.
macro_rules! field {
    (@ $field:ident $kind:ident) => {
        $crate::model::field::Field {
            name: stringify!($field),
            kind: $crate::model::field::ColumnType::$kind,
            path: &[stringify!($field)],
        }
    };
    ($field:ident String) => { $crate::model::field::field!(@ $field Text) };
    ($field:ident i64) => { $crate::model::field::field!(@ $field Integer) };
    ($field:ident u64) => { $crate::model::field::field!(@ $field Integer) };
    ($field:ident bool) => { $crate::model::field::field!(@ $field Boolean) };
    ($field:ident Millis) => { $crate::model::field::field!(@ $field Millis) };
    ($field:ident Nanos) => { $crate::model::field::field!(@ $field Nanos) };
    ($field:ident TextMap) => { $crate::model::field::field!(@ $field TextMap) };
    ($field:ident BTreeMap String String) => { $crate::model::field::field!(@ $field TextMap) };
    ($field:ident BTreeMap String u64) => { $crate::model::field::field!(@ $field IntegerMap) };
    ($field:ident BTreeMap String Value) => { $crate::model::field::field!(@ $field JsonMap) };
    ($field:ident Vec String) => { $crate::model::field::field!(@ $field TextList) };
    ($field:ident $($other:ident)*) => { $crate::model::field::field!(@ $field Json) };
}

/// How an optional field is read.
macro_rules! picked {
    ($from:ident $field:ident $kind:ident store) => {
        None
    };
    ($from:ident $field:ident bool $($who:ident)?) => {
        None
    };
    ($from:ident $field:ident String $($who:ident)?) => {
        $from.text(stringify!($field))
    };
    ($from:ident $field:ident Value $($who:ident)?) => {
        $from.value(stringify!($field))
    };
    ($from:ident $field:ident $number:ident $($who:ident)?) => {
        $from.int(stringify!($field))
    };
}

/// How a text that every object has is read.
macro_rules! required {
    ($from:ident $field:ident) => {
        $from.required_text(stringify!($field))
    };
    ($from:ident $field:ident $default:literal) => {
        $from
            .text(stringify!($field))
            .unwrap_or_else(|| $default.to_owned())
    };
}

pub(crate) use {field, object, picked, required};
