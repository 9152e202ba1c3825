//! Whether an object fits into a line, and which of its fields is why not.

use super::layout::{JSON_DEPTH, LINE_BYTES, STRING_BYTES, TEXT_BYTES};
use super::line::canonical;
use serde_json::{Map, Value, json};

/// What a line can hold; tests give less.
#[derive(Debug, Clone, Copy)]
struct LineLimits {
    /// The longest line, its line end included.
    line_bytes: u64,
    /// The longest text, in the line or as a blob.
    text_bytes: u64,
    /// The deepest nesting, the object itself included.
    depth: usize,
}

impl LineLimits {
    /// Those of the format.
    const FORMAT: LineLimits = LineLimits {
        line_bytes: LINE_BYTES as u64,
        text_bytes: TEXT_BYTES,
        depth: JSON_DEPTH,
    };
}

/// Why an object does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// The field that does not, or the one with the most bytes of a line that is too long.
    pub(crate) field: String,
    /// A sentence that names the field.
    pub(crate) reason: String,
}

/// An object's value, weighed once: what writes it need not do so again.
#[derive(Debug)]
pub(crate) struct Weighed {
    value: Value,
    misfit: Option<Misfit>,
}

impl Weighed {
    /// Weighs a value whose strings are still in their places.
    pub(crate) fn new(value: Value) -> Self {
        let misfit = misfit(&value, LineLimits::FORMAT);
        Weighed { value, misfit }
    }

    /// Leaves out the field that does not fit and tells of it; none where all fit, or where it must stand.
    pub(crate) fn leave_out(&mut self, is_whole: impl Fn(&Value) -> bool) -> Option<Misfit> {
        let field = &self.misfit.as_ref()?.field;
        if !leave_out(&mut self.value, field, is_whole) {
            return None;
        }
        let next = misfit(&self.value, LineLimits::FORMAT);
        std::mem::replace(&mut self.misfit, next)
    }

    /// The value, where it fits.
    pub(crate) fn fitting(self) -> Result<Value, Misfit> {
        self.misfit.map_or(Ok(self.value), Err)
    }
}

/// What keeps an object out of a line; its strings are still in their places.
fn misfit(object: &Value, limits: LineLimits) -> Option<Misfit> {
    let fields = object.as_object()?;
    let mut bytes = 2;
    for (name, value) in fields {
        match weigh(value, limits.depth.saturating_sub(1), limits) {
            Ok(weight) => bytes += key_weight(name) + weight,
            Err(fault) => {
                return Some(Misfit {
                    field: name.clone(),
                    reason: format!("`{name}` {fault}"),
                });
            }
        }
    }
    if bytes < limits.line_bytes {
        None
    } else {
        too_long(fields, limits)
    }
}

/// Measures a line that is perhaps too long.
fn too_long(fields: &Map<String, Value>, limits: LineLimits) -> Option<Misfit> {
    let lengths = fields.iter().map(|(name, value)| {
        let name_bytes = canonical(&Value::from(name.as_str())).len();
        (name, (name_bytes + 2 + shortened_len(value)) as u64)
    });
    let lengths: Vec<_> = lengths.collect();
    // The comma after the last field is the line end; the two braces come to that.
    let line_bytes = 2 + lengths.iter().map(|(_, bytes)| bytes).sum::<u64>();
    let (name, most) = lengths.into_iter().max_by_key(|(_, bytes)| *bytes)?;
    let limit = limits.line_bytes;
    (line_bytes > limit).then(|| Misfit {
        field: name.clone(),
        reason: format!(
            "its line would have {line_bytes} bytes, more than {limit}; `{name}` has {most} of them"
        ),
    })
}

/// Length of a value's text once its long strings are blobs.
fn shortened_len(value: &Value) -> usize {
    // A comma or the second bracket comes after each item, and the first bracket and the second one alone of an empty list.
    let listed = |sum: usize, items: usize| 1 + sum + items.max(1);
    match value {
        Value::String(text) if text.len() > STRING_BYTES => {
            let blob = json!({"sha256": "0".repeat(64), "size_bytes": text.len()});
            canonical(&json!({ "$blob": blob })).len()
        }
        Value::Array(items) => listed(items.iter().map(shortened_len).sum(), items.len()),
        Value::Object(map) => {
            let entry = |(key, item): (&String, &Value)| json_len(key) + 1 + shortened_len(item);
            listed(map.iter().map(entry).sum(), map.len())
        }
        plain => json_len(plain),
    }
}

fn json_len(value: &impl serde::Serialize) -> usize {
    serde_json::to_vec(value).expect("a value can be written").len()
}

