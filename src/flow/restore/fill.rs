//! A database that is there is filled: its plan, and the two things that appear together, its rows and the folder of artifacts.

use super::files::{Folder, PlannedFiles};
use super::{FillOptions, Numbers, RestoreError, TREE};
use crate::archive::{Archive, ArchiveError, Replace, Staging, TemporaryFolder, parent_of};
use crate::lang::sql::write::{self, FileSink, Outcome, TargetOptions, WriteError};
use crate::monitor::Monitor;
use crate::platform::{rename_new, sync_file};
use std::fs;
use std::path::{Path, PathBuf};

/// What is filled, with what.
pub(super) struct Filling<'a> {
    pub(super) archive: &'a Archive,
    pub(super) uri: &'a str,
    pub(super) target: TargetOptions,
    #[cfg_attr(
        not(feature = "postgres"),
        expect(dead_code, reason = "only its columns are narrower than texts")
    )]
    pub(super) options: &'a FillOptions,
    pub(super) monitor: &'a dyn Monitor,
}

/// Two sinks of files: the plan's, and the one that writes.
type Sinks<'s> = (&'s mut dyn FileSink, Option<&'s mut dyn FileSink>);

impl Filling<'_> {
    /// What would be made.
    pub(super) fn plan(&self, numbers: Numbers) -> Result<Outcome, RestoreError> {
        let mut planned = PlannedFiles::new();
        let outcome = match numbers {
            Numbers::Sqlite => match self.sqlite_path()? {
                path if path.exists() => self.fill_sqlite(&path, (&mut planned, None), || Ok(())),
                _ => write::plan(self.archive, &mut planned, self.target.clone(), self.monitor),
            },
            Numbers::Postgres => self.fill_postgres((&mut planned, None), || Ok(())),
        };
        outcome.map_err(|error| self.told(error))
    }

    /// Fills a SQLite file, or makes it.
    pub(super) fn sqlite(&self, artifacts: &Path) -> Result<Outcome, RestoreError> {
        let path = self.sqlite_path()?;
        if path.exists() {
            return self.with_artifacts(artifacts, |files, publish| {
                self.fill_sqlite(&path, files, publish)
            });
        }
        self.with_artifacts(artifacts, |files, publish| {
            let parent = parent_of(&path);
            fs::create_dir_all(&parent).map_err(ArchiveError::io("create directory", &parent))?;
            let folder = TemporaryFolder::create_in(&parent)?;
            let made = folder.path().join(super::DATABASE);
            let sink = files.1.unwrap_or(files.0);
            let outcome = write::create(&made, self.archive, sink, self.target.clone(), self.monitor)?;
            sync_file(&made).map_err(ArchiveError::io("sync", &made))?;
            publish()?;
            // One that somebody made meanwhile is not written over.
            rename_new(&made, &path).map_err(ArchiveError::io("rename to", &path))?;
            Ok(outcome)
        })
    }

    /// Fills a PostgreSQL database.
    pub(super) fn postgres(&self, artifacts: &Path) -> Result<Outcome, RestoreError> {
        self.with_artifacts(artifacts, |files, publish| self.fill_postgres(files, publish))
    }

    /// The file that a URI of SQLite names.
    fn sqlite_path(&self) -> Result<PathBuf, RestoreError> {
        let path = self.uri.strip_prefix("sqlite:///");
        let plain = path.filter(|path| !path.is_empty() && !path.contains(['?', '#']));
        plain.map(PathBuf::from).ok_or_else(|| {
            RestoreError::Option(format!(
                "`{}` names no SQLite file: `sqlite:///PATH`, without options",
                crate::model::uri::redact(self.uri)
            ))
        })
    }

    fn fill_sqlite(
        &self,
        path: &Path,
        files: Sinks<'_>,
        publish: impl FnOnce() -> Result<(), ArchiveError>,
    ) -> Result<Outcome, WriteError> {
        write::fill_sqlite(
            path,
            self.archive,
            files,
            self.target.clone(),
            publish,
            self.monitor,
        )
    }

    #[cfg(feature = "postgres")]
    fn fill_postgres(
        &self,
        files: Sinks<'_>,
        publish: impl FnOnce() -> Result<(), ArchiveError>,
    ) -> Result<Outcome, WriteError> {
        let long_values = if self.options.cuts_long_values {
            write::LongValues::Truncate
        } else {
            write::LongValues::Fail
        };
        write::fill_postgres(
            self.uri,
            self.archive,
            files,
            self.target.clone(),
            long_values,
            publish,
            self.monitor,
        )
    }

    #[cfg(not(feature = "postgres"))]
    fn fill_postgres(
        &self,
        _: Sinks<'_>,
        _: impl FnOnce() -> Result<(), ArchiveError>,
    ) -> Result<Outcome, WriteError> {
        let text = "this build fills no PostgreSQL: one with `--features postgres` does";
        Err(WriteError::Impossible(text.to_owned()))
    }

    /// Makes the folder of artifacts beside what `fill` does; where that fails after it is there, it goes again.
    fn with_artifacts(
        &self,
        artifacts: &Path,
        fill: impl FnOnce(Sinks<'_>, &mut dyn FnMut() -> Result<(), ArchiveError>) -> Result<Outcome, WriteError>,
    ) -> Result<Outcome, RestoreError> {
        let staging = Staging::create(artifacts, Replace::Nothing)?;
        let (mut planned, mut folder) = (
            PlannedFiles::new(),
            Folder::create(self.archive, staging.root().join(TREE))?,
        );
        let (mut staging, mut is_published) = (Some(staging), false);
        let mut publish = || {
            if let Some(staging) = staging.take() {
                staging.publish(TREE, true)?;
                is_published = true;
            }
            Ok(())
        };
        let outcome = fill((&mut planned, Some(&mut folder)), &mut publish);
        outcome.map_err(|error| {
            if is_published {
                // It was made here, a moment ago, and what it belongs to is not there.
                let _ = fs::remove_dir_all(artifacts);
            }
            self.told(error)
        })
    }

    fn told(&self, error: WriteError) -> RestoreError {
        match error {
            WriteError::Target(detail) => RestoreError::Target {
                uri: crate::model::uri::redact(self.uri),
                detail,
            },
            error => error.into(),
        }
    }
}
