//! `mlark show`.

use super::output_args::one_of;
use super::{CliError, Exit, Result, Screen};
use crate::archive::Archive;
use crate::format::Kind;
use crate::report::long_text::{json_pieces, with_starts};
use crate::report::object::{KINDS, find, related};
use std::path::PathBuf;

mod describe;

/// Show one object in full
///
/// Name the object by its id; by the start of the id of a run, model or trace; by the name of an experiment, run, model, prompt
/// or dataset; or by `name/version` or `name@alias`. For runs and logged models, mlark draws a small curve of each metric. --json
/// prints the object's line in the archive, with long texts in full.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mlark show history.zip 6f2c
  mlark show history.zip churn/3
  mlark show history.zip training --kind experiments --json")]
pub(super) struct Args {
    /// The archive to read
    archive: PathBuf,
    /// Id, the start of an id, or a name
    object: String,
    /// Look only for objects of this kind
    #[arg(short, long, value_parser = one_of(KINDS, Kind::name))]
    kind: Option<Kind>,
    /// Print the object's line
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(super) fn run(self) -> Result {
        let archive = Archive::open(&self.archive)?;
        let mut found = find(&archive, &self.object, self.kind)?;
        let mut screen = Screen::stdout(self.json);
        if self.json {
            json_pieces::<CliError>(&archive, &found.value, &mut |piece| {
                Ok(write!(screen, "{piece}")?)
            })?;
            writeln!(screen)?;
        } else {
            with_starts(&archive, &mut found.value)?;
            describe::describe(&mut screen, &found, &related(&archive, &found)?)?;
        }
        screen.flush()?;
        Ok(Exit::Done)
    }
}
