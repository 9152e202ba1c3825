//! The one HTTP client: whom to ask, as whom, how patiently, and what went wrong.
//!
//! Nothing outside this module builds a URL or sets a header. A request says whether it may be repeated; the
//! client then retries it within a deadline. Secrets are types that do not print. What MLflow's objects look
//! like is not known here.
//!
//! - [`Client`]: a server, credentials and a pool of connections; cheap to clone, used from several threads.
//! - [`Path`] and [`Request`]: one call.
//! - [`PageWalk`]: a listing that comes in pages.
//! - [`ClientError`]: a call that failed, with MLflow's own words where it had some.
//! - [`Connection`]: what `MLFLOW_TRACKING_URI` and its companions in an [`Environment`] say.

mod auth;
mod body;
mod databricks;
mod download;
mod environment;
mod error;
pub(crate) mod ini;
mod options;
mod pages;
mod path;
mod rate;
mod redirect;
mod request;
mod retry;
mod secret;
mod secure;
pub(crate) mod tls;
mod transport;

pub use body::{Body, OpenBody};
pub(crate) use download::AtMost;
pub use download::Download;
pub use environment::Environment;
pub use error::{ClientError, FailureKind};
pub use options::{Auth, ClientOptions, Connection, TlsOptions};
pub use pages::{BARREN_PAGES, ENTRIES, PAGES, Page, PageWalk};
pub use path::{BaseUrl, Path};
pub use request::{Request, Response};
pub use retry::Repeat;
pub use secret::Secret;

use crate::model::mask;
use rate::RateLimit;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Method, header};

/// Header that selects a workspace (MLflow 3.10).
const WORKSPACE_HEADER: &str = "x-mlflow-workspace";
/// Longest time until a waiting thread sees that the work is to end.
const STOP_WAIT: Duration = Duration::from_millis(100);
/// Notices kept until someone takes them.
const NOTICES: usize = 100;

/// A server and how to talk to it.
#[derive(Clone)]
pub struct Client {
    base: Arc<BaseUrl>,
    agent: ureq::Agent,
    headers: Arc<HeaderMap>,
    options: Arc<ClientOptions>,
    shared: Arc<Shared>,
}

/// What clones of a client share.
struct Shared {
    rate: RateLimit,
    requests: AtomicU64,
    retries: AtomicU64,
    notices: Mutex<Vec<String>>,
    is_stopped: AtomicBool,
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Client")
            .field(&self.base.to_string())
            .finish()
    }
}

impl Client {
    /// A client of the server that a URI names, with what the environment says of it.
    ///
    /// # Errors
    /// The URI or a variable cannot be used, or a certificate cannot be read.
    pub fn open(uri: &str, environment: &Environment) -> Result<Self, ClientError> {
        let connection = Connection::of(uri, environment)?;
        Client::new(connection.base, connection.options)
    }

    /// A client of a server.
    ///
    /// # Errors
    /// A certificate cannot be read, or a header cannot be sent.
    pub fn new(base: BaseUrl, options: ClientOptions) -> Result<Self, ClientError> {
        mask::learn(|mask| {
            options.auth.hide(mask);
            for (_, value) in &options.headers {
                mask.add_header(value.expose());
            }
        });
        let mut headers = HeaderMap::new();
        for (name, value) in &options.headers {
            headers.insert(header_name(name)?, header_value(name, value.expose(), true)?);
        }
        if let Some(value) = options.auth.header() {
            let value = header_value("Authorization", value.expose(), true)?;
            headers.insert(header::AUTHORIZATION, value);
        }
        let mut client = Client {
            agent: transport::agent(&options)?,
            base: Arc::new(base),
            headers: Arc::new(headers),
            shared: Arc::new(Shared {
                rate: RateLimit::new(options.requests_per_second),
                requests: AtomicU64::new(0),
                retries: AtomicU64::new(0),
                notices: Mutex::new(Vec::new()),
                is_stopped: AtomicBool::new(false),
            }),
            options: Arc::new(options),
        };
        if let Some(workspace) = client.options.workspace.clone() {
            client = client.in_workspace(Some(&workspace))?;
        }
        Ok(client)
    }

    /// The same client, asking within a workspace, or within the server's default one.
    ///
    /// # Errors
    /// The name cannot be sent in a header.
    pub fn in_workspace(&self, workspace: Option<&str>) -> Result<Self, ClientError> {
        let mut headers = HeaderMap::clone(&self.headers);
        headers.remove(WORKSPACE_HEADER);
        if let Some(workspace) = workspace {
            let value = header_value(WORKSPACE_HEADER, workspace, false)?;
            headers.insert(HeaderName::from_static(WORKSPACE_HEADER), value);
        }
        Ok(Client {
            headers: Arc::new(headers),
            ..self.clone()
        })
    }

