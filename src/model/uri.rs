//! URIs as they may be shown and stored: without user info, query and fragment.

use super::Digest;
use sha2::{Digest as _, Sha256};

/// A URI without what may be a credential: user info, query and fragment.
pub fn redact(uri: &str) -> String {
    let end = uri.find(['?', '#']).unwrap_or(uri.len());
    let uri = &uri[..end];
    let Some((scheme, rest)) = uri.split_once("://") else {
        return uri.to_owned();
    };
    let (authority, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, ""),
    };
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

/// The default origin: a digest of the source's URI without credentials.
pub fn origin_of(uri: &str) -> String {
    let digest = Digest(Sha256::digest(redact(uri)).into());
    format!("sha256:{}", &digest.hex().as_str()[..32])
}

/// The local path that a `file:` URI or a plain path names, percent escapes decoded.
pub fn local_path(uri: &str) -> Option<String> {
    match uri.split_once(':') {
        Some(("file", rest)) => {
            let path = match rest.strip_prefix("//") {
                None => rest,
                Some(rest) => {
                    let (host, path) = rest.split_at(rest.find('/')?);
                    if !matches!(host, "" | "localhost") {
                        return None;
                    }
                    path
                }
            };
            percent_decode(path)
        }
        // A scheme has at least two characters; `C:` would be a drive.
        Some((scheme, _)) if scheme.len() > 1 && is_scheme(scheme) => None,
        _ => Some(uri.to_owned()),
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .chars()
            .all(|next| next.is_ascii_alphanumeric() || matches!(next, '+' | '-' | '.'))
}

/// Decodes percent escapes; none where the result is not UTF-8.
pub fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escape = tail
            .get(..2)
            .filter(|_| *first == b'%')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escape {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_leave_uris() {
        for (uri, shown) in [
            (
                "https://me:secret@host:5000/path?token=x#y",
                "https://host:5000/path",
            ),
            ("postgresql://u:p%40x@db/mlflow", "postgresql://db/mlflow"),
            ("http://host?sig=abc", "http://host"),
            ("sqlite:///mlflow.db", "sqlite:///mlflow.db"),
            ("mlruns", "mlruns"),
            ("databricks://profile", "databricks://profile"),
        ] {
            assert_eq!(redact(uri), shown);
        }
        assert_eq!(origin_of("http://a:b@h/x?y"), origin_of("http://h/x"));
    }

    #[test]
    fn local_paths_come_out_of_file_uris() {
        for (uri, path) in [
            ("file:///a/b%20c", Some("/a/b c")),
            ("file:/a", Some("/a")),
            ("file://localhost/a", Some("/a")),
            ("file://other/a", None),
            ("./mlruns", Some("./mlruns")),
            ("/a:b", Some("/a:b")),
            ("s3://bucket/a", None),
            ("mlflow-artifacts:/a", None),
        ] {
            assert_eq!(local_path(uri).as_deref(), path, "{uri}");
        }
    }
}
