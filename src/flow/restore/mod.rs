//! An archive becomes a tracking store that MLflow's server opens, every id and time as it was.
//!
//! No server and no Python is needed: the tables are those of the newest MLflow, which this program carries. The rows are made by
//! `lang/sql/write`, which also says where artifacts lie. A plan is the same pass with nothing behind it.

mod bucket;
mod files;
mod fill;
mod mark;
mod report;

use crate::archive::{Archive, ArchiveError, ErrorKind, Replace, Staging, remote};
use crate::lang::sql::write::{
    self, IntoStore, Load, LongValueRule, LookedAt, Numbers, Rules, StoreRoot, TableLayout, TargetOptions,
};
pub use crate::lang::sql::write::{NewId, WriteError};
use crate::model::{DEFAULT_WORKSPACE, Experiment};
use crate::monitor::Monitor;
use crate::platform::file_uri;
use crate::report::Difference;
use files::{CheckedFiles, Folder, PlannedFiles};
pub use report::{EditCount, LostField, RestoreReport};
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
    /// Folders of this machine below which local URIs stay as they are, and the files behind them there.
    pub trusted: Vec<PathBuf>,
}

/// Why no store can be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The archive cannot be read, or the store cannot be written.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The database refuses, or can hold no such archive.
    #[error(transparent)]
    Write(WriteError),
    /// The database to be filled cannot be reached, or is not one to be filled.
    #[error("cannot use database `{uri}`: {detail}")]
    Target {
        /// Where, without credentials.
        uri: String,
        /// Why not.
        detail: String,
    },
    /// An option that asks for what no store has.
    #[error("{0}")]
    Option(String),
}

impl RestoreError {
    /// The kind of error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            RestoreError::Archive(error) => error.kind(),
            RestoreError::Write(WriteError::Database { .. }) => ErrorKind::Io,
            RestoreError::Write(_) | RestoreError::Option(_) | RestoreError::Target { .. } => {
                ErrorKind::Usage
            }
        }
    }
}

impl From<WriteError> for RestoreError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Archive(error) => error.into(),
            WriteError::Target(detail) => RestoreError::Target {
                uri: "the database".to_owned(),
                detail,
            },
            error => RestoreError::Write(error),
        }
    }
}

impl RestoreOptions {
    /// The edit that changes an archive as a restore into a new SQLite store does: what comes back from there has the content id of what that
    /// edit makes, where nothing is lost.
    pub fn store_edit(&self, artifacts: &Path) -> IntoStore {
        self.edit_for(artifacts, Numbers::Sqlite, &TableLayout::default())
    }

    /// The same of a restore into a database, which is looked at.
    ///
    /// # Errors
    /// The database is of a kind that a restore does not make, or cannot be reached.
    pub fn database_edit(&self, uri: &str, artifacts: &Path) -> Result<IntoStore, RestoreError> {
        let (numbers, target) = look_at(uri)?;
        Ok(self.edit_for(artifacts, numbers, target.layout()))
    }

    fn edit_for(&self, artifacts: &Path, numbers: Numbers, layout: &TableLayout) -> IntoStore {
        let root = match (self.direct_uris, remote_of(artifacts)) {
            (false, _) => StoreRoot::proxied().as_str().to_owned(),
            (true, Some(uri)) => format!("{}/", uri.trim_end_matches('/')),
            (true, None) => StoreRoot::of_folder(artifacts).as_str().to_owned(),
        };
        let trusted = self.trusted.iter().map(|folder| file_uri(folder));
        let workspace = self.workspace.as_deref().unwrap_or(DEFAULT_WORKSPACE);
        IntoStore {
            artifacts: root,
            keep_uris: self.keep_uris,
            trust_local: trusted.collect(),
            workspace: layout.has_workspaces().then(|| workspace.to_owned()),
            largest_experiment_id: Some(numbers.largest_experiment()).filter(|largest| *largest < i64::MAX),
        }
    }

