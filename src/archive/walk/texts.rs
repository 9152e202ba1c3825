//! The texts of a line, each with the key that it stands at, and where in an archive a text is.

use crate::archive::blob_reference_of;
use crate::format::Kind;
use crate::model::BlobRef;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt;

/// Something in a line that is text, or could be.
#[derive(Debug, PartialEq)]
pub(crate) enum LineText<'v> {
    /// A key, which is also the last part of the key that it stands at.
    Key(&'v str),
    /// A text, a number, or bytes that are no text.
    Value(Cow<'v, [u8]>),
    /// A text that stands as a blob.
    Long(BlobRef),
}

/// Hands out every text of a value. Parts of keys are names of fields, and `[0]` and so on in lists.
pub(crate) fn for_each_text(
    value: &Value,
    key: &mut Vec<String>,
    sink: &mut dyn FnMut(&[String], LineText<'_>),
) {
    match value {
        Value::Null | Value::Bool(_) => {}
        Value::Number(number) => sink(key, LineText::Value(number.to_string().into_bytes().into())),
        Value::String(text) => sink(key, LineText::Value(text.as_bytes().into())),
        Value::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                key.push(format!("[{number}]"));
                for_each_text(item, key, sink);
                key.pop();
            }
        }
        Value::Object(map) => {
            if let Some(blob) = blob_reference_of(map) {
                return sink(key, LineText::Long(blob));
            }
            if let Some(bytes) = bytes_of(map) {
                return sink(key, LineText::Value(bytes.into()));
            }
            for (name, item) in map {
                key.push(name.clone());
                sink(key, LineText::Key(name));
                for_each_text(item, key, sink);
                key.pop();
            }
        }
    }
}

/// The bytes of `{"$bytes": …}`.
fn bytes_of(map: &Map<String, Value>) -> Option<Vec<u8>> {
    let text = map.get("$bytes").filter(|_| map.len() == 1)?.as_str()?;
    STANDARD.decode(text).ok()
}

/// Parts of a key as one text.
pub(crate) fn joined(key: &[String]) -> String {
    let mut text = String::new();
    for part in key {
        if !text.is_empty() && !part.starts_with('[') {
            text.push('.');
        }
        text.push_str(part);
    }
    text
}

/// Where in an archive a text is.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct TextPlace {
    /// The file of the archive.
    pub file: String,
    /// Number of the line in that file, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Byte of that file, from 0; of a text that is encoded, where the 64 KiB begin that it ends in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Kind of the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// Id of the object; of the owner of an artifact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The field of the object, as `tags.KEY`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The parts of the field's key, for a recipe.
    #[serde(skip)]
    pub(crate) key: Vec<String>,
    /// Path of the artifact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<String>,
    /// Number of the line in the artifact or long text, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_line: Option<u64>,
}

impl fmt::Display for TextPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has_object = self.kind.is_some();
        if let (Some(kind), Some(id)) = (self.kind, &self.id) {
            write!(formatter, "{kind} {id}: ")?;
        }
        match (&self.field, &self.artifact) {
            (_, Some(artifact)) => write!(formatter, "artifact {artifact}")?,
            (Some(field), None) => write!(formatter, "{field}")?,
            (None, None) => {}
        }
        if let Some(line) = self.artifact_line {
            write!(formatter, " line {line}")?;
        }
        let has_more = has_object || self.field.is_some() || self.artifact.is_some();
        write!(formatter, "{}{}", if has_more { " (" } else { "" }, self.file)?;
        if let Some(line) = self.line {
            write!(formatter, " line {line}")?;
        }
        if let Some(offset) = self.offset {
            write!(formatter, " byte {offset}")?;
        }
        formatter.write_str(if has_more { ")" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_text_of_a_line_is_handed_out_with_its_key() {
        let digest = "0".repeat(64);
        let value = json!({"a": {"x.y": "t", "b": {"$bytes": "/w=="}, "l": {"$blob": {"sha256": digest, "size_bytes": 9}}}, "n": [1, "u"]});
        let mut seen = Vec::new();
        for_each_text(&value, &mut Vec::new(), &mut |key, text| {
            let text = match text {
                LineText::Key(name) => format!("key {name}"),
                LineText::Value(bytes) => format!("{:?}", bytes.escape_ascii().to_string()),
                LineText::Long(blob) => format!("long {}", blob.size_bytes),
            };
            seen.push(format!("{} {text}", joined(key)));
        });
        let expected = "a key a|a.b key b|a.b \"\\\\xff\"|a.l key l|a.l long 9|a.x.y key x.y|a.x.y \"t\"|n key n|n[0] \"1\"|n[1] \"u\"";
        assert_eq!(seen.join("|"), expected);
    }
}
