//! A database that is there is filled: its plan, and the two things that appear together, its rows and the folder of artifacts.

use super::bucket::{BucketFiles, Uploads};
use super::files::{Folder, LeftFolder, PlannedFiles};
use super::mark::Mark;
use super::{FillOptions, Load, LongValueRule, Numbers, RestoreError, TREE, TableLayout, told};
use crate::archive::remote::{self, OutputState, RemoteTarget};
use crate::archive::{Archive, ArchiveError, Replace, Staging, TemporaryFolder, parent_of};
use crate::lang::sql::write::{self, FileSink, OpenTarget, WriteError, WriteOutcome};
use crate::monitor::Monitor;
use crate::platform::{rename_new, sync_file};
use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};

/// Shows the artifacts, when all rows are written.
type Publish<'p> = &'p mut dyn FnMut() -> Result<(), ArchiveError>;

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
        let outcome = self.with_artifacts(&layout, |files, publish| target.fill(&load, files, publish))?;
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
        self.with_artifacts(&TableLayout::default(), |files, publish| {
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
                "`{}` does not name a SQLite file: use `sqlite:///PATH`, without options",
                crate::model::mask::redact(self.uri)
            ))
        })
    }

    /// Makes the artifacts beside what `fill` does; where that fails after they are there, they go again.
    fn with_artifacts(
        &self,
        layout: &TableLayout,
        fill: impl FnOnce(&mut dyn FileSink, Publish<'_>) -> Result<WriteOutcome, WriteError>,
    ) -> Result<WriteOutcome, RestoreError> {
        let store = &self.options.store;
        let mark = Mark::of(
            self.archive,
            &store.edit_for(self.artifacts, self.numbers, layout),
        );
        if let Some(target) = remote::target(self.artifacts) {
            let target = target.map_err(|error| self.not_written(error))?;
            return self.with_bucket(&*target, &mark, fill);
        }
        if mark.is_in(self.artifacts) {
            return self.with_left_folder(fill);
        }
        let staging = Staging::create(self.artifacts, Replace::Nothing)?;
        let tree = staging.root().join(TREE);
        let mut folder = Folder::create(self.archive, tree.clone())?;
        mark.write(&tree).map_err(ArchiveError::io("write to", &tree))?;
        let (mut staging, mut is_published) = (Some(staging), false);
        let mut publish = || {
            if let Some(staging) = staging.take() {
                staging.publish(TREE, true)?;
                is_published = true;
            }
            Ok(())
        };
        match fill(&mut folder, &mut publish) {
            Ok(outcome) => {
                Mark::remove(self.artifacts);
                Ok(outcome)
            }
            Err(error) => {
                if is_published {
                    // It was made here, a moment ago, and what it belongs to is not there.
                    let _ = fs::remove_dir_all(self.artifacts);
                }
                Err(told(self.uri, error))
            }
        }
    }

    fn not_written(&self, error: std::io::Error) -> ArchiveError {
        ArchiveError::io("write to", self.artifacts)(error)
    }

    /// Takes the folder that a killed restore of the same archive left whole.
    fn with_left_folder(
        &self,
        fill: impl FnOnce(&mut dyn FileSink, Publish<'_>) -> Result<WriteOutcome, WriteError>,
    ) -> Result<WriteOutcome, RestoreError> {
        let is_whole = Cell::new(true);
        let mut publish = || match is_whole.get() {
            true => Ok(()),
            false => Err(ArchiveError::OutputExists {
                path: self.artifacts.to_owned(),
            }),
        };
        let outcome = fill(&mut LeftFolder::new(self.artifacts, &is_whole), &mut publish);
        let outcome = outcome.map_err(|error| told(self.uri, error))?;
        Mark::remove(self.artifacts);
        Ok(outcome)
    }

    /// Puts artifacts into an object store while rows are written, all of them before the rows are seen.
    fn with_bucket(
        &self,
        target: &dyn RemoteTarget,
        mark: &Mark,
        fill: impl FnOnce(&mut dyn FileSink, Publish<'_>) -> Result<WriteOutcome, WriteError>,
    ) -> Result<WriteOutcome, RestoreError> {
        let failed = |error| self.not_written(error);
        // What a killed restore of the same archive put there is put again.
        let is_begun = mark.is_at(target).map_err(failed)?;
        if !is_begun && target.taken().map_err(failed)? != OutputState::No {
            let path = self.artifacts.to_owned();
            return Err(ArchiveError::OutputExists { path }.into());
        }
        let notes = TemporaryFolder::create_in(&std::env::temp_dir())?;
        mark.put(target).map_err(failed)?;
        let uploads = Uploads::new(self.archive, target, self.artifacts, notes.path());
        let outcome = uploads.during(|| {
            let mut files = BucketFiles::new(&uploads)?;
            fill(&mut files, &mut || uploads.finish())
        });
        if outcome.is_ok() || !is_begun {
            outcome.as_ref().err().inspect(|_| uploads.remove_all());
            Mark::remove_at(target);
        }
        outcome.map_err(|error| told(self.uri, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::{ArchiveWriter, Duplicates, ManifestHead, WriterOptions};
    use crate::model::Experiment;
    use crate::monitor::Silent;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    fn archive(out: &Path, name: &str) -> Archive {
        let mut writer = ArchiveWriter::create(out, WriterOptions::default()).unwrap();
        let experiment = Experiment {
            experiment_id: "1".into(),
            name: name.into(),
            lifecycle_stage: "active".into(),
            ..Experiment::default()
        };
        writer.write(&experiment).unwrap();
        let head = ManifestHead::default();
        writer.finish(head, Duplicates::Refuse).unwrap();
        Archive::open(out).unwrap()
    }

    /// What a process leaves that ends when its artifacts are there and its rows are not: nothing in it runs any more.
    #[test]
    fn artifacts_that_a_killed_restore_left_are_taken_over_by_the_same_archive_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let (one, other) = (archive(&path("one"), "one"), archive(&path("other"), "other"));
        let (uri, artifacts) = (format!("sqlite:///{}", path("a.db").display()), path("files"));
        let options = FillOptions::default();
        let filling = |archive| Filling {
            archive,
            uri: &uri,
            numbers: Numbers::Sqlite,
            artifacts: &artifacts,
            options: &options,
            monitor: &Silent,
        };
        let killed = catch_unwind(AssertUnwindSafe(|| {
            filling(&one).with_artifacts(&TableLayout::default(), |_, publish| {
                publish().unwrap();
                std::panic::resume_unwind(Box::new("killed"));
            })
        }));
        assert!(killed.is_err() && artifacts.exists() && !path("a.db").exists());
        let refused = filling(&other).run().unwrap_err().to_string();
        assert!(refused.contains("exists"), "{refused}");
        assert!(!path("a.db").exists());
        filling(&one).run().unwrap();
        assert!(path("a.db").exists());
        assert_eq!(fs::read_dir(&artifacts).unwrap().count(), 0, "no mark is left");
    }
}