    /// The same client as nobody: without credentials and custom headers.
    #[must_use]
    pub fn anonymous(&self) -> Self {
        Client {
            headers: Arc::new(HeaderMap::new()),
            ..self.clone()
        }
    }

    /// A client of other hosts that the server's answers name: without credentials, custom headers and the certificates that
    /// are meant for the server.
    ///
    /// # Errors
    /// The bundle of certificates for other hosts cannot be read.
    pub fn elsewhere(&self) -> Result<Self, ClientError> {
        let tls = TlsOptions {
            ca_path: self.options.tls.other_ca_path.clone(),
            ..TlsOptions::default()
        };
        let options = ClientOptions {
            tls,
            ..ClientOptions::clone(&self.options)
        };
        Ok(Client {
            agent: transport::agent(&options)?,
            ..self.anonymous()
        })
    }

    /// Reads from a URL of any host; may be repeated. Its query, which may be a signature, is in no message.
    ///
    /// # Errors
    /// It is not an http(s) URL.
    pub fn get_url(&self, url: &str) -> Result<Request<'_>, ClientError> {
        BaseUrl::parse(url)?;
        let (place, query) = url.split_at(url.find('?').unwrap_or(url.len()));
        let request = self.get(Path::root(""));
        Ok(request.at(place.to_owned(), query.to_owned()))
    }

    /// The server, without credentials.
    pub fn base(&self) -> &BaseUrl {
        &self.base
    }

    /// The workspace that is asked within, where one was named.
    pub fn workspace(&self) -> Option<&str> {
        self.headers.get(WORKSPACE_HEADER)?.to_str().ok()
    }

    /// How the client was set up.
    pub fn options(&self) -> &ClientOptions {
        &self.options
    }

    /// Reads; may be repeated.
    pub fn get(&self, path: Path) -> Request<'_> {
        Request::new(self, Method::GET, path, Repeat::Safe)
    }

    /// Asks or creates, as `repeat` says.
    pub fn post(&self, path: Path, repeat: Repeat) -> Request<'_> {
        Request::new(self, Method::POST, path, repeat)
    }

    /// Changes fields to given values.
    pub fn patch(&self, path: Path, repeat: Repeat) -> Request<'_> {
        Request::new(self, Method::PATCH, path, repeat)
    }

    /// Stores bytes under a path; may be repeated.
    pub fn put(&self, path: Path) -> Request<'_> {
        Request::new(self, Method::PUT, path, Repeat::Safe)
    }

    /// Deletes.
    pub fn delete(&self, path: Path, repeat: Repeat) -> Request<'_> {
        Request::new(self, Method::DELETE, path, repeat)
    }

    /// Requests sent so far, repeated ones included.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// Requests that were repeated so far.
    pub fn retries(&self) -> u64 {
        self.shared.retries.load(Ordering::Relaxed)
    }

    /// Takes the sentences about retries since the last call; the client itself prints nothing.
    pub fn take_notices(&self) -> Vec<String> {
        let mut notices = self
            .shared
            .notices
            .lock()
            .unwrap_or_else(|poison| poison.into_inner());
        std::mem::take(&mut *notices)
    }

    /// Ends the work of all clones: waits end, and what is still to be asked is refused.
    pub fn stop(&self) {
        self.shared.is_stopped.store(true, Ordering::Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.shared.is_stopped.load(Ordering::Relaxed) || self.options.interrupt.is_set()
    }

    /// Waits before a repetition, unless the work is to end.
    fn pause(&self, wait: Duration) {
        let end = Instant::now() + wait;
        while !self.is_stopped() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            std::thread::sleep(left.min(STOP_WAIT));
        }
    }

    fn notice(&self, text: String) {
        self.shared.retries.fetch_add(1, Ordering::Relaxed);
        let mut notices = self
            .shared
            .notices
            .lock()
            .unwrap_or_else(|poison| poison.into_inner());
        if notices.len() < NOTICES {
            notices.push(text);
        }
    }
}

fn header_name(name: &str) -> Result<HeaderName, ClientError> {
    HeaderName::try_from(name)
        .map_err(|_| ClientError::config(format!("`{name}` is not the name of a header")))
}

fn header_value(name: &str, value: &str, is_secret: bool) -> Result<HeaderValue, ClientError> {
    let mut header = HeaderValue::try_from(value)
        .map_err(|_| ClientError::config(format!("the value of header `{name}` cannot be sent")))?;
    header.set_sensitive(is_secret);
    Ok(header)
}
