//! Ids in `MLmodel` files, rewritten to the target's; every other byte stays.
//!
//! Touched are the values of the top-level keys [`KEYS`] and nothing else, so that a signature, a flavour or a comment that
//! holds the same text stays what it was.

use crate::format::Kind;

/// Top-level keys whose values name objects of the server.
pub(crate) const KEYS: [&str; 5] = [
    "run_id",
    "model_id",
    "artifact_path",
    "source_run_id",
    "experiment_id",
];

/// Name of the files that are looked at.
pub(crate) const FILE_NAME: &str = "MLmodel";
/// A larger file is not looked at.
pub(crate) const LARGEST_BYTES: u64 = 1 << 20;

/// Whether a path is that of an `MLmodel` file.
pub(crate) fn is_mlmodel(path: &str) -> bool {
    path.rsplit('/').next() == Some(FILE_NAME)
}

/// The target's id for a word in the value of a key, as [`rewrite`] asks for it.
pub(crate) fn new_id(key: &str, word: &str, id: impl Fn(Kind, &str) -> Option<String>) -> Option<String> {
    match key {
        "experiment_id" => id(Kind::Experiments, word),
        // A path's other words, an experiment's number among them, are nobody's id alone.
        _ => id(Kind::Runs, word).or_else(|| id(Kind::LoggedModels, word)),
    }
}

/// The file with ids replaced, or none where nothing is to be.
///
/// `new_id` gives the target's id for a word of such a value, where it is an id.
pub(crate) fn rewrite(bytes: &[u8], new_id: impl Fn(&str, &str) -> Option<String>) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut is_changed = false;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        match rewrite_line(line, &new_id) {
            Some(line) => {
                out.extend(line);
                is_changed = true;
            }
            None => out.extend(line),
        }
    }
    is_changed.then_some(out)
}

fn rewrite_line(line: &[u8], new_id: &impl Fn(&str, &str) -> Option<String>) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(line).ok()?;
    let (key, value) = text.split_once(':')?;
    if !KEYS.contains(&key) {
        return None;
    }
    let mut out = format!("{key}:");
    let mut is_changed = false;
    let mut rest = value;
    // Words are what ids are made of; what is between them is copied.
    while let Some(start) = rest.find(is_word) {
        let (between, from) = rest.split_at(start);
        let (word, after) = from.split_at(from.find(|next| !is_word(next)).unwrap_or(from.len()));
        out.push_str(between);
        match new_id(key, word) {
            Some(new) if new != word => {
                out.push_str(&new);
                is_changed = true;
            }
            _ => out.push_str(word),
        }
        rest = after;
    }
    out.push_str(rest);
    is_changed.then(|| out.into_bytes())
}

fn is_word(next: char) -> bool {
    next.is_ascii_alphanumeric() || matches!(next, '-' | '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "artifact_path: mlflow-artifacts:/1/models/m-1/artifacts\r\nflavors:\n  python_function:\n    run_id: r1\nmodel_id: 'm-1' # mine\nrun_id: r1\nsignature: {run_id: r1}\nuuid: r1";

    fn ids(key: &str, word: &str) -> Option<String> {
        match (key, word) {
            ("artifact_path", "1") => Some("7".to_owned()),
            (_, "r1") => Some("r2".to_owned()),
            (_, "m-1") => Some("m-2".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn only_ids_of_top_level_keys_change() {
        let new = rewrite(TEXT.as_bytes(), ids).unwrap();
        let expected = TEXT
            .replace("/1/models/m-1/", "/7/models/m-2/")
            .replace("'m-1'", "'m-2'")
            .replace("\nrun_id: r1", "\nrun_id: r2");
        assert_eq!(String::from_utf8(new).unwrap(), expected);
    }

    #[test]
    fn a_file_without_known_ids_stays() {
        assert_eq!(rewrite(b"run_id: other\nx: r1\n", ids), None);
        assert_eq!(rewrite(b"run_id: \xff\n", ids), None);
        assert!(is_mlmodel("model/MLmodel") && !is_mlmodel("model/MLmodel.txt"));
    }
}
