//! Text values as MLflow stores them: nearly always UTF-8, sometimes raw bytes.

use super::BlobRef;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// Parameters, tags and metadata: key to text.
pub type TextMap = BTreeMap<String, Text>;

/// A text value that keeps its bytes: UTF-8 as a JSON string, anything else as `{"$bytes": base64}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Text {
    /// Valid UTF-8, any characters, NUL and line ends included.
    Utf8(String),
    /// Bytes that are not UTF-8.
    Bytes(Vec<u8>),
    /// A text that no line holds, laid aside by a source for the archive's blobs; boxed, so that many texts are small.
    Long(Box<LongText>),
}

/// A text that stands as a blob and is not held in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LongText {
    /// Digest and size of the text, or of its base64.
    pub blob: BlobRef,
    /// Whether the text is UTF-8; else the blob is its base64.
    pub is_utf8: bool,
}

impl Text {
    /// Takes bytes as they were found.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        match String::from_utf8(bytes) {
            Ok(text) => Text::Utf8(text),
            Err(error) => Text::Bytes(error.into_bytes()),
        }
    }

    /// The text, where it is UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Text::Utf8(text) => Some(text),
            Text::Bytes(_) | Text::Long(_) => None,
        }
    }

    /// The text for people: bytes that are not UTF-8 become replacement characters.
    pub fn to_display(&self) -> Cow<'_, str> {
        match self {
            Text::Utf8(text) => Cow::Borrowed(text),
            Text::Bytes(bytes) => String::from_utf8_lossy(bytes),
            Text::Long(text) => Cow::Owned(format!("(a text of {} bytes)", text.blob.size_bytes)),
        }
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Text::Utf8(text)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Text::Utf8(text.to_owned())
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Text::Utf8(text) => serializer.serialize_str(text),
            Text::Bytes(bytes) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("$bytes", &STANDARD.encode(bytes))?;
                map.end()
            }
            Text::Long(long) => {
                let LongText { blob, is_utf8 } = &**long;
                let mut map = serializer.serialize_map(Some(1))?;
                if *is_utf8 {
                    map.serialize_entry("$blob", blob)?
                } else {
                    map.serialize_entry("$bytes", &BTreeMap::from([("$blob", blob)]))?
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> de::Visitor<'de> for TextVisitor {
    type Value = Text;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string or {\"$bytes\": base64}")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Text, E> {
        Ok(Text::Utf8(text.to_owned()))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Text, E> {
        Ok(Text::Utf8(text))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
        let Some(key) = map.next_key::<String>()? else {
            return Err(de::Error::invalid_length(0, &self));
        };
        let long = |blob, is_utf8| Text::Long(Box::new(LongText { blob, is_utf8 }));
        let text = match key.as_str() {
            "$bytes" => match map.next_value::<Value>()? {
                Value::String(text) => Text::Bytes(STANDARD.decode(text).map_err(de::Error::custom)?),
                other => {
                    let blob = other.get("$blob").unwrap_or(&Value::Null);
                    long(BlobRef::deserialize(blob).map_err(de::Error::custom)?, false)
                }
            },
            "$blob" => long(map.next_value()?, true),
            _ => return Err(de::Error::unknown_field(&key, &["$bytes", "$blob"])),
        };
        match map.next_key::<String>()? {
            None => Ok(text),
            Some(other) => Err(de::Error::unknown_field(&other, &[])),
        }
    }
}

/// The schema of a reference to the blob that holds a long text.
pub(crate) fn blob_schema() -> serde_json::Value {
    serde_json::json!({
        "type": "object",
        "properties": {"$blob": {
            "type": "object",
            "properties": {
                "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
                "size_bytes": {"type": "integer", "minimum": 1_048_577},
            },
            "required": ["sha256", "size_bytes"],
            "additionalProperties": false,
        }},
        "required": ["$blob"],
        "additionalProperties": false,
    })
}

impl JsonSchema for Text {
    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let blob = blob_schema();
        json_schema!({
            "description": "UTF-8 text; bytes that are not UTF-8 in base64; either over 1 MiB as a blob",
            "anyOf": [
                {"type": "string"},
                {"type": "object", "properties": {"$bytes": {"anyOf": [{"type": "string"}, blob]}},
                 "required": ["$bytes"], "additionalProperties": false},
                blob,
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_not_utf8_survive() {
        let text = Text::from_bytes(vec![b'a', 0xff, 0]);
        let json = serde_json::to_string(&text).unwrap();
        assert_eq!(json, r#"{"$bytes":"Yf8A"}"#);
        assert_eq!(serde_json::from_str::<Text>(&json).unwrap(), text);
    }

    #[test]
    fn other_objects_are_refused() {
        for json in [r#"{"$bytes":"Yf8A","x":"y"}"#, r#"{"bytes":"Yf8A"}"#, "{}", "1"] {
            assert!(serde_json::from_str::<Text>(json).is_err(), "{json}");
        }
    }
}
