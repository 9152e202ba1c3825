//! The server being exported: who it is and what it knows, found out by asking.

use crate::client::{Client, ClientError, Request};
use crate::lang::artifacts::local_roots::LocalRoots;
use crate::lang::rest::paging::Pages;
use crate::lang::rest::resume::Kept;
use crate::lang::rest::routes::{self, Call, Route};
use crate::lang::rest::version::Version;
use crate::lang::rest::version::ask_version;
use crate::lang::session::ExportError;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock};

/// A server, asked within one workspace.
pub(super) struct Server {
    /// How to ask.
    pub(super) client: Client,
    /// MLflow's version, where the server tells it.
    pub(super) version: Option<String>,
    /// What `server-info` says (3.10 and later).
    pub(super) info: Value,
    /// Folders of this machine that artifacts may be read from: those that the user named.
    pub(super) roots: Arc<LocalRoots>,
    /// What was fetched before.
    pub(super) kept: Kept,
    /// Routes that this server turned out not to know.
    missing: Mutex<BTreeSet<&'static str>>,
    /// Asks the storage behind the server.
    storage: OnceLock<Client>,
}

impl Server {
    /// Asks who is there.
    pub(super) fn connect(client: Client, roots: Arc<LocalRoots>) -> Result<Self, ExportError> {
        let version = match ask_version(&client) {
            Err(error) if error.is_denied() => None,
            told => told.map_err(|error| source_error(&client, &error))?,
        };
        let probe = any_experiment(&client).parse::<Value>();
        probe.map_err(|error| source_error(&client, &error))?;
        let info = Call::from(routes::SERVER_INFO).on(&client).attempts(1).parse();
        Ok(Server {
            version,
            info: info.unwrap_or_default(),
            roots,
            kept: Kept::default(),
            missing: Mutex::default(),
            storage: OnceLock::new(),
            client,
        })
    }

    /// The same server in a workspace.
    pub(super) fn in_workspace(&self, workspace: &str) -> Result<Self, ExportError> {
        let client = self.client.in_workspace(Some(workspace));
        Ok(Server {
            client: client.map_err(|error| source_error(&self.client, &error))?,
            version: self.version.clone(),
            info: self.info.clone(),
            roots: self.roots.clone(),
            kept: self.kept.clone(),
            missing: Mutex::default(),
            storage: OnceLock::new(),
        })
    }

