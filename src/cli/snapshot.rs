//! `mlark snapshot`.

use super::error::Result;
use super::exit::Exit;
use super::json::Snapshot;
use crate::archive::Archive;
use crate::cli::results::{print_json, print_result};
use crate::report::text::json_text;
use crate::report::{SnapshotOptions, snapshot_with};
use std::path::PathBuf;

/// Print an archive as one stable text, to be compared with an earlier one
///
/// Ids, times, users and URIs are replaced by placeholders that keep identity, such as `run-2`, so that two
/// recordings of the same history give the same text. Experiments are ordered by name. The text is made in
/// memory: this is for archives of tests and for reviews.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  mlark snapshot history.zip | diff expected.txt -")]
pub(super) struct Args {
    /// The archive
    archive: PathBuf,
    /// Shows ids, times, users and URIs as they are
    #[arg(long)]
    no_redact: bool,
    /// Shows sizes of artifacts
    #[arg(long)]
    sizes: bool,
    /// Shows digests of artifacts
    #[arg(long)]
    digests: bool,
    /// Prints the lines of the text as JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(super) fn run(self) -> Result {
        let archive = Archive::open(&self.archive)?;
        let options = SnapshotOptions {
            redact: !self.no_redact,
            sizes: self.sizes,
            digests: self.digests,
        };
        let text = snapshot_with(&archive, &options)?;
        if self.json {
            let lines = text.lines().collect();
            print_json(format_args!("{}\n", json_text(&Snapshot { lines })))?;
        } else {
            print_result(text)?;
        }
        Ok(Exit::Done)
    }
}
