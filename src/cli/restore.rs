//! `mlark restore`.

use super::export::loss_line;
use super::merge_args::MergeArgs;
use super::restore_inputs::{ChoiceArgs, Inputs};
use super::restoring::{HowArgs, Made, Target, contents, edit_line};
use super::{
    CliError, Exit, Result, output_path, possibly_remote, print_json, print_json_text, print_result,
    print_summary, say, shown,
};
use crate::flow::restore::RestoreReport;
use crate::flow::transform::{Edit, Recipe};
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
  mlark restore history.zip -o store --artifact-uris direct
  mlark restore nightly.zip other.zip -o store --experiment 'fraud*'
  mlark restore history.zip postgresql://mlflow@db/mlflow --artifacts-destination s3://bucket/mlflow")]
pub(super) struct Args {
    /// Archive to read; several are merged first. Without -o the last name is the database to fill (`postgresql://…`, `mysql://…`,
    /// `sqlite:///…`); it must have no tables, or empty tables of an MLflow from 1.30 to 3.18
    #[arg(required = true, value_name = "ARCHIVE")]
    inputs: Vec<PathBuf>,
    /// Folder to make
    #[arg(short, long, value_name = "DIR", value_parser = output_path())]
    output: Option<PathBuf>,
    /// Where artifacts go beside a database: a folder to make, or `s3://…`, `gs://…`, `abfss://…`; `mlflow server` needs the same option
    #[arg(long, value_name = "DIR", value_parser = possibly_remote(), conflicts_with = "output")]
    artifacts_destination: Option<PathBuf>,
    #[command(flatten)]
    choice: ChoiceArgs,
    #[command(flatten)]
    merge: MergeArgs,
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
        let (inputs, target) = self.target()?;
        let is_looked_at = self.dry_run || self.print_recipe;
        let inputs = Inputs::open(inputs, &self.choice, &self.merge, &target, is_looked_at)?;
        if self.print_recipe {
            let store = Edit::IntoStore(self.how.store_edit(&target)?);
            let recipe = Recipe {
                edits: inputs.choice.into_iter().chain([store]).collect(),
            };
            print_json_text(recipe.to_text())?;
            return Ok(Exit::Done);
        }
        let made = self
            .how
            .make(&inputs.archive, &target, self.dry_run, self.strict)?;
        self.tell(&made)?;
        let is_refused = self.strict && !made.report.limits.is_empty();
        Ok(Exit::incomplete_if(is_refused))
    }

    /// The archives, and where they go.
    fn target(&self) -> Result<(&[PathBuf], Target)> {
        match (&self.output, self.inputs.split_last()) {
            (Some(output), _) => Ok((&self.inputs, Target::Folder(output.clone()))),
            (None, Some((target, inputs))) if !inputs.is_empty() => {
                let target = Target::of(&target.to_string_lossy(), self.artifacts_destination.clone())?;
                Ok((inputs, target))
            }
            (None, _) => Err(CliError::usage("no target was given").hint(
                "use -o DIR for a new folder with a SQLite database, or name a database after the archives",
            )),
        }
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
            return print_json(&made);
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
