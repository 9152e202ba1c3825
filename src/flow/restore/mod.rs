//! An archive becomes a tracking store that MLflow's server opens, every id and time as it was.
//!
//! No server and no Python is needed: the tables are those of the newest MLflow, which this program carries. The rows are made by
//! `lang/sql/write`, which also says where artifacts lie. A plan is the same pass with nothing behind it.

mod files;
mod report;

use crate::archive::{Archive, ArchiveError, ErrorKind, Replace, Staging};
use crate::lang::sql::write::{self, ArtifactUris, DEFAULT_WORKSPACE, Numbers, TargetOptions, WriteError};
use crate::monitor::Monitor;
use files::{Folder, PlannedFiles};
pub use report::{EditCount, LostField, NewId, RestoreReport};
use std::fs;
use std::path::{Path, PathBuf};

/// Name of the database in the folder that is made.
pub const DATABASE: &str = "mlflow.db";
/// Name of the folder of artifacts beside it.
pub const ARTIFACTS: &str = "artifacts";
/// What is made within the staging folder.
const TREE: &str = "store";

/// How a store is made.
#[derive(Debug, Clone, Default)]
pub struct RestoreOptions {
    /// URIs name folders of this machine, and not the server that serves them.
    pub direct_uris: bool,
    /// Leaves URIs of remote storage as they are, and the files behind them there.
    pub keep_uris: bool,
    /// Where objects come that name no workspace; none is the default one.
    pub workspace: Option<String>,
}

/// Why no store can be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The archive cannot be read, or the store cannot be written.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The database refused.
    #[error("cannot write {what}: {detail}")]
    Database {
        /// What was written.
        what: String,
        /// What it said.
        detail: String,
    },
    /// No database can hold the archive as it is.
    #[error("{0}")]
    Impossible(String),
    /// The database to be filled cannot be reached, or is not one to be filled.
    #[error("cannot fill `{uri}`: {detail}")]
    Target {
        /// Where, without credentials.
        uri: String,
        /// Why not.
        detail: String,
    },
    /// Texts are longer than the columns of the target.
    #[error("{count} texts are longer than the columns of the target, such as {first}")]
    TooLong {
        /// How many.
        count: u64,
        /// One of them.
        first: String,
    },
    /// A name that no workspace can have.
    #[error("`{0}` is not the name of a workspace: lower-case letters, digits and `-`, at most 63")]
    Workspace(String),
}

impl RestoreError {
    /// The kind of error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            RestoreError::Archive(error) => error.kind(),
            RestoreError::Database { .. } => ErrorKind::Io,
            RestoreError::Impossible(_)
            | RestoreError::Workspace(_)
            | RestoreError::Target { .. }
            | RestoreError::TooLong { .. } => ErrorKind::Usage,
        }
    }
}

impl From<WriteError> for RestoreError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Archive(error) => error.into(),
            WriteError::Database { what, detail } => RestoreError::Database { what, detail },
            WriteError::Target(detail) => RestoreError::Target {
                uri: "the database".to_owned(),
                detail,
            },
            WriteError::TooLong { count, first } => RestoreError::TooLong { count, first },
            WriteError::Impossible(text) => RestoreError::Impossible(text),
        }
    }
}

impl RestoreOptions {
    fn target(&self, artifacts: &Path, numbers: Numbers) -> Result<TargetOptions, RestoreError> {
        let workspace = self
            .workspace
            .clone()
            .unwrap_or_else(|| DEFAULT_WORKSPACE.to_owned());
        if !is_workspace(&workspace) {
            return Err(RestoreError::Workspace(workspace));
        }
        Ok(TargetOptions {
            uris: if self.direct_uris {
                ArtifactUris::Direct(artifacts.to_owned())
            } else {
                ArtifactUris::Proxied
            },
            keep_uris: self.keep_uris,
            workspace,
            numbers,
        })
    }
}

/// Whether MLflow takes a name for a workspace's.
fn is_workspace(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = [name.bytes().next(), name.bytes().last()];
    name.len() <= 63
        && ends.iter().all(|end| end.is_some_and(is_letter))
        && name.bytes().all(|byte| is_letter(byte) || byte == b'-')
}