    /// Asks a route that older servers lack; `None` where this one lacks it.
    pub(super) fn optional<T>(
        &self,
        route: Route,
        ask: impl FnOnce(&Client) -> Result<T, ClientError>,
    ) -> Result<Option<T>, ClientError> {
        if self.lacks(route) {
            return Ok(None);
        }
        match ask(&self.client) {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if error.is_unknown_route() => {
                let mut missing = self.missing.lock().unwrap_or_else(|poison| poison.into_inner());
                missing.insert(route.text);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether a search by a route that older servers lack finds anything; `None` where this one lacks it. Where the answer is of no
    /// use, there may be something, and who reads all of it will tell.
    pub(super) fn finds_any(&self, route: Route, search: Pages<'_>) -> Result<Option<bool>, ExportError> {
        let found = self.optional(route, |_| match search.first() {
            Err(error) if error.is_answer() && !error.is_unknown_route() => Ok(true),
            found => found,
        });
        found.map_err(|error| self.error(&error))
    }

    /// Whether a route turned out to be missing.
    pub(super) fn lacks(&self, route: Route) -> bool {
        let missing = self.missing.lock().unwrap_or_else(|poison| poison.into_inner());
        missing.contains(route.text)
    }

    /// The version that the server tells.
    pub(super) fn told_version(&self) -> Option<Version> {
        self.version.as_deref().and_then(Version::parse)
    }

    /// Whether the server keeps a file store, which has no evaluation datasets and scorers.
    pub(super) fn is_file_store(&self) -> bool {
        self.info["store_type"] == "FileStore"
    }

    /// Whether the server says that it sends no bytes of artifacts, but signs URLs of its storage.
    pub(super) fn is_presigned_only(&self) -> bool {
        self.info["artifacts_presigned_only"] == Value::Bool(true)
    }

    /// A client for URLs that the server signed.
    pub(super) fn storage(&self) -> Result<&Client, ClientError> {
        match self.storage.get() {
            Some(client) => Ok(client),
            None => {
                let client = self.client.elsewhere()?;
                Ok(self.storage.get_or_init(|| client))
            }
        }
    }

    /// Whether workspaces are switched on.
    pub(super) fn has_workspaces(&self) -> bool {
        self.info["workspaces_enabled"] == Value::Bool(true)
    }

    /// The workspace of all objects of a database whose server has workspaces switched off: it does not start over
    /// others. Some versions (3.10) tell it of no object.
    pub(super) fn only_workspace(&self) -> Option<String> {
        let is_off = self.info["workspaces_enabled"] == Value::Bool(false);
        (is_off && self.info["store_type"] == "SqlStore").then(|| "default".to_owned())
    }

    /// Server and workspace, for names that are unique only within.
    pub(super) fn scope(&self) -> String {
        let workspace = self.client.workspace().unwrap_or_default();
        format!("{} {workspace}", self.client.base())
    }

    /// Why the source cannot be read.
    pub(super) fn error(&self, error: &ClientError) -> ExportError {
        source_error(&self.client, error)
    }
}

/// Asks for one experiment, whichever it is.
fn any_experiment(client: &Client) -> Request<'_> {
    Call::from(routes::SEARCH_EXPERIMENTS).page(client, &json!({"view_type": "ALL"}), None, 1)
}

pub(super) fn source_error(client: &Client, error: &ClientError) -> ExportError {
    ExportError::unreadable(client.base().to_string(), told(error))
}

/// As [`told`], for an error of reading what a server sends.
pub(super) fn told_io(error: &std::io::Error) -> String {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<ClientError>());
    inner.map_or_else(|| error.to_string(), told)
}

/// An error with its causes and what to do about it, in one sentence.
pub(super) fn told(error: &ClientError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text.push_str(&format!(": {next}"));
        cause = next.source();
    }
    if let Some(hint) = error.hint() {
        text.push_str(&format!(" ({hint})"));
    }
    text
}

impl Server {
    /// A call of the proxy: below the static prefix or, as servers with `--static-prefix` have it, not.
    pub(super) fn proxy(&self, call: impl Into<Call>) -> Call {
        call.into().without_prefix(self.lacks(routes::PROXIED_FILES))
    }

    /// Finds out where the proxy is, on servers below a prefix.
    pub(super) fn find_proxy(&self) {
        if self.client.base().prefix().is_empty() {
            return;
        }
        let asked = self.optional(routes::PROXIED_FILES, |client| {
            let request = Call::from(routes::PROXIED_FILES).with(client, &json!({"path": ""}));
            request.attempts(1).parse::<Value>()
        });
        // Any other refusal will be met, and told, with the first artifact.
        drop(asked);
    }
}

impl Server {
    /// Says so where the server shows each user only what that user may read.
    pub(super) fn filtered_view(&self) -> Option<String> {
        let asked = any_experiment(&self.client.anonymous()).attempts(1).send();
        if !matches!(asked, Err(error) if error.is_denied()) {
            return None;
        }
        let user = match &self.client.options().auth {
            crate::client::Auth::Basic { user, .. } => user.clone(),
            _ => {
                return Some(
                    "the server requires a login; objects that this account may not read are not exported"
                        .to_owned(),
                );
            }
        };
        let request = Call::from(routes::USER).with(&self.client, &json!({"username": user}));
        let answer = request.attempts(1).parse::<Value>();
        match answer {
            Ok(answer) if answer["user"]["is_admin"] == Value::Bool(true) => None,
            _ => Some(format!(
                "`{user}` is not an administrator of the server; objects that this account may not read are not exported"
            )),
        }
    }
}
