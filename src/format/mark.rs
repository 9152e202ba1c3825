//! The mark that every created object carries: which object of which archive it is.
//!
//! ```text
//! mlflow_exim.mlark.origin = <origin>/<kind>/<id>
//! ```
//!
//! `origin` is the archive's, `kind` a name of [`Kind`], `id` the object's id there (`name/version` for a version).
//! Origin and id are percent-encoded but for letters, digits and `-._~`, so that a mark fits any filter string
//! and `/` only separates.

use super::Kind;
use std::fmt::Write as _;

/// Key of the tag.
pub(crate) const KEY: &str = "mlflow_exim.mlark.origin";

/// The mark of an object.
pub(crate) fn mark(origin: &str, kind: Kind, id: &str) -> String {
    let mut text = prefix(origin, kind);
    encode(id, &mut text);
    text
}

/// How the marks of all objects of a kind begin.
pub(crate) fn prefix(origin: &str, kind: Kind) -> String {
    let mut text = String::new();
    encode(origin, &mut text);
    let _ = write!(text, "/{kind}/");
    text
}

/// The id in a mark of that origin and kind.
pub(crate) fn id_of(mark: &str, origin: &str, kind: Kind) -> Option<String> {
    decode(mark.strip_prefix(&prefix(origin, kind))?)
}

/// Origin and id in a mark of that kind, whatever the origin.
pub(crate) fn parts(mark: &str, kind: Kind) -> Option<(String, String)> {
    let (origin, rest) = mark.split_once('/')?;
    let id = rest.strip_prefix(kind.name())?.strip_prefix('/')?;
    Some((decode(origin)?, decode(id)?))
}

/// Percent-encodes all but letters, digits and `-._~`.
pub(crate) fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                let digits = std::str::from_utf8(&digits).ok()?.to_owned();
                bytes.push(u8::from_str_radix(&digits, 16).ok()?);
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_gives_its_id_back_and_has_no_quotes() {
        for id in ["0", "a'b", "mödel/3", "100%", ""] {
            let text = mark("file:o'r", Kind::ModelVersions, id);
            assert!(!text.contains(['\'', '"', '`', ' ']), "{text}");
            assert_eq!(id_of(&text, "file:o'r", Kind::ModelVersions).as_deref(), Some(id));
            assert_eq!(id_of(&text, "file:o'r", Kind::Runs), None);
            let origin = "file:o'r".to_owned();
            assert_eq!(parts(&text, Kind::ModelVersions), Some((origin, id.to_owned())));
        }
        assert_eq!(mark("srv", Kind::Runs, "ab12"), "srv/runs/ab12");
    }
}
