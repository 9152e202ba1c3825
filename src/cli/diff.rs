//! `mlark diff`.

mod print;

use super::edit_args::read_recipe;
use super::table::Form;
use super::{
    CliError, Exit, Result, counted, grouped, making, output_path, print_summary, refuse_input, shown,
    with_progress,
};
use crate::archive::Archive;
use crate::cli::diff_sides::LiveArgs;
use crate::report::diff::{self, DiffOptions, Difference};
use crate::report::html::{ChangesOptions, changes};
use print::Printer;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Show how two archives, stores or servers differ, down to single values
///
/// A side can be an archive or anything that `mlark export` reads: a server, a
/// database, an mlruns folder, a directory of mlflow-export-import. mlark exports
/// such a side to a temporary archive (below TMPDIR), with artifacts unless
/// --no-artifacts is given. Objects are paired by their ids. An import makes new
/// ids: to compare an archive with a server that it was imported into, use
/// `mlark verify --against`.
///
/// mlark compares the content, not when or how an archive was made. It exits with
/// 0 if the content is equal, and with 1 if not. When piped, each line is one key of
/// one object, with six columns separated by tabs:
///
///   change   added, removed or changed
///   kind     such as runs or model-versions
///   id       of the object; for metrics and artifacts the id of their owner
///   key      such as tags.team, the name of a metric or the path of an artifact;
///            * for the whole object
///   before   JSON; absent if there was no value, present for a whole object
///   after    the same for the second side
///
/// With --recipe, the edits of the recipe are applied to the first side before
/// comparing, as by `mlark transform --recipe`.
///
/// A metric that differs has one line with the number of points that only one side
/// has or whose values differ, and one line for each of the first five points, with
/// the key `name[timestamp,step]`. Texts over 1,000 characters are cut and end with
/// their length and digest; --json prints them in full, one object per line.
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
    /// The second archive, store or server
    #[arg(value_name = "B")]
    after: OsString,
    /// Apply the edits of this recipe to A before comparing (JSON, as printed by `mlark transform --print-recipe`)
    #[arg(long, value_name = "FILE")]
    recipe: Option<PathBuf>,
    /// Ignore differences in fields that either archive counts as a limit
    #[arg(long)]
    ignore_limits: bool,
    /// Print nothing; only set the exit code
    #[arg(short, long)]
    quiet: bool,
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
    /// Write the differences as an HTML page, and print a summary
    #[arg(long, value_name = "FILE", value_parser = output_path(), conflicts_with_all = ["quiet", "json"])]
    html: Option<PathBuf>,
    /// With --html: replace FILE if mlark made it
    #[arg(long, requires = "html")]
    force: bool,
    #[command(flatten)]
    live: LiveArgs,
}

impl Args {
    pub(super) fn run(self) -> Result {
        let recipe = self.recipe.as_deref().map(read_recipe).transpose()?;
        let (live, recipe) = (self.live, recipe.as_ref());
        let sides = with_progress(|progress| live.open(self.before, self.after, recipe, progress))?;
        let (before, after) = (&sides.before, &sides.after);
        let equal = Exit::incomplete_if(sides.failures > 0);
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
        let mut print = |difference: Difference| printer.print(&difference).map_err(CliError::from);
        let compared = with_progress(|progress| diff::diff(before, after, options, progress, &mut print));
        match compared.and_then(|()| Ok(printer.finish()?)) {
            Ok(0) => Ok(equal),
            Ok(_) => Ok(Exit::Findings),
            // The reader has seen enough, and what it saw was a difference.
            Err(closed) if closed.exit() == Exit::Done => Ok(Exit::Findings),
            Err(error) => Err(error),
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
        _ => format!("; the page has the first {}", grouped(made.shown)),
    };
    print_summary(format_args!("{}: {differences}{left_out}\n", shown(out)))?;
    Ok(if made.differences == 0 {
        equal
    } else {
        Exit::Findings
    })
}
