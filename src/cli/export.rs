//! `mlark export`.

use super::json::Exported;
use super::last_lines::{say_of_export, say_of_source};
use super::shard_args::ShardArgs;
use super::source_args::{ReadArgs, SelectionArgs};
use super::{
    CliError, Exit, OutputArgs, Result, counted, counted_artifacts, counted_kinds, grouped, print_made,
    remove_on_signal, say, shown, with_progress,
};
use crate::cli::server_args::tracking_uri;
use crate::cli::signals::end_at_once;
use crate::flow::export::detect::{self, SourceKind};
use crate::flow::export::export;
use crate::format::{Kind, LossCount, Manifest};
use crate::lang::rest::resume::resume_folder;
use crate::lang::session::{ExportError, ExportOptions, ExportReport, SurveyCounts};
use crate::monitor::Interrupt;
use clap::ValueEnum;
use clap::builder::NonEmptyStringValueParser;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Export MLflow history from a server, database or folder into an archive
///
/// SOURCE is a tracking server (`http(s)://…`, `databricks[://PROFILE]`), a database (`sqlite:///…` or the path of its file), an
/// `mlruns` folder, an mlflow-export-import directory, or a zip of either. mlark detects which one it is.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mlark export ./mlruns -o history.zip
  mlark export mlflow.db -o history --artifacts-destination ./mlartifacts
  mlark export https://ana@mlflow.example.org -o history.zip --experiment fraud
  mlark export https://mlflow.example.org -o history --resume
  mlark export https://mlflow.example.org -o june.zip --base may.zip
  mlark export https://mlflow.example.org -o part-3.zip --shard 3/16
  mlark export ./exported -o history --experiment 'fraud*' --since 2024-01-01")]
pub(super) struct Args {
    /// Server, database or folder to read [default: MLFLOW_TRACKING_URI]
    source: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
    /// Read SOURCE as this kind instead of detecting it
    #[arg(long, value_enum, value_name = "KIND")]
    from: Option<From>,
    /// Leave out what cannot be read, list it in the archive, and exit with 3
    #[arg(long)]
    keep_going: bool,
    /// Exit with 3 if there are limits: data that SOURCE does not show or the archive cannot hold
    #[arg(long)]
    strict: bool,
    /// Continue an interrupted export to OUT without fetching again what is already there (tracking servers)
    #[arg(long)]
    resume: bool,
    /// Reuse unchanged artifacts and metric history from this older archive of the same server
    #[arg(long, value_name = "ARCHIVE")]
    base: Option<PathBuf>,
    /// Name of the place the data comes from; use the same name for every export of it [default: a digest of SOURCE]
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    origin: Option<String>,
    #[command(flatten)]
    read: ReadArgs,
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    shard: ShardArgs,
    /// Print a summary as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum From {
    FileStore,
    ExportImport,
}

impl Args {
    /// Exports and says what was made.
    pub(super) fn run(self) -> Result {
        let source = tracking_uri(self.source.as_deref(), "SOURCE")?;
        let kind = match self.from {
            Some(From::FileStore) => SourceKind::FileStore,
            Some(From::ExportImport) => SourceKind::ExportImport,
            None => detect::kind_of(&source)?,
        };
        if let Some(path) = crate::model::uri::local_path(&source) {
            self.output.refuse_input(Path::new(&path))?;
        }
        let only_servers = [("--resume", self.resume), ("--base", self.base.is_some())];
        if let Some((option, _)) = only_servers.iter().find(|(_, is_given)| *is_given)
            && kind != SourceKind::Rest
        {
            return Err(
                CliError::usage(format!("{option} works only with tracking servers"))
                    .hint("leave it out: other sources are fast to read again"),
            );
        }
        let mut selection = self.selection.into_selection()?;
        selection.share = self.shard.share(&selection)?;
        let options = ExportOptions {
            writer: self.output.writer_options(),
            keep_going: self.keep_going,
            origin: self.origin,
            selection,
            resume: self.resume,
            base: self.base,
            interrupt: interrupt_of(kind),
            ..self.read.into_options()?
        };
        self.output.clear_leftovers()?;
        let out = &self.output.output;
        let report = with_progress(|progress| export(kind, &source, out, options, progress))
            .map_err(|error| with_way_on(error, out))?;
        let made = Exported::new(out, &report.manifest);
        print_made(self.json, &made, || summary(out, &report))?;
        say_of_export(&report);
        say_of_source(kind, &source);
        let is_limited = self.strict && !report.manifest.losses.limits.is_empty();
        Ok(Exit::incomplete_if(report.failures > 0 || is_limited))
    }
}

