//! Calls that failed.

use crate::model::named::named;
use serde::Deserialize;

/// Characters of a server's answer that an error keeps.
const SHOWN_CHARS: usize = 300;

/// A call that failed; it names the URL without credentials and query.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The server refused.
    #[error("{method} {url} answered {status}{}: {message}", code_text(.error_code))]
    Status {
        /// Method.
        method: String,
        /// URL without query.
        url: String,
        /// Status.
        status: u16,
        /// MLflow's own code, such as `RESOURCE_DOES_NOT_EXIST`.
        error_code: Option<String>,
        /// The server's own words, shortened.
        message: String,
    },
    /// The answer is not what an MLflow server says.
    #[error("{method} {url} answered with {found}, which is not an answer of an MLflow tracking server")]
    NotMlflow {
        /// Method.
        method: String,
        /// URL without query.
        url: String,
        /// What came instead.
        found: String,
        /// Where parsing failed.
        #[source]
        source: Option<serde_json::Error>,
    },
    /// No complete answer came.
    #[error("{method} {url}: {}", kind.as_str())]
    Failed {
        /// Method.
        method: String,
        /// URL without query.
        url: String,
        /// What kind of failure.
        kind: FailureKind,
        /// What happened below.
        #[source]
        source: ureq::Error,
    },
    /// What is to be sent cannot be read.
    #[error("cannot read the data to send to {url}")]
    Body {
        /// URL without query.
        url: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A listing does not end.
    #[error("{listing} does not end: {why}")]
    Endless {
        /// What is listed, or by which route.
        listing: String,
        /// How that shows.
        why: String,
    },
    /// An answer holds something else where its rows, their names or the next page belong.
    #[error("`{key}` in an answer of the server is {found}")]
    NoPage {
        /// Where they belong.
        key: String,
        /// What is there.
        found: String,
    },
    /// The work was to end.
    #[error("not asked, since the work was to end")]
    Stopped,
    /// The client cannot be set up.
    #[error("{0}")]
    Config(String),
}

named! {
    /// Why no complete answer came.
    pub enum FailureKind {
        /// There was no connection; the server saw nothing.
        Connect = "no connection",
        /// The server's certificate, or ours, was not accepted.
        Tls = "no secure connection",
        /// The server took too long.
        Timeout = "no answer in time",
        /// The connection broke.
        Broken = "the connection broke before the answer was complete",
        /// The answer is larger than what is held in memory.
        TooLarge = "the answer is too large",
        /// The server redirects for ever.
        Redirects = "the server redirects without end",
    }
}

impl FailureKind {
    pub(super) fn of(error: &ureq::Error) -> Self {
        use std::io::ErrorKind::{
            AddrNotAvailable, ConnectionRefused, HostUnreachable, InvalidData, NetworkDown,
            NetworkUnreachable,
        };
        use ureq::Timeout::{Connect, Resolve};
        match error {
            ureq::Error::HostNotFound
            | ureq::Error::ConnectionFailed
            | ureq::Error::ConnectProxyFailed(_)
            | ureq::Error::Timeout(Connect | Resolve) => FailureKind::Connect,
            ureq::Error::Timeout(_) => FailureKind::Timeout,
            ureq::Error::BodyExceedsLimit(_) => FailureKind::TooLarge,
            ureq::Error::TooManyRedirects | ureq::Error::RedirectFailed => FailureKind::Redirects,
            ureq::Error::Tls(_) | ureq::Error::Pem(_) | ureq::Error::Rustls(_) => FailureKind::Tls,
            ureq::Error::Io(error) => match error.kind() {
                ConnectionRefused | HostUnreachable | NetworkUnreachable | NetworkDown | AddrNotAvailable => {
                    FailureKind::Connect
                }
                // Where rustls reports bad certificates and broken handshakes.
                InvalidData => FailureKind::Tls,
                _ => FailureKind::Broken,
            },
            _ => FailureKind::Broken,
        }
    }
}

impl ClientError {
    /// What stands in an answer where a field of another type belongs, shortened.
    pub(crate) fn no_page(key: &str, found: &serde_json::Value) -> Self {
        ClientError::NoPage {
            key: key.to_owned(),
            found: format!("{found:.100}"),
        }
    }

    pub(super) fn config(text: impl Into<String>) -> Self {
        ClientError::Config(text.into())
    }

