//! `mlark export`.

use super::common::{OutputArgs, bytes, grouped, tracking_uri};
use super::error::{CliError, Result};
use super::exit::Exit;
use super::progress::Progress;
use crate::client::Secret;
use crate::format::Kind;
use crate::format::Manifest;
use crate::source::detect::{self, SourceKind};
use crate::source::rest::RestOptions;
use crate::source::{ExportOptions, ExportReport, Patterns, Selection, TimeRange};
use clap::ValueEnum;
use std::path::{Path, PathBuf};

/// Write MLflow history from wherever it lives into an archive
///
/// SOURCE is a tracking server (`http(s)://…`, `databricks[://PROFILE]`), a database (`sqlite:///…`, or the file), an
/// `mlruns` folder, a folder of mlflow-export-import, or a zip of either; what lies there decides.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mlark export ./mlruns -o history.zip
  mlark export mlflow.db -o history --artifacts-destination ./mlartifacts
  mlark export https://ana@mlflow.example.org -o history.zip --experiment fraud
  mlark export ./exported -o history --experiment 'fraud*' --since 2024-01-01")]
pub(super) struct Args {
    /// Where the history is [default: MLFLOW_TRACKING_URI]
    source: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
    /// Reads SOURCE as this, whatever lies there
    #[arg(long, value_enum, value_name = "KIND")]
    from: Option<From>,
    /// Leaves out what cannot be read, lists it in the archive, and exits with 3
    #[arg(long)]
    keep_going: bool,
    /// Keeps deleted experiments, runs, logged models and model versions
    #[arg(long)]
    include_deleted: bool,
    /// Name of where the data comes from, the same for every export of it [default: a digest of SOURCE]
    #[arg(long, value_name = "NAME")]
    origin: Option<String>,
    /// Directory (or, with the feature `cloud`, the s3:, gs:, wasbs: or abfss: URI) that the server's --artifacts-destination
    /// names, for `mlflow-artifacts:` URIs
    #[arg(long, value_name = "DIR")]
    artifacts_destination: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    selection: SelectionArgs,
}

/// How a tracking server is asked; `MLFLOW_TRACKING_*` and its kin mean what they mean to MLflow.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Tracking server")]
struct ServerArgs {
    /// Requests under way at once
    #[arg(long, value_name = "N", default_value_t = 8)]
    concurrency: usize,
    /// Requests a second at most
    #[arg(long, value_name = "N")]
    max_rate: Option<f64>,
    /// Server of the model registry, where it is another one [default: MLFLOW_REGISTRY_URI]
    #[arg(long, value_name = "URI")]
    registry_uri: Option<String>,
    /// Header of every request; may be repeated
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
}

