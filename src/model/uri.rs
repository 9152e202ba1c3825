//! URIs as they may be shown and stored: without user info, query and fragment.

use super::Digest;
use super::mask::redact;
use sha2::{Digest as _, Sha256};

/// A URI in its parts, read as those read it who connect by it: database URIs as SQLAlchemy does, others as RFC 3986 says.
///
/// Whoever connects and whoever hides credentials takes these parts, so that what is sent as a password is what is hidden.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UriParts<'a> {
    /// Before `://`.
    pub scheme: &'a str,
    /// User and password as they stand, with the `:` between them.
    pub user_info: Option<&'a str>,
    /// Host, port and path; in a URI that cannot be meant so, what follows the last `@`.
    pub place: &'a str,
    /// After the first `?`.
    pub query: Option<&'a str>,
}

impl<'a> UriParts<'a> {
    /// The parts; none where there is no scheme.
    pub(crate) fn of(uri: &'a str) -> Option<Self> {
        let (scheme, rest) = match uri.split_once("://") {
            Some((scheme, rest)) if is_scheme(scheme.trim_start()) => (scheme, rest),
            // A slash too few: nobody connects by it, and it may hold a password all the same.
            _ => {
                let (scheme, rest) = uri.split_once(':')?;
                let is_uri =
                    scheme.len() > 1 && is_scheme(scheme) && scheme != "file" && !rest.starts_with('/');
                (scheme, rest.contains('@').then_some(rest).filter(|_| is_uri)?)
            }
        };
        let (user_info, after) = match dialect(scheme) {
            Some("sqlite") => (None, rest),
            Some(_) => split_as_sqlalchemy(rest),
            None => split_by_rfc(rest),
        };
        let (place, query) = match after.split_once('?') {
            Some((place, query)) => (place, Some(query)),
            None => (after, None),
        };
        Some(UriParts {
            scheme,
            user_info,
            place,
            query,
        })
    }

    /// The user, percent escapes decoded.
    pub(crate) fn user(&self) -> Option<String> {
        let user_info = self.user_info?;
        percent_decode(user_info.split_once(':').map_or(user_info, |(user, _)| user))
    }

    /// The password, percent escapes decoded.
    pub(crate) fn password(&self) -> Option<String> {
        percent_decode(self.user_info?.split_once(':')?.1)
    }
}

/// The kind of database that SQLAlchemy connects to by a scheme: `postgresql+psycopg2` is `postgresql`.
pub(crate) fn dialect(scheme: &str) -> Option<&'static str> {
    let name = scheme.trim_start().split('+').next().unwrap_or_default();
    let known = [
        ("sqlite", "sqlite"),
        ("postgresql", "postgresql"),
        ("postgres", "postgresql"),
        ("mysql", "mysql"),
        ("mariadb", "mysql"),
        ("mssql", "mssql"),
        ("oracle", "oracle"),
    ];
    let is_name = |(known, _): &(&str, &str)| known.eq_ignore_ascii_case(name);
    known.into_iter().find(is_name).map(|(_, dialect)| dialect)
}

/// As SQLAlchemy's pattern `(?:(?P<username>[^:/]*)(?::(?P<password>[^@]*))?@)?`: a password ends at the first `@`, whatever it
/// holds. The host that follows would hold further `@`, which no host does: they belong to a password not meant to end there.
fn split_as_sqlalchemy(rest: &str) -> (Option<&str>, &str) {
    let user_end = rest.find([':', '/']).unwrap_or(rest.len());
    let at = match rest[user_end..].strip_prefix(':').and_then(|tail| tail.find('@')) {
        Some(at) => Some(user_end + 1 + at),
        None => rest[..user_end].rfind('@'),
    };
    let Some(at) = at else { return (None, rest) };
    let host_end = rest[at..].find(['/', '?']).map_or(rest.len(), |end| at + end);
    let last = rest[..host_end].rfind('@').unwrap_or(at);
    (Some(&rest[..last]), &rest[last + 1..])
}