    fn target(
        &self,
        artifacts: &Path,
        numbers: Numbers,
        layout: &TableLayout,
    ) -> Result<TargetOptions, RestoreError> {
        if self.workspace.is_some() && !layout.has_workspaces() {
            let text =
                "the database has no workspaces: leave --workspace out, or run `mlflow db upgrade` first";
            return Err(RestoreError::Option(text.to_owned()));
        }
        let store = self.edit_for(artifacts, numbers, layout);
        Ok(TargetOptions {
            rules: store.options().map_err(RestoreError::Option)?,
            numbers,
            layout: layout.clone(),
        })
    }
}

/// The URI of an object store that a path is, where it is one.
fn remote_of(artifacts: &Path) -> Option<&str> {
    artifacts.to_str().filter(|_| remote::is_remote(artifacts))
}

/// Where artifacts lie, whatever the working directory is.
///
/// # Errors
/// There is no working directory.
pub(crate) fn destination(artifacts: &Path) -> Result<PathBuf, ArchiveError> {
    match remote_of(artifacts) {
        Some(_) => Ok(artifacts.to_owned()),
        None => std::path::absolute(artifacts).map_err(ArchiveError::io("find", artifacts)),
    }
}

/// A database that is looked at.
fn look_at(uri: &str) -> Result<(Numbers, LookedAt), RestoreError> {
    let numbers = numbers_of(uri)?;
    let found = LookedAt::at(uri, numbers).map_err(|error| told(uri, error))?;
    Ok((numbers, found))
}

/// The numbers that experiments of an archive have in a database, by their ids in the archive.
///
/// # Errors
/// The archive cannot be read, the database cannot be reached, or it cannot hold them.
pub fn ids_in(archive: &Archive, uri: &str, options: &RestoreOptions) -> Result<Vec<NewId>, RestoreError> {
    let (numbers, found) = look_at(uri)?;
    if found.is_empty() {
        let text = format!(
            "`{}` has no MLflow tables: nothing was restored into it",
            crate::model::mask::redact(uri)
        );
        return Err(RestoreError::Option(text));
    }
    let rules = options
        .edit_for(Path::new("/"), numbers, found.layout())
        .options();
    let mut rules = Rules::new(rules.map_err(RestoreError::Option)?);
    let experiments = archive.objects::<Experiment>();
    let experiments = experiments.map(|experiment| experiment.map_err(WriteError::from));
    rules.learn_experiments(experiments)?;
    let id = |experiment: Result<Experiment, ArchiveError>| {
        let experiment_id = experiment?.experiment_id;
        let known = rules.experiment(&experiment_id);
        Ok(known.map(|known| NewId {
            target_id: known.id,
            experiment_id,
        }))
    };
    let ids = archive.objects::<Experiment>().map(id);
    ids.filter_map(Result::transpose).collect()
}

/// An error of the database behind a URI.
fn told(uri: &str, error: WriteError) -> RestoreError {
    match error {
        WriteError::Target(detail) => RestoreError::Target {
            uri: crate::model::mask::redact(uri),
            detail,
        },
        error => error.into(),
    }
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
    let target = options.target(&artifacts_of(out)?, Numbers::Sqlite, &TableLayout::default())?;
    let outcome = write::plan(archive, &mut PlannedFiles::new(), target, monitor)?;
    RestoreReport::new(archive, outcome, options.store_edit(&artifacts_of(out)?))
}

/// The root of artifacts behind a server.
pub fn proxied_root() -> String {
    StoreRoot::proxied().as_str().to_owned()
}

/// What columns of the database behind a URI, or the path of one, hold.
fn numbers_of(uri: &str) -> Result<Numbers, RestoreError> {
    let scheme = crate::model::uri::scheme(uri);
    match scheme.and_then(crate::model::uri::dialect) {
        Some("postgresql") => Ok(Numbers::Postgres),
        Some("mysql") => Ok(Numbers::Mysql),
        Some("sqlite") => Ok(Numbers::Sqlite),
        None if scheme.is_none() => Ok(Numbers::Sqlite),
        _ => Err(RestoreError::Option(format!(
            "`{}` is a database that a restore cannot fill",
            crate::model::mask::redact(uri)
        ))),
    }
}

