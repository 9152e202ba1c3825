//! How a client is set up, and MLflow's variables that say so.

use super::auth;
use super::databricks;
use super::environment::Environment;
use super::error::ClientError;
use super::path::BaseUrl;
use super::secret::Secret;
use crate::model::mask;
use crate::monitor::Interrupt;
use std::path::PathBuf;
use std::time::Duration;

/// Who asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Auth {
    /// Nobody in particular.
    #[default]
    None,
    /// User and password.
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A token.
    Bearer(Secret),
}

/// How TLS is checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// Accepts any certificate.
    pub insecure: bool,
    /// PEM file of certificates that are trusted in place of the built-in ones.
    pub ca_path: Option<PathBuf>,
    /// The same, for other hosts than the server.
    pub other_ca_path: Option<PathBuf>,
    /// PEM file with the client's certificate and key.
    pub client_cert_path: Option<PathBuf>,
}

/// How a client talks to its server.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// Who asks.
    pub auth: Auth,
    /// Headers of every request.
    pub headers: Vec<(String, Secret)>,
    /// Workspace (MLflow 3.10); the server's default one where absent.
    pub workspace: Option<String>,
    /// TLS.
    pub tls: TlsOptions,
    /// Longest wait for a connection, for a response to begin, and for each of its parts. What comes more slowly than
    /// 64 KiB in such a time is given up, and so is an answer that is held in memory and takes five times as long.
    pub timeout: Duration,
    /// The largest answer that is held in memory.
    pub answer_bytes: u64,
    /// How often a request that may be repeated is repeated.
    pub max_retries: u32,
    /// The first wait before a repetition; each further one is twice as long, up to 30 s.
    pub retry_base: Duration,
    /// No repetition begins later than this after the request.
    pub retry_deadline: Duration,
    /// Connections kept open.
    pub connections: usize,
    /// Requests a second, all threads together.
    pub requests_per_second: Option<f64>,
    /// Ends waits and refuses further requests.
    pub interrupt: Interrupt,
}

impl Default for ClientOptions {
    fn default() -> Self {
        ClientOptions {
            auth: Auth::None,
            headers: Vec::new(),
            workspace: None,
            tls: TlsOptions::default(),
            timeout: Duration::from_secs(120),
            answer_bytes: 64 << 20,
            max_retries: 7,
            retry_base: Duration::from_millis(250),
            retry_deadline: Duration::from_secs(300),
            connections: 32,
            requests_per_second: None,
            interrupt: Interrupt::default(),
        }
    }
}

/// A server and how to talk to it, before the first request.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The server.
    pub base: BaseUrl,
    /// How to talk to it.
    pub options: ClientOptions,
}

impl Connection {
    /// What a URI (`http(s)://…` or `databricks[://PROFILE]`) and the environment say.
    ///
    /// # Errors
    /// The URI or a variable cannot be used.
    pub fn of(uri: &str, environment: &Environment) -> Result<Self, ClientError> {
        mask::learn(|mask| mask.add_uri(uri));
        let mut options = ClientOptions {
            tls: tls_of(environment)?,
            workspace: environment.get("MLFLOW_WORKSPACE"),
            ..ClientOptions::default()
        };
        if let Some(seconds) = number(environment, "MLFLOW_HTTP_REQUEST_TIMEOUT")? {
            options.timeout = Duration::from_secs(seconds.max(1));
        }
        if let Some(retries) = number(environment, "MLFLOW_HTTP_REQUEST_MAX_RETRIES")? {
            options.max_retries = u32::try_from(retries).unwrap_or(u32::MAX);
        }
        let base = if databricks::is_databricks(uri) {
            let (base, auth) = databricks::resolve(uri, environment)?;
            options.auth = auth;
            base
        } else {
            let (base, user_info) = BaseUrl::of_server(uri)?;
            options.auth = auth::of_server(user_info, environment)?;
            base
        };
        Ok(Connection { base, options })
    }
}

fn tls_of(environment: &Environment) -> Result<TlsOptions, ClientError> {
    let path = |name: &str| environment.get(name).map(PathBuf::from);
    // `requests`, MLflow's own client, honours the first two, OpenSSL the last.
    let other_ca_path = path("REQUESTS_CA_BUNDLE")
        .or_else(|| path("CURL_CA_BUNDLE"))
        .or_else(|| path("SSL_CERT_FILE"));
    let tls = TlsOptions {
        insecure: boolean(environment, "MLFLOW_TRACKING_INSECURE_TLS")?,
        ca_path: path("MLFLOW_TRACKING_SERVER_CERT_PATH").or_else(|| other_ca_path.clone()),
        other_ca_path,
        client_cert_path: path("MLFLOW_TRACKING_CLIENT_CERT_PATH"),
    };
    if tls.insecure && environment.get("MLFLOW_TRACKING_SERVER_CERT_PATH").is_some() {
        return Err(ClientError::config(
            "MLFLOW_TRACKING_INSECURE_TLS and MLFLOW_TRACKING_SERVER_CERT_PATH cannot be used together: unset one",
        ));
    }
    Ok(tls)
}

fn boolean(environment: &Environment, name: &str) -> Result<bool, ClientError> {
    let Some(value) = environment.get(name) else {
        return Ok(false);
    };
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(ClientError::config(format!(
            "{name} is `{value}`, not `true` or `false`"
        ))),
    }
}

fn number(environment: &Environment, name: &str) -> Result<Option<u64>, ClientError> {
    let parse = |value: String| {
        value
            .parse()
            .map_err(|_| ClientError::config(format!("{name} is `{value}`, not a number")))
    };
    environment.get(name).map(parse).transpose()
}
