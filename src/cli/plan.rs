//! `mlark plan`.

use super::source_args::{ChoiceArgs, ReadArgs};
use super::{CliError, Exit, Result, counted, output_path, print_made, shown, with_progress};
use crate::archive::ArchiveError;
use crate::cli::server_args::tracking_uri;
use crate::cli::shard_args::shards;
use crate::flow::export::plan::{self, PlanFile};
use crate::flow::export::{ExportOptions, Survey, detect, survey};
use crate::format::Kind;
use schemars::JsonSchema;
use serde::Serialize;
use std::borrow::Cow;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Divide a source into shards of similar size, for `export --shard`
///
/// mlark looks at SOURCE once. It assigns whole experiments to shards by their size, and cuts very large experiments by time.
/// Each shard can then be exported on any machine, and `mlark merge` makes one archive of all. See docs/scale.md for the whole
/// procedure.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mlark plan mlflow.db --shards 16 -o plan.json
  mlark export mlflow.db --plan plan.json --shard 3/16 -o part-3.zip
  mlark merge part-*.zip -o all.zip")]
pub(super) struct Args {
    /// Server, database or folder to read [default: MLFLOW_TRACKING_URI]
    source: Option<String>,
    /// Number of shards
    #[arg(long, value_name = "N", value_parser = shards())]
    shards: u64,
    /// Plan file to write
    #[arg(short, long, value_name = "FILE", value_parser = output_path())]
    output: PathBuf,
    /// Replace FILE if it exists
    #[arg(long)]
    force: bool,
    /// Leave out what cannot be read; the shards concerned report it
    #[arg(long)]
    keep_going: bool,
    #[command(flatten)]
    read: ReadArgs,
    #[command(flatten)]
    selection: ChoiceArgs,
    /// Print the plan's summary as JSON
    #[arg(long)]
    json: bool,
}

/// What `plan` made.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Planned<'a> {
    /// The plan.
    output: Cow<'a, str>,
    /// Origin of the source, as its URI names it.
    origin: &'a str,
    /// How many shards there are.
    shards: u64,
    /// How many runs each has, without deleted ones and those of deleted experiments.
    runs: &'a [u64],
    /// How many of those each has.
    deleted_runs: &'a [u64],
    /// How many experiments there are.
    experiments: u64,
    /// How many of them are divided by time.
    cut: u64,
}

impl<'a> Planned<'a> {
    fn new(output: &'a Path, plan: &'a PlanFile) -> Self {
        let cut = plan.experiments.iter().filter(|one| one.pieces.len() > 1);
        Planned {
            output: output.to_string_lossy(),
            origin: &plan.origin,
            shards: plan.shards,
            runs: &plan.runs,
            deleted_runs: &plan.deleted_runs,
            experiments: plan.experiments.len() as u64,
            cut: cut.count() as u64,
        }
    }
}

impl Args {
    pub(super) fn run(self) -> Result {
        let source = tracking_uri(self.source.as_deref(), "SOURCE")?;
        let kind = detect::kind_of(&source)?;
        if kind == detect::SourceKind::ExportImport {
            return Err(
                CliError::usage("a directory of mlflow-export-import cannot be divided into shards")
                    .hint("export it as a whole: it is read at the speed of the disk"),
            );
        }
        let out = &self.output;
        if out.exists() && !self.force {
            return Err(ArchiveError::OutputExists { path: out.clone() }.into());
        }
        let options = ExportOptions {
            keep_going: self.keep_going,
            include_deleted: true,
            selection: self.selection.into_selection()?,
            ..self.read.into_options()?
        };
        let choices = options.selection.choices();
        let looked_at = Survey {
            kinds: [Kind::Experiments, Kind::Runs, Kind::LoggedModels, Kind::Traces].into(),
            links: false,
        };
        let surveyed = with_progress(|progress| survey(kind, &source, looked_at, options, progress))
            .map_err(CliError::of_look)?;
        let plan = PlanFile {
            choices,
            ..plan::make(&surveyed.archive, self.shards)?
        };
        let io_error = |error| ArchiveError::io("write", out)(error);
        let folder = crate::archive::parent_of(out);
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(io_error)?;
        file.write_all(plan.to_text().as_bytes()).map_err(io_error)?;
        file.persist(out).map_err(|error| io_error(error.error))?;
        print_made(self.json, &Planned::new(out, &plan), || summary(out, &plan))?;
        Ok(Exit::Done)
    }
}

fn summary(out: &Path, plan: &PlanFile) -> String {
    let cut = Planned::new(out, plan).cut;
    let runs = plan.runs.iter().sum();
    let (most, least) = (plan.runs.iter().max(), plan.runs.iter().min());
    format!(
        "{}: {} with {} in {}, {} cut by time\nfrom {} to {} runs a shard\n",
        shown(out),
        counted(plan.experiments.len() as u64, "experiments"),
        counted(runs, "runs"),
        counted(plan.shards, "shards"),
        counted(cut, "experiments"),
        least.copied().unwrap_or(0),
        most.copied().unwrap_or(0)
    )
}
