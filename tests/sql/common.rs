//! Fixtures and exports of them.

use mlark::archive::Archive;
use mlark::flow::export::{ExportError, ExportOptions};
use mlark::format::{Kind, Manifest};
use mlark::internals::sql;
use mlark::monitor::Silent;
use mlark::select::{Patterns, Selection};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const VERSIONS: [&str; 4] = ["1.30.1", "2.9.2", "2.22.5", "3.18.0"];

/// Databases of real servers, each as `DIRECTORY=URI`, separated by spaces; `fixtures/make/fill_database.py URI DIRECTORY`
/// filled them with what MLflow 3.18.0 can hold.
const DATABASES: &str = "MLARK_TEST_DATABASES";

fn databases() -> Vec<&'static str> {
    match std::env::var(DATABASES) {
        Ok(databases) => databases.leak().split_whitespace().collect(),
        Err(_) => {
            println!("skipped: database servers, since {DATABASES} is not set");
            Vec::new()
        }
    }
}

/// Stores by the version that filled them, and databases of real servers.
pub(crate) fn stores() -> Vec<&'static str> {
    VERSIONS.into_iter().chain(databases()).collect()
}

/// Stores that the newest version filled.
pub(crate) fn newest() -> Vec<&'static str> {
    ["3.18.0"].into_iter().chain(databases()).collect()
}

/// Where a store's files are.
pub(crate) fn fixture(version: &str) -> PathBuf {
    if let Some((directory, _)) = version.split_once('=') {
        return PathBuf::from(directory);
    }
    let name = format!("fixtures/sql-{version}");
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

pub(crate) struct Exported {
    pub(crate) archive: Archive,
    pub(crate) manifest: Manifest,
    _directory: tempfile::TempDir,
}

pub(crate) fn try_export(database: &Path, options: ExportOptions) -> Result<Exported, ExportError> {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("archive");
    let report = sql::export(database.to_str().unwrap(), &out, options, &Silent)?;
    Ok(Exported {
        archive: Archive::open(&out).unwrap(),
        manifest: report.manifest,
        _directory: directory,
    })
}

pub(crate) fn export(version: &str, options: ExportOptions) -> Exported {
    let Some((directory, uri)) = version.split_once('=') else {
        return try_export(&fixture(version).join("mlflow.db"), options).unwrap();
    };
    let options = ExportOptions {
        artifacts_destination: Some(Path::new(directory).join("artifacts")),
        ..options
    };
    try_export(Path::new(uri), options).unwrap()
}

pub(crate) fn with_deleted() -> ExportOptions {
    ExportOptions {
        include_deleted: true,
        ..ExportOptions::default()
    }
}

pub(crate) fn select(selection: Selection) -> ExportOptions {
    ExportOptions {
        selection,
        ..ExportOptions::default()
    }
}

pub(crate) fn names(texts: &[&str]) -> Patterns {
    Patterns::names(texts.iter().map(|&text| text.to_owned()).collect()).unwrap()
}

pub(crate) fn said(version: &str) -> Value {
    let text = std::fs::read(fixture(version).join("client.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

impl Exported {
    /// Lines of a kind by the text under a pointer.
    pub(crate) fn by(&self, kind: Kind, pointer: &str) -> BTreeMap<String, Value> {
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let values = self.archive.values(kind).map(Result::unwrap);
        values
            .map(|value| (text(value.pointer(pointer).unwrap()), value))
            .collect()
    }

    pub(crate) fn count(&self, kind: Kind) -> u64 {
        self.manifest.count(kind)
    }

    pub(crate) fn left_out(&self, kind: &str, reason: &str) -> u64 {
        let counts = &self.manifest.selection.left_out;
        let mine = counts
            .iter()
            .filter(|count| count.kind == kind && count.reason.as_str() == reason);
        mine.map(|count| count.count).sum()
    }
}
