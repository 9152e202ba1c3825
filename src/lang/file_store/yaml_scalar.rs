//! What a plain YAML scalar means to PyYAML's safe loader: null, a boolean, a number by the rules of YAML 1.1, or text.

use crate::model::pyjson::{PyInt, PyJson};

/// The value of a plain scalar. A timestamp stays text, since JSON has none.
pub(super) fn resolve(text: &str) -> PyJson {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => PyJson::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => PyJson::Bool(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => PyJson::Bool(false),
        _ => int(text)
            .map(PyJson::Int)
            .or_else(|| float(text).map(PyJson::Float))
            .unwrap_or_else(|| PyJson::Str(text.to_owned())),
    }
}

/// An integer of YAML 1.1: binary `0b`, octal `0…`, hexadecimal `0x`, decimal, sexagesimal, with underscores.
pub(super) fn int(text: &str) -> Option<PyInt> {
    let (is_negative, digits) = split_sign(text);
    let plain: String = digits.chars().filter(|&digit| digit != '_').collect();
    let starts_well = digits.starts_with(|first: char| first.is_ascii_digit());
    if !starts_well || !is_ascii_number(digits) {
        return None;
    }
    let magnitude = match plain.as_bytes() {
        [b'0'] if digits == "0" => Some(0),
        [b'0', b'b', rest @ ..] => radix(rest, 2),
        [b'0', b'x', rest @ ..] => radix(rest, 16),
        [b'0', rest @ ..] => radix(rest, 8),
        _ if plain.contains(':') => sexagesimal(&plain),
        _ if plain.bytes().all(|digit| digit.is_ascii_digit()) => match plain.parse::<i128>() {
            Ok(magnitude) => Some(magnitude),
            Err(_) => return Some(big(is_negative, &plain)),
        },
        _ => None,
    }?;
    let value = if is_negative { -magnitude } else { magnitude };
    Some(match i64::try_from(value) {
        Ok(value) => PyInt::Small(value),
        Err(_) => PyInt::Big(value.to_string()),
    })
}

fn big(is_negative: bool, digits: &str) -> PyInt {
    let sign = if is_negative { "-" } else { "" };
    PyInt::Big(format!("{sign}{digits}"))
}

fn split_sign(text: &str) -> (bool, &str) {
    match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    }
}

fn is_ascii_number(digits: &str) -> bool {
    digits
        .bytes()
        .all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'_' | b':' | b'x'))
}

fn radix(digits: &[u8], radix: u32) -> Option<i128> {
    let digits = std::str::from_utf8(digits).ok()?;
    (!digits.is_empty() && !digits.starts_with(['+', '-']))
        .then(|| i128::from_str_radix(digits, radix).ok())
        .flatten()
}

/// `12:30:45`: each part after the first below 60.
fn sexagesimal(text: &str) -> Option<i128> {
    text.split(':')
        .enumerate()
        .try_fold(0_i128, |sum, (place, part)| {
            let is_part = !part.is_empty() && part.bytes().all(|digit| digit.is_ascii_digit());
            let value: i128 = is_part.then(|| part.parse().ok()).flatten()?;
            if place > 0 && (value > 59 || part.len() > 2) {
                return None;
            }
            sum.checked_mul(60)?.checked_add(value)
        })
}

/// A float of PyYAML: a point is needed, and a sign in the exponent.
pub(super) fn float(text: &str) -> Option<f64> {
    let (is_negative, rest) = split_sign(text);
    let sign = if is_negative { -1.0 } else { 1.0 };
    match rest {
        ".inf" | ".Inf" | ".INF" => return Some(sign * f64::INFINITY),
        ".nan" | ".NaN" | ".NAN" if rest.len() == text.len() => return Some(f64::NAN),
        _ => {}
    }
    if rest.contains(':') {
        return sexagesimal_float(rest).map(|value| sign * value);
    }
    let (mantissa, exponent) = match rest.find(['e', 'E']) {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    let (whole, fraction) = mantissa.split_once('.')?;
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let starts_well = |part: &str| part.starts_with(|first: char| first.is_ascii_digit());
    let is_mantissa = match whole {
        // `.5` is a float, `-.5` is not.
        "" => rest.len() == text.len() && starts_well(fraction),
        _ => starts_well(whole),
    };
    let is_exponent = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or_default();
        !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
    });
    if !is_mantissa || !is_exponent || !digits(whole) || !digits(fraction) {
        return None;
    }
    rest.replace('_', "").parse().ok().map(|value: f64| sign * value)
}

fn sexagesimal_float(text: &str) -> Option<f64> {
    let (whole, fraction) = text.split_once('.')?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_') {
        return None;
    }
    let seconds: f64 = format!("0.{}", fraction.replace('_', "")).parse().ok()?;
    #[expect(clippy::cast_precision_loss, reason = "a float is what is asked for")]
    sexagesimal(&whole.replace('_', "")).map(|whole| whole as f64 + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> String {
        resolve(text).py_repr()
    }

    #[test]
    fn scalars_resolve_as_pyyaml_does() {
        // Each pair is what `repr(yaml.safe_load(text))` prints.
        for (text, expected) in [
            ("~", "None"),
            ("yes", "True"),
            ("off", "False"),
            ("y", "'y'"),
            ("0", "0"),
            ("-12", "-12"),
            ("+1", "1"),
            ("1_000", "1000"),
            ("017", "15"),
            ("08", "'08'"),
            ("0o17", "'0o17'"),
            ("0x1F", "31"),
            ("0b101", "5"),
            ("12:30:45", "45045"),
            ("99999999999999999999", "99999999999999999999"),
            ("1e3", "'1e3'"),
            ("1.5e3", "'1.5e3'"),
            ("1.5e+3", "1500.0"),
            ("1.", "1.0"),
            (".5", "0.5"),
            ("-.5", "'-.5'"),
            ("-0.0", "-0.0"),
            ("1.0e-07", "1e-07"),
            ("-.inf", "-inf"),
            (".nan", "nan"),
            ("NaN", "'NaN'"),
            ("12e45678", "'12e45678'"),
            ("1:30.5", "90.5"),
            ("=", "'='"),
            ("a:b", "'a:b'"),
            ("0x", "'0x'"),
        ] {
            assert_eq!(json(text), expected, "{text}");
        }
    }
}
