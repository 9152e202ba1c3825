//! The short way for nearly every file MLflow writes: lines of `key: value` whose values need no YAML to be understood.

use super::yaml::Node;
use crate::model::keyed::KeyedEntries;

/// The entries of a document of simple lines; none where any line is not simple.
///
/// A simple value is a plain scalar of letters, digits, `_ . / -`, spaces, and colons before other than a space, that begins with a letter,
/// a digit or `/` and does not end with a space or colon; the same characters but colons in single quotes; `[]` or `{}`.
pub(super) fn parse(text: &str) -> Option<Vec<(String, Node)>> {
    let mut entries = KeyedEntries::default();
    for line in text.strip_suffix('\n')?.split('\n') {
        let (key, value) = line.split_once(": ")?;
        let is_key = key.starts_with(|first: char| first.is_ascii_alphabetic())
            && key
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_key || entries.has(key) {
            return None;
        }
        entries.insert(key.to_owned(), node(value)?);
    }
    Some(entries.finish())
}

fn node(value: &str) -> Option<Node> {
    match value.as_bytes() {
        b"[]" => Some(Node::List(Vec::new())),
        b"{}" => Some(Node::Map(Vec::new())),
        [b'\'', inner @ .., b'\''] => {
            let is_simple = inner.iter().all(|&byte| is_plain(byte) || byte == b' ');
            is_simple.then(|| scalar(&value[1..value.len() - 1], false))
        }
        [first, ..] => {
            let begins = first.is_ascii_alphanumeric() || *first == b'/';
            (begins && is_plain_scalar(value.as_bytes())).then(|| scalar(value, true))
        }
        [] => None,
    }
}

fn is_plain_scalar(bytes: &[u8]) -> bool {
    let next = bytes.iter().skip(1).map(Some).chain([None]);
    bytes.iter().zip(next).all(|(&byte, next)| match byte {
        b':' => next.is_some_and(|&next| next != b' '),
        b' ' => next.is_some(),
        _ => is_plain(byte),
    })
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'/' | b'-')
}

fn scalar(text: &str, is_plain: bool) -> Node {
    Node::Scalar {
        text: text.to_owned(),
        is_plain,
    }
}
