//! Where a call goes: the server's base URL, and paths whose parts are percent-encoded once.

use super::auth::UserInfo;
use super::error::ClientError;
use super::secret::Secret;
use crate::model::mask::redact;
use crate::model::uri::{UriParts, percent_decode};
use std::fmt::{self, Write};

/// Scheme, host and static prefix of a server; never credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    scheme: &'static str,
    authority: String,
    prefix: String,
}

impl BaseUrl {
    /// Parses `http(s)://[user:password@]host[:port][/prefix]`; a query is left off.
    ///
    /// # Errors
    /// It is not such a URL, or it is the address of a page of MLflow's UI, which stands for less than the server.
    pub fn parse(text: &str) -> Result<(Self, Option<UserInfo>), ClientError> {
        let text = text.trim();
        let bad = || ClientError::config(format!("`{}` is not an http(s) URL", redact(text)));
        let parts = UriParts::of(text).ok_or_else(bad)?;
        let scheme = match parts.scheme.to_ascii_lowercase().as_str() {
            "http" => "http",
            "https" => "https",
            _ => return Err(bad()),
        };
        let user_info = parts.user_info;
        if user_info.is_some_and(|user_info| user_info.contains(['/', '?', '#'])) {
            return Err(not_encoded(text));
        }
        let (rest, page) = match parts.place.split_once('#') {
            Some((rest, page)) => (rest, Some(page)),
            None => (
                parts.place,
                parts.query.and_then(|query| Some(query.split_once('#')?.1)),
            ),
        };
        if page.is_some_and(|page| !matches!(page, "" | "/")) {
            let server = format!("{scheme}://{}", rest.trim_end_matches('/'));
            return Err(ClientError::config(format!(
                "this is the address of a page of MLflow's UI: give `{server}`, without the part after `#`"
            )));
        }
        let (host, prefix) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:[]%".contains(&byte);
        if host.is_empty() || host.starts_with(':') || !host.bytes().all(is_host) {
            return Err(bad());
        }
        let base = BaseUrl {
            scheme,
            authority: host.to_owned(),
            prefix: prefix.trim_end_matches('/').to_owned(),
        };
        Ok((base, user_info.map(parse_user_info).transpose()?))
    }

    /// The same for a server that a user names: an `@` behind its host belongs to a password, whatever the standard says.
    ///
    /// # Errors
    /// It is not such a URL.
    pub fn of_server(text: &str) -> Result<(Self, Option<UserInfo>), ClientError> {
        let parsed = Self::parse(text)?;
        let (_, rest) = text.split_once("://").unwrap_or(("", text));
        match rest.rsplit_once('@') {
            Some((before, _)) if before.contains(['/', '?', '#']) => Err(not_encoded(text)),
            _ => Ok(parsed),
        }
    }

    /// Whether the server is this machine.
    pub fn is_loopback(&self) -> bool {
        let host = match self.authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => &self.authority,
        };
        host.eq_ignore_ascii_case("localhost") || host.starts_with("127.") || host == "[::1]"
    }

    /// The path under which the server's routes lie, empty or starting with `/`.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The full URL of a path, without its query.
    pub(super) fn join(&self, path: &Path) -> String {
        let prefix = if path.without_prefix { "" } else { &self.prefix };
        format!("{}://{}{prefix}{}", self.scheme, self.authority, path.text)
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}://{}{}", self.scheme, self.authority, self.prefix)
    }
}

/// A password that is not encoded ends the host for everybody who reads the URL.
fn not_encoded(text: &str) -> ClientError {
    let place = text.trim().rsplit_once('@').map_or("", |(_, place)| place);
    ClientError::config(format!(
        "the URL of `{}` has an `@` after its host: in a user name or password, write `/` as `%2F`, `?` as `%3F` and `#` as `%23`",
        redact(&format!("http://{place}"))
    ))
}

fn parse_user_info(text: &str) -> Result<UserInfo, ClientError> {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    let decode = |text| {
        percent_decode(text).ok_or_else(|| ClientError::config("the credentials in the URL are not UTF-8"))
    };
    Ok(UserInfo {
        user: decode(user)?,
        password: Secret::new(decode(password)?),
    })
}

/// The path of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    text: String,
    without_prefix: bool,
}

impl Path {
    /// A route below `/api/2.0/mlflow/`, written as in MLflow's documentation.
    pub fn api2(route: &str) -> Self {
        Self::root(&format!("api/2.0/mlflow/{route}"))
    }

    /// A route below `/api/3.0/mlflow/`.
    pub fn api3(route: &str) -> Self {
        Self::root(&format!("api/3.0/mlflow/{route}"))
    }

    /// A route of the UI, below `/ajax-api/2.0/mlflow/`.
    pub fn ajax2(route: &str) -> Self {
        Self::root(&format!("ajax-api/2.0/mlflow/{route}"))
    }

    /// A route below `/api/2.0/mlflow-artifacts/`.
    pub fn artifacts(route: &str) -> Self {
        Self::root(&format!("api/2.0/mlflow-artifacts/{route}"))
    }

    /// A route below the server's root.
    pub fn root(route: &str) -> Self {
        Path {
            text: format!("/{route}"),
            without_prefix: false,
        }
    }

    /// Appends one component, encoded: an id, a name.
    #[must_use]
    pub fn segment(mut self, text: &str) -> Self {
        self.text.push('/');
        encode(text, &mut self.text);
        self
    }

    /// Appends a relative path, each component encoded, `/` kept.
    #[must_use]
    pub fn below(self, path: &str) -> Self {
        path.split('/')
            .filter(|part| !part.is_empty())
            .fold(self, |path, part| path.segment(part))
    }

    /// Leaves the server's static prefix off, as some servers do for proxied artifacts.
    #[must_use]
    pub fn without_prefix(mut self, without_prefix: bool) -> Self {
        self.without_prefix = without_prefix;
        self
    }
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// Percent-encodes all but unreserved characters (RFC 3986).
pub(super) fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a string can be written to");
        }
    }
}
