//! `mlark snapshot`.

use super::{Exit, Result, print_json, print_result};
use crate::archive::Archive;
use crate::report::{Redaction, Redactions, Snapshot, SnapshotOptions};
use std::path::PathBuf;

/// Print an archive as stable text, for comparing with an earlier one
///
/// Ids, times, users and locations are replaced by placeholders such as `run-2`. Equal values get equal placeholders, so two
/// recordings of the same history give the same text. `--redact` chooses what is replaced. Experiments are sorted by name. The
/// text is built in memory; use this for test archives and reviews.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mlark snapshot history.zip | diff expected.txt -
  mlark snapshot history.zip --redact ids,times")]
pub(super) struct Args {
    /// The archive to read
    archive: PathBuf,
    /// Replace only these
    #[arg(
        long,
        value_name = "WHAT",
        value_delimiter = ',',
        conflicts_with = "no_redact"
    )]
    redact: Vec<Redaction>,
    /// Replace nothing
    #[arg(long)]
    no_redact: bool,
    /// Show artifact sizes
    #[arg(long)]
    sizes: bool,
    /// Show artifact digests
    #[arg(long)]
    digests: bool,
    /// Print the same lines as JSON, one object after the other
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
            print_json(&snapshot)?;
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
