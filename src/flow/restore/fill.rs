//! A database that is there is filled: its plan, and the two things that appear together, its rows and the folder of artifacts.

use super::files::{Folder, PlannedFiles};
use super::{FillOptions, Load, LongValueRule, Numbers, RestoreError, TREE, TableLayout, told};
use crate::archive::remote::{self, OutputState, RemoteTarget};
use crate::archive::{Archive, ArchiveError, Replace, Staging, TemporaryFolder, parent_of};
use crate::lang::sql::write::{self, FileSink, OpenTarget, WriteError, WriteOutcome};
use crate::monitor::Monitor;
use crate::platform::{rename_new, sync_file};
use std::fs;
use std::path::{Path, PathBuf};

/// What is filled, with what.
pub(super) struct Filling<'a> {
    pub(super) archive: &'a Archive,
    pub(super) uri: &'a str,
    pub(super) numbers: Numbers,
    pub(super) artifacts: &'a Path,
    pub(super) options: &'a FillOptions,
    pub(super) monitor: &'a dyn Monitor,
}

impl Filling<'_> {
    /// Fills it, or plans that; what came of it, and which tables and columns the database has.
    pub(super) fn run(&self) -> Result<(WriteOutcome, TableLayout), RestoreError> {
        if self.numbers == Numbers::Sqlite {
            let path = self.sqlite_path()?;
            if !path.exists() {
                return Ok((self.new_file(&path)?, TableLayout::default()));
            }
        }
        let target = OpenTarget::open(self.uri, self.numbers).map_err(|error| told(self.uri, error))?;
        let layout = target.layout().clone();
        let load = self.load(&layout)?;
        let planned = target.plan(&load, &mut PlannedFiles::new());
        let planned = planned.map_err(|error| told(self.uri, error))?;
        if self.options.is_dry {
            return Ok((planned, layout));
        }
        let outcome = self.with_artifacts(|files, publish| target.fill(&load, files, publish))?;
        Ok((outcome, layout))
    }

    fn load(&self, layout: &TableLayout) -> Result<Load<'_>, RestoreError> {
        let store = &self.options.store;
        Ok(Load {
            archive: self.archive,
            options: store.target(self.artifacts, self.numbers, layout)?,
            long_values: match self.options.cuts_long_values {
                true => LongValueRule::Truncate,
                false => LongValueRule::Fail,
            },
            monitor: self.monitor,
        })
    }

    /// Makes a SQLite file.
    fn new_file(&self, path: &Path) -> Result<WriteOutcome, RestoreError> {
        let options = self.load(&TableLayout::default())?.options;
        if self.options.is_dry {
            let planned = write::plan(self.archive, &mut PlannedFiles::new(), options, self.monitor);
            return planned.map_err(|error| told(self.uri, error));
        }
        self.with_artifacts(|files, publish| {
            let parent = parent_of(path);
            fs::create_dir_all(&parent).map_err(ArchiveError::io("create directory", &parent))?;
            let folder = TemporaryFolder::create_in(&parent)?;
            let made = folder.path().join(super::DATABASE);
            let outcome = write::create(&made, self.archive, files, options, self.monitor)?;
            sync_file(&made).map_err(ArchiveError::io("sync", &made))?;
            publish()?;
            // One that somebody made meanwhile is not written over.
            rename_new(&made, path).map_err(ArchiveError::io("rename to", path))?;
            Ok(outcome)
        })
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

    /// Makes the folder of artifacts beside what `fill` does; where that fails after it is there, it goes again.
    fn with_artifacts(
        &self,
        fill: impl FnOnce(
            &mut dyn FileSink,
            &mut dyn FnMut() -> Result<(), ArchiveError>,
        ) -> Result<WriteOutcome, WriteError>,
    ) -> Result<WriteOutcome, RestoreError> {
        if let Some(target) = remote::target(self.artifacts) {
            let to = |error| ArchiveError::io("write to", self.artifacts)(error);
            return self.with_remote_artifacts(&*target.map_err(to)?, fill);
        }
        let staging = Staging::create(self.artifacts, Replace::Nothing)?;
        let mut folder = Folder::create(self.archive, staging.root().join(TREE))?;
        let (mut staging, mut is_published) = (Some(staging), false);
        let mut publish = || {
            if let Some(staging) = staging.take() {
                staging.publish(TREE, true)?;
                is_published = true;
            }
            Ok(())
        };
        let outcome = fill(&mut folder, &mut publish);
        outcome.map_err(|error| {
            if is_published {
                // It was made here, a moment ago, and what it belongs to is not there.
                let _ = fs::remove_dir_all(self.artifacts);
            }
            told(self.uri, error)
        })
    }

    /// Puts artifacts into an object store, from where they are made on this machine, before the rows are seen.
    fn with_remote_artifacts(
        &self,
        target: &dyn RemoteTarget,
        fill: impl FnOnce(
            &mut dyn FileSink,
            &mut dyn FnMut() -> Result<(), ArchiveError>,
        ) -> Result<WriteOutcome, WriteError>,
    ) -> Result<WriteOutcome, RestoreError> {
        let failed = |error| ArchiveError::io("write to", self.artifacts)(error);
        if target.taken().map_err(failed)? != OutputState::No {
            let path = self.artifacts.to_owned();
            return Err(ArchiveError::OutputExists { path }.into());
        }
        let staging = TemporaryFolder::create_in(&std::env::temp_dir())?;
        let tree = staging.path().join(TREE);
        let mut folder = Folder::create(self.archive, tree.clone())?;
        let mut is_published = false;
        let mut publish = || {
            remote::upload_tree(target, staging.path(), &tree).map_err(failed)?;
            is_published = true;
            Ok(())
        };
        let outcome = fill(&mut folder, &mut publish);
        outcome.map_err(|error| {
            if is_published {
                remote::remove_tree(target, &tree);
            }
            told(self.uri, error)
        })
    }
}
