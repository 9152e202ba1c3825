//! `mlark restore`.

use super::error::{CliError, Result};
use super::exit::Exit;
use super::export::loss_line;
use super::progress::Progress;
use super::screen::say;
use crate::archive::{Archive, ArchiveError};
use crate::cli::humanize::{bytes, counted, counted_kind, grouped, shown};
use crate::cli::output_args::{output_path, refuse_input};
use crate::cli::results::{print_json, print_result, print_summary};
use crate::cli::signals::{clear_leftovers, remove_on_signal};
use crate::flow::restore::{
    DATABASE, EditCount, RestoreError, RestoreOptions, RestoreReport, artifacts_of, plan, restore,
};
#[cfg(feature = "postgres")]
use crate::flow::restore::{FillOptions, fill};
use crate::format::Kind;
use crate::report::text::json_text;
use clap::ValueEnum;
use schemars::JsonSchema;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Make a store that MLflow's server opens, with every id kept
///
/// With -o, DIR gets `mlflow.db`, a SQLite database with the tables of MLflow 3.18, and `artifacts`. Ids, times, users, deleted objects and
/// links are as they were; neither a server nor Python is needed. DIR must not exist: it appears whole, or not at all. What a
/// database cannot hold is listed. No URI of the archive that names a place of a machine reaches the store: each
/// object keeps its artifacts in its own folder below `artifacts`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mlark restore history.zip -o store --dry-run
  mlark restore history.zip -o store
  mlark restore history.zip -o store --artifact-uris direct")]
pub(super) struct Args {
    /// The archive
    archive: PathBuf,
    #[cfg(feature = "postgres")]
    #[command(flatten)]
    fill: FillArgs,
    /// The folder to make
    #[arg(short, long, value_name = "DIR", value_parser = output_path())]
    #[cfg_attr(feature = "postgres", arg(required_unless_present = "target"))]
    #[cfg_attr(not(feature = "postgres"), arg(required = true))]
    output: Option<PathBuf>,
    /// How the store names artifacts: through the server that serves it, or as folders of this machine
    #[arg(long, value_enum, value_name = "HOW", default_value = "proxied")]
    artifact_uris: ArtifactUris,
    /// Leaves URIs of remote storage (`s3:`, `gs:`, `https:` …) as they are, and their files where they lie
    #[arg(long)]
    keep_uris: bool,
    /// Puts what names no workspace into this one
    #[arg(long, value_name = "NAME")]
    workspace: Option<String>,
    /// Prints what would be made and what would be lost, and makes nothing
    #[arg(long)]
    dry_run: bool,
    /// Prints what was made, or would be, as JSON
    #[arg(long)]
    json: bool,
    /// Exits with 3 where the store cannot hold something; nothing is made then
    #[arg(long)]
    strict: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ArtifactUris {
    Proxied,
    Direct,
}

/// A database to be filled.
#[cfg(feature = "postgres")]
#[derive(Debug, Clone, clap::Args)]
struct FillArgs {
    /// In place of -o: a PostgreSQL database (`postgresql://…`) without tables, or with those of MLflow 3.18 and nothing in them
    #[arg(conflicts_with = "output", requires = "artifacts_destination")]
    target: Option<String>,
    /// The folder of artifacts to make beside a database, as `mlflow server` has it
    #[arg(long, value_name = "DIR", value_parser = output_path(), requires = "target")]
    artifacts_destination: Option<PathBuf>,
    /// What becomes of texts that are longer than the columns of a database
    #[arg(
        long,
        value_enum,
        value_name = "WHAT",
        default_value = "fail",
        requires = "target"
    )]
    long_values: LongValues,
}

#[cfg(feature = "postgres")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LongValues {
    /// Nothing is written
    Fail,
    /// What fits is written
    Truncate,
}

/// What a restore ends in.
type Restore = std::result::Result<RestoreReport, RestoreError>;

/// Where a store is, and how it is served.
struct Place {
    output: String,
    /// URI of the database.
    database: String,
    artifacts: PathBuf,
}

impl Args {
    pub(super) fn run(self) -> Result {
        let archive = Archive::open(&self.archive)?;
        #[cfg(feature = "postgres")]
        if let (Some(target), Some(artifacts)) = (&self.fill.target, &self.fill.artifacts_destination) {
            return self.fill(&archive, target, artifacts);
        }
        let output = self.output.clone().unwrap_or_default();
        refuse_input(&output, &self.archive)?;
        let options = self.options();
        let store = std::path::absolute(&output).map_err(ArchiveError::io("find", &output))?;
        let place = Place {
            output: output.to_string_lossy().into_owned(),
            database: format!("sqlite:///{}", store.join(DATABASE).display()),
            artifacts: artifacts_of(&output)?,
        };
        let made = self.plan_or_make(
            |progress| plan(&archive, &output, &options, progress),
            |progress| {
                clear_leftovers(&output);
                remove_on_signal();
                restore(&archive, &output, &options, progress)
            },
        );
        self.told(&place, made?)
    }

