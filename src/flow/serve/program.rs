//! The user's own `mlflow`.

use super::ServeError;
use crate::platform::is_program;
use std::env::consts::EXE_SUFFIX;
use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The MLflow whose tables a restore makes.
const TABLES: MlflowVersion = MlflowVersion { major: 3, minor: 18 };

/// The first two numbers of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MlflowVersion {
    /// The first.
    pub major: u32,
    /// The second.
    pub minor: u32,
}

impl fmt::Display for MlflowVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

impl MlflowVersion {
    /// The version in what `mlflow --version` prints.
    fn of(text: &str) -> Option<Self> {
        let number = text.trim().rsplit(' ').next()?;
        let mut parts = number.split('.');
        Some(MlflowVersion {
            major: parts.next()?.parse().ok()?,
            minor: parts.next()?.parse().ok()?,
        })
    }
}

/// A program `mlflow` that can open a store.
#[derive(Debug, Clone)]
pub(crate) struct Mlflow {
    program: PathBuf,
    version: MlflowVersion,
}

impl Mlflow {
    /// The first one in the folders of a `PATH`, which is asked for its version.
    ///
    /// # Errors
    /// There is none, or it is older than the tables of a store.
    pub(crate) fn find(path: Option<&OsStr>) -> Result<Self, ServeError> {
        let folders = path.into_iter().flat_map(std::env::split_paths);
        let mut programs = folders
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join(format!("mlflow{EXE_SUFFIX}")));
        let program = programs.find(|program| is_program(program));
        Self::of(program.ok_or(ServeError::NoMlflow)?)
    }

    fn of(program: PathBuf) -> Result<Self, ServeError> {
        let mlflow = Mlflow {
            program,
            version: TABLES,
        };
        let output = mlflow.command().arg("--version").stderr(Stdio::null()).output();
        let output = output.map_err(|source| mlflow.cannot_run(source))?;
        let version = MlflowVersion::of(&String::from_utf8_lossy(&output.stdout));
        let version = version.ok_or_else(|| ServeError::NoVersion {
            program: mlflow.program.clone(),
        })?;
        if version < TABLES {
            return Err(ServeError::TooOld {
                program: mlflow.program,
                version,
                needed: TABLES,
            });
        }
        Ok(Mlflow { version, ..mlflow })
    }

    /// Its version.
    pub(crate) fn version(&self) -> MlflowVersion {
        self.version
    }

    /// Whether it brings tables of its own, to which a store is upgraded first.
    pub(crate) fn is_newer(&self) -> bool {
        self.version > TABLES
    }

    /// It, with nothing in its environment that names another store or server.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"MLFLOW_") {
                command.env_remove(name);
            }
        }
        command
            .env("MLFLOW_DISABLE_TELEMETRY", "true")
            // Nothing of an archive is run.
            .env("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
            .stdin(Stdio::null());
        command
    }

    /// Brings a copy of a database to its own tables.
    ///
    /// # Errors
    /// It cannot be run, or it fails.
    pub(super) fn upgrade(&self, uri: &str) -> Result<(), ServeError> {
        let output = self.command().args(["db", "upgrade", uri]).output();
        let output = output.map_err(|source| self.cannot_run(source))?;
        if output.status.success() {
            return Ok(());
        }
        Err(ServeError::Died {
            what: "`mlflow db upgrade`",
            said: super::server::last_lines(&output.stderr),
        })
    }

    pub(super) fn cannot_run(&self, source: std::io::Error) -> ServeError {
        ServeError::CannotRun {
            program: self.program.clone(),
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_mlflow_prints_them() {
        let version = |text: &str| MlflowVersion::of(text).map(|version| version.to_string());
        assert_eq!(version("mlflow, version 3.18.0\n").as_deref(), Some("3.18"));
        assert_eq!(version("mlflow, version 3.19.0rc1").as_deref(), Some("3.19"));
        assert_eq!(version("something else"), None);
        assert!(MlflowVersion::of("2.22.5").unwrap() < TABLES);
    }
}
