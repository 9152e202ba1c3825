//! Compact JSON text that reparses to the same value.

use std::fmt::Write as _;

use super::{PyJson, py_float_repr};

/// How a text is laid out.
struct Style {
    between_items: &'static str,
    after_key: &'static str,
    is_ascii: bool,
}

const COMPACT: Style = Style {
    between_items: ",",
    after_key: ":",
    is_ascii: false,
};
const DUMPS: Style = Style {
    between_items: ", ",
    after_key: ": ",
    is_ascii: true,
};

const UNICODE_DUMPS: Style = Style {
    is_ascii: false,
    ..DUMPS
};

impl PyJson {
    /// Compact JSON in the value's own order; parsing it gives the same value, bare `NaN` included.
    pub fn to_json_text(&self) -> String {
        let mut out = String::new();
        COMPACT.write(self, &mut out);
        out
    }

    /// What Python's `json.dumps(value)` gives: spaces after `,` and `:`, escapes for all that is not ASCII.
    pub fn to_dumps_text(&self) -> String {
        let mut out = String::new();
        DUMPS.write(self, &mut out);
        out
    }

    /// The same with `ensure_ascii=False`: text beyond ASCII stands as itself.
    pub fn to_unicode_dumps_text(&self) -> String {
        let mut out = String::new();
        UNICODE_DUMPS.write(self, &mut out);
        out
    }
}

impl Style {
    fn write(&self, value: &PyJson, out: &mut String) {
        match value {
            PyJson::Null => out.push_str("null"),
            PyJson::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            PyJson::Int(value) => out.push_str(&value.to_string()),
            PyJson::Float(value) => out.push_str(&float_text(*value)),
            PyJson::Str(text) => self.write_string(text, out),
            PyJson::List(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    out.push_str(if at == 0 { "" } else { self.between_items });
                    self.write(item, out);
                }
                out.push(']');
            }
            PyJson::Dict(entries) => {
                out.push('{');
                for (at, (key, item)) in entries.iter().enumerate() {
                    out.push_str(if at == 0 { "" } else { self.between_items });
                    self.write_string(key, out);
                    out.push_str(self.after_key);
                    self.write(item, out);
                }
                out.push('}');
            }
        }
    }

    fn write_string(&self, text: &str, out: &mut String) {
        out.push('"');
        for character in text.chars() {
            match character {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                '\0'..='\u{1f}' => write_escape(character, out),
                // Python escapes all but the printable: U+007F too.
                '\u{7f}'.. if self.is_ascii => write_escape(character, out),
                _ => out.push(character),
            }
        }
        out.push('"');
    }
}

fn write_escape(character: char, out: &mut String) {
    for unit in character.encode_utf16(&mut [0; 2]) {
        write!(out, "\\u{unit:04x}").expect("writing to a string cannot fail");
    }
}

fn float_text(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    py_float_repr(value)
}
