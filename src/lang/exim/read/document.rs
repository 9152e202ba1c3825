//! A JSON file of an export, in either of its formats.
//!
//! | format | an object's file | marks |
//! |---|---|---|
//! | 2 | `{system, info?, mlflow}` | `system` or `mlflow` |
//! | 1 | `{export_info, …}`, the object's own keys beside it | `export_info`; in an index `info` |

use crate::lang::artifacts::local_roots::LocalRoots;
use crate::model::pyjson::{
    KeepAll, ListSink, MAX_HELD_BYTES, PyJson, PyJsonError, PyJsonErrorKind, PyJsonReadError,
};
use std::io;
use std::path::{Path, PathBuf};

/// Why a file of an export cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// The file system refused.
    #[error("cannot read `{}`", path.display())]
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
    /// It holds more than is read of one file.
    #[error("`{}` {}", path.display(), too_large(*size_bytes))]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        size_bytes: u64,
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
    fn of(path: &Path, error: PyJsonReadError) -> Self {
        let file = path.to_owned();
        match error {
            PyJsonReadError::Io(source) => Self::Read { path: file, source },
            PyJsonReadError::Json(error) if error.kind == PyJsonErrorKind::TooLarge => Self::TooLarge {
                size_bytes: path
                    .metadata()
                    .map_or(error.offset as u64, |metadata| metadata.len()),
                path: file,
            },
            PyJsonReadError::Json(source) => Self::Json { path: file, source },
        }
    }

    /// The error and its cause in one line, with the file below the export's root.
    pub(super) fn detail(&self, root: &Path) -> String {
        let below = |path: &Path| path.strip_prefix(root).unwrap_or(path).display().to_string();
        match self {
            Self::Read { path, source } => format!("read {}: {source}", below(path)),
            Self::Json { path, source } => format!("{} is not JSON: {source}", below(path)),
            Self::TooLarge { path, size_bytes } => format!("{} {}", below(path), too_large(*size_bytes)),
            Self::Shape { path, expected } => format!("{} has no `{expected}`", below(path)),
        }
    }
}

/// What there is to say of a file that holds too much.
fn too_large(size_bytes: u64) -> String {
    format!(
        "has {size_bytes} bytes, and more than the {MAX_HELD_BYTES} that are held of one file; \
         export its objects from their server or store itself, or leave the file out"
    )
}

/// Parts of bodies.
const PARTS: [&str; 6] = [
    "experiment",
    "registered_model",
    "model_version",
    "prompt",
    "evaluation_dataset",
    "data",
];
/// What the exporter says of itself and lists.
const OF_THE_EXPORTER: [&str; 6] = ["system", "info", "export_info", "runs", "traces", "logged_models"];

/// The names in a dict that are neither `known` nor of the exporter.
fn left_of<'d>(dict: &'d PyJson, known: &'d [&str]) -> impl Iterator<Item = &'d str> {
    let names = dict.as_dict().unwrap_or_default().iter();
    let names = names
        .filter(|(_, value)| !value.is_null())
        .map(|(name, _)| name.as_str());
    names.filter(|name| !known.contains(name) && !OF_THE_EXPORTER.contains(name) && !name.starts_with('_'))
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
        let error = |error| DocumentError::of(path, error);
        let file = roots.open(path).map_err(|source| error(source.into()))?;
        let root = PyJson::read(file, sink).map_err(error)?;
        Ok(Document {
            path: path.to_owned(),
            root,
        })
    }

    /// Reads a file that must have a part, if any is named.
    pub(super) fn read_part(
        roots: &LocalRoots,
        path: &Path,
        part: Option<&'static str>,
    ) -> Result<Self, DocumentError> {
        let document = Self::read(roots, path)?;
        part.map(|part| document.part(part)).transpose()?;
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

    /// Names beside what is read of the file; those of a run and of a logged model stand with it.
    pub(super) fn unread(&self) -> Vec<&str> {
        let has = |name: &str| self.body().get(name).is_some();
        let is_wrapped = self.root.get("mlflow").is_some();
        let around = (is_wrapped.then_some(&self.root)).into_iter();
        let around = around.flat_map(|root| left_of(root, &["mlflow"]));
        let beside = PARTS.iter().any(|part| has(part)).then(|| self.body());
        let beside = beside.into_iter().flat_map(|body| left_of(body, &PARTS));
        around.chain(beside).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_holds_too_much_is_said_with_its_size_the_bound_and_the_way_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        std::fs::write(&path, vec![b' '; 1_000]).unwrap();
        let error = PyJsonError {
            line: 1,
            column: 1,
            offset: 7,
            kind: PyJsonErrorKind::TooLarge,
        };
        let error = DocumentError::of(&path, error.into());
        let expected = "has 1000 bytes, and more than the 268435456 that are held of one file; export its objects from their \
            server or store itself, or leave the file out";
        assert_eq!(error.detail(folder.path()), format!("run.json {expected}"));
        assert!(error.to_string().ends_with(expected), "{error}");
    }
}