/// The most bytes that a value can have in a line; the error is what it has that no line can hold.
fn weigh(value: &Value, depth: usize, limits: LineLimits) -> Result<u64, String> {
    let deeper = || {
        let limit = limits.depth;
        depth
            .checked_sub(1)
            .ok_or_else(|| format!("is nested deeper than {limit} levels"))
    };
    match value {
        Value::String(text) => text_weight(text, limits),
        Value::Array(items) => {
            let depth = deeper()?;
            items
                .iter()
                .try_fold(2, |sum, item| Ok(sum + 1 + weigh(item, depth, limits)?))
        }
        Value::Object(map) => {
            let depth = deeper()?;
            if let Some(Value::String(digits)) = map.get("$int")
                && digits.len() > STRING_BYTES
            {
                return Err(format!("has a number of {} digits", digits.len()));
            }
            map.iter().try_fold(2, |sum, (key, item)| {
                Ok(sum + key_weight(key) + weigh(item, depth, limits)?)
            })
        }
        // No number or word is longer.
        _ => Ok(32),
    }
}

/// A key with its quotes, the colon and the comma.
fn key_weight(key: &str) -> u64 {
    escaped_weight(key) + 2
}

fn text_weight(text: &str, limits: LineLimits) -> Result<u64, String> {
    let bytes = text.len() as u64;
    if bytes > limits.text_bytes {
        return Err(format!(
            "has a text of {bytes} bytes, more than {}",
            limits.text_bytes
        ));
    }
    Ok(match text.len() > STRING_BYTES {
        // It stands as a blob's digest and size.
        true => 128,
        false => escaped_weight(text),
    })
}

/// Quotes, and each byte as `\u0000`.
fn escaped_weight(text: &str) -> u64 {
    2 + 6 * text.len() as u64
}

/// Takes a field out of an object, or its entries where it must stand; false where it is none that can go.
fn leave_out(object: &mut Value, field: &str, is_whole: impl Fn(&Value) -> bool) -> bool {
    let take = |object: &mut Value| object.as_object_mut().and_then(|fields| fields.remove(field));
    let Some(value) = take(object) else {
        return false;
    };
    if is_whole(object) {
        return true;
    }
    let is_map = value.is_object();
    object[field] = json!({});
    if is_map && is_whole(object) {
        return true;
    }
    object[field] = value;
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: LineLimits = LineLimits {
        line_bytes: 40,
        text_bytes: 20,
        depth: 3,
    };

    fn fault(object: &Value) -> Option<String> {
        misfit(object, SMALL).map(|misfit| misfit.reason)
    }

    #[test]
    fn each_limit_is_met_to_the_byte() {
        let line = |bytes: usize| json!({"a": 1, "name": "x".repeat(bytes), "z": ["y"]});
        assert_eq!(canonical(&line(12)).len(), 39);
        assert_eq!(fault(&line(12)), None);
        assert_eq!(
            fault(&line(13)).unwrap(),
            "its line would have 41 bytes, more than 40; `name` has 23 of them"
        );
        assert_eq!(fault(&json!({"a": "é".repeat(10)})), None);
        assert_eq!(
            fault(&json!({"a": ["é".repeat(11)]})).unwrap(),
            "`a` has a text of 22 bytes, more than 20"
        );
        assert_eq!(fault(&json!({"a": {"b": []}})), None);
        assert_eq!(
            fault(&json!({"a": {"b": [[]]}})).unwrap(),
            "`a` is nested deeper than 3 levels"
        );
        let nines = json!({"a": {"$int": "9".repeat(STRING_BYTES + 1)}});
        let limits = LineLimits::FORMAT;
        assert_eq!(
            misfit(&nines, limits).unwrap().reason,
            "`a` has a number of 1048577 digits"
        );
    }

    #[test]
    fn what_stands_as_a_blob_does_not_make_a_line_long() {
        let texts: Map<_, _> = (0..20)
            .map(|number| (number.to_string(), "\u{1}".repeat(STRING_BYTES + 1).into()))
            .collect();
        assert_eq!(misfit(&json!({"tags": texts}), LineLimits::FORMAT), None);
    }

    #[test]
    fn a_field_goes_where_the_type_lets_it() {
        let has_tags = |object: &Value| object["tags"].is_object() && object["id"].is_string();
        let mut object = json!({"id": "x", "tags": {"a": 1}, "note": "n"});
        assert!(leave_out(&mut object, "note", has_tags) && leave_out(&mut object, "tags", has_tags));
        assert!(!leave_out(&mut object, "id", has_tags) && !leave_out(&mut object, "none", has_tags));
        assert_eq!(object, json!({"id": "x", "tags": {}}));
    }
}
