//! `mlark migrate`: export, verify, restore and compare, in one step.

use super::export::{contents as archive_contents, interrupt_of, loss_line, what_is_not};
use super::import::difference_line;
use super::last_lines::say_of_export;
use super::restoring::{HowArgs, Made, Target, contents, edit_line};
use super::server_args::ServerArgs;
use super::verify_store::told;
use super::{
    CliError, Exit, Result, clear_leftovers, output_path, possibly_remote, print_json, print_result,
    print_summary, refuse_input, shown, with_progress,
};
use crate::archive::verify::{VerifyOptions, verify};
use crate::archive::{Archive, ArchiveError, WriterOptions, remote};
use crate::flow::compare::{StoreComparison, StoreOptions, compare_store};
use crate::flow::export::detect::{self, SourceKind};
use crate::flow::export::export;
use crate::flow::restore::RestoreReport;
use crate::format::LossCount;
use crate::lang::session::{ExportOptions, ExportReport};
use crate::model::mask::redact;
use crate::model::uri::local_path;
use crate::report::Difference;
use crate::select::Selection;
use schemars::JsonSchema;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// The most differences that a document lists.
const LISTED_DIFFERENCES: usize = 1_000;

/// Move MLflow history to a new store: export, verify, restore and compare in one step
///
/// SOURCE is a file store (`mlruns`), a database or a tracking server. TARGET is a new folder, which gets a SQLite database and
/// the artifacts, or an empty database (PostgreSQL, MySQL or SQLite).
///
/// All ids, times, links and deleted objects are kept, and SOURCE is not changed. At the end mlark reads the target again and
/// compares it with SOURCE. Exit code 0 means that everything a store can hold is there.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mlark migrate ./mlruns store --dry-run
  mlark migrate ./mlruns store
  mlark migrate ./mlruns postgresql://mlflow@db/mlflow --artifacts-destination /srv/mlflow/artifacts
  mlark migrate sqlite:///mlflow.db store --source-artifacts ./mlartifacts --archive history.zip")]
pub(super) struct Args {
    /// Server, database or folder to read
    source: String,
    /// Folder to make, or empty database to fill
    target: String,
    /// Where artifacts go beside a database: a folder to make, or `s3://…`, `gs://…`, `abfss://…`; `mlflow server` needs the same option
    #[arg(long, value_name = "DIR", value_parser = possibly_remote())]
    artifacts_destination: Option<PathBuf>,
    /// Keep the archive that is made on the way
    #[arg(long, value_name = "FILE", value_parser = output_path())]
    archive: Option<PathBuf>,
    /// Show what would be moved and what would be lost, and change nothing; artifacts are listed, not read
    #[arg(long, conflicts_with = "archive")]
    dry_run: bool,
    /// Leave out what cannot be read, list it, and exit with 3
    #[arg(long)]
    keep_going: bool,
    /// Exit with 3, and write nothing to the target, if it cannot hold something
    #[arg(long)]
    strict: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    how: HowArgs,
    /// Directory that SOURCE's server used as --artifacts-destination, for `mlflow-artifacts:` URIs
    #[arg(long, value_name = "DIR", help_heading = "Source")]
    source_artifacts: Option<PathBuf>,
    /// Also read artifacts from local folders below this one; may be repeated
    #[arg(long, value_name = "DIR", help_heading = "Source")]
    artifacts_under: Vec<PathBuf>,
    #[command(flatten)]
    server: ServerArgs,
}

/// The result of a move.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Migrated<'a> {
    /// Where the history was read.
    source: String,
    /// The archive, where it is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    archive: Option<String>,
    /// What of the source was left out by choice.
    left_out: &'a [LossCount],
    /// What the source does not tell, or the archive cannot hold.
    not_told: &'a [LossCount],
    /// What could not be read.
    failures: &'a [LossCount],
    /// The folder, or the database.
    target: &'a str,
    /// Whether it was made; false of a plan.
    made: bool,
    /// What was made there, or would be.
    restored: &'a RestoreReport,
    /// How it compares with the archive; absent where nothing was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    compared: Option<&'a StoreComparison>,
    /// The values that differ; of very many, the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    differences: Option<&'a [Difference]>,
    /// The command that serves it.
    serve: String,
}

