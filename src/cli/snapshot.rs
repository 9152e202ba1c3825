//! `mlark snapshot`.

use super::error::Result;
use super::exit::Exit;
use crate::archive::Archive;
use crate::cli::results::{print_json, print_result};
use crate::report::text::json_text;
use crate::report::{Redaction, Redactions, Snapshot, SnapshotOptions};
use std::path::PathBuf;

/// Print an archive as one stable text, to be compared with an earlier one
///
/// Ids, times, users, and the places where things lie are replaced by placeholders that keep identity, such as `run-2`, so that two
/// recordings of the same history give the same text; `--redact` names what is replaced. Experiments are ordered by name. The text is made in
/// memory: this is for archives of tests and for reviews.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mlark snapshot history.zip | diff expected.txt -
  mlark snapshot history.zip --redact ids,times")]
pub(super) struct Args {
    /// The archive
    archive: PathBuf,
    /// Replaces only these
    #[arg(
        long,
        value_name = "WHAT",
        value_delimiter = ',',
        conflicts_with = "no_redact"
    )]
    redact: Vec<Redaction>,
    /// Replaces nothing
    #[arg(long)]
    no_redact: bool,
    /// Shows sizes of artifacts
    #[arg(long)]
    sizes: bool,
    /// Shows digests of artifacts
    #[arg(long)]
    digests: bool,
    /// Prints the same lines as JSON, object by object
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(super) fn run(self) -> Result {
        let archive = Archive::open(&self.archive)?;
        let options = SnapshotOptions {
            redact: self.redactions(),
            sizes: self.sizes,
            digests: self.digests,
        };
        let snapshot = Snapshot::read(&archive, &options)?;
        if self.json {
            print_json(format_args!("{}\n", json_text(&snapshot)))?;
        } else {
            print_result(snapshot)?;
        }
        Ok(Exit::Done)
    }

    fn redactions(&self) -> Redactions {
        match (self.no_redact, self.redact.as_slice()) {
            (true, _) => Redactions::NONE,
            (false, []) => Redactions::default(),
            (false, named) => named.iter().copied().collect(),
        }
    }
}