/// The authority ends at the first `/`, `?` or `#`. Where that leaves no port and an `@` follows, a password was not encoded.
fn split_by_rfc(rest: &str) -> (Option<&str>, &str) {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let at = match rest[..end].rfind('@') {
        Some(at) => Some(at),
        None if has_port(&rest[..end]) => None,
        None => rest.rfind('@'),
    };
    match at {
        Some(at) => (Some(&rest[..at]), &rest[at + 1..]),
        None => (None, rest),
    }
}

/// Whether what follows the last `:` of a host is a port, or nothing follows a `:`.
fn has_port(host: &str) -> bool {
    match host.rsplit_once(':') {
        Some((_, port)) => host.ends_with(']') || port.bytes().all(|byte| byte.is_ascii_digit()),
        None => true,
    }
}

/// The default origin: a digest of the source's URI without credentials.
pub(crate) fn origin_of(uri: &str) -> String {
    let digest = Digest(Sha256::digest(redact(uri)).into());
    format!("sha256:{}", &digest.hex().as_str()[..32])
}

/// The origin of a part of what a URI leads to, as options chose it; without any, that of the whole.
pub(crate) fn origin_of_part(uri: &str, chosen: &[(String, String)]) -> String {
    if chosen.is_empty() {
        return origin_of(uri);
    }
    let mut chosen: Vec<_> = chosen
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    chosen.sort();
    let digest = Sha256::digest(format!("{}\0{}", redact(uri), chosen.join("\0")));
    format!("sha256:{}", &Digest(digest.into()).hex().as_str()[..32])
}

/// The local path that a `file:` URI or a plain path names, percent escapes decoded.
pub(crate) fn local_path(uri: &str) -> Option<String> {
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

/// The scheme of what is written as a URI with a path, and no path itself.
pub(crate) fn scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once(':')?;
    (scheme.len() > 1 && is_scheme(scheme) && rest.starts_with('/')).then_some(scheme)
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .chars()
            .all(|next| next.is_ascii_alphanumeric() || matches!(next, '+' | '-' | '.'))
}

/// Decodes percent escapes; none where the result is not UTF-8.
pub(crate) fn percent_decode(text: &str) -> Option<String> {
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
            // Passwords that are not encoded: SQLAlchemy reads them all the same.
            (
                "postgresql+psycopg2://pw:Sec/ret@h:5/db",
                "postgresql+psycopg2://h:5/db",
            ),
            ("postgresql://u:p?x@h/db", "postgresql://h/db"),
            ("postgresql://u:p#x@h/db?sslmode=require", "postgresql://h/db"),
            ("mysql://me@corp:p:w@h/db", "mysql://h/db"),
            ("mysql://u:p@w@h/db", "mysql://h/db"),
            ("mysql://token@h/db", "mysql://h/db"),
            ("postgresql:///db?host=/run", "postgresql:///db"),
            ("http://user:Re/d@host/", "http://host/"),
            ("http://user:Re?d@host/x", "http://host/x"),
            ("http://user:Re#d@host/x", "http://host/x"),
            ("http://h:5000/a@b", "http://h:5000/a@b"),
            ("https://[::1]:5000/a@b", "https://[::1]:5000/a@b"),
            ("s3://bucket/a@b", "s3://bucket/a@b"),
            ("postgresql:u:p@h/db", "postgresql:h/db"),
            ("sqlite:////data/u:p@x.db", "sqlite:////data/u:p@x.db"),
        ] {
            assert_eq!(redact(uri), shown);
        }
        assert_eq!(origin_of("http://a:b@h/x?y"), origin_of("http://h/x"));
        let chosen = |value: &str| [("options".to_owned(), value.to_owned())];
        let [one, other] =
            ["team_a", "team_b"].map(|schema| origin_of_part("postgresql://h/d", &chosen(schema)));
        assert!(one != other && one != origin_of("postgresql://h/d"));
        assert_eq!(origin_of_part("http://h/x", &[]), origin_of("http://h/x"));
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
