//! Compact JSON text that reparses to the same value.

use std::fmt::Write as _;

use super::{PyJson, py_float_repr};

impl PyJson {
    /// Compact JSON in the value's own order; parsing it gives the same value, bare `NaN` included.
    pub fn to_json_text(&self) -> String {
        let mut out = String::new();
        write_value(self, &mut out);
        out
    }
}

fn write_value(value: &PyJson, out: &mut String) {
    match value {
        PyJson::Null => out.push_str("null"),
        PyJson::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        PyJson::Int(value) => out.push_str(&value.to_string()),
        PyJson::Float(value) => out.push_str(&float_text(*value)),
        PyJson::Str(text) => write_string(text, out),
        PyJson::List(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { "," });
                write_value(item, out);
            }
            out.push(']');
        }
        PyJson::Dict(entries) => {
            out.push('{');
            for (at, (key, item)) in entries.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { "," });
                write_string(key, out);
                out.push(':');
                write_value(item, out);
            }
            out.push('}');
        }
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

fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\u{1f}' => {
                write!(out, "\\u{:04x}", u32::from(character)).expect("writing to a string cannot fail")
            }
            _ => out.push(character),
        }
    }
    out.push('"');
}
