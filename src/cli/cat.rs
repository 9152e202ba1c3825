//! `mlark cat`.

use super::error::Result;
use super::exit::Exit;
use super::screen::raw_stdout;
use crate::archive::{Archive, ArchiveError};
use crate::cli::results::print_json;
use crate::format::layout::blob_path;
use crate::report::object::find_artifact;
use crate::report::text::json_text;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;

/// Write an artifact's bytes to stdout
///
/// The bytes are checked against their digest while they are written: where they are damaged, mlark ends with
/// exit code 4. It ends with 3 where the artifact is listed and could not be read on export.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  mlark cat history.zip 6f2c model/MLmodel")]
pub(super) struct Args {
    /// The archive
    archive: PathBuf,
    /// Id of the run, logged model or trace, or the start of it; `name/version` of a model version
    owner: String,
    /// Path of the artifact, as `mlark ls ARCHIVE artifacts` shows it
    path: String,
    /// Prints the artifact's path, size and digest as JSON, and not its bytes
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(super) fn run(self) -> Result {
        let archive = Archive::open(&self.archive)?;
        let file = find_artifact(&archive, &self.owner, &self.path)?;
        if self.json {
            print_json(format_args!("{}\n", json_text(&file)))?;
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
