//! `mlark convert`.

use super::choice_args::{NameArgs, run_filter};
use super::extract::{NAMED, name_some};
use super::{
    CliError, Exit, Result, counted, counted_artifacts, counted_kind, grouped, making, possibly_remote,
    print_made, refuse_input, say_silent, shown,
};
use crate::archive::Archive;
use crate::format::Kind;
use crate::lang::exim::write::{ConvertOptions, ConvertReport, Layout, convert};
use crate::lang::tables::{TableForm, TablesOptions, TablesReport, write_tables};
use crate::report::text::printable;
use crate::select::RunFilter;
use clap::ValueEnum;
use clap::builder::NonEmptyStringValueParser;
use std::path::PathBuf;

/// Write an archive as tables, or in the format of another tool
///
/// `--to parquet` and `--to csv` make a table of runs, a table of every metric point, and a table for each other kind of object,
/// for DuckDB, pandas, polars and Spark.
///
/// `--to exim` makes a directory that mlflow-export-import can import with import-all, import-experiments and import-models.
/// Tags, with source tags, stay as they are in the archive.
///
/// What the format cannot hold is counted as limits. DIR appears only when it is complete.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mlark convert history.zip -o tables --to parquet
  mlark convert history.zip -o tables --to csv --wide --filter 'metrics.auc > 0.9'
  mlark convert history.zip -o exported --to exim
  mlark convert tagged.zip -o exported --to exim --layout old")]
pub(super) struct Args {
    /// The archive to read
    archive: PathBuf,
    /// The directory to make
    #[arg(short, long, value_name = "DIR", value_parser = possibly_remote())]
    output: PathBuf,
    /// The format to write
    #[arg(long, value_enum, value_name = "FORM")]
    to: To,
    /// Replace DIR if `convert` made it; the old one stays until the new one is complete
    #[arg(long)]
    force: bool,
    /// Exit with 3 if the format cannot hold something
    #[arg(long)]
    strict: bool,
    /// Do not wait until the data is synced to disk
    #[arg(long)]
    no_sync: bool,
    /// Print a summary as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    tables: TableArgs,
    #[command(flatten)]
    exim: EximArgs,
}

/// Options of tables.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Tables")]
struct TableArgs {
    /// Add a column to `runs` for each param, metric and tag
    #[arg(long)]
    wide: bool,
    /// Write rows of experiments with this name, id or glob; may be repeated
    #[arg(short, long = "experiment", value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    experiments: Vec<String>,
    /// Write rows of the run with this id, or the start of it; may be repeated
    #[arg(short, long = "run", value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    runs: Vec<String>,
    /// Write rows of runs that match a filter in MLflow's search syntax, such as "metrics.auc > 0.9 AND params.lr = '0.1'"
    #[arg(long, value_name = "FILTER", value_parser = run_filter)]
    filter: Option<RunFilter>,
}

/// Options of directories of mlflow-export-import.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "mlflow-export-import")]
struct EximArgs {
    /// Directory layout to write [default: new]
    #[arg(long, value_enum, value_name = "LAYOUT")]
    layout: Option<Layout>,
    /// Leave out objects whose names this file system cannot hold, and exit with 3
    #[arg(long)]
    keep_going: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum To {
    /// Apache Parquet tables
    Parquet,
    /// Tables of comma-separated values
    Csv,
    /// A directory for mlflow-export-import
    #[value(alias = "export-import")]
    Exim,
}

impl TableArgs {
    fn is_given(&self) -> bool {
        self.wide || !self.experiments.is_empty() || !self.runs.is_empty() || self.filter.is_some()
    }
}

impl Args {
    pub(super) fn run(self) -> Result {
        let form = match self.to {
            To::Parquet => TableForm::Parquet,
            To::Csv => TableForm::Csv,
            To::Exim => return self.make_exim(),
        };
        self.make_tables(form)
    }

    fn make_tables(self, form: TableForm) -> Result {
        if self.exim.layout.is_some() || self.exim.keep_going {
            return Err(CliError::usage("--layout and --keep-going are for `--to exim`"));
        }
        refuse_input(&self.output, &self.archive)?;
        let archive = Archive::open(&self.archive)?;
        let names = NameArgs {
            experiments: self.tables.experiments,
            runs: self.tables.runs,
            models: Vec::new(),
            filter: self.tables.filter,
        };
        let (names, silent) = names.find(&archive)?;
        say_silent(&silent);
        let options = TablesOptions {
            wide: self.tables.wide,
            names,
            force: self.force,
            no_sync: self.no_sync,
            ..TablesOptions::new(form)
        };
        let report = making(&self.output, |progress| {
            write_tables(&archive, &self.output, &options, progress)
        })?;
        let words = || format!("{}: {}", shown(&self.output), summary_of_tables(&report));
        print_made(self.json, &report, words)?;
        Ok(Exit::incomplete_if(self.strict && !report.limits.is_empty()))
    }

    fn make_exim(self) -> Result {
        if self.tables.is_given() {
            return Err(
                CliError::usage("--wide, --experiment, --run and --filter are for tables").hint(
                    "choose with `mlark transform` and the same options first, then convert its output",
                ),
            );
        }
        refuse_input(&self.output, &self.archive)?;
        let archive = Archive::open(&self.archive)?;
        let options = ConvertOptions {
            layout: self.exim.layout.unwrap_or_default(),
            force: self.force,
            keep_going: self.exim.keep_going,
            no_sync: self.no_sync,
        };
        let report = making(&self.output, |progress| {
            convert(&archive, &self.output, options, progress)
        })?;
        name_some(&report.refused, "");
        print_made(self.json, &report, || self.summary(&report))?;
        let is_limited = self.strict && !report.limits.is_empty();
        Ok(Exit::incomplete_if(!report.refused.is_empty() || is_limited))
    }

    fn summary(&self, report: &ConvertReport) -> String {
        let count = |kind: &Kind| report.counts.get(kind.name()).copied().unwrap_or(0);
        let mut words: Vec<_> = Kind::ALL
            .iter()
            .filter(|kind| **kind != Kind::Artifacts && count(kind) > 0)
            .map(|kind| counted_kind(count(kind), *kind))
            .collect();
        words.push(counted(report.metric_points, "metric points"));
        words.push(counted_artifacts(count(&Kind::Artifacts), report.artifact_bytes));
        let mut text = format!("{}: {}\n", shown(&self.output), words.join(", "));
        for limit in &report.limits {
            text.push_str(&super::export::loss_line("limit", limit));
        }
        for orphan in report.orphans.iter().take(NAMED) {
            let (id, parent) = (printable(&orphan.id), printable(&orphan.parent));
            text.push_str(&format!("  run {id}: its parent {parent} is missing\n"));
        }
        text
    }
}

/// How many rows each table has that has any.
fn summary_of_tables(report: &TablesReport) -> String {
    let tables = report.tables.iter().filter(|table| table.rows > 0);
    let words: Vec<_> = tables
        .map(|table| format!("{} {}", grouped(table.rows), table.name))
        .collect();
    let words = match words.is_empty() {
        true => "no rows".to_owned(),
        false => words.join(", "),
    };
    let limits = report.limits.iter();
    let limits: String = limits
        .map(|limit| super::export::loss_line("limit", limit))
        .collect();
    format!("{words}\n{limits}")
}
