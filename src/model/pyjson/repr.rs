//! Python's `str()` and `repr()` of JSON values.

use std::fmt::Write as _;

use super::PyJson;
use super::unprintable::UNPRINTABLE;

impl PyJson {
    /// Python's `str(value)`: a string as it is, everything else as [`PyJson::py_repr`].
    pub fn py_str(&self) -> String {
        match self {
            Self::Str(text) => text.clone(),
            other => other.py_repr(),
        }
    }

    /// Python's `repr(value)`.
    pub fn py_repr(&self) -> String {
        let mut out = String::new();
        write_repr(self, &mut out);
        out
    }
}

fn write_repr(value: &PyJson, out: &mut String) {
    match value {
        PyJson::Null => out.push_str("None"),
        PyJson::Bool(true) => out.push_str("True"),
        PyJson::Bool(false) => out.push_str("False"),
        PyJson::Int(value) => out.push_str(&value.to_string()),
        PyJson::Float(value) => out.push_str(&py_float_repr(*value)),
        PyJson::Str(text) => write_str_repr(text, out),
        PyJson::List(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { ", " });
                write_repr(item, out);
            }
            out.push(']');
        }
        PyJson::Dict(entries) => {
            out.push('{');
            for (at, (key, item)) in entries.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { ", " });
                write_str_repr(key, out);
                out.push_str(": ");
                write_repr(item, out);
            }
            out.push('}');
        }
    }
}

/// Python's `repr(text)` of a string.
pub(crate) fn py_str_repr(text: &str) -> String {
    let mut out = String::new();
    write_str_repr(text, &mut out);
    out
}

fn write_str_repr(text: &str, out: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    out.push(quote);
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            _ if character == quote => out.extend(['\\', quote]),
            _ if is_printable(character) => out.push(character),
            _ => write_escape(u32::from(character), out),
        }
    }
    out.push(quote);
}

fn write_escape(code: u32, out: &mut String) {
    let written = match code {
        0..=0xFF => write!(out, "\\x{code:02x}"),
        0x100..=0xFFFF => write!(out, "\\u{code:04x}"),
        _ => write!(out, "\\U{code:08x}"),
    };
    written.expect("writing to a string cannot fail");
}

/// Python's `str.isprintable` of one character.
fn is_printable(character: char) -> bool {
    if character.is_ascii() {
        return !character.is_ascii_control();
    }
    // With an odd number of bounds below it, a character lies inside a range; at an even number it may be the first of one.
    let code = u32::from(character);
    let below = UNPRINTABLE.partition_point(|&bound| bound < code);
    below % 2 == 0 && UNPRINTABLE.get(below) != Some(&code)
}

/// Python's `repr(value)` of a float: the shortest digits, an exponent below 1e-4 and from 1e16 on.
pub(crate) fn py_float_repr(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = shortest_scientific(value);
    let (mantissa, exponent) = scientific.split_once('e').expect("`{:e}` writes an exponent");
    let exponent: i32 = exponent.parse().expect("`{:e}` writes an integer exponent");
    if (-4..16).contains(&exponent) {
        return plain_notation(mantissa, exponent);
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}

/// The shortest digits that read back as `value`, the even one where two are as near.
///
/// Rust takes the upper of the two (581408747039294.25 is `…294.3`), Python the even one (`…294.2`).
fn shortest_scientific(value: f64) -> String {
    let shortest = format!("{value:e}");
    let mantissa = shortest.split('e').next().unwrap_or_default();
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
    let rounded = format!("{value:.*e}", digits - 1);
    if rounded.parse() == Ok(value) {
        rounded
    } else {
        shortest
    }
}

/// `d.ddd` times ten to the `exponent`, without an exponent and with at least one digit after the point.
fn plain_notation(mantissa: &str, exponent: i32) -> String {
    let sign = if mantissa.starts_with('-') { "-" } else { "" };
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let Ok(after_first) = usize::try_from(exponent) else {
        let zeros = "0".repeat(exponent.unsigned_abs() as usize - 1);
        return format!("{sign}0.{zeros}{digits}");
    };
    let whole = after_first + 1;
    if digits.len() <= whole {
        return format!("{sign}{digits:0<whole$}.0");
    }
    format!("{sign}{}.{}", &digits[..whole], &digits[whole..])
}
