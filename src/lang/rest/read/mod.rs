//! A tracking server, asked through MLflow's REST API (1.30 to 3.18, and whatever speaks it).
//!
//! What a server knows is found out by asking, never from its version. Requests go out on `--connections` threads;
//! answers are written as they come and sorted at the end, so that memory does not grow with the server. Which route
//! gives what, and what the API does not show, is in `docs/reference/sources/rest.md`.

mod artifacts;
mod assessment;
mod choice;
mod evaluation;
mod exporter;
mod fields;
mod history;
mod logged_models;
mod names;
mod presigned;
mod registry;
mod run_export;
mod run_pages;
mod run_wire;
mod run_writer;
mod server;
mod trace_export;
mod trace_links;
mod trace_wire;
mod workspaces;

use crate::client::Client;
use crate::format::manifest::SourceInfo;
use crate::format::{Kind, Reason};
use crate::lang::artifacts::local_roots::{Door, LocalRoots};
use crate::lang::rest::resume::Kept;
use crate::lang::session::{Export, ExportError, ExportOptions, ExportReport};
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
    let mut server = connect(source, &options)?;
    server.find_proxy();
    let mut registry = match options.rest.registry(source) {
        Some(uri) => Some(connect(&uri, &options)?),
        None => None,
    };
    // Its threads also ask.
    options.writer.threads = options.writer.threads.max(options.rest.connections());
    let mut export = Export::create(out, options, monitor)?;
    let kept = keep(&export, out, &server)?;
    server.kept = kept.clone();
    let workspace = server.client.workspace().filter(|name| *name != "default");
    let workspace = workspace.map(|name| ("workspace", name.to_owned()));
    let other = registry.iter().map(|registry| registry.client.base());
    let other = other.filter(|base| *base != server.client.base());
    let other = other.map(|base| ("registry", base.to_string()));
    let chosen = other
        .chain(workspace)
        .map(|(name, value)| (name.to_owned(), value));
    export.chosen = chosen.collect();
    export.check_plan(&server.client.base().to_string())?;
    if let Some(registry) = &mut registry {
        registry.kept = kept.clone();
    }
    let server = Arc::new(server);
    let registry = registry.map_or_else(|| server.clone(), Arc::new);
    let fetched = fetch(&mut export, &server, &registry);
    if fetched.is_err() {
        // What is still queued would only be thrown away.
        server.client.stop();
        registry.client.stop();
    }
    let made = match fetched {
        Ok(info) => export.finish(info),
        Err(error) => {
            drop(export);
            Err(error)
        }
    };
    kept.close(made.is_ok());
    made
}

/// Opens what outlives an interruption, and the archive that is built on.
fn keep(export: &Export<'_>, out: &Path, server: &Server) -> Result<Kept, ExportError> {
    let options = &export.options;
    let source = server.client.base().to_string();
    let scratch = export.writer.scratch();
    Kept::open(
        out,
        &source,
        options.resume,
        options.base.as_deref(),
        scratch,
        export.monitor(),
    )
}

/// Fetches everything into the archive; what the manifest says of the source.
fn fetch(
    export: &mut Export<'_>,
    server: &Arc<Server>,
    registry: &Arc<Server>,
) -> Result<SourceInfo, ExportError> {
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
        export.monitor().notice(&view);
        if !export.is_rest_elsewhere() {
            export.limit("objects", "*", Reason::FilteredView, 1);
        }
        info.details.insert("view".to_owned(), view);
    }
    let choices = choice::look(export, server, registry)?;
    workspaces::export_each(export, server, registry, choices)?;
    export.drain()?;
    Ok(info)
}

fn connect(uri: &str, options: &ExportOptions) -> Result<Server, ExportError> {
    let connection = options.rest.connection(uri, &options.interrupt)?;
    let source_uri = connection.base.to_string();
    let client = Client::new(connection.base, connection.options)
        .map_err(|error| ExportError::unreadable(source_uri, error.to_string()))?;
    Server::connect(client, Arc::new(LocalRoots::new(Door::Server, options)?))
}