/// The folder of artifacts of a store, as an absolute path.
///
/// # Errors
/// There is no working directory.
pub fn artifacts_of(store: &Path) -> Result<PathBuf, ArchiveError> {
    let absolute = std::path::absolute(store).map_err(ArchiveError::io("find", store))?;
    Ok(absolute.join(ARTIFACTS))
}

/// Says what a restore would make, and what it could not.
///
/// # Errors
/// The archive is damaged, or no store can be made of it.
pub fn plan(
    archive: &Archive,
    out: &Path,
    options: &RestoreOptions,
    monitor: &dyn Monitor,
) -> Result<RestoreReport, RestoreError> {
    let target = options.target(&artifacts_of(out)?, Numbers::Sqlite)?;
    let outcome = write::plan(archive, &mut PlannedFiles::new(), target, monitor)?;
    RestoreReport::new(archive, outcome)
}

/// Makes the new folder `out` with a database and artifacts; it appears whole, or not at all.
///
/// # Errors
/// `out` exists, the archive is damaged, no store can be made of it, or the disk refuses.
pub fn restore(
    archive: &Archive,
    out: &Path,
    options: &RestoreOptions,
    monitor: &dyn Monitor,
) -> Result<RestoreReport, RestoreError> {
    let target = options.target(&artifacts_of(out)?, Numbers::Sqlite)?;
    let staging = Staging::create(out, Replace::Nothing)?;
    let tree = staging.root().join(TREE);
    fs::create_dir(&tree).map_err(ArchiveError::io("create directory", &tree))?;
    let mut files = Folder::create(archive, tree.join(ARTIFACTS))?;
    let outcome = write::create(&tree.join(DATABASE), archive, &mut files, target, monitor)?;
    let report = RestoreReport::new(archive, outcome)?;
    staging.publish(TREE, true)?;
    Ok(report)
}

/// What becomes of an archive in a PostgreSQL database.
#[cfg(feature = "postgres")]
#[derive(Debug, Clone, Default)]
pub struct FillOptions {
    /// How the store is made.
    pub store: RestoreOptions,
    /// Cuts texts that are longer than their columns; else they end the restore before the first write.
    pub cuts_long_values: bool,
    /// Says what would be made, and makes nothing.
    pub is_dry: bool,
}

/// Fills a PostgreSQL database that is empty but for what MLflow itself put there, or has no tables, and makes the new folder `artifacts`: all of
/// it, or nothing.
///
/// # Errors
/// As [`restore`]; the database cannot be reached, is in use, holds something, or refuses.
#[cfg(feature = "postgres")]
pub fn fill(
    archive: &Archive,
    uri: &str,
    artifacts: &Path,
    options: &FillOptions,
    monitor: &dyn Monitor,
) -> Result<RestoreReport, RestoreError> {
    use crate::lang::sql::write::{FileSink, LongValues};
    let absolute = std::path::absolute(artifacts).map_err(ArchiveError::io("find", artifacts))?;
    let target = options.store.target(&absolute, Numbers::Postgres)?;
    let long_values = if options.cuts_long_values {
        LongValues::Truncate
    } else {
        LongValues::Fail
    };
    let mut planned = PlannedFiles::new();
    let told = |error: WriteError| match error {
        WriteError::Target(detail) => RestoreError::Target {
            uri: crate::model::uri::redact(uri),
            detail,
        },
        error => error.into(),
    };
    let outcome = if options.is_dry {
        write::fill_postgres(
            uri,
            archive,
            (&mut planned, None),
            target,
            long_values,
            || Ok(()),
            monitor,
        )
    } else {
        let staging = Staging::create(artifacts, Replace::Nothing)?;
        let mut folder = Folder::create(archive, staging.root().join(TREE))?;
        let files: (&mut dyn FileSink, Option<&mut dyn FileSink>) = (&mut planned, Some(&mut folder));
        let publish = || staging.publish(TREE, true);
        write::fill_postgres(uri, archive, files, target, long_values, publish, monitor)
    };
    RestoreReport::new(archive, outcome.map_err(told)?)
}
