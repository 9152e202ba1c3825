//! `mlark diff`.

mod print;

use super::edit_args::read_recipe;
use super::error::{CliError, Result};
use super::exit::Exit;
use super::progress::Progress;
use super::table::Form;
use crate::archive::{Archive, ArchiveError};
use crate::cli::diff_sides::LiveArgs;
use crate::cli::humanize::{counted, grouped, shown};
use crate::cli::output_args::{output_path, refuse_input};
use crate::cli::results::print_summary;
use crate::cli::signals::making;
use crate::report::diff::{self, DiffOptions};
use crate::report::html::{ChangesOptions, changes};
use print::Printer;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// Say how two archives, stores or servers differ, down to the value
///
/// A side that is no archive is anything that `mlark export` reads (a server, a
/// database, an mlruns folder, a folder of mlflow-export-import); it is exported to
/// a temporary archive (below TMPDIR), artifacts included unless --no-artifacts.
/// Objects are paired by their ids, which differ between servers that were filled
/// apart; what an import left in a server, `mlark verify --against` compares.
///
/// Content is compared, not when or by what an archive was made. The exit code is
/// 0 where it is equal, 1 where not. In a pipe each line is one key of one object,
/// with six columns separated by tabs:
///
///   change   added, removed or changed
///   kind     such as runs or model-versions
///   id       of the object; of metrics and artifacts that of their owner
///   key      such as tags.team; a metric's name; an artifact's path;
///            * for the whole object
///   before   JSON; absent where there is none, present for a whole object
///   after    likewise
///
/// With --recipe the first side is edited before, as `mlark transform --recipe` would
/// do it, so that the exit code is 0 where the second side is the first after these edits.
///
/// A metric that is in both has one line with the number of points that are only
/// on that side or have another value, and one line for each of the first five,
/// their key `name[timestamp,step]`. Texts over 1,000 characters are cut and end
/// with length and digest; --json has them whole, one object a line.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:
  mlark diff history.zip tagged.zip
  mlark diff history.zip tagged.zip | cut -f 2,4 | sort | uniq -c
  mlark diff --ignore-limits from-server.zip from-disk.zip
  mlark diff history.zip https://mlflow.example.org --experiment fraud
  mlark diff monday.zip friday.zip --html week.html
  mlark diff dev.zip prod.zip --recipe promote.json"
)]
pub(super) struct Args {
    /// The first archive, store or server
    #[arg(value_name = "A")]
    before: OsString,
    /// The second
    #[arg(value_name = "B")]
    after: OsString,
    /// Carries out the edits of a recipe on A before (JSON, as `mlark transform --print-recipe` prints it)
    #[arg(long, value_name = "FILE")]
    recipe: Option<PathBuf>,
    /// Leaves out differences in what either archive counts as a limit, by kind and field
    #[arg(long)]
    ignore_limits: bool,
    /// Prints nothing; the exit code alone tells
    #[arg(short, long)]
    quiet: bool,
    /// Prints one JSON object a line
    #[arg(long)]
    json: bool,
    /// Makes a page of what differs, for a browser, and prints how much does
    #[arg(long, value_name = "FILE", value_parser = output_path(), conflicts_with_all = ["quiet", "json"])]
    html: Option<PathBuf>,
    /// With --html: replaces FILE where it is a page that mlark made
    #[arg(long, requires = "html")]
    force: bool,
    #[command(flatten)]
    live: LiveArgs,
}

impl Args {
    pub(super) fn run(self) -> Result {
        let recipe = self.recipe.as_deref().map(read_recipe).transpose()?;
        let progress = Progress::new();
        let sides = self
            .live
            .open(self.before, self.after, recipe.as_ref(), &progress);
        progress.done();
        let sides = sides?;
        let (before, after) = (&sides.before, &sides.after);
        let equal = match sides.failures {
            0 => Exit::Done,
            _ => Exit::Incomplete,
        };
        let options = DiffOptions {
            ignore_limits: self.ignore_limits,
        };
        if let Some(out) = &self.html {
            for side in [before, after] {
                refuse_input(out, side.path())?;
            }
            return make_page(out, [before, after], options, self.force, equal);
        }
        if self.quiet {
            return Ok(if diff::is_equal(before, after, options)? {
                equal
            } else {
                Exit::Findings
            });
        }
        let form = Form::of_stdout(self.json);
        let mut printer = Printer::new(form.screen(), form);
        let compared = diff::diff(before, after, options, &progress, &mut |difference| {
            printer.print(&difference).map_err(Failure::Write)
        });
        progress.done();
        match compared.and_then(|()| printer.finish().map_err(Failure::Write)) {
            Ok(0) => Ok(equal),
            Ok(_) => Ok(Exit::Findings),
            // The reader has seen enough, and what it saw was a difference.
            Err(Failure::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Findings),
            Err(failure) => Err(failure.into()),
        }
    }
}

/// Makes the page; the exit code is that of a comparison.
fn make_page(
    out: &Path,
    [before, after]: [&Archive; 2],
    diff: DiffOptions,
    force: bool,
    equal: Exit,
) -> Result {
    let options = ChangesOptions { diff, force };
    let made = making(out, |progress| changes(before, after, out, options, progress))?;
    let differences = counted(made.differences, "differences");
    let left_out = match made.differences - made.shown {
        0 => String::new(),
        _ => format!(", of which the first {} are on the page", grouped(made.shown)),
    };
    print_summary(format_args!("{}: {differences}{left_out}\n", shown(out)))?;
    Ok(if made.differences == 0 {
        equal
    } else {
        Exit::Findings
    })
}

enum Failure {
    Archive(ArchiveError),
    Write(io::Error),
}

impl From<ArchiveError> for Failure {
    fn from(error: ArchiveError) -> Self {
        Failure::Archive(error)
    }
}

impl From<Failure> for CliError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Archive(error) => error.into(),
            Failure::Write(error) => error.into(),
        }
    }
}
