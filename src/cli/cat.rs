//! `mlark cat`.

use super::screen::raw_stdout;
use super::{Exit, Result, print_json};
use crate::archive::{Archive, ArchiveError};
use crate::format::layout::blob_path;
use crate::report::object::find_artifact;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;

/// Write an artifact's bytes to stdout
///
/// Every byte is checked while it is written. If the artifact is damaged, mlark exits with 4. If it is listed but could not be
/// read on export, mlark exits with 3.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  mlark cat history.zip 6f2c model/MLmodel")]
pub(super) struct Args {
    /// The archive to read
    archive: PathBuf,
    /// Id of a run, logged model or trace, or the start of one; or `name/version` of a model version
    owner: String,
    /// Path of the artifact, as shown by `mlark ls ARCHIVE artifacts`
    path: String,
    /// Print the artifact's path, size and digest as JSON instead of its bytes
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(super) fn run(self) -> Result {
        let archive = Archive::open(&self.archive)?;
        let file = find_artifact(&archive, &self.owner, &self.path)?;
        if self.json {
            print_json(&file)?;
            return Ok(Exit::Done);
        }
        let Some(blob) = file.blob() else {
            return Err(archive
                .damaged("objects/artifacts", "an artifact has no digest")
                .into());
        };
        let mut reader = archive.blob(&blob)?;
        let mut out = raw_stdout();
        let mut buffer = vec![0; 128 << 10];
        loop {
            let read = reader
                .read(&mut buffer)
                .map_err(|error| -> ArchiveError { archive.read_error(&blob_path(&blob.sha256), error) })?;
            if read == 0 {
                break;
            }
            out.write_all(&buffer[..read])?;
        }
        out.flush()?;
        Ok(Exit::Done)
    }
}
