//! `mlark restore`.

use super::error::Result;
use super::exit::Exit;
use super::export::loss_line;
use super::restoring::{HowArgs, Made, Target, contents, edit_line};
use super::screen::say;
use crate::archive::Archive;
use crate::cli::humanize::shown;
use crate::cli::output_args::{output_path, refuse_input};
use crate::cli::results::{print_json, print_result, print_summary};
use crate::flow::restore::RestoreReport;
use crate::flow::transform::{Edit, Recipe};
use crate::report::text::json_text;
use schemars::JsonSchema;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Restore an archive as a store that an MLflow server can open, with all ids
///
/// With -o, mlark makes DIR with `mlflow.db`, a SQLite database for MLflow 3.18, and `artifacts`. Ids, times, users, deleted
/// objects and links stay as they were. No server and no Python is needed. DIR must not exist; it appears only when it is
/// complete. mlark lists what a database cannot hold.
///
/// Local paths in the archive are not used: each object gets its own folder below `artifacts`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mlark restore history.zip -o store --dry-run
  mlark restore history.zip -o store
  mlark restore history.zip -o store --artifact-uris direct")]
pub(super) struct Args {
    /// The archive to read
    archive: PathBuf,
    /// Database to fill instead of -o (`postgresql://…`, `sqlite:///…`); it must have no tables, or empty tables of MLflow 3.18
    #[arg(conflicts_with = "output", requires = "artifacts_destination")]
    target: Option<String>,
    /// Folder to make
    #[arg(short, long, value_name = "DIR", value_parser = output_path(), required_unless_present = "target")]
    output: Option<PathBuf>,
    /// Folder to make for the artifacts of a database; `mlflow server` needs the same option
    #[arg(long, value_name = "DIR", value_parser = output_path(), requires = "target")]
    artifacts_destination: Option<PathBuf>,
    #[command(flatten)]
    how: HowArgs,
    /// Show what would be made and what would be lost, and make nothing
    #[arg(long)]
    dry_run: bool,
    /// Print the restore's changes as a recipe for `mlark transform`, and make nothing
    #[arg(long, conflicts_with_all = ["dry_run", "json", "strict"])]
    print_recipe: bool,
    /// Print the result, or the plan, as JSON
    #[arg(long)]
    json: bool,
    /// Exit with 3, and make nothing, if the store cannot hold something
    #[arg(long)]
    strict: bool,
}

impl Args {
    pub(super) fn run(self) -> Result {
        let archive = Archive::open(&self.archive)?;
        let target = match &self.target {
            Some(uri) => Target::of(uri, self.artifacts_destination.clone())?,
            None => Target::Folder(self.output.clone().unwrap_or_default()),
        };
        refuse_input(target.output(), &self.archive)?;
        if self.print_recipe {
            let recipe = Recipe {
                edits: vec![Edit::IntoStore(self.how.store_edit(&target)?)],
            };
            print_json(format_args!("{}", recipe.to_text()))?;
            return Ok(Exit::Done);
        }
        let made = self.how.make(&archive, &target, self.dry_run, self.strict)?;
        self.tell(&made)?;
        let is_refused = self.strict && !made.report.limits.is_empty();
        Ok(if is_refused { Exit::Incomplete } else { Exit::Done })
    }

    fn tell(&self, made: &Made) -> Result<()> {
        let report = &made.report;
        let serve = self.how.serve_command(made);
        if self.json {
            let made = Restored {
                output: &made.place.output,
                made: made.is_made,
                report,
                serve,
            };
            return print_json(format_args!("{}\n", json_text(&made)));
        }
        let output = shown(Path::new(&made.place.output));
        let mut text = format!("{output}: {}\n", contents(report));
        text.extend(report.edits.iter().map(edit_line));
        text.extend(report.limits.iter().map(|loss| loss_line("limit", loss)));
        if !made.is_made {
            return print_result(text);
        }
        text.push_str(&format!("serve it with:\n  {serve}\n"));
        print_summary(text)?;
        if !report.limits.is_empty() {
            say("note: --json lists each limit by its object");
        }
        Ok(())
    }
}

/// What `restore` made, or would make.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Restored<'a> {
    /// The folder, or the database.
    output: &'a str,
    /// Whether it was made; false of a plan.
    made: bool,
    #[serde(flatten)]
    report: &'a RestoreReport,
    /// The command that serves it.
    serve: String,
}
