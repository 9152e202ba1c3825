//! `mlark show`.

use super::{CliError, Exit, Result, Screen};
use crate::archive::Archive;
use crate::format::Kind;
use crate::report::long_text::{json_pieces, with_starts};
use crate::report::object::{KINDS, find, related};
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
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
    #[arg(short, long, value_parser = kind_parser())]
    kind: Option<Kind>,
    /// Print the object's line
    #[arg(long)]
    json: bool,
}

/// Reads the name of a kind that can be asked for.
pub(super) fn kind_parser() -> impl clap::builder::TypedValueParser<Value = Kind> {
    let names = KINDS.iter().map(|kind| kind.name());
    PossibleValuesParser::new(names).map(|name| Kind::from_name(&name).unwrap_or(Kind::Runs))
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
