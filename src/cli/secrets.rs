//! What must not be repeated of how mlark was called: it may stand in any argument, also in one that is not understood.

use crate::model::mask::{self, Mask};
use std::ffi::OsString;

/// Variables whose values are secrets.
const SECRETS: [&str; 13] = [
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "PGPASSWORD",
    "PGSSLPASSWORD",
    "DATABRICKS_TOKEN",
    "DATABRICKS_CLIENT_SECRET",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_STORAGE_ACCESS_KEY",
    "AZURE_STORAGE_CONNECTION_STRING",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_CLIENT_SECRET",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
];
/// Variables whose values are URIs.
const URIS: [&str; 6] = [
    "MLFLOW_TRACKING_URI",
    "MLFLOW_REGISTRY_URI",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "http_proxy",
    "https_proxy",
];

/// Takes note of secrets in arguments and variables, before anything can be said.
pub(super) fn learn(args: &[OsString]) {
    mask::learn(|mask| {
        learn_arguments(args, mask);
        let value = |name: &&str| std::env::var(name).ok();
        SECRETS
            .iter()
            .filter_map(value)
            .for_each(|secret| mask.add(&secret));
        URIS.iter().filter_map(value).for_each(|uri| mask.add_uri(&uri));
    });
}

fn learn_arguments(args: &[OsString], mask: &mut Mask) {
    let mut is_header = false;
    for arg in args.iter().skip(1) {
        let text = arg.to_string_lossy();
        let header = match text.strip_prefix("--header=") {
            Some(header) => Some(header),
            None => is_header.then_some(&*text),
        };
        if let Some(header) = header {
            mask.add_header(header.split_once(':').map_or(header, |(_, value)| value).trim());
        }
        is_header = text == "--header";
        // `--registry-uri=https://user:password@host`
        let option = text.starts_with("--").then(|| text.split_once('=')).flatten();
        mask.add_uri(option.map_or(&*text, |(_, value)| value));
    }
}
