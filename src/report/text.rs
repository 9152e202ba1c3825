//! Values of archives made readable, and safe to show.

use crate::model::Digest;
use crate::model::printable::is_hidden;
pub(crate) use crate::model::printable::printable;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use std::fmt::Write as _;

/// A value as JSON on one line, its control and invisible characters as `\uXXXX`.
pub fn json_text(value: &impl serde::Serialize) -> String {
    let text = serde_json::to_string(value).expect("values have text keys");
    if !text.chars().any(is_hidden) {
        return text;
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if !is_hidden(character) {
            shown.push(character);
            continue;
        }
        write_json_escape(character, &mut shown);
    }
    shown
}

/// Writes a character of a JSON text as `\uXXXX`.
pub(crate) fn write_json_escape(character: char, shown: &mut String) {
    let mut units = [0; 2];
    for unit in character.encode_utf16(&mut units) {
        let _ = write!(shown, "\\u{unit:04x}");
    }
}

/// A text of at most about `limit` characters; a longer one ends with its length and the start of its SHA-256.
pub(crate) fn shortened(text: &str, limit: usize) -> Cow<'_, str> {
    let Some((cut, _)) = text.char_indices().nth(limit) else {
        return Cow::Borrowed(text);
    };
    let digest = Digest(Sha256::digest(text).into());
    Cow::Owned(cut_text(&text[..cut], text.len() as u64, &digest))
}

/// The start of a longer text, with the length of all of it and the start of its digest.
pub(super) fn cut_text(start: &str, size_bytes: u64, digest: &Digest) -> String {
    let hex = digest.hex();
    format!("{start}… ({size_bytes} bytes, sha256 {})", &hex.as_str()[..12])
}

/// A value for people: texts as they are, made safe; anything else as JSON.
pub(crate) fn value_text(value: &Value, limit: usize) -> String {
    match value {
        Value::String(text) => printable(&shortened(text, limit)).into_owned(),
        other => shortened(&json_text(other), limit).into_owned(),
    }
}

/// Epoch milliseconds as RFC 3339 in UTC; the number where that has no such text.
pub(crate) fn time_text(milliseconds: i64) -> String {
    match jiff::Timestamp::from_millisecond(milliseconds) {
        Ok(time) => time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        Err(_) => milliseconds.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_text_stays_json() {
        let value = Value::from("\u{7f}\u{9b}\u{2028}\u{e0041}\n\u{feff}x");
        let text = json_text(&value);
        assert!(text.is_ascii(), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }

    #[test]
    fn long_texts_end_with_length_and_digest() {
        assert_eq!(shortened("short", 5), "short");
        assert_eq!(
            shortened("ééééééé", 3),
            "ééé… (14 bytes, sha256 68f0b4a0f4d3)".replace("68f0b4a0f4d3", &{
                let digest = crate::model::Digest(Sha256::digest("ééééééé").into());
                digest.hex().as_str()[..12].to_owned()
            })
        );
    }

    #[test]
    fn times_are_utc() {
        assert_eq!(time_text(1_670_836_055_960), "2022-12-12T09:07:35.960Z");
        assert_eq!(time_text(i64::MAX), i64::MAX.to_string());
    }
}
