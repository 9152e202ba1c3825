//! One call: what is sent, whether it may be repeated, what came back.

use super::body::Body;
use super::error::{ClientError, FailureKind, describe};
use super::path::{Path, encode};
use super::retry::{Repeat, Retries, parse_retry_after};
use super::{Client, Download, header_name, header_value, redirect};
use crate::model::mask;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::atomic::Ordering;
use std::time::Duration;
use ureq::http::{self, HeaderMap, HeaderValue, Method, header};
use ureq::{AsSendBody, SendBody};

/// Timeouts that an answer which is held in memory may take, once it has begun.
const ANSWER_TIMEOUTS: u32 = 5;
/// What of a refusal's body is read.
const REFUSAL_BYTES: u64 = 64 << 10;

/// A request being put together.
#[must_use]
pub struct Request<'c> {
    client: &'c Client,
    method: Method,
    url: String,
    query: String,
    body: Body,
    headers: HeaderMap,
    repeat: Repeat,
    attempts: Option<u32>,
    /// Whether the answer is handed out as it comes, however long that takes.
    is_stream: bool,
    problem: Option<ClientError>,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Response {
    /// Status, a success.
    pub status: u16,
    /// Content type, where the server says it.
    pub content_type: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// Every answer of MLflow is a JSON object. Of another value, one that looks for a field would find none and believe it.
fn object<T: DeserializeOwned>(body: &[u8]) -> Result<T, serde_json::Error> {
    if !body.trim_ascii_start().starts_with(b"{") {
        serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(body)?;
    }
    serde_json::from_slice(body)
}

/// A body as it may be shown: what was sent to the server is not repeated.
fn without_secrets(body: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(body);
    mask::hide(&text).as_bytes().to_vec()
}

/// A try that failed, and how long the server asks to wait.
pub(super) struct Refusal {
    pub(super) error: Box<ClientError>,
    pub(super) retry_after: Option<Duration>,
}

impl From<ClientError> for Refusal {
    fn from(error: ClientError) -> Self {
        Refusal {
            error: Box::new(error),
            retry_after: None,
        }
    }
}

impl<'c> Request<'c> {
    pub(super) fn new(client: &'c Client, method: Method, path: Path, repeat: Repeat) -> Self {
        Request {
            url: client.base.join(&path),
            client,
            method,
            query: String::new(),
            body: Body::None,
            headers: HeaderMap::new(),
            repeat,
            attempts: None,
            is_stream: false,
            problem: None,
        }
    }

    /// Takes the answer as it comes.
    pub(super) fn streamed(mut self) -> Self {
        self.is_stream = true;
        self
    }

    /// Goes to a URL that another request had.
    pub(super) fn at(mut self, url: String, query: String) -> Self {
        (self.url, self.query) = (url, query);
        self
    }

    /// Has the headers that another request had.
    pub(super) fn with_headers(mut self, headers: HeaderMap) -> Self {
        self.headers = headers;
        self
    }

    /// Adds a query parameter; several of one name make a list.
    pub fn query(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.query.push(if self.query.is_empty() { '?' } else { '&' });
        encode(name, &mut self.query);
        self.query.push('=');
        encode(value.as_ref(), &mut self.query);
        self
    }

    /// Adds a query parameter where there is a value.
    pub fn optional_query(self, name: &str, value: Option<impl AsRef<str>>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    /// Carries a value as JSON.
    pub fn json(self, value: &impl Serialize) -> Self {
        let text = serde_json::to_vec(value).expect("what is sent has text keys");
        self.body(Body::Json(text))
    }

    /// Carries a body.
    pub fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    /// Adds a header, or replaces one.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let added = header_name(name).and_then(|header| {
            self.headers.insert(header, header_value(name, value, false)?);
            Ok(())
        });
        self.problem = self.problem.or(added.err());
        self
    }

    /// Limits the tries, for questions whose answer may well be a server error.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = Some(attempts);
        self
    }

    /// Sends and reads the whole answer.
    ///
    /// # Errors
    /// No answer, or not a success.
    pub fn send(self) -> Result<Response, ClientError> {
        self.run(|request, response| request.read_whole(response))
    }

    /// Sends, and parses the answer.
    ///
    /// # Errors
    /// No answer, not a success, or not the JSON that was expected.
    pub fn parse<T: DeserializeOwned>(self) -> Result<T, ClientError> {
        self.run(|request, response| {
            let response = request.read_whole(response)?;
            object(&response.body).map_err(|error| {
                let body = without_secrets(&response.body);
                // The parser quotes what it does not like.
                let error = object::<T>(&body).err().unwrap_or(error);
                request.not_mlflow(&body, Some(error))
            })
        })
    }

    /// Sends, and hands out the answer's bytes as they come; a broken download is taken up where it broke.
    ///
    /// # Errors
    /// No answer, or not a success.
    pub fn download(mut self) -> Result<Download, ClientError> {
        self.is_stream = true;
        let (response, range) = self.run(|_, response| {
            let range = super::download::Range::of(&response);
            Ok((response, range))
        })?;
        Ok(Download::new(
            self.client.clone(),
            self.url,
            self.query,
            self.headers,
            response,
            range,
        ))
    }

    /// Tries until it is done or time to give up.
    fn run<T>(
        &self,
        mut read: impl FnMut(&Self, http::Response<ureq::Body>) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        if let Some(ClientError::Config(text)) = &self.problem {
            return Err(ClientError::Config(text.clone()));
        }
        let mut retries = Retries::new(&self.client.options, self.attempts);
        loop {
            let Refusal { error, retry_after } = match self.try_once() {
                Ok(response) => match read(self, response) {
                    Ok(answer) => return Ok(answer),
                    Err(error) => error.into(),
                },
                Err(refusal) => refusal,
            };
            let wait = if self.repeat.allows(&error) {
                retries.next(retry_after)
            } else {
                None
            };
            let Some(wait) = wait else {
                return Err(*error);
            };
            self.client
                .notice(format!("{error}; trying again in {:.1} s", wait.as_secs_f64()));
            self.client.pause(wait);
        }
    }

    /// One try: any answer that is a success.
    pub(super) fn try_once(&self) -> Result<http::Response<ureq::Body>, Refusal> {
        let client = self.client;
        if client.is_stopped() {
            return Err(ClientError::Stopped.into());
        }
        client.shared.rate.wait();
        client.shared.requests.fetch_add(1, Ordering::Relaxed);
        let response = match &self.body {
            Body::None if self.method == Method::GET => self.follow(),
            Body::None if self.method == Method::DELETE => self.dispatch(()),
            Body::None => self.dispatch(&b""[..]),
            Body::Json(bytes) | Body::Bytes(bytes) => self.dispatch(&bytes[..]),
            Body::Stream { open, .. } => {
                let mut stream = open().map_err(|source| ClientError::Body {
                    url: self.url.clone(),
                    source,
                })?;
                self.dispatch(SendBody::from_reader(&mut stream))
            }
        }?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(self.refusal(response))
    }

    /// Reads, wherever the server sends us; other servers get none of the headers that were given for this one.
    fn follow(&self) -> Result<http::Response<ureq::Body>, ClientError> {
        let mut url = format!("{}{}", self.url, self.query);
        let mut own = Some(&*self.client.headers);
        for _ in 0..=redirect::REDIRECTS {
            let response = self.dispatch_to(&url, own, ())?;
            let Some(next) = redirect::target(&response, &url) else {
                return Ok(response);
            };
            own = own.filter(|_| redirect::is_same_server(&url, &next));
            url = next;
        }
        Err(self.failed(ureq::Error::TooManyRedirects))
    }

    /// Sends; a redirected POST would arrive as a GET, so it is not followed.
    fn dispatch(&self, body: impl AsSendBody) -> Result<http::Response<ureq::Body>, ClientError> {
        let url = format!("{}{}", self.url, self.query);
        self.dispatch_to(&url, Some(&self.client.headers), body)
    }

    fn dispatch_to(
        &self,
        url: &str,
        own: Option<&HeaderMap>,
        body: impl AsSendBody,
    ) -> Result<http::Response<ureq::Body>, ClientError> {
        let bad = |error: http::Error| ClientError::config(format!("cannot ask {}: {error}", self.url));
        let mut request = http::Request::builder()
            .method(self.method.clone())
            .uri(url)
            .body(body)
            .map_err(bad)?;
        self.set_headers(own, request.headers_mut());
        let client = self.client;
        let mut request = client.agent.configure_request(request).max_redirects(0);
        if !self.is_stream {
            request = request.timeout_recv_body(Some(client.options.timeout * ANSWER_TIMEOUTS));
        }
        let response = client.agent.run(request.max_redirects_will_error(false).build());
        response.map_err(|error| self.failed(error))
    }

    fn set_headers(&self, own: Option<&HeaderMap>, headers: &mut HeaderMap) {
        headers.extend(own.cloned().unwrap_or_default());
        let content_type = match &self.body {
            Body::None => None,
            Body::Json(_) => Some("application/json"),
            Body::Bytes(_) | Body::Stream { .. } => Some("application/octet-stream"),
        };
        if let Some(content_type) = content_type {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        if let Body::Stream { size_bytes, .. } = self.body {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size_bytes));
        }
        headers.extend(self.headers.clone());
    }

    fn refusal(&self, response: http::Response<ureq::Body>) -> Refusal {
        let status = response.status().as_u16();
        let text = |name| {
            response
                .headers()
                .get(name)
                .and_then(|value: &HeaderValue| value.to_str().ok())
        };
        let retry_after = text(header::RETRY_AFTER).and_then(parse_retry_after);
        let location = text(header::LOCATION).map(crate::model::mask::redact);
        let body = response
            .into_body()
            .into_with_config()
            .limit(REFUSAL_BYTES)
            .read_to_vec();
        let body = match location {
            Some(location) => format!("it redirects to {location}").into_bytes(),
            None => body.unwrap_or_default(),
        };
        let body = without_secrets(&body);
        Refusal {
            error: Box::new(ClientError::of_answer(
                self.method.as_str(),
                &self.url,
                status,
                &body,
            )),
            retry_after,
        }
    }

    fn read_whole(&self, response: http::Response<ureq::Body>) -> Result<Response, ClientError> {
        let content_type = response.headers().get(header::CONTENT_TYPE);
        let content_type = content_type
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let status = response.status().as_u16();
        let body = response
            .into_body()
            .into_with_config()
            .limit(self.client.options.answer_bytes)
            .read_to_vec();
        Ok(Response {
            status,
            content_type,
            body: body.map_err(|error| self.failed(error))?,
        })
    }

    fn failed(&self, source: ureq::Error) -> ClientError {
        ClientError::Failed {
            method: self.method.to_string(),
            url: self.url.clone(),
            kind: FailureKind::of(&source),
            source,
        }
    }

    fn not_mlflow(&self, body: &[u8], source: Option<serde_json::Error>) -> ClientError {
        ClientError::NotMlflow {
            method: self.method.to_string(),
            url: self.url.clone(),
            found: describe(body),
            source,
        }
    }
}