/// What a signal asks of an export: of a server's that it end, and what it fetched stays; others end at once, since nothing of
/// theirs can be gone on with, and a file may be huge.
pub(super) fn interrupt_of(kind: SourceKind) -> Interrupt {
    match kind {
        SourceKind::Rest => on_signal(),
        _ => {
            remove_on_signal();
            Interrupt::default()
        }
    }
}

/// Asks what reads a source to end at the first signal; a second one ends the process.
pub(super) fn on_signal() -> Interrupt {
    let interrupt = Interrupt::default();
    let asked = interrupt.clone();
    // Where no handler can be set, a signal ends the process; what was fetched stays then, too.
    let _ = ctrlc::set_handler(move || {
        if asked.set() {
            end_at_once();
        }
        say("stopping; a second Ctrl-C stops at once");
    });
    interrupt
}

/// Says how to go on, where something was fetched.
fn with_way_on(error: ExportError, out: &Path) -> CliError {
    let folder = resume_folder(out);
    let is_used = matches!(error, ExportError::Resume { .. });
    let error = CliError::from(error);
    if folder.exists() && !is_used {
        error.also_hint(format!(
            "run the same command with --resume to continue; what was fetched is kept in `{}`",
            folder.display()
        ))
    } else {
        error
    }
}

/// One line on what was made, and lines on what was not.
fn summary(out: &Path, report: &ExportReport) -> String {
    let manifest = &report.manifest;
    let (out, contents) = (shown(out), contents(manifest));
    format!(
        "{out}: {contents}\ncontent id {}\n{}",
        manifest.content_id,
        what_is_not(manifest)
    )
}

/// What was left out, cannot be held and could not be read, one line each; what no such source can tell is one line in all.
pub(super) fn what_is_not(manifest: &Manifest) -> String {
    let mut text = String::new();
    let (expected, limits): (Vec<_>, Vec<_>) =
        manifest.losses.limits.iter().partition(|loss| loss.is_expected());
    let lines = [
        ("left out", manifest.selection.left_out.iter().collect()),
        ("limit", limits),
    ];
    for (label, counts) in lines {
        text.extend(counts.into_iter().map(|loss| loss_line(label, loss)));
    }
    if !expected.is_empty() {
        let reasons: BTreeSet<_> = expected.iter().map(|loss| loss.reason.as_str()).collect();
        let reasons: Vec<_> = reasons.into_iter().collect();
        let (count, reasons) = (expected.len(), reasons.join(", "));
        let fields = if count == 1 { "field" } else { "fields" };
        text.push_str(&format!(
            "limits that every source of this kind has: {count} {fields} ({reasons}); `mlark info` lists them\n"
        ));
    }
    let failures = manifest.losses.failures.iter();
    text.extend(failures.map(|loss| loss_line("failure", loss)));
    text
}

/// A count of losses as a line.
pub(super) fn loss_line(label: &str, loss: &LossCount) -> String {
    let field = match loss.field.as_str() {
        "*" => String::new(),
        field => format!(" {field}"),
    };
    let count = grouped(loss.count);
    format!("{label}: {count} {}{field}: {}\n", loss.kind, loss.reason)
}

/// What an archive holds, in a few words.
pub(super) fn contents(manifest: &Manifest) -> String {
    contents_with(manifest, &SurveyCounts::default())
}

/// The same, with what was counted and is not in the archive.
pub(super) fn contents_with(manifest: &Manifest, survey: &SurveyCounts) -> String {
    let count = |kind: Kind| manifest.count(kind) + survey.counted.get(&kind).unwrap_or(&0);
    let mut words = counted_kinds(count);
    let totals = &manifest.totals;
    let knows_points = !survey.not_asked.contains_key(&Kind::Metrics);
    words.extend(knows_points.then(|| counted(totals.metric_points, "metric points")));
    words.push(counted_artifacts(totals.artifact_files, totals.artifact_bytes));
    words.join(", ")
}
