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
use crate::format::Kind;
use crate::report::text::json_text;
use clap::ValueEnum;
use schemars::JsonSchema;
use serde::Serialize;
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// Make a store that MLflow's server opens, with every id kept
///
/// DIR gets `mlflow.db`, a SQLite database with the tables of MLflow 3.18, and `artifacts`. Ids, times, users, deleted objects and
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
    /// The folder to make
    #[arg(short, long, value_name = "DIR", value_parser = output_path())]
    output: PathBuf,
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

impl Args {
    pub(super) fn run(self) -> Result {
        let archive = Archive::open(&self.archive)?;
        refuse_input(&self.output, &self.archive)?;
        let options = RestoreOptions {
            direct_uris: self.artifact_uris == ArtifactUris::Direct,
            keep_uris: self.keep_uris,
            workspace: self.workspace.clone(),
        };
        let progress = Progress::new();
        if self.dry_run || self.strict {
            let planned = plan(&archive, &self.output, &options, &progress);
            progress.done();
            let planned = planned?;
            let is_refused = self.strict && !planned.limits.is_empty();
            if self.dry_run || is_refused {
                self.tell(&planned, false)?;
                return Ok(if is_refused { Exit::Incomplete } else { Exit::Done });
            }
        }
        clear_leftovers(&self.output);
        remove_on_signal();
        let report = restore(&archive, &self.output, &options, &progress);
        progress.done();
        self.tell(&report?, true)?;
        Ok(Exit::Done)
    }

    fn tell(&self, report: &RestoreReport, is_made: bool) -> Result<()> {
        let serve = self.serve_command(report.has_workspaces)?;
        if self.json {
            let made = Restored {
                output: self.output.to_string_lossy(),
                made: is_made,
                report,
                serve,
            };
            return print_json(format_args!("{}\n", json_text(&made)));
        }
        let mut text = format!("{}: {}\n", shown(&self.output), contents(report));
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
    fn serve_command(&self, has_workspaces: bool) -> Result<String> {
        let store = std::path::absolute(&self.output).map_err(ArchiveError::io("find", &self.output))?;
        let artifacts = artifacts_of(&self.output)?;
        let database = format!("sqlite:///{}", store.join(DATABASE).display());
        let artifacts = match self.artifact_uris {
            ArtifactUris::Proxied => {
                format!("--artifacts-destination {} --serve-artifacts", word(&artifacts))
            }
            ArtifactUris::Direct => format!(
                "--default-artifact-root {} --no-serve-artifacts",
                word(&artifacts)
            ),
        };
        let workspaces = if has_workspaces {
            " --enable-workspaces"
        } else {
            ""
        };
        Ok(format!(
            "mlflow server --backend-store-uri {} {artifacts}{workspaces}",
            word(Path::new(&database))
        ))
    }
}

/// What `restore` made, or would make.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Restored<'a> {
    /// The folder.
    output: Cow<'a, str>,
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
            error => {
                let exit = Exit::of_error(error.kind());
                CliError::with_exit(error, exit)
            }
        }
    }
}
