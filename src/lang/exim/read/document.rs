//! A JSON file of an export, in either of its formats.
//!
//! | format | an object's file | marks |
//! |---|---|---|
//! | 2 | `{system, info?, mlflow}` | `system` or `mlflow` |
//! | 1 | `{export_info, …}`, the object's own keys beside it | `export_info`; in an index `info` |

use crate::lang::artifacts::local_roots::LocalRoots;
use crate::model::pyjson::{KeepAll, ListSink, PyJson, PyJsonError, PyJsonReadError};
use std::io;
use std::path::{Path, PathBuf};

/// Why a file of an export cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// The file system refused.
    #[error("read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It is not JSON.
    #[error("`{}` is not JSON", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: PyJsonError,
    },
    /// It is JSON, but not what mlflow-export-import writes there.
    #[error("`{}` has no `{expected}`", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// What it lacks.
        expected: &'static str,
    },
}

impl DocumentError {
    /// The error and its cause in one line, with the file below the export's root.
    pub(super) fn detail(&self, root: &Path) -> String {
        let below = |path: &Path| path.strip_prefix(root).unwrap_or(path).display().to_string();
        match self {
            Self::Read { path, source } => format!("read {}: {source}", below(path)),
            Self::Json { path, source } => format!("{} is not JSON: {source}", below(path)),
            Self::Shape { path, expected } => format!("{} has no `{expected}`", below(path)),
        }
    }
}

/// A JSON file of an export.
#[derive(Debug)]
pub(super) struct Document {
    path: PathBuf,
    root: PyJson,
}

impl Document {
    /// Reads a file.
    pub(super) fn read(roots: &LocalRoots, path: &Path) -> Result<Self, DocumentError> {
        Self::read_with(roots, path, &mut KeepAll)
    }

    /// Reads a file whose long lists go to `sink`.
    pub(super) fn read_with(
        roots: &LocalRoots,
        path: &Path,
        sink: &mut dyn ListSink,
    ) -> Result<Self, DocumentError> {
        let io_error = |source| DocumentError::Read {
            path: path.to_owned(),
            source,
        };
        let file = roots.open(path).map_err(io_error)?;
        let root = PyJson::read(file, sink).map_err(|error| match error {
            PyJsonReadError::Io(source) => io_error(source),
            PyJsonReadError::Json(source) => DocumentError::Json {
                path: path.to_owned(),
                source,
            },
        })?;
        Ok(Document {
            path: path.to_owned(),
            root,
        })
    }

    /// Reads a file that must have a part.
    pub(super) fn read_part(
        roots: &LocalRoots,
        path: &Path,
        part: &'static str,
    ) -> Result<Self, DocumentError> {
        let document = Self::read(roots, path)?;
        document.part(part)?;
        Ok(document)
    }

    /// What the exporter says of itself: `system` in format 2, `export_info` or `info` in format 1.
    pub(super) fn system(&self) -> &PyJson {
        ["system", "export_info", "info"]
            .iter()
            .find_map(|key| self.root.get(key))
            .unwrap_or(&PyJson::Null)
    }

    /// What the exporter says of the export of this object.
    pub(super) fn info(&self) -> &PyJson {
        ["export_info", "info"]
            .iter()
            .find_map(|key| self.root.get(key))
            .unwrap_or(&PyJson::Null)
    }

    /// The dict that holds the object.
    pub(super) fn body(&self) -> &PyJson {
        self.root.get("mlflow").unwrap_or(&self.root)
    }

    /// A part of the body that must be there.
    pub(super) fn part(&self, key: &'static str) -> Result<&PyJson, DocumentError> {
        let part = self.body().get(key).filter(|part| part.as_dict().is_some());
        part.ok_or_else(|| DocumentError::Shape {
            path: self.path.clone(),
            expected: key,
        })
    }
}
