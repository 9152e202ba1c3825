//! `mlark convert`.

use super::error::Result;
use super::exit::Exit;
use super::extract::{NAMED, name_some};
use super::progress::Progress;
use crate::archive::Archive;
use crate::cli::humanize::{bytes, counted, counted_kind, shown};
use crate::cli::output_args::{output_path, refuse_input};
use crate::cli::results::{print_json, print_summary};
use crate::cli::signals::{clear_leftovers, remove_on_signal};
use crate::format::Kind;
use crate::lang::exim::write::{ConvertOptions, ConvertReport, Layout, convert};
use crate::report::text::{json_text, printable};
use clap::ValueEnum;
use std::path::PathBuf;

/// Write an archive as a directory of another tool
///
/// `--to exim` makes a directory that mlflow-export-import reads with import-all, import-experiments and import-models,
/// tags and source tags as they are in the archive. What the directory cannot hold is counted as limits. DIR appears
/// when it is whole, or not at all.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mlark convert history.zip -o exported --to exim
  mlark convert tagged.zip -o exported --to exim --layout old")]
pub(super) struct Args {
    /// The archive
    archive: PathBuf,
    /// The directory to make
    #[arg(short, long, value_name = "DIR", value_parser = output_path())]
    output: PathBuf,
    /// Whose directory
    #[arg(long, value_enum, value_name = "TOOL")]
    to: To,
    /// Where objects lie in it
    #[arg(long, value_enum, value_name = "LAYOUT", default_value_t = LayoutArg::New)]
    layout: LayoutArg,
    /// Replaces DIR where it exists, but no directory without a `manifest.json`; until the new one is whole, the old one stays
    #[arg(long)]
    force: bool,
    /// Leaves out what has a name that cannot be a file's here, and exits with 3
    #[arg(long)]
    keep_going: bool,
    /// Exits with 3 where the directory cannot hold something
    #[arg(long)]
    strict: bool,
    /// Leaves syncing to disk to the operating system
    #[arg(long)]
    no_sync: bool,
    /// Prints what was made as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum To {
    /// mlflow-export-import
    #[value(alias = "export-import")]
    Exim,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LayoutArg {
    /// That of the newest source of mlflow-export-import
    New,
    /// That of its release 1.2.0 on PyPI, which mlflow-migration reads too
    Old,
}

impl Args {
    pub(super) fn run(self) -> Result {
        let To::Exim = self.to;
        refuse_input(&self.output, &self.archive)?;
        let archive = Archive::open(&self.archive)?;
        let options = ConvertOptions {
            layout: match self.layout {
                LayoutArg::New => Layout::New,
                LayoutArg::Old => Layout::Old,
            },
            force: self.force,
            keep_going: self.keep_going,
            no_sync: self.no_sync,
        };
        clear_leftovers(&self.output);
        remove_on_signal();
        let progress = Progress::new();
        let report = convert(&archive, &self.output, options, &progress);
        progress.done();
        let report = report?;
        name_some(&report.refused, "");
        if self.json {
            print_json(format_args!("{}\n", json_text(&report)))?;
        } else {
            print_summary(self.summary(&report))?;
        }
        let is_limited = self.strict && !report.limits.is_empty();
        Ok(if report.refused.is_empty() && !is_limited {
            Exit::Done
        } else {
            Exit::Incomplete
        })
    }

    fn summary(&self, report: &ConvertReport) -> String {
        let count = |kind: &Kind| report.counts.get(kind.name()).copied().unwrap_or(0);
        let mut words: Vec<_> = Kind::ALL
            .iter()
            .filter(|kind| **kind != Kind::Artifacts && count(kind) > 0)
            .map(|kind| counted_kind(count(kind), *kind))
            .collect();
        words.push(counted(report.metric_points, "metric points"));
        words.push(format!(
            "{} ({})",
            counted(count(&Kind::Artifacts), "artifacts"),
            bytes(report.artifact_bytes)
        ));
        let mut text = format!("{}: {}\n", shown(&self.output), words.join(", "));
        for limit in &report.limits {
            text.push_str(&super::export::loss_line("limit", limit));
        }
        for orphan in report.orphans.iter().take(NAMED) {
            let (id, parent) = (printable(&orphan.id), printable(&orphan.parent));
            text.push_str(&format!("  run {id}: its parent {parent} is not there\n"));
        }
        text
    }
}
