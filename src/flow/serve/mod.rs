//! An archive in MLflow's own UI: a store that is made once and kept, and a session over a copy of its database.
//!
//! ```text
//! <cache>/<content id>-<tables>/
//!   store/                 what a restore made; nobody writes to it
//!   .mlark-….tmp/          a session: a copy of the database, the log; gone with it
//! ```
//!
//! The store is made of an archive that was verified before: else one that claims another's content id would be shown in its place.

mod program;
mod server;

use crate::archive::{Archive, ArchiveError, TemporaryFolder};
use crate::model::{DEFAULT_WORKSPACE, Experiment, Workspace};
use crate::platform::{private_folder, set_mode_of, user_folder};
pub(crate) use program::{Mlflow, MlflowVersion};
pub(crate) use server::{Ended, Server};
use std::path::{Path, PathBuf};
use std::{fs, io};

/// By which tables and rules a store is made: a newer mlark makes its own.
const GENERATION: &str = concat!("3.18-", env!("CARGO_PKG_VERSION"));
/// Why an archive cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ServeError {
    /// The archive cannot be read, or the cache cannot be written.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// There is no MLflow.
    #[error("there is no `mlflow` on the PATH")]
    NoMlflow,
    /// It cannot be run.
    #[error("cannot run `{program}`")]
    CannotRun {
        /// The program.
        program: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It does not say which one it is.
    #[error("`{program} --version` printed no version")]
    NoVersion {
        /// The program.
        program: PathBuf,
    },
    /// It is older than the tables of a store.
    #[error("`{program}` is MLflow {version}, but the store has the tables of {needed}")]
    TooOld {
        /// The program.
        program: PathBuf,
        /// Its version.
        version: MlflowVersion,
        /// The first that opens the store.
        needed: MlflowVersion,
    },
    /// Nothing can listen there.
    #[error("port {port} is not free")]
    Port {
        /// The port.
        port: u16,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A program ended that was to go on.
    #[error("{what} stopped:\n{said}")]
    Died {
        /// Which one.
        what: &'static str,
        /// Its last lines.
        said: String,
    },
    /// The server does not answer.
    #[error("`mlflow server` did not answer within {seconds} seconds:\n{said}")]
    Silent {
        /// How long it was waited for.
        seconds: u64,
        /// Its last lines.
        said: String,
    },
}

/// Where stores are kept, unless said otherwise: below `XDG_CACHE_HOME`, or `.cache` in the home folder.
pub(crate) fn default_cache() -> Option<PathBuf> {
    Some(user_folder("XDG_CACHE_HOME", ".cache")?.join("mlark/serve"))
}

/// The place of an archive in a cache.
#[derive(Debug)]
pub(crate) struct Entry {
    folder: PathBuf,
    has_workspaces: bool,
}

impl Entry {
    /// The place of an archive, whose folder is made for the user alone.
    ///
    /// # Errors
    /// The folder cannot be made, or the archive cannot be read.
    pub(crate) fn of(archive: &Archive, cache: &Path) -> Result<Self, ServeError> {
        let content_id = archive.manifest().content_id.hex();
        let folder = cache.join(format!("{}-{GENERATION}", content_id.as_str()));
        let made = private_folder(&folder);
        made.map_err(ArchiveError::io("create directory", &folder))?;
        Ok(Entry {
            folder,
            has_workspaces: has_workspaces(archive)?,
        })
    }

    /// Where its store is, or is to be made.
    pub(crate) fn store(&self) -> PathBuf {
        self.folder.join("store")
    }

    /// Whether the store is there; it appears whole.
    pub(crate) fn is_made(&self) -> bool {
        self.store().is_dir()
    }

    /// Removes the store.
    ///
    /// # Errors
    /// It cannot be removed.
    pub(crate) fn remove(&self) -> Result<(), ServeError> {
        let store = self.store();
        if self.is_made() {
            set_modes(&store, 0o700, 0o600).map_err(ArchiveError::io("unlock", &store))?;
            fs::remove_dir_all(&store).map_err(ArchiveError::io("remove", &store))?;
        }
        Ok(())
    }

    /// Takes the right to write the store's files from everyone, so that no session changes what the next one shows.
    ///
    /// # Errors
    /// The file system refuses.
    pub(crate) fn seal(&self) -> Result<(), ServeError> {
        let store = self.store();
        set_modes(&store, 0o500, 0o400).map_err(ArchiveError::io("seal", &store))?;
        Ok(())
    }

    /// A session over a copy of the database, which has this name in the store, as the folder of artifacts has the other.
    ///
    /// # Errors
    /// The copy cannot be made, or upgraded.
    pub(crate) fn begin(
        &self,
        mlflow: &Mlflow,
        database: &str,
        artifacts: &str,
    ) -> Result<Session, ServeError> {
        let folder = TemporaryFolder::create_in(&self.folder)?;
        let [from, to] = [&self.store(), folder.path()].map(|folder| folder.join(database));
        fs::copy(&from, &to).map_err(ArchiveError::io("copy", &from))?;
        set_mode_of(&to, 0o600).map_err(ArchiveError::io("unlock", &to))?;
        let session = Session {
            folder,
            database: to,
            artifacts: self.store().join(artifacts),
            has_workspaces: self.has_workspaces,
        };
        if mlflow.is_newer() {
            mlflow.upgrade(&session.database_uri())?;
        }
        Ok(session)
    }
}

/// A copy of a store's database, gone when this is dropped.
pub(crate) struct Session {
    folder: TemporaryFolder,
    database: PathBuf,
    artifacts: PathBuf,
    has_workspaces: bool,
}

impl Session {
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn database_uri(&self) -> String {
        format!("sqlite:///{}", self.database.display())
    }
}

/// Whether an archive has workspaces beside the default one, for which a server needs an option.
fn has_workspaces(archive: &Archive) -> Result<bool, ArchiveError> {
    for workspace in archive.objects::<Workspace>() {
        if workspace?.name != DEFAULT_WORKSPACE {
            return Ok(true);
        }
    }
    for experiment in archive.objects::<Experiment>() {
        let workspace = experiment?.workspace;
        if workspace.is_some_and(|name| name != DEFAULT_WORKSPACE) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Sets the modes of a folder and all below it; links are none of a store's, and stay.
fn set_modes(path: &Path, folder: u32, file: u32) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_dir() {
        // Folders are opened before they are walked, and closed after.
        set_mode_of(path, 0o700)?;
        for entry in fs::read_dir(path)? {
            set_modes(&entry?.path(), folder, file)?;
        }
        return set_mode_of(path, folder);
    }
    if metadata.is_file() {
        return set_mode_of(path, file);
    }
    Ok(())
}
