//! The grammar of entry names, and the form of a blob's name.

use crate::model::named::named;

/// The longest name an entry may have, in bytes.
pub(crate) const MAX_NAME_LEN: usize = 200;

/// The folder all blobs are in; no other entry may be at or under it.
const BLOB_ROOT: &str = "blobs";

const BLOB_PREFIX: &str = "blobs/sha256/";

/// The length of every blob's name: the folder, two hex digits, a slash, 64 hex digits.
pub(crate) const BLOB_NAME_LEN: usize = BLOB_PREFIX.len() + 3 + 64;

named! {
    /// Why a name is not one that an archive can hold.
    pub(crate) enum NameProblem {
        /// No byte at all.
        Empty = "it is empty",
        /// Longer than [`MAX_NAME_LEN`].
        TooLong = "it is longer than 200 bytes",
        /// A byte other than ASCII letters, digits, `.`, `-`, `_` and `/`.
        Character = "it has a byte outside A-Z a-z 0-9 . - _ /",
        /// An empty, `.` or `..` component.
        Component = "it has an empty, `.` or `..` component",
        /// Under `blobs` without being a digest in its place.
        NotABlob = "it is under `blobs` but not `blobs/sha256/ab/ab…` of a digest",
    }
}

/// Checks a name against the grammar and gives it back as text.
pub(crate) fn check_name(name: &[u8]) -> Result<&str, NameProblem> {
    if name.is_empty() {
        return Err(NameProblem::Empty);
    }
    if name.len() > MAX_NAME_LEN {
        return Err(NameProblem::TooLong);
    }
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b".-_/".contains(byte);
    if !name.iter().all(allowed) {
        return Err(NameProblem::Character);
    }
    let name = std::str::from_utf8(name).map_err(|_| NameProblem::Character)?;
    if name.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(NameProblem::Component);
    }
    if is_under_blobs(name) && parse_blob_name(name).is_none() {
        return Err(NameProblem::NotABlob);
    }
    Ok(name)
}

fn is_under_blobs(name: &str) -> bool {
    let root = name.split('/').next().unwrap_or(name);
    root.eq_ignore_ascii_case(BLOB_ROOT)
}

/// The digest a blob's name spells, or nothing when the name is not a blob's.
pub(crate) fn parse_blob_name(name: &str) -> Option<[u8; 32]> {
    let rest = name.strip_prefix(BLOB_PREFIX)?.as_bytes();
    if rest.len() != 67 || rest[2] != b'/' || rest[..2] != rest[3..5] {
        return None;
    }
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(rest[3..].chunks_exact(2)) {
        *byte = hex_digit(pair[0])? << 4 | hex_digit(pair[1])?;
    }
    Some(digest)
}

fn hex_digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}

/// The name of the blob with this digest: `blobs/sha256/ab/ab…`.
pub(crate) fn blob_name(digest: &[u8; 32]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut name = String::with_capacity(BLOB_NAME_LEN);
    name.push_str(BLOB_PREFIX);
    let mut push = |byte: u8| {
        name.push(char::from(DIGITS[usize::from(byte >> 4)]));
        name.push(char::from(DIGITS[usize::from(byte & 15)]));
    };
    push(digest[0]);
    digest.iter().for_each(|byte| push(*byte));
    name.insert(BLOB_PREFIX.len() + 2, '/');
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_name_spells_its_digest_and_is_parsed_back() {
        let digest: [u8; 32] = std::array::from_fn(|i| (i * 7 + 0xa3) as u8);
        let name = blob_name(&digest);
        assert_eq!(name.len(), BLOB_NAME_LEN);
        assert!(name.starts_with("blobs/sha256/a3/a3aab1"), "{name}");
        assert_eq!(parse_blob_name(&name), Some(digest));
        assert_eq!(check_name(name.as_bytes()), Ok(name.as_str()));
    }

    #[test]
    fn names_outside_the_grammar_are_refused_with_the_reason() {
        let long = "a".repeat(201);
        let upper = format!("blobs/sha256/ab/{}", "AB".repeat(32));
        for (name, problem) in [
            ("", NameProblem::Empty),
            (long.as_str(), NameProblem::TooLong),
            ("a\\b", NameProblem::Character),
            ("a b", NameProblem::Character),
            ("c:a", NameProblem::Character),
            ("a\0", NameProblem::Character),
            ("é", NameProblem::Character),
            ("/a", NameProblem::Component),
            ("a/", NameProblem::Component),
            ("a//b", NameProblem::Component),
            ("../a", NameProblem::Component),
            ("a/./b", NameProblem::Component),
            ("blobs", NameProblem::NotABlob),
            ("BLOBS/x", NameProblem::NotABlob),
            (upper.as_str(), NameProblem::NotABlob),
        ] {
            assert_eq!(check_name(name.as_bytes()), Err(problem), "{name:?}");
        }
        for name in [
            "a",
            "SHA256SUMS",
            "objects/runs-00000.jsonl",
            "a/..b/c.",
            &"a".repeat(200),
        ] {
            assert_eq!(check_name(name.as_bytes()), Ok(name));
        }
    }
}
