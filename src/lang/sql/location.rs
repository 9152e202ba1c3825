//! Which database a tracking URI names, as SQLAlchemy reads it.

use super::uri::UriOptions;
use crate::lang::session::ExportError;
use crate::model::mask::redact;
use std::path::PathBuf;

/// A database that can be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Location {
    /// A file; a relative path is taken from the working directory, as SQLAlchemy takes it.
    Sqlite(PathBuf),
    /// A PostgreSQL server, by its URI.
    #[cfg(feature = "postgres")]
    Postgres(String),
    /// A MySQL or MariaDB server, by its URI.
    #[cfg(feature = "mysql")]
    Mysql(String),
}

impl Location {
    /// Options that choose a part of what the URI leads to.
    ///
    /// # Errors
    /// The URI cannot be read.
    pub(super) fn chosen(&self) -> Result<Vec<(String, String)>, ExportError> {
        match self {
            Location::Sqlite(_) => Ok(Vec::new()),
            #[cfg(feature = "postgres")]
            Location::Postgres(uri) => {
                let mut uri = super::uri::DatabaseUri::parse(uri)?;
                super::postgres::add_variables(&mut uri);
                Ok(uri.chosen())
            }
            #[cfg(feature = "mysql")]
            Location::Mysql(uri) => Ok(super::uri::DatabaseUri::parse(uri)?.chosen()),
        }
    }
}

/// The database behind a URI or a path.
///
/// # Errors
/// The scheme is not one this build reads.
pub(super) fn parse(uri: &str) -> Result<Location, ExportError> {
    let Some((scheme, rest)) = uri.split_once(':').filter(|(scheme, _)| is_scheme(scheme)) else {
        return Ok(Location::Sqlite(PathBuf::from(uri)));
    };
    let scheme = scheme.to_ascii_lowercase();
    let dialect = scheme.split('+').next().unwrap_or_default();
    let unreadable = |detail: &str| ExportError::unreadable(redact(uri), detail.to_owned());
    match dialect {
        "sqlite" => {
            let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
            sqlite_options(query).map_err(|detail| unreadable(&detail))?;
            // `sqlite:///a` is relative, `sqlite:////a` absolute; there is never a host.
            match path.strip_prefix("///").filter(|path| !path.is_empty()) {
                Some(":memory:") | None => Err(unreadable(
                    "it names no file: write sqlite:///relative/path or sqlite:////absolute/path",
                )),
                Some(path) => Ok(Location::Sqlite(PathBuf::from(path))),
            }
        }
        "file" => match crate::model::uri::local_path(uri) {
            Some(path) => Ok(Location::Sqlite(PathBuf::from(path))),
            None => Err(unreadable("it names no local file")),
        },
        #[cfg(feature = "postgres")]
        "postgresql" | "postgres" => Ok(Location::Postgres(uri.to_owned())),
        #[cfg(feature = "mysql")]
        "mysql" | "mariadb" => Ok(Location::Mysql(uri.to_owned())),
        #[cfg(not(all(feature = "postgres", feature = "mysql")))]
        "postgresql" | "postgres" | "mysql" | "mariadb" => Err(unreadable(
            "this build reads SQLite only; one with the features `postgres` and `mysql`, which are on unless they were turned off, reads it",
        )),
        _ => Err(unreadable(
            "mlark reads SQLite, PostgreSQL and MySQL; export another database through its MLflow server",
        )),
    }
}

/// Options of Python's `sqlite3` that concern its own objects pass; what would choose or open another file is refused.
fn sqlite_options(query: &str) -> Result<(), String> {
    let mut options = UriOptions::of(query);
    for option in [
        "timeout",
        "check_same_thread",
        "isolation_level",
        "detect_types",
        "cached_statements",
    ] {
        options.take(option);
    }
    options.finish()
}

fn is_scheme(text: &str) -> bool {
    text.len() > 1
        && text
            .chars()
            .all(|next| next.is_ascii_alphanumeric() || matches!(next, '+' | '-' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_name_files_as_sqlalchemy_reads_them() {
        for (uri, path) in [
            ("sqlite:///mlflow.db", "mlflow.db"),
            ("sqlite:////data/mlflow.db", "/data/mlflow.db"),
            ("sqlite+pysqlite:///a b.db?timeout=3", "a b.db"),
            ("SQLite:///x%20y.db", "x%20y.db"),
            ("./mlflow.db", "./mlflow.db"),
            ("file:///data/mlflow.db", "/data/mlflow.db"),
        ] {
            assert_eq!(parse(uri).unwrap(), Location::Sqlite(path.into()), "{uri}");
        }
        for uri in [
            "sqlite://",
            "sqlite:///:memory:",
            "oracle://h/d",
            "sqlite:///a.db?mode=rw",
        ] {
            assert!(parse(uri).is_err(), "{uri}");
        }
    }
}