impl Args {
    pub(super) fn run(self) -> Result {
        let kind = detect::kind_of(&self.source)?;
        let target = Target::of(&self.target, self.artifacts_destination.clone())?;
        if let Some(path) = local_path(&self.source) {
            refuse_input(target.output(), Path::new(&path))?;
        }
        let exists = std::fs::symlink_metadata(target.output()).is_ok();
        if exists && !self.dry_run {
            let path = target.output().to_owned();
            return Err(crate::flow::restore::RestoreError::from(ArchiveError::OutputExists { path }).into());
        }
        clear_leftovers(target.output());
        let scratch = target.scratch(self.dry_run)?;
        let path = match &self.archive {
            Some(archive) => archive.clone(),
            None => scratch.path().join("archive"),
        };
        let exported = self.export(kind, &path)?;
        let archive = self.verified(&path)?;
        let made = self.how.make(&archive, &target, self.dry_run, self.strict)?;
        let compared = match made.is_made {
            true => Some(self.compare(&archive, &made)?),
            false => None,
        };
        self.tell(&exported, &made, compared.as_ref())?;
        let is_refused = self.strict && !made.report.limits.is_empty();
        Ok(match compared {
            Some((compared, _)) if compared.differences > 0 => Exit::Findings,
            _ if exported.failures > 0 || is_refused => Exit::Incomplete,
            _ => Exit::Done,
        })
    }

    fn export(&self, kind: SourceKind, out: &Path) -> Result<ExportReport> {
        let options = ExportOptions {
            writer: WriterOptions {
                no_sync: self.archive.is_none(),
                ..WriterOptions::default()
            },
            keep_going: self.keep_going,
            include_deleted: true,
            selection: Selection {
                no_artifacts: self.dry_run,
                ..Selection::default()
            },
            artifacts_destination: self.source_artifacts.clone(),
            artifacts_under: self.artifacts_under.clone(),
            rest: self.server.read_options()?,
            interrupt: interrupt_of(kind),
            ..ExportOptions::default()
        };
        clear_leftovers(out);
        let report = with_progress(|progress| export(kind, &self.source, out, options, progress))?;
        say_of_export(&report);
        Ok(report)
    }

    /// The archive, once all of it was checked.
    fn verified(&self, path: &Path) -> Result<Archive> {
        let report = with_progress(|progress| verify(path, &VerifyOptions::default(), progress))?;
        match report.findings.first() {
            Some(finding) if !report.is_intact() => Err(CliError::with_exit(
                anyhow::anyhow!("the archive `{}` is damaged: {}", shown(path), finding.message),
                Exit::Damaged,
            )),
            _ => Ok(Archive::open(path)?),
        }
    }

    /// Reads the target again.
    fn compare(&self, archive: &Archive, made: &Made) -> Result<(StoreComparison, Vec<Difference>)> {
        let options = StoreOptions {
            restore: self.how.options(),
            artifacts: Some(made.place.artifacts.clone()).filter(|folder| !remote::is_remote(folder)),
        };
        let mut differences = Vec::new();
        let mut list = |difference| {
            if differences.len() < LISTED_DIFFERENCES {
                differences.push(difference);
            }
            Ok(())
        };
        let database = &made.place.database;
        let compared =
            with_progress(|progress| compare_store(archive, database, &options, progress, &mut list))?;
        Ok((compared, differences))
    }

    fn tell(
        &self,
        exported: &ExportReport,
        made: &Made,
        compared: Option<&(StoreComparison, Vec<Difference>)>,
    ) -> Result<()> {
        let manifest = &exported.manifest;
        let serve = self.how.serve_command(made);
        if self.json {
            let migrated = Migrated {
                source: redact(&self.source),
                archive: self.archive.as_ref().map(|archive| shown(archive)),
                left_out: &manifest.selection.left_out,
                not_told: &manifest.losses.limits,
                failures: &manifest.losses.failures,
                target: &made.place.output,
                made: made.is_made,
                restored: &made.report,
                compared: compared.map(|(compared, _)| compared),
                differences: compared.map(|(_, differences)| differences.as_slice()),
                serve,
            };
            return print_json(&migrated);
        }
        let mut text = format!("{}: {}\n", redact(&self.source), archive_contents(manifest));
        text.push_str(&what_is_not(manifest));
        if let Some(archive) = &self.archive {
            text.push_str(&format!(
                "{}: content id {}\n",
                shown(archive),
                manifest.content_id
            ));
        }
        let output = shown(Path::new(&made.place.output));
        text.push_str(&format!("{output}: {}\n", contents(&made.report)));
        text.extend(made.report.edits.iter().map(edit_line));
        let Some((compared, differences)) = compared else {
            text.extend(made.report.limits.iter().map(|loss| loss_line("limit", loss)));
            return print_result(text);
        };
        for difference in differences {
            text.push_str(&format!("{}\n", difference_line(difference, false)));
        }
        text.push_str(&told(compared));
        text.push_str(&format!("serve it with:\n  {serve}\n"));
        print_summary(text)
    }
}
