//! How a server is asked, beside what its environment variables say.

use crate::client::{Connection, Environment, Secret};
use crate::lang::session::ExportError;
use crate::monitor::Interrupt;

/// How many requests are under way at once, where nothing else is asked for.
const CONNECTIONS: usize = 8;

/// How a server is asked.
#[derive(Debug, Clone, Default)]
pub struct RestOptions {
    /// Requests under way at once; 0 for 8.
    pub connections: usize,
    /// Requests a second at most.
    pub requests_per_second: Option<f64>,
    /// The server of the model registry, where it is another one.
    pub registry_uri: Option<String>,
    /// Headers of every request.
    pub headers: Vec<(String, Secret)>,
    /// The one workspace that is asked for, in place of the one that `MLFLOW_WORKSPACE` names.
    pub workspace: Option<String>,
    /// The workspaces that are exported where the server has some; all, where none is named.
    pub workspaces: Vec<String>,
    /// Variables, in place of those of the process.
    pub environment: Option<Environment>,
}

impl RestOptions {
    /// Requests under way at once.
    pub fn connections(&self) -> usize {
        match self.connections {
            0 => CONNECTIONS,
            connections => connections,
        }
    }

    fn environment(&self) -> Environment {
        self.environment.clone().unwrap_or_else(Environment::of_process)
    }

    /// How to reach a server.
    pub(crate) fn connection(&self, uri: &str, interrupt: &Interrupt) -> Result<Connection, ExportError> {
        let connection = Connection::of(uri, &self.environment());
        let mut connection = connection
            .map_err(|error| ExportError::unreadable(crate::model::mask::redact(uri), error.to_string()))?;
        let options = &mut connection.options;
        options.headers.extend(self.headers.iter().cloned());
        options.requests_per_second = self.requests_per_second;
        if self.workspace.is_some() {
            options.workspace.clone_from(&self.workspace);
        }
        options.connections = self.connections() + 4;
        options.interrupt = interrupt.clone();
        Ok(connection)
    }

    /// The registry's server, where it is another one than the tracking server.
    pub(crate) fn registry(&self, tracking_uri: &str) -> Option<String> {
        let uri = self
            .registry_uri
            .clone()
            .or_else(|| self.environment().get("MLFLOW_REGISTRY_URI"));
        uri.filter(|uri| uri.trim_end_matches('/') != tracking_uri.trim_end_matches('/'))
    }
}
