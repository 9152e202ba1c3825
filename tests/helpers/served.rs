//! Exports of scripted servers, to a folder of their own.

use mlark::client::Environment;
use mlark::flow::export::detect::SourceKind;
use mlark::flow::export::{ExportError, ExportOptions, ExportReport, RestOptions, export};
use mlark::monitor::Silent;

/// Exports what a server has to `out` in a folder; a request is repeated once.
pub fn export_of(uri: &str, keep_going: bool) -> (tempfile::TempDir, Result<ExportReport, ExportError>) {
    export_with(uri, keep_going, &[], RestOptions::default())
}

/// The same, with variables of the environment and options of servers.
pub fn export_with(
    uri: &str,
    keep_going: bool,
    variables: &[(&str, &str)],
    rest: RestOptions,
) -> (tempfile::TempDir, Result<ExportReport, ExportError>) {
    let folder = tempfile::tempdir().unwrap();
    let variables = [&[("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")], variables].concat();
    let options = ExportOptions {
        keep_going,
        rest: RestOptions {
            environment: Some(Environment::of(&variables, None)),
            ..rest
        },
        ..ExportOptions::default()
    };
    let out = folder.path().join("out");
    let report = export(SourceKind::Rest, uri, &out, options, &Silent);
    (folder, report)
}
