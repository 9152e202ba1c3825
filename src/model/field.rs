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
    /// What a column of a database is named that has it.
    pub(crate) stored: &'static str,
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

    /// Whether it is a store's own files or tables.
    fn is_store(&self) -> bool {
        false
    }

    /// Takes a text that every object has.
    fn required_text(&mut self, key: &str) -> String {
        self.text(key).unwrap_or_default()
    }
}

/// Defines an object: a line per field, `name: Type by whom as column = default`; the column of a database, where it has another name.
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
        $(#[$meta:meta])* $field:ident: Option<$kind:ident> $(by $who:ident)? $(as $stored:ident)?, $($rest:tt)*) => {
        $crate::model::field::object! { @next $from $about $name
            [$($type)* $(#[$meta])* #[serde(default, skip_serializing_if = "Option::is_none")] pub $field: Option<$kind>,]
            [$($fields)* $crate::model::field::field!($field $kind; $($stored)?),]
            [$($names)* stringify!($field),]
            [$($pick)* $field: $crate::model::field::picked!($from $field $kind $($who)?),]
            [$($plain)* $($who $field,)?]
            $($rest)* }
    };
    (@next $from:ident $about:tt $name:ident [$($type:tt)*] [$($fields:tt)*] [$($names:tt)*] [$($pick:tt)*] $plain:tt
        $(#[$meta:meta])* $field:ident: String $(as $stored:ident)? $(= $default:literal)?, $($rest:tt)*) => {
        $crate::model::field::object! { @next $from $about $name
            [$($type)* $(#[$meta])* pub $field: String,]
            [$($fields)* $crate::model::field::field!($field String; $($stored)?),]
            [$($names)* stringify!($field),]
            [$($pick)* $field: $crate::model::field::required!($from $field $($default)?),]
            $plain $($rest)* }
    };
    (@next $from:ident $about:tt $name:ident [$($type:tt)*] [$($fields:tt)*] [$($names:tt)*] [$($pick:tt)*] $plain:tt
        $(#[$meta:meta])* $field:ident: TextMap, $($rest:tt)*) => {
        $crate::model::field::object! { @next $from $about $name
            [$($type)* $(#[$meta])* #[serde(default)] pub $field: TextMap,]
            [$($fields)* $crate::model::field::field!($field TextMap;),]
            [$($names)* stringify!($field),]
            [$($pick)* $field: $from.text_map(stringify!($field)),]
            $plain $($rest)* }
    };
    (@next $from:ident $about:tt $name:ident [$($type:tt)*] [$($fields:tt)*] [$($names:tt)*] $pick:tt $plain:tt
        $(#[$meta:meta])* $field:ident: $kind:ident $(<$($of:ident),*>)?, $($rest:tt)*) => {
        $crate::model::field::object! { @next $from $about $name
            [$($type)* $(#[$meta])* pub $field: $kind $(<$($of),*>)?,]
            [$($fields)* $crate::model::field::field!($field $kind $($($of)*)?;),]
            [$($names)* stringify!($field),]
            $pick $plain $($rest)* }
    };
}

/// The entry of a field in the table.
macro_rules! field {
    (@ $field:ident $kind:ident $stored:ident) => {
        $crate::model::field::Field {
            name: stringify!($field),
            kind: $crate::model::field::ColumnType::$kind,
            path: &[stringify!($field)],
            stored: stringify!($stored),
        }
    };
    (@ $field:ident $kind:ident) => { $crate::model::field::field!(@ $field $kind $field) };
    ($field:ident String; $($stored:ident)?) => { $crate::model::field::field!(@ $field Text $($stored)?) };
    ($field:ident i64; $($stored:ident)?) => { $crate::model::field::field!(@ $field Integer $($stored)?) };
    ($field:ident u64; $($stored:ident)?) => { $crate::model::field::field!(@ $field Integer $($stored)?) };
    ($field:ident bool; $($stored:ident)?) => { $crate::model::field::field!(@ $field Boolean $($stored)?) };
    ($field:ident Millis; $($stored:ident)?) => { $crate::model::field::field!(@ $field Millis $($stored)?) };
    ($field:ident Nanos; $($stored:ident)?) => { $crate::model::field::field!(@ $field Nanos $($stored)?) };
    ($field:ident TextMap; $($stored:ident)?) => { $crate::model::field::field!(@ $field TextMap $($stored)?) };
    ($field:ident BTreeMap String String; $($stored:ident)?) => { $crate::model::field::field!(@ $field TextMap $($stored)?) };
    ($field:ident BTreeMap String u64; $($stored:ident)?) => { $crate::model::field::field!(@ $field IntegerMap $($stored)?) };
    ($field:ident BTreeMap String Value; $($stored:ident)?) => { $crate::model::field::field!(@ $field JsonMap $($stored)?) };
    ($field:ident Vec String; $($stored:ident)?) => { $crate::model::field::field!(@ $field TextList $($stored)?) };
    ($field:ident $($other:ident)*; $($stored:ident)?) => { $crate::model::field::field!(@ $field Json $($stored)?) };
}

/// How an optional field is read.
macro_rules! picked {
    ($from:ident $field:ident $kind:ident store) => {
        if $from.is_store() {
            $crate::model::field::picked!($from $field $kind)
        } else {
            None
        }
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
