//! Which source lies behind a text: by what is there, never by a version number.

use crate::archive::open_input;
use crate::lang::session::ExportError;
use crate::model::mask::redact;
use crate::model::uri::local_path;
use std::path::{Path, PathBuf};

/// Said of an archive that is given as a source.
pub(super) const OWN_ARCHIVE: &str = "it is already an mlark archive; `mlark info` shows what it holds";

/// The kinds of source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// An `mlruns` tree.
    FileStore,
    /// A directory of mlflow-export-import.
    ExportImport,
    /// A database.
    Sql,
    /// A tracking server.
    Rest,
}

/// The kind that a URI's scheme or a file's first bytes tell; directories are looked into by their sources.
pub fn by_name(source: &str) -> Option<SourceKind> {
    const SQL: [&str; 6] = ["sqlite", "postgresql", "postgres", "mysql", "mariadb", "mssql"];
    let scheme = source
        .split_once(':')
        .map(|(scheme, _)| scheme.to_ascii_lowercase());
    let scheme = scheme.as_deref().unwrap_or_default();
    // A driver may stand behind the name of a database.
    let mut rests = SQL.iter().filter_map(|known| scheme.strip_prefix(known));
    if rests.any(|rest| rest.is_empty() || rest.starts_with('+')) {
        return Some(SourceKind::Sql);
    }
    if source == "databricks" || ["http", "https", "databricks", "databricks-uc"].contains(&scheme) {
        return Some(SourceKind::Rest);
    }
    is_sqlite_file(Path::new(source)).then_some(SourceKind::Sql)
}

fn is_sqlite_file(path: &Path) -> bool {
    use std::io::Read;
    let mut head = [0; 16];
    let file = open_input(path).ok();
    let read = file.and_then(|mut file| file.read_exact(&mut head).ok());
    read.is_some() && head == *b"SQLite format 3\0"
}

/// A SQLite database that lies in a folder, as `mlflow.db` does beside the artifacts of a server.
pub fn database_in(folder: &str) -> Option<PathBuf> {
    let folder = local_path(folder)?;
    let entries = std::fs::read_dir(folder).ok()?;
    let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    paths.filter(|path| is_sqlite_file(path)).min()
}

/// What a file is packed as that is no zip, by its first bytes.
pub fn packed(path: &Path) -> Option<&'static str> {
    use std::io::Read;
    let mut head = Vec::new();
    let file = open_input(path).ok()?;
    file.take(264).read_to_end(&mut head).ok()?;
    let kinds: [(usize, &[u8], &str); 6] = [
        (0, b"\x1f\x8b", "packed with gzip, as a .tar.gz is"),
        (0, b"\x28\xb5\x2f\xfd", "packed with zstd"),
        (0, b"BZh", "packed with bzip2"),
        (0, b"\xfd7zXZ\0", "packed with xz"),
        (0, b"7z\xbc\xaf\x27\x1c", "a 7z file"),
        (257, b"ustar", "a tar file"),
    ];
    let found = kinds
        .into_iter()
        .find(|(at, magic, _)| head.get(*at..).is_some_and(|rest| rest.starts_with(magic)));
    found.map(|(_, _, name)| name)
}

/// Whether a path is to be opened as an archive of mlark's: a directory with its manifest, or a file that is no other source;
/// a damaged one is still an archive.
pub fn is_archive(path: &Path) -> bool {
    if crate::archive::remote::is_remote(path) {
        true
    } else if path.is_dir() {
        path.join(crate::format::layout::MANIFEST).exists()
    } else {
        path.is_file() && !is_sqlite_file(path) && !super::unpack::is_foreign(path)
    }
}

/// The kind of source behind a text.
///
/// # Errors
/// There is nothing, or nothing that is known.
pub fn kind_of(source: &str) -> Result<SourceKind, ExportError> {
    if let Some(kind) = by_name(source) {
        return Ok(kind);
    }
    let no_data = |detail: &str| ExportError::NoData {
        source_uri: redact(source),
        detail: detail.to_owned(),
    };
    let path = local_path(source).ok_or_else(|| no_data("mlark does not read URIs with this scheme"))?;
    let path = Path::new(&path);
    if !path.exists() {
        return Err(no_data("there is no such file or directory"));
    }
    if super::unpack::is_foreign_zip(path) {
        // What is in it is seen when it is unpacked.
        return Ok(SourceKind::FileStore);
    }
    // What a folder itself tells comes before what lies deeper, where a store has its runs.
    if crate::lang::exim::read::is_exim(path) {
        return Ok(SourceKind::ExportImport);
    }
    if crate::lang::file_store::is_root(path) {
        return Ok(SourceKind::FileStore);
    }
    if crate::lang::exim::read::looks_like_exim(path) {
        return Ok(SourceKind::ExportImport);
    }
    if crate::lang::file_store::looks_like_file_store(path) {
        return Ok(SourceKind::FileStore);
    }
    if path.join(crate::format::layout::MANIFEST).is_file() {
        return Err(ExportError::Source {
            source_uri: redact(source),
            detail: OWN_ARCHIVE.to_owned(),
        });
    }
    Err(no_data(
        "it has neither an mlruns tree (folders with meta.yaml) nor an export of mlflow-export-import (experiment.json, model.json, …)",
    ))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::fs;

    const EXPORTED: &str = r#"{"system": {"mlflow_version": "3.18.0"}, "mlflow": {}}"#;

    pub(crate) fn folder_with(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, text) in files {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().expect("a file has a folder")).expect("made");
            fs::write(file, text).expect("written");
        }
        folder
    }

    fn kind_with(files: &[(&str, &str)]) -> SourceKind {
        kind_of(&folder_with(files).path().display().to_string()).expect("it is a source")
    }

    #[test]
    fn what_a_folder_itself_tells_comes_before_what_lies_deeper() {
        let store = ("1/meta.yaml", "experiment_id: '1'");
        let of_exim = |name| (name, EXPORTED);
        assert_eq!(kind_with(&[store]), SourceKind::FileStore);
        assert_eq!(
            kind_with(&[store, of_exim("1/r/model.json")]),
            SourceKind::FileStore,
            "whatever is in a run's folder"
        );
        assert_eq!(
            kind_with(&[store, of_exim("experiments.json")]),
            SourceKind::ExportImport
        );
        assert_eq!(
            kind_with(&[
                ("mlruns/1/meta.yaml", ""),
                of_exim("experiments/experiments.json")
            ]),
            SourceKind::ExportImport
        );
        assert_eq!(kind_with(&[("mlruns/1/meta.yaml", "")]), SourceKind::FileStore);
    }
}
