//! What looks like a credential in MLflow's own data: kept as it is, and pointed out by place.
//!
//! The value itself is never shown. Only shapes that hardly occur otherwise are looked for, since a warning for
//! every long word would be read by nobody.

use aho_corasick::AhoCorasick;
use serde_json::Value;
use std::sync::LazyLock;

/// Something in an object that looks like a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Suspicion {
    /// Keys down to the text, joined with dots.
    pub place: String,
    /// What it looks like.
    pub what: &'static str,
}

/// Looks through all texts of an object.
pub(crate) fn scan(value: &Value) -> Vec<Suspicion> {
    let mut found = Vec::new();
    walk(value, &mut Vec::new(), &mut found);
    found
}

fn walk<'v>(value: &'v Value, place: &mut Vec<&'v str>, found: &mut Vec<Suspicion>) {
    match value {
        Value::String(text) => {
            if let Some(what) = looks_like(text) {
                let place = place.join(".");
                found.push(Suspicion { place, what });
            }
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, place, found)),
        Value::Object(map) => {
            for (key, item) in map {
                place.push(key);
                walk(item, place, found);
                place.pop();
            }
        }
        _ => {}
    }
}

/// Prefixes of tokens with the characters that follow, and how many at least.
const TOKENS: [(&str, usize, &str); 8] = [
    ("AKIA", 16, "an AWS access key id"),
    ("ASIA", 16, "an AWS access key id"),
    ("ghp_", 36, "a GitHub token"),
    ("github_pat_", 22, "a GitHub token"),
    ("dapi", 32, "a Databricks token"),
    ("hf_", 30, "a Hugging Face token"),
    ("sk-", 32, "an API key"),
    ("xoxb-", 20, "a Slack token"),
];

/// Parameters of signed URLs.
const SIGNATURES: [&str; 3] = ["X-Amz-Signature=", "X-Goog-Signature=", "&sig="];

/// What every shape begins with, looked for all at once: most texts of MLflow hold none of it.
static BEGINNINGS: LazyLock<AhoCorasick> = LazyLock::new(|| {
    let tokens = TOKENS.iter().map(|(prefix, ..)| *prefix);
    let beginnings = tokens.chain(["://", "-----BEGIN "]);
    AhoCorasick::new(beginnings).expect("the beginnings are few and short")
});

fn looks_like(text: &str) -> Option<&'static str> {
    if !BEGINNINGS.is_match(text) {
        return None;
    }
    if has_password(text) {
        return Some("a URL with a password");
    }
    if text.contains("-----BEGIN ") && text.contains("PRIVATE KEY-----") {
        return Some("a private key");
    }
    if text.contains("://") && SIGNATURES.iter().any(|signature| text.contains(signature)) {
        return Some("a signed URL");
    }
    let is_token = |(prefix, length, _): &&(&str, usize, &str)| {
        text.match_indices(prefix).any(|(start, _)| {
            let before = text[..start].chars().next_back();
            let rest = text[start + prefix.len()..].bytes();
            let run = rest.take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'-' || *byte == b'_');
            !before.is_some_and(char::is_alphanumeric) && run.count() >= *length
        })
    };
    TOKENS.iter().find(is_token).map(|(_, _, what)| *what)
}

/// Whether a text holds `scheme://user:password@`.
fn has_password(text: &str) -> bool {
    text.match_indices("://").any(|(start, separator)| {
        let authority = &text[start + separator.len()..];
        let end = authority.find(|next: char| next == '/' || next.is_whitespace() || next == '"');
        let authority = &authority[..end.unwrap_or(authority.len())];
        let user = authority
            .rsplit_once('@')
            .and_then(|(user, _)| user.split_once(':'));
        user.is_some_and(|(_, password)| !password.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn credentials_are_found_by_place_and_never_shown() {
        let run = json!({"params": {"db": "postgresql://me:s3cret@db/x"}, "tags": {
            "a": format!("key AKIA{}", "Q".repeat(16)),
            "git": "https://github.com/me/repo.git",
            "mail": "http://host/path?mail=me@host:1",
            "task-": "task-AKIAx", "sk": "risk-averse-and-a-very-long-word-that-goes-on-and-on"}});
        let found = scan(&run);
        let places: Vec<_> = found.iter().map(|found| found.place.as_str()).collect();
        assert_eq!(places, ["params.db", "tags.a"]);
        assert!(!format!("{found:?}").contains("s3cret"));
    }
}