    #[cfg(feature = "postgres")]
    fn fill(&self, archive: &Archive, target: &str, artifacts: &Path) -> Result {
        if crate::model::uri::dialect(target.split(':').next().unwrap_or_default()) != Some("postgresql") {
            return Err(CliError::usage(format!(
                "a restore fills PostgreSQL (`postgresql://…`), and `{}` is none",
                crate::model::uri::redact(target)
            ))
            .hint("`-o DIR` makes a SQLite store"));
        }
        refuse_input(artifacts, &self.archive)?;
        let options = |is_dry| FillOptions {
            store: self.options(),
            cuts_long_values: self.fill.long_values == LongValues::Truncate,
            is_dry,
        };
        let database = crate::model::uri::redact(target);
        let place = Place {
            output: database.clone(),
            database,
            artifacts: std::path::absolute(artifacts).map_err(ArchiveError::io("find", artifacts))?,
        };
        let made = self.plan_or_make(
            |progress| fill(archive, target, artifacts, &options(true), progress),
            |progress| {
                clear_leftovers(artifacts);
                remove_on_signal();
                fill(archive, target, artifacts, &options(false), progress)
            },
        );
        self.told(&place, made?)
    }

    fn options(&self) -> RestoreOptions {
        RestoreOptions {
            direct_uris: self.artifact_uris == ArtifactUris::Direct,
            keep_uris: self.keep_uris,
            workspace: self.workspace.clone(),
        }
    }

    /// The plan where that is all, or what was made; whether it was.
    fn plan_or_make(
        &self,
        plan: impl FnOnce(&Progress) -> Restore,
        make: impl FnOnce(&Progress) -> Restore,
    ) -> Result<(RestoreReport, bool)> {
        let progress = Progress::new();
        if self.dry_run || self.strict {
            let planned = plan(&progress);
            progress.done();
            let planned = planned?;
            if self.dry_run || !planned.limits.is_empty() {
                return Ok((planned, false));
            }
        }
        let made = make(&progress);
        progress.done();
        Ok((made?, true))
    }

    fn told(&self, place: &Place, (report, is_made): (RestoreReport, bool)) -> Result {
        self.tell(place, &report, is_made)?;
        let is_refused = self.strict && !report.limits.is_empty();
        Ok(if is_refused { Exit::Incomplete } else { Exit::Done })
    }

    fn tell(&self, place: &Place, report: &RestoreReport, is_made: bool) -> Result<()> {
        let serve = self.serve_command(place, report.has_workspaces);
        if self.json {
            let made = Restored {
                output: &place.output,
                made: is_made,
                report,
                serve,
            };
            return print_json(format_args!("{}\n", json_text(&made)));
        }
        let mut text = format!("{}: {}\n", shown(Path::new(&place.output)), contents(report));
        text.extend(report.edits.iter().map(edit_line));
        text.extend(report.limits.iter().map(|loss| loss_line("limit", loss)));
        if !is_made {
            return print_result(text);
        }
        text.push_str(&format!("serve it with:\n  {serve}\n"));
        print_summary(text)?;
        if !report.limits.is_empty() {
            say("note: --json lists each limit by its object");
        }
        Ok(())
    }

    /// What a user runs to see the store.
    fn serve_command(&self, place: &Place, has_workspaces: bool) -> String {
        let (database, folder) = (word(Path::new(&place.database)), word(&place.artifacts));
        let artifacts = match self.artifact_uris {
            ArtifactUris::Proxied => format!("--artifacts-destination {folder} --serve-artifacts"),
            ArtifactUris::Direct => format!("--default-artifact-root {folder} --no-serve-artifacts"),
        };
        let workspaces = if has_workspaces {
            " --enable-workspaces"
        } else {
            ""
        };
        format!("mlflow server --backend-store-uri {database} {artifacts}{workspaces}")
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

/// A word of a shell's command line.
fn word(path: &Path) -> String {
    let text = shown(path);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/:._-+=@%,".contains(c);
    if text.chars().all(is_plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

fn contents(report: &RestoreReport) -> String {
    let kinds = Kind::ALL
        .iter()
        .filter(|kind| !matches!(kind, Kind::Metrics | Kind::ModelMetrics));
    let count = |kind: &Kind| {
        report
            .counts
            .get(kind.name())
            .map(|count| counted_kind(*count, *kind))
    };
    let mut words: Vec<String> = kinds.filter_map(count).collect();
    words.push(counted(report.metric_points, "metric points"));
    words.push(format!(
        "{} ({})",
        counted(report.files, "artifacts"),
        bytes(report.bytes)
    ));
    words.join(", ")
}

fn edit_line(edit: &EditCount) -> String {
    format!(
        "{} {} {}: {}\n",
        grouped(edit.count),
        edit.kind,
        edit.field,
        edit.words()
    )
}

impl From<RestoreError> for CliError {
    fn from(error: RestoreError) -> Self {
        match error {
            RestoreError::Archive(ArchiveError::OutputExists { path }) => {
                let hint = "a store is made in a folder that does not exist yet";
                CliError::with_exit(ArchiveError::OutputExists { path }, Exit::Usage).hint(hint)
            }
            RestoreError::Archive(error) => error.into(),
            RestoreError::Target { .. } => CliError::with_exit(error, Exit::Target),
            RestoreError::TooLong { .. } => CliError::with_exit(error, Exit::Usage)
                .hint("--long-values truncate writes what fits; --dry-run --json lists them then"),
            error => {
                let exit = Exit::of_error(error.kind());
                CliError::with_exit(error, exit)
            }
        }
    }
}