/// Says what a database that was made of an archive does not hold; where the folder of its artifacts is given, each artifact that does not lie
/// there as the archive says is handed to `differs`.
///
/// # Errors
/// The archive is damaged, no database can be made of it, or this one cannot be reached.
pub fn expect(
    archive: &Archive,
    uri: &str,
    options: &RestoreOptions,
    artifacts: Option<&Path>,
    monitor: &dyn Monitor,
    differs: &mut dyn FnMut(Difference),
) -> Result<RestoreReport, RestoreError> {
    let root = artifacts.unwrap_or(Path::new("/"));
    let (numbers, target) = look_at(uri)?;
    let layout = target.layout().clone();
    let load = Load {
        archive,
        options: options.target(root, numbers, &layout)?,
        long_values: LongValueRule::Truncate,
        monitor,
    };
    let (mut planned, mut checked);
    let files: &mut dyn write::FileSink = match artifacts {
        Some(root) => {
            checked = CheckedFiles::new(root, differs);
            &mut checked
        }
        None => {
            planned = PlannedFiles::new();
            &mut planned
        }
    };
    let outcome = target.plan(&load, files).map_err(|error| told(uri, error))?;
    RestoreReport::new(archive, outcome, options.edit_for(root, numbers, &layout))
}

/// Makes the new folder `out` with a database and artifacts; it appears whole, or not at all.
///
/// ```no_run
/// use mlark::Archive;
/// use mlark::flow::restore::{RestoreOptions, restore};
/// use mlark::monitor::Silent;
///
/// let archive = Archive::open("history.zip".as_ref())?;
/// restore(&archive, "restored".as_ref(), &RestoreOptions::default(), &Silent)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// `out` exists, the archive is damaged, no store can be made of it, or the disk refuses.
pub fn restore(
    archive: &Archive,
    out: &Path,
    options: &RestoreOptions,
    monitor: &dyn Monitor,
) -> Result<RestoreReport, RestoreError> {
    let target = options.target(&artifacts_of(out)?, Numbers::Sqlite, &TableLayout::default())?;
    let staging = Staging::create(out, Replace::Nothing)?;
    let tree = staging.root().join(TREE);
    fs::create_dir(&tree).map_err(ArchiveError::io("create directory", &tree))?;
    let mut files = Folder::create(archive, tree.join(ARTIFACTS))?;
    let outcome = write::create(&tree.join(DATABASE), archive, &mut files, target, monitor)?;
    let report = RestoreReport::new(archive, outcome, options.store_edit(&artifacts_of(out)?))?;
    staging.publish(TREE, true)?;
    Ok(report)
}

/// What becomes of an archive in a database.
#[derive(Debug, Clone, Default)]
pub struct FillOptions {
    /// How the store is made.
    pub store: RestoreOptions,
    /// Cuts texts that are longer than their columns; else they end the restore before the first write.
    pub cuts_long_values: bool,
    /// Says what would be made, and makes nothing.
    pub is_dry: bool,
}

/// Fills a database that is empty but for what MLflow itself put there, or has no tables, and makes the new folder `artifacts`: all of
/// it, or nothing.
///
/// # Errors
/// As [`restore`]; the database cannot be reached, is in use, holds something, or refuses, or this build knows none of its kind.
pub fn fill(
    archive: &Archive,
    uri: &str,
    artifacts: &Path,
    options: &FillOptions,
    monitor: &dyn Monitor,
) -> Result<RestoreReport, RestoreError> {
    let absolute = destination(artifacts)?;
    let filling = fill::Filling {
        archive,
        uri,
        numbers: numbers_of(uri)?,
        artifacts: &absolute,
        options,
        monitor,
    };
    let (outcome, layout) = filling.run()?;
    let edit = options.store.edit_for(&absolute, filling.numbers, &layout);
    RestoreReport::new(archive, outcome, edit)
}