impl ServerArgs {
    fn into_options(self) -> Result<RestOptions> {
        let headers = self.headers.iter().map(|header| {
            let (name, value) = header
                .split_once(':')
                .ok_or_else(|| CliError::usage("a header is written `NAME: VALUE`"))?;
            Ok((name.trim().to_owned(), Secret::new(value.trim())))
        });
        Ok(RestOptions {
            concurrency: self.concurrency,
            requests_per_second: self.max_rate,
            registry_uri: self.registry_uri,
            headers: headers.collect::<Result<_>>()?,
            environment: None,
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum From {
    FileStore,
    ExportImport,
}

/// Which objects to take; a choice brings what it needs.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Selection")]
struct SelectionArgs {
    /// Takes experiments of this name, id or glob; may be repeated
    #[arg(long = "experiment", value_name = "NAME")]
    experiments: Vec<String>,
    /// Takes this run; may be repeated
    #[arg(long = "run", value_name = "ID")]
    runs: Vec<String>,
    /// Takes registered models of this name or glob, with the runs of their versions; may be repeated
    #[arg(long = "model", value_name = "NAME")]
    models: Vec<String>,
    /// Takes runs that started at or after this (RFC 3339, or a date, in UTC)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Takes runs that started before this
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Lists artifacts without taking their bytes
    #[arg(long)]
    no_artifacts: bool,
    /// Takes only artifacts whose path matches this glob; may be repeated
    #[arg(long, value_name = "GLOB")]
    artifact_include: Vec<String>,
    /// Leaves out artifacts whose path matches this glob; may be repeated
    #[arg(long, value_name = "GLOB")]
    artifact_exclude: Vec<String>,
}

impl SelectionArgs {
    fn into_selection(self) -> Result<Selection> {
        let usage = |error: crate::source::PatternError| CliError::usage(error);
        Ok(Selection {
            experiments: Patterns::names(self.experiments).map_err(usage)?,
            runs: self.runs,
            models: Patterns::names(self.models).map_err(usage)?,
            time: TimeRange {
                since: self.since.as_deref().map(parse_time).transpose()?,
                until: self.until.as_deref().map(parse_time).transpose()?,
            },
            no_artifacts: self.no_artifacts,
            artifact_include: Patterns::paths(self.artifact_include).map_err(usage)?,
            artifact_exclude: Patterns::paths(self.artifact_exclude).map_err(usage)?,
        })
    }
}

/// Epoch milliseconds of an RFC 3339 time, or of a date's or time's start in UTC.
fn parse_time(text: &str) -> Result<i64> {
    let timestamp = text.parse::<jiff::Timestamp>().ok();
    let timestamp = timestamp.or_else(|| {
        let civil: jiff::civil::DateTime = text.parse().ok()?;
        jiff::tz::TimeZone::UTC.to_timestamp(civil).ok()
    });
    timestamp
        .map(|timestamp| timestamp.as_millisecond())
        .ok_or_else(|| {
            CliError::usage(format!("`{text}` is not a time"))
                .hint("write 2024-01-31 or 2024-01-31T12:00:00Z")
        })
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
        if let Some(path) = crate::source::uri::local_path(&source) {
            self.output.refuse_input(Path::new(&path))?;
        }
        let options = ExportOptions {
            writer: self.output.writer_options(),
            keep_going: self.keep_going,
            include_deleted: self.include_deleted,
            origin: self.origin,
            source_uri: None,
            selection: self.selection.into_selection()?,
            artifacts_destination: self.artifacts_destination,
            rest: self.server.into_options()?,
        };
        let progress = Progress::new();
        let report = crate::source::export(kind, &source, &self.output.output, options, &progress);
        progress.done();
        let report = report?;
        print!("{}", summary(&self.output.output, &report));
        Ok(if report.failures > 0 {
            Exit::Incomplete
        } else {
            Exit::Done
        })
    }
}

/// One line on what was made, one on what was not.
fn summary(out: &Path, report: &ExportReport) -> String {
    let manifest = &report.manifest;
    let mut text = format!("{}: {}\n", out.display(), contents(manifest));
    text.push_str(&format!("content id {}\n", manifest.content_id));
    for (label, counts) in [
        ("left out", &manifest.selection.left_out),
        ("limit", &manifest.losses.limits),
        ("failure", &manifest.losses.failures),
    ] {
        for loss in counts {
            let field = if loss.field == "*" {
                String::new()
            } else {
                format!(" {}", loss.field)
            };
            text.push_str(&format!(
                "{label}: {} {}{field}: {}\n",
                grouped(loss.count),
                loss.kind,
                loss.reason
            ));
        }
    }
    text
}

/// What an archive holds, in a few words.
pub(super) fn contents(manifest: &Manifest) -> String {
    let mut words: Vec<String> = Kind::ALL
        .iter()
        .filter(|kind| !matches!(kind, Kind::Metrics | Kind::ModelMetrics | Kind::Artifacts))
        .filter(|kind| manifest.count(**kind) > 0)
        .map(|kind| {
            format!(
                "{} {}",
                grouped(manifest.count(*kind)),
                kind.name().replace('-', " ")
            )
        })
        .collect();
    let totals = &manifest.totals;
    words.push(format!("{} metric points", grouped(totals.metric_points)));
    words.push(format!(
        "{} artifacts ({})",
        grouped(totals.artifact_files),
        bytes(totals.artifact_bytes)
    ));
    words.join(", ")
}
