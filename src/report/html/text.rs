//! Values of an archive as the page's data has them: short, and never markup.
//!
//! | in the archive | in the data |
//! |---|---|
//! | a text of at most so many characters | the text |
//! | a longer one | `{"t": its start, "n": bytes of all of it}` |
//! | bytes that are no UTF-8 | `{"b": as far as it can be read, "n": bytes}` |
//! | an integer that no double holds | its digits as a text |

use crate::archive::blob_reference_of;
use crate::model::mask::redact;
use crate::model::{Text, TextMap};
use crate::report::text::shortened;
use serde_json::{Map, Value, json};

/// Characters of a text that the page has.
pub(super) const TEXT_CHARACTERS: usize = 1_000;
/// Characters of notes, descriptions, prompts, and what went into and came out of a span.
pub(super) const NOTE_CHARACTERS: usize = 8_000;
/// Characters of a key.
const KEY_CHARACTERS: usize = 300;
/// Entries of a map, such as the tags of a run.
const MOST_ENTRIES: usize = 2_000;
/// The greatest integer that a double holds with all before it.
const EXACT: i64 = (1 << 53) - 1;
/// Tags that are read rather than looked up.
const NOTES: [&str; 2] = ["mlflow.note.content", "mlflow.prompt.text"];

/// Makes values, and counts the texts that it cuts.
#[derive(Debug, Default)]
pub(super) struct Texts {
    pub(super) cut: u64,
}

impl Texts {
    /// A text.
    pub(super) fn text(&mut self, text: &str) -> Value {
        self.cut_at(text, TEXT_CHARACTERS)
    }

    /// A text that is read as a whole.
    pub(super) fn note(&mut self, text: &str) -> Value {
        self.cut_at(text, NOTE_CHARACTERS)
    }

    /// A text that may not be there.
    pub(super) fn some(&mut self, text: Option<&str>) -> Value {
        text.map_or(Value::Null, |text| self.text(text))
    }

    /// A long text that may not be there.
    pub(super) fn some_note(&mut self, text: Option<&str>) -> Value {
        text.map_or(Value::Null, |text| self.note(text))
    }

    /// A URI, or a text with some, without what may be a secret in it.
    pub(super) fn some_uri(&mut self, text: Option<&str>) -> Value {
        text.map_or(Value::Null, |text| self.text(&redact(text)))
    }

    fn cut_at(&mut self, text: &str, characters: usize) -> Value {
        // Most texts are so short that they need not be counted.
        let end = if text.len() <= characters {
            None
        } else {
            text.char_indices().nth(characters)
        };
        match end {
            None => Value::from(text),
            Some((end, _)) => {
                self.cut += 1;
                json!({"t": &text[..end], "n": text.len()})
            }
        }
    }

    /// A value of params or tags.
    fn value(&mut self, key: &str, text: &Text) -> Value {
        match text {
            Text::Utf8(text) if NOTES.contains(&key) => self.note(text),
            Text::Utf8(text) => self.text(text),
            Text::Bytes(bytes) => {
                let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(TEXT_CHARACTERS)]);
                json!({"b": shown, "n": bytes.len()})
            }
            Text::Long(long) => {
                self.cut += 1;
                let start = if long.is_utf8 { "t" } else { "b" };
                json!({start: "", "n": long.blob.size_bytes})
            }
        }
    }

    /// Params, tags or metadata as `[key, value, key, value …]`.
    pub(super) fn map(&mut self, map: &TextMap) -> Value {
        let mut flat = Vec::with_capacity(2 * map.len().min(MOST_ENTRIES));
        for (key, text) in map.iter().take(MOST_ENTRIES) {
            flat.push(name(key));
            flat.push(self.value(key, text));
        }
        self.cut += map.len().saturating_sub(MOST_ENTRIES) as u64;
        Value::Array(flat)
    }

    /// Free JSON: texts as they are, anything else as JSON; what stands as a blob by its size.
    pub(super) fn free(&mut self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.note(text),
            Value::Object(map) => match blob_reference_of(map) {
                Some(blob) => {
                    self.cut += 1;
                    json!({"t": "", "n": blob.size_bytes})
                }
                None => self.note(&value.to_string()),
            },
            other => self.note(&other.to_string()),
        }
    }
}

/// A key or name, which is cut only where it is very long.
pub(super) fn name(text: &str) -> Value {
    Value::from(shortened(text, KEY_CHARACTERS))
}

/// An integer.
pub(super) fn integer(number: i64) -> Value {
    if (-EXACT..=EXACT).contains(&number) {
        Value::from(number)
    } else {
        Value::from(number.to_string())
    }
}

/// An object of fields, without those that say nothing; an empty text is a text.
#[derive(Debug, Default)]
pub(super) struct Row(Map<String, Value>);

impl Row {
    /// Adds a field, unless it says nothing.
    pub(super) fn put(&mut self, key: &str, value: Value) {
        let is_empty = match &value {
            Value::Null | Value::Bool(false) => true,
            Value::Array(items) => items.is_empty(),
            _ => false,
        };
        if !is_empty {
            self.0.insert(key.to_owned(), value);
        }
    }

    pub(super) fn put_name(&mut self, key: &str, text: Option<&str>) {
        self.put(key, text.map_or(Value::Null, name));
    }

    pub(super) fn put_integer(&mut self, key: &str, number: Option<i64>) {
        self.put(key, number.map_or(Value::Null, integer));
    }

    /// Its bytes, fit for a script element.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        inert(&Value::Object(self.0))
    }
}

/// A value as JSON in which no `<` stands, so that nothing in it can end a script element or begin one.
pub(super) fn inert(value: &impl serde::Serialize) -> Vec<u8> {
    let text = serde_json::to_vec(value).expect("values have text keys");
    if !text.contains(&b'<') {
        return text;
    }
    let mut safe = Vec::with_capacity(text.len() + 64);
    for byte in text {
        match byte {
            // In JSON the sign stands in texts alone.
            b'<' => safe.extend_from_slice(b"\\u003c"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_holds_no_markup_and_stays_the_same_json() {
        let value = json!({"</script>": ["<!--", "<img onerror=x>"]});
        let bytes = inert(&value);
        assert!(!bytes.contains(&b'<'));
        assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), value);
    }

    #[test]
    fn cut_texts_say_how_long_they_are_and_are_counted() {
        let mut texts = Texts::default();
        let long = "é".repeat(TEXT_CHARACTERS + 1);
        assert_eq!(texts.text(&long)["n"], json!(2 * TEXT_CHARACTERS + 2));
        assert_eq!(texts.text("short"), json!("short"));
        assert_eq!(texts.cut, 1);
    }

    #[test]
    fn integers_beyond_doubles_are_texts() {
        assert_eq!(integer(EXACT), json!(EXACT));
        assert_eq!(integer(i64::MIN), json!("-9223372036854775808"));
    }
}
