//! A tracking server, asked through MLflow's REST API (1.30 to 3.18, and whatever speaks it).
//!
//! What a server knows is found out by asking, never from its version. Requests go out on `--concurrency` threads;
//! answers are written as they come and sorted at the end, so that memory does not grow with the server. Which route
//! gives what, and what the API does not show, is in `docs/sources/rest.md`.

mod artifacts;
mod assessment;
mod choice;
mod evaluation;
mod exporter;
mod feed;
mod fields;
mod history;
mod logged_models;
mod options;
mod paging;
mod registry;
mod run;
mod run_sink;
mod runs;
mod server;
mod trace;
mod traces;
mod workspaces;

pub use options::RestOptions;

use super::{Export, ExportError, ExportOptions, ExportReport};
use crate::client::Client;
use crate::format::Kind;
use crate::format::manifest::SourceInfo;
use crate::monitor::Monitor;
use server::Server;
use std::path::Path;
use std::sync::Arc;

/// Exports the server at a URI (`http(s)://…`, `databricks[://PROFILE]`) to the archive `out`.
///
/// # Errors
/// The server cannot be asked, something in it cannot be read and `keep_going` is off, or the archive cannot be
/// written.
pub fn export(
    source: &str,
    out: &Path,
    mut options: ExportOptions,
    monitor: &dyn Monitor,
) -> Result<ExportReport, ExportError> {
    let server = Arc::new(connect(source, &options)?);
    server.find_proxy();
    let registry = match options.rest.registry(source) {
        Some(uri) => Arc::new(connect(&uri, &options)?),
        None => server.clone(),
    };
    // Its threads also ask.
    options.writer.threads = options.writer.threads.max(options.rest.concurrency());
    let mut export = Export::create(out, options, monitor)?;
    for &kind in Kind::ALL {
        export.writer.sort_at_end(kind);
    }
    let mut info = SourceInfo {
        kind: "rest".to_owned(),
        uri: server.client.base().to_string(),
        mlflow_version: server.version.clone(),
        ..SourceInfo::default()
    };
    if let Some(store) = server.info["store_type"].as_str() {
        info.details.insert("store_type".to_owned(), store.to_owned());
    }
    if let Some(view) = server.filtered_view() {
        monitor.notice(&view);
        info.details.insert("view".to_owned(), view);
    }
    workspaces::export_each(&mut export, &server, &registry)?;
    export.finish(info)
}

fn connect(uri: &str, options: &ExportOptions) -> Result<Server, ExportError> {
    let connection = options.rest.connection(uri)?;
    let source_uri = connection.base.to_string();
    let client = Client::new(connection.base, connection.options).map_err(|error| ExportError::Source {
        source_uri,
        detail: error.to_string(),
    })?;
    Server::connect(client, options.artifacts_destination.clone())
}