    /// The status, where the server gave one.
    pub fn status(&self) -> Option<u16> {
        match self {
            ClientError::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// MLflow's own code, where the server gave one.
    pub fn error_code(&self) -> Option<&str> {
        match self {
            ClientError::Status { error_code, .. } => error_code.as_deref(),
            _ => None,
        }
    }

    /// Whether the object, or the route, is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self.status(), Some(404)) || self.error_code() == Some("RESOURCE_DOES_NOT_EXIST")
    }

    /// Whether the route itself is not there, or does nothing on this server: an older one, or one over a file
    /// store, not a missing object.
    pub fn is_unknown_route(&self) -> bool {
        match self {
            ClientError::Status {
                status, error_code, ..
            } => match error_code.as_deref() {
                Some("RESOURCE_DOES_NOT_EXIST") => false,
                Some("FEATURE_DISABLED" | "NOT_IMPLEMENTED") => true,
                _ => matches!(status, 404 | 405 | 501),
            },
            // A server, or a proxy, may answer unknown paths with the page of MLflow's UI.
            ClientError::NotMlflow { found, .. } => *found == page_titled("MLflow"),
            _ => false,
        }
    }

    /// Whether the server answered, with something that is of no use: what it was asked for may be there.
    pub fn is_answer(&self) -> bool {
        match self {
            ClientError::Status { .. }
            | ClientError::NotMlflow { .. }
            | ClientError::NoPage { .. }
            | ClientError::Endless { .. } => true,
            ClientError::Failed { .. }
            | ClientError::Body { .. }
            | ClientError::Stopped
            | ClientError::Config(_) => false,
        }
    }

    /// Whether the answer was larger than what is held in memory.
    pub fn is_too_large(&self) -> bool {
        matches!(
            self,
            ClientError::Failed {
                kind: FailureKind::TooLarge,
                ..
            }
        )
    }

    /// Whether credentials are missing or not enough.
    pub fn is_denied(&self) -> bool {
        matches!(self.status(), Some(401 | 403))
    }

    /// Whether the server will not take what it was sent, as it is; another thing it may take.
    pub fn is_refusal(&self) -> bool {
        let status = self.status().unwrap_or(0);
        (400..500).contains(&status) && !matches!(status, 401 | 408 | 429)
    }

    /// Whether the server answered that it cannot be done as asked: something is not there, or not known to it.
    pub fn is_refused(&self) -> bool {
        self.is_not_found() || matches!(self.status(), Some(400 | 422))
    }

    /// Whether something of that name is there already.
    pub fn is_already_there(&self) -> bool {
        self.status() == Some(409) || self.error_code() == Some("RESOURCE_ALREADY_EXISTS")
    }

    /// Whether the server may have carried out the request although no answer says so.
    pub fn outcome_unknown(&self) -> bool {
        match self {
            ClientError::Status { status, .. } => matches!(status, 408 | 500..=599),
            ClientError::NotMlflow { .. } => true,
            ClientError::Failed { kind, .. } => !matches!(kind, FailureKind::Connect | FailureKind::Tls),
            ClientError::Body { .. } => true,
            ClientError::Config(_)
            | ClientError::Stopped
            | ClientError::Endless { .. }
            | ClientError::NoPage { .. } => false,
        }
    }

    /// What a person can do about it, where that is known.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            ClientError::Status { status: 401, .. } => {
                Some("set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN")
            }
            ClientError::Status {
                status: 403, message, ..
            } if message.contains("Host header") => {
                Some("use a host name that the server's --allowed-hosts lists")
            }
            ClientError::Status { status: 403, .. } => Some("ask for the permission, or use another account"),
            ClientError::Status { status: 413, .. } => Some(
                "the server, or a proxy in front of it, refuses requests of this size: raise its limit (nginx: client_max_body_size)",
            ),
            ClientError::NotMlflow { .. } => {
                Some("check the URL, its port and its path prefix, and any proxy in front of it")
            }
            ClientError::Failed {
                kind: FailureKind::Connect,
                ..
            } => Some("check that the server is running and the URL is right"),
            ClientError::Failed {
                kind: FailureKind::Tls,
                ..
            } => Some(
                "check that the server supports https, and name its CA in MLFLOW_TRACKING_SERVER_CERT_PATH",
            ),
            ClientError::Failed {
                kind: FailureKind::Timeout,
                ..
            } => Some("raise MLFLOW_HTTP_REQUEST_TIMEOUT"),
            ClientError::Endless { .. } => Some("check what is between you and the server, such as a proxy"),
            _ => None,
        }
    }

    /// The error of an answer with a status that is not a success.
    pub(super) fn of_answer(method: &str, url: &str, status: u16, body: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Answer {
            error_code: Option<serde_json::Value>,
            message: Option<String>,
        }
        let answer: Option<Answer> = serde_json::from_slice(body).ok();
        let (error_code, message) = match answer {
            Some(answer) => {
                let code = answer.error_code.map(|code| match code {
                    serde_json::Value::String(code) => code,
                    other => other.to_string(),
                });
                (code, answer.message)
            }
            None => (None, None),
        };
        let message = message.unwrap_or_else(|| describe(body));
        ClientError::Status {
            method: method.to_owned(),
            url: url.to_owned(),
            status,
            error_code,
            message: shorten(&message),
        }
    }
}

fn code_text(code: &Option<String>) -> String {
    code.as_ref().map_or_else(String::new, |code| format!(" {code}"))
}

/// The first characters of a text, control characters escaped.
fn shorten(text: &str) -> String {
    let mut short: String = text
        .chars()
        .take(SHOWN_CHARS)
        .map(|next| if next.is_control() { ' ' } else { next })
        .collect();
    if text.chars().nth(SHOWN_CHARS).is_some() {
        short.push('…');
    }
    short
}

fn page_titled(title: &str) -> String {
    format!("an HTML page titled `{title}`")
}

/// What a body that is not MLflow's JSON is, for people.
pub(super) fn describe(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(4096)]);
    let lower = text.to_ascii_lowercase();
    if let Some(start) = lower.find("<title>") {
        let title = &text[start + 7..];
        let title = &title[..title.find('<').unwrap_or(title.len())];
        return page_titled(&shorten(title.trim()));
    }
    if lower.contains("<html") || lower.contains("<!doctype html") {
        return "an HTML page".to_owned();
    }
    match text.trim() {
        "" => "nothing".to_owned(),
        text => format!("`{}`", shorten(text)),
    }
}
