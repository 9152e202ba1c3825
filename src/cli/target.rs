//! The server that an import goes to, or is compared with.

use super::{CliError, Result};
use crate::client::{Connection, Environment};
use crate::flow::export::detect::{self, SourceKind};
use crate::model::mask::redact;
use std::path::Path;

/// How to reach a target.
pub(super) fn connection(target: &str) -> Result<Connection> {
    if let Some(what) = no_server(target) {
        let uri = redact(target);
        return Err(
            CliError::usage(format!("the target `{uri}` is {what}, not a tracking server")).hint(format!(
                "{}, then give the URL of that server, such as http://127.0.0.1:5000",
                match what {
                    ARN => "start a server with `mlflow server`".to_owned(),
                    _ => format!("start a server for it with `mlflow server --backend-store-uri '{uri}'`"),
                }
            )),
        );
    }
    Connection::of(target, &Environment::of_process()).map_err(|error| match detect::by_name(target) {
        // Nothing was asked yet: what cannot be asked is a matter of the request.
        Some(_) => CliError::usage(error),
        None => CliError::usage(error)
            .hint("a target is the URL of a tracking server, such as http://127.0.0.1:5000"),
    })
}

const ARN: &str = "an ARN";

/// What a target is that cannot be asked over HTTP.
fn no_server(target: &str) -> Option<&'static str> {
    match detect::by_name(target) {
        Some(SourceKind::Rest) => return None,
        Some(SourceKind::Sql) => return Some("a database"),
        Some(_) => return Some("a file"),
        None => {}
    }
    let scheme = target
        .split_once(':')
        .map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        Some("arn") => Some(ARN),
        Some("file") => Some("a folder"),
        // What else it may be the client says.
        Some(_) if target.contains("://") => None,
        _ => (target.contains('/') || Path::new(target).exists()).then_some("a folder"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_server_is_told_by_its_kind() {
        for (target, expected) in [
            ("http://127.0.0.1:5000", None),
            ("https://user:pw@host/mlflow", None),
            ("databricks://profile", None),
            ("sqlite:///mlflow.db", Some("a database")),
            ("postgresql+psycopg2://u:pw@host/db", Some("a database")),
            ("src", Some("a folder")),
            ("./some/mlruns", Some("a folder")),
            ("file:///some/mlruns", Some("a folder")),
            (
                "arn:aws:sagemaker:eu-west-1:1:mlflow-tracking-server/x",
                Some(ARN),
            ),
            ("ftp://host", None),
        ] {
            assert_eq!(no_server(target), expected, "{target}");
        }
    }
}
