//! A tree of files that is being made: on a disk it appears when it is whole; in an object store each file goes there at once.

use super::error::{ArchiveError, Result};
use super::remote::TreeUpload;
use super::staging::{Replace, Staging};
use std::fs;
use std::path::{Path, PathBuf};

/// Its name before it has its own.
const TREE: &str = "tree";

/// See the module.
pub(crate) struct StagedTree {
    // Ends before what was put is taken back.
    upload: Option<TreeUpload>,
    staging: Staging,
    root: PathBuf,
}

impl StagedTree {
    /// Checks that the output may be made, and begins.
    pub(crate) fn create(out: &Path, replace: Replace) -> Result<Self> {
        let staging = Staging::create(out, replace)?;
        let root = staging.root().join(TREE);
        fs::create_dir(&root).map_err(ArchiveError::io("create directory", &root))?;
        let upload = staging.remote().map(|target| {
            let begun = TreeUpload::begin(target, staging.root(), &root, out);
            begun.map_err(ArchiveError::io("upload to", out))
        });
        Ok(StagedTree {
            upload: upload.transpose()?,
            staging,
            root,
        })
    }

    /// The folder that files are made in.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The directory for files that are not part of the result.
    pub(crate) fn scratch(&self) -> Result<PathBuf> {
        self.staging.scratch()
    }

    /// Says that a file is whole, so that it can go.
    pub(crate) fn made(&mut self, file: &Path) -> Result<()> {
        let sent = self.upload.as_mut().map_or(Ok(()), |upload| upload.made(file));
        sent.map_err(ArchiveError::io("upload to", self.staging.out()))
    }

    /// Makes it the output.
    pub(crate) fn publish(mut self, sync: bool) -> Result<()> {
        match self.upload.take() {
            Some(upload) => upload
                .finish()
                .map_err(ArchiveError::io("upload to", self.staging.out())),
            None => self.staging.publish(TREE, sync),
        }
    }
}
