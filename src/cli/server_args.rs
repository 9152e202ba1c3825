//! Options of every command that talks to a tracking server.

use super::{CliError, Result};
use crate::cli::output_args::connections;
use crate::client::{Client, Secret};
use crate::flow::import::ImportError;
use crate::lang::session::RestOptions;
use crate::monitor::Interrupt;

/// How a tracking server is asked; `MLFLOW_TRACKING_*` and its kin mean what they mean to MLflow.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Tracking server")]
pub(super) struct ServerArgs {
    /// Number of concurrent requests [default: 8 for reading, 4 for writing or comparing]
    #[arg(long, alias = "concurrency", value_name = "N", value_parser = connections())]
    pub connections: Option<usize>,
    /// Maximum number of requests per second
    #[arg(long, value_name = "N", value_parser = rate)]
    pub max_rate: Option<f64>,
    /// Header to send with every request; may be repeated
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
}

impl ServerArgs {
    /// Whether any of them was given.
    pub(super) fn is_given(&self) -> bool {
        self.connections.is_some() || self.max_rate.is_some() || !self.headers.is_empty()
    }

    /// The headers, each by its name.
    pub(super) fn headers(&self) -> Result<Vec<(String, Secret)>> {
        let headers = self.headers.iter().map(|header| {
            let (name, value) = header
                .split_once(':')
                .ok_or_else(|| CliError::usage("expected `NAME: VALUE`"))?;
            Ok((name.trim().to_owned(), Secret::new(value.trim())))
        });
        headers.collect()
    }

    /// How a server is read.
    pub(super) fn read_options(&self) -> Result<RestOptions> {
        Ok(RestOptions {
            connections: self.connections.unwrap_or(0),
            requests_per_second: self.max_rate,
            headers: self.headers()?,
            ..RestOptions::default()
        })
    }

    /// A client of the server that is filled or checked.
    pub(super) fn client(&self, target: &str, connections: usize, interrupt: Interrupt) -> Result<Client> {
        let mut connection = super::target::connection(target)?;
        let options = &mut connection.options;
        options.headers.extend(self.headers()?);
        options.requests_per_second = self.max_rate.or(options.requests_per_second);
        options.connections = options.connections.max(connections);
        options.interrupt = interrupt;
        Ok(Client::new(connection.base, connection.options).map_err(ImportError::from)?)
    }
}

/// A number of requests a second.
fn rate(text: &str) -> std::result::Result<f64, String> {
    let rate = text.parse().ok();
    rate.filter(|rate| (0.001..=1e6).contains(rate))
        .ok_or_else(|| "it is not a number from 0.001 to 1000000".to_owned())
}

/// The tracking URI that stands for a source or target that was not given.
pub(super) fn tracking_uri(given: Option<&str>, what: &str) -> Result<String> {
    let from_environment = || {
        std::env::var("MLFLOW_TRACKING_URI")
            .ok()
            .filter(|uri| !uri.is_empty())
    };
    given
        .map(str::to_owned)
        .or_else(from_environment)
        .ok_or_else(|| CliError::usage(format!("no {what} was given, and MLFLOW_TRACKING_URI is not set")))
}
