//! `mlark split`.

use super::json::Split;
use super::{
    Exit, Result, bytes, clear_leftovers, counted, counted_kind, note, possibly_remote, print_json,
    print_summary, refuse_input, remove_on_signal, shown,
};
use crate::archive::{Archive, ContainerKind, WriterOptions};
use crate::cli::output_args::{one_of, size, threads};
use crate::flow::merge::split::{self, Every, SplitBy, SplitOptions, SplitReport};
use crate::format::Kind;
use clap::ValueEnum;
use std::fmt::Write as _;
use std::path::PathBuf;

/// Parts that are named; all are with --json.
const NAMED: usize = 20;

/// Split an archive into several complete archives
///
/// Each part includes what its objects need, so some objects are in several parts. Objects that belong to no experiment are in
/// the first part. `mlark merge` of all parts gives the content id of the input. DIR appears only when all parts are complete.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mlark split history.zip -o parts --by experiment
  mlark split history.zip -o parts --by size --size 10GB
  mlark split history.zip -o parts --by time --every year
  mlark merge parts/*.zip -o again.zip")]
pub(super) struct Args {
    /// The archive to split
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// Directory to make, with part-1, part-2 and so on
    #[arg(short, long, value_name = "DIR", value_parser = possibly_remote())]
    output: PathBuf,
    /// How to divide the archive
    #[arg(long, value_enum, value_name = "WHAT")]
    by: ByArg,
    /// With --by size: approximate size of a part, such as 500MB or 10GB
    #[arg(long, value_name = "BYTES", value_parser = size, required_if_eq("by", "size"))]
    size: Option<u64>,
    /// With --by time: span of a part, by the start of its runs (UTC)
    #[arg(long, value_enum, value_name = "SPAN", default_value_t = EveryArg::Month)]
    every: EveryArg,
    /// Make directories or zips [default: the same as IN]
    #[arg(long, value_name = "KIND", value_parser = one_of(ContainerKind::ALL, ContainerKind::as_str))]
    container: Option<ContainerKind>,
    /// Copy blobs instead of linking them to those of IN
    #[arg(long)]
    copy: bool,
    /// Replace DIR if it holds nothing but parts; the old parts stay until the new ones are complete
    #[arg(long)]
    force: bool,
    /// Do not wait until the data is synced to disk
    #[arg(long)]
    no_sync: bool,
    /// Threads for reading and hashing [default: one per core]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, value_parser = threads())]
    threads: usize,
    /// Print a summary as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ByArg {
    /// One part per experiment
    Experiment,
    /// One part per workspace
    Workspace,
    /// Runs in order, up to --size per part
    Size,
    /// Runs that started in the same day, week, month or year
    Time,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum EveryArg {
    Day,
    /// Weeks start on Monday
    Week,
    Month,
    Year,
}

impl Args {
    pub(super) fn run(self) -> Result {
        refuse_input(&self.output, &self.input)?;
        let archive = Archive::open(&self.input)?;
        let by = match (self.by, self.size) {
            (ByArg::Experiment, _) => SplitBy::Experiment,
            (ByArg::Workspace, _) => SplitBy::Workspace,
            (ByArg::Size, size) => SplitBy::Size(size.unwrap_or(u64::MAX)),
            (ByArg::Time, _) => SplitBy::Time(match self.every {
                EveryArg::Day => Every::Day,
                EveryArg::Week => Every::Week,
                EveryArg::Month => Every::Month,
                EveryArg::Year => Every::Year,
            }),
        };
        let options = SplitOptions {
            writer: WriterOptions {
                container: self.container,
                threads: self.threads,
                no_sync: self.no_sync,
                force: self.force,
            },
            copy: self.copy,
        };
        clear_leftovers(&self.output);
        remove_on_signal();
        let report = split::split(&archive, &self.output, by, &options)?;
        if self.json {
            print_json(&Split::new(&self.output, &report))?;
        } else {
            for (kind, &count) in &report.shared {
                note(format_args!("in several parts: {}", counted_kind(count, *kind)));
            }
            print_summary(self.summary(&report))?;
        }
        Ok(Exit::Done)
    }

    fn summary(&self, report: &SplitReport) -> String {
        let count = report.parts.len() as u64;
        let mut text = format!("{}: {}\n", shown(&self.output), counted(count, "parts"));
        for part in report.parts.iter().take(NAMED) {
            let manifest = &part.manifest;
            let runs = counted_kind(manifest.count(Kind::Runs), Kind::Runs);
            let stored = bytes(manifest.totals.blob_bytes);
            let label = match part.label.as_str() {
                "" => String::new(),
                label => format!(" ({})", crate::report::text::printable(label)),
            };
            let _ = writeln!(text, "{}{label}: {runs}, {stored} in blobs", part.name);
        }
        if report.parts.len() > NAMED {
            let _ = writeln!(text, "… and {} more", report.parts.len() - NAMED);
        }
        text
    }
}
